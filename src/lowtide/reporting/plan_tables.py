"""The bills of plans as tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.run_plan import PlanBill, PromiseBill
from lowtide.quantities import format_duration
from lowtide.reporting.figures import percent
from lowtide.reporting.plan_text import STEPS, change, mass, saving_words
from lowtide.reporting.tables import Table, labelled
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean

__all__ = ["plan_notes", "plans_table", "ways_table"]

_UNKNOWN = "unknown"


def _plans(views: Sequence[RunView]) -> list[tuple[str, PlanBill]]:
    found = [(name, None if view.entry is None else view.entry.plan) for name, view in labelled(views)]
    return [(name, plan) for name, plan in found if plan is not None]


def _grams(g: float | None) -> str:
    return _UNKNOWN if g is None else mass(g)


def plans_table(views: Sequence[RunView]) -> Table:
    """Return one row for each run that waited: what that was worth against running at once."""
    header = ("run", "bound", "waited", "paused", "executed", "reserved", "at once", "difference (range)", "at least",
              "missed")  # fmt: skip
    return Table(
        header=header, rows=tuple(_plan_row(*plan) for plan in _plans(views)), right=(2, 3, 4, 5, 6, 8, 9)
    )


def _plan_row(name: str, bill: PlanBill) -> tuple[str, ...]:
    missed = _UNKNOWN if bill.regret_fraction is None else percent(bill.regret_fraction)
    return (
        name,
        clean(bill.bound),
        format_duration(bill.waited_s),
        format_duration(bill.paused_s),
        _grams(bill.executed_g),
        _grams(bill.reservation_g),
        _grams(bill.run_now_g),
        saving_words(bill, with_range=True),
        _grams(bill.oracle_g),
        missed,
    )


def ways_table(views: Sequence[RunView]) -> Table:
    """Return one row for each plan: what it promised, and each step from there to what was executed."""
    header = ("run", "plan", "promised", *STEPS.values(), "executed")
    rows = []
    for name, bill in _plans(views):
        rows += [_way_row(name, "first", bill.first)] if bill.first is not None else []
        if bill.last is not None and (bill.first is None or bill.last.made_ns != bill.first.made_ns):
            rows.append(_way_row(name, "last", bill.last))
    return Table(header=header, rows=tuple(rows), right=tuple(range(2, len(header))))


def _way_row(name: str, which: str, promise: PromiseBill) -> tuple[str, ...]:
    scale_g = max((abs(step.g) for step in promise.way if step.g is not None), default=0.0)
    steps = [change(step.delta_g, scale_g) for step in promise.way[1:]]
    executed = promise.way[-1].g if promise.way else None
    return name, which, _grams(promise.promised_g), *(steps or [_UNKNOWN] * len(STEPS)), _grams(executed)


def plan_notes(views: Sequence[RunView]) -> list[str]:
    """Return what a reader must know of these figures."""
    plans = [plan for _, plan in _plans(views)]
    words = [
        "At once: the run's own power over the work it did, without its pauses, from when it was asked for. "
        "Allocated: what an average intensity shares out; avoided: what a marginal one says was not emitted. "
        "The range is of the difference: errors that both sides share cancel in it.",
        "At least: no way to do that work in the same window, with the same permission to pause, could have "
        "emitted less; missed: how much more could have been saved, as a share of at once.",
    ]
    if any(plan.is_open for plan in plans):
        words.append("Some of these figures are provisional: not all of the intensity is final.")
    return words
