"""What works on this machine: sensors, models, folders, zone."""

from __future__ import annotations

import os
from typing import Any

from lowtide.doors import Broken, Retry, Sensor, Stopped
from lowtide.errors import LowtideError
from lowtide.estimation.power_models import cpu_power_model, memory_power_model, rest_model
from lowtide.power.hardware import read_machine, usable_share
from lowtide.power.sensors.facts import FACTS
from lowtide.runtime.calibrated import calibrated
from lowtide.runtime.config import Config
from lowtide.runtime.prepare import ledger_of
from lowtide.runtime.sensing import BUILT_IN, open_sensors
from lowtide.stores.ledger import journal_root

__all__ = ["calibrate_here", "diagnose"]


def diagnose(config: Config) -> dict[str, Any]:
    """Return what works here as plain data: ``sensors`` and ``remarks``."""
    return {"sensors": [*(_sensor(name) for name in BUILT_IN), *_models()], "remarks": _remarks(config)}


def calibrate_here(*, seconds: float) -> list[str]:
    """Calibrate the models on this machine, keep what was found, and return it in words.

    Parameters
    ----------
    seconds : float
        Length of the whole load [s].

    Raises
    ------
    SensorError
        If there is nothing to calibrate against.
    StoreError
        If the result cannot be kept.
    """
    from lowtide.power.sensors.cpu_time import CpuTimeSensor
    from lowtide.power.tree import ProcessTree
    from lowtide.runtime.calibrated import check_can_keep, keep
    from lowtide.runtime.calibration import STAGES, calibrate
    from lowtide.runtime.clock import SystemClock

    check_can_keep()
    machine = read_machine()
    sensors, _ = open_sensors("auto")
    sensors.insert(0, CpuTimeSensor(ProcessTree(os.getpid())))
    try:
        found = calibrate(sensors, machine=machine, memory=memory_power_model(machine), rest=rest_model(),
                          clock=SystemClock(), stage_s=seconds / len(STAGES))  # fmt: skip
    finally:
        for sensor in sensors:
            sensor.close()
    path = keep(found)
    low, high = found.low_fraction - 1.0, found.high_fraction - 1.0
    lines = [f"processor: {found.idle_w:.1f} W idle to {found.full_w:.1f} W full, {low:+.0%} to {high:+.0%}, "
             f"against {found.against}"]  # fmt: skip
    if found.w_per_gb is not None:
        lines.append(f"memory: {found.w_per_gb:.3f} W/GB")
    return [*lines, f"kept in {path}; bills of machines like this one say so from now on"]


def _sensor(name: str) -> dict[str, Any]:
    opened, notes = open_sensors(name)
    if not opened:
        facts = FACTS[name]
        return _row(
            name,
            works=False,
            covers=f"({facts.reads})",
            quality=f"({facts.evidence})",
            advice=notes[0].removeprefix(f"{name}: "),
        )
    sensor = opened[0]
    try:
        return _working(name, sensor)
    finally:
        sensor.close()


def _working(name: str, sensor: Sensor) -> dict[str, Any]:
    failures = [o.reason for o in sensor.read() if isinstance(o, Retry | Stopped | Broken)]
    channels = sensor.channels
    covers = ", ".join(dict.fromkeys(c.device for c in channels if c.quantity in ("energy", "power")))
    powers = [c for c in channels if c.quantity in ("energy", "power")]
    widths = {f"{(c.high_fraction - c.low_fraction) / 2:.0%}" for c in powers}
    kinds = "/".join(dict.fromkeys(c.kind for c in powers))
    evidence = FACTS[name].evidence if name in FACTS else "measured"
    quality = f"{evidence} ({kinds}), +-{'/'.join(sorted(widths))}"
    return _row(name, works=not failures, covers=covers, quality=quality, advice="; ".join(failures))


def _models() -> list[dict[str, Any]]:
    machine = read_machine()
    cpu, memory = calibrated(machine, cpu_power_model(machine), memory_power_model(machine))
    rest = rest_model()

    def width(model: Any) -> str:
        return f"modelled, {model.low_fraction - 1:+.0%} to {model.high_fraction - 1:+.0%}"

    known = memory.installed_gb == memory.installed_gb
    return [
        _row("cpu model", works=True, covers=f"{cpu.idle_w:.1f} W idle to {cpu.full_w:.1f} W full: {cpu.method}",
             quality=width(cpu)),
        _row("memory model", works=known, covers=f"{memory.w_per_gb:g} W/GB x {memory.installed_gb:.1f} GB",
             quality=width(memory), advice="" if known else "the size of the memory is unknown"),
        _row("rest model", works=True, covers=f"fans, supply loss, board: {rest.fraction:.0%} of the components",
             quality=width(rest)),
    ]  # fmt: skip


def _row(name: str, *, works: bool, covers: str, quality: str, advice: str = "") -> dict[str, Any]:
    return {"name": name, "works": works, "covers": covers, "quality": quality, "advice": advice}


def _remarks(config: Config) -> list[str]:
    machine, share = read_machine(), usable_share()
    brand = machine.cpu_brand or "a CPU that does not say its name"
    remarks = [f"machine: {brand}, {machine.n_logical_cpus} logical CPUs"
               + (", virtual: power is modelled for the CPUs it sees" if machine.hypervisor else "")]  # fmt: skip
    reason = f" ({share.reason})" if share.reason else ""
    remarks.append(
        f"a run started here may use {share.cpu:.0%} of the CPUs, {share.memory:.0%} of the memory{reason}"
    )
    zone = config.get("zone")
    remarks.append(
        f"zone: {zone.value} (from {zone.origin})"
        if zone
        else 'zone: none, so emissions are unknown; set LOWTIDE_ZONE=DE, or zone = "DE" in lowtide.toml'
    )
    ledger = ledger_of(config)
    remarks.append(f"ledger: {ledger.path}" + ("" if _writable(ledger.path) else " (may not be written!)"))
    try:
        remarks.append(f"journals: {journal_root()}")
    except LowtideError as error:
        remarks.append(f"journals: {error}")
    return remarks


def _writable(path: str) -> bool:
    """Return whether `path`, or the nearest folder above it that exists, may be written."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)
