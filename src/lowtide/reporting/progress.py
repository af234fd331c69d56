"""What phases, steps and counted things drew, and what the first steps say about the whole, for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lowtide.model.ledger import Entry, PhaseBill
from lowtide.quantities import format_instant

if TYPE_CHECKING:
    from lowtide.estimation.predict import Prediction, Range

__all__ = ["prediction_plain", "progress_plain"]


def progress_plain(entry: Entry | None) -> dict[str, Any]:
    """Return phases, steps and counted things for JSON; empty and null where the job said nothing."""
    if entry is None:
        return {"phases": [], "outside_phases_kwh": None, "steps": None, "units": {}}
    steps = entry.steps
    return {
        "phases": [_phase_plain(phase) for phase in entry.phases],
        "outside_phases_kwh": entry.outside_phases_kwh,
        "steps": None
        if steps is None
        else {
            "n": steps.n,
            "first": format_instant(steps.first_ns),
            "last": format_instant(steps.last_ns),
            "energy_per_step_j": steps.energy_per_step_j,
            "total_per_step_j": steps.total_per_step_j,
            "emissions_per_step_g": steps.emissions_per_step_g,
        },
        "units": {
            name: {
                "n": unit.n,
                "energy_per_unit_j": unit.energy_per_unit_j,
                "emissions_per_unit_g": unit.emissions_per_unit_g,
            }
            for name, unit in entry.units.items()
        },
    }


def _phase_plain(phase: PhaseBill) -> dict[str, Any]:
    return {
        "name": phase.name,
        "start": format_instant(phase.start_ns),
        "end": format_instant(phase.end_ns),
        "duration_s": (phase.end_ns - phase.start_ns) / 1e9,
        "energy_kwh": phase.energy_kwh,
        "emissions_g": phase.emissions_g,
        "steps": phase.steps,
        "counts": dict(phase.counts),
        "known_time_fraction": phase.known_time_fraction,
        "depth": phase.depth,
        "parent": phase.parent,
        "process": phase.process,
        "ended": phase.ended,
    }


def prediction_plain(made: Prediction) -> dict[str, Any]:
    """Return a prediction for JSON."""

    def figures(found: Range | None, unit: str) -> dict[str, float] | None:
        return (
            None
            if found is None
            else {unit: found.value, f"low_{unit}": found.low, f"high_{unit}": found.high}
        )

    return {
        "done_steps": made.done_steps,
        "total_steps": made.total_steps,
        "energy": figures(made.energy_kwh, "kwh"),
        "duration": figures(made.duration_s, "s"),
        "emissions": figures(made.emissions_g, "g"),
        "note": made.note,
    }
