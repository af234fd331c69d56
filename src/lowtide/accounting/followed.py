"""The bill of a plan: what was promised, what happened, what running at once would have emitted, what was possible.

All of them are the run's own power under an intensity, by the one accounting function. Run-now is that power over the
*work done*: what was drawn while paused, saving or loading is cut out, and what is left is moved to when the run was
asked for. The page ``docs/explanation/promise-to-bill.md`` does one by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lowtide.accounting.difference import saving_deviations
from lowtide.accounting.hindsight import least_of_parts, least_of_starts
from lowtide.accounting.idle import IdlePower
from lowtide.accounting.operational import Operational, operational
from lowtide.accounting.promised import Executed, grams, promise_bill
from lowtide.accounting.uncertainty import Deviation, combine
from lowtide.accounting.work import Span, laid, outside, work_power
from lowtide.errors import CoverageError
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import PlanBill, RunPlan
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import S_PER_H, ns_from_s

__all__ = ["laid", "plan_bill", "window_ns", "work_power"]

_SOFT = ("forecast", "typical")


def window_ns(start_ns: int, end_ns: int, end: RunEnd | None, *, until_ns: int | None = None) -> Span:
    """Return from when to when an intensity is needed to bill a run, all that its plan could have used included.

    Parameters
    ----------
    start_ns, end_ns : int
        Of its power [ns].
    end : RunEnd or None
    until_ns : int, optional
        Up to when the intensity is what it was: the window's rest is left for a later bill.

    Examples
    --------
    >>> window_ns(10, 20, None)
    (10, 20)
    """
    if end is None or end.plan is None:
        return start_ns, end_ns
    plan, took_ns = end.plan, end_ns - start_ns
    needed_ns = max(end_ns, plan.asked_ns + took_ns)
    last_ns = max(needed_ns, *_ends_ns(plan, took_ns))
    return min(start_ns, plan.asked_ns), max(
        needed_ns, last_ns if until_ns is None else min(last_ns, until_ns)
    )


def _ends_ns(plan: RunPlan, took_ns: int) -> list[int]:
    """Return when the plan's window ends, and when its promises do for the work that was done."""
    found = [plan.asked_ns + took_ns]
    if plan.deadline_ns is not None:
        found.append(plan.deadline_ns)
    if plan.start_by_ns is not None:
        found.append(plan.start_by_ns + took_ns)
    for promise in (plan.first, plan.half, plan.last):
        if promise is not None and promise.runs_ns:
            planned_ns = sum(end - start for start, end in promise.runs_ns)
            resumes_ns = ns_from_s(promise.resume_s) * (len(promise.runs_ns) - 1)
            longest_ns = max(took_ns, ns_from_s(promise.work_s or 0.0)) + resumes_ns
            found.append(promise.runs_ns[-1][1] + max(0, longest_ns - planned_ns))
    return found


def plan_bill(
    end: RunEnd | None,
    power: PowerSeries,
    intensity: IntensitySeries | None,
    *,
    deviations: Sequence[Deviation] = (),
    pue: float | None = None,
    idle: IdlePower | None = None,
) -> PlanBill | None:
    """Return the bill of a run's plan; None for a run without one.

    Parameters
    ----------
    end : RunEnd or None
    power : PowerSeries
        The run's, as it is billed.
    intensity : IntensitySeries or None
        What it is billed with, over :func:`window_ns`; None leaves the comparison out.
    deviations : sequence of Deviation
        Of the energy of `power` [kWh].
    pue : float, optional
        What `power` contains of it.
    idle : IdlePower, optional
        What the run's share of the machine draws idle, at the node.
    """
    plan = None if end is None else end.plan
    if end is None or plan is None:
        return None
    held = PlanBill(
        bound=plan.bound, asked_ns=plan.asked_ns, deadline_ns=plan.deadline_ns, start_by_ns=plan.start_by_ns,
        deadline_met=_is_met(plan, end), waited_s=plan.waited_s, paused_s=plan.paused_s,
        running_s=plan.running_s, n_pauses=len(plan.pauses_ns),
    )  # fmt: skip
    idle_ns = (*plan.pauses_ns, *plan.overheads_ns, *_stopped(plan, end))
    work = work_power(power, idle_ns)
    intensity = _within(intensity, window_ns(power.start_ns, power.end_ns, end))
    if intensity is None or work is None:
        return replace(held, problem="no intensity is known" if work is not None else "it never ran")
    run = _executed(power, work, idle_ns, intensity, pue)
    held = _with_idle(held, plan, end, run, idle)
    held = _compared(held, plan, run, deviations, idle)
    return _explained(held, plan, run)


def _within(intensity: IntensitySeries | None, window: Span) -> IntensitySeries | None:
    """Return the part of an intensity that is kept with the bill, so that it is the same when it is made again."""
    try:
        return None if intensity is None else intensity.clip(start_ns=window[0], end_ns=window[1])
    except CoverageError:
        return None


def _is_met(plan: RunPlan, end: RunEnd) -> bool | None:
    if plan.deadline_ns is not None:
        return end.ended_ns <= plan.deadline_ns
    if plan.start_by_ns is not None:
        return end.started_ns <= plan.start_by_ns
    return None


def _stopped(plan: RunPlan, end: RunEnd) -> list[Span]:
    """Return the pause in which the run ended, if it did."""
    last_ns = plan.runs_ns[-1][1] if plan.runs_ns else end.ended_ns
    return [(last_ns, end.ended_ns)] if last_ns < end.ended_ns else []


def _executed(
    power: PowerSeries,
    work: PowerSeries,
    idle_ns: Sequence[Span],
    intensity: IntensitySeries,
    pue: float | None,
) -> Executed:
    spans = tuple(outside(power.start_ns, power.end_ns, idle_ns))
    gaps = tuple(outside(power.start_ns, power.end_ns, spans))
    return Executed(
        power=power, work=work, work_ns=spans, gaps_ns=gaps, paused_w=_mean_w(power, gaps),
        intensity=intensity, pue=1.0 if pue is None else pue,
    )  # fmt: skip


def _mean_w(power: PowerSeries, gaps_ns: Sequence[Span]) -> float:
    """Return the mean power in some gaps [W]; 0 without any."""
    if not gaps_ns:
        return 0.0
    edges = np.array([t for span in gaps_ns for t in span], dtype=np.int64)
    drawn_j = float(steps.integrate(power.edges_ns, power.power_w, edges)[::2].sum())
    known_s = float(steps.covered_s(power.edges_ns, power.power_w, edges)[::2].sum())
    return drawn_j / known_s if known_s > 0.0 else 0.0


def _with_idle(bill: PlanBill, plan: RunPlan, end: RunEnd, run: Executed, idle: IdlePower | None) -> PlanBill:
    """Return the bill with what the machine draws idle while it waits and pauses, and what was reserved for it."""
    waited = [(plan.asked_ns, end.started_ns)] if end.started_ns > plan.asked_ns else []
    if idle is None:
        return replace(bill, reservation_g=None if plan.hold_allocation and waited else 0.0)
    idle_w = idle.power_w * run.pue
    waited_g = _constant_g(idle_w, waited, run)
    paused_g = _constant_g(idle_w, plan.pauses_ns, run)
    return replace(
        bill,
        reservation_g=waited_g if plan.hold_allocation else 0.0,
        idle_anyway_g=None if waited_g is None or paused_g is None else waited_g + paused_g,
        idle_w=idle.power_w,
        idle_note=idle.note,
    )


def _constant_g(power_w: float, spans_ns: Sequence[Span], run: Executed) -> float | None:
    """Return the emissions of a constant power in some stretches [g]; None where the intensity is not known."""
    total_g = 0.0
    for start_ns, end_ns in spans_ns:
        part = PowerSeries.constant(power_w, start_ns=start_ns, end_ns=end_ns, boundary=run.power.boundary)
        g = grams(part, run.intensity)
        if g is None:
            return None
        total_g += g
    return total_g


def _compared(
    bill: PlanBill, plan: RunPlan, run: Executed, deviations: Sequence[Deviation], idle: IdlePower | None
) -> PlanBill:
    """Return the bill with the run against the same work at once."""
    at_once = laid(run.work, [(plan.asked_ns, plan.asked_ns + 1)])
    done_g, at_once_g = grams(run.power, run.intensity), grams(at_once, run.intensity)
    basis = run.intensity.signal.basis
    bill = replace(
        bill, executed_g=done_g, run_now_g=at_once_g, basis=basis,
        word="avoided" if basis == "marginal" else "allocated",
        provisional=any(_is_soft(operational(power, run.intensity)) for power in (run.power, at_once)),
    )  # fmt: skip
    problem = _problem(bill, run.work.duration_s)
    if problem or done_g is None or at_once_g is None or bill.reservation_g is None:
        return replace(bill, problem=problem)
    saving_g = at_once_g - done_g - bill.reservation_g
    errors = saving_deviations(at_once, run.power, run.intensity, energy=deviations)
    if idle is not None and bill.reservation_g:
        below, above = 1.0 - idle.low_fraction, idle.high_fraction - 1.0
        errors.append(
            Deviation("reservation: modelled", bill.reservation_g * above, bill.reservation_g * below)
        )
    low_g, high_g = _around(saving_g, errors)
    return replace(
        bill, saving_g=saving_g, saving_fraction=saving_g / at_once_g if at_once_g > 0.0 else None,
        saving_low_g=low_g, saving_high_g=high_g,
    )  # fmt: skip


def _problem(bill: PlanBill, work_s: float) -> str:
    if bill.executed_g is None or bill.run_now_g is None:
        hours = f"{work_s / S_PER_H:.3g} h"
        return f"the intensity does not cover the run and its {hours} from when it was asked for"
    if bill.reservation_g is None:
        return "nothing says what the reserved hardware draws idle, or with which intensity"
    return ""


def _around(value_g: float, errors: Sequence[Deviation]) -> tuple[float, float]:
    """Return the range of a difference, which may pass below 0."""
    above = combine(0.0, errors)[1]
    below = combine(0.0, [Deviation(e.source, e.above, e.below) for e in errors])[1]
    return value_g - below, value_g + above


def _is_soft(account: Operational) -> bool:
    return any(kwh > 0.0 for status, kwh in account.kwh_by_status if status in _SOFT)


def _explained(bill: PlanBill, plan: RunPlan, run: Executed) -> PlanBill:
    """Return the bill with the oracle, and with its promises and how each came to what was executed."""
    first, half, last = (promise_bill(promise, run) for promise in (plan.first, plan.half, plan.last))
    start_ns, end_ns = _open_window(plan, run)
    find = least_of_starts if plan.pause == "none" else least_of_parts
    oracle_g = find(run.work, run.intensity, start_ns=start_ns, end_ns=end_ns)
    regret = None
    if (
        bill.saving_g is not None
        and bill.run_now_g is not None
        and oracle_g is not None
        and bill.run_now_g > 0.0
    ):
        regret = (bill.run_now_g - oracle_g - bill.saving_g) / bill.run_now_g
    ways = [step.g for promise in (first, last) if promise is not None for step in promise.way[1:]]
    return replace(
        bill, first=first, half=half, last=last, way=() if first is None else first.way, oracle_g=oracle_g,
        oracle_kind="" if oracle_g is None else "starts" if plan.pause == "none" else "parts",
        regret_fraction=regret,
        window_provisional=oracle_g is None or None in ways or _has_soft(run.intensity, start_ns, end_ns),
    )  # fmt: skip


def _open_window(plan: RunPlan, run: Executed) -> Span:
    """Return when the work could have been done: as asked for, or as it was done where that was longer."""
    took_ns = run.work.end_ns - run.work.start_ns
    until_ns = [run.power.end_ns, plan.asked_ns + took_ns]
    if plan.deadline_ns is not None:
        until_ns.append(plan.deadline_ns)
    if plan.start_by_ns is not None:
        until_ns.append(plan.start_by_ns + took_ns)
    return min(plan.asked_ns, run.power.start_ns), max(until_ns)


def _has_soft(intensity: IntensitySeries, start_ns: int, end_ns: int) -> bool:
    """Return whether some of a window is a forecast or a typical profile."""
    return _is_soft(operational(PowerSeries.constant(1.0, start_ns=start_ns, end_ns=end_ns), intensity))
