"""HPE Cray nodes through pm_counters: the node's energy, and that of processor, memory and accelerators, at 10 Hz.

Each file holds ``VALUE J TIME us``. Source: HPE Cray documentation, *Power management counters*; S. Martin,
M. Kappel, *Cray XC30 power monitoring and management*, CUG 2014.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import NumberFiles

__all__ = ["DEFAULT_ROOT", "CraySensor"]

DEFAULT_ROOT: Final = "/sys/cray/pm_counters"
_MAX_NODE_W: Final = 20_000.0


class CraySensor:
    """Reads every energy counter of the node.

    Parameters
    ----------
    root : str
        The folder of the counters.

    Raises
    ------
    SensorError
        If there are none, or one may not be read.
    """

    name = "cray"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._files = NumberFiles()
        channels = []
        for name, component, part in _counters(root):
            path = os.path.join(root, name)
            try:
                self._files.add(path, _joules)
            except OSError as error:
                self._files.close()
                raise SensorError(
                    f"{path} cannot be read ({error.strerror}); ask the site to allow it"
                ) from error
            channels.append(_channel(name, component, part))
        if not channels:
            raise SensorError(f"no energy counter under {root}: not an HPE Cray node")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw joules of every counter."""
        return self._files.read()

    def close(self) -> None:
        """Close all counters."""
        self._files.close()


def _joules(data: bytes) -> int:
    """Return the joules of ``b"1234 J 1700000000000000 us"``."""
    value, unit = data.split()[:2]
    if unit != b"J":
        raise ValueError(unit)
    return int(value)


def _counters(root: str) -> Iterator[tuple[str, Component, str]]:
    fixed: dict[str, tuple[Component, str]] = {
        "energy": ("node", "node"),
        "cpu_energy": ("cpu", "cpu"),
        "memory_energy": ("memory", "memory"),
    }
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return
    for name in names:
        accelerator = re.fullmatch(r"accel(\d*)_energy", name)
        if name in fixed:
            yield name, *fixed[name]
        elif accelerator:
            yield name, "gpu", f"gpu/{accelerator[1] or 0}"


def _channel(name: str, component: Component, part: str) -> Channel:
    return Channel(
        name=f"cray.{name}",
        sensor=CraySensor.name,
        component=component,
        quantity="energy",
        kind="counter",
        boundary="node" if component == "node" else "chip" if component == "cpu" else "components",
        device=part,
        max_power_w=_MAX_NODE_W,
        low_fraction=0.95,
        high_fraction=1.05,
        method=method("cray", f"pm_counters {name}"),
        part=part,
        update_s=0.1,
    )
