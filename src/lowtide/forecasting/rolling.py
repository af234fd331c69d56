"""Forecasts from many origins in the past, each with what was known then, beside what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.forecasting.errors import bounds_about, rolling_error_quantiles
from lowtide.forecasting.forecast import LEVELS
from lowtide.forecasting.history import DAY_NS, History
from lowtide.forecasting.issue import Method, days_to_wait, least_of
from lowtide.quantities import format_duration
from lowtide.units import NS_PER_S, ns_from_s

__all__ = ["Rolled", "origins_every", "points_from", "roll"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rolled:
    """One method's forecasts and what came.

    Attributes
    ----------
    method : str
    origins : int64 array, shape (n,)
        Places in the history of each forecast's first step.
    step_ns : int
    points, actual : float64 arrays, shape (n, n_leads)
        Median and truth [g/kWh]; NaN is unknown.
    levels : tuple of float
    quantiles : float64 array, shape (n, n_levels, n_leads)
    """

    method: str
    origins: IntArray
    step_ns: int
    points: FloatArray
    actual: FloatArray
    levels: tuple[float, ...]
    quantiles: FloatArray


def origins_every(history: History, every_s: float, *, n_leads: int, first_ns: int | None = None) -> IntArray:
    """Return the origins from which a whole forecast can be compared with what came.

    Parameters
    ----------
    history : History
    every_s : float
        Time between origins [s], a whole number of steps.
    n_leads : int
    first_ns : int, optional
        Not before this instant [ns]; without it two days after the history's start.

    Raises
    ------
    InputError
        If the time between origins is no whole number of steps, or no origin is left.
    """
    every, rest = divmod(ns_from_s(every_s), history.step_ns)
    if every < 1 or rest:
        step = format_duration(history.step_ns / NS_PER_S)
        raise InputError(f"origins every {every_s:g} s do not fall on steps of {step}; give a multiple of it")
    start_ns = history.start_ns + 2 * DAY_NS if first_ns is None else first_ns
    first = max(1, -(-(start_ns - history.start_ns) // history.step_ns))
    origins = np.arange(first, history.n - n_leads + 1, every, dtype=np.int64)
    if not len(origins):
        length, wanted = history.n * history.step_ns / NS_PER_S, n_leads * history.step_ns / NS_PER_S
        raise InputError(
            f"a history of {format_duration(length)} is too short to judge forecasts of {format_duration(wanted)}; "
            "give a longer one"
        )
    return origins


def points_from(method: Method, history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return a method's medians after each origin, never below what its basis allows."""
    return np.maximum(method.predict(history, origins, n_leads), least_of(history.signal))


def _daily(origins: IntArray, per_day: int) -> IntArray:
    """Return one origin a day to the last of those given, from the first whose error still counts."""
    place = int(origins[0]) % per_day or per_day
    return np.arange(place, int(origins[-1]) + 1, per_day, dtype=np.int64)


def roll(
    method: Method, history: History, origins: IntArray, n_leads: int, *, levels: Sequence[float] = LEVELS
) -> Rolled:
    """Return what a method would have said from each origin, quantiles included.

    Each row is what :func:`lowtide.forecasting.issue.issue` returns at that instant.

    Parameters
    ----------
    method : Method
    history : History
    origins : int64 array, shape (n,)
        Increasing.
    n_leads : int
    levels : sequence of float
        Quantile levels, increasing.

    Notes
    -----
    Cost: that of the method for one origin a day, and O(n n_leads log) to sort the errors of eight weeks.
    """
    phase = origins % history.per_day
    rows = [_daily(origins[phase == place], history.per_day) for place in np.unique(phase).tolist()]
    found = method.predict(history, np.concatenate(rows), n_leads)
    points = np.empty((len(origins), n_leads))
    offsets = np.empty((len(origins), len(levels), n_leads))
    begin = 0
    for daily in rows:
        mine = np.flatnonzero(phase == daily[0] % history.per_day)
        medians = found[begin : begin + len(daily)]
        begin += len(daily)
        at = (origins[mine] - daily[0]) // history.per_day
        errors = history.targets(daily, n_leads) - medians
        points[mine] = np.maximum(medians[at], least_of(history.signal))
        wait = days_to_wait(history, n_leads)
        offsets[mine] = rolling_error_quantiles(errors, levels, wait=wait)[at]
    return Rolled(
        method=method.name,
        origins=origins,
        step_ns=history.step_ns,
        points=points,
        actual=history.targets(origins, n_leads),
        levels=tuple(levels),
        quantiles=bounds_about(points, offsets, levels, least=least_of(history.signal)),
    )
