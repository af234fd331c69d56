"""What a plan pays for not running through at once."""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Plan, Waiting
from lowtide.planning.promise import emissions_g
from lowtide.planning.sites import SiteOption
from lowtide.units import NS_PER_S, S_PER_H, kwh_from_j

__all__ = ["waiting_of"]


def waiting_of(
    plan: Plan, baseline: Plan, sites: Sequence[SiteOption], *, embodied_g_per_h: float | None = None
) -> Waiting:
    """Return the price of waiting of a plan against its baseline.

    Parameters
    ----------
    plan, baseline : Plan
    sites : sequence of SiteOption
        All that the plan uses.
    embodied_g_per_h : float, optional
        Embodied share of hardware that stays reserved [g/h]; each hour of delay is charged.
    """
    idle = [segment for segment in plan.segments if segment.kind == "idle"]
    delay_s = (plan.end_ns - baseline.end_ns) / NS_PER_S
    return Waiting(
        delay_s=delay_s,
        idle_kwh=kwh_from_j(sum(segment.power_w * segment.duration_s for segment in idle)),
        idle_g=emissions_g(idle, sites) if idle else 0.0,
        embodied_g=None if embodied_g_per_h is None else embodied_g_per_h * delay_s / S_PER_H,
    )
