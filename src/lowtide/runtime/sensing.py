"""Which sensors there are, and opening those that were asked for.

What each needs to know of this machine comes from the environment: roots of file trees (``LOWTIDE_POWERCAP_ROOT``,
``LOWTIDE_HWMON_ROOT``, ``LOWTIDE_SYSFS_ROOT``, ``LOWTIDE_PM_COUNTERS_ROOT``), addresses (``LOWTIDE_DCGM_URL``,
``LOWTIDE_REDFISH_URL``) and the login of a management controller. A sensor's module is imported when it is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Final

from lowtide.doors import Sensor
from lowtide.errors import InputError, LowtideError, SensorError, near_matches
from lowtide.power.sensors.facts import FACTS
from lowtide.power.sensors.files import folders, text_of

__all__ = ["BUILT_IN", "check_names", "open_sensors", "unread_sensors"]

Members = Callable[[], Collection[int]]
"""Returns the pids of a run."""


def _at(module: str, name: str, variable: str) -> Callable[[], Sensor]:
    """Return the opener of a sensor whose files lie under a root that a variable may move."""

    def opener() -> Sensor:
        part = import_module(f"lowtide.power.sensors.{module}")
        sensor: Sensor = getattr(part, name)(os.environ.get(variable, part.DEFAULT_ROOT))
        return sensor

    return opener


def _open_nvml(**options: Any) -> Sensor:
    import ctypes

    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        raise SensorError("no NVIDIA driver library (libnvidia-ml.so.1) on this machine") from error
    from lowtide.power.sensors.nvml import NvmlSensor

    return NvmlSensor(**options)


def _open_amd() -> Sensor:
    from lowtide.power.sensors.amd import AmdSensor

    if not _may_be_here("amd"):
        raise SensorError("no AMD GPU driver (amdgpu) on this machine")
    return AmdSensor()


def _open_apple() -> Sensor:
    from lowtide.power.sensors.apple import AppleSensor

    return AppleSensor()


def _open_ipmi() -> Sensor:
    from lowtide.power.sensors.ipmi import IpmiSensor

    return IpmiSensor()


def _open_redfish() -> Sensor:
    from lowtide.model.exchange import Secret
    from lowtide.power.sensors.redfish import RedfishSensor

    password = os.environ.get("LOWTIDE_REDFISH_PASSWORD")
    return RedfishSensor(
        os.environ.get("LOWTIDE_REDFISH_URL", ""),
        user=os.environ.get("LOWTIDE_REDFISH_USER", ""),
        password=None if password is None else Secret(password),
        chassis=os.environ.get("LOWTIDE_REDFISH_CHASSIS"),
        verify=os.environ.get("LOWTIDE_REDFISH_VERIFY", "1") != "0",
    )


def _open_dcgm() -> Sensor:
    from lowtide.power.sensors.dcgm import DcgmSensor

    return DcgmSensor(os.environ.get("LOWTIDE_DCGM_URL", ""), environ=os.environ)


BUILT_IN: Final[dict[str, Callable[[], Sensor]]] = {
    "rapl": _at("rapl", "RaplSensor", "LOWTIDE_POWERCAP_ROOT"),
    "perf": _at("perf", "PerfSensor", "LOWTIDE_SYSFS_ROOT"),
    "nvml": _open_nvml,
    "amd": _open_amd,
    "intel_gpu": _at("intel_gpu", "IntelGpuSensor", "LOWTIDE_HWMON_ROOT"),
    "grace": _at("grace", "GraceSensor", "LOWTIDE_HWMON_ROOT"),
    "cray": _at("cray", "CraySensor", "LOWTIDE_PM_COUNTERS_ROOT"),
    "jetson": _at("jetson", "JetsonSensor", "LOWTIDE_HWMON_ROOT"),
    "apple": _open_apple,
    "ipmi": _open_ipmi,
    "redfish": _open_redfish,
    "dcgm": _open_dcgm,
}
"""Sensors by name; CPU time is always read. ``--sensors auto`` tries those that :data:`FACTS` calls local."""

_SAME_PARTS: Final = {"perf": "rapl"}
"""A sensor that ``auto`` leaves out when another, which reads the very same counters, works."""


def open_sensors(asked: str, *, members: Members | None = None) -> tuple[list[Sensor], list[str]]:
    """Return the sensors that work here and, for the others, why not.

    Parameters
    ----------
    asked : str
        ``auto``, ``none``, or names separated by commas, ``auto`` among them; a name that is not built in is looked up
        among the entry points of group ``lowtide.sensors``.
    members : callable, optional
        Returns the pids of the run, so that GPUs which others use as well can be shared.

    Notes
    -----
    Sensors that overlap may all be read: which of them stand for what is chosen when a run is billed. Where a node
    meter is among them, GPUs out of the run's scope are read too, as they are inside it. ``auto`` says nothing of
    sensors for hardware that is plainly of another kind of machine.
    """
    names = _names(asked)
    opened: dict[str, Sensor] = {}
    notes: list[str] = []
    for name in sorted(
        names, key=lambda n: n == "nvml"
    ):  # last, when it is known whether there is a node meter
        if name not in asked.split(",") and _SAME_PARTS.get(name) in opened:
            continue
        try:
            opened[name] = _open(name, members, has_meter=_has_meter(opened.values()))
        except LowtideError as error:
            notes.append(f"{name}: {error}")
        except Exception as error:  # a plug-in's own failure must not stop the others
            notes.append(f"{name}: {type(error).__name__}: {error}")
    return [opened[name] for name in names if name in opened], notes


def check_names(asked: str) -> None:
    """Refuse names that no sensor has.

    Raises
    ------
    InputError
        If there is no sensor of a name; says which there are.
    """
    for name in _named(asked):
        if name not in BUILT_IN and name not in _plugins():
            raise InputError(_unknown_words(name))


def unread_sensors(asked: str) -> list[str]:
    """Return why each sensor that was asked for by name cannot be read here; ``auto`` may find what it finds.

    Opens and closes those that were named, which may bring a vendor's library into this process.
    """
    named = _named(asked)
    sensors, notes = open_sensors(",".join(named)) if named else ([], [])
    for sensor in sensors:
        sensor.close()
    return [" ".join(note.split()) for note in notes]


def _named(asked: str) -> list[str]:
    """Return the sensors that somebody asked for one by one."""
    names = (name.strip() for name in asked.split(","))
    return list(dict.fromkeys(name for name in names if name not in ("auto", "none", "")))


def _names(asked: str) -> list[str]:
    names: list[str] = []
    for name in (n.strip() for n in asked.split(",")):
        if name == "auto":
            names += [n for n in BUILT_IN if FACTS[n].local and _may_be_here(n)]
        elif name not in ("none", ""):
            names.append(name)
    return list(dict.fromkeys(names))


def _may_be_here(name: str) -> bool:
    """Return whether the hardware of a rare sensor shows any trace; common ones are always tried."""
    hwmon = {"intel_gpu": ("i915", "xe"), "grace": ("power_meter",), "jetson": ("ina3221",)}
    if name in hwmon:
        root = os.environ.get("LOWTIDE_HWMON_ROOT", "/sys/class/hwmon")
        return any(text_of(f"{folder}/name") in hwmon[name] for folder in folders(root, "hwmon"))
    traces = {
        "amd": "/sys/module/amdgpu",
        "apple": "/System/Library/CoreServices",
        "cray": os.environ.get("LOWTIDE_PM_COUNTERS_ROOT", "/sys/cray/pm_counters"),
        "ipmi": "/dev/ipmi0",
        "perf": os.environ.get("LOWTIDE_SYSFS_ROOT", "/sys") + "/bus/event_source/devices/power",
    }
    return name not in traces or os.path.exists(traces[name])


def _has_meter(sensors: Collection[Sensor]) -> bool:
    return any(channel.component == "node" for sensor in sensors for channel in sensor.channels)


def _open(name: str, members: Members | None, *, has_meter: bool) -> Sensor:
    if name == "nvml" and BUILT_IN[name] is _open_nvml:
        return _open_nvml(members=members, outside=has_meter)
    return _factory(name)()


def _factory(name: str) -> Callable[[], Sensor]:
    if name in BUILT_IN:
        return BUILT_IN[name]
    plugins = _plugins()
    if name not in plugins:
        raise SensorError(_unknown_words(name))
    factory: Callable[[], Sensor] = plugins[name].load()
    return factory


def _plugins() -> Mapping[str, Any]:
    from lowtide.plugins import find_plugins

    return find_plugins("lowtide.sensors")


def _unknown_words(name: str) -> str:
    known = [*BUILT_IN, *(n for n in _plugins() if n not in BUILT_IN)]
    return f"no sensor named {name!r}{near_matches(name, known)}; there are auto, none, {', '.join(known)}"
