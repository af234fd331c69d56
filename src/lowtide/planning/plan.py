"""One plan per policy and zone, against one baseline, with a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from lowtide.doors import Policy
from lowtide.model.planning import Infeasible, Job, Plan, PlanSet, Window
from lowtide.planning.policies import best, elastic, flexible_start, pause_resume, power_cap, run_now
from lowtide.planning.promise import emissions_g, promise
from lowtide.planning.sites import SiteOption, check_sites
from lowtide.planning.verdict import both_accounts, verdict

__all__ = ["POLICIES", "plan", "policies_for"]

POLICIES: Final[tuple[Policy, ...]] = (run_now, flexible_start, pause_resume, elastic, power_cap, best)
"""Our own policies, the simplest first."""

_SHIFTS: Final = ("flexible-start", "pause-resume")
"""Policies that do nothing but shift in time, which a yearly mean cannot judge."""


def policies_for(job: Job, sites: Sequence[SiteOption]) -> tuple[Policy, ...]:
    """Return those of our policies that have something to choose for this job and these sites.

    Menus are for jobs of more than one operating point, ``best`` is for more than one site or point.
    """
    points = max(len(site.menu(job)) for site in sites) if job.profile is None else 1
    found: list[Policy] = [run_now, flexible_start, pause_resume]
    if points > 1:
        found += [elastic, power_cap]
    if points > 1 or len(sites) > 1:
        found.append(best)
    return tuple(found)


def plan(
    job: Job,
    sites: Sequence[SiteOption],
    window: Window,
    *,
    policies: Sequence[Policy] | None = None,
    slot_s: float | None = None,
    min_saving_fraction: float = 0.03,
) -> PlanSet:
    """Return a plan for every policy and zone, by emissions, against run-now in the first site.

    Parameters
    ----------
    job : Job
    sites : sequence of SiteOption
        The first is where the job would run without a plan.
    window : Window
    policies : sequence of Policy, optional
        Without it :func:`policies_for`.
    slot_s : float, optional
        Spacing of a grid of decision instants from the window's start [s]; without it they are the edges
        of each site's intensity.
    min_saving_fraction : float
        A smaller saving the verdict calls not worth it.

    Raises
    ------
    InputError
        Without a site, with two sites of one zone, with a slot that is not positive.

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> from lowtide.series import IntensitySeries
    >>> hour = 3600 * 10**9
    >>> grid = IntensitySeries.of(
    ...     [0, hour, 2 * hour, 3 * hour], [300.0, 100.0, 200.0], signal=Signal(zone="X", source="example")
    ... )
    >>> job = Job.constant(duration_s=3600.0, power_w=1000.0)
    >>> plans = plan(job, [SiteOption(zone="X", intensity=grid)], Window(start_ns=0, deadline_ns=3 * hour))
    >>> plans.best.policy, plans.best.emissions_g, round(plans.best.saving_fraction, 3)
    ('flexible-start', 100.0, 0.667)
    """
    check_sites(sites)
    segments = run_now.run_through(job, sites[0], window.start_ns)
    baseline = promise(run_now.name, segments, sites[:1], profile=job.profile)
    home = {site.zone: _run_now_g(job, site, window) for site in sites}
    chosen = policies_for(job, sites) if policies is None else policies
    plans: list[Plan] = []
    infeasible: list[Infeasible] = []
    for found in _found(job, sites, window, chosen, slot_s):
        if isinstance(found, Infeasible):
            infeasible.append(found)
        else:
            plans.append(_against(found, baseline, home, sites[0].zone))
    order = {policy.name: i for i, policy in enumerate(chosen)}
    plans.sort(key=lambda p: (p.emissions_g is None, p.emissions_g or 0.0, order.get(p.policy, len(order))))
    on_marginal = _found_on_marginal(job, sites, window, chosen, plans, slot_s)
    segments = [] if on_marginal is None else list(on_marginal.segments)
    allocated_g = emissions_g(segments, sites, profile=job.profile)
    return PlanSet(
        baseline=baseline,
        baseline_meets_deadline=baseline.end_ns <= window.deadline_ns,
        plans=tuple(plans),
        infeasible=tuple(infeasible),
        warnings=both_accounts(baseline, plans, on_marginal, allocated_g),
        verdict=verdict(baseline, plans, job, sites, min_saving_fraction=min_saving_fraction),
    )


def _found(
    job: Job, sites: Sequence[SiteOption], window: Window, policies: Sequence[Policy], slot_s: float | None
) -> Iterator[Plan | Infeasible]:
    """Yield what every policy finds, joint ones once and others for each site."""
    for policy in policies:
        for group in [sites] if policy.joint else [[site] for site in sites]:
            if policy.name in _SHIFTS and not group[0].intensity.signal.time_resolved:
                reason = "only a yearly mean is known there: shifting in time cannot be judged"
                yield Infeasible(policy=policy.name, zone=group[0].zone, reason=reason)
            else:
                yield policy.plan(job, group, window, slot_s=slot_s)


def _run_now_g(job: Job, site: SiteOption, window: Window) -> float | None:
    return emissions_g(run_now.run_through(job, site, window.start_ns), [site], profile=job.profile)


def _against(plan: Plan, baseline: Plan, home: dict[str, float | None], first_zone: str) -> Plan:
    """Return a plan with its savings; one in another zone than the first cannot be carried out there."""
    return replace(
        plan,
        executable=plan.executable and plan.zone == first_zone,
        saving_fraction=_saving(plan.emissions_g, baseline.emissions_g),
        saving_same_zone_fraction=_saving(plan.emissions_g, home[plan.zone]),
        marginal_saving_fraction=_saving(plan.marginal_g, baseline.marginal_g),
    )


def _saving(g: float | None, baseline_g: float | None) -> float | None:
    if g is None or baseline_g is None or not baseline_g > 0.0:
        return None
    return 1.0 - g / baseline_g


def _found_on_marginal(
    job: Job,
    sites: Sequence[SiteOption],
    window: Window,
    policies: Sequence[Policy],
    plans: Sequence[Plan],
    slot_s: float | None,
) -> Plan | None:
    """Return what the policy of the best plan finds when it plans on marginal intensity instead."""
    top = plans[0] if plans and plans[0].emissions_g is not None else None
    if top is None or top.marginal_g is None or top.basis == "marginal":
        return None
    turned = [
        replace(site, intensity=site.marginal, marginal=site.intensity)
        for site in sites
        if site.marginal is not None
    ]
    policy = next(policy for policy in policies if policy.name == top.policy)
    group = turned if policy.joint else [site for site in turned if site.zone == top.zone]
    found = policy.plan(job, group, window, slot_s=slot_s)
    return found if isinstance(found, Plan) else None
