"""What the exact plans of many arrivals emit: run-now, flexible-start, pause-resume.

Starts and resumes happen where a slot begins, a run may end inside one, and energy is power times exact
duration. Results are in value x slots [g/kWh x slots]: divided by the slots of the job they are the mean
intensity of its energy. Definitions: Dodge et al. 2022 (arXiv 2206.05229), section 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from lowtide.planning.kernels.compiled import Compiled
from lowtide.planning.kernels.pauses import count_pauses, until_change
from lowtide.planning.kernels.ranked import (
    Least,
    Ranking,
    WaveletMatrix,
    batches,
    least_by_partition,
    ranking,
    side_by_side,
)
from lowtide.planning.kernels.slots import BEYOND, LOWEST, Arrivals, Slots, contiguous, sliding_least
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Chooser", "Paused", "flexible_start", "pause_resume", "run_now"]

_FEW: Final = 8
"""Arrivals further apart than this many slots are looked at one by one."""
_SHORT: Final = 100
"""Windows of this many slots are as soon sorted as looked up."""


class Paused(NamedTuple):
    """Pause-resume plans; of no use where run-now is unknown.

    Attributes
    ----------
    cost : float64 array, shape (q,)
    n_pauses : int64 array of shape (q,), or None
        None when not asked for.
    """

    cost: FloatArray
    n_pauses: IntArray | None


class Chooser:
    """What is looked up again and again in the slots of one zone, each made when first needed.

    Parameters
    ----------
    slots : Slots
    step_ns : int
        Length of a slot [ns].
    fast : Compiled, optional
        Compiled kernels; numpy alone without them.
    """

    def __init__(self, slots: Slots, *, step_ns: int, fast: Compiled | None = None) -> None:
        self.slots, self.step_ns, self.fast = slots, step_ns, fast
        self._costs: tuple[int, FloatArray] = (0, np.empty(0))
        self._ranks: Ranking | None = None
        self._matrix: WaveletMatrix | None = None
        self._until: IntArray | None = None

    def until(self) -> IntArray:
        """Return for each slot where its value changes next."""
        if self._until is None:
            self._until = until_change(self.slots.values)
        return self._until

    def contiguous(self, duration_ns: int) -> FloatArray:
        """Return the cost of a job from each start; that of the duration asked for last is kept."""
        if self._costs[0] != duration_ns:
            self._costs = (duration_ns, contiguous(self.slots, duration_ns, self.step_ns))
        return self._costs[1]

    def least(self, arrivals: Arrivals, *, with_last: bool, with_next: bool = True) -> Least:
        """Return the cheapest whole slots of each window, as many as the job has.

        Without `with_last` or `with_next` the k-th or (k+1)-th value need not be there.
        """
        (k, _), (n_slots, _) = arrivals.durations(), arrivals.windows()
        slides = self.fast is not None and arrivals.are_alike and arrivals.are_dense(_FEW)
        few = _FEW * self.slots.n if slides else _SHORT * (self.slots.n + len(k))
        if int(n_slots.sum()) <= few:
            return least_by_partition(self.slots.values, arrivals.first, n_slots, k, with_next=with_next)
        if self._ranks is None:
            self._ranks = ranking(self.slots)
        if self.fast is not None and slides:
            width = int(np.add(arrivals.duration_ns, arrivals.slack_ns)) // self.step_ns
            every = self.fast.slide(self._ranks, width, int(k[0]), int(arrivals.first[-1]) + 1)
            return Least(*(found[arrivals.first] for found in every))
        if self._matrix is None:
            self._matrix = WaveletMatrix.of(self._ranks)
        return self._matrix.least(arrivals.first, n_slots, k, with_last=with_last)


def run_now(chooser: Chooser, arrivals: Arrivals) -> FloatArray:
    """Return the cost of starting at once, shape (q,), infinite where it is unknown. Cost: O(n)."""
    cost = np.empty(len(arrivals.first))
    for duration_ns, alike in _by_duration(arrivals):
        cost[alike] = chooser.contiguous(duration_ns)[arrivals.first[alike]]
    return cost / chooser.slots.scale


def _by_duration(arrivals: Arrivals) -> Iterator[tuple[int, IntArray | slice]]:
    """Yield each duration [ns] and the places of its arrivals."""
    if isinstance(arrivals.duration_ns, int):
        yield arrivals.duration_ns, slice(None)
    else:
        for duration_ns in np.unique(arrivals.duration_ns).tolist():
            yield duration_ns, np.flatnonzero(arrivals.duration_ns == duration_ns)


def flexible_start(chooser: Chooser, arrivals: Arrivals) -> FloatArray:
    """Return the cost of the best start that runs to the end, shape (q,), of no use where run-now is unknown.

    Runs that would meet an unknown slot are no choice. Cost: O(n log w) for arrivals of one job at most slots,
    O(sum of starts compared) for few or different ones.
    """
    width = np.broadcast_to(np.asarray(arrivals.slack_ns) // arrivals.step_ns + 1, arrivals.first.shape)
    many = arrivals.are_dense(_FEW) or int(width.sum()) > _FEW * chooser.slots.n
    least = np.empty(len(arrivals.first))
    for duration_ns, alike in _by_duration(arrivals):
        costs, first = chooser.contiguous(duration_ns), arrivals.first[alike]
        if many and isinstance(arrivals.slack_ns, int):
            least[alike] = sliding_least(costs, int(width[0]))[first]
        else:
            least[alike] = _least_of_each(costs, first, width[alike])
    return least / chooser.slots.scale


def _least_of_each(costs: FloatArray, first: IntArray, width: IntArray) -> FloatArray:
    """Return the least of ``costs[first : first + width]`` of each window, cut where the costs end."""
    least = np.empty(len(first))
    width = np.minimum(width, len(costs) - first)
    for part, greatest in batches(width):
        rows = side_by_side(costs, first[part], width[part], greatest, np.float64(np.inf))
        least[part] = rows.min(axis=1)
    return least


def pause_resume(chooser: Chooser, arrivals: Arrivals, *, with_pauses: bool = False) -> Paused:
    """Return the cost of running in the cheapest slots of the window, pausing in between at no cost.

    The last slot of the job and that of the window may be parts of a slot; both count by the part that is
    used. Unknown slots are never chosen.

    Parameters
    ----------
    chooser : Chooser
    arrivals : Arrivals
    with_pauses : bool
        Whether to count pauses: those of the earliest start, then of the fewest pauses, among plans that
        cost the same.

    Notes
    -----
    A fractional knapsack: everything up to some value, and a part of one slot at it. Cost: O(q log n), and
    O(w) more for each arrival with pauses.
    """
    slots, step_ns = chooser.slots, arrivals.step_ns
    if not with_pauses and arrivals.are_whole:
        least = chooser.least(arrivals, with_last=False, with_next=False)
        return Paused(least.total / slots.scale, None)
    (_, part_ns), (n_slots, rest_ns) = arrivals.durations(), arrivals.windows()
    least = chooser.least(arrivals, with_last=with_pauses or bool((rest_ns > part_ns).any()))
    total, last, following = least
    # the part of a slot at the end of the window may be cheaper than one of the whole ones
    at_end = np.where(rest_ns > 0, slots.values[np.minimum(arrivals.first + n_slots, slots.n - 1)], BEYOND)
    used_ns = np.where(at_end < last, rest_ns, np.minimum(rest_ns, part_ns)) * (at_end < following)
    over_ns = part_ns - used_ns  # of the next whole slot, or, if negative, given back by the last one
    cost = total.astype(np.float64)
    for ns, value in ((used_ns, at_end), (np.maximum(over_ns, 0), following), (np.minimum(over_ns, 0), last)):
        if ns.any():
            cost += np.where(ns != 0, value, 0) * (ns / step_ns)
    if not with_pauses:
        return Paused(cost / slots.scale, None)
    greatest = np.maximum(last, np.where(used_ns > 0, at_end, LOWEST))
    threshold = np.where(over_ns > 0, following, np.where(over_ns < 0, last, greatest))
    runs = None if chooser.fast is None else chooser.fast.runs
    return Paused(cost / slots.scale, count_pauses(slots, chooser.until(), arrivals, threshold, least, runs))
