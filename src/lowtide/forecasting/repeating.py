"""Repeating the past: look-ups at the same place in a period, and trailing means of such places."""

from __future__ import annotations

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import same_phase

__all__ = ["filled_back", "looked_up", "repeated", "trailing_mean"]


def filled_back(values: FloatArray, period: int, n_back: int) -> FloatArray:
    """Return values whose gaps hold the value one period earlier, up to `n_back` periods.

    >>> filled_back(np.array([1.0, 2.0, np.nan, 4.0, np.nan, 6.0]), 2, 1).tolist()
    [1.0, 2.0, 1.0, 4.0, nan, 6.0]
    """
    found = values.copy()
    for back in range(1, n_back + 1):
        shift = back * period
        gaps = np.flatnonzero(np.isnan(found[shift:])) + shift
        if not len(gaps):
            break
        found[gaps] = values[gaps - shift]
    return found


def looked_up(values: FloatArray, at: IntArray) -> FloatArray:
    """Return the values at places, NaN below 0."""
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)


def repeated(values: FloatArray, origins: IntArray, n_leads: int, *, period: int, n_back: int) -> FloatArray:
    """Return the latest known period after each origin, over and over; shape (n_origins, n_leads)."""
    return looked_up(filled_back(values, period, n_back), same_phase(origins, n_leads, period))


def trailing_mean(values: FloatArray, *, period: int, n_periods: int) -> FloatArray:
    """Return at each place the mean of the known values there and up to ``n_periods - 1`` periods before.

    >>> trailing_mean(np.array([1.0, 10.0, 3.0, np.nan]), period=2, n_periods=2).tolist()
    [1.0, 10.0, 2.0, 10.0]
    """
    rows = -(-len(values) // period)
    table = np.full((rows + n_periods, period), np.nan)
    table.ravel()[n_periods * period : n_periods * period + len(values)] = values
    known = ~np.isnan(table)
    total = np.cumsum(np.where(known, table, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    total, count = total[n_periods:] - total[:-n_periods], count[n_periods:] - count[:-n_periods]
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.asarray(mean.ravel()[: len(values)])
