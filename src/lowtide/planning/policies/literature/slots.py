"""What rules of the literature look at: the slots of a window, one for each decision instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.planning import Job, Window
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import BoolArray, decision_instants
from lowtide.series import steps
from lowtide.units import NS_PER_S

__all__ = ["Slots", "cheapest", "length_ns", "online", "slots_of"]

_ROUNDING = 1e-12
"""Values this close, relative to the greatest, are equal."""

Wants = Callable[[int, bool, int], bool]
"""Whether to run in a slot, given its index, whether the job runs just before it, and its run time [ns]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slots:
    """The stretches from one decision instant to the next.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
    intensity : float64 array, shape (n,)
        Mean over each slot [g/kWh]; NaN where any of it is unknown.
    """

    edges_ns: IntArray
    intensity: FloatArray

    @property
    def n(self) -> int:
        """Number of slots."""
        return len(self.intensity)

    @property
    def width_ns(self) -> IntArray:
        """Lengths of the slots [ns]."""
        return np.diff(self.edges_ns)

    @property
    def extremes(self) -> tuple[float, float] | None:
        """Least and greatest known intensity, None where nothing is known."""
        known = self.intensity[~np.isnan(self.intensity)]
        return (float(known.min()), float(known.max())) if len(known) else None

    def before(self, deadline_ns: int) -> Slots:
        """Return the slots before an instant, which must be an edge."""
        n = int(np.searchsorted(self.edges_ns, deadline_ns))
        return Slots(edges_ns=self.edges_ns[: n + 1], intensity=self.intensity[:n])


def length_ns(job: Job, site: SiteOption) -> int:
    """Return how long a job runs at a site's baseline point [ns]."""
    return round(job.work_ns / site.menu(job)[0].throughput)


def slots_of(site: SiteOption, window: Window, *, slot_s: float | None = None, ahead_s: float = 0.0) -> Slots:
    """Return the slots of a window; its deadline, and the end of what is looked ahead at, cut the last ones.

    Parameters
    ----------
    site, window, slot_s
        As in :func:`~lowtide.planning.window.decision_instants`.
    ahead_s : float
        How far to look past the deadline [s].
    """
    end_ns = window.deadline_ns + round(ahead_s * NS_PER_S)
    until = Window(start_ns=window.start_ns, deadline_ns=end_ns)
    instants = decision_instants(site, until, slot_s=slot_s)
    edges = np.unique(np.append(instants, [window.deadline_ns, end_ns]))
    return Slots(edges_ns=edges, intensity=_means(site, edges))


def _means(site: SiteOption, edges_ns: IntArray) -> FloatArray:
    """Return the mean of each slot; the value itself, to the bit, where a slot lies in one step."""
    at_ns, values = site.intensity.edges_ns, site.intensity.intensity_g_per_kwh
    width_s = np.diff(edges_ns) / NS_PER_S
    known_s = steps.covered_s(at_ns, values, edges_ns)
    mean = np.where(known_s >= width_s * (1.0 - 1e-12), steps.resample(at_ns, values, edges_ns), np.nan)
    last = np.searchsorted(at_ns, edges_ns[1:] - 1, side="right")
    in_one = np.searchsorted(at_ns, edges_ns[:-1], side="right") == last
    return np.where(in_one, steps.at(at_ns, values, edges_ns[:-1]), mean)


def cheapest(slots: Slots, needed_ns: int) -> BoolArray | None:
    """Return which slots are the cheapest that hold a run time, earliest first among equals; None if too few.

    Whole slots are taken, as in the papers: what is not needed is left at the end of the last one in time.

    Examples
    --------
    >>> slots = Slots(edges_ns=np.arange(5), intensity=np.array([3.0, 1.0, 2.0, 2.0]))
    >>> cheapest(slots, 2).tolist()
    [False, True, True, False]
    """
    known = np.flatnonzero(~np.isnan(slots.intensity))
    ranked = known[_by_value_and_time(slots.intensity[known])]
    held_ns = np.cumsum(slots.width_ns[ranked])
    if not len(ranked) or held_ns[-1] < needed_ns:
        return None
    chosen = np.zeros(slots.n, dtype=np.bool_)
    chosen[ranked[: int(np.searchsorted(held_ns, needed_ns)) + 1]] = True
    return chosen


def _by_value_and_time(values: FloatArray) -> IntArray:
    """Return the order by value, equal within rounding, then by place."""
    order = np.argsort(values, kind="stable")
    rises = np.diff(values[order], prepend=values[order[:1]])
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.cumsum(rises > _ROUNDING * float(np.abs(values).max(initial=0.0)))
    return np.argsort(rank, kind="stable")


def online(slots: Slots, needed_ns: int, wants: Wants) -> BoolArray | None:
    """Return which slots a rule runs in that looks at one after the other.

    It runs where it wants to, and where the time left after the slot would not hold the work left. It is not
    asked in unknown slots. None where it must run through one, or there is too little time.
    """
    chosen = np.zeros(slots.n, dtype=np.bool_)
    width_ns, unknown = slots.width_ns.tolist(), np.isnan(slots.intensity).tolist()
    time_ns, left_ns, running = sum(width_ns), needed_ns, False
    for j in range(slots.n):
        if left_ns <= 0:
            break
        time_ns -= width_ns[j]
        forced = time_ns < left_ns
        if forced and unknown[j]:
            return None
        running = forced or (not unknown[j] and wants(j, running, needed_ns - left_ns))
        if running:
            chosen[j] = True
            left_ns -= width_ns[j]
    return chosen if left_ns <= 0 else None
