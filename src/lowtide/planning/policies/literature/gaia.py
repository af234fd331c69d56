"""The rules of GAIA (Hanafy et al. 2024, ASPLOS): start somewhere in the time a user would wait.

"Going Green for Less Green: Optimizing the Cost of Reducing Cloud Carbon Emissions". There a job waits up to
6 h or 24 h by its queue; here up to the slack of its window. Starts are decision instants, where GAIA's are
whole hours after the arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.policies.flexible_start import start_costs
from lowtide.planning.policies.literature.carried_out import (
    FORCED,
    TOO_FEW,
    bounded,
    carry_out,
    filling_g,
    late,
    run_from,
    too_little,
    unpaused_g,
)
from lowtide.planning.policies.literature.slots import cheapest, length_ns, online, slots_of
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import decision_instants
from lowtide.units import NS_PER_S

__all__ = ["CarbonTime", "CheapestSlots", "Ecovisor", "LowestSlot", "LowestWindow"]

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LowestSlot:
    """Lowest-Slot: start in the cheapest slot, however long the job, and run through."""

    name: str = "gaia-lowest-slot"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan that starts in the cheapest known slot, the earliest of equal ones. Cost: O(n)."""
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        slots = slots_of(site, window, slot_s=slot_s)
        in_time = slots.edges_ns[:-1] + length_ns(job, site) <= window.deadline_ns
        return _best_start(
            self.name, job, site, window, slots.edges_ns[:-1][in_time], slots.intensity[in_time], slot_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LowestWindow:
    """Lowest-Window: start where the mean job of the queue would emit least, and run through.

    Attributes
    ----------
    mean_length_s : float or None
        How long the jobs of the queue run on average [s]. With None the job's own length is known, the
        variant the paper marks by a star, which is flexible-start.
    """

    mean_length_s: float | None = None
    name: str = "gaia-lowest-window"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan of the start that is best for the mean length. Cost: O(n log n)."""
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        starts = _starts_in_time(job, site, window, slot_s)
        costs = start_costs(_of_length(job, self.mean_length_s), site, starts)
        return _best_start(self.name, job, site, window, starts, costs, slot_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonTime:
    """Carbon-Time: start where most carbon is saved for each hour of time to completion, and run through.

    The start t after the arrival maximises (C(0) - C(t)) / (t + L), with C what a job of the mean length L
    emits from there. Where no start saves anything it starts at once.

    Attributes
    ----------
    mean_length_s : float or None
        As in :class:`LowestWindow`.
    """

    mean_length_s: float | None = None
    name: str = "gaia-carbon-time"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan of the start that saves most for its time. Cost: O(n log n)."""
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        mean = _of_length(job, self.mean_length_s)
        starts = _starts_in_time(job, site, window, slot_s)
        costs = start_costs(mean, site, starts)
        if np.isnan(costs[0]):
            reason = "started at once it meets unknown intensity, and savings are measured against that"
            return Infeasible(policy=self.name, zone=site.zone, reason=reason)
        saved = costs[0] - costs
        saved[np.abs(saved) <= _ROUNDING * np.nanmax(np.abs(costs))] = 0.0
        rate = saved / (starts - window.start_ns + length_ns(mean, site))
        return _best_start(self.name, job, site, window, starts, -rate, slot_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheapestSlots:
    """GAIA's Wait Awhile: run in the cheapest slots of the window, the earliest of equal ones."""

    name: str = "gaia-wait-awhile"
    joint: bool = False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan of the cheapest whole slots. Cost: O(n log n)."""
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        slots = slots_of(site, window, slot_s=slot_s)
        chosen = cheapest(slots, length_ns(job, site))
        if chosen is None:
            return too_little(self.name, job, site, window, TOO_FEW, slot_s=slot_s)
        found = carry_out(self.name, job, site, window, slots, chosen)
        return bounded(found, filling_g(job, site, window, slot_s=slot_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecovisor:
    """Ecovisor as GAIA has it: run where intensity is low for the day ahead, pause elsewhere.

    A slot is low when it is below a percentile of the slots that begin in the next day, itself included, as
    far as they are known, the deadline or not. Once no more waiting is left the job runs to its end.

    Attributes
    ----------
    percentile : float
        From 0 to 100, linear between slots.
    ahead_s : float
        How far it looks [s].

    Raises
    ------
    InputError
        If the percentile is not from 0 to 100, or it does not look ahead.
    """

    percentile: float = 30.0
    ahead_s: float = 86400.0
    name: str = "gaia-ecovisor"
    joint: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.percentile <= 100.0:
            raise InputError(f"a percentile is from 0 to 100, got {self.percentile:g}")
        if not (isfinite(self.ahead_s) and self.ahead_s > 0.0):
            raise InputError(f"ecovisor looks ahead by more than 0 s, got {self.ahead_s:g}; a day is 86400")

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan of the low slots. Cost: O(n m log m) for m slots in the time looked ahead."""
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        beyond = slots_of(site, window, slot_s=slot_s, ahead_s=self.ahead_s)
        slots = beyond.before(window.deadline_ns)
        after = np.searchsorted(beyond.edges_ns[:-1], slots.edges_ns[:-1] + round(self.ahead_s * NS_PER_S))

        def low(j: int, running: bool, done_ns: int) -> bool:
            day = beyond.intensity[j : after[j]]
            return bool(beyond.intensity[j] < _percentile(day[~np.isnan(day)], self.percentile))

        chosen = online(slots, length_ns(job, site), low)
        if chosen is None:
            return too_little(self.name, job, site, window, FORCED, slot_s=slot_s)
        found = carry_out(self.name, job, site, window, slots, chosen)
        return bounded(found, filling_g(job, site, window, slot_s=slot_s))


def _percentile(values: FloatArray, percent: float) -> float:
    """Return what :func:`numpy.percentile` does, which takes ten times as long for a day of slots."""
    at = (len(values) - 1) * percent / 100.0
    low = int(at)
    high = min(low + 1, len(values) - 1)
    ends = np.partition(values, (low, high))[[low, high]].tolist()
    return float(ends[0] + (at - low) * (ends[1] - ends[0]))


def _of_length(job: Job, length_s: float | None) -> Job:
    return job if length_s is None else replace(job, work_s=length_s, profile=None)


def _starts_in_time(job: Job, site: SiteOption, window: Window, slot_s: float | None) -> IntArray:
    starts = decision_instants(site, window, slot_s=slot_s)
    return starts[starts + length_ns(job, site) <= window.deadline_ns]


def _best_start(
    policy: str,
    job: Job,
    site: SiteOption,
    window: Window,
    starts_ns: IntArray,
    scores: FloatArray,
    slot_s: float | None,
) -> Plan | Infeasible:
    """Return the plan that runs through from the start of least score, the earliest of equal ones."""
    if np.isnan(scores).all():
        reason = "of every start in time it is unknown what it would emit"
        return Infeasible(policy=policy, zone=site.zone, reason=reason)
    slack = _ROUNDING * float(np.nanmax(np.abs(scores)))
    first = int(np.flatnonzero(scores <= np.nanmin(scores) + slack)[0])
    found = run_from(policy, job, site, window, int(starts_ns[first]))
    return bounded(found, unpaused_g(job, site, window, slot_s=slot_s))
