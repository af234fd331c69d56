"""Plans without switching costs: the cheapest marginal work in one site, as segments."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Segment, Window
from lowtide.planning.fill import Filled, fill
from lowtide.planning.menu import Corner, corners
from lowtide.planning.promise import count_pauses, promise
from lowtide.planning.search import search, why_not
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import Cells, cut

__all__ = ["scaled"]

_MOST_TIED: Final = 600
"""Equally cheap pieces up to which all plans of the same cost are searched for the fewest pauses."""


def scaled(
    policy: str,
    job: Job,
    site: SiteOption,
    window: Window,
    menu: tuple[OperatingPoint, ...],
    *,
    slot_s: float | None = None,
    executable: bool = True,
) -> Plan | Infeasible:
    """Return the plan of least emissions of a job that costs nothing to interrupt.

    Where the filling is not the only cheapest plan, or would start between decision instants, the exact
    search decides. With more than 600 equally cheap pieces it is the filling that is taken, which starts
    earliest but may pause more often than it must.
    """
    cells = cut([site], window, slot_s=slot_s)
    hulls = corners(menu, off_w=0.0), corners(menu, sign=-1, off_w=0.0)
    filled = fill(cells.intensity[0], cells.width_ns, *hulls, job.work_ns)
    if filled is None:
        reason = why_not(job, [site], cells, [menu], -1)
        return Infeasible(policy=policy, zone=site.zone, reason=reason)
    segments = _segments(filled, cells, hulls, menu, site.zone)
    allowed = _starts_allowed(segments, cells)
    tied = 0 < filled.n_tied <= _MOST_TIED and (
        count_pauses(segments) > 0 or segments[0].start_ns > window.start_ns
    )
    plan = promise(policy, segments, [site], executable=executable)
    if not allowed or tied:
        found = search(policy, job, [site], window, [menu], slot_s=slot_s, executable=executable)
        return found if isinstance(found, Infeasible) else _bounded(found, plan)
    return plan


def _bounded(plan: Plan, relaxed: Plan) -> Plan:
    """Return a plan whose lower bound is at least what filling without regard to starts emits."""
    g, floor_g, bound_g = plan.emissions_g, relaxed.emissions_g, plan.lower_bound_g
    if g is None or floor_g is None or bound_g is None:
        return plan
    exact = floor_g >= g - 1e-9 * abs(g)
    return replace(plan, lower_bound_g=g if exact else max(bound_g, floor_g))


def _segments(
    filled: Filled,
    cells: Cells,
    hulls: tuple[tuple[Corner, ...], tuple[Corner, ...]],
    menu: tuple[OperatingPoint, ...],
    zone: str,
) -> list[Segment]:
    """Return the segments of filled cells: in each the quicker corner first, then the slower or off."""
    negative = cells.intensity[0] < 0.0
    used = (filled.level > 0) | (filled.share > 0.0)
    new = _new_runs(filled, negative, used)
    found: list[Segment] = []
    for first, after in zip(new, [*new[1:], cells.n], strict=True):
        if not used[first]:
            continue
        hull = hulls[int(negative[first])]
        level, share = int(filled.level[first]), float(filled.share[first])
        start, end = int(cells.edges_ns[first]), int(cells.edges_ns[after])
        change = start + round(share * (end - start))
        if share > 0.0:
            found.append(_segment(zone, start, max(change, start + 1), menu, hull[level + 1]))
        if level > 0:
            found.append(_segment(zone, change, end, menu, hull[level]))
    return joined([segment for segment in found if segment.end_ns > segment.start_ns])


def _new_runs(filled: Filled, negative: np.ndarray, used: np.ndarray) -> list[int]:
    """Return the cells that are used in another way than the one before; shared cells stand alone."""
    alone = filled.share > 0.0
    differs = (
        (filled.level[1:] != filled.level[:-1])
        | (negative[1:] != negative[:-1])
        | alone[1:]
        | alone[:-1]
        | (used[1:] != used[:-1])
    )
    return [0, *(np.flatnonzero(differs) + 1).tolist()]


def _segment(
    zone: str, start_ns: int, end_ns: int, menu: tuple[OperatingPoint, ...], corner: Corner
) -> Segment:
    point = menu[corner.point]
    return Segment(
        zone=zone, start_ns=start_ns, end_ns=end_ns, throughput=point.throughput, power_w=point.power_w
    )


def _starts_allowed(segments: list[Segment], cells: Cells) -> bool:
    """Return whether every run begins at a decision instant."""
    begins = [
        segment.start_ns
        for before, segment in zip([None, *segments], segments, strict=False)
        if before is None or before.end_ns < segment.start_ns
    ]
    allowed = cells.edges_ns[:-1][cells.may_start[0]]
    return bool(np.isin(begins, allowed).all())
