"""RAPL counters through perf: 64 bits wide, so they never wrap, and allowed by a capability instead of a file mode.

``energy-pkg`` and ``energy-ram`` are opened once on a CPU of each package; ``energy-cores`` and ``energy-gpu`` lie
inside the package and ``energy-psys`` contains it. Source: Linux kernel, arch/x86/events/rapl.c; perf_event_open(2).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import Final

from lowtide.doors import Broken, Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import text_of

__all__ = ["DEFAULT_ROOT", "PerfSensor"]

DEFAULT_ROOT: Final = "/sys"
_EVENTS: Final[tuple[tuple[str, Component], ...]] = (("energy-pkg", "cpu"), ("energy-ram", "memory"))
_MAX_PACKAGE_W: Final = 1500.0
_ATTR_SIZE: Final = 64  # PERF_ATTR_SIZE_VER0
_SYSCALL: Final = {"x86_64": 298, "aarch64": 241}
_HOW: Final = (
    "sudo sysctl kernel.perf_event_paranoid=0, or sudo setcap cap_perfmon=ep on the Python that runs lowtide"
)


class PerfSensor:
    """Reads the energy events of every package.

    Parameters
    ----------
    root : str
        Where sysfs is mounted.
    open_event : callable, optional
        ``(type, config, cpu) -> file descriptor``; the system call by default.

    Raises
    ------
    SensorError
        If there are no such events, or they may not be opened; the message says how to allow it.
    """

    name = "perf"

    def __init__(
        self, root: str = DEFAULT_ROOT, *, open_event: Callable[[int, int, int], int] | None = None
    ) -> None:
        folder = os.path.join(root, "bus/event_source/devices/power")
        kind, cpus = text_of(f"{folder}/type"), _cpus(text_of(f"{folder}/cpumask"))
        if not kind.isdigit() or not cpus:
            raise SensorError(f"no energy events under {folder}: a virtual machine, or a CPU without them")
        opener = _perf_event_open if open_event is None else open_event
        self._fds: list[int] = []
        channels: list[Channel] = []
        for event, component in _EVENTS:
            config, scale = (
                _config(text_of(f"{folder}/events/{event}")),
                text_of(f"{folder}/events/{event}.scale"),
            )
            if config is None or not _is_scale(scale):
                continue
            for cpu in cpus:
                try:
                    self._fds.append(opener(int(kind), config, cpu))
                except OSError as error:
                    self.close()
                    raise SensorError(
                        f"{event} may not be opened ({error.strerror}); allow it with: {_HOW}"
                    ) from error
                channels.append(_channel(event, component, float(scale), _socket(root, cpu, cpus)))
        if not channels:
            raise SensorError(f"no energy events under {folder}/events that lowtide knows")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw counts of every event."""
        return [_count(fd) for fd in self._fds]

    def close(self) -> None:
        """Close all events."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def _count(fd: int) -> Outcome:
    try:
        data = os.read(fd, 8)
    except OSError as error:
        return Broken(f"perf event: {error.strerror}")
    if len(data) != 8:
        return Retry(f"perf event gave {len(data)} bytes instead of 8")
    count: int = struct.unpack("<q", data)[0]
    return count if count >= 0 else Retry(f"perf event counts {count}")


def _cpus(mask: str) -> list[int]:
    """Return the CPUs of a kernel list like ``0,18``; none if it cannot be understood."""
    cpus: list[int] = []
    for part in mask.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return []
        cpus.extend(range(int(first), min(int(last or first), int(first) + 4096) + 1))
    return cpus


def _config(text: str) -> int | None:
    """Return the number of an event written ``event=0x02``."""
    try:
        return int(text.partition("event=")[2].split(",")[0], 16)
    except ValueError:
        return None


def _is_scale(text: str) -> bool:
    try:
        return 0.0 < float(text) < 1.0
    except ValueError:
        return False


def _socket(root: str, cpu: int, cpus: Sequence[int]) -> str:
    """Return the package of a CPU as RAPL names its parts; with several dies each has its own."""

    def package(n: int) -> str:
        return text_of(os.path.join(root, f"devices/system/cpu/cpu{n}/topology/physical_package_id")) or str(
            n
        )

    mine = [n for n in cpus if package(n) == package(cpu)]
    return package(cpu) if len(mine) == 1 else f"{package(cpu)}-die-{mine.index(cpu)}"


def _channel(event: str, component: Component, scale: float, socket: str) -> Channel:
    return Channel(
        name=f"perf.{event}-{socket}",
        sensor=PerfSensor.name,
        component=component,
        quantity="energy",
        kind="counter",
        scale=scale,
        boundary="chip",
        device=f"package-{socket}",
        max_power_w=_MAX_PACKAGE_W,
        low_fraction=0.95,
        high_fraction=1.05,
        method=method("perf", f"perf event {event}"),
        part=f"{component}/{socket}",
        update_s=0.001,
    )


def _perf_event_open(kind: int, config: int, cpu: int) -> int:
    """Open a counting event on a CPU, for all processes."""
    import ctypes
    import platform

    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(38, "perf events are read on x86-64 and Arm only")
    attr = ctypes.create_string_buffer(struct.pack("<IIQ", kind, _ATTR_SIZE, config), _ATTR_SIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.syscall(number, attr, -1, cpu, -1, 8)  # PERF_FLAG_FD_CLOEXEC
    if fd < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return fd
