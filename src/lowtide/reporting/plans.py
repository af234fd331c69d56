"""Plans as JSON and as text: the window's intensity as a chart, with each plan's running time under it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from lowtide.model.planning import Plan, PlanSet, Segment, Window
from lowtide.quantities import format_duration, format_instant
from lowtide.reporting.figures import energy, grams, percent
from lowtide.series import steps
from lowtide.series.types import IntensitySeries

__all__ = ["plans_plain", "plans_text"]

_WIDTH: Final = 72
_BARS: Final = " ▁▂▃▄▅▆▇█"


def plans_plain(found: PlanSet) -> dict[str, Any]:
    """Return the JSON of ``lowtide plan``."""
    base = found.baseline
    return {
        "baseline": {
            "policy": base.policy,
            "zone": base.zone,
            "start": format_instant(base.start_ns),
            "end": format_instant(base.end_ns),
            "emissions_g": base.emissions_g,
            "energy_kwh": base.energy_kwh,
            "meets_deadline": found.baseline_meets_deadline,
        },
        "plans": [_plan_plain(plan) for plan in found.plans],
        "infeasible": [{"policy": i.policy, "zone": i.zone, "reason": i.reason} for i in found.infeasible],
        "warnings": list(found.warnings),
        "verdict": found.verdict,
    }


def _plan_plain(plan: Plan) -> dict[str, Any]:
    signal = plan.signal
    return {
        "policy": plan.policy,
        "zone": plan.zone,
        "start": format_instant(plan.start_ns),
        "end": format_instant(plan.end_ns),
        "energy_kwh": plan.energy_kwh,
        "emissions_g": plan.emissions_g,
        "marginal_g": plan.marginal_g,
        "basis": plan.basis,
        "saving_fraction": plan.saving_fraction,
        "saving_same_zone_fraction": plan.saving_same_zone_fraction,
        "n_pauses": plan.n_pauses,
        "n_migrations": plan.n_migrations,
        "segments": [_segment_plain(segment) for segment in plan.segments],
        "signal": {
            "zone": signal.zone,
            "basis": signal.basis,
            "factors": signal.factors,
            "flow": signal.flow,
            "source": signal.source,
            "vintage": signal.vintage,
            "time_resolved": signal.time_resolved,
        },
        "lower_bound_g": plan.lower_bound_g,
        "executable": plan.executable,
    }


def _segment_plain(segment: Segment) -> dict[str, Any]:
    return {
        "zone": segment.zone,
        "start": format_instant(segment.start_ns),
        "end": format_instant(segment.end_ns),
        "throughput": segment.throughput,
        "power_w": segment.power_w,
        "kind": segment.kind,
        "impulse_kwh": segment.impulse_kwh,
    }


def plans_text(found: PlanSet, intensity: IntensitySeries, window: Window) -> str:
    """Return a chart of the first site's intensity, a line a plan, and the verdict."""
    edges = np.linspace(window.start_ns, window.deadline_ns, _WIDTH + 1).astype(np.int64)
    chart = _chart(steps.resample(intensity.edges_ns, intensity.intensity_g_per_kwh, edges))
    base = found.baseline
    words = "allocated" if base.basis == "average" else "avoided"
    lines = [
        f"{'intensity':<22} |{chart}|  {_extent(intensity, window)}",
        _line(base, edges, "now"),
        *(
            _line(plan, edges, _saving(plan, words))
            for plan in found.plans
            if plan.policy != base.policy or plan.zone != base.zone
        ),
        f"{'':<22}  {format_instant(window.start_ns)[:16]}Z{'':<38}{format_instant(window.deadline_ns)[:16]}Z",
        "",
        f"run-now in {base.zone}: {_grams(base)} from {energy(base.energy_kwh)}; savings are against it",
        *(f"no plan: {i.policy}{f' in {i.zone}' if i.zone else ''}: {i.reason}" for i in found.infeasible),
        *(f"note: {warning}" for warning in found.warnings),
        f"verdict: {found.verdict}",
    ]
    return "\n".join(lines)


def _chart(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        return "▄" * len(values)
    levels = 1 + np.nan_to_num((values - low) / (high - low) * 7.0, nan=-1.0).round().astype(int)
    return "".join(_BARS[level] for level in levels)


def _extent(intensity: IntensitySeries, window: Window) -> str:
    part = intensity.clip(start_ns=window.start_ns, end_ns=window.deadline_ns).intensity_g_per_kwh
    return f"{np.nanmin(part):.0f} to {np.nanmax(part):.0f} g/kWh"


def _line(plan: Plan, edges: np.ndarray[Any, np.dtype[np.int64]], note: str) -> str:
    marks = "".join(_mark(plan.segments, a, b) for a, b in pairwise(edges.tolist()))
    return f"{f'{plan.policy} {plan.zone}':<22.22} |{marks}|  {_grams(plan)}, {note}"


def _mark(segments: Sequence[Segment], start_ns: int, end_ns: int) -> str:
    found = " "
    for segment in segments:
        if segment.start_ns < end_ns and segment.end_ns > start_ns:
            if segment.kind == "run":
                return "█"
            found = {"resume": "r", "migrate": "m", "idle": "·"}[segment.kind]
    return found


def _grams(plan: Plan) -> str:
    return "unknown" if plan.emissions_g is None else grams(plan.emissions_g)


def _saving(plan: Plan, words: str) -> str:
    parts = [
        "saving unknown"
        if plan.saving_fraction is None
        else f"{percent(-plan.saving_fraction, signed=True)} {words}"
    ]
    if plan.n_pauses:
        parts.append(f"{plan.n_pauses} pause{'s' if plan.n_pauses > 1 else ''}")
    if plan.n_migrations:
        parts.append(f"{plan.n_migrations} move{'s' if plan.n_migrations > 1 else ''}")
    if plan.gap_fraction:
        parts.append(f"within {percent(plan.gap_fraction)} of the best possible")
    parts.append(f"done after {format_duration((plan.end_ns - plan.segments[0].start_ns) / 1e9)}")
    return ", ".join(parts)
