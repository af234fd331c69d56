"""One plan per policy and zone, against one baseline, with a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.model.planning import Infeasible, Job, ParetoPoint, Plan, PlanSet, Window
from lowtide.planning.least import Least, Problem, least
from lowtide.planning.objective import Objective, check_prices
from lowtide.planning.policies import best, elastic, flexible_start, pause_resume, power_cap, run_now
from lowtide.planning.promise import emissions_g, promise
from lowtide.planning.sites import SiteOption, check_sites
from lowtide.planning.verdict import both_accounts, verdict
from lowtide.planning.waiting import waiting_of

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["POLICIES", "plan", "policies_for"]

POLICIES: Final[tuple[Policy, ...]] = (run_now, flexible_start, pause_resume, elastic, power_cap, best)
"""Our own policies, the simplest first."""


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
    literature: Sequence[Policy] = (),
    slot_s: float | None = None,
    min_saving_fraction: float = 0.03,
    objective: Objective | None = None,
    allow: Sequence[str] = (),
    pareto: bool = False,
    embodied_g_per_h: float | None = None,
) -> PlanSet:
    """Return a plan for every policy and zone, the least first, against run-now in the first site.

    Parameters
    ----------
    job : Job
    sites : sequence of SiteOption
        The first is where the job would run without a plan, and where its data are.
    window : Window
    policies : sequence of Policy, optional
        Without it :func:`policies_for`.
    literature : sequence of Policy
        A second group, as others published them; their plans say so.
    slot_s : float, optional
        Spacing of a grid of decision instants from the window's start [s]; without it they are the edges
        of each site's intensity, and of its price and PUE where these are weighed in.
    min_saving_fraction : float
        A smaller saving the verdict calls not worth it.
    objective : Objective, optional
        What to make least; grams without it.
    allow : sequence of str
        Regions that data may be in: ``EU``, ``EEA``, countries, residencies of sites; empty allows all.
    pareto : bool
        Whether to find the front of carbon against time, and against cost where every site has a price.
    embodied_g_per_h : float, optional
        Embodied share of hardware that stays reserved while the job waits [g/h].

    Raises
    ------
    InputError
        Without a site, with two sites of one zone, with a slot that is not positive, where the objective needs
        a price that a site has not, or with a region that is none.

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> from lowtide.series import IntensitySeries
    >>> hour = 3600 * 10**9
    >>> grid = IntensitySeries.of(
    ...     [0, hour, 2 * hour, 3 * hour], [300.0, 100.0, 200.0], signal=Signal(zone="X", source="example")
    ... )
    >>> job = Job.constant(duration_s=3600.0, power_w=1000.0)
    >>> sites = [SiteOption(zone="X", intensity=grid)]
    >>> plans = plan(job, sites, Window(start_ns=0, deadline_ns=3 * hour))
    >>> plans.best.policy, plans.best.emissions_g, round(plans.best.saving_fraction, 3)
    ('flexible-start', 100.0, 0.667)

    At 1000 USD/t, an hour at 100 instead of 300 g/kWh is worth 0.20 USD, and not worth waiting at 1 USD/h:

    >>> dear = Objective(carbon_price_usd_per_t=1000.0, time_price_usd_per_h=1.0)
    >>> plans = plan(job, sites, Window(start_ns=0, deadline_ns=3 * hour), objective=dear)
    >>> plans.best.policy, plans.best.objective
    ('run-now', 1.3)
    """
    check_sites(sites)
    refused = _refused(sites, allow) if allow else {}
    chosen = policies_for(job, sites) if policies is None else tuple(policies)
    task = _Task(
        problem=Problem(job=job, home=sites[0], window=window, slot_s=slot_s),
        sites=tuple(site for site in sites if site.zone not in refused),
        policies=(*chosen, *literature),
        published=frozenset(policy.name for policy in literature),
        objective=objective or Objective(),
        embodied_g_per_h=embodied_g_per_h,
    )
    if task.objective.energy_price or task.objective.max_cost_usd is not None:
        check_prices(sites, "the cost of electricity")
    return task.planned(refused, min_saving_fraction, task.front() if pareto else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A planning problem with who plans it and what for; `sites` are those that are allowed."""

    problem: Problem
    sites: tuple[SiteOption, ...]
    policies: tuple[Policy, ...]
    published: frozenset[str]
    objective: Objective
    embodied_g_per_h: float | None

    def planned(self, refused: dict[str, str], min_saving: float, front: tuple[ParetoPoint, ...]) -> PlanSet:
        problem, objective = self.problem, self.objective
        baseline = self._finished(self._baseline(), None)
        plans: list[Plan] = []
        infeasible = [Infeasible(policy="*", zone=zone, reason=why) for zone, why in refused.items()]
        home_g = {site.zone: self._run_now_g(site) for site in self.sites}
        for found in self._found():
            if isinstance(found, Infeasible):
                infeasible.append(found)
            else:
                plans.append(self._finished(_against(found, baseline, home_g, self._reach(found)), baseline))
        order = {policy.name: i for i, policy in enumerate(self.policies)}
        plans.sort(key=lambda p: (p.objective is None, p.objective or 0.0, order.get(p.policy, len(order))))
        on_marginal = self._found_on_marginal(plans)
        segments = [] if on_marginal is None else list(on_marginal.segments)
        allocated_g = emissions_g(segments, problem.with_home(self.sites), profile=problem.job.profile)
        said = verdict(
            baseline, plans, problem.job, problem.with_home(self.sites), min_saving_fraction=min_saving,
            minimised=objective.minimised,
        )  # fmt: skip
        return PlanSet(
            baseline=baseline,
            baseline_meets_deadline=baseline.end_ns <= problem.window.deadline_ns,
            plans=tuple(plans),
            infeasible=tuple(infeasible),
            warnings=both_accounts(baseline, plans, on_marginal, allocated_g),
            verdict=said,
            minimised=objective.minimised,
            pareto=front,
        )

    def _reach(self, plan: Plan) -> bool:
        """Return whether a plan is where it can be carried out: at home, or unbroken where jobs can be submitted."""
        home = self.problem.home
        if plan.zone == home.zone:
            return not plan.n_migrations
        submits = any(site.submits for site in self.sites if site.zone == plan.zone)
        return submits and plan.n_pauses == 0

    def _found(self) -> Iterator[Plan | Infeasible]:
        """Yield what every policy finds, joint ones once and others for each site."""
        for policy in self.policies if self.sites else ():
            for group in [self.sites] if policy.joint else [(site,) for site in self.sites]:
                found = self._one(policy, group)
                yield found if isinstance(found, Infeasible) else self._with_bound(found)

    def _one(self, policy: Policy, group: Sequence[SiteOption]) -> Least | Infeasible:
        objective = self.objective
        if objective.max_carbon_g is None and objective.max_cost_usd is None:
            return least(policy, self.problem, group, objective.grams_or_dollars)
        from lowtide.planning.budget import least_carbon, least_time

        if objective.max_carbon_g is not None:
            return least_time(policy, self.problem, group, objective.max_carbon_g)
        assert objective.max_cost_usd is not None
        return least_carbon(policy, self.problem, group, objective.max_cost_usd)

    def _with_bound(self, found: Least) -> Plan:
        """Return a plan with the value of what was minimised and the bound in its unit."""
        kind, value, bound = self.objective.minimised, found.value, found.bound
        scale = self.objective.dollars_per_gram
        if scale is not None:
            value = None if value is None else value * scale
            bound = None if bound is None else bound * scale
        if value is not None and bound is not None and bound > value - 1e-9 * abs(value):
            bound = value
        return replace(
            found.plan,
            objective=value,
            lower_bound_g=bound if kind == "emissions_g" else None,
            lower_bound_usd=bound if kind == "usd" else None,
            lower_bound_s=bound if kind == "elapsed_s" else None,
        )

    def _baseline(self) -> Plan:
        problem = self.problem
        segments = run_now.run_through(problem.job, problem.home, problem.window.start_ns)
        return promise(run_now.name, segments, [problem.home], profile=problem.job.profile)

    def _run_now_g(self, site: SiteOption) -> float | None:
        segments = run_now.run_through(self.problem.job, site, self.problem.window.start_ns)
        return emissions_g(segments, [site], profile=self.problem.job.profile)

    def _finished(self, plan: Plan, baseline: Plan | None) -> Plan:
        """Return a plan with what its waiting costs and the group of its policy; a baseline with its value."""
        sites = self.problem.with_home(self.sites)
        if baseline is None:
            value = self.objective.value_of(plan, self.problem.window)
            return replace(plan, objective=value)
        waiting = waiting_of(plan, baseline, sites, embodied_g_per_h=self.embodied_g_per_h)
        group = "literature" if plan.policy in self.published else ""
        return replace(plan, waiting=waiting, group=group)

    def front(self) -> tuple[ParetoPoint, ...]:
        """Return the front between carbon and time, and between carbon and cost where prices are known."""
        from lowtide.planning.pareto import carbon_cost, carbon_time, widest

        if not self.sites:
            return ()
        policies = widest(self.policies)
        found = carbon_time(policies, self.problem, self.sites)
        if all(site.price is not None for site in self.problem.with_home(self.sites)):
            found += carbon_cost(policies, self.problem, self.sites)
        return found

    def _found_on_marginal(self, plans: Sequence[Plan]) -> Plan | None:
        """Return what the policy of the best plan finds when it plans on marginal intensity instead."""
        top = plans[0] if plans and plans[0].emissions_g is not None else None
        carbon = self.objective == Objective()
        if top is None or top.marginal_g is None or top.basis == "marginal" or not carbon:
            return None
        turned = [
            replace(site, intensity=site.marginal, marginal=site.intensity)
            for site in self.sites
            if site.marginal is not None
        ]
        policy = next(policy for policy in self.policies if policy.name == top.policy)
        group = turned if policy.joint else [site for site in turned if site.zone == top.zone]
        home = next((site for site in turned if site.zone == self.problem.home.zone), self.problem.home)
        found = least(policy, replace(self.problem, home=home), group)
        return None if isinstance(found, Infeasible) else found.plan


def _refused(sites: Sequence[SiteOption], allow: Sequence[str]) -> dict[str, str]:
    """Return why data may not go to a site, by zone."""
    from lowtide.planning.residency import check_allowed, why_not_allowed

    check_allowed(allow, sites)
    return {site.zone: why for site in sites if (why := why_not_allowed(site, allow))}


def _against(plan: Plan, baseline: Plan, home: dict[str, float | None], in_reach: bool) -> Plan:
    """Return a plan with its savings, and whether it can be carried out."""
    return replace(
        plan,
        executable=plan.executable and in_reach,
        saving_fraction=_saving(plan.emissions_g, baseline.emissions_g),
        saving_same_zone_fraction=_saving(plan.emissions_g, home[plan.zone]),
        marginal_saving_fraction=_saving(plan.marginal_g, baseline.marginal_g),
    )


def _saving(g: float | None, baseline_g: float | None) -> float | None:
    if g is None or baseline_g is None or not baseline_g > 0.0:
        return None
    return 1.0 - g / baseline_g
