"""Who computes on a GPU: the SM utilisation of the run's processes and of the others, as NVML reports it.

Utilisation is not energy. It is the key by which a GPU's power is divided when a process outside the run is
seen on it, and the bill says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any, Final

from lowtide.doors import Outcome, Retry
from lowtide.model.hardware import Channel

__all__ = ["GpuUsers", "pids_are_the_hosts", "user_channels"]

_LOOK_EVERY: Final = 5
_HOST_PID_NAMESPACE: Final = "pid:[4026531836]"
"""Inode of the first pid namespace, fixed in the kernel (PROC_PID_INIT_INO)."""


def pids_are_the_hosts(proc: str = "/proc") -> bool:
    """Return whether this process sees the same pids as the driver, which knows the host's alone."""
    try:
        return os.readlink(os.path.join(proc, "self/ns/pid")) == _HOST_PID_NAMESPACE
    except OSError:
        return False


class GpuUsers:
    """Reads three gauges of one GPU: utilisation by the run, by all others, and how many the others are.

    Parameters
    ----------
    nvml : module
    handle : NVML device
    members : callable
        Returns the pids of the run.
    look_every : int
        Reads between two looks: asking the driver costs more than reading a counter.
    """

    def __init__(
        self, nvml: Any, handle: Any, members: Callable[[], Collection[int]], *, look_every: int = _LOOK_EVERY
    ) -> None:
        self._nvml, self._handle, self._members, self._every = nvml, handle, members, look_every
        self._countdown = 0
        self._last: tuple[Outcome, Outcome, Outcome] = (0.0, 0.0, 0.0)
        self._seen_us = 0

    def read(self) -> tuple[Outcome, Outcome, Outcome]:
        """Return (run's SM %, others' SM %, number of other processes)."""
        if self._countdown > 0:
            self._countdown -= 1
            return self._last
        self._countdown = self._every - 1
        try:
            self._last = self._look()
        except (
            Exception
        ) as error:  # pynvml raises another class where driver and binding are of different ages
            failure = Retry(f"processes on the GPU: {error}")
            self._last = (failure, failure, failure)
        return self._last

    def _look(self) -> tuple[Outcome, Outcome, Outcome]:
        pids = {process.pid for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)}
        own = set(self._members())
        others = len(pids - own)
        if not others:
            return 0.0, 0.0, 0.0
        run = other = 0.0
        for pid, percent in self._utilization().items():
            if pid in own:
                run += percent
            else:
                other += percent
        return run, other, float(others)

    def _utilization(self) -> dict[int, float]:
        """Return the newest SM utilisation of every process [%]; none where there are no samples."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(self._handle, self._seen_us)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) == 6:  # NOT_FOUND: nobody computed since the last look
                return {}
            raise
        newest: dict[int, tuple[int, float]] = {}
        for sample in samples:
            if sample.pid and sample.timeStamp >= newest.get(sample.pid, (0, 0.0))[0]:
                newest[sample.pid] = (sample.timeStamp, float(sample.smUtil))
            self._seen_us = max(self._seen_us, sample.timeStamp)
        return {pid: percent for pid, (_, percent) in newest.items()}


def user_channels(sensor: str, uuid: str, part: str) -> tuple[Channel, Channel, Channel]:
    """Return the channels of the three gauges."""
    how = "SM utilisation by process, from NVML"
    return (
        Channel(name=f"{sensor}.{uuid}.sm_run", sensor=sensor, component="gpu", quantity="utilization", kind="gauge",
                scale=0.01, consumer="run", device=uuid, part=part, method=how),
        Channel(name=f"{sensor}.{uuid}.sm_others", sensor=sensor, component="gpu", quantity="utilization",
                kind="gauge", scale=0.01, device=uuid, part=part, method=how),
        Channel(name=f"{sensor}.{uuid}.others", sensor=sensor, component="gpu", quantity="processes", kind="gauge",
                device=uuid, part=part, method="processes outside the run, from NVML"),
    )  # fmt: skip
