"""Runs with round numbers, for tests of reports.

By default: one hour on the builders' machine, 2 kWh at the node (1.6 to 2.6), of which 1 kWh CPU by counter,
0.5 kWh memory and 0.5 kWh rest modelled; 800 g (600 to 1100) at 400 g/kWh in DE.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lowtide.model.ledger import EmissionsBill, EmissionsSet, EnergyBill, Entry, IntensityUsed, RangePart
from lowtide.model.record import RunEnd, Telemetry
from lowtide.model.signal import Signal
from lowtide.reporting.view import RunView
from lowtide.testing.builders import START_NS, make_header
from lowtide.units import NS_PER_H

SOURCE = "Our World in Data / Ember 2023"


def make_energy(**changes: Any) -> EnergyBill:
    """Return the energy of the module's docstring, with `changes` to its fields."""
    bill = EnergyBill(
        boundary="node",
        total_kwh=2.0,
        low_kwh=1.6,
        high_kwh=2.6,
        idle_kwh=0.6,
        dynamic_kwh=0.9,
        rest_kwh=0.5,
        by_component={"cpu_kwh": 1.0, "memory_kwh": 0.5},
        method={"cpu": "counter", "memory": "modelled", "rest": "modelled"},
        method_notes={"cpu": "RAPL", "memory": "0.5 W/GB", "rest": "a quarter"},
        measured_fraction=0.5,
        known_time_fraction=1.0,
        attribution="share",
    )
    return replace(bill, **changes)


def gpu_energy() -> EnergyBill:
    """Return 2 kWh of which 1.5 kWh are of two GPUs, measured."""
    return make_energy(
        by_component={"cpu_kwh": 0.25, "gpu_kwh": 1.5},
        rest_kwh=0.25,
        method={"cpu": "modelled", "gpu": "counter", "rest": "modelled"},
        method_notes={
            "cpu": "TDP",
            "gpu": "NVML total-energy counter of NVIDIA H200 GPU-1a; NVML total-energy counter of NVIDIA H200 GPU-2b",
            "rest": "a seventh",
        },
        measured_fraction=0.75,
    )


def make_bill(**changes: Any) -> EmissionsBill:
    """Return the emissions of the module's docstring; fields of the intensity may be changed too."""
    used = IntensityUsed(
        zone="DE",
        basis="average",
        factors="lifecycle",
        flow="production",
        vintage="level 2023",
        source=SOURCE,
        time_resolved=True,
        mean_g_per_kwh=400.0,
    )
    of_used = {name: changes.pop(name) for name in list(changes) if hasattr(used, name)}
    bill = EmissionsBill(
        g=800.0,
        low_g=600.0,
        high_g=1100.0,
        of="node",
        covered_fraction=1.0,
        status_fractions={"measured": 0.0, "estimated": 0.0, "forecast": 0.0, "typical": 1.0},
        intensity=replace(used, **of_used),
        range_parts=(RangePart(source="intensity", low_g=650.0, high_g=1050.0),),
        range_note="energy and intensity",
    )
    return replace(bill, **changes)


def make_entry(
    location: EmissionsBill | None = None,
    *,
    energy: EnergyBill | None = None,
    marginal: EmissionsBill | None = None,
    market: EmissionsBill | None = None,
    **changes: Any,
) -> Entry:
    """Return a bill; without `location` there is no location account."""
    accounts = {"location": location, "marginal": marginal, "market": market}
    signals = {
        name: Signal(
            zone=bill.intensity.zone,
            basis=bill.intensity.basis,
            factors=bill.intensity.factors,
            flow=bill.intensity.flow,
            source=bill.intensity.source,
            vintage=bill.intensity.vintage,
        )
        for name, bill in accounts.items()
        if bill is not None
    }
    entry = Entry(
        id="0001",
        made="2026-03-01T01:00:05.000000Z",
        energy=energy or make_energy(),
        pue=None,
        facility_kwh=None,
        emissions=EmissionsSet(location=location, marginal=marginal, market=market),
        sci=None,
        gaps=(),
        n_readings=3601,
        joined={},
        signals=signals,
        segments={},
        version="0.1.0",
    )
    return replace(entry, **changes)


def make_end(**changes: Any) -> RunEnd:
    """Return the end of a run of an hour that finished."""
    end = RunEnd(
        started_ns=START_NS,
        ended_ns=START_NS + NS_PER_H,
        exit_code=0,
        telemetry=Telemetry(
            cpu_seconds=7200.0, peak_memory_bytes=2 * 2**30, disk_read_bytes=0, disk_write_bytes=3600 * 2**20
        ),
    )
    return replace(end, **changes)


def make_view(
    name: str = "a",
    *,
    entry: Entry | str | None = "default",
    end: RunEnd | str | None = "default",
    **header: Any,
) -> RunView:
    """Return a finished run with the default bill; None leaves bill or end out."""
    bill = make_entry(make_bill()) if isinstance(entry, str) else entry
    run_id = header.pop("run_id", f"20260301T000000Z-{name:0>6}"[:23])
    return RunView(
        header=make_header(name=name, run_id=run_id, **header),
        end=make_end() if isinstance(end, str) else end,
        entry=bill,
        entries=() if bill is None else (bill,),
    )


def failed_view(name: str = "b", **header: Any) -> RunView:
    """Return a run that failed after half an hour, without carbon."""
    end = make_end(ended_ns=START_NS + NS_PER_H // 2, exit_code=3)
    return make_view(name, entry=make_entry(None), end=end, **header)


def marginal_view(name: str = "m") -> RunView:
    """Return a run billed with a marginal intensity alone: 1 kg."""
    bill = make_bill(
        g=1000.0, low_g=900.0, high_g=1200.0, basis="marginal", zone="US-CAL-CISO", source="WattTime"
    )
    return make_view(name, entry=make_entry(None, marginal=bill))
