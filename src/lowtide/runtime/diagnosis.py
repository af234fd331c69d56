"""What works on this machine: sensors, models, folders, zone."""

from __future__ import annotations

import os
from typing import Any

from lowtide.doors import Broken, Retry, Sensor, Stopped
from lowtide.errors import LowtideError
from lowtide.estimation.power_models import cpu_power_model, memory_power_model, rest_model
from lowtide.power.hardware import read_machine, usable_share
from lowtide.runtime.config import Config
from lowtide.runtime.prepare import ledger_of
from lowtide.runtime.sensing import BUILT_IN, open_sensors
from lowtide.stores.ledger import journal_root

__all__ = ["diagnose"]


def diagnose(config: Config) -> dict[str, Any]:
    """Return what works here as plain data: ``sensors`` and ``remarks``."""
    return {"sensors": [*(_sensor(name) for name in BUILT_IN), *_models()], "remarks": _remarks(config)}


def _sensor(name: str) -> dict[str, Any]:
    opened, notes = open_sensors(name)
    if not opened:
        return _row(name, works=False, covers="-", quality="-", advice=notes[0].removeprefix(f"{name}: "))
    sensor = opened[0]
    try:
        return _working(name, sensor)
    finally:
        sensor.close()


def _working(name: str, sensor: Sensor) -> dict[str, Any]:
    failures = [o.reason for o in sensor.read() if isinstance(o, Retry | Stopped | Broken)]
    channels = sensor.channels
    covers = ", ".join(dict.fromkeys(c.device for c in channels))
    widths = {f"{(c.high_fraction - c.low_fraction) / 2:.0%}" for c in channels}
    quality = (
        f"measured ({'counter' if channels[0].kind == 'counter' else 'gauge'}), +-{'/'.join(sorted(widths))}"
    )
    return _row(name, works=not failures, covers=covers, quality=quality, advice="; ".join(failures))


def _models() -> list[dict[str, Any]]:
    machine = read_machine()
    cpu, memory, rest = cpu_power_model(machine), memory_power_model(machine), rest_model()

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
