"""The JSON of ``lowtide plan``."""

from __future__ import annotations

from typing import Any

from lowtide.model.planning import ParetoPoint, Plan, PlanSet, Segment
from lowtide.quantities import format_instant

__all__ = ["plans_plain"]


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
            "marginal_g": base.marginal_g,
            "market_g": base.market_g,
            "energy_kwh": base.energy_kwh,
            "cost_usd": base.cost_usd,
            "objective": base.objective,
            "meets_deadline": found.baseline_meets_deadline,
        },
        "minimised": found.minimised,
        "plans": [_plan_plain(plan) for plan in found.plans],
        "infeasible": [{"policy": i.policy, "zone": i.zone, "reason": i.reason} for i in found.infeasible],
        "pareto": [_point_plain(point) for point in found.pareto],
        "warnings": list(found.warnings),
        "verdict": found.verdict,
    }


def _plan_plain(plan: Plan) -> dict[str, Any]:
    signal = plan.signal
    return {
        "policy": plan.policy,
        "group": plan.group or None,
        "zone": plan.zone,
        "start": format_instant(plan.start_ns),
        "end": format_instant(plan.end_ns),
        "energy_kwh": plan.energy_kwh,
        "emissions_g": plan.emissions_g,
        "marginal_g": plan.marginal_g,
        "market_g": plan.market_g,
        "cost_usd": plan.cost_usd,
        "objective": plan.objective,
        "basis": plan.basis,
        "saving_fraction": plan.saving_fraction,
        "saving_same_zone_fraction": plan.saving_same_zone_fraction,
        "marginal_saving_fraction": plan.marginal_saving_fraction,
        "n_pauses": plan.n_pauses,
        "n_migrations": plan.n_migrations,
        "waiting": _waiting_plain(plan),
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
        "lower_bound_usd": plan.lower_bound_usd,
        "lower_bound_s": plan.lower_bound_s,
        "executable": plan.executable,
    }


def _waiting_plain(plan: Plan) -> dict[str, Any] | None:
    wait = plan.waiting
    if wait is None:
        return None
    return {
        "delay_s": wait.delay_s,
        "idle_kwh": wait.idle_kwh,
        "idle_g": wait.idle_g,
        "embodied_g": wait.embodied_g,
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


def _point_plain(point: ParetoPoint) -> dict[str, Any]:
    plan = point.plan
    return {
        "trade": point.trade,
        "policy": plan.policy,
        "zone": plan.zone,
        "start": format_instant(plan.start_ns),
        "end": format_instant(plan.end_ns),
        "elapsed_s": point.elapsed_s,
        "emissions_g": plan.emissions_g,
        "cost_usd": plan.cost_usd,
        "n_pauses": plan.n_pauses,
        "exact": point.exact,
    }
