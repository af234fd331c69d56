"""Power cap: run at once at the one operating point that emits least (after Zeus, You et al. 2023).

The lever that needs no waiting: a lower cap does the same work with less energy in more time. Caps that
follow the intensity are :mod:`~lowtide.planning.policies.elastic`.
"""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Infeasible, Job, Plan, Segment, Window
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import emissions_g, promise
from lowtide.planning.sites import SiteOption

__all__ = ["choices", "joint", "name", "plan"]

name = "power-cap"
joint = False


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan that starts at once and runs through at the best point of the menu.

    Ties go to the point that ends first. Exact: every point is tried. Cost: O(k * n).
    """
    site = sites[0]
    if job.profile is not None:
        reason = "a recorded power profile has one operating point; give a menu of points instead"
        return Infeasible(policy=name, zone=site.zone, reason=reason)
    runs = choices(job, site, window)
    in_time = [run for run in runs if run[-1].end_ns <= window.deadline_ns]
    if not in_time:
        return Infeasible(
            policy=name, zone=site.zone, reason="at no operating point does it end by the deadline"
        )
    grams = [(emissions_g(run, [site]), run) for run in in_time]
    known = [
        (g + window.elapsed_cost(run[-1].end_ns), run[-1].end_ns, run) for g, run in grams if g is not None
    ]
    if not known:
        return promise(name, in_time[0], [site], executable=False, window=window)
    best = min(known, key=lambda found: found[:2])[2]
    return promise(name, best, [site], executable=best[0].throughput == 1.0, window=window)


def choices(
    job: Job, site: SiteOption, window: Window, *, slot_s: float | None = None
) -> list[list[Segment]]:
    """Return a run through at every point of the menu."""
    start_ns = max(window.start_ns, site.not_before_ns or window.start_ns)
    return [run_through(job, site, start_ns, point=k) for k in range(len(site.menu(job)))]
