"""The bill of a plan in words: what was promised, what happened, and what running at once would have emitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lowtide.model.run_plan import PlanBill, PromiseBill, Way
from lowtide.quantities import format_duration
from lowtide.reporting.figures import grams, percent, range_of
from lowtide.reporting.wording import clean, minute, second

__all__ = ["STEPS", "against_words", "change", "mass", "plan_lines", "saving_words"]

STEPS: Final = {
    "intensity": "forecast",
    "power": "power",
    "duration": "duration",
    "timing": "timing",
    "pauses": "pauses",
    "residual": "residual",
}
"""The steps from promise to bill, as people call what each of them tells."""
_NOTHING: Final = 1e-9
_ORACLE: Final = {
    "starts": "at its greenest start",
    "parts": "in the greenest parts of the window, if pauses cost nothing",
}


def against_words(bill: PlanBill, *, with_range: bool = False) -> str:
    """Return the comparison in one line; a negative saving is one."""
    did = f"waited {format_duration(bill.waited_s)}"
    if bill.n_pauses:
        did += f", {bill.n_pauses} pause{'s' * (bill.n_pauses != 1)} of {format_duration(bill.paused_s)}"
    saved = saving_words(bill, with_range=with_range)
    return f"against running at once: {saved}; {did}{_deadline_words(bill)}"


def saving_words(bill: PlanBill, *, with_range: bool = False) -> str:
    """Return what waiting was worth, and of what that is a change: allocated or avoided grams."""
    if bill.saving_g is None or bill.run_now_g is None:
        return f"unknown, {clean(bill.problem)}" if bill.problem else "unknown"
    share = "" if bill.saving_fraction is None else f" ({percent(-bill.saving_fraction, signed=True)})"
    soft = ", provisional" if bill.provisional else ""
    if abs(bill.saving_g) <= _NOTHING * abs(bill.run_now_g):
        return f"no difference{soft}"
    figure = _saving_figure(bill) if with_range else grams(abs(bill.saving_g))
    if bill.basis == "marginal":
        return f"{figure} {'avoided' if bill.saving_g >= 0.0 else 'caused on top'}{share}{soft}"
    return f"{figure} {'less' if bill.saving_g >= 0.0 else 'MORE'} allocated{share}{soft}"


def _saving_figure(bill: PlanBill) -> str:
    """Return a saving, or what was emitted on top, with its range."""
    saving_g = 0.0 if bill.saving_g is None else bill.saving_g
    low_g = saving_g if bill.saving_low_g is None else bill.saving_low_g
    high_g = saving_g if bill.saving_high_g is None else bill.saving_high_g
    if saving_g < 0.0:
        saving_g, low_g, high_g = -saving_g, -high_g, -low_g
    return range_of(saving_g, low_g, high_g, of="grams")


def _deadline_words(bill: PlanBill) -> str:
    if bill.deadline_met is None:
        return ""
    if bill.start_by_ns is not None:
        return "; started in time" if bill.deadline_met else "; STARTED TOO LATE"
    return "; deadline met" if bill.deadline_met else "; DEADLINE MISSED"


def plan_lines(bill: PlanBill | None) -> list[str]:
    """Return the lines of ``lowtide show``; none for a run without a plan."""
    if bill is None:
        return []
    lines = [f"plan       {clean(bill.bound)}, asked {second(bill.asked_ns)}"]
    if bill.deadline_ns is not None:
        lines[0] += f", deadline {second(bill.deadline_ns)}"
    lines += _promise_lines("first", bill.first)
    if bill.last is not None and (bill.first is None or bill.last.made_ns != bill.first.made_ns):
        lines += _promise_lines("last", bill.last)
    if bill.executed_g is not None:
        lines.append(f"  executed   {mass(bill.executed_g)}{_reserved_words(bill)}")
    if bill.run_now_g is not None:
        lines.append(
            f"  at once    {mass(bill.run_now_g)}, the same work at its own power from when it was asked for"
        )
    lines.append(f"             {against_words(bill, with_range=True)}")
    return [*lines, *_oracle_lines(bill), *_idle_lines(bill)]


def _promise_lines(name: str, promise: PromiseBill | None) -> list[str]:
    if promise is None:
        return []
    figure = "unknown" if promise.promised_g is None else mass(promise.promised_g)
    power = "" if promise.power_w is not None else " (it knew no power: at the mean measured later)"
    n = promise.n_pauses
    pauses = f", {n} pause{'s' * (n != 1)}" if n else ""
    spans = f"{minute(promise.start_ns)} to {minute(promise.end_ns)}{pauses}"
    lines = [f"  {name:<10} promised {figure}{power}: {spans} (made {second(promise.made_ns)})"]
    steps = way_words(promise.way)
    return [*lines, f"             what became of it: {steps}"] if steps else lines


def way_words(way: Sequence[Way]) -> str:
    """Return what each step from a promise to the bill added, in its fixed order."""
    if not any(step.delta_g is not None for step in way):
        return ""
    scale_g = max((abs(step.g) for step in way if step.g is not None), default=0.0)
    return ", ".join(f"{STEPS[step.step]} {change(step.delta_g, scale_g)}" for step in way[1:])


def change(delta_g: float | None, scale_g: float) -> str:
    """Return what a step added, with its sign; what is rounding beside `scale_g` is 0.

    >>> change(-12.5, 100.0), change(1e-12, 100.0), change(None, 1.0)
    ('-12.5 g', '0 g', 'unknown')
    """
    if delta_g is None:
        return "unknown"
    if abs(delta_g) <= _NOTHING * scale_g:
        return "0 g"
    return f"{'+' if delta_g > 0.0 else '-'}{grams(abs(delta_g))}"


def mass(g: float) -> str:
    """Return grams with nothing as plain 0 g.

    >>> mass(0.0), mass(0.5)
    ('0 g', '500 mg')
    """
    return grams(g) if g else "0 g"


def _reserved_words(bill: PlanBill) -> str:
    if bill.reservation_g == 0.0:
        return ""
    figure = "unknown" if bill.reservation_g is None else grams(bill.reservation_g)
    return f", and {figure} of the reserved hardware, idle while it waited"


def _oracle_lines(bill: PlanBill) -> list[str]:
    if bill.saving_g is None:
        return []
    if bill.oracle_g is None:
        return ["  at least   unknown: not all of the intensity of the window is known"]
    soft = ", provisional" if bill.window_provisional else ""
    missed = "" if bill.regret_fraction is None else f"; missed: {percent(bill.regret_fraction)} of at once"
    return [f"  at least   {mass(bill.oracle_g)}, the same work {_ORACLE[bill.oracle_kind]}{missed}{soft}"]


def _idle_lines(bill: PlanBill) -> list[str]:
    if not bill.idle_anyway_g:
        return []
    return [
        f"  idle       {grams(bill.idle_anyway_g)}: what its share of the machine draws idle anyway in that time; "
        "in no figure above"
    ]
