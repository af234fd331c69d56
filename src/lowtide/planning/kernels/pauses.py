"""How often a plan pauses when several slots cost the same: earliest start first, then fewest pauses.

A plan of least carbon takes every slot cheaper than some value, and part of those that cost exactly that
value. Which part leaves its emissions alone and decides how often it pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lowtide.planning.kernels.ranked import Least, batches, side_by_side
from lowtide.planning.kernels.slots import BEYOND, Arrivals, Slots
from lowtide.series.steps import IntArray

__all__ = ["RunCounter", "count_pauses", "count_runs", "runs_each", "until_change"]

RunCounter = Callable[[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray, IntArray, int], IntArray]
"""As :func:`runs_each`."""


def until_change(values: IntArray) -> IntArray:
    """Return for each slot where the slots of the same value that it is among end.

    Examples
    --------
    >>> until_change(np.array([5, 5, 7])).tolist()
    [2, 2, 3]
    """
    ends = np.append(np.flatnonzero(np.diff(values)) + 1, len(values))
    return np.repeat(ends, np.diff(ends, prepend=0))


def count_runs(
    values: Sequence[int] | IntArray,
    until: Sequence[int] | IntArray,
    first: int,
    n_slots: int,
    rest_ns: int,
    duration_ns: int,
    threshold: int,
    step_ns: int,
) -> int:
    """Return the runs of the plan that is cheapest, then starts earliest, then pauses least.

    Parameters
    ----------
    values, until : sequences of int, length n
        What each slot costs, and :func:`until_change` of it.
    first, n_slots, rest_ns : int
        The window: whole slots from `first` on, and the part [ns] of one more.
    duration_ns : int
        What must be run [ns]. Runs begin where a slot begins and may end anywhere.
    threshold : int
        The greatest value the plan has to take: all that is cheaper is taken whole.
    step_ns : int
        Length of a slot [ns].

    Notes
    -----
    Slots at the threshold lie in gaps between cheaper ones, before or after them, or apart from them.
    Filling a gap joins two runs, so the shortest gaps are filled first; what is left lengthens runs where
    there is room, and makes new ones only where there is none. Cost: O(w) in the slots of the window, fewer
    where neighbours are equal. Only plain loops and lists, so that it can be compiled as it is.
    """
    end = first + n_slots
    stop = end + (1 if rest_ns > 0 else 0)
    to_place, below, pinned = duration_ns, stop, stop
    i = first
    while i < stop:
        j = min(until[i], end) if i < end else stop
        if values[i] < threshold:
            below = min(below, i)
            to_place -= (j - i) * step_ns if i < end else rest_ns
        elif values[i] == threshold:
            pinned = min(pinned, i)
        i = j
    if pinned > below:
        pinned = stop  # the start is fixed by a cheaper slot
    room = step_ns if pinned < end else rest_ns
    least_runs = stop  # more than there can be
    # Else the start is fixed by the first slot at the threshold, whole, or in part: then a run of its own.
    for part_ns in (room, to_place % step_ns, (to_place - rest_ns) % step_ns):
        if pinned == stop:
            if part_ns != room:
                continue
            left, n_runs = to_place, 0
        elif 0 < part_ns <= min(room, to_place):
            left, n_runs = to_place - part_ns, 0 if part_ns == room else 1
        else:
            continue
        sizes = [step_ns for _ in range(0)]  # of gaps, and, negative, of stretches apart
        before, after, since, is_joined = 0, 0, 0, False
        i = first
        while i <= stop:
            if i >= end:
                j, size = (stop if i < stop else stop + 1), rest_ns
            else:
                j = i + 1 if i == pinned else min(until[i], end)
                size = (j - i) * step_ns
            if i < stop and (values[i] < threshold or (i == pinned and part_ns == room)):
                if not is_joined:
                    before += since
                    n_runs += 1
                elif since > 0:
                    sizes.append(since)
                    n_runs += 1
                is_joined, since = True, 0
            elif i < stop and values[i] == threshold and i != pinned:
                since += size
            else:  # a dearer slot, one that is used in part, or the end
                if is_joined:
                    after += since
                elif since > 0:
                    sizes.append(-since)
                is_joined, since = False, 0
            i = j
        stride = len(sizes) // 2
        while stride > 0:  # Shell's sort, which compiles in a tenth of the time of list.sort
            for at in range(stride, len(sizes)):
                size, to = sizes[at], at
                while to >= stride and sizes[to - stride] > size:
                    sizes[to] = sizes[to - stride]
                    to -= stride
                sizes[to] = size
            stride //= 2
        for size in sizes:
            if size > left:
                left = 0  # what is left goes into this gap
                break
            if size > 0:
                left -= size
                n_runs -= 1
        if left <= before + after:
            whole = min(left // step_ns * step_ns, before)  # before a run only whole slots join it
            n_runs += 0 if left - whole <= after else 1
            left = 0
        left -= min(left, before + after)
        for size in sizes:
            if left > 0 and size < 0:
                left += size
                n_runs += 1
        if left <= 0:
            least_runs = min(least_runs, n_runs)
    return least_runs


def runs_each(
    values: IntArray,
    until: IntArray,
    first: IntArray,
    n_slots: IntArray,
    rest_ns: IntArray,
    duration_ns: IntArray,
    threshold: IntArray,
    step_ns: int,
) -> IntArray:
    """Return :func:`count_runs` of each of many windows, shape (q,)."""
    costs, ends = values.tolist(), until.tolist()
    windows = zip(
        first.tolist(),
        n_slots.tolist(),
        rest_ns.tolist(),
        duration_ns.tolist(),
        threshold.tolist(),
        strict=True,
    )
    return np.array([count_runs(costs, ends, *window, step_ns) for window in windows], dtype=np.int64)


def count_pauses(
    slots: Slots,
    until: IntArray,
    arrivals: Arrivals,
    threshold: IntArray,
    least: Least,
    compiled_runs: RunCounter | None,
) -> IntArray:
    """Return the pauses of the cheapest plan of each arrival, shape (q,).

    Parameters
    ----------
    slots : Slots
    until : int64 array, shape (n,)
        :func:`until_change` of their values.
    arrivals : Arrivals
    threshold : int64 array, shape (q,)
        As for :func:`count_runs`.
    least : Least
        The cheapest slots of the windows.
    compiled_runs : RunCounter or None
        Counts all of them; without it those without a choice are counted by numpy.
    """
    n_slots, rest_ns = arrivals.windows()
    durations = np.broadcast_to(np.asarray(arrivals.duration_ns, dtype=np.int64), arrivals.first.shape)
    _, part_ns = arrivals.durations()
    windows = arrivals.first, n_slots, rest_ns, durations, threshold
    if compiled_runs is not None:
        return compiled_runs(slots.values, until, *windows, arrivals.step_ns) - 1
    plain = (part_ns == 0) & (rest_ns == 0) & (least.following > threshold)
    runs = np.empty(len(plain), dtype=np.int64)
    runs[plain] = _plain_runs(slots.values, arrivals.first[plain], n_slots[plain], threshold[plain])
    if not plain.all():
        first, n, rest, duration, value = (values[~plain] for values in windows)
        runs[~plain] = runs_each(slots.values, until, first, n, rest, duration, value, arrivals.step_ns)
    return runs - 1


def _plain_runs(values: IntArray, first: IntArray, n_slots: IntArray, threshold: IntArray) -> IntArray:
    """Return the runs of plans that take exactly the slots up to their threshold."""
    runs = np.empty(len(first), dtype=np.int64)
    for part, width in batches(n_slots):
        rows = side_by_side(values, first[part], n_slots[part], width, BEYOND)
        taken = rows <= threshold[part, None]
        runs[part] = taken[:, :1].sum(axis=1) + (taken[:, 1:] & ~taken[:, :-1]).sum(axis=1)
    return runs
