"""Plans under a budget: the least time under so much carbon, the least carbon under so much money.

*Least time.* The least carbon of a policy never rises with its deadline, so the earliest deadline at which it
keeps the budget is found by bisection, over the edges and then inside a cell, to a millisecond.

*Least carbon.* Policies with few choices try them all. Else every gram and every dollar are weighed together,
and the weight of money is raised until the budget is kept: each weight gives a plan and a lower bound. Where
pauses cost nothing the problem is a linear program with two sums, and time shared between the two plans at the
last weight is its exact answer; elsewhere the gap is stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.planning import Infeasible, OperatingPoint, Plan, Segment
from lowtide.planning.least import Least, Problem, least
from lowtide.planning.objective import Weights, offered
from lowtide.planning.promise import promise
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption
from lowtide.planning.transfer import ready, transfers
from lowtide.planning.window import cut, decision_instants
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["least_carbon", "least_time"]

_ROUNDING: Final = 1e-9
"""A budget is kept within this share of it, as sums of floats are."""
_MOST_WEIGHTS: Final = 60
_MOMENT_NS: Final = 1_000_000
"""A plan that ends at an edge is not cut shorter for less than a millisecond."""


def _keeps(value: float | None, budget: float) -> bool:
    return value is not None and value <= budget + _ROUNDING * abs(budget)


def least_time(
    policy: Policy, problem: Problem, sites: Sequence[SiteOption], budget_g: float
) -> Least | Infeasible:
    """Return the plan that is done first among those that emit no more than a budget.

    Returns
    -------
    Least or Infeasible
        Value and bound are seconds from the window's start to the end of the job.
    """
    start_ns = problem.window.start_ns
    best = least(policy, problem, sites)
    if isinstance(best, Infeasible):
        return best
    if not _keeps(best.value, budget_g):
        return _over(policy, sites, "emits at least", best, budget_g, "g")
    low, proved, high = start_ns, start_ns, best.plan.end_ns
    edges = _edges(problem, sites, high)
    at_edge: Least | None = None
    while high - low > 1:
        between = edges[(edges > low) & (edges < high)]
        middle = int(between[len(between) // 2]) if len(between) else low + (high - low) // 2
        if not len(between) and high == best.plan.end_ns:
            at_edge = best if at_edge is None else at_edge
        found = least(policy, problem, sites, deadline_ns=middle)
        if isinstance(found, Infeasible):
            low = proved = middle
        elif _keeps(found.value, budget_g):
            best, high = found, min(middle, found.plan.end_ns)
        else:
            low = middle
            if found.bound is not None and not _keeps(found.bound, budget_g):
                proved = middle
    if at_edge is not None and at_edge.plan.end_ns - best.plan.end_ns < _MOMENT_NS:
        best = at_edge
    seconds = [(t - start_ns) / NS_PER_S for t in (best.plan.end_ns, proved + 1)]
    return Least(best.plan, seconds[0], min(seconds))


def _edges(problem: Problem, sites: Sequence[SiteOption], end_ns: int) -> IntArray:
    """Return the decision instants of all sites before an end [ns], increasing."""
    shown = ready(sites, problem.home, problem.window)
    found = [decision_instants(site, problem.window, slot_s=problem.slot_s) for site in shown]
    edges = np.unique(np.concatenate(found))
    return np.asarray(edges[edges < end_ns])


def _over(
    policy: Policy, sites: Sequence[SiteOption], what: str, found: Least, budget: float, unit: str
) -> Infeasible:
    value = found.value
    least_known = "an unknown amount" if value is None else f"{value:.6g} {unit}"
    zone = None if len(sites) > 1 else sites[0].zone
    reason = f"it {what} {least_known} by the deadline; the budget is {budget:g} {unit}"
    return Infeasible(policy=policy.name, zone=zone, reason=reason)


def least_carbon(
    policy: Policy, problem: Problem, sites: Sequence[SiteOption], budget_usd: float
) -> Least | Infeasible:
    """Return the plan of least emissions among those whose electricity costs no more than a budget.

    Returns
    -------
    Least or Infeasible
        Value and bound are grams.
    """
    if hasattr(policy, "choices") and not policy.joint:
        return _of_choices(policy, problem, sites[0], budget_usd)
    green = least(policy, problem, sites)
    if isinstance(green, Infeasible) or _keeps(green.plan.cost_usd, budget_usd):
        return green
    cheap = least(policy, problem, sites, Weights(0.0, 1.0))
    if isinstance(cheap, Infeasible):
        return cheap
    if not _keeps(cheap.plan.cost_usd, budget_usd):
        return _over(policy, sites, "costs at least", cheap, budget_usd, "USD")
    return _between(policy, problem, sites, budget_usd, green, cheap)


def _of_choices(policy: Policy, problem: Problem, site: SiteOption, budget_usd: float) -> Least | Infeasible:
    """Return the best of all runs a policy can choose from."""
    unbounded = least(policy, problem, [site])
    if isinstance(unbounded, Infeasible) or _keeps(unbounded.plan.cost_usd, budget_usd):
        return unbounded
    (shown,) = ready([site], problem.home, problem.window)
    runs: list[list[Segment]] = policy.choices(  # type: ignore[attr-defined]
        problem.job, offered(shown), problem.window, slot_s=problem.slot_s
    )
    carried = transfers([site.zone], [site], problem.home, problem.window)
    plans = [
        promise(policy.name, [*carried, *run], problem.with_home([site]), profile=problem.job.profile)
        for run in runs
        if run[-1].end_ns <= problem.window.deadline_ns
    ]
    kept = [p for p in plans if p.emissions_g is not None and _keeps(p.cost_usd, budget_usd)]
    if not kept:
        known = [p for p in plans if p.cost_usd is not None]
        cheapest = min(known, key=lambda p: p.cost_usd or 0.0, default=unbounded.plan)
        over = Least(cheapest, cheapest.cost_usd, None)
        return _over(policy, [site], "costs at least", over, budget_usd, "USD")
    best = min(kept, key=lambda p: (p.emissions_g or 0.0, p.end_ns))
    return Least(best, best.emissions_g, best.emissions_g)


def _between(
    policy: Policy,
    problem: Problem,
    sites: Sequence[SiteOption],
    budget_usd: float,
    green: Least,
    cheap: Least,
) -> Least | Infeasible:
    """Return the best plan between a green one that is too dear and a cheap one that emits more."""
    over, kept, bound = green, cheap, green.bound
    for _ in range(_MOST_WEIGHTS):
        (g_over, usd_over), (g_kept, usd_kept) = _account(over.plan), _account(kept.plan)
        if not (usd_over > usd_kept and g_kept > g_over):
            break
        weight = (g_kept - g_over) / (usd_over - usd_kept)
        found = least(policy, problem, sites, Weights(1.0, weight))
        if isinstance(found, Infeasible) or found.value is None:
            break
        if found.bound is not None:
            dual = found.bound - weight * budget_usd
            bound = dual if bound is None else max(bound, dual)
        if found.value >= (g_kept + weight * usd_kept) * (1.0 - 1e-12) - 1e-12:
            break
        if _keeps(found.plan.cost_usd, budget_usd):
            kept = found
        else:
            over = found
    mixed = _mixed(problem, sites, kept.plan, over.plan, budget_usd)
    best = kept.plan if mixed is None or _account(mixed)[0] > _account(kept.plan)[0] else mixed
    g = best.emissions_g
    if g is not None and bound is not None and bound > g - _ROUNDING * abs(g):
        bound = g
    return Least(best, g, bound)


def _account(plan: Plan) -> tuple[float, float]:
    assert plan.emissions_g is not None
    assert plan.cost_usd is not None
    return plan.emissions_g, plan.cost_usd


def _mixed(
    problem: Problem, sites: Sequence[SiteOption], kept: Plan, over: Plan, budget_usd: float
) -> Plan | None:
    """Return the plan that shares the time of every cell between two, so that it costs what it may.

    None where pauses cost anything, power is recorded, a plan moves, or runs would start where they may not.
    """
    job = problem.job
    if len(sites) > 1 or job.pauses_cost or job.profile is not None:
        return None
    usd_over, usd_kept = _account(over)[1], _account(kept)[1]
    if not usd_over > usd_kept:
        return None
    share = (budget_usd - usd_kept) / (usd_over - usd_kept)
    (shown,) = (offered(s, Weights(1.0, 1.0)) for s in ready(sites, problem.home, problem.window))
    edges = cut([shown], problem.window, slot_s=problem.slot_s).edges_ns
    menu = list(sites[0].menu(job))
    times = (1.0 - share) * _times(kept, edges, menu) + share * _times(over, edges, menu)
    segments = _written(times, edges, menu, sites[0].zone)
    allowed = decision_instants(shown, problem.window, slot_s=problem.slot_s)
    if not np.isin(_begins(segments), allowed).all():
        return None
    carried = transfers([sites[0].zone], sites, problem.home, problem.window)
    mixed = promise(kept.policy, [*carried, *segments], problem.with_home(sites), executable=kept.executable)
    return mixed if _keeps(mixed.cost_usd, budget_usd) and mixed.emissions_g is not None else None


def _begins(segments: Sequence[Segment]) -> list[int]:
    """Return where runs begin: not where the segment before ends."""
    ends = [None, *(segment.end_ns for segment in segments)]
    return [s.start_ns for end, s in zip(ends, segments, strict=False) if end != s.start_ns]


def _times(plan: Plan, edges: np.ndarray, menu: Sequence[OperatingPoint]) -> FloatArray:
    """Return how long a plan runs at each point in each cell [ns], shape (n_cells, n_points)."""
    times = np.zeros((len(edges) - 1, len(menu)))
    for run in plan.segments:
        if run.kind == "run":
            k = next(
                i for i, p in enumerate(menu) if (p.throughput, p.power_w) == (run.throughput, run.power_w)
            )
            times[:, k] += np.maximum(
                np.minimum(edges[1:], run.end_ns) - np.maximum(edges[:-1], run.start_ns), 0
            )
    return times


def _written(
    times: FloatArray, edges: np.ndarray, menu: Sequence[OperatingPoint], zone: str
) -> list[Segment]:
    """Return the segments of times at points: in every cell the quickest first."""
    order = sorted(range(len(menu)), key=lambda k: -menu[k].throughput)
    found = []
    for cell in np.flatnonzero(times.sum(axis=1) >= 0.5).tolist():
        done = np.cumsum(times[cell, order])
        marks = [int(edges[cell]), *(int(edges[cell]) + np.rint(done).astype(np.int64)).tolist()]
        for k, start_ns, end_ns in zip(order, marks, marks[1:], strict=False):
            if end_ns > start_ns:
                point = menu[k]
                found.append(
                    Segment(
                        zone=zone, start_ns=start_ns, end_ns=end_ns, throughput=point.throughput,
                        power_w=point.power_w,
                    )
                )  # fmt: skip
    return joined(found)
