"""An evenly stepped intensity as whole numbers, so that sums of the same slots are the same to the bit.

Sums of floats depend on their order: a flat hour would then save 1e-16 of itself. Here values are whole
multiples of a power of two, fine enough that nothing is lost (see :meth:`Slots.of`) and coarse enough that
no sum overflows. Prefix sums, sliding windows and searches by rank then agree exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lowtide.errors import SeriesError
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["BEYOND", "LOWEST", "Arrivals", "BoolArray", "Slots", "contiguous", "sliding_least"]

BEYOND: Final = int(np.iinfo(np.int64).max)
"""Stands above every value: there is no such slot, or it is unknown."""
LOWEST: Final = int(np.iinfo(np.int64).min)
"""Stands below every value."""
_BITS: Final = 62
"""No sum of slots exceeds 2**62 in magnitude, so that int64 holds it with its sign."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slots:
    """Slots of equal length with their values as whole numbers.

    Attributes
    ----------
    values : int64 array, shape (n,)
        Value times `scale`; :data:`BEYOND` where unknown.
    sums : int64 array, shape (n + 1,)
        Sum of the known values before each slot.
    n_unknown : int64 array, shape (n + 1,)
        Unknown slots before each slot.
    scale : float
        A power of two.
    """

    values: IntArray
    sums: IntArray
    n_unknown: IntArray
    scale: float

    @property
    def n(self) -> int:
        """How many slots there are."""
        return len(self.values)

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return the slots of an array, NaN where unknown.

        Values are rounded to 2**-62 of n times the greatest magnitude: for a year of 5-minute slots up to
        1500 g/kWh to 3e-11 g/kWh. Cost: O(n).

        Raises
        ------
        SeriesError
            If there is no slot.
        """
        if len(values) == 0:
            raise SeriesError("no slot to choose from; a sweep needs at least one step of intensity")
        unknown = np.isnan(values)
        greatest = float(np.max(np.abs(values), where=~unknown, initial=0.0))
        scale = 2.0 ** min(_BITS - int(np.frexp(greatest * len(values))[1]), _BITS * 8)
        whole = np.rint(np.where(unknown, 0.0, values) * scale).astype(np.int64)
        return cls(
            values=np.where(unknown, BEYOND, whole),
            sums=np.concatenate(([0], np.cumsum(whole))),
            n_unknown=np.concatenate(([0], np.cumsum(unknown, dtype=np.int64))),
            scale=scale,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """Jobs by the slot they arrive at, how long they run and how much later they may end.

    Attributes
    ----------
    first : int64 array, shape (q,)
        The slot whose start is the arrival, in increasing order.
    step_ns : int
        Length of a slot [ns].
    duration_ns, slack_ns : int, or int64 array of shape (q,)
        Length of the job and its slack [ns]; the window ends that much after ``first``, or where the slots
        end if that is earlier.
    n_slots : int
        How many slots there are.
    """

    first: IntArray
    step_ns: int
    duration_ns: int | IntArray
    slack_ns: int | IntArray
    n_slots: int

    @property
    def are_alike(self) -> bool:
        """Whether all have one duration and one slack."""
        return isinstance(self.duration_ns, int) and isinstance(self.slack_ns, int)

    @property
    def are_whole(self) -> bool:
        """Whether jobs and windows are whole numbers of slots."""
        return not (np.any(self.duration_ns % self.step_ns) or np.any(self.slack_ns % self.step_ns))

    def are_dense(self, apart: int) -> bool:
        """Return whether they are fewer than `apart` slots apart, on average and from the first slot on."""
        return len(self.first) * apart >= int(self.first[-1])

    def durations(self) -> tuple[IntArray, IntArray]:
        """Return whole slots and the rest [ns] of each job."""
        whole, rest = np.divmod(np.asarray(self.duration_ns, dtype=np.int64), self.step_ns)
        return np.broadcast_to(whole, self.first.shape), np.broadcast_to(rest, self.first.shape)

    def windows(self) -> tuple[IntArray, IntArray]:
        """Return whole slots and the rest [ns] of each window."""
        left_ns = (self.n_slots - self.first) * self.step_ns
        window_ns = np.minimum(np.add(self.duration_ns, self.slack_ns), left_ns)
        whole, rest = np.divmod(window_ns, self.step_ns)
        return whole, rest


def contiguous(slots: Slots, duration_ns: int, step_ns: int) -> FloatArray:
    """Return what a job costs that starts at each slot and runs to its end, in scaled value x slots.

    Parameters
    ----------
    slots : Slots
    duration_ns, step_ns : int
        Lengths of the job and of a slot [ns]; the last slot counts by the part of it that is used.

    Returns
    -------
    float64 array, shape (m,)
        One for each start from which the job ends inside the slots; infinite where it meets an unknown one.
        Cost: O(n).
    """
    whole, rest_ns = divmod(duration_ns, step_ns)
    m = max(0, slots.n - whole - (rest_ns > 0) + 1)
    cost = (slots.sums[whole : whole + m] - slots.sums[:m]).astype(np.float64)
    n_slots = whole + (rest_ns > 0)
    if rest_ns:
        cost += slots.values[whole : whole + m] * (rest_ns / step_ns)
    if slots.n_unknown[-1]:
        cost[slots.n_unknown[n_slots : n_slots + m] > slots.n_unknown[:m]] = np.inf
    return cost


def sliding_least(values: FloatArray, width: int) -> FloatArray:
    """Return the least of each value and the ``width - 1`` after it, fewer at the end.

    Windows of 1, 2, 4 ... are doubled until they are wide enough. Cost: O(n log width), all of it in
    contiguous passes.

    Examples
    --------
    >>> sliding_least(np.array([3.0, 1.0, 2.0, 5.0]), 2).tolist()
    [1.0, 1.0, 2.0, 5.0]
    """
    least, covered = values.copy(), 1
    while covered < min(width, len(values)):
        shift = min(covered, width - covered)
        np.minimum(least[:-shift], least[shift:], out=least[:-shift])
        covered += shift
    return least
