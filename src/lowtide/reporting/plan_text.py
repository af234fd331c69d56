"""The bill of a plan in words: what was promised, what happened, and what running at once would have emitted."""

from __future__ import annotations

from lowtide.model.run_plan import PlanBill, PromiseBill
from lowtide.quantities import format_duration
from lowtide.reporting.figures import grams, percent
from lowtide.reporting.wording import clean, minute, second

__all__ = ["against_words", "plan_lines"]


def against_words(bill: PlanBill) -> str:
    """Return the comparison in one line; a negative saving is one."""
    did = f"waited {format_duration(bill.waited_s)}"
    if bill.n_pauses:
        did += f", {bill.n_pauses} pause{'s' * (bill.n_pauses != 1)} of {format_duration(bill.paused_s)}"
    return f"against running at once: {_saving_words(bill)}; {did}{_deadline_words(bill)}"


def _saving_words(bill: PlanBill) -> str:
    if bill.saving_g is None or bill.run_now_g is None:
        return f"unknown, {clean(bill.problem)}" if bill.problem else "unknown"
    share = "" if bill.saving_fraction is None else f" ({percent(-bill.saving_fraction, signed=True)})"
    soft = ", provisional" if bill.provisional else ""
    if bill.basis == "marginal":
        verb = "avoided" if bill.saving_g >= 0.0 else "caused on top"
        return f"{grams(abs(bill.saving_g))} {verb}{share}{soft}"
    verb = "less" if bill.saving_g >= 0.0 else "MORE"
    return f"{grams(abs(bill.saving_g))} {verb} allocated{share}{soft}"


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
        lines.append(f"  executed   {grams(bill.executed_g)}")
    if bill.run_now_g is not None:
        lines.append(
            f"  at once    {grams(bill.run_now_g)}, the same work at its own power from when it was asked for"
        )
    lines.append(f"             {against_words(bill)}")
    return lines


def _promise_lines(name: str, promise: PromiseBill | None) -> list[str]:
    if promise is None:
        return []
    figure = "unknown" if promise.emissions_g is None else grams(promise.emissions_g)
    n = promise.n_pauses
    pauses = f", {n} pause{'s' * (n != 1)}" if n else ""
    spans = f"{minute(promise.start_ns)} to {minute(promise.end_ns)}{pauses}"
    return [f"  {name:<10} {figure} at measured power: {spans} (made {second(promise.made_ns)})"]
