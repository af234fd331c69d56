"""Plans as text of 80 columns: the window's intensity as a chart, with each plan's running time under it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from lowtide.arrays import IntArray
from lowtide.model.planning import ParetoPoint, Plan, PlanSet, Segment, Window
from lowtide.quantities import format_duration, format_instant
from lowtide.reporting.figures import energy, grams, percent, plain_number
from lowtide.reporting.plans_json import plans_plain
from lowtide.series import steps
from lowtide.series.types import IntensitySeries

__all__ = ["plans_plain", "plans_text"]

_WIDTH: Final = 80
_LABELS: Final = (21, 38)
"""Least and most width of labels."""
_FIGURES: Final = 19
_MONEY: Final = 10
_BARS: Final = " ▁▂▃▄▅▆▇█"
_WAITS_S: Final = 60.0
_ROUNDING: Final = 1e-9
"""Means over columns of a chart differ by rounding: a smaller range is none."""


def plans_text(found: PlanSet, intensity: IntensitySeries, window: Window) -> str:
    """Return a chart of the first site's intensity, a line a plan, the front if there is one, and the verdict.

    Parameters
    ----------
    found : PlanSet
    intensity : IntensitySeries
        Of the first site.
    window : Window
    """
    return "\n".join(_lines(found, intensity, window))


def _lines(found: PlanSet, intensity: IntensitySeries, window: Window) -> Iterator[str]:
    base, money = found.baseline, any(plan.cost_usd is not None for plan in found.plans)
    wide = max(len(_label(plan)) for plan in (base, *found.plans))
    label = min(max(wide, _LABELS[0]), _LABELS[1])
    edges = _edges(window, _WIDTH - label - _FIGURES - _MONEY * money - 2)
    values = steps.resample(intensity.edges_ns, intensity.intensity_g_per_kwh, edges)
    signal = intensity.signal
    yield f"{base.zone}: {signal.basis} intensity, {_extent(intensity, window)}; {signal.source}"
    head = f"{'carbon':>8} {'change':>7}" + f"{'USD':>{_MONEY}}" * money
    yield f"{'':<{label}}|{_chart(values)}| {head}"
    yield _line(base, edges, money, label, first=True)
    for group, title in (("", ""), ("literature", "as published:")):
        plans = [plan for plan in found.plans if plan.group == group and not _is(plan, base)]
        if plans and title:
            yield title
        yield from (_line(plan, edges, money, label) for plan in plans)
    yield _axis(window, len(edges) - 1, label)
    yield ""
    yield f"run-now in {base.zone}: {_grams(base)} from {energy(base.energy_kwh)}; {_words(base)}"
    yield from _waits(found)
    yield from _gaps(found)
    yield from _front(found.pareto)
    yield from _none(found)
    yield from (f"note: {warning}" for warning in found.warnings)
    yield f"verdict: {found.verdict}"


def _is(plan: Plan, base: Plan) -> bool:
    return (plan.policy, plan.zone) == (base.policy, base.zone)


def _edges(window: Window, width: int) -> IntArray:
    return np.linspace(window.start_ns, window.deadline_ns, width + 1).astype(np.int64)


def _chart(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "?" * len(values)
    low, high = known.min(), known.max()
    if not high - low > _ROUNDING * max(abs(low), abs(high)):
        return "".join("?" if np.isnan(value) else "▄" for value in values)
    levels = 1 + np.nan_to_num((values - low) / (high - low) * 7.0, nan=-1.0).round().astype(int)
    return "".join("?" if np.isnan(v) else _BARS[level] for v, level in zip(values, levels, strict=True))


def _extent(intensity: IntensitySeries, window: Window) -> str:
    start_ns = max(window.start_ns, intensity.start_ns)
    end_ns = min(window.deadline_ns, intensity.end_ns)
    if start_ns >= end_ns:
        return "unknown in the window"
    part = intensity.clip(start_ns=start_ns, end_ns=end_ns).intensity_g_per_kwh
    if np.isnan(part).all():
        return "unknown in the window"
    low, high = f"{np.nanmin(part):.0f}", f"{np.nanmax(part):.0f}"
    return f"{low} g/kWh" if low == high else f"{low} to {high} g/kWh"


def _label(plan: Plan) -> str:
    return f"{plan.policy} {plan.zone}"


def _line(plan: Plan, edges: IntArray, money: bool, label: int, *, first: bool = False) -> str:
    marks = "".join(_mark(plan.segments, a, b) for a, b in pairwise(edges.tolist()))
    change = "" if first else _change(plan)
    usd = f"{_usd(plan.cost_usd):>{_MONEY}}" if money else ""
    return f"{_label(plan):<{label}.{label}}|{marks}| {_grams(plan):>8} {change:>7}{usd}".rstrip()


def _mark(segments: Sequence[Segment], start_ns: int, end_ns: int) -> str:
    found = " "
    for segment in segments:
        if segment.start_ns < end_ns and segment.end_ns > start_ns:
            if segment.kind == "run":
                return "█"
            found = {"resume": "r", "migrate": "m", "idle": "·", "transfer": "t"}[segment.kind]
    return found


def _axis(window: Window, width: int, label: int) -> str:
    start, end = (f"{format_instant(t)[5:16]}Z" for t in (window.start_ns, window.deadline_ns))
    return f"{'':<{label}} {start}{end:>{max(width - len(start), len(end) + 1)}}"


def _grams(plan: Plan) -> str:
    return "unknown" if plan.emissions_g is None else grams(plan.emissions_g)


def _change(plan: Plan) -> str:
    if plan.saving_fraction is None:
        return "?"
    return percent(-plan.saving_fraction, signed=True)


def _usd(value: float | None) -> str:
    return "?" if value is None else plain_number(value)


def _words(base: Plan) -> str:
    words = "allocated" if base.basis == "average" else "avoided"
    return f"change is in {words} grams against it"


def _waits(found: PlanSet) -> Iterator[str]:
    """Yield what waiting takes in the plans that wait, pause or move."""
    for plan in found.plans:
        if plan.group:
            continue
        wait = plan.waiting
        parts = []
        if wait is not None and abs(wait.delay_s) >= _WAITS_S:
            late = "later" if wait.delay_s > 0 else "sooner"
            parts.append(f"done {format_duration(abs(wait.delay_s))} {late}")
        parts += _counted(plan.n_pauses - plan.n_migrations, "pause")
        parts += _counted(plan.n_migrations, "move")
        if wait is not None and wait.idle_kwh:
            parts.append(f"{energy(wait.idle_kwh)} idle")
        if wait is not None and wait.embodied_g:
            parts.append(f"{grams(wait.embodied_g)} embodied for the delay")
        if plan.marginal_saving_fraction is not None and plan.basis == "average":
            parts.append(f"{percent(-plan.marginal_saving_fraction, signed=True)} on marginal intensity")
        if plan.market_g is not None:
            parts.append(f"{grams(plan.market_g)} by contract (market-based)")
        if parts:
            yield f"{plan.policy} {plan.zone}: {', '.join(parts)}"


def _counted(n: int, noun: str) -> list[str]:
    return [f"{n} {noun}{'s' if n > 1 else ''}"] if n > 0 else []


def _gaps(found: PlanSet) -> Iterator[str]:
    for plan in found.plans:
        if plan.gap_fraction and plan.gap_fraction > 1e-6:
            yield f"{plan.policy} {plan.zone}: within {percent(plan.gap_fraction)} of the best possible"


def _front(points: Sequence[ParetoPoint]) -> Iterator[str]:
    """Yield the front as tables."""
    for trade, title in (("carbon-time", "carbon against time"), ("carbon-cost", "carbon against cost")):
        rows = [point for point in points if point.trade == trade]
        if rows:
            yield f"{title}, no plan is better in both:"
            for point in rows:
                plan = point.plan
                usd = "" if plan.cost_usd is None else f"  {_usd(plan.cost_usd)} USD"
                done = f"done after {format_duration(point.elapsed_s)}"
                yield f"  {_grams(plan):>8}  {done:<28} {plan.policy} {plan.zone}{usd}".rstrip()
            yield ""


def _none(found: PlanSet) -> Iterator[str]:
    for one in found.infeasible:
        if one.policy == "*":
            yield f"not allowed: {one.zone}: {one.reason}"
        else:
            yield f"no plan: {one.policy}{f' in {one.zone}' if one.zone else ''}: {one.reason}"
