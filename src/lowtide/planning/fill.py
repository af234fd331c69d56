"""Work without switching costs: fill the cheapest marginal work first.

Where interruptions and changes of operating point cost nothing, cells are independent but for the work they
do together. In a cell of positive intensity c the marginal cost of work along the lower hull of the menu
(off included) is c times its slopes, which increase; in one of negative intensity the upper hull's slopes
decrease and c makes them increase again. So the problem is a continuous knapsack of convex pieces, and taking
the cheapest pieces first is optimal, for any menu. (CarbonScaler, Hanafy et al. 2023, takes whole points in
the order of marginal throughput per carbon, which is optimal only where the menu itself is concave.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.menu import Corner

__all__ = ["Filled", "fill"]

_HALVINGS: Final = 60
_FEW: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filled:
    """How every cell is used: it shares its time between two neighbouring corners of a hull.

    Attributes
    ----------
    level : int64 array, shape (n,)
        The lower corner; 0 is off.
    share : float64 array, shape (n,)
        Part of the cell's time at the corner above it, in [0, 1).
    n_tied : int
        How many pieces are as cheap as the last one taken, where some of them were left: then other plans
        cost the same. 0 where this is the only one.
    """

    level: IntArray
    share: FloatArray
    n_tied: int


def fill(
    intensity: FloatArray,
    width_ns: IntArray,
    lower: tuple[Corner, ...],
    upper: tuple[Corner, ...],
    work_ns: int,
) -> Filled | None:
    """Return how to do the work at the least cost, the earliest of equally cheap cells first.

    Parameters
    ----------
    intensity : float64 array, shape (n,)
        NaN cells are not used.
    width_ns : int64 array, shape (n,)
    lower, upper : tuple of Corner
        Hulls of the menu with off, by throughput: for positive and for negative intensity.
    work_ns : int
        Work to do [ns at throughput 1].

    Returns
    -------
    Filled or None
        None where all cells together cannot do that much.

    Notes
    -----
    Cost: O(n log k) for each of about sixty halvings of the price of work, k the corners; then a sort of the
    pieces between the last two prices. Nothing is sorted that need not be.
    """
    pieces = _Pieces.of(intensity, width_ns, lower, upper)
    if pieces.capacity < work_ns:
        return None
    low, high = pieces.least, pieces.greatest
    low, high = low - 1.0 - 1e-9 * abs(low), high + 1.0 + 1e-9 * abs(high)
    below, above = pieces.levels(low), pieces.levels(high)
    for _ in range(_HALVINGS):
        if int((above - below).sum()) <= _FEW:
            break
        price = 0.5 * (low + high)
        levels = pieces.levels(price)
        if pieces.work(levels) >= work_ns:
            high, above = price, levels
        else:
            low, below = price, levels
    return _finish(pieces, below, above, work_ns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pieces:
    """Marginal work by cell and hull segment; `negative` cells use the second hull."""

    intensity: FloatArray
    width: FloatArray
    negative: IntArray
    slopes: tuple[FloatArray, FloatArray]
    throughput: tuple[FloatArray, FloatArray]

    @classmethod
    def of(
        cls, intensity: FloatArray, width_ns: IntArray, lower: tuple[Corner, ...], upper: tuple[Corner, ...]
    ) -> _Pieces:
        hulls = [np.array([(c.throughput, c.power_w) for c in hull]) for hull in (lower, upper)]
        return cls(
            intensity=np.nan_to_num(intensity),
            width=np.where(np.isnan(intensity), 0.0, width_ns).astype(np.float64),
            negative=(intensity < 0.0).astype(np.int64),
            slopes=(_slopes(hulls[0]), _slopes(hulls[1])),
            throughput=(hulls[0][:, 0], hulls[1][:, 0]),
        )

    @property
    def capacity(self) -> float:
        return float((self.width * self.throughput[0][-1]).sum())

    @property
    def least(self) -> float:
        return float(np.minimum(self.intensity * self.slopes[0][0], self.intensity * self.slopes[1][0]).min())

    @property
    def greatest(self) -> float:
        ends = [self.intensity * slopes[-1] for slopes in self.slopes]
        return float(np.maximum(*ends).max())

    def levels(self, price: float) -> IntArray:
        """Return how many pieces of each cell cost no more than a price."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = price / self.intensity
        zero = self.intensity == 0.0
        slope[zero] = np.inf if price >= 0.0 else -np.inf
        found = np.searchsorted(self.slopes[0], slope, side="right")
        if self.negative.any():
            falling = np.searchsorted(-self.slopes[1], -slope, side="right")
            found = np.where(self.negative, falling, found)
        return found

    def work(self, levels: IntArray) -> float:
        """Return the work of all cells at some levels [ns]."""
        by_hull = np.where(self.negative, self._at(1, levels), self._at(0, levels))
        return float((by_hull * self.width).sum())

    def _at(self, hull: int, levels: IntArray) -> FloatArray:
        throughput = self.throughput[hull]
        return np.asarray(throughput[np.minimum(levels, len(throughput) - 1)])


def _slopes(hull: FloatArray) -> FloatArray:
    return np.asarray(np.diff(hull[:, 1]) / np.diff(hull[:, 0]))


def _finish(pieces: _Pieces, below: IntArray, above: IntArray, work_ns: int) -> Filled:
    """Take the pieces between two levels in the order of cost and time until the work is done."""
    n_more = np.where(pieces.width > 0.0, above - below, 0)
    cell = np.repeat(np.arange(len(below)), n_more)
    level = below[cell] + np.arange(len(cell)) - np.repeat(np.cumsum(n_more) - n_more, n_more)
    hull = pieces.negative[cell]
    slope = np.where(
        hull,
        pieces.slopes[1][np.minimum(level, len(pieces.slopes[1]) - 1)],
        pieces.slopes[0][np.minimum(level, len(pieces.slopes[0]) - 1)],
    )
    cost = pieces.intensity[cell] * slope
    rise = [np.diff(throughput) for throughput in pieces.throughput]
    steps = np.where(
        hull, rise[1][np.minimum(level, len(rise[1]) - 1)], rise[0][np.minimum(level, len(rise[0]) - 1)]
    )
    work = steps * pieces.width[cell]
    order = _by_cost_and_time(cost, cell, level)
    done = pieces.work(below) + np.cumsum(work[order])
    last = min(int(np.searchsorted(done, work_ns - 0.25)), len(order) - 1) if len(order) else -1
    levels, share = np.where(pieces.width > 0.0, below, 0), np.zeros(len(below))
    if last < 0:
        return Filled(level=levels, share=share, n_tied=0)
    np.add.at(levels, cell[order[:last]], 1)
    piece = order[last]
    short = max(0.0, float(done[last]) - work_ns)
    part = 1.0 - short / float(work[piece])
    if part >= 1.0:
        levels[cell[piece]] += 1
    else:
        share[cell[piece]] = part
    return Filled(level=levels, share=share, n_tied=_n_tied(cost[order], work[order], last, part))


def _by_cost_and_time(cost: FloatArray, cell: IntArray, level: IntArray) -> IntArray:
    """Return the order by cost, equal within rounding, then by time."""
    by_cost = np.argsort(cost, kind="stable")
    steps = np.diff(cost[by_cost], prepend=cost[by_cost[:1]])
    rank = np.empty(len(cost), dtype=np.int64)
    rank[by_cost] = np.cumsum(steps > _rounding(cost))
    return np.lexsort((level, cell, rank))


def _rounding(cost: FloatArray) -> float:
    return 1e-12 * float(np.abs(cost).max(initial=0.0))


def _n_tied(cost: FloatArray, work: FloatArray, last: int, part: float) -> int:
    """Return the number of pieces as cheap as the last one taken, 0 where none or only its own rest is left."""
    equal = np.flatnonzero((np.abs(cost - cost[last]) <= _rounding(cost)) & (work > 0.0))
    left = len(equal) > 1 and (equal[-1] > last or part < 1.0)
    return len(equal) if left else 0
