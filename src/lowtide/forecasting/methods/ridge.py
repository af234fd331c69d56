"""Ridge: how far the coming hours will be from usual, by what was known; the heart of the blend.

*Usual* is the mean of the same time of day over the last four weeks. The deviation from usual at each lead is a
ridge regression on seven features and a constant, fitted on the last year: the deviations of that time of day
yesterday and the day before, of the same hour last week, of the last seven days, of the same hour of the week over
six weeks, of the last known step, and of the whole last day. Samples of this time of day, and an hour
about it, count nine times: noon is not forecast like midnight, but one hour alone is little to learn from. With
too little history all weights are 0 and the forecast is the usual value.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.forecasting.repeating import filled_back, looked_up, trailing_mean

__all__ = ["MEMORY_DAYS", "name", "predict"]

name = "ridge"
_USUAL_DAYS: Final = 28
_USUAL_WEEKS: Final = 6
_FIT_DAYS: Final = 365
MEMORY_DAYS: Final = _FIT_DAYS + 63
"""Days before an origin that are read: those fitted on, and three weeks more than six before them."""
_THIS_TIME: Final = 8.0
"""How much more samples of this time of day count than others."""
_RIDGE: Final = 0.02
"""Penalty on each weight, as a share of the mean square of the features."""
_LEAST: Final = 96.0
"""Counted samples below which nothing is fitted: those of two days."""
_N_FEATURES: Final = 8


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the regression's forecast after each origin, shape (n_origins, n_leads).

    Weights are fitted for whole hours of lead, on origins an hour apart (each step where steps are longer).
    Cost: O(n) for each hour of lead and time of day that occurs, whatever the number of origins.
    """
    day = history.per_day
    stride = max(1, day // 24)
    lo = max(0, (int(origins.min()) - n_leads) // day - MEMORY_DAYS) * day
    values, at = history.values[lo:], origins - lo
    past = _Past(values, day)
    samples = np.arange(0, int(at.max()) + 1, stride)
    found = np.empty((len(origins), n_leads))
    for lead in range(0, n_leads, stride):
        weights = _weights(past, values, samples, at, lead)
        for ahead in range(lead, min(lead + stride, n_leads)):
            features, usual = past.features(at, ahead)
            found[:, ahead] = usual + np.einsum("ij,ij->i", np.nan_to_num(features), weights)
    return found


class _Past:
    """What is looked up for every lead, each place reading only itself and what came before."""

    def __init__(self, values: FloatArray, day: int) -> None:
        self.day = day
        self.usual = trailing_mean(values, period=day, n_periods=_USUAL_DAYS)
        self.of_week = trailing_mean(values, period=day, n_periods=7)
        self.of_hour = trailing_mean(values, period=7 * day, n_periods=_USUAL_WEEKS)
        self.yesterday = filled_back(values, day, 2)
        self.last_week = filled_back(values, 7 * day, 1)
        off = np.concatenate(([np.nan], values - self.usual))  # place i is what was known before i
        self.last = filled_back(off, 1, max(1, day // 8))
        self.level = _running_mean(off, day)

    def features(self, origins: IntArray, lead: int) -> tuple[FloatArray, FloatArray]:
        """Return the features, shape (n, 8), and the usual value, shape (n,), of a step ahead."""
        at_day = origins + lead - self.day * (lead // self.day + 1)
        week = 7 * self.day
        at_week = origins + lead - week * (lead // week + 1)
        usual = looked_up(self.usual, at_day)
        columns = (
            looked_up(self.yesterday, at_day) - usual,
            looked_up(self.yesterday, at_day - self.day) - usual,
            looked_up(self.last_week, at_week) - usual,
            looked_up(self.of_week, at_day) - usual,
            looked_up(self.of_hour, at_week) - usual,
            self.last[origins],
            self.level[origins],
            np.ones(len(origins)),
        )
        return np.stack(columns, axis=1), usual


def _running_mean(values: FloatArray, n: int) -> FloatArray:
    """Return the mean of the known ones among each value and the n - 1 before it."""
    known = ~np.isnan(values)
    total = np.concatenate((np.zeros(n), np.cumsum(np.where(known, values, 0.0))))
    count = np.concatenate((np.zeros(n), np.cumsum(known)))
    total, count = total[n:] - total[:-n], count[n:] - count[:-n]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _weights(past: _Past, values: FloatArray, samples: IntArray, origins: IntArray, lead: int) -> FloatArray:
    """Return the weights of each origin at a lead, shape (n_origins, 8), from what was known at it."""
    stride = max(1, past.day // 24)
    per_day = past.day // stride
    used = samples[samples + lead < len(values)]
    features, usual = past.features(used, lead)
    wanted = values[used + lead] - usual
    is_known = ~(np.isnan(features).any(axis=1) | np.isnan(wanted))
    rows = np.where(is_known[:, None], np.column_stack((features, wanted)), 0.0)
    n_known = np.clip(-(-(origins - lead) // stride), 0, None)  # samples whose target is known by then
    gram = np.empty((len(origins), _N_FEATURES + 1, _N_FEATURES + 1))
    for rest in np.unique(n_known % per_day).tolist():
        mine = np.flatnonzero(n_known % per_day == rest)
        # days of samples that end `lead` before the origin hold its time of day at `lead` from their start
        sums = _sums_by_day(rows[rest:], per_day, lead // stride % per_day)
        last = n_known[mine] // per_day
        gram[mine] = sums[last] - sums[np.maximum(last - _FIT_DAYS, 0)]
    return _solved(gram)


def _sums_by_day(rows: FloatArray, per_day: int, hour: int) -> FloatArray:
    """Return running sums of products after each whole day, shape (n_days + 1, 9, 9)."""
    n_days = len(rows) // per_day
    days = rows[: n_days * per_day].reshape(n_days, per_day, rows.shape[1])
    counts = np.ones(per_day)
    counts[np.unique(np.arange(hour - 1, hour + 2) % per_day)] += _THIS_TIME
    products = np.matmul((days * counts[:, None]).transpose(0, 2, 1), days)
    return np.concatenate((np.zeros((1, *products.shape[1:])), np.cumsum(products, axis=0)))


def _solved(gram: FloatArray) -> FloatArray:
    """Return ridge weights from sums of products; 0 where too few samples made them."""
    square, mixed = gram[:, :-1, :-1].copy(), gram[:, :-1, -1]
    n_samples = square[:, -1, -1].copy()
    scale = np.trace(square[:, :-1, :-1], axis1=1, axis2=2) / (_N_FEATURES - 1)
    penalty = _RIDGE * scale + 1e-9 * np.maximum(n_samples, 1.0)
    places = np.arange(_N_FEATURES - 1)
    square[:, places, places] += penalty[:, None]
    few = n_samples < _LEAST
    square[few] = np.eye(_N_FEATURES)
    weights = np.linalg.solve(square, mixed[..., None])[..., 0]
    weights[few] = 0.0
    return np.asarray(weights)
