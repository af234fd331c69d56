"""Stand-ins for the outside: clock, sensors, NVML, powercap."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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
    ) -> None:
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

    def nvmlDeviceGetName(self, handle: Any) -> str:
        """Return the board's name."""
        return self._name

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
    max_energy_range_uj : int
        Where counters wrap [uJ].
    """
    names = {}
    for p in range(packages):
        names[f"intel-rapl:{p}"] = f"package-{p}"
        inner = [n for n, there in (("core", core), ("dram", dram)) if there]
        names.update({f"intel-rapl:{p}:{i}": name for i, name in enumerate(inner)})
        if mirrored:
            names[f"intel-rapl-mmio:{p}"] = f"package-{p}"
    if psys:
        names[f"intel-rapl:{packages}"] = "psys"
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
