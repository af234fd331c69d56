"""The bill of a plan: what was promised, what happened, and what running at once would have emitted.

All three are the run's own power under an intensity, by the one accounting function. Run-now is that power over the
*work done*: what was drawn while paused is cut out, and what is left is moved to when the run was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from lowtide.accounting.operational import Operational, operational
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import PlanBill, Promise, PromiseBill, RunPlan
from lowtide.model.signal import Signal
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import NS_PER_S

__all__ = ["laid", "plan_bill", "window_ns", "work_power"]

_ALL = 1.0 - 1e-9
Span = tuple[int, int]


def window_ns(start_ns: int, end_ns: int, end: RunEnd | None) -> Span:
    """Return from when to when an intensity is needed to bill a run: run-now included where it had a plan.

    >>> window_ns(10, 20, None)
    (10, 20)
    """
    if end is None or end.plan is None:
        return start_ns, end_ns
    asked_ns = end.plan.asked_ns
    return min(start_ns, asked_ns), max(end_ns, asked_ns + end_ns - start_ns)


def work_power(power: PowerSeries, pauses_ns: Iterable[Span]) -> PowerSeries | None:
    """Return the power over work done: a series without its pauses, moved together; None where nothing is left.

    Examples
    --------
    >>> power = PowerSeries(edges_ns=np.array([0, 10, 20, 30]), power_w=np.array([5.0, 1.0, 7.0]), boundary="node")
    >>> work = work_power(power, [(10, 20)])
    >>> work.edges_ns.tolist(), work.power_w.tolist()
    ([0, 10, 20], [5.0, 7.0])
    """
    kept = list(_outside(power.start_ns, power.end_ns, pauses_ns))
    parts = [steps.clip(power.edges_ns, power.power_w, *span) for span in kept]
    if not parts:
        return None
    widths = np.concatenate([np.diff(edges) for edges, _ in parts])
    edges = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(widths))) + power.start_ns
    return replace(power, edges_ns=edges, power_w=np.concatenate([values for _, values in parts]))


def _outside(start_ns: int, end_ns: int, pauses_ns: Iterable[Span]) -> Iterable[Span]:
    """Yield what of a window lies in no pause."""
    t_ns = start_ns
    for pause_start, pause_end in sorted(pauses_ns):
        if pause_end <= t_ns or pause_start >= end_ns:
            continue
        if pause_start > t_ns:
            yield t_ns, pause_start
        t_ns = pause_end
    if t_ns < end_ns:
        yield t_ns, end_ns


def laid(work: PowerSeries, runs_ns: Sequence[Span], *, pause_w: float = 0.0) -> PowerSeries:
    """Return power over work laid into stretches of time, the last one as long as it takes; `pause_w` between them.

    Examples
    --------
    >>> work = PowerSeries.constant(100.0, start_ns=0, end_ns=30)
    >>> found = laid(work, [(50, 60), (80, 90)])
    >>> found.edges_ns.tolist(), found.power_w.tolist()
    ([50, 60, 80, 100], [100.0, 0.0, 100.0])
    """
    done_ns, edges, powers = work.start_ns, [np.array([runs_ns[0][0]])], [np.zeros(0)]
    for i, (start_ns, end_ns) in enumerate(runs_ns):
        left_ns = work.end_ns - done_ns
        if left_ns <= 0:
            break
        took_ns = left_ns if i + 1 == len(runs_ns) else min(end_ns - start_ns, left_ns)
        if i and start_ns > int(edges[-1][-1]):
            edges.append(np.array([start_ns]))
            powers.append(np.array([pause_w]))
        part, values = steps.clip(work.edges_ns, work.power_w, done_ns, done_ns + took_ns)
        edges.append(part[1:] - done_ns + start_ns)
        powers.append(values)
        done_ns += took_ns
    return replace(work, edges_ns=np.concatenate(edges), power_w=np.concatenate(powers))


def plan_bill(end: RunEnd | None, power: PowerSeries, intensity: IntensitySeries | None) -> PlanBill | None:
    """Return the bill of a run's plan; None for a run without one.

    Parameters
    ----------
    end : RunEnd or None
    power : PowerSeries
        The run's, as it is billed.
    intensity : IntensitySeries or None
        What it is billed with, over :func:`window_ns`; None leaves the comparison out.
    """
    plan = None if end is None else end.plan
    if end is None or plan is None:
        return None
    held = PlanBill(
        bound=plan.bound, asked_ns=plan.asked_ns, deadline_ns=plan.deadline_ns, start_by_ns=plan.start_by_ns,
        deadline_met=_is_met(plan, end), waited_s=plan.waited_s, paused_s=plan.paused_s,
        running_s=plan.running_s, n_pauses=len(plan.pauses_ns),
    )  # fmt: skip
    work = work_power(power, plan.pauses_ns)
    if intensity is None or work is None:
        return replace(held, problem="no intensity is known" if work is not None else "it never ran")
    pause_w = _pause_w(power, plan.pauses_ns)
    held = replace(
        held,
        first=_promised(plan.first, work, pause_w),
        half=_promised(plan.half, work, pause_w),
        last=_promised(plan.last, work, pause_w),
    )
    return _compared(held, plan, power, work, intensity)


def _is_met(plan: RunPlan, end: RunEnd) -> bool | None:
    if plan.deadline_ns is not None:
        return end.ended_ns <= plan.deadline_ns
    if plan.start_by_ns is not None:
        return end.started_ns <= plan.start_by_ns
    return None


def _pause_w(power: PowerSeries, pauses_ns: Sequence[Span]) -> float:
    """Return the mean power in the pauses [W]; 0 without any."""
    if not pauses_ns:
        return 0.0
    edges = np.array([t for span in pauses_ns for t in span], dtype=np.int64)
    paused_j = float(steps.integrate(power.edges_ns, power.power_w, edges)[::2].sum())
    known_s = float(steps.covered_s(power.edges_ns, power.power_w, edges)[::2].sum())
    return paused_j / known_s if known_s > 0.0 else 0.0


def _promised(promise: Promise | None, work: PowerSeries, pause_w: float) -> PromiseBill | None:
    """Return what a plan promised, at the power that was measured, on the intensity it was made on."""
    if promise is None or not promise.runs_ns:
        return None
    power = laid(work, promise.runs_ns, pause_w=pause_w)
    known = IntensitySeries.of(
        np.array(promise.edges_ns, dtype=np.int64),
        np.array(promise.intensity_g_per_kwh),
        signal=Signal(zone=None, source="a plan"),
    )
    runs = [span for span in promise.runs_ns if span[0] < power.end_ns]
    return PromiseBill(
        made_ns=promise.made_ns, start_ns=power.start_ns, end_ns=power.end_ns, n_pauses=len(runs) - 1,
        emissions_g=_grams(operational(power, known)),
    )  # fmt: skip


def _grams(account: Operational) -> float | None:
    return account.g if account.covered_fraction >= _ALL and np.isfinite(account.g) else None


def _compared(
    bill: PlanBill, plan: RunPlan, power: PowerSeries, work: PowerSeries, intensity: IntensitySeries
) -> PlanBill:
    at_once = operational(laid(work, [(plan.asked_ns, plan.asked_ns + 1)]), intensity)
    executed = operational(power, intensity)
    done_g, at_once_g = _grams(executed), _grams(at_once)
    soft = any(kwh > 0.0 for a in (executed, at_once) for status, kwh in a.kwh_by_status
               if status in ("forecast", "typical"))  # fmt: skip
    compared = replace(
        bill, executed_g=done_g, run_now_g=at_once_g, basis=intensity.signal.basis, provisional=soft
    )
    if done_g is None or at_once_g is None:
        hours = f"{work.duration_s / 3600.0:.3g} h" if work.duration_s * NS_PER_S else ""
        return replace(
            compared,
            problem=f"the intensity does not cover the run and its {hours} from when it was asked for",
        )
    share = 1.0 - done_g / at_once_g if at_once_g > 0.0 else None
    return replace(compared, saving_g=at_once_g - done_g, saving_fraction=share)
