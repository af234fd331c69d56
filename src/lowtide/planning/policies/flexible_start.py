"""Flexible Start: choose when to begin, then run through (Dodge et al. 2022, section 6).

Every decision instant from which the job ends by the deadline is tried, exactly: emissions of a start are
differences of the cumulative intensity, which is linear between edges. (Dodge et al. try starts every five
minutes on five-minute data; their starts are this policy's decision instants.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Segment, Window
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import promise
from lowtide.planning.search import why_not
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import BoolArray, cut, decision_instants
from lowtide.series import steps
from lowtide.units import J_PER_KWH, NS_PER_H, NS_PER_S

__all__ = ["choices", "joint", "name", "plan", "start_costs"]

name = "flexible-start"
joint = False

_AT_ONCE = 1 << 21
"""Pairs of start and profile step that are looked up together (16 MB an array)."""


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan of the cheapest start; the earliest of equally cheap ones.

    Notes
    -----
    Exact. Cost: O(n log n) for constant power; for a recorded profile of m steps O(n * m) where both fall
    on one grid, else O(n * m log n).
    """
    site = sites[0]
    starts = _starts_in_time(job, site, window, slot_s)
    costs = _with_waiting(start_costs(job, site, starts), job, site, window, starts)
    known = ~np.isnan(costs)
    if not known.any():
        cells, menus = cut([site], window, slot_s=slot_s), [site.menu(job)[:1]]
        reason = "every start in time runs through unknown intensity" if len(starts) else ""
        return Infeasible(
            policy=name, zone=site.zone, reason=reason or why_not(job, [site], cells, menus, -1)
        )
    least = float(np.nanmin(costs))
    slack = 1e-12 * float(np.nanmax(np.abs(costs)))
    chosen = int(np.flatnonzero(known & (costs <= least + slack))[0])
    run = run_through(job, site, int(starts[chosen]))
    return promise(name, run, [site], profile=job.profile, window=window)


def choices(
    job: Job, site: SiteOption, window: Window, *, slot_s: float | None = None
) -> list[list[Segment]]:
    """Return a run through from every start in time."""
    return [run_through(job, site, start) for start in _starts_in_time(job, site, window, slot_s).tolist()]


def _with_waiting(
    costs: FloatArray, job: Job, site: SiteOption, window: Window, starts_ns: IntArray
) -> FloatArray:
    """Return the costs of starts with that of the time until they begin, in the factor of `start_costs`."""
    if not window.hour_cost:
        return costs
    power_w = 1.0 if job.profile is not None else site.menu(job)[0].power_w
    waited_h = (starts_ns - window.start_ns) / NS_PER_H
    return np.asarray(costs * (site.overhead * power_w / J_PER_KWH) + window.hour_cost * waited_h)


def _starts_in_time(job: Job, site: SiteOption, window: Window, slot_s: float | None) -> IntArray:
    starts = decision_instants(site, window, slot_s=slot_s)
    length_ns = round(job.work_ns / site.menu(job)[0].throughput)
    return starts[starts + length_ns <= window.deadline_ns]


def start_costs(job: Job, site: SiteOption, starts_ns: IntArray) -> FloatArray:
    """Return what running through from each start costs, up to one factor; NaN through unknown intensity.

    Parameters
    ----------
    job : Job
    site : SiteOption
    starts_ns : int64 array, shape (n,)
        Increasing.
    """
    if not len(starts_ns):
        return np.empty(0)
    point = site.menu(job)[0]
    length_ns = round(job.work_ns / point.throughput)
    known = _known_throughout(site, starts_ns, length_ns)
    costs = (
        _constant(site, starts_ns, length_ns)
        if job.profile is None
        else _profiled(job, point, site, starts_ns)
    )
    return np.where(known, costs, np.nan)


def _constant(site: SiteOption, starts_ns: IntArray, length_ns: int) -> FloatArray:
    edges, values = site.intensity.edges_ns, site.intensity.intensity_g_per_kwh
    ends = steps.cumulative_at(edges, values, starts_ns + length_ns)
    return np.asarray(ends - steps.cumulative_at(edges, values, starts_ns))


def _known_throughout(site: SiteOption, starts_ns: IntArray, length_ns: int) -> BoolArray:
    """Return for which starts the whole run meets known intensity."""
    edges, values = site.intensity.edges_ns, site.intensity.intensity_g_per_kwh
    unknown = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(np.isnan(values))))
    first = np.searchsorted(edges, starts_ns, side="right") - 1
    after = np.searchsorted(edges, starts_ns + length_ns, side="left")
    inside = (first >= 0) & (after <= len(values))
    counts = unknown[np.clip(after, 0, len(values))] - unknown[np.clip(first, 0, len(values))]
    return np.asarray(inside & (counts == 0))


def _profiled(job: Job, point: OperatingPoint, site: SiteOption, starts_ns: IntArray) -> FloatArray:
    """Return the costs of a recorded profile from each start."""
    assert job.profile is not None
    at_ns = np.rint(np.array(job.profile.edges_s) * NS_PER_S / point.throughput).astype(np.int64)
    power = np.array(job.profile.power_w)
    edges, values = site.intensity.edges_ns, site.intensity.intensity_g_per_kwh
    grid_ns = _common_grid(edges, starts_ns[1:], at_ns, int(starts_ns[-1]) + int(at_ns[-1]))
    if grid_ns is not None and len(starts_ns) > 2:
        first = _by_lookup(edges, values, starts_ns[:1], at_ns, power)
        rest = _by_correlation(edges, values, starts_ns[1:], at_ns, power, grid_ns)
        return np.concatenate((first, rest))
    return _by_lookup(edges, values, starts_ns, at_ns, power)


def _by_lookup(
    edges: IntArray, values: FloatArray, starts_ns: IntArray, at_ns: IntArray, power: FloatArray
) -> FloatArray:
    found = np.empty(len(starts_ns))
    n = max(1, _AT_ONCE // len(at_ns))
    for i in range(0, len(starts_ns), n):
        instants = starts_ns[i : i + n, None] + at_ns
        cumulative = steps.cumulative_at(edges, values, instants.ravel()).reshape(instants.shape)
        found[i : i + n] = np.diff(cumulative, axis=1) @ power
    return found


def _common_grid(edges: IntArray, starts_ns: IntArray, at_ns: IntArray, until_ns: int) -> int | None:
    """Return the step of a grid that all starts and the intensity's edges lie on, if it is not too fine."""
    if not len(starts_ns):
        return None
    used = edges[(edges >= starts_ns[0]) & (edges <= until_ns)]
    marks = np.concatenate((starts_ns, used)) - starts_ns[0]
    step_ns = int(np.gcd.reduce(marks))
    n_cells = (until_ns - int(starts_ns[0])) // step_ns + 1 if step_ns else 0
    return step_ns if 0 < n_cells <= 4 * len(marks) else None


def _by_correlation(
    edges: IntArray, values: FloatArray, starts_ns: IntArray, at_ns: IntArray, power: FloatArray, grid_ns: int
) -> FloatArray:
    """Return the costs as a correlation of intensity with the profile's energy, both on one grid."""
    origin, length = int(starts_ns[0]), int(at_ns[-1])
    n_profile = -(-length // grid_ns)
    energy = np.diff(steps.cumulative_at(at_ns, power, np.arange(n_profile + 1, dtype=np.int64) * grid_ns))
    n_cells = (int(starts_ns[-1]) - origin) // grid_ns + n_profile
    cells = steps.at(edges, values, origin + np.arange(n_cells, dtype=np.int64) * grid_ns)
    costs = np.correlate(np.nan_to_num(cells), energy, mode="valid")
    return np.asarray(costs[(starts_ns - origin) // grid_ns])
