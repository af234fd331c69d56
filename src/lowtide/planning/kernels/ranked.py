"""The cheapest slots of any window: their sum and the next one, by rank.

Two ways with equal results. A few windows are sorted, partly, one beside the other. For many, slots are kept
in a wavelet matrix of their ranks (G. Navarro, "Wavelet trees for all", Journal of Discrete Algorithms
25, 2014) whose levels carry running sums: then a window of any length costs O(log n).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lowtide.planning.kernels.slots import BEYOND, LOWEST, Slots
from lowtide.series.steps import IntArray

__all__ = ["Least", "Ranking", "WaveletMatrix", "batches", "least_by_partition", "ranking", "side_by_side"]

Number = TypeVar("Number", np.int64, np.float64)

_CHUNK: Final = 1 << 14
"""Windows looked up at once: their arrays then stay in the cache."""
_CELLS: Final = 1 << 16
"""Slots of windows laid side by side at once, half a megabyte of them."""


class Least(NamedTuple):
    """The k cheapest slots of each window.

    Attributes
    ----------
    total : int64 array, shape (q,)
        Their sum; of no use where the window has fewer than k known slots.
    last, following : int64 array, shape (q,)
        The k-th and the (k+1)-th value; ``LOWEST`` for k = 0, ``BEYOND`` where there is none.
    """

    total: IntArray
    last: IntArray
    following: IntArray


class Ranking(NamedTuple):
    """Slots in order of value, then of time.

    Attributes
    ----------
    rank : int64 array, shape (n,)
        Rank of each slot; unknown slots come last.
    values : int64 array, shape (n,)
        Values in order of rank, ``BEYOND`` for unknown slots.
    n_known : int
    """

    rank: IntArray
    values: IntArray
    n_known: int


def ranking(slots: Slots) -> Ranking:
    """Return the slots by rank. Cost: O(n log n)."""
    order = np.argsort(slots.values, kind="stable")
    rank = np.empty(slots.n, dtype=np.int64)
    rank[order] = np.arange(slots.n)
    return Ranking(rank, slots.values[order], slots.n - int(slots.n_unknown[-1]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaveletMatrix:
    """Ranks bit by bit, the highest first, each level sorted by the bits above it.

    Attributes
    ----------
    n_zeros, sums : int64 arrays, shape (levels, n + 1)
        Slots before each place of a level whose bit is 0, and the sum of their values.
    values : int64 array, shape (n + 1,)
        Values in order of rank, then ``BEYOND``.
    """

    n_zeros: IntArray
    sums: IntArray
    values: IntArray

    @classmethod
    def of(cls, ranks: Ranking) -> Self:
        """Return the matrix of a ranking. Cost: O(n log n) time and memory."""
        n = len(ranks.rank)
        levels = n.bit_length()  # 2**levels > n: every rank has a bit that is 0, so each value is summed once
        n_zeros, sums = (np.zeros((levels, n + 1), dtype=np.int64) for _ in range(2))
        values = np.where(ranks.values == BEYOND, 0, ranks.values)
        place = ranks.rank
        for level in range(levels):
            is_zero = (place >> (levels - 1 - level)) & 1 == 0
            np.cumsum(is_zero, out=n_zeros[level, 1:])
            np.cumsum(np.where(is_zero, values[place], 0), out=sums[level, 1:])
            place = np.concatenate((place[is_zero], place[~is_zero]))
        return cls(n_zeros=n_zeros, sums=sums, values=np.append(ranks.values, BEYOND))

    def least(self, first: IntArray, n_slots: IntArray, k: IntArray, *, with_last: bool) -> Least:
        """Return the k cheapest slots of windows.

        Parameters
        ----------
        first, n_slots, k : int64 arrays, shape (q,)
            Where each window starts, how many slots it has, and how many are wanted.
        with_last : bool
            Whether the k-th value is needed; without it ``last`` is ``LOWEST``.
            Cost: O(q log n), twice that with it.
        """
        total, following, last = (np.empty(len(first), dtype=np.int64) for _ in range(3))
        last.fill(LOWEST)
        for at in range(0, len(first), _CHUNK):
            part = slice(at, at + _CHUNK)
            total[part], following[part] = self._walk(first[part], first[part] + n_slots[part], k[part])
            if with_last:
                _, found = self._walk(first[part], first[part] + n_slots[part], np.maximum(k[part] - 1, 0))
                last[part] = np.where(k[part] > 0, found, LOWEST)
        return Least(total, last, following)

    def _walk(self, left: IntArray, right: IntArray, k: IntArray) -> tuple[IntArray, IntArray]:
        """Return the sum of the k least of ``[left, right)`` and the next value."""
        total, rank = np.zeros(len(left), dtype=np.int64), np.zeros(len(left), dtype=np.int64)
        for n_zeros, sums in zip(self.n_zeros, self.sums, strict=True):
            zeros_left, zeros_right = n_zeros.take(left), n_zeros.take(right)
            zeros = zeros_right - zeros_left
            above = zeros <= k  # all with a 0 here are among the k least; go on among those with a 1
            total += (sums.take(right) - sums.take(left)) * above
            k = k - zeros * above
            left = np.where(above, left - zeros_left + n_zeros[-1], zeros_left)
            right = np.where(above, right - zeros_right + n_zeros[-1], zeros_right)
            rank = 2 * rank + above
        return total, self.values.take(np.minimum(rank, len(self.values) - 1))


def least_by_partition(
    values: IntArray, first: IntArray, n_slots: IntArray, k: IntArray, *, with_next: bool = True
) -> Least:
    """Return the k cheapest slots of windows by sorting each partly.

    Parameters
    ----------
    values : int64 array, shape (n,)
        ``BEYOND`` where unknown.
    first, n_slots, k : int64 arrays, shape (q,)
    with_next : bool
        Whether the (k+1)-th value is needed; without it ``following`` is ``BEYOND``.

    Returns
    -------
    Least
        As :meth:`WaveletMatrix.least`. Cost: O(sum of n_slots) time for each different k.
    """
    total, last, following = (np.empty(len(first), dtype=np.int64) for _ in range(3))
    for wanted in np.unique(k).tolist():
        alike = np.flatnonzero(k == wanted)
        for places, width in batches(n_slots[alike]):
            part = alike[places]
            cells = side_by_side(values, first[part], n_slots[part], width, BEYOND)
            if 0 < wanted <= width:
                cells.partition(wanted - 1, axis=1)
            total[part] = cells[:, :wanted].sum(axis=1)
            last[part] = cells[:, wanted - 1] if 0 < wanted <= width else LOWEST
            following[part] = cells[:, wanted:].min(axis=1, initial=BEYOND) if with_next else BEYOND
    return Least(total, last, following)


def batches(lengths: IntArray) -> Iterator[tuple[IntArray, int]]:
    """Yield windows of nearly one length, not too many at once: their places, and the greatest length.

    Side by side they then fit into the cache with little left empty.

    Examples
    --------
    >>> [(places.tolist(), greatest) for places, greatest in batches(np.array([90, 500, 91]))]
    [([0, 2], 91), ([1], 500)]
    """
    order = np.argsort(lengths, kind="stable")
    sizes = lengths[order]
    at = 0
    while at < len(order):
        longest = int(sizes[at]) + int(sizes[at]) // 4 + 8
        end = min(at + 1 + _CELLS // longest, int(np.searchsorted(sizes, longest, side="right")))
        yield order[at:end], int(sizes[end - 1])
        at = end


def side_by_side(
    values: npt.NDArray[Number], first: IntArray, lengths: IntArray, width: int, beyond: Number | int
) -> npt.NDArray[Number]:
    """Return ``values[first : first + lengths]`` as rows of `width`, the rest of a row filled with `beyond`."""
    if width == 0 or len(first) == 0 or int(first.max()) + width > len(values):
        rows = values.take(first[:, None] + np.arange(width), mode="clip")
    else:
        step = values.strides[0]
        windows = as_strided(values, (len(values) - width + 1, width), (step, step), writeable=False)
        rows = windows[first]
    if len(first) and int(lengths.min()) < width:
        rows[np.arange(width) >= lengths[:, None]] = beyond
    return rows
