"""From stamps to steps: order, agreeing duplicates, the step between stamps, and holes.

A stamp starts its step. The step ends at the next stamp, unless that is so far that another stamp
would have fit in between (a distance of 1.5 steps or more): then the step has the length that
prevails there and an unknown (NaN) step fills the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Clash", "Groups", "StepGrid", "find_clash", "group_stamps", "local_steps_ns"]

ByteArray = npt.NDArray[np.uint8]

N_IN_A_ROW: Final = 24
"""Equal distances in a row that make a change of step rather than a row of holes."""
N_AT_AN_END: Final = 2
"""The same at either end of the data, where a change can be cut short."""


class Clash(NamedTuple):
    """Two rows of one instant with different values, as indices into the rows given."""

    row: int
    other_row: int


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows brought into order and grouped by instant.

    Attributes
    ----------
    t_ns : int64 array, shape (m,)
        The instants [ns], strictly increasing.
    order : int64 array, shape (n,)
        Rows by instant, those of one instant in the order of the file.
    first : int64 array, shape (m,)
        Where each instant starts in `order`.
    """

    t_ns: IntArray
    order: IntArray
    first: IntArray

    @property
    def n_duplicates(self) -> int:
        """Rows that share their instant with an earlier row."""
        return len(self.order) - len(self.t_ns)

    def merged(self, values: FloatArray) -> FloatArray | None:
        """Return one value an instant, NaN giving way to a number; None when values disagree.

        `values` is float64 of shape (n,), the result of shape (m,).
        """
        ordered = values[self.order]
        if self.n_duplicates == 0:
            return ordered
        low = np.fmin.reduceat(ordered, self.first)
        high = np.fmax.reduceat(ordered, self.first)
        return None if (low < high).any() else low

    def best_status(self, values: FloatArray, status: ByteArray) -> ByteArray:
        """Return the status of each instant: the lowest code among its rows that have a value."""
        ordered = status[self.order]
        if self.n_duplicates == 0:
            return ordered
        known = np.where(np.isnan(values[self.order]), np.uint8(255), ordered)
        best = np.minimum.reduceat(known, self.first)
        return np.asarray(np.where(best == 255, ordered[self.first], best), np.uint8)


def group_stamps(t_ns: IntArray) -> Groups:
    """Return rows in order of time, equal stamps grouped.

    >>> group_stamps(np.array([20, 10, 10])).t_ns.tolist()
    [10, 20]
    """
    rows = np.arange(len(t_ns))
    if (t_ns[1:] > t_ns[:-1]).all():
        return Groups(t_ns, rows, rows)
    order = np.argsort(t_ns, kind="stable")
    ordered = t_ns[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return Groups(ordered[first], order, first)


def find_clash(groups: Groups, values: FloatArray) -> Clash:
    """Return the first two rows of one instant that disagree; call it when `merged` was None."""
    lengths = np.diff(np.append(groups.first, len(groups.order)))
    group = np.repeat(np.arange(len(lengths)), lengths)
    known = np.flatnonzero(~np.isnan(values[groups.order]))
    of_group, at = np.unique(group[known], return_index=True)
    first_row = np.full(len(lengths), -1)
    first_row[of_group] = groups.order[known[at]]
    rows, others = groups.order[known], first_row[group[known]]
    clashing = np.flatnonzero(values[rows] != values[others])
    i = clashing[rows[clashing].argmin()]
    return Clash(int(rows[i]), int(others[i]))


@dataclass(frozen=True, slots=True)
class StepGrid:
    """The steps between instants, holes included.

    Attributes
    ----------
    edges_ns : int64 array, shape (k + 1,)
    hole_after : int64 array
        Index of each instant whose step is followed by a hole.
    step_ns : int
        The most frequent step [ns].
    n_step_changes : int
        How often the prevailing step changes.
    n_absent : int
        Stamps that would have fit into the holes.
    """

    edges_ns: IntArray
    hole_after: IntArray
    step_ns: int
    n_step_changes: int
    n_absent: int

    @classmethod
    def of(cls, t_ns: IntArray, *, single_step_ns: int | None = None) -> StepGrid | None:
        """Return the grid of instants (m,); None when one instant leaves the step unknown."""
        distances = np.diff(t_ns)
        if len(distances) == 0:
            if single_step_ns is None:
                return None
            edges = np.append(t_ns, t_ns[-1] + single_step_ns)
            return cls(edges, np.empty(0, np.int64), single_step_ns, 0, 0)
        steps = local_steps_ns(distances)
        n_fit = distances // steps + (2 * (distances % steps) >= steps)  # rounds a half up
        holes = np.flatnonzero(n_fit > 1)
        edges = np.append(t_ns, t_ns[-1] + steps[-1])
        edges = np.insert(edges, holes + 1, t_ns[holes] + steps[holes])
        changes = int(np.count_nonzero(np.diff(steps)))
        return cls(edges, holes, _mode(steps), changes, int((n_fit[holes] - 1).sum()))

    def with_holes(self, values: FloatArray) -> FloatArray:
        """Return values (m,) with NaN for each hole, shape (k,)."""
        return np.insert(values, self.hole_after + 1, np.nan) if len(self.hole_after) else values

    def status_with_holes(self, status: ByteArray) -> ByteArray:
        """Return status codes (m,) with 0 for each hole, shape (k,)."""
        return np.insert(status, self.hole_after + 1, 0) if len(self.hole_after) else status


def local_steps_ns(distances_ns: IntArray) -> IntArray:
    """Return the step that prevails at each distance between stamps.

    A step is established by :data:`N_IN_A_ROW` equal distances in a row (:data:`N_AT_AN_END` at
    either end) and prevails until another one is. Where fewer than half of all distances establish
    one, the most frequent distance prevails everywhere, or the median when none is frequent.

    Parameters
    ----------
    distances_ns : int64 array, shape (n,), n >= 1

    Examples
    --------
    >>> local_steps_ns(np.array([30, 30, 30, 15, 30, 15, 15, 15])).tolist()
    [30, 30, 30, 15, 15, 15, 15, 15]
    >>> local_steps_ns(np.array([60, 60, 180, 60])).tolist()
    [60, 60, 60, 60]
    """
    changed = np.concatenate(([True], distances_ns[1:] != distances_ns[:-1]))
    starts = np.flatnonzero(changed)
    lengths = np.diff(np.append(starts, len(distances_ns)))
    sets_step = lengths >= N_IN_A_ROW
    sets_step[[0, -1]] |= lengths[[0, -1]] >= N_AT_AN_END
    if 2 * lengths[sets_step].sum() < len(distances_ns):
        return np.full(len(distances_ns), _usual(distances_ns))
    of_run = distances_ns[starts]
    before, after = _neighbours(sets_step)
    # The shorter step of two begins where it is first seen, not where it has been seen often enough.
    sets_step |= (of_run == of_run[after]) & (of_run[after] < of_run[before])
    before, _ = _neighbours(sets_step)
    return np.repeat(of_run[before], lengths)


def _neighbours(chosen: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return for each place the chosen one at or before it, and at or after it.

    Beyond the first or last chosen one it is that one.
    """
    index = np.arange(len(chosen))
    places = np.flatnonzero(chosen)
    before = np.maximum.accumulate(np.where(chosen, index, places[0]))
    after = np.minimum.accumulate(np.where(chosen, index, places[-1])[::-1])[::-1]
    return before, after


def _usual(distances_ns: IntArray) -> int:
    mode = _mode(distances_ns)
    if 4 * np.count_nonzero(distances_ns == mode) >= len(distances_ns):
        return mode
    return int(np.median(distances_ns))


def _mode(numbers: IntArray) -> int:
    """Return the most frequent number, the smallest of several."""
    found, counts = np.unique(numbers, return_counts=True)
    return int(found[counts.argmax()])
