"""What the exact plans of many arrivals emit: run-now, flexible-start, pause-resume.

Starts and resumes happen where a slot begins, a run may end inside one, and energy is power times exact
duration. Results are in value x slots [g/kWh x slots]: divided by the slots of the job they are the mean
intensity of its energy. Definitions: Dodge et al. 2022 (arXiv 2206.05229), section 6.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lowtide.planning.kernels.compiled import Compiled
from lowtide.planning.kernels.pauses import count_pauses, runs_each
from lowtide.planning.kernels.ranked import Least, Ranking, WaveletMatrix, least_by_partition, ranking
from lowtide.planning.kernels.slots import BEYOND, LOWEST, Arrivals, BoolArray, Slots, contiguous, sliding_least
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Chooser", "Paused", "flexible_start", "pause_resume", "run_now"]

_CELLS: Final = 1 << 20
_FEW: Final = 8
"""Windows are looked at one by one while together they have fewer slots than this many times the year."""


class Paused(NamedTuple):
    """Pause-resume plans.

    Attributes
    ----------
    cost : float64 array, shape (q,)
        NaN where run-now is unknown.
    n_pauses : int64 array of shape (q,), or None
        0 where the cost is NaN; None when not asked for.
    """

    cost: FloatArray
    n_pauses: IntArray | None


class Chooser:
    """The cheapest slots of windows of one zone, in the way that is fastest for how many there are.

    Parameters
    ----------
    slots : Slots
    fast : Compiled, optional
        Compiled kernels; numpy alone without them.
    """

    def __init__(self, slots: Slots, *, fast: Compiled | None = None) -> None:
        self.slots, self.fast = slots, fast
        self._ranks: Ranking | None = None
        self._matrix: WaveletMatrix | None = None

    def least(self, arrivals: Arrivals, *, with_last: bool) -> Least:
        """Return the cheapest whole slots of each window, as many as the job has."""
        (k, _), (n_slots, _) = arrivals.durations(), arrivals.windows()
        if len(k) == 0 or int(n_slots.sum()) <= _FEW * self.slots.n:
            return least_by_partition(self.slots.values, arrivals.first, n_slots, k)
        if self._ranks is None:
            self._ranks = ranking(self.slots)
        if self.fast is not None and isinstance(arrivals.duration_ns, int) and _is_dense(arrivals):
            width = (arrivals.duration_ns + int(arrivals.slack_ns)) // arrivals.step_ns
            every = self.fast.slide(self._ranks, width, int(k[0]), int(arrivals.first[-1]) + 1)
            return Least(*(found[arrivals.first] for found in every))
        if self._matrix is None:
            self._matrix = WaveletMatrix.of(self._ranks)
        return self._matrix.least(arrivals.first, n_slots, k, with_last=with_last)


def _is_dense(arrivals: Arrivals) -> bool:
    """Return whether to look at every slot costs less than to look up each arrival."""
    return isinstance(arrivals.slack_ns, int) and len(arrivals.first) * _FEW >= int(arrivals.first[-1])


def run_now(slots: Slots, arrivals: Arrivals) -> FloatArray:
    """Return the cost of starting at once, NaN where it is unknown. Cost: O(q)."""
    k, part_ns = arrivals.durations()
    end = arrivals.first + k + (part_ns > 0)
    cost = (slots.sums[arrivals.first + k] - slots.sums[arrivals.first]).astype(np.float64)
    last = np.minimum(arrivals.first + k, slots.n - 1)
    cost += np.where(part_ns > 0, slots.values[last] * (part_ns / arrivals.step_ns), 0.0)
    cost[slots.n_unknown[end] > slots.n_unknown[arrivals.first]] = np.nan
    return cost / slots.scale


def flexible_start(slots: Slots, arrivals: Arrivals) -> FloatArray:
    """Return the cost of the best start that runs to the end, NaN where run-now is unknown.

    Runs that would meet an unknown slot are no choice. Cost: O(n log w) for arrivals of one job at most slots,
    O(sum of starts compared) for few or different ones.
    """
    unknown = np.isnan(run_now(slots, arrivals))
    if len(arrivals.first) and isinstance(arrivals.duration_ns, int) and isinstance(arrivals.slack_ns, int):
        costs = contiguous(slots, arrivals.duration_ns, arrivals.step_ns)
        width = arrivals.slack_ns // arrivals.step_ns + 1
        if _is_dense(arrivals) or len(arrivals.first) * min(width, slots.n) > _FEW * slots.n:
            least = sliding_least(costs, width)[arrivals.first]
        else:
            least = _least_of_each(costs, arrivals.first, np.full(len(arrivals.first), width))
        return np.where(unknown, np.nan, least / slots.scale)
    least = np.empty(len(arrivals.first))
    durations = np.broadcast_to(np.asarray(arrivals.duration_ns), arrivals.first.shape)
    slack_slots = np.broadcast_to(np.asarray(arrivals.slack_ns) // arrivals.step_ns, arrivals.first.shape)
    for duration_ns in np.unique(durations).tolist():
        alike = np.flatnonzero(durations == duration_ns)
        costs = contiguous(slots, duration_ns, arrivals.step_ns)
        least[alike] = _least_of_each(costs, arrivals.first[alike], slack_slots[alike] + 1)
    return np.where(unknown, np.nan, least / slots.scale)


def _least_of_each(costs: FloatArray, first: IntArray, width: IntArray) -> FloatArray:
    """Return the least of ``costs[first : first + width]`` for each of few windows."""
    least = np.empty(len(first))
    if len(first) == 0:
        return least
    width = np.minimum(width, len(costs) - first)
    ends = np.cumsum(width)
    cuts = np.searchsorted(ends, np.arange(0, int(ends[-1]) + _CELLS, _CELLS), side="right")
    for part in (slice(a, b) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True) if a < b):
        begin = np.cumsum(width[part]) - width[part]
        cells = np.arange(int(width[part].sum())) + np.repeat(first[part] - begin, width[part])
        least[part] = np.minimum.reduceat(costs[cells], begin)
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
    (k, part_ns), (n_slots, rest_ns) = arrivals.durations(), arrivals.windows()
    unknown = np.isnan(run_now(slots, arrivals))
    least = chooser.least(arrivals, with_last=with_pauses or bool((rest_ns > part_ns).any()))
    total, last, following = least
    # the part of a slot at the end of the window, which may be cheaper than one of the whole ones
    end = np.minimum(arrivals.first + n_slots, slots.n - 1)
    at_end = np.where(rest_ns > 0, slots.values[end], BEYOND)
    used_ns = np.where(at_end < following, np.where(at_end < last, rest_ns, np.minimum(rest_ns, part_ns)), 0)
    over_ns = part_ns - used_ns  # of the next whole slot, or, if negative, given back by the last one
    cost = total.astype(np.float64)
    for ns, value in ((used_ns, at_end), (np.maximum(over_ns, 0), following), (np.minimum(over_ns, 0), last)):
        if ns.any():
            cost += np.where(ns != 0, value, 0) * (ns / step_ns)
    cost = np.where(unknown, np.nan, cost / slots.scale)
    if not with_pauses:
        return Paused(cost, None)
    threshold = np.where(over_ns > 0, following, np.where(over_ns < 0, last, np.maximum(last, _used(used_ns, at_end))))
    return Paused(cost, _pauses(chooser, arrivals, threshold, least, ~unknown))


def _used(used_ns: IntArray, at_end: IntArray) -> IntArray:
    """Return the value of the part of a slot at the end where it is used."""
    return np.where(used_ns > 0, at_end, LOWEST)


def _pauses(
    chooser: Chooser, arrivals: Arrivals, threshold: IntArray, least: Least, can_run: BoolArray
) -> IntArray:
    pauses = np.zeros(len(arrivals.first), dtype=np.int64)
    some = np.flatnonzero(can_run)
    found = count_pauses(
        chooser.slots,
        arrivals.at(some),
        threshold[some],
        Least(*(values[some] for values in least)),
        runs_each if chooser.fast is None else chooser.fast.runs,
        compiled=chooser.fast is not None,
    )
    pauses[some] = found
    return pauses
