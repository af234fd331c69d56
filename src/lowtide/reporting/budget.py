"""The budget of a run: one line of `show`, and its JSON."""

from __future__ import annotations

from typing import Any

from lowtide.model.budget import Budget, BudgetReached
from lowtide.model.ledger import Entry
from lowtide.model.record import RunEnd
from lowtide.quantities import format_instant
from lowtide.reporting.figures import energy, grams, percent

__all__ = ["budget_lines", "budget_plain"]

_ACTIONS = {
    "warned": "said, and it went on",
    "stopped": "ended with SIGTERM",
    "asked": "asked to save and leave",
    "saved": "it saved and left",
    "ended": "it left by itself",
    "left running": "it could not save and was left running",
}


def budget_plain(budget: Budget | None, end: RunEnd | None, entry: Entry | None) -> dict[str, Any] | None:
    """Return the JSON of a budget; null for a run without one."""
    if budget is None:
        return None
    reached = None if end is None else end.budget
    return {
        "limit_g": budget.limit_g,
        "limit_kwh": budget.limit_kwh,
        "on": budget.on,
        "reached_at": None if reached is None else format_instant(reached.at_ns),
        "action": None if reached is None else reached.action,
        "used_fraction": _used_fraction(budget, entry),
    }


def budget_lines(budget: Budget | None, end: RunEnd | None, entry: Entry | None) -> list[str]:
    """Return the line of a budget; none for a run without one."""
    if budget is None:
        return []
    limit = energy(budget.limit_kwh) if budget.limit_kwh is not None else grams(budget.limit_g or 0.0)
    used = _used_fraction(budget, entry)
    share = "unknown how much of it was used" if used is None else f"{percent(used)} of it used"
    words = _reached_words(budget, None if end is None else end.budget)
    if not words and end is not None and used is not None and used >= 1.0:
        words = "; it ended before a look saw that"
    return [f"budget     {limit}: {share}{words}"]


def _reached_words(budget: Budget, reached: BudgetReached | None) -> str:
    if reached is None:
        return ""
    used = energy(reached.used) if budget.limit_kwh is not None else grams(reached.used)
    return f"; reached {format_instant(reached.at_ns)[:19]}Z with {used}: {_ACTIONS[reached.action]}"


def _used_fraction(budget: Budget, entry: Entry | None) -> float | None:
    """Return how much of a budget the bill in force says was used; None is unknown."""
    if entry is None:
        return None
    if budget.limit_kwh is not None:
        return entry.energy.total_kwh / budget.limit_kwh
    bill = entry.emissions.location or entry.emissions.marginal
    if bill is None or bill.g is None or not budget.limit_g:
        return None
    return bill.g / budget.limit_g
