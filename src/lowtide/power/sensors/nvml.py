"""NVIDIA GPUs through NVML: the total-energy counter where there is one, else power.

The counter exists from Volta on and is the whole board in millijoules since the driver was loaded.
Where it is missing, ``power.draw`` is read; its sensor sees a part of the time only on some boards
(25 % on A100 and H100) and its gain is off by up to 5 %, board by board (Yang, Adamek, Armour, SC'24,
arXiv 2312.02741), which is the interval stated here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from lowtide.doors import Broken, Outcome, Retry
from lowtide.errors import MissingExtraError, SensorError
from lowtide.model.hardware import Channel

__all__ = ["NvmlSensor", "visible_gpus"]

_GAIN_ERROR = 0.05
_MAX_BOARD_W = 2500.0


class NvmlSensor:
    """Reads every GPU in the run's scope.

    Parameters
    ----------
    nvml : module, optional
        An object with the calls of ``pynvml``; without it, pynvml is imported.
    visible : str, optional
        What ``CUDA_VISIBLE_DEVICES`` says; without it, the environment is asked.

    Raises
    ------
    MissingExtraError
        If pynvml is not installed.
    SensorError
        If there is no driver or no GPU in scope.
    """

    name = "nvml"

    def __init__(self, nvml: Any = None, *, visible: str | None = None) -> None:
        self._nvml = nvml if nvml is not None else _import_nvml()
        try:
            self._nvml.nvmlInit()
            handles = self._handles(
                visible if visible is not None else os.environ.get("CUDA_VISIBLE_DEVICES")
            )
        except self._nvml.NVMLError as error:
            raise SensorError(f"NVML does not answer ({error}); is the NVIDIA driver loaded?") from error
        if not handles:
            raise SensorError("no NVIDIA GPU in the run's scope (CUDA_VISIBLE_DEVICES, or none installed)")
        self.uuids = tuple(uuid for uuid, _ in handles)
        self._reads: list[Callable[[], Outcome]] = []
        channels = [self._open(uuid, handle) for uuid, handle in handles]
        self.channels: Sequence[Channel] = tuple(channels)

    def _handles(self, visible: str | None) -> list[tuple[str, Any]]:
        n = self._nvml.nvmlDeviceGetCount()
        found = []
        for index in range(n):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = self._nvml.nvmlDeviceGetUUID(handle)
            found.append((uuid.decode() if isinstance(uuid, bytes) else uuid, handle))
        chosen = visible_gpus(visible, [uuid for uuid, _ in found])
        return [found[i] for i in chosen]

    def _open(self, uuid: str, handle: Any) -> Channel:
        name = self._nvml.nvmlDeviceGetName(handle)
        device = f"{name.decode() if isinstance(name, bytes) else name} {uuid}"
        try:
            self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except self._nvml.NVMLError:
            self._reads.append(lambda: self._call(self._nvml.nvmlDeviceGetPowerUsage, handle, float))
            return self._channel(f"nvml.{uuid}.power", device, energy=False)
        self._reads.append(lambda: self._call(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle, int))
        return self._channel(f"nvml.{uuid}.energy", device, energy=True)

    def _channel(self, name: str, device: str, *, energy: bool) -> Channel:
        return Channel(
            name=name,
            sensor=self.name,
            component="gpu",
            quantity="energy" if energy else "power",
            kind="counter" if energy else "gauge",
            scale=1e-3,
            boundary="gpu",
            device=device,
            max_power_w=_MAX_BOARD_W,
            low_fraction=1 - _GAIN_ERROR,
            high_fraction=1 + _GAIN_ERROR,
            method="NVML total-energy counter" if energy else "NVML power usage",
        )

    def _call(self, function: Callable[[Any], int], handle: Any, kind: type[int] | type[float]) -> Outcome:
        try:
            return kind(function(handle))
        except self._nvml.NVMLError as error:
            lost = getattr(error, "value", None) in (
                getattr(self._nvml, "NVML_ERROR_GPU_IS_LOST", 15),
                getattr(self._nvml, "NVML_ERROR_UNINITIALIZED", 1),
            )
            return Broken(f"GPU lost: {error}") if lost else Retry(str(error))

    def read(self) -> Sequence[Outcome]:
        """Return the raw millijoules, or milliwatts, of every GPU."""
        return [read() for read in self._reads]

    def close(self) -> None:
        """Shut NVML down."""
        self._reads = []
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            pass  # it is gone already, which is what was wanted


def visible_gpus(visible: str | None, uuids: Sequence[str]) -> list[int]:
    """Return the indices of the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves in scope.

    As CUDA reads it: unset means all; the list ends at the first entry that names nothing (``-1`` or
    an unknown device), so an empty value means none. A MIG device stands for its whole board.

    >>> visible_gpus("1,GPU-aa", ["GPU-aa11", "GPU-bb22"])
    [1, 0]
    """
    if visible is None:
        return list(range(len(uuids)))
    chosen: list[int] = []
    for entry in (part.strip() for part in visible.split(",")):
        index = _gpu_index(entry, uuids)
        if index is None:
            break
        if index not in chosen:
            chosen.append(index)
    return chosen


def _gpu_index(entry: str, uuids: Sequence[str]) -> int | None:
    if entry.isdigit():
        return int(entry) if int(entry) < len(uuids) else None
    if entry.startswith("MIG-GPU-"):
        entry = entry[len("MIG-") :].split("/")[0]
    matches = [i for i, uuid in enumerate(uuids) if entry.startswith("GPU-") and uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _import_nvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise MissingExtraError("reading NVIDIA GPUs", extra="nvidia") from error
    return pynvml
