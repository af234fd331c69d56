"""Which sensors there are, and opening those that were asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from lowtide.doors import Sensor
from lowtide.errors import LowtideError, SensorError, near_matches

__all__ = ["BUILT_IN", "open_sensors"]


def _open_rapl() -> Sensor:
    from lowtide.power.sensors.rapl import DEFAULT_ROOT, RaplSensor

    return RaplSensor(os.environ.get("LOWTIDE_POWERCAP_ROOT", DEFAULT_ROOT))


def _open_nvml() -> Sensor:
    import ctypes

    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        raise SensorError("no NVIDIA driver library (libnvidia-ml.so.1) on this machine") from error
    from lowtide.power.sensors.nvml import NvmlSensor

    return NvmlSensor()


BUILT_IN: Final[dict[str, Callable[[], Sensor]]] = {"rapl": _open_rapl, "nvml": _open_nvml}
"""Sensors opened by ``--sensors auto``, by name; CPU time is always read."""


def open_sensors(asked: str) -> tuple[list[Sensor], list[str]]:
    """Return the sensors that work here and, for the others, why not.

    Parameters
    ----------
    asked : str
        ``auto``, ``none``, or names separated by commas; a name that is not built in is looked up among
        the entry points of group ``lowtide.sensors``.
    """
    names = (
        list(BUILT_IN) if asked == "auto" else [n.strip() for n in asked.split(",") if n.strip() != "none"]
    )
    opened: list[Sensor] = []
    notes: list[str] = []
    for name in names:
        try:
            opened.append(_factory(name)())
        except LowtideError as error:
            notes.append(f"{name}: {error}")
        except Exception as error:  # a plug-in's own failure must not stop the others
            notes.append(f"{name}: {type(error).__name__}: {error}")
    return opened, notes


def _factory(name: str) -> Callable[[], Sensor]:
    if name in BUILT_IN:
        return BUILT_IN[name]
    from lowtide.plugins import find_plugins

    plugins = find_plugins("lowtide.sensors")
    if name not in plugins:
        known = [*BUILT_IN, *plugins]
        raise SensorError(
            f"no sensor named {name!r}{near_matches(name, known)}; there are {', '.join(known)}"
        )
    factory: Callable[[], Sensor] = plugins[name].load()
    return factory
