"""Blend: how far yesterday, last week and the last values were from usual, weighted by lead.

*Usual* is the mean of the same time of day over the last four weeks. The deviation from usual at each lead is a
ridge regression on five features, fitted on the eight weeks before the origin: yesterday's deviation at that
time of day, last week's, that of the last known step, that of the whole last day, and a constant. Because every
lead has weights of its own, what the last step tells fades with the lead as fast as it does in the zone. With
too little history all weights are 0 and the forecast is the usual value.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.forecasting.repeating import filled_back, looked_up, trailing_mean

__all__ = ["name", "predict"]

name = "blend"
_USUAL_DAYS: Final = 28
_FIT_DAYS: Final = 56
_RIDGE: Final = 0.02
"""Penalty on each weight, as a share of the mean square of the features."""
_LEAST: Final = 48
"""Samples below which nothing is fitted."""
_N_FEATURES: Final = 5


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return the blend after each origin, shape (n_origins, n_leads).

    Weights are fitted for whole hours of lead, on origins an hour apart (each step where steps are longer).
    Cost: O(n) for each hour of lead, whatever the number of origins: the sums of the normal equations are
    running sums.
    """
    day = history.per_day
    lo = max(0, int(origins.min()) - (_USUAL_DAYS + _FIT_DAYS + 14) * day - n_leads)
    values = history.values[lo:]
    past = _Past(values, day)
    stride = max(1, day // 24)
    at = origins - lo
    samples = np.arange(-lo % stride, int(at.max()) + 1, stride)  # the same ones from any origin
    found = np.empty((len(origins), n_leads))
    for lead in range(0, n_leads, stride):
        weights = _weights(past, values, samples, at, lead, stride)
        for ahead in range(lead, min(lead + stride, n_leads)):
            features, usual = past.features(at, ahead)
            found[:, ahead] = usual + np.einsum("ij,ij->i", np.nan_to_num(features), weights)
    return found


class _Past:
    """What is looked up for every lead, each place reading only itself and what came before."""

    def __init__(self, values: FloatArray, day: int) -> None:
        self.day = day
        self.usual = trailing_mean(values, period=day, n_periods=_USUAL_DAYS)
        self.yesterday = filled_back(values, day, 2)
        self.last_week = filled_back(values, 7 * day, 1)
        off = np.concatenate(([np.nan], values - self.usual))  # place i is what was known before i
        self.last = filled_back(off, 1, max(1, day // 8))
        self.level = _running_mean(off, day)

    def features(self, origins: IntArray, lead: int) -> tuple[FloatArray, FloatArray]:
        """Return the features, shape (n, 5), and the usual value, shape (n,), of a step ahead."""
        at_day = origins + lead - self.day * (lead // self.day + 1)
        week = 7 * self.day
        at_week = origins + lead - week * (lead // week + 1)
        usual = looked_up(self.usual, at_day)
        columns = (
            looked_up(self.yesterday, at_day) - usual,
            looked_up(self.last_week, at_week) - usual,
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


def _weights(
    past: _Past, values: FloatArray, samples: IntArray, origins: IntArray, lead: int, stride: int
) -> FloatArray:
    """Return the weights of each origin at a lead, shape (n_origins, 5), from what was known at it."""
    used = samples[samples + lead < len(values)]
    features, usual = past.features(used, lead)
    wanted = values[used + lead] - usual
    is_known = ~(np.isnan(features).any(axis=1) | np.isnan(wanted))
    rows = np.where(is_known[:, None], np.column_stack((features, wanted)), 0.0)
    products = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    sums = np.concatenate((np.zeros((1, products.shape[1])), np.cumsum(products, axis=0)))
    after = np.searchsorted(used + lead, origins)  # samples whose target is known by then
    first = np.clip(after - _FIT_DAYS * past.day // stride, 0, None)
    gram = (sums[after] - sums[first]).reshape(-1, _N_FEATURES + 1, _N_FEATURES + 1)
    return _solved(gram)


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
