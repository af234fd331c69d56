"""One policy's least plan for given weights, priced in grams and money, its data's travel included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from lowtide.model.planning import Infeasible, Job, Plan, Segment, Window
from lowtide.planning.objective import CARBON, Weights, offered
from lowtide.planning.promise import cost_usd, emissions_g, promise
from lowtide.planning.sites import SiteOption
from lowtide.planning.transfer import ready, transfers

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["Least", "Problem", "least", "value_of"]

_MOST_SUBSETS: Final = 32
"""Choices of sites with costly data that a joint policy is asked for; beyond, single ones and all together."""
_MORE_THAN_TIME: Final = frozenset(("run-now", "elastic", "power-cap", "best", "chase"))
"""Policies that choose something else than when to run; a yearly mean cannot judge the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is planned: a job, where it may run, its home, its window.

    Attributes
    ----------
    job : Job
    home : SiteOption
        Where its data are: the first site, allowed or not.
    window : Window
    slot_s : float or None
    """

    job: Job
    home: SiteOption
    window: Window
    slot_s: float | None = None

    def priced(self, plan: Plan, sites: Sequence[SiteOption]) -> Plan:
        """Return what a policy found, with its data's travel, in grams and money."""
        carried = transfers([s.zone for s in plan.segments], sites, self.home, self.window)
        segments = [*carried, *plan.segments]
        known = self.with_home(sites)
        return promise(plan.policy, segments, known, profile=plan.profile, executable=plan.executable)

    def with_home(self, sites: Sequence[SiteOption]) -> list[SiteOption]:
        """Return the sites with home among them."""
        there = any(site.zone == self.home.zone for site in sites)
        return list(sites) if there else [self.home, *sites]


class Least(NamedTuple):
    """A plan in grams and money, its value in the unit of the weights, and a bound below all others."""

    plan: Plan
    value: float | None
    bound: float | None


def least(
    policy: Policy,
    problem: Problem,
    sites: Sequence[SiteOption],
    weights: Weights = CARBON,
    *,
    deadline_ns: int | None = None,
) -> Least | Infeasible:
    """Return what a policy makes least for some weights.

    Parameters
    ----------
    policy : Policy
    problem : Problem
    sites : sequence of SiteOption
        As they are; all for a joint policy, else one.
    weights : Weights
    deadline_ns : int, optional
        Earlier than the problem's.

    Raises
    ------
    InputError
        If money counts and a site has no price.
    """
    window = problem.window if deadline_ns is None else replace(problem.window, deadline_ns=deadline_ns)
    window = replace(window, hour_cost=weights.per_hour)
    shown = [offered(site, weights) for site in ready(sites, problem.home, window)]
    if policy.name not in _MORE_THAN_TIME and not shown[0].intensity.signal.time_resolved:
        reason = "only a yearly mean is known there: shifting in time cannot be judged"
        return Infeasible(policy=policy.name, zone=shown[0].zone, reason=reason)
    if all(a is b for a, b in zip(shown, sites, strict=True)) and not _charged(problem, sites):
        found = policy.plan(problem.job, sites, window, slot_s=problem.slot_s)
        if isinstance(found, Infeasible):
            return found
        if not window.hour_cost:
            return Least(found, found.emissions_g, found.lower_bound_g)
        return Least(problem.priced(found, sites), found.emissions_g, found.lower_bound_g)
    return _chosen(policy, problem, sites, shown, weights, window)


def _charged(problem: Problem, sites: Sequence[SiteOption]) -> list[str]:
    """Return the zones whose data cost energy to get there."""
    return [
        s.zone
        for s in sites
        if s.zone != problem.home.zone and s.transfer is not None and s.transfer.energy_kwh
    ]


def _chosen(
    policy: Policy,
    problem: Problem,
    sites: Sequence[SiteOption],
    shown: Sequence[SiteOption],
    weights: Weights,
    window: Window,
) -> Least | Infeasible:
    """Return the best over the sets of sites whose data travel; the bound is that of every set."""
    true = {site.zone: site for site in sites}
    best: Least | None = None
    bounds: list[float | None] = []
    failed: Infeasible | None = None
    for group in _groups(problem, shown):
        found = policy.plan(problem.job, group, window, slot_s=problem.slot_s)
        if isinstance(found, Infeasible):
            failed = found if failed is None or len(group) == len(shown) else failed
            continue
        used = [segment.zone for segment in found.segments]
        charge = _charge(problem, used, sites, weights)
        floor = _charge(problem, [site.zone for site in group], sites, weights)
        if len(group) == len(shown) and not _all_groups(problem, shown):
            floor = 0.0
        value = None if charge is None or found.emissions_g is None else found.emissions_g + charge
        bound = None if floor is None or found.lower_bound_g is None else found.lower_bound_g + floor
        bounds.append(bound)
        if best is None or (value is not None and (best.value is None or value < best.value)):
            best = Least(problem.priced(found, [true[site.zone] for site in group]), value, bound)
    if best is None:
        assert failed is not None, "some group was tried"
        return failed
    known = [bound for bound in bounds if bound is not None]
    bound = min(known) if len(known) == len(bounds) else None
    return best._replace(bound=bound)


def _all_groups(problem: Problem, shown: Sequence[SiteOption]) -> bool:
    return (1 << len(_charged(problem, shown))) <= _MOST_SUBSETS


def _groups(problem: Problem, shown: Sequence[SiteOption]) -> Iterator[list[SiteOption]]:
    """Yield the sets of sites to ask for: all that are free, with every choice of those that are charged."""
    charged = _charged(problem, shown)
    sizes = range(len(charged) + 1) if _all_groups(problem, shown) else (0, 1, len(charged))
    for size in sizes:
        for chosen in combinations(charged, size):
            group = [site for site in shown if site.zone not in charged or site.zone in chosen]
            if group:
                yield group


def _charge(
    problem: Problem, zones: Sequence[str], sites: Sequence[SiteOption], weights: Weights
) -> float | None:
    """Return what carrying the data to some zones counts; None where it is unknown."""
    carried = transfers(zones, sites, problem.home, problem.window)
    return value_of(carried, [problem.home], weights) if carried else 0.0


def value_of(segments: Sequence[Segment], sites: Sequence[SiteOption], weights: Weights) -> float | None:
    """Return what segments count without their time: grams and dollars, weighed; None where unknown."""
    g = emissions_g(segments, sites) if weights.per_g else 0.0
    usd = cost_usd(segments, sites) if weights.per_usd else 0.0
    return None if g is None or usd is None else weights.per_g * g + weights.per_usd * usd
