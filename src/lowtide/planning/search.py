"""The exact search behind every policy whose interruptions, moves or changes cost something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Window
from lowtide.planning.promise import count_pauses, promise
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import Cells, cut, known_hours
from lowtide.quantities import format_duration
from lowtide.units import J_PER_KWH, NS_PER_S

__all__ = ["cells_of", "search", "why_not"]

Menus = Sequence[tuple[OperatingPoint, ...]]


def cells_of(job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None) -> Cells:
    """Return the cells in which every cost of a job is linear: cut also where its resumes and moves end."""
    return cut(
        sites,
        window,
        slot_s=slot_s,
        after_ns=round(job.resume_time_s * NS_PER_S),
        before_ns=round(job.migrate_time_s * NS_PER_S) if len(sites) > 1 else 0,
    )


def search(
    policy: str,
    job: Job,
    sites: Sequence[SiteOption],
    window: Window,
    menus: Menus,
    *,
    slot_s: float | None = None,
    executable: bool = True,
    most_at_node: int | None = None,
    fast: bool | None = None,
) -> Plan | Infeasible:
    """Return the best plan over some sites and menus, and a bound no plan goes below.

    Parameters
    ----------
    policy : str
        In whose name.
    job, sites, window, slot_s
        See :func:`lowtide.planning.plan.plan`.
    menus : sequence of tuples of OperatingPoint
        What each site may use, baseline first.
    executable : bool
    most_at_node, fast
        See :func:`lowtide.planning.paths.solve.solve`.

    Notes
    -----
    A limit on pauses that the unlimited answer keeps costs nothing; else the graph is built again with the
    number of pauses so far in its state, ``max_pauses + 1`` times as large.
    """
    # loaded here: most plans from a cold start are fillings and need no search
    from lowtide.planning.network import build
    from lowtide.planning.paths.solve import solve
    from lowtide.planning.segments import segments_of

    cells = cells_of(job, sites, window, slot_s=slot_s)
    zone = sites[0].zone if len(sites) == 1 else None
    limits: list[int | None] = [None] if job.max_pauses is None else [None, job.max_pauses]
    for limit in limits:
        network = build(job, cells, menus, max_pauses=limit, hour_cost=window.hour_cost, begun=window.begun)
        path = solve(network.graph, job.work_ns, most_at_node=most_at_node, fast=fast)
        if isinstance(path, int):
            return Infeasible(policy=policy, zone=zone, reason=why_not(job, sites, cells, menus, path))
        segments = segments_of(network, path, job, cells, [s.zone for s in sites], menus)
        bound_g = None if path.bound >= path.cost else path.bound / J_PER_KWH
        if limit is not None or job.max_pauses is None or count_pauses(segments) <= job.max_pauses:
            break
    return promise(policy, segments, sites, lower_bound_g=bound_g, executable=executable, window=window)


def why_not(job: Job, sites: Sequence[SiteOption], cells: Cells, menus: Menus, most_ns: int) -> str:
    """Return why no plan does the work of a job, in words.

    Parameters
    ----------
    job, sites, cells, menus
    most_ns : int
        The most work that can be done [ns at throughput 1]; -1 for none.
    """
    quickest = max(point.throughput for menu in menus for point in menu)
    need_s = job.work_s / quickest
    window_s = float(cells.width_s.sum())
    need = format_duration(need_s)
    if need_s > window_s * (1.0 + 1e-12):
        return f"it needs {need} and the deadline is {format_duration(window_s)} after the start"
    known_h = [known_hours(cells, z) for z in range(len(sites))]
    best = int(np.argmax(known_h))
    if known_h[best] * 3600.0 < need_s * (1.0 - 1e-12):
        return (
            f"it needs {need} and the intensity of {sites[best].zone} is known for "
            f"{format_duration(known_h[best] * 3600.0)} of the window"
        )
    share = max(most_ns, 0) / job.work_ns
    return (
        f"at most {share:.0%} of its work fits between the window's start and its deadline, given where runs "
        "may start, unknown intensity and the cost of resuming"
    )
