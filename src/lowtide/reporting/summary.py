"""The four lines at the end of a run: energy, carbon, another time, what next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowtide.model.ledger import EnergyBill
from lowtide.quantities import format_duration
from lowtide.reporting.figures import energy, grams, percent, range_of
from lowtide.reporting.plan_text import against_words
from lowtide.reporting.view import RunView, no_score_words
from lowtide.reporting.wording import (
    clean,
    covers_all,
    minute,
    no_carbon_words,
    primary_bill,
    signal_words,
)

if TYPE_CHECKING:
    from lowtide.planning.shift import Shift

__all__ = ["carbon_words", "energy_words", "four_lines", "short_line"]

_LEAST_SAVING = 0.01


def four_lines(view: RunView, *, shift: Shift | None, shift_note: str, flags: str = "") -> list[str]:
    """Return the four lines, and a fifth where a score was asked for and there is none.

    Parameters
    ----------
    view : RunView
        A closed run.
    shift : Shift or None
        What another start would have meant; None when that is unknown.
    shift_note : str
        Why it is unknown; beside a shift, what it takes for granted.
    flags : str
        What the commands that are named need so that they find the run, like `` --ledger DIR``.
    """
    why = no_score_words(view)
    return [
        f"energy   {energy_words(view)}",
        f"carbon   {carbon_words(view)}",
        f"instead  {_instead_words(view, shift, shift_note)}",
        *([f"sci      unknown: {clean(why)}"] if why else []),
        f"next     {_next_words(view, flags)}",
    ]


def energy_words(view: RunView) -> str:
    """Return energy, range, boundary and how much of it was measured."""
    if view.entry is None:
        return "unknown: nothing was recorded"
    bill = view.entry.energy
    text = f"{range_of(bill.total_kwh, bill.low_kwh, bill.high_kwh, of='energy')} at the {bill.boundary}"
    if view.duration_s is not None:
        text += f" in {format_duration(view.duration_s)}"
    return f"{text}; {_measured_words(bill)}"


def _measured_words(bill: EnergyBill) -> str:
    measured = [name for name, kind in bill.method.items() if kind != "modelled"]
    modelled = [name for name, kind in bill.method.items() if kind == "modelled"]
    text = f"{percent(bill.measured_fraction)} measured" + (f" ({', '.join(measured)})" if measured else "")
    if modelled:
        text += f", {', '.join(modelled)} modelled"
    if bill.known_time_fraction < 0.999:
        text += f"; {percent(1.0 - bill.known_time_fraction)} of the time unknown"
    return text


def carbon_words(view: RunView) -> str:
    """Return grams, range, zone, basis and status; or why there are none."""
    bill, unknown = primary_bill(view.entry), no_carbon_words(view)
    if unknown or bill is None or bill.g is None or bill.low_g is None or bill.high_g is None:
        return f"unknown: {unknown}"
    figures = range_of(bill.g, bill.low_g, bill.high_g, of="grams")
    words = f"{figures} CO2e of the {bill.of}; {signal_words(bill)}"
    if not covers_all(bill):
        words += f"; only {percent(bill.covered_fraction)} of the energy is covered"
    return words


def _instead_words(view: RunView, shift: Shift | None, note: str) -> str:
    plan = None if view.entry is None else view.entry.plan
    return f"no plan; {_shift_words(view, shift, note)}" if plan is None else against_words(plan)


def _shift_words(view: RunView, shift: Shift | None, note: str) -> str:
    bill = primary_bill(view.entry)
    if shift is None or view.end is None or bill is None:
        return clean(note)
    marginal = bill.intensity.basis == "marginal"
    if shift.saving_fraction < _LEAST_SAVING:
        least = "avoided at least 1 %" if marginal else "been allocated at least 1 % less"
        return f"no start in the next 24 h would have {least}"
    later = format_duration((shift.start_ns - view.end.started_ns) / 1e9)
    saved, g = percent(shift.saving_fraction), grams(shift.g)
    # Shifting changes what a grid's average allots to the run; only the margin says what is avoided.
    outcome = (
        f"emitted {g} at the margin, {saved} avoided" if marginal else f"been allocated {g}, {saved} less"
    )
    granted = f", {clean(note)}" if note else ""
    return f"started at {minute(shift.start_ns)} ({later} later) the same run would have {outcome}{granted}"


def _next_words(view: RunView, flags: str) -> str:
    import shlex

    query, entry = shlex.quote(clean(view.header.name)), view.entry
    words = [f"lowtide show {query}{flags}"]
    if entry is not None and primary_bill(entry) is None and not entry.problem:
        words = [f"lowtide reprice {query}{flags} --zone KEY adds the carbon"]
    if entry is not None and entry.pue is None and entry.pue_steps is None:
        words.append("add --pue for the facility's share")
    if entry is not None and entry.energy.measured_fraction == 0.0:
        words.append("lowtide doctor says how to measure instead of model")
    words.append(f"lowtide report {query}{flags} --format markdown")
    return " · ".join(words)


def short_line(view: RunView) -> tuple[str, ...]:
    """Return the cells of a line of ``lowtide runs``."""
    bill, entry = primary_bill(view.entry), view.entry
    return (
        view.header.run_id,
        clean(view.header.name),
        view.status,
        "-" if view.end is None else minute(view.end.started_ns),
        "-" if view.duration_s is None else format_duration(view.duration_s),
        "-" if entry is None else energy(entry.energy.total_kwh),
        "-" if bill is None or bill.g is None else grams(bill.g),
        "-" if bill is None or bill.intensity.zone is None else bill.intensity.zone,
    )
