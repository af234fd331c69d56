"""RAPL energy counters of Intel and AMD CPUs through the kernel's powercap interface.

Packages and their DRAM domains are read; ``core`` and ``uncore`` lie inside ``package``, and ``psys``
contains it, so they are left out. Packages mirrored by the kernel (``intel-rapl:0`` and
``intel-rapl-mmio:0`` show the same counter twice) are read once. Source: Linux kernel documentation,
power/powercap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from lowtide.doors import Broken, Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component

__all__ = ["DEFAULT_ROOT", "RaplSensor"]

DEFAULT_ROOT = "/sys/class/powercap"
_MAX_PACKAGE_W = 1500.0
"""No CPU package draws more [W]: tells a wrapped counter from one that was reset."""


class RaplSensor:
    """Reads ``energy_uj`` of every package and DRAM domain.

    Parameters
    ----------
    root : str
        The powercap folder.

    Raises
    ------
    SensorError
        If there is no domain, or none may be read; the message says how to allow it.
    """

    name = "rapl"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._fds: list[int] = []
        channels: list[Channel] = []
        denied = ""
        for path, label, component in _domains(root):
            try:
                fd = os.open(f"{path}/energy_uj", os.O_RDONLY | os.O_CLOEXEC)
                int(os.pread(fd, 64, 0))
            except PermissionError:
                denied = f"{path}/energy_uj"
                continue
            except (OSError, ValueError):
                continue
            self._fds.append(fd)
            channels.append(_channel(path, label, component))
        if not channels:
            raise SensorError(
                f"RAPL may be read by root only here; allow it with: sudo chmod a+r {denied} "
                "(until the next boot), or a udev rule that does the same"
                if denied
                else f"no RAPL domain under {root}: a virtual machine, or a CPU without energy counters"
            )
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw microjoules of every domain."""
        return [_read_uj(fd) for fd in self._fds]

    def close(self) -> None:
        """Close all domains."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def _read_uj(fd: int) -> Outcome:
    try:
        return int(os.pread(fd, 64, 0))
    except ValueError as error:
        return Retry(f"energy_uj holds no number: {error}")
    except OSError as error:
        return Broken(f"energy_uj: {error.strerror}")


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _domains(root: str) -> Iterator[tuple[str, str, Component]]:
    """Yield (folder, label, component) of each domain to be summed, every package once."""
    try:
        entries = sorted(os.listdir(root))
    except OSError:
        return
    seen: set[str] = set()
    for entry in entries:  # sorted: intel-rapl:0 comes after intel-rapl-mmio:0, so prefer the former
        if entry.startswith("intel-rapl-mmio"):
            continue
        name = _text(f"{root}/{entry}/name")
        is_package = name.startswith("package") and entry.count(":") == 1
        parent = _text(f"{root}/{entry.rsplit(':', 1)[0]}/name") if entry.count(":") == 2 else ""
        label = f"{parent}.{name}" if parent else name
        if label in seen or not (is_package or (name == "dram" and parent.startswith("package"))):
            continue
        seen.add(label)
        yield f"{root}/{entry}", label, "cpu" if is_package else "memory"


def _channel(path: str, label: str, component: Component) -> Channel:
    modulus = _text(f"{path}/max_energy_range_uj")
    return Channel(
        name=f"rapl.{label}",
        sensor=RaplSensor.name,
        component=component,
        quantity="energy",
        kind="counter",
        scale=1e-6,
        boundary="chip",
        device=label,
        modulus=int(modulus) if modulus.isdigit() and int(modulus) > 0 else None,
        max_power_w=_MAX_PACKAGE_W,
        low_fraction=0.95,
        high_fraction=1.05,
        method=f"RAPL energy counter of {label}",
    )
