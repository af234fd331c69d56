"""NVIDIA GPUs through NVML: the total-energy counter where there is one, else power.

The counter exists from Volta on and is the whole board in millijoules since the driver was loaded. Where it is missing
the averaged power field is read, else the instantaneous one, else power usage; ``method`` says which. What each
of them sees of the time is in :mod:`~lowtide.power.sensors.gpu_boards` and becomes part of the stated range.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from lowtide.doors import Broken, Outcome, Retry
from lowtide.errors import MissingExtraError, SensorError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.gpu_boards import (
    GAIN_ERROR,
    PowerField,
    PowerTiming,
    counter_timing,
    gauge_timing,
)
from lowtide.power.sensors.gpu_scope import gpus_in_scope, may_open_gpu, visible_gpus
from lowtide.power.sensors.gpu_users import GpuUsers, pids_are_the_hosts, user_channels

__all__ = ["NvmlSensor", "visible_gpus"]

_MAX_BOARD_W: Final = 2500.0
_NO_SUCH_CALL: Final = (3, 13)
"""NOT_SUPPORTED and FUNCTION_NOT_FOUND: this board or driver will never answer; other errors may pass."""
_GONE: Final = (1, 15)
"""UNINITIALIZED and GPU_IS_LOST: it will not come back while this process lives."""
_NO_PERMISSION: Final = 4
_FIELDS: Final[tuple[tuple[PowerField, int], ...]] = (("average", 185), ("instant", 186))
_SCOPE_GPU: Final = 0
_UNKNOWN_ARCHITECTURE: Final = 2**32 - 1
"""What NVML itself answers; its timing is taken as that of the newest known, which is the most cautious."""

_Read = Callable[[], Outcome]


class NvmlSensor:
    """Reads every GPU in the run's scope.

    Parameters
    ----------
    nvml : module, optional
        An object with the calls of ``pynvml``; without it, pynvml is imported.
    visible : str, optional
        What ``CUDA_VISIBLE_DEVICES`` says; without it, `environ` is asked.
    environ : mapping of str to str, optional
        The run's environment; this process's by default.
    members : callable, optional
        Returns the pids of the run; with it, GPUs that others use as well are shared by SM utilisation.
    outside : bool
        Whether to read the GPUs out of scope too, for a node meter to be made of.

    Raises
    ------
    MissingExtraError
        If pynvml is not installed.
    SensorError
        If there is no driver or no GPU in scope.
    """

    name = "nvml"

    def __init__(
        self,
        nvml: Any = None,
        *,
        visible: str | None = None,
        environ: Mapping[str, str] | None = None,
        members: Callable[[], Collection[int]] | None = None,
        outside: bool = False,
    ) -> None:
        self._nvml = nvml if nvml is not None else _import_nvml()
        environ = dict(os.environ if environ is None else environ)
        if visible is not None:
            environ["CUDA_VISIBLE_DEVICES"] = visible
        devices = self._start()
        scope = gpus_in_scope(
            environ,
            [uuid for uuid, _ in devices],
            mig_parent=lambda uuid: self._mig_parent(uuid, devices),
            may_open=lambda i: self._may_open(devices[i][1]),
        )
        if not scope.indices and not (outside and devices):
            self._shutdown()
            why = f" ({scope.reason})" if scope.reason else "; none is installed that it may open"
            raise SensorError(f"no NVIDIA GPU in the run's scope{why}")
        self._never = {str(self._nvml.NVMLError(code)) for code in _NO_SUCH_CALL}
        self.uuids = tuple(devices[i][0] for i in scope.indices)
        self._reads: list[Callable[[], Sequence[Outcome]]] = []
        self._doubt = self._order_doubt(environ, [handle for _, handle in devices])
        self._members = members if members is not None and pids_are_the_hosts() else None
        channels: list[Channel] = []
        rest = [i for i in range(len(devices)) if i not in scope.indices] if outside else []
        for i in (*scope.indices, *rest):
            channels += self._open(*devices[i], in_scope=i in scope.indices)
        self.channels: Sequence[Channel] = tuple(channels)

    def _start(self) -> list[tuple[str, Any]]:
        """Return (UUID, handle) of every GPU that the driver shows to this process."""
        is_open = False
        try:
            self._nvml.nvmlInit()
            is_open = True
            found = [self._device(i) for i in range(self._nvml.nvmlDeviceGetCount())]
            return [device for device in found if device is not None]
        except self._nvml.NVMLError as error:
            if is_open:
                self._shutdown()
            raise SensorError(f"NVML does not answer ({error}); is the NVIDIA driver loaded?") from error

    def _device(self, index: int) -> tuple[str, Any] | None:
        """Return (UUID, handle); a GPU that does not answer keeps its place, with no handle.

        One that is kept from the process is not there: CUDA does not count it either.
        """
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            return _text(self._nvml.nvmlDeviceGetUUID(handle)), handle
        except self._nvml.NVMLError as error:
            return None if getattr(error, "value", None) == _NO_PERMISSION else (f"index-{index}", None)

    def _may_open(self, handle: Any) -> bool:
        """Return whether the control group lets the process have a GPU, as far as the number of its file is known."""
        try:
            return handle is None or may_open_gpu(int(self._nvml.nvmlDeviceGetMinorNumber(handle)))
        except self._nvml.NVMLError:
            return True

    def _mig_parent(self, uuid: str, devices: Sequence[tuple[str, Any]]) -> int | None:
        try:
            mig = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
            board = self._nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig)
            parent = _text(self._nvml.nvmlDeviceGetUUID(board))
        except self._nvml.NVMLError:
            return None
        return next((i for i, (known, _) in enumerate(devices) if known == parent), None)

    def _order_doubt(self, environ: Mapping[str, str], handles: Sequence[Any]) -> str:
        """Return a warning where CUDA may count GPUs in another order than the driver: by speed, unless told not to."""
        numbered = any(
            entry.strip().isdigit() for entry in environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        )
        if not numbered or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
            return ""
        unlike = len({self._name(handle) for handle in handles if handle is not None}) > 1
        return "; unlike GPUs by number: set CUDA_DEVICE_ORDER=PCI_BUS_ID" if unlike else ""

    def _open(self, uuid: str, handle: Any, *, in_scope: bool) -> list[Channel]:
        """Choose how a GPU is read; append its reader and return its channels."""
        part = f"gpu/nvidia/{uuid}"
        how, timing, read = self._best(handle)
        is_counter = how == "total-energy counter"
        channel = Channel(
            name=f"nvml.{uuid}.{'energy' if is_counter else 'power'}",
            sensor=self.name,
            component="gpu",
            quantity="energy" if is_counter else "power",
            kind="counter" if is_counter else "gauge",
            scale=1e-3,
            boundary="gpu",
            device=f"{self._name(handle)} {uuid}",
            max_power_w=_MAX_BOARD_W,
            # reading = gain x truth, so the truth lies within reading / (1 +- error)
            low_fraction=1 / (1 + GAIN_ERROR),
            high_fraction=1 / (1 - GAIN_ERROR),
            method=f"NVML {how}{self._doubt}",
            part=part,
            in_scope=in_scope,
            update_s=timing.update_s,
            window_s=timing.window_s,
        )
        if self._members is None or handle is None or not in_scope:
            self._reads.append(lambda: (read(),))
            return [channel]
        users = GpuUsers(self._nvml, handle, self._members)
        self._reads.append(lambda: (read(), *users.read()))
        return [channel, *user_channels(self.name, uuid, part)]

    def _best(self, handle: Any) -> tuple[str, PowerTiming, _Read]:
        """Return the first way of reading a GPU that answers: what it is called, its timing, how to do it.

        A way that fails with an error that may pass is kept for when none answers.
        """
        ways = self._ways(handle)
        waiting = []
        for way in ways:
            outcome = way[2]()
            if not isinstance(outcome, Retry | Broken):
                return way
            if not (isinstance(outcome, Retry) and outcome.reason in self._never):
                waiting.append(way)
        return waiting[0] if waiting else ways[-1]

    def _ways(self, handle: Any) -> list[tuple[str, PowerTiming, _Read]]:
        architecture, name = self._architecture(handle), self._name(handle)
        energy, usage = self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._nvml.nvmlDeviceGetPowerUsage
        ways: list[tuple[str, PowerTiming, _Read]] = [
            ("total-energy counter", counter_timing(architecture), lambda: self._call(energy, handle, int))
        ]
        for field, number in _FIELDS:
            read = partial(self._call, partial(self._field_mw, number), handle, float)
            ways.append((f"{field} power field", gauge_timing(architecture, name, field), read))
        timing = gauge_timing(architecture, name, "usage")
        return [*ways, ("power usage", timing, lambda: self._call(usage, handle, float))]

    def _field_mw(self, number: int, handle: Any) -> int:
        """Return a power field of the GPU alone (not its module); the field has a status of its own."""
        value = self._nvml.nvmlDeviceGetFieldValues(handle, [(number, _SCOPE_GPU)])[0]
        if value.nvmlReturn:
            raise self._nvml.NVMLError(value.nvmlReturn)
        milliwatts: int = value.value.uiVal
        return milliwatts

    def _architecture(self, handle: Any) -> int:
        if handle is None:
            return _UNKNOWN_ARCHITECTURE
        try:
            return int(self._nvml.nvmlDeviceGetArchitecture(handle))
        except self._nvml.NVMLError:
            return _UNKNOWN_ARCHITECTURE

    def _name(self, handle: Any) -> str:
        if handle is None:
            return "NVIDIA GPU"
        try:
            return _text(self._nvml.nvmlDeviceGetName(handle))
        except self._nvml.NVMLError:
            return "NVIDIA GPU"

    def _call(self, function: Callable[[Any], int], handle: Any, kind: type[int] | type[float]) -> Outcome:
        if handle is None:
            return Broken("the GPU did not answer when it was opened; it has probably fallen off the bus")
        try:
            return kind(function(handle))
        except self._nvml.NVMLError as error:
            lost = getattr(error, "value", None) in _GONE
            return Broken(f"GPU lost: {error}") if lost else Retry(str(error))

    def read(self) -> Sequence[Outcome]:
        """Return the raw millijoules, or milliwatts, of every GPU, and who uses it where that is asked for."""
        return [outcome for read in self._reads for outcome in read()]

    def close(self) -> None:
        """Shut NVML down."""
        self._reads = []
        self._shutdown()

    def _shutdown(self) -> None:
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            pass  # it is gone already, which is what was wanted


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _import_nvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise MissingExtraError("reading NVIDIA GPUs", extra="nvidia") from error
    return pynvml
