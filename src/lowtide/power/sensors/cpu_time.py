"""CPU time: how busy the machine was and how much of it was the run's; what CPU models work on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lowtide.doors import Broken, Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel
from lowtide.power.scope import Scope
from lowtide.power.tree import NS_PER_TICK

__all__ = ["CpuTimeSensor"]


class CpuTimeSensor:
    """Reads /proc/stat and a run's scope; through psutil where there is no /proc.

    Channels: ``cpu.busy`` (user + nice + system + irq + softirq of all CPUs; steal is another guest's
    and iowait is idle), ``run.cpu`` and ``run.rss``.

    Parameters
    ----------
    scope : Scope
        What belongs to the run.
    proc : str
        Where proc is mounted.
    """

    name = "cpu_time"

    def __init__(self, scope: Scope, *, proc: str = "/proc") -> None:
        self._scope = scope
        try:
            self._fd = os.open(f"{proc}/stat", os.O_RDONLY | os.O_CLOEXEC)
            self._busy_ticks()
        except OSError as error:
            self._fd = -1
            if os.path.isdir(proc) and os.listdir(proc):
                raise SensorError(f"{proc}/stat cannot be read: {error.strerror}") from error
        tick_s = NS_PER_TICK / 1e9
        how = "/proc" if self._fd >= 0 else "psutil"
        self.channels = (
            Channel(name="cpu.busy", sensor=self.name, component="cpu", quantity="cpu_time", kind="counter",
                    scale=tick_s, device="all CPUs", method=f"busy time from {how}"),
            Channel(name="run.cpu", sensor=self.name, component="cpu", quantity="cpu_time", kind="counter",
                    scale=1e-9, consumer="run", device="all CPUs", method=f"CPU time of the run from {how}"),
            Channel(name="run.rss", sensor=self.name, component="memory", quantity="memory_bytes",
                    kind="gauge", consumer="run", device="memory", method=f"resident memory from {how}"),
        )  # fmt: skip

    def read(self) -> Sequence[Outcome]:
        """Return busy ticks of the machine, CPU nanoseconds and resident bytes of the run."""
        try:
            busy: Outcome = self._busy_ticks()
        except (OSError, ValueError) as error:
            busy = Broken(f"busy time: {error}")
        use = self._scope.use()
        return busy, use.cpu_ns, float(use.rss_bytes)

    def _busy_ticks(self) -> int:
        if self._fd < 0:
            import psutil

            times = psutil.cpu_times()
            busy_s: float = times.user + getattr(times, "nice", 0.0) + times.system
            return round(busy_s * 1e9 / NS_PER_TICK)
        f = os.pread(self._fd, 256, 0).split(None, 9)  # cpu user nice system idle iowait irq softirq ...
        return int(f[1]) + int(f[2]) + int(f[3]) + int(f[6]) + int(f[7])

    def close(self) -> None:
        """Close /proc/stat and the scope."""
        if self._fd >= 0:
            os.close(self._fd)
        self._scope.close()
