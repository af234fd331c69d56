"""RAPL energy counters of Intel and AMD CPUs through the kernel's powercap interface.

Packages and their DRAM domains are read; ``core`` and ``uncore`` lie inside ``package``, and ``psys`` contains it, so
they are left out. A package that shows twice (``intel-rapl:0`` and ``intel-rapl-mmio:0``) is read once. A package of
several dies has a domain for each (``package-0-die-1``); where their counters are one and the same they are read
once, else summed. Two sockets are always summed, even if their counters are equal. Source: Linux kernel documentation,
power/powercap.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.files import NumberFiles, folders, text_of

__all__ = ["DEFAULT_ROOT", "RaplSensor"]

DEFAULT_ROOT: Final = "/sys/class/powercap"
_MAX_PACKAGE_W: Final = 1500.0
"""No CPU package draws more [W]: tells a wrapped counter from one that was reset."""


class _Domain(NamedTuple):
    path: str
    label: str
    component: Component
    socket: str

    @property
    def counter(self) -> str:
        return os.path.join(self.path, "energy_uj")


class RaplSensor:
    """Reads ``energy_uj`` of every package and DRAM domain.

    Parameters
    ----------
    root : str
        The powercap folder.

    Raises
    ------
    SensorError
        If there is no domain, or one may not be read: a part of the sockets would be too little energy. The message
        says how to allow it.
    """

    name = "rapl"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._files = NumberFiles()
        domains = _without_mirrors(_domains(root))
        if not domains:
            raise SensorError(
                f"no RAPL domain under {root}: a virtual machine, or a CPU without energy counters"
            )
        for domain in domains:
            try:
                self._files.add(domain.counter)
            except PermissionError as error:
                self._files.close()
                raise SensorError(
                    f"RAPL may be read by root only here; allow it with: sudo chmod a+r {domain.counter} "
                    "(until the next boot), or a udev rule that does the same"
                ) from error
            except OSError as error:
                self._files.close()
                raise SensorError(f"{domain.counter} cannot be read: {error.strerror}") from error
        self.channels: Sequence[Channel] = tuple(_channel(domain) for domain in domains)

    def read(self) -> Sequence[Outcome]:
        """Return the raw microjoules of every domain."""
        return self._files.read()

    def close(self) -> None:
        """Close all domains."""
        self._files.close()


def _domains(root: str) -> list[_Domain]:
    """Return each domain to be summed, every label once, the processor's own registers before mapped ones."""
    found: dict[str, _Domain] = {}
    zones = [path for path in folders(root) if ":" in os.path.basename(path)]
    for path in sorted(zones, key=lambda p: ("-mmio" in p, p)):
        name, n_colons = text_of(f"{path}/name"), os.path.basename(path).count(":")
        is_package = name.startswith("package") and n_colons == 1
        parent = text_of(f"{path.rsplit(':', 1)[0]}/name") if n_colons == 2 else ""
        if is_package or (name == "dram" and parent.startswith("package")):
            label = f"{parent}.{name}" if parent else name
            socket = (parent or name).removeprefix("package-")
            found.setdefault(label, _Domain(path, label, "cpu" if is_package else "memory", socket))
    return sorted(found.values(), key=lambda d: d.path.replace("-mmio", ""))


def _without_mirrors(domains: list[_Domain]) -> list[_Domain]:
    """Leave out the dies whose counter is that of another die of the package, read between two looks at that."""
    kept: list[_Domain] = []
    for domain in domains:
        siblings = [
            other
            for other in kept
            if "-die-" in domain.socket
            and other.component == domain.component
            and other.socket.split("-die-")[0] == domain.socket.split("-die-")[0]
        ]
        if not any(_are_one_counter(sibling.counter, domain.counter) for sibling in siblings):
            kept.append(domain)
    return kept


def _are_one_counter(first: str, second: str) -> bool:
    before, between, after = text_of(first), text_of(second), text_of(first)
    if not (before.isdigit() and between.isdigit() and after.isdigit()):
        return False
    return int(before) <= int(between) <= int(after)


def _channel(domain: _Domain) -> Channel:
    modulus = text_of(f"{domain.path}/max_energy_range_uj")
    return Channel(
        name=f"rapl.{domain.label}",
        sensor=RaplSensor.name,
        component=domain.component,
        quantity="energy",
        kind="counter",
        scale=1e-6,
        boundary="chip",
        device=domain.label,
        modulus=int(modulus)
        if modulus.isascii() and modulus.isdigit() and 0 < int(modulus) < 2**62
        else None,
        max_power_w=_MAX_PACKAGE_W,
        low_fraction=0.95,
        high_fraction=1.05,
        method=f"RAPL energy counter of {domain.label}",
        part=f"{domain.component}/{domain.socket}",
        update_s=0.001,
    )
