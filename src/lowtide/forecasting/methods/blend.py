"""Blend: a regression on what was known, yesterday repeated, and climatology, weighted by their past errors.

The regression is :mod:`lowtide.forecasting.methods.ridge`. Where a zone is steadier, or less steady, than it was in
the year the regression learnt from, yesterday or climatology may be nearer. So the forecast is a mean of the three
whose weights are not negative and sum to 1: of all such weights in steps of a fifth, each counts the more the less
the error it would have had at this lead and time of day on the last 112 days (exponential weighting). Before 20
such errors are known it is the regression alone.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.forecasting.methods import climatology, persistence_day, ridge

__all__ = ["name", "predict"]

name = "blend"
_DAYS: Final = 112
_LEAST: Final = 20
_SHARPNESS: Final = 50.0
"""A weighting whose past error is 2 % less counts e times as much."""
_WEIGHTS: Final = np.array([w for w in product(range(6), repeat=3) if sum(w) == 5]) / 5.0
"""Weights of regression, yesterday and climatology, shape (21, 3)."""


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the blend after each origin, shape (n_origins, n_leads).

    Cost: that of its parts for one origin a day, from 112 days before the first origin.
    """
    day = history.per_day
    phases = np.unique(origins % day).tolist()
    rows = [_daily(origins[origins % day == phase], n_leads, day) for phase in phases]
    daily = np.concatenate(rows)
    parts = _parts(history, daily, n_leads)
    actual = history.targets(daily, n_leads)
    found = np.empty((len(origins), n_leads))
    begin = 0
    for row in rows:
        part = slice(begin, begin + len(row))
        begin += len(row)
        mine = np.flatnonzero(origins % day == row[0] % day)
        places = (origins[mine] - row[0]) // day
        found[mine] = _weighted(parts[:, part], actual[part], places, day)
    return found


def _daily(origins: IntArray, n_leads: int, day: int) -> IntArray:
    """Return every day from those whose errors are looked at to the last of origins at one time of day."""
    first, last = int(origins.min()), int(origins.max())
    before = (_DAYS + n_leads // day) * day
    return np.arange(max(first - before, first % day), last + 1, day, dtype=np.int64)


def _parts(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the three forecasts, shape (3, n, n_leads); where one knows nothing it is the regression's."""
    found = np.stack([m.predict(history, origins, n_leads) for m in (ridge, persistence_day, climatology)])
    return np.where(np.isnan(found), found[0], found)


def _weighted(parts: FloatArray, actual: FloatArray, places: IntArray, day: int) -> FloatArray:
    """Return the weighted mean at some of daily rows, from the errors that were known at each of them."""
    n_leads = actual.shape[1]
    errors = np.abs(np.tensordot(_WEIGHTS, parts - actual, axes=1))  # (21, n_days, n_leads)
    known = ~np.isnan(errors[0])
    total = _from_start(np.where(known, errors, 0.0))
    count = _from_start(known.astype(np.float64))
    after = np.maximum(places[:, None] - np.arange(n_leads) // day, 0)  # rows whose target was known
    first = np.maximum(after - _DAYS, 0)
    lead = np.arange(n_leads)
    count = count[after, lead] - count[first, lead]
    mean = (total[:, after, lead] - total[:, first, lead]) / np.maximum(count, 1.0)
    usual = mean.mean(axis=0)
    worse = np.divide(mean - mean.min(axis=0), usual, out=np.zeros_like(mean), where=usual > 0.0)
    share = np.exp(-_SHARPNESS * worse)
    weights = np.tensordot(_WEIGHTS.T, share / share.sum(axis=0), axes=1)  # (3, n_places, n_leads)
    weights = np.where(count < _LEAST, np.array([1.0, 0.0, 0.0])[:, None, None], weights)
    return np.asarray((weights * parts[:, places]).sum(axis=0))


def _from_start(values: FloatArray) -> FloatArray:
    """Return sums over days before each, with one more day than given."""
    sums = np.cumsum(values, axis=-2)
    return np.concatenate((np.zeros_like(sums[..., :1, :]), sums), axis=-2)
