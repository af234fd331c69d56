"""What a plan promised, and the way from there to what was executed, one thing at a time in a fixed order.

Every step is a bill by the same function as the run's own. Each puts one thing as it really was and leaves what comes
after it as planned, so the steps add up to the whole difference, whatever they are::

    promised    planned power over planned work, in the planned stretches, on the intensity that was believed
    intensity   the same on the final intensity
    power       the power that was measured, over each share of the work
    duration    the time the work really took, the last stretch as long as that needs
    timing      in the stretches in which it was really done; a pause still costs what was planned
    pauses      what was really drawn between them: paused, saving, loading
    residual    up to the bill: rounding
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lowtide.accounting.operational import operational
from lowtide.accounting.work import PauseCost, Span, between, gaps_power, laid, stretched
from lowtide.model.run_plan import Promise, PromiseBill, Way, WayStep
from lowtide.model.signal import Signal
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH, ns_from_s

__all__ = ["Executed", "grams", "promise_bill"]

_ALL = 1.0 - 1e-9
_ORDER: tuple[WayStep, ...] = ("promised", "intensity", "power", "duration", "timing", "pauses", "residual")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Executed:
    """A run as it went, for its promises to be held against.

    Attributes
    ----------
    power : PowerSeries
        As billed.
    work : PowerSeries
        The part of it in which work was done, moved together.
    work_ns : tuple of (start, end)
        The stretches in which that was [ns].
    gaps_ns : tuple of (start, end)
        What of its time lies in none of those: pauses, saving, loading [ns].
    paused_w : float
        Mean power in them [W].
    intensity : IntensitySeries
        The final one.
    pue : float
        Energy billed over energy at the node.
    """

    power: PowerSeries
    work: PowerSeries
    work_ns: tuple[Span, ...]
    gaps_ns: tuple[Span, ...]
    paused_w: float
    intensity: IntensitySeries
    pue: float = 1.0


def grams(power: PowerSeries, intensity: IntensitySeries) -> float | None:
    """Return the emissions of a power; None where some of its energy meets unknown intensity."""
    account = operational(power, intensity)
    if account.energy_kwh == 0.0:
        return None if np.isnan(power.power_w).all() else 0.0
    return account.g if account.covered_fraction >= _ALL and np.isfinite(account.g) else None


def promise_bill(promise: Promise | None, run: Executed) -> PromiseBill | None:
    """Return what a plan promised and how it came to what was executed; None without a plan."""
    if promise is None or not promise.runs_ns:
        return None
    known = _known(promise, run.intensity.signal)
    as_planned = _planned_pause(promise, run)
    at_measured = laid(run.work, promise.runs_ns, pause=replace(as_planned, power_w=run.paused_w))
    return PromiseBill(
        made_ns=promise.made_ns,
        start_ns=at_measured.start_ns,
        end_ns=at_measured.end_ns,
        n_pauses=sum(start < at_measured.end_ns for start, _ in promise.runs_ns) - 1,
        emissions_g=None if known is None else grams(at_measured, known),
        promised_g=(found := _way(promise, run, as_planned, known))[0].g,
        power_w=promise.power_w,
        way=found,
    )


def _known(promise: Promise, signal: Signal) -> IntensitySeries | None:
    """Return the intensity that was believed, None where it was not kept."""
    if not promise.edges_ns:
        return None
    edges = np.array(promise.edges_ns, dtype=np.int64)
    return IntensitySeries.of(
        edges, np.array(promise.intensity_g_per_kwh), signal=replace(signal, source="a plan")
    )


def _planned_w(promise: Promise, run: Executed) -> float:
    """Return the power a plan was made with; where it knew none, the mean of what was measured [W]."""
    if promise.power_w is not None:
        return promise.power_w * run.pue
    mean_w = steps.mean(run.work.edges_ns, run.work.power_w)
    return 0.0 if np.isnan(mean_w) else mean_w


def _planned_pause(promise: Promise, run: Executed) -> PauseCost:
    """Return what a plan expected of a pause; where it knew no power, what was measured."""
    paused_w = run.paused_w if promise.paused_w is None else promise.paused_w * run.pue
    resume_kwh = promise.resume_kwh * run.pue
    if not promise.resume_s:
        return PauseCost(power_w=paused_w, resume_kwh=resume_kwh)
    on_top_w = resume_kwh * J_PER_KWH / promise.resume_s
    return PauseCost(
        power_w=paused_w, resume_s=promise.resume_s, resume_w=_planned_w(promise, run) + on_top_w
    )


def _way(promise: Promise, run: Executed, pause: PauseCost, known: IntensitySeries | None) -> tuple[Way, ...]:
    planned_s = run.work.duration_s if promise.work_s is None else promise.work_s
    constant = PowerSeries.constant(
        _planned_w(promise, run), start_ns=0, end_ns=max(1, ns_from_s(planned_s)), boundary=run.power.boundary
    )
    final = run.intensity
    as_planned = laid(constant, promise.runs_ns, pause=pause)
    measured = run.work if promise.work_s is None else stretched(run.work, planned_s)
    done = laid(run.work, run.work_ns)
    in_gaps = [run.power.clip(start_ns=a, end_ns=b) for a, b in run.gaps_ns]
    promised_g = promise.stated_g if known is None else grams(as_planned, known)
    values = (
        promised_g,
        grams(as_planned, final),
        grams(laid(measured, promise.runs_ns, pause=pause), final),
        grams(laid(run.work, promise.runs_ns, pause=pause), final),
        _sum([done, *_as_if_paused(run, pause)], final),
        _sum([done, *in_gaps], final),
        grams(run.power, final),
    )
    return _as_steps(values)


def _as_if_paused(run: Executed, pause: PauseCost) -> list[PowerSeries]:
    """Return what the gaps would have drawn at the planned cost of a pause; what is not gone on after has no resume."""
    resumed = between(run.work_ns)
    rest = [gap for gap in run.gaps_ns if gap not in resumed]
    without = PauseCost(power_w=pause.power_w)
    return [*gaps_power(resumed, run.power, pause), *gaps_power(rest, run.power, without)]


def _sum(parts: Iterable[PowerSeries], intensity: IntensitySeries) -> float | None:
    """Return the emissions of several powers together; None where those of one are unknown."""
    total_g = 0.0
    for part in parts:
        g = grams(part, intensity)
        if g is None:
            return None
        total_g += g
    return total_g


def _as_steps(values: tuple[float | None, ...]) -> tuple[Way, ...]:
    found: list[Way] = []
    before: float | None = None
    for i, (step, g) in enumerate(zip(_ORDER, values, strict=True)):
        delta_g = g - before if i and g is not None and before is not None else None
        found.append(Way(step=step, g=g, delta_g=delta_g))
        before = g
    return tuple(found)
