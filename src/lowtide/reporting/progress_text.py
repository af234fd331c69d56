"""Lines of a terminal about phases, steps and counted things, and about what the first steps say of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lowtide.model.ledger import Entry, PhaseBill
from lowtide.quantities import format_duration
from lowtide.reporting.figures import energy, grams, plain_number, range_of
from lowtide.reporting.wording import clean

if TYPE_CHECKING:
    from lowtide.estimation.predict import Prediction

__all__ = ["prediction_lines", "progress_lines"]

_SHOWN = 20


def progress_lines(entry: Entry) -> list[str]:
    """Return lines for a terminal; phases of one name in one place are summed."""
    lines = []
    for (depth, name), parts in list(_by_name(entry).items())[:_SHOWN]:
        lines.append(f"{'phase' if depth == 0 else '':<9}  {'  ' * depth}{_phase_words(name, parts)}")
    if entry.phases and entry.outside_phases_kwh is not None:
        lines.append(f"           {energy(entry.outside_phases_kwh)} outside of phases")
    if entry.steps is not None:
        each = entry.steps.energy_per_step_j
        words = f"{_joules(entry.steps.total_per_step_j)} each, all in"
        if each is not None:
            words += f"; {_joules(each)} from the first to the last"
        lines.append(f"steps      {plain_number(entry.steps.n)}: {words}")
    for name, unit in entry.units.items():
        lines.append(
            f"counted    {plain_number(unit.n)} {clean(name)}: {_joules(unit.energy_per_unit_j)} each, all in"
        )
    return lines


def _by_name(entry: Entry) -> Mapping[tuple[int, str], list[PhaseBill]]:
    found: dict[tuple[int, str], list[PhaseBill]] = {}
    for phase in entry.phases:
        found.setdefault((phase.depth, phase.name), []).append(phase)
    return found


def _phase_words(name: str, parts: list[PhaseBill]) -> str:
    lasted = format_duration(sum(p.end_ns - p.start_ns for p in parts) / 1e9)
    words = f"{clean(name)}: {energy(sum(p.energy_kwh for p in parts))} in {lasted}"
    if all(p.emissions_g is not None for p in parts):
        words += f", {grams(sum(p.emissions_g or 0.0 for p in parts))}"
    n_steps = sum(p.steps for p in parts)
    if n_steps:
        words += f", {plain_number(n_steps)} steps"
    return words + (f" ({len(parts)} times)" if len(parts) > 1 else "")


def _joules(value: float) -> str:
    return energy(value / 3.6e6)


def prediction_lines(made: Prediction) -> list[str]:
    """Return lines for a terminal."""
    kwh, lasts, g = made.energy_kwh, made.duration_s, made.emissions_g
    lasting = (
        f"{format_duration(lasts.value)} [{format_duration(lasts.low)} to {format_duration(lasts.high)}]"
    )
    lines = [f"predicted  {range_of(kwh.value, kwh.low, kwh.high, of='energy')} in {lasting}"]
    if g is not None:
        lines.append(f"           {range_of(g.value, g.low, g.high, of='grams')} CO2e")
    return [*lines, f"           {made.note}"]
