"""Stand-ins for the outside: clock, sensors, NVML, powercap."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from lowtide.doors import Moment, Outcome, Stopped
from lowtide.model.hardware import Channel

__all__ = ["FakeClock", "FakeNvml", "FakeNvmlError", "ReplaySensor", "make_powercap_tree", "set_energy_uj"]


class FakeClock:
    """A clock moved by hand.

    Examples
    --------
    >>> clock = FakeClock(wall_ns=10)
    >>> clock.advance(1.0)
    >>> clock.now().wall_ns
    1000000010
    """

    def __init__(
        self, *, wall_ns: int = 1_767_225_600_000_000_000, monotonic_ns: int = 5_000_000_000
    ) -> None:
        self._moment = Moment(wall_ns, monotonic_ns, monotonic_ns)

    def now(self) -> Moment:
        """Return all clocks."""
        return self._moment

    def advance(self, seconds: float) -> None:
        """Let time pass [s]."""
        ns = round(seconds * 1e9)
        self._moment = Moment(*(value + ns for value in self._moment))

    def suspend(self, seconds: float) -> None:
        """Let time pass that the monotonic clock does not see [s]."""
        ns = round(seconds * 1e9)
        wall, monotonic, boot = self._moment
        self._moment = Moment(wall + ns, monotonic, boot + ns)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back [s]."""
        wall, monotonic, boot = self._moment
        self._moment = Moment(wall + round(seconds * 1e9), monotonic, boot)


class ReplaySensor:
    """A sensor that says what it was told to, row by row, and is ``Stopped`` after the last.

    Parameters
    ----------
    channels : sequence of Channel
    rows : sequence of sequence of Outcome
        One outcome per channel in each.
    """

    def __init__(
        self, channels: Sequence[Channel], rows: Sequence[Sequence[Outcome]], *, name: str = "replay"
    ) -> None:
        self.name = name
        self.channels = tuple(channels)
        self._rows = list(rows)
        self._next = 0

    def read(self) -> Sequence[Outcome]:
        """Return the next row."""
        if self._next >= len(self._rows):
            return [Stopped("the replay is over")] * len(self.channels)
        self._next += 1
        return self._rows[self._next - 1]

    def close(self) -> None:
        """Nothing is held."""


class FakeNvmlError(Exception):
    """What :class:`FakeNvml` raises, with NVML's number in ``value``."""

    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class FakeNvml:
    """An object with the calls of ``pynvml`` that lowtide uses.

    Parameters
    ----------
    uuids : sequence of str
        One GPU each.
    energy_mj, power_mw : callable
        ``GPU index -> value``; raise :class:`FakeNvmlError` to fail (3 is not supported, 15 is lost).
    name : str
    architecture : int
        As NVML numbers them; 7 is Ampere.
    field_mw : mapping of int to int
        Power fields (185 averaged, 186 instantaneous) that it knows [mW].
    sm_by_pid : mapping of int to int
        Processes on every GPU with their SM utilisation [%].

    :mod:`lowtide.testing.fake_nvml` has a stand-in below the real binding, with a clock.
    """

    NVMLError = FakeNvmlError
    NVML_ERROR_UNINITIALIZED = 1
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_GPU_IS_LOST = 15

    def __init__(
        self,
        uuids: Sequence[str],
        *,
        energy_mj: Callable[[int], int] | None = None,
        power_mw: Callable[[int], int] = lambda _: 100_000,
        name: str = "NVIDIA A100-SXM4-40GB",
        architecture: int = 7,
        field_mw: Mapping[int, int] | None = None,
        sm_by_pid: Mapping[int, int] | None = None,
    ) -> None:
        self._architecture, self._field_mw = architecture, field_mw or {}
        self.sm_by_pid = dict(sm_by_pid or {})
        self._uuids, self._energy_mj, self._power_mw, self._name = list(uuids), energy_mj, power_mw, name
        self.is_open = False

    def nvmlInit(self) -> None:
        """Open."""
        self.is_open = True

    def nvmlShutdown(self) -> None:
        """Close."""
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        """Return how many GPUs there are."""
        return len(self._uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        """Return a handle."""
        return SimpleNamespace(index=index)

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        """Return ``GPU-...``."""
        index: int = handle.index
        return self._uuids[index]

    def nvmlDeviceGetMinorNumber(self, handle: Any) -> int:
        """Return the number of its device file."""
        index: int = handle.index
        return index

    def nvmlDeviceGetName(self, handle: Any) -> str:
        """Return the board's name."""
        return self._name

    def nvmlDeviceGetArchitecture(self, handle: Any) -> int:
        """Return the architecture's number."""
        return self._architecture

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        """Return a handle; there are no MIG devices here."""
        raise FakeNvmlError(6)

    def nvmlDeviceGetFieldValues(self, handle: Any, fields: Sequence[tuple[int, int]]) -> list[Any]:
        """Return the power fields, each with its own status."""
        return [
            SimpleNamespace(
                nvmlReturn=0 if number in self._field_mw else self.NVML_ERROR_NOT_SUPPORTED,
                value=SimpleNamespace(uiVal=self._field_mw.get(number, 0)),
            )
            for number, _ in fields
        ]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
        """Return the processes."""
        return [SimpleNamespace(pid=pid) for pid in self.sm_by_pid]

    def nvmlDeviceGetProcessUtilization(self, handle: Any, last_us: int) -> list[Any]:
        """Return one sample a process."""
        return [SimpleNamespace(pid=p, smUtil=sm, timeStamp=last_us + 1) for p, sm in self.sm_by_pid.items()]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        """Return millijoules since the driver was loaded."""
        if self._energy_mj is None:
            raise FakeNvmlError(self.NVML_ERROR_NOT_SUPPORTED)
        return self._energy_mj(handle.index)

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        """Return milliwatts."""
        return self._power_mw(handle.index)


def make_powercap_tree(
    root: str,
    *,
    packages: int = 1,
    dram: bool = True,
    core: bool = True,
    mirrored: bool = False,
    psys: bool = False,
    dies: int = 1,
    max_energy_range_uj: int = 262_143_328_850,
) -> list[str]:
    """Make a powercap folder as Linux shows it, all counters 0; return the domains' folders.

    Parameters
    ----------
    root : str
        Where; made when missing.
    packages : int
        Sockets.
    dram, core : bool
        Whether each has these domains inside.
    mirrored : bool
        Whether each package shows a second time as ``intel-rapl-mmio``.
    psys : bool
        Whether there is a platform domain that contains all.
    dies : int
        Dies of each package; several show as ``package-0-die-0`` ...
    max_energy_range_uj : int
        Where counters wrap [uJ].
    """
    names = {}
    labels = [f"package-{p}{f'-die-{d}' if dies > 1 else ''}" for p in range(packages) for d in range(dies)]
    for p, label in enumerate(labels):
        names[f"intel-rapl:{p}"] = label
        inner = [n for n, there in (("core", core), ("dram", dram)) if there]
        names.update({f"intel-rapl:{p}:{i}": name for i, name in enumerate(inner)})
        if mirrored:
            names[f"intel-rapl-mmio:{p}"] = label
    if psys:
        names[f"intel-rapl:{len(labels)}"] = "psys"
    folders = []
    for folder, name in names.items():
        path = os.path.join(root, folder)
        os.makedirs(path, exist_ok=True)
        for file, text in (
            ("name", name),
            ("max_energy_range_uj", str(max_energy_range_uj)),
            ("energy_uj", "0"),
        ):
            _write(os.path.join(path, file), text)
        folders.append(path)
    return folders


def set_energy_uj(folder: str, energy_uj: int) -> None:
    """Set a domain's counter [uJ], as a reader with the file open will see it."""
    _write(os.path.join(folder, "energy_uj"), str(energy_uj))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(fd, f"{text}\n".encode(), 0)
        os.ftruncate(fd, len(text) + 1)
    finally:
        os.close(fd)
