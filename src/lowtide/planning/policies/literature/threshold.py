"""Thresholds that fall as a job gets on: suspend and resume without knowing the future.

k-min search (Lorenz, Panagiotou and Steger 2009) and the double threshold of Lechowicz et al. 2023, "The
Online Pause and Resume Problem". Both know the least and the greatest intensity L and U; a plan takes those
of its window, which is what an offline comparison knows and more than a job would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from lowtide.arrays import FloatArray
from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.policies.literature.carried_out import (
    FORCED,
    bounded,
    carry_out,
    filling_g,
    late,
    run_from,
    too_little,
)
from lowtide.planning.policies.literature.slots import Slots, length_ns, online, slots_of
from lowtide.planning.sites import SiteOption
from lowtide.units import J_PER_KWH, NS_PER_S

__all__ = ["KMinThreshold", "OnlinePauseResume", "competitive_ratio", "thresholds"]

_HALVINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KMinThreshold:
    """k-min search: of k slots to run, take the i-th where intensity is at most the i-th threshold."""

    name: str = "k-min-threshold"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan by thresholds that do not know what a switch costs. Cost: O(n)."""
        return _plan(self.name, job, sites[0], window, slot_s, switching=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlinePauseResume:
    """Double threshold: go on up to one intensity, resume only 2 b below it.

    The switching cost b is half the energy of a resume, running power during its time included, at the mean
    known intensity, over the energy of a slot. Where 2 b is not below U - L nothing can be gained by a
    switch and the job runs at once.
    """

    name: str = "online-pause-resume"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan by double thresholds. Cost: O(n)."""
        return _plan(self.name, job, sites[0], window, slot_s, switching=True)


def competitive_ratio(k: int, least: float, greatest: float, *, switch: float = 0.0) -> float:
    """Return the ratio a of the thresholds: no input is worse than a times the best.

    Solves (U - L - 2b) = (1 + 1/(a k))**k * (U (1 - 1/a) - 2b (1 - 1/k + 1/(a k))), which makes the
    threshold to resume after k slots L. With b = 0 it is the ratio of k-min search.

    Parameters
    ----------
    k : int
        Slots to run.
    least, greatest : float
        L and U, with 0 < L < U.
    switch : float
        b, in units of intensity, with 2 b < U - L.

    Examples
    --------
    >>> round(competitive_ratio(1, 100.0, 400.0), 9)  # one-way search: sqrt(U / L)
    2.0
    """

    def excess(ratio: float) -> float:
        rise = (1.0 + 1.0 / (ratio * k)) ** k
        top = greatest * (1.0 - 1.0 / ratio) - 2.0 * switch * (1.0 - 1.0 / k + 1.0 / (ratio * k))
        return greatest - least - 2.0 * switch - rise * top

    low, high = 1.0, 2.0
    while excess(high) > 0.0:  # it tends to -L - 2b / k
        low, high = high, 2.0 * high
    return _root(excess, low, high)


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function changes its sign from plus to minus."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return 0.5 * (low + high)


def thresholds(k: int, least: float, greatest: float, *, switch: float = 0.0) -> FloatArray:
    """Return up to which intensity to go on with the i-th of k slots, shape (k,), falling.

    Parameters
    ----------
    k, least, greatest, switch
        As in :func:`competitive_ratio`.

    Examples
    --------
    >>> thresholds(1, 100.0, 400.0).round(6).tolist()
    [200.0]
    """
    ratio = competitive_ratio(k, least, greatest, switch=switch)
    rise = (1.0 + 1.0 / (ratio * k)) ** np.arange(k)
    extra = 2.0 * switch * (1.0 / (k * ratio) - 1.0 / k + 1.0) * rise
    return np.asarray(greatest * (1.0 - (1.0 - 1.0 / ratio) * rise) + extra)


def _plan(
    policy: str, job: Job, site: SiteOption, window: Window, slot_s: float | None, *, switching: bool
) -> Plan | Infeasible:
    refused = late(policy, job, site, window, slot_s=slot_s)
    if refused is not None:
        return refused
    slots, needed_ns = slots_of(site, window, slot_s=slot_s), length_ns(job, site)
    if slots.extremes is None:
        return too_little(policy, job, site, window, FORCED, slot_s=slot_s)
    least, greatest = slots.extremes
    bound_g = filling_g(job, site, window, slot_s=slot_s)
    if least <= 0.0:
        reason = f"its thresholds need intensity above 0, and the least of the window is {least:g}"
        return Infeasible(policy=policy, zone=site.zone, reason=reason)
    switch = _switch(job, site, slots) if switching else 0.0
    if 2.0 * switch >= greatest - least:
        return bounded(run_from(policy, job, site, window, int(slots.edges_ns[0])), bound_g)
    chosen = online(slots, needed_ns, _wants(slots, needed_ns, least, greatest, switch))
    if chosen is None:
        return too_little(policy, job, site, window, FORCED, slot_s=slot_s)
    return bounded(carry_out(policy, job, site, window, slots, chosen), bound_g)


def _wants(
    slots: Slots, needed_ns: int, least: float, greatest: float, switch: float
) -> Callable[[int, bool, int], bool]:
    """Return the rule; slots of different lengths count by the median one."""
    slot_ns = _slot_ns(slots)
    k = max(1, int(np.ceil(needed_ns / slot_ns)))
    up_to = thresholds(k, least, greatest, switch=switch).tolist()

    def wants(j: int, running: bool, done_ns: int) -> bool:
        limit = up_to[min(int(done_ns // slot_ns), k - 1)]
        return bool(slots.intensity[j] <= (limit if running else limit - 2.0 * switch))

    return wants


def _slot_ns(slots: Slots) -> float:
    return float(np.median(slots.width_ns))


def _switch(job: Job, site: SiteOption, slots: Slots) -> float:
    """Return the cost of one switch, in units of intensity: half of a resume, over the energy of a slot."""
    power_w = site.menu(job)[0].power_w if job.profile is None else job.profile.mean_power_w
    resume_j = job.resume_energy_kwh * J_PER_KWH + job.resume_time_s * power_w
    slot_j = power_w * _slot_ns(slots) / NS_PER_S
    if not resume_j:
        return 0.0
    return 0.5 * resume_j / slot_j * float(np.nanmean(slots.intensity)) if slot_j else inf
