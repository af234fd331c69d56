"""Climatology: what this time of day is usually like at this time of year.

Where the history has at least 20 values of the same month and time of day, their mean; else the mean of the
same hour of the week over the last eight weeks; else that of the same time of day.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History, same_phase
from lowtide.forecasting.repeating import looked_up, trailing_mean
from lowtide.units import NS_PER_H

__all__ = ["name", "predict"]

name = "climatology"
_LEAST: Final = 20
_WEEKS: Final = 8


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the usual values after each origin, shape (n_origins, n_leads). Cost: O(n log n)."""
    of_month = _month_by_time(history, origins, n_leads)
    day, week = history.per_day, 7 * history.per_day
    by_week = trailing_mean(history.values, period=week, n_periods=_WEEKS)
    of_week = looked_up(by_week, same_phase(origins, n_leads, week))
    by_day = trailing_mean(history.values, period=day, n_periods=7 * _WEEKS)
    of_day = looked_up(by_day, same_phase(origins, n_leads, day))
    usual = np.where(np.isnan(of_week), of_day, of_week)
    return np.where(np.isnan(of_month), usual, of_month)


def _month_by_time(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the mean of all values before each origin in the same month at the same time of day.

    Values are sorted by cell and then by time, with running sums: those of a cell before an origin are then
    one stretch.
    """
    n = history.n
    cell = _cells(history, n + n_leads)
    known = np.flatnonzero(~np.isnan(history.values))
    key = cell[known] * n + known  # by cell, then by time
    order = np.argsort(key)
    keys, sums = key[order], np.concatenate(([0.0], np.cumsum(history.values[known[order]])))
    wanted = cell[origins[:, None] + np.arange(n_leads)] * n
    first = np.searchsorted(keys, wanted)
    after = np.searchsorted(keys, wanted + origins[:, None])
    count = after - first
    return np.where(count >= _LEAST, (sums[after] - sums[first]) / np.maximum(count, 1), np.nan)


def _cells(history: History, n: int) -> IntArray:
    """Return the month and time of day of each step, from 0, as one number."""
    starts = history.edges_ns(0, n)[:-1]
    months = (starts // NS_PER_H).astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray(months * history.per_day + starts // history.step_ns % history.per_day)
