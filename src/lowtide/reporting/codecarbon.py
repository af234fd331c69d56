"""Runs as the ``emissions.csv`` that CodeCarbon 3.3.2 writes, for tools that read that.

Units are seconds, kg, kg/s, W, kWh and litres. As there, energies and emissions contain the PUE and powers do
not. ``energy_consumed`` also contains the modelled rest of the node, so it is more than CPU, GPU and RAM
together; emissions are of the location account alone, and only where the intensity covers all of
the run. What is unknown is an empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from lowtide.data.zones import zone as find_zone
from lowtide.errors import ZoneError
from lowtide.model.ledger import EmissionsBill, EnergyBill, Entry
from lowtide.quantities import format_instant
from lowtide.reporting.hardware import gpu_names, gpu_words
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean, covers_all, is_log
from lowtide.units import j_from_kwh

__all__ = ["COLUMNS", "report_codecarbon"]

COLUMNS: Final = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate",
    "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed",
    "water_consumed", "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os",
    "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude",
    "latitude", "ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
)  # fmt: skip
_DEVICES: Final = {"cpu": "cpu", "gpu": "gpu", "ram": "memory"}
_BYTES_PER_GIB: Final = 2.0**30

Cell = str | float | int | None


def report_codecarbon(views: Sequence[RunView], equivalences: bool) -> str:
    """Return the header and one row a run; a CSV has no place for equivalences."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for view in views:
        cells = {**_run_cells(view), **_energy_cells(view), **_carbon_cells(view), **_machine_cells(view)}
        writer.writerow({name: "" if value is None else value for name, value in cells.items()})
    return text.getvalue()


def _run_cells(view: RunView) -> dict[str, Cell]:
    return {
        "timestamp": None if view.end is None else f"{format_instant(view.end.ended_ns)[:19]}Z",
        "project_name": clean(view.header.name),
        "run_id": view.header.run_id,
        "duration": view.duration_s,
        "pue": None if view.entry is None or _misses_pue(view.entry) else view.entry.pue,
    }


def _energy_cells(view: RunView) -> dict[str, Cell]:
    if view.entry is None:
        return {}
    bill = view.entry.energy
    pue = None if _misses_pue(view.entry) else view.entry.pue or 1.0
    cells: dict[str, Cell] = {"energy_consumed": None if pue is None else bill.total_kwh * pue}
    for device, component in _DEVICES.items():
        kwh = bill.by_component.get(f"{component}_kwh")
        cells[f"{device}_energy"] = None if kwh is None or pue is None else kwh * pue
        cells[f"{device}_power"] = _mean_w(bill, kwh, view.duration_s)
    return cells


def _misses_pue(entry: Entry) -> bool:
    """Return whether a PUE was given that is unknown for some of the energy."""
    return entry.pue_steps is not None and entry.facility_kwh is None


def _mean_w(bill: EnergyBill, kwh: float | None, duration_s: float | None) -> float | None:
    """Return mean power over the known time [W]."""
    known_s = (duration_s or 0.0) * bill.known_time_fraction
    return None if kwh is None or not known_s else j_from_kwh(kwh) / known_s


def _carbon_cells(view: RunView) -> dict[str, Cell]:
    bill: EmissionsBill | None = None if view.entry is None else view.entry.emissions.location
    if bill is None:
        return {}
    kg = bill.g / 1000.0 if bill.g is not None and covers_all(bill) else None
    rate = None if kg is None or not view.duration_s else kg / view.duration_s
    return {"emissions": kg, "emissions_rate": rate, **_place_cells(bill.intensity.zone)}


def _place_cells(key: str | None) -> dict[str, Cell]:
    try:
        found = None if key is None else find_zone(key)
    except ZoneError:
        return {"region": key}  # a zone of the user's own file
    if found is None:
        return {}
    country = found if found.iso3 or found.parent is None else find_zone(found.parent)
    return {
        "country_name": found.country,
        "country_iso_code": country.iso3,
        "region": None if found.iso3 else found.name,
    }


def _machine_cells(view: RunView) -> dict[str, Cell]:
    if is_log(view):
        return {}
    machine, gpus = view.header.machine, gpu_names(view)
    memory = machine.memory_bytes
    return {
        "os": machine.system,
        "cpu_count": machine.n_logical_cpus,
        "cpu_model": clean(machine.cpu_brand) or None,
        "gpu_count": len(gpus) or None,
        "gpu_model": gpu_words(view) if gpus else None,
        "ram_total_size": None if memory is None else memory / _BYTES_PER_GIB,
        "tracking_mode": "machine" if view.header.attribution == "machine" else "process",
    }
