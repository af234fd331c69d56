"""Plans on one site: the filling as segments, and the exact search where that is not the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Segment, Window
from lowtide.planning.fill import Filled, fill
from lowtide.planning.menu import Corner, corners
from lowtide.planning.promise import count_pauses, promise
from lowtide.planning.search import search, why_not
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import Cells, cut
from lowtide.units import J_PER_KWH

__all__ = ["Filling", "plan_alone", "plan_unmoved"]

_MOST_TIED: Final = 600
"""Equally cheap pieces up to which all plans of the same cost are searched for the fewest pauses."""


def plan_alone(
    policy: str,
    job: Job,
    site: SiteOption,
    window: Window,
    menu: tuple[OperatingPoint, ...],
    *,
    slot_s: float | None = None,
    executable: bool = True,
) -> Plan | Infeasible:
    """Return the plan of least emissions on one site, over a menu and off.

    The filling, which lets pauses cost nothing, is no dearer than any plan. It is the plan where pauses cost
    nothing, where it is the only cheapest one and starts at decision instants only; and it is the plan
    whatever pauses cost where it has none. Else the exact search decides. With more than 600 equally cheap
    pieces it is the filling that is taken, which starts earliest but may pause more often than it must.
    Where the window's hours cost something, the exact search decides alone.

    Cost: O(n log k) for n cells and k points, and that of :func:`lowtide.planning.search.search` if it decides.
    """
    filled = Filling.of(job, site, window, menu, slot_s=slot_s)
    if filled is None:
        cells = cut([site], window, slot_s=slot_s)
        return Infeasible(policy=policy, zone=site.zone, reason=why_not(job, [site], cells, [menu], -1))
    if window.hour_cost:
        return search(policy, job, [site], window, [menu], slot_s=slot_s, executable=executable)
    plan = promise(policy, filled.segments, [site], executable=executable)
    if window.begun is not None and job.pauses_cost and not _goes_on(plan, window):
        return _after(search(policy, job, [site], window, [menu], slot_s=slot_s, executable=executable), plan)
    if filled.startable and plan.n_pauses == 0 and not (job.pauses_cost and filled.negative):
        return plan
    if filled.startable and not job.pauses_cost and not 0 < filled.n_tied <= _MOST_TIED:
        return plan
    found = search(policy, job, [site], window, [menu], slot_s=slot_s, executable=executable)
    if isinstance(found, Infeasible) or (job.pauses_cost and filled.negative):
        return found
    return _bounded(found, plan)


def plan_unmoved(
    policy: str,
    job: Job,
    sites: Sequence[SiteOption],
    window: Window,
    menu: tuple[OperatingPoint, ...],
    *,
    slot_s: float | None = None,
) -> Plan | None:
    """Return the best plan over sites with one menu where that neither pauses nor moves, else None.

    It is the best where it emits no more than a filling that may be in the cleanest site at any instant.
    """
    if window.hour_cost:
        return None
    cells = cut(sites, window, slot_s=slot_s)
    if bool(np.nanmin(cells.intensity, initial=0.0) < 0.0):
        return None
    cleanest = np.fmin.reduce(cells.intensity, axis=0)
    anywhere = fill(cleanest, cells.width_ns, *_hulls(menu), job.work_ns)
    if anywhere is None:
        return None
    least = _cost(anywhere, cleanest, cells, _hulls(menu)[0])
    found = []
    for site in sites:
        filled = Filling.of(job, site, window, menu, slot_s=slot_s)
        if filled is not None and filled.startable and count_pauses(filled.segments) == 0:
            found.append(promise(policy, filled.segments, [site], executable=len(menu) == 1))
    reach = [p for p in found if p.emissions_g is not None and p.emissions_g <= least * (1.0 + 1e-12)]
    return min(reach, key=lambda plan: plan.start_ns, default=None)


def _cost(filled: Filled, intensity: FloatArray, cells: Cells, hull: tuple[Corner, ...]) -> float:
    """Return the grams of a filling of positive intensities."""
    power_w = np.array([corner.power_w for corner in hull])
    above = np.minimum(filled.level + 1, len(hull) - 1)
    mean_w = power_w[filled.level] * (1.0 - filled.share) + power_w[above] * filled.share
    return float(np.nansum(intensity * mean_w * cells.width_s)) / J_PER_KWH


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filling:
    """The cheapest way to do the work where pauses cost nothing and may end at any instant.

    Attributes
    ----------
    segments : list of Segment
    startable : bool
        Whether all its runs begin at decision instants.
    negative : bool
        Whether any intensity of the window is negative.
    n_tied : int
        See :class:`~lowtide.planning.fill.Filled`.
    """

    segments: list[Segment]
    startable: bool
    negative: bool
    n_tied: int

    @classmethod
    def of(
        cls,
        job: Job,
        site: SiteOption,
        window: Window,
        menu: tuple[OperatingPoint, ...],
        *,
        slot_s: float | None,
    ) -> Filling | None:
        """Return the filling of one site, None where the work does not fit."""
        cells, hulls = cut([site], window, slot_s=slot_s), _hulls(menu)
        filled = fill(cells.intensity[0], cells.width_ns, *hulls, job.work_ns)
        if filled is None:
            return None
        segments = _segments(filled, cells, hulls, menu, site.zone)
        return cls(
            segments=segments,
            startable=_starts_allowed(segments, cells),
            negative=bool(np.nanmin(cells.intensity, initial=0.0) < 0.0),
            n_tied=filled.n_tied,
        )


def _hulls(menu: tuple[OperatingPoint, ...]) -> tuple[tuple[Corner, ...], tuple[Corner, ...]]:
    return corners(menu, off_w=0.0), corners(menu, sign=-1, off_w=0.0)


def _goes_on(plan: Plan, window: Window) -> bool:
    """Return whether a plan of a running job goes on at once, so that its first run is not a resume."""
    return window.begun == "running" and plan.start_ns == window.start_ns


def _after(found: Plan | Infeasible, relaxed: Plan) -> Plan | Infeasible:
    return found if isinstance(found, Infeasible) else _bounded(found, relaxed)


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
