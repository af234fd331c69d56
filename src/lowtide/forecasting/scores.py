"""How good forecasts were: errors, order, quantiles and coverage, by lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray
from lowtide.errors import InputError
from lowtide.forecasting.rolling import Rolled
from lowtide.units import NS_PER_H

__all__ = [
    "BANDS_H",
    "Scores",
    "coverage",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "pinball",
    "rank_correlation",
    "ranks",
    "score",
]

BANDS_H: Final = (6, 12, 24, 48, 96, 168)
"""Where bands of leads end [h]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One method's scores over a band of leads; None is unknown.

    Attributes
    ----------
    method : str
    from_h, to_h : float
        Leads of the band [h], half open.
    n_origins, n_steps : int
        Forecasts, and steps of them that are known on both sides.
    mean_absolute_error_g_per_kwh : float or None
    bias_g_per_kwh : float or None
        Mean of forecast minus truth.
    mean_absolute_percentage_error : float or None
        A fraction; None where any truth is not positive.
    rank_correlation : float or None
        Mean over forecasts of Spearman's coefficient inside the band: whether the order of the steps, which is
        what a plan follows, was right.
    pinball_g_per_kwh : tuple of (float, float or None)
        Level and mean pinball loss.
    coverage_90 : float or None
        Share of the truth inside the 90 % interval; None without the levels 0.05 and 0.95.
    """

    method: str
    from_h: float
    to_h: float
    n_origins: int
    n_steps: int
    mean_absolute_error_g_per_kwh: float | None
    bias_g_per_kwh: float | None
    mean_absolute_percentage_error: float | None
    rank_correlation: float | None
    pinball_g_per_kwh: tuple[tuple[float, float | None], ...]
    coverage_90: float | None


def mean_absolute_error(points: FloatArray, actual: FloatArray) -> float | None:
    """Return the mean of |forecast - truth| over what is known; None where nothing is.

    >>> mean_absolute_error(np.array([1.0, 5.0, 9.0]), np.array([2.0, 2.0, np.nan]))
    2.0
    """
    return _mean(np.abs(points - actual))


def mean_absolute_percentage_error(points: FloatArray, actual: FloatArray) -> float | None:
    """Return the mean of |forecast - truth| / truth; None where any truth that counts is not positive.

    >>> mean_absolute_percentage_error(np.array([90.0, 50.0]), np.array([100.0, 40.0]))
    0.175
    """
    known = ~(np.isnan(points) | np.isnan(actual))
    if not known.any() or not (actual[known] > 0.0).all():
        return None
    return float(np.mean(np.abs(points[known] - actual[known]) / actual[known]))


def pinball(quantile: FloatArray, actual: FloatArray, level: float) -> float | None:
    """Return the mean pinball loss of a quantile: the higher the farther it is on the wrong side.

    Source: Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.

    >>> pinball(np.array([10.0, 10.0]), np.array([14.0, 8.0]), 0.75)  # 0.75 * 4 and 0.25 * 2
    1.75
    """
    above = actual - quantile
    return _mean(np.maximum(level * above, (level - 1.0) * above))


def coverage(low: FloatArray, high: FloatArray, actual: FloatArray) -> float | None:
    """Return the share of known truth inside ``[low, high]``, None where nothing is known.

    >>> coverage(np.array([1.0, 1.0]), np.array([3.0, 3.0]), np.array([2.0, 4.0]))
    0.5
    """
    known = ~(np.isnan(low) | np.isnan(high) | np.isnan(actual))
    inside = (actual >= low) & (actual <= high)
    return float(np.mean(inside[known])) if known.any() else None


def ranks(rows: FloatArray) -> FloatArray:
    """Return ranks along each row from 0; equal values share their mean rank.

    >>> ranks(np.array([[30.0, 10.0, 30.0]])).tolist()
    [[1.5, 0.0, 1.5]]
    """
    n_rows, n = rows.shape
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    is_new = np.ones((n_rows, n), dtype=np.bool_)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.flatnonzero(is_new)
    length = np.diff(np.append(first, rows.size))
    shared = np.repeat(first % n + (length - 1) / 2.0, length).reshape(n_rows, n)
    found = np.empty((n_rows, n))
    np.put_along_axis(found, order, shared, axis=1)
    return found


def rank_correlation(points: FloatArray, actual: FloatArray) -> float | None:
    """Return the mean over rows of Spearman's coefficient between forecast and truth.

    Rows with an unknown value, and those flat on either side, have none; None where no row has.

    >>> rank_correlation(np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 30.0, 20.0]]))
    0.5
    """
    known = ~(np.isnan(points).any(axis=1) | np.isnan(actual).any(axis=1))
    if not known.any():
        return None
    a, b = ranks(points[known]), ranks(actual[known])
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    sloped = size > 0.0
    if not sloped.any():
        return None
    return float(np.mean((a * b).sum(axis=1)[sloped] / size[sloped]))


def score(rolled: Rolled, *, bands_h: Sequence[float] = BANDS_H) -> tuple[Scores, ...]:
    """Return the scores of a method over all leads, then by band of leads.

    Parameters
    ----------
    rolled : Rolled
    bands_h : sequence of float
        Where bands end [h], increasing; those beyond the forecast are left out. One band alone is not
        repeated.

    Raises
    ------
    InputError
        If a band is empty.
    """
    n_leads = rolled.points.shape[1]
    if any(b <= a for a, b in zip((0.0, *bands_h), bands_h, strict=False)):
        raise InputError(
            f"bands of leads must end later and later, got {', '.join(f'{b:g} h' for b in bands_h)}"
        )
    ends = [min(-(-round(end * NS_PER_H) // rolled.step_ns), n_leads) for end in bands_h]
    ends = list(dict.fromkeys([*ends, n_leads]))
    whole = _band(rolled, 0, n_leads)
    if len(ends) == 1:
        return (whole,)
    return (whole, *(_band(rolled, a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)))


def _band(rolled: Rolled, first: int, after: int) -> Scores:
    points, actual = rolled.points[:, first:after], rolled.actual[:, first:after]
    by_level = {level: rolled.quantiles[:, i, first:after] for i, level in enumerate(rolled.levels)}
    ends = by_level.get(0.05), by_level.get(0.95)
    return Scores(
        method=rolled.method,
        from_h=first * rolled.step_ns / NS_PER_H,
        to_h=after * rolled.step_ns / NS_PER_H,
        n_origins=len(points),
        n_steps=int(np.sum(~np.isnan(points - actual))),
        mean_absolute_error_g_per_kwh=mean_absolute_error(points, actual),
        bias_g_per_kwh=_mean(points - actual),
        mean_absolute_percentage_error=mean_absolute_percentage_error(points, actual),
        rank_correlation=rank_correlation(points, actual),
        pinball_g_per_kwh=tuple((level, pinball(q, actual, level)) for level, q in by_level.items()),
        coverage_90=None if ends[0] is None or ends[1] is None else coverage(ends[0], ends[1], actual),
    )


def _mean(values: FloatArray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if len(known) else None
