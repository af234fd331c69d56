"""What is known at an instant, on steps of equal length.

Forecasters look up *the same time yesterday*, so they need steps that divide a day. Days are UTC days of 24 h:
where clocks change, a load that follows local time moves by an hour against them twice a year, and forecasts
that repeat are off by that hour until the new days are the ones repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import CoverageError, InputError
from lowtide.model.signal import Signal
from lowtide.quantities import format_duration, format_instant
from lowtide.series import steps
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = ["DAY_NS", "History", "history_until", "same_phase"]

DAY_NS: Final = 24 * NS_PER_H
_RECENT_NS: Final = 28 * DAY_NS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The known past on an even grid; its last step ends at or just before the instant it is known at.

    Attributes
    ----------
    start_ns, step_ns : int
        Where the first step begins, and how long each is [ns].
    values : float64 array, shape (n,)
        Intensity of each step [g/kWh]; NaN is unknown.
    signal : Signal
        What the values are.
    """

    start_ns: int
    step_ns: int
    values: FloatArray
    signal: Signal

    @property
    def n(self) -> int:
        """How many steps there are."""
        return len(self.values)

    @property
    def end_ns(self) -> int:
        """Where the last step ends [ns]."""
        return self.start_ns + self.n * self.step_ns

    @property
    def per_day(self) -> int:
        """Steps in a day."""
        return DAY_NS // self.step_ns

    def edges_ns(self, first: int, n_steps: int) -> IntArray:
        """Return the edges of steps from the `first` on [ns], shape (n_steps + 1,); they may lie ahead."""
        return self.start_ns + (first + np.arange(n_steps + 1, dtype=np.int64)) * self.step_ns

    def targets(self, origins: IntArray, n_leads: int) -> FloatArray:
        """Return what came after each origin, shape (n_origins, n_leads); NaN where that is not known."""
        padded = np.append(self.values, np.nan)
        at = origins[:, None] + np.arange(n_leads)
        return np.asarray(padded[np.minimum(at, self.n)])


def history_until(series: IntensitySeries, now_ns: int | None = None) -> History:
    """Return the part of a series that is known at an instant, on its own most frequent recent step.

    Parameters
    ----------
    series : IntensitySeries
        Steps that end after `now_ns` are not read.
    now_ns : int, optional
        The instant [ns]; without it the end of the series.

    Raises
    ------
    CoverageError
        If no step has ended by then.
    InputError
        If the steps do not divide a day.

    Notes
    -----
    A series of even steps is taken as it is; another one is averaged over the known part of each step of the
    grid. A part of a step at the start is left out. Cost: O(n).
    """
    now = series.end_ns if now_ns is None else now_ns
    n_known = int(np.searchsorted(series.edges_ns, now, side="right")) - 1
    if n_known < 1:
        first = format_instant(int(series.edges_ns[1]))
        raise CoverageError(
            f"no history at {format_instant(now)}: its first step ends at {first}; give an older file or a later now"
        )
    n_known = min(n_known, len(series.intensity_g_per_kwh))
    edges, values = series.edges_ns[: n_known + 1], series.intensity_g_per_kwh[:n_known]
    step_ns, anchor_ns = _step_of(edges, values)
    if step_ns > DAY_NS or DAY_NS % step_ns:
        step = format_duration(step_ns / NS_PER_S)
        raise InputError(
            f"a history in steps of {step} cannot be forecast; give steps that divide a day, like 1h"
        )
    start_ns = anchor_ns - (anchor_ns - int(edges[0])) // step_ns * step_ns
    n = (now - start_ns) // step_ns
    if n < 1:
        raise CoverageError(
            f"no whole step of history has ended by {format_instant(now)}; give an older file"
        )
    wanted = start_ns + np.arange(n + 1, dtype=np.int64) * step_ns
    return History(
        start_ns=start_ns, step_ns=step_ns, values=_on(wanted, edges, values), signal=series.signal
    )


def _step_of(edges: IntArray, values: FloatArray) -> tuple[int, int]:
    """Return the most frequent known step of the last four weeks and an edge of it [ns]."""
    recent = max(0, int(np.searchsorted(edges, edges[-1] - _RECENT_NS)) - 1)
    widths, known = np.diff(edges[recent:]), ~np.isnan(values[recent:])
    if not known.any():
        known[:] = True
    lengths, counts = np.unique(widths[known], return_counts=True)
    step_ns = int(lengths[int(np.argmax(counts))])
    last = recent + int(np.flatnonzero(known & (widths == step_ns))[-1])
    return step_ns, int(edges[last])


def _on(wanted: IntArray, edges: IntArray, values: FloatArray) -> FloatArray:
    """Return values on the edges of a grid; NaN where nothing is known."""
    n = len(values)
    if len(wanted) > n and np.array_equal(wanted[: n + 1], edges):
        return np.concatenate((values, np.full(len(wanted) - 1 - n, np.nan)))
    return np.asarray(steps.resample(edges, values, wanted), dtype=np.float64)


def same_phase(origins: IntArray, n_leads: int, period: int) -> IntArray:
    """Return the latest step before each origin at the same place in its period as each step ahead.

    Parameters
    ----------
    origins : int64 array, shape (n_origins,)
        The first step that is not known.
    n_leads : int
        Steps ahead, the first being the origin itself.
    period : int
        Steps in a period.

    Returns
    -------
    int64 array, shape (n_origins, n_leads)
        Below 0 where the history does not go back so far.

    Examples
    --------
    >>> same_phase(np.array([100]), 4, 3).tolist()
    [[97, 98, 99, 97]]
    """
    leads = np.arange(n_leads, dtype=np.int64)
    return np.asarray(origins[:, None] + leads - period * (leads // period + 1))
