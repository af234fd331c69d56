"""Shapes by month and hour, and how far real windows stray from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from typical_mix import FloatArray, IntArray

WINDOW_HOURS: Final = (1, 3, 6, 12, 24, 72, 168, 336, 720)
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95
KNOWN_SHARE: Final = 0.9
DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
CELL_WEIGHT: Final = np.repeat(np.array(DAYS) / 365.0, 24) / 24.0

Years = Mapping[int, FloatArray]


def cells(year: int, n_hours: int) -> IntArray:
    """Return the cell (12 months x 24 hours, UTC) of each hour of a year."""
    start = np.datetime64(f"{year}-01-01T00", "h")
    hours = start + np.arange(n_hours)
    month = hours.astype("datetime64[M]").astype(np.int64) % 12
    return month * 24 + np.arange(n_hours) % 24


def year_profile(value: FloatArray, year: int) -> FloatArray:
    """Return the mean of each cell [g/kWh], shape (288,)."""
    cell, known = cells(year, len(value)), ~np.isnan(value)
    total = np.bincount(cell[known], value[known], minlength=288)
    return total / np.bincount(cell[known], minlength=288)


def year_mean(value: FloatArray, year: int) -> float:
    """Return the mean of a year [g/kWh], weighting cells so that dirty hours do not tilt it."""
    return float(year_profile(value, year) @ CELL_WEIGHT)


def shape(years: Years) -> FloatArray:
    """Return the mean shape of several years, each divided by its own mean; its yearly mean is 1."""
    each = [year_profile(value, year) / year_mean(value, year) for year, value in years.items()]
    mean = np.mean(each, axis=0)
    return np.asarray(mean / (mean @ CELL_WEIGHT))


def window_ratios(value: FloatArray, typical: FloatArray, hours: int) -> FloatArray:
    """Return actual over typical mean of every window of `hours` that is nearly all known."""
    known = ~np.isnan(value)
    actual = _window_sums(np.where(known, value, 0.0), hours)
    expected = _window_sums(np.where(known, typical, 0.0), hours)
    enough = _window_sums(known.astype(np.float64), hours) >= KNOWN_SHARE * hours
    return actual[enough] / expected[enough]


def _window_sums(value: FloatArray, hours: int) -> FloatArray:
    total = np.concatenate(([0.0], np.cumsum(value)))
    return np.asarray(total[hours:] - total[:-hours])


def _normalised(value: FloatArray, year: int) -> FloatArray:
    return value / year_mean(value, year)


def quantiles(ratios: Sequence[FloatArray]) -> tuple[float, float]:
    """Return the 5 % and 95 % quantile of all ratios."""
    low, high = np.quantile(np.concatenate(ratios), (LOW_QUANTILE, HIGH_QUANTILE))
    return float(low), float(high)


def in_sample(years: Years, hours: int) -> tuple[float, float]:
    """Return the quantiles of windows against the shape of their own year: too narrow."""
    ratios = []
    for year, value in years.items():
        typical = shape({year: value})[cells(year, len(value))]
        ratios.append(window_ratios(_normalised(value, year), typical, hours))
    return quantiles(ratios)


def left_out(years: Years, hours: int) -> tuple[float, float]:
    """Return the quantiles of each year's windows against the shape of the other years."""
    ratios = []
    for year, value in years.items():
        others = shape({y: v for y, v in years.items() if y != year})
        typical = others[cells(year, len(value))]
        ratios.append(window_ratios(_normalised(value, year), typical, hours))
    return quantiles(ratios)


def against_mean(newest: Mapping[str, tuple[int, FloatArray]], hours: int) -> tuple[float, float]:
    """Return the quantiles of windows against the year's mean, one year of each zone.

    Every country weighs the same, however many zones it has: what comes is most often a country.
    """
    ratios, weights = [], []
    for zone, (year, value) in newest.items():
        each = window_ratios(_normalised(value, year), np.ones(len(value)), hours)
        n_zones = sum(other[:2] == zone[:2] for other in newest)
        ratios.append(each)
        weights.append(np.full(len(each), 1.0 / len(each) / n_zones))
    return _weighted(np.concatenate(ratios), np.concatenate(weights))


def _weighted(ratios: FloatArray, weights: FloatArray) -> tuple[float, float]:
    order = np.argsort(ratios, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    low, high = np.searchsorted(share, (LOW_QUANTILE, HIGH_QUANTILE))
    return float(ratios[order][low]), float(ratios[order][high])


def inflation(zones: Sequence[Years], hours: int) -> tuple[float, float]:
    """Return how much wider left-out ranges are than in-sample ones, as powers: low, high."""
    low, high = [], []
    for years in zones:
        narrow, wide = in_sample(years, hours), left_out(years, hours)
        low.append(np.log(wide[0]) / np.log(narrow[0]))
        high.append(np.log(wide[1]) / np.log(narrow[1]))
    return float(np.median(low)), float(np.median(high))


def spread(years: Years, hours: int, powers: tuple[float, float]) -> tuple[float, float, str]:
    """Return low and high fraction of a window's mean, and how they were learnt."""
    if len(years) > 1:
        return (*left_out(years, hours), "left-out")
    low, high = in_sample(years, hours)
    return low ** powers[0], high ** powers[1], "inflated"


def low_and_high(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the 5 % and 95 % quantile, never past 1: widening must not shift."""
    low, high = np.quantile(ratios, (LOW_QUANTILE, HIGH_QUANTILE))
    return min(float(low), 1.0), max(float(high), 1.0)
