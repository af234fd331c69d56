"""The front between carbon and time, and between carbon and cost.

*Time.* For every edge of the cells as a deadline, the least carbon: exact where the policy is. Between two of
these ends the least carbon falls from one to the other, and no plan of the policy done between them emits less
than the later one. *Cost.* The plans that are least for some weight of money: the corners of the front's lower
hull. Plans between corners may exist where no mix of two is a plan; none lies below the line between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from lowtide.arrays import IntArray
from lowtide.model.planning import Infeasible, ParetoPoint, Plan
from lowtide.planning.least import Least, Problem, least
from lowtide.planning.objective import Weights
from lowtide.planning.policies import run_now
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import decision_instants
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["carbon_cost", "carbon_time", "widest"]

_MOST_CORNERS: Final = 48
_ROUNDING: Final = 1e-9
Best = Callable[[Weights, int | None], Least | None]


def widest(policies: Sequence[Policy]) -> list[Policy]:
    """Return the policies that hold every plan of the others: our widest one, and those of others."""
    ours = ("best", "elastic", "pause-resume", "flexible-start", "run-now", "power-cap")
    names = [policy.name for policy in policies]
    top = next((name for name in ours if name in names), None)
    return [policy for policy in policies if policy.name == top or policy.name not in ours]


def _best_of(policies: Sequence[Policy], problem: Problem, sites: Sequence[SiteOption]) -> Best:
    """Return a function that finds the least plan over policies and sites for weights and a deadline."""

    def best(weights: Weights, deadline_ns: int | None) -> Least | None:
        found: list[Least] = []
        for policy in policies:
            for group in [sites] if policy.joint else [[site] for site in sites]:
                one = least(policy, problem, group, weights, deadline_ns=deadline_ns)
                if not isinstance(one, Infeasible) and one.value is not None:
                    found.append(one)
        return min(found, key=lambda one: (one.value or 0.0, one.plan.end_ns), default=None)

    return best


def _point(problem: Problem, found: Least, trade: Literal["carbon-time", "carbon-cost"]) -> ParetoPoint:
    value, bound = found.value, found.bound
    proved = value is not None and bound is not None and bound >= value - _ROUNDING * abs(value)
    elapsed_s = (found.plan.end_ns - problem.window.start_ns) / NS_PER_S
    return ParetoPoint(trade=trade, plan=found.plan, elapsed_s=elapsed_s, exact=proved)


def carbon_time(
    policies: Sequence[Policy], problem: Problem, sites: Sequence[SiteOption]
) -> tuple[ParetoPoint, ...]:
    """Return the least carbon for every deadline at an edge, by end, each better than all before it.

    Notes
    -----
    Deadlines between two with the same least carbon are not asked for. Cost: that of the policy, times the
    deadlines at which the least carbon changes, times a logarithm.
    """
    best = _best_of([*policies, run_now], problem, sites)
    deadlines = _deadlines(policies, problem, sites)
    found: dict[int, Least | None] = {}

    def at(i: int) -> Least | None:
        if i not in found:
            found[i] = best(Weights(), int(deadlines[i]))
        return found[i]

    spans = [(0, len(deadlines) - 1)]
    while spans:
        first, last = spans.pop()
        a, b = at(first), at(last)
        if last - first > 1 and b is not None and (a is None or a.plan.emissions_g != b.plan.emissions_g):
            middle = (first + last) // 2
            spans += [(first, middle), (middle, last)]
    kept = _undominated([one for _, one in sorted(found.items()) if one is not None])
    return tuple(_point(problem, one, "carbon-time") for one in kept)


def _deadlines(policies: Sequence[Policy], problem: Problem, sites: Sequence[SiteOption]) -> IntArray:
    """Return the edges to be done at [ns], and the ends of running through at once at any point of a menu."""
    window = problem.window
    marks = [np.array([window.deadline_ns], dtype=np.int64)]
    for site in sites:
        marks.append(decision_instants(site, window, slot_s=problem.slot_s))
        marks.append(site.intensity.edges_ns)
        ends = [round(problem.job.work_ns / point.throughput) for point in site.menu(problem.job)]
        marks.append(window.start_ns + np.array(ends, dtype=np.int64))
    edges = np.unique(np.concatenate(marks))
    quickest = max(p.throughput for site in sites for p in site.menu(problem.job))
    soonest = window.start_ns + round(problem.job.work_ns / quickest)
    return np.asarray(edges[(edges >= min(soonest, window.deadline_ns)) & (edges <= window.deadline_ns)])


def _undominated(found: Sequence[Least]) -> list[Least]:
    """Return those that emit less than every one that ends no later."""
    by_end = sorted(found, key=lambda one: (one.plan.end_ns, one.value or 0.0))
    kept: list[Least] = []
    for one in by_end:
        assert one.value is not None
        last = kept[-1].value if kept else None
        if last is None or one.value < last - _ROUNDING * abs(last):
            kept.append(one)
    return kept


def carbon_cost(
    policies: Sequence[Policy], problem: Problem, sites: Sequence[SiteOption]
) -> tuple[ParetoPoint, ...]:
    """Return the plans that are least for some weight of money against carbon, from the greenest on.

    Notes
    -----
    Between two neighbours the weight at which they are equal is asked for; where that finds nothing below
    their line, they are neighbours on the front (Aneja and Nair 1979). No more than 48 corners.
    """
    best = _best_of(policies, problem, sites)
    tiny = 1e-6  # the other side decides ties
    ends = [best(weights, None) for weights in (Weights(1.0, tiny), Weights(tiny * 1e-3, 1.0))]
    known = [one for one in ends if one is not None and _sides(one.plan) is not None]
    if len(known) < 2:
        return tuple(_point(problem, one, "carbon-cost") for one in known)
    found, spans = list(known), [(known[0], known[1])]
    while spans and len(found) < _MOST_CORNERS:
        green, cheap = spans.pop(0)
        middle = _below(best, green, cheap)
        if middle is not None:
            found.append(middle)
            spans += [(green, middle), (middle, cheap)]
    return tuple(_point(problem, one, "carbon-cost") for one in _by_carbon(found))


def _sides(plan: Plan) -> tuple[float, float] | None:
    return None if plan.emissions_g is None or plan.cost_usd is None else (plan.emissions_g, plan.cost_usd)


def _below(best: Best, green: Least, cheap: Least) -> Least | None:
    """Return the plan furthest below the line between two, None where none is."""
    a, b = _sides(green.plan), _sides(cheap.plan)
    assert a is not None
    assert b is not None
    if not (b[0] > a[0] and a[1] > b[1]):
        return None
    weight = (b[0] - a[0]) / (a[1] - b[1])
    middle = best(Weights(1.0, weight), None)
    line = a[0] + weight * a[1]
    if middle is None or middle.value is None or middle.value >= line - _ROUNDING * abs(line):
        return None
    return middle


def _by_carbon(found: Sequence[Least]) -> list[Least]:
    """Return plans by emissions, each cheaper than all before it."""
    ordered = sorted(found, key=lambda one: _sides(one.plan) or (0.0, 0.0))
    kept: list[Least] = []
    for one in ordered:
        sides, last = _sides(one.plan), _sides(kept[-1].plan) if kept else None
        assert sides is not None
        if last is None or sides[1] < last[1] - _ROUNDING * abs(last[1]):
            kept.append(one)
    return kept
