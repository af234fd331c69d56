"""A year as slots, and the slots at which jobs arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.quantities import format_duration, format_instant
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S, ns_from_s

__all__ = ["Edge", "SlotGrid", "arrivals_every", "arrivals_per_month", "slot_grid", "that_fit"]

Edge = Literal["drop", "cut"]
_MOST_SLOTS: Final = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotGrid:
    """An intensity on slots of equal length.

    Attributes
    ----------
    start_ns, step_ns : int
        Where the first slot starts, and how long each is [ns].
    values : float64 array, shape (n,)
        Intensity of each slot [g/kWh], NaN where unknown.
    """

    start_ns: int
    step_ns: int
    values: FloatArray

    @property
    def n(self) -> int:
        """How many slots there are."""
        return len(self.values)

    @property
    def end_ns(self) -> int:
        """Where the last slot ends [ns]."""
        return self.start_ns + self.n * self.step_ns

    @property
    def key(self) -> tuple[int, int, int]:
        """What grids with the same slots have in common."""
        return self.start_ns, self.step_ns, self.n


def slot_grid(series: IntensitySeries, *, slot_s: float | None = None) -> SlotGrid:
    """Return an intensity on slots of equal length, each value held as long as its step lasts.

    Parameters
    ----------
    series : IntensitySeries
    slot_s : float, optional
        Length of a slot [s], of which every step must be a whole number. Without it the shortest step; a
        series of one step, such as a constant, has slots of an hour.

    Raises
    ------
    InputError
        If the steps are no whole number of slots.

    Examples
    --------
    >>> from lowtide.grid.files import constant_intensity
    >>> slot_grid(constant_intensity(400.0, start_ns=0, end_ns=2 * NS_PER_H)).values.tolist()
    [400.0, 400.0]
    """
    widths_ns = np.diff(series.edges_ns)
    shortest_ns = int(widths_ns.min()) if len(widths_ns) > 1 else min(int(widths_ns[0]), NS_PER_H)
    step_ns = shortest_ns if slot_s is None else ns_from_s(slot_s)
    if step_ns <= 0:
        raise InputError(f"a slot of {slot_s} s is too short; give one like 5m or 1h")
    uneven = np.flatnonzero(widths_ns % step_ns)
    if len(uneven):
        width, at = (
            format_duration(widths_ns[uneven[0]] / NS_PER_S),
            format_instant(series.edges_ns[uneven[0]]),
        )
        divisor = format_duration(int(np.gcd.reduce(widths_ns)) / NS_PER_S)
        raise InputError(
            f"the step of {width} at {at} is no whole number of slots of {format_duration(step_ns / NS_PER_S)}; "
            f"give --slot {divisor} (slot_s) or less"
        )
    counts = widths_ns // step_ns
    if int(counts.sum()) > _MOST_SLOTS:
        raise InputError(
            f"slots of {step_ns / NS_PER_S:g} s make {int(counts.sum())} of them; give a longer --slot"
        )
    return SlotGrid(
        start_ns=series.start_ns, step_ns=step_ns, values=np.repeat(series.intensity_g_per_kwh, counts)
    )


def arrivals_every(grid: SlotGrid, every_s: float | None) -> IntArray:
    """Return the slots at which jobs arrive: every slot, or one every so often from the first on.

    Raises
    ------
    InputError
        If `every_s` is no whole number of slots.
    """
    every_ns = grid.step_ns if every_s is None else ns_from_s(every_s)
    if every_ns <= 0 or every_ns % grid.step_ns:
        every, slot = format_duration(every_ns / NS_PER_S), format_duration(grid.step_ns / NS_PER_S)
        raise InputError(
            f"starts every {every} do not all fall on slots of {slot}; give a multiple of it, or --slot (slot_s) too"
        )
    return np.arange(0, grid.n, every_ns // grid.step_ns, dtype=np.int64)


def arrivals_per_month(
    grid: SlotGrid, every_s: float | None, *, n_per_month: int, rng: np.random.Generator
) -> IntArray:
    """Return so many arrivals drawn from each calendar month (UTC), without repetition, in order of time.

    A month that has fewer is taken whole. Cost: O(n).

    Raises
    ------
    InputError
        If `n_per_month` is not positive.
    """
    if n_per_month < 1:
        raise InputError(f"{n_per_month} starts per month are none; give 1 or more")
    slots = arrivals_every(grid, every_s)
    hours = (grid.start_ns + slots * grid.step_ns) // NS_PER_H
    months = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64)
    drawn = [
        rng.choice(slots[months == month], size=min(n_per_month, int((months == month).sum())), replace=False)
        for month in np.unique(months)
    ]
    return np.sort(np.concatenate(drawn))


def that_fit(grid: SlotGrid, arrivals: IntArray, *, duration_ns: int, slack_ns: int, edge: Edge) -> IntArray:
    """Return the arrivals that count: those whose window, or with ``cut`` whose job, ends inside the slots."""
    needed_ns = duration_ns + (slack_ns if edge == "drop" else 0)
    last = (grid.n * grid.step_ns - needed_ns) // grid.step_ns
    return arrivals[: int(np.searchsorted(arrivals, last, side="right"))]
