"""Making one forecast: a method's median, and quantiles from its own past errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, inf
from typing import Final, Protocol

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.forecasting.errors import N_DAYS, bounds_about, error_quantiles
from lowtide.forecasting.forecast import LEVELS, Forecast
from lowtide.forecasting.history import History, history_until
from lowtide.model.signal import Signal, Spread
from lowtide.quantities import format_duration
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, ns_from_s

__all__ = ["Method", "days_to_wait", "issue", "least_of", "steps_ahead"]

_LONGEST_S: Final = 366 * 86400.0
_SPREAD_HOURS: Final = (1, 3, 6, 12, 24, 48, 96)


class Method(Protocol):
    """A way to forecast: a module or object with a name and a function for many origins at once."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def predict(self, history: History, origins: IntArray, n_leads: int) -> FloatArray:
        """Return the median after each origin, shape (n_origins, n_leads), NaN where it knows nothing.

        Origin i is the place of the first step not known: of ``history.values`` only those before it are
        read.
        """
        ...


def issue(
    method: Method,
    series: IntensitySeries,
    *,
    now_ns: int,
    horizon_s: float,
    levels: Sequence[float] = LEVELS,
) -> Forecast:
    """Return the forecast a method makes at an instant.

    Parameters
    ----------
    method : Method
    series : IntensitySeries
        The history; what ends after `now_ns` is not read.
    now_ns : int
        When it is made [ns].
    horizon_s : float
        How far it must reach from then [s].
    levels : sequence of float
        Quantile levels, increasing.

    Returns
    -------
    Forecast
        On steps of the history, from the one that holds `now_ns` on.

    Raises
    ------
    CoverageError
        If nothing is known at that instant.
    InputError
        If the horizon is not positive, or the steps of the history do not divide a day.

    Notes
    -----
    The errors are those of the same method at the same time of day on the last :data:`N_DAYS` days whose
    whole horizon has passed, each with what was known then.
    """
    history = history_until(series, now_ns)
    n_leads = steps_ahead(history, now_ns, horizon_s)
    past = history.n - (days_to_wait(history, n_leads) + np.arange(N_DAYS)) * history.per_day
    past = past[past > 0]
    medians = method.predict(history, np.append(past, history.n), n_leads)
    actual, before = history.targets(past, n_leads), medians[:-1]
    errors = actual - before
    points = np.maximum(medians[-1], least_of(history.signal))
    offsets = error_quantiles(errors.T, levels).T
    signal = _signal(history.signal, method.name, spread=_spread(actual, before, history.step_ns))
    return Forecast(
        issued_ns=now_ns,
        intensity=IntensitySeries.of(
            history.edges_ns(history.n, n_leads), points, signal=signal, status="forecast"
        ),
        levels=tuple(levels),
        quantiles=bounds_about(points, offsets, levels, least=least_of(history.signal)),
        method=method.name,
        n_errors=int(np.sum(~np.isnan(errors), axis=0).min()) if len(past) else 0,
        notes=tuple(_notes(history, points, offsets)),
    )


def steps_ahead(history: History, now_ns: int, horizon_s: float) -> int:
    """Return how many steps from the end of the history reach `horizon_s` beyond an instant.

    Raises
    ------
    InputError
        If the horizon is not positive, or longer than a year.
    """
    if not 0.0 < horizon_s < inf:
        raise InputError(f"a horizon of {horizon_s:g} s reaches nowhere; give one like 48h")
    if horizon_s > _LONGEST_S:
        raise InputError(
            f"a horizon of {format_duration(horizon_s)} is longer than any forecast; give 366d or less"
        )
    return -(-(now_ns + ns_from_s(horizon_s) - history.end_ns) // history.step_ns)


def days_to_wait(history: History, n_leads: int) -> int:
    """Return the days after which a whole forecast can be compared with what came."""
    return ceil(n_leads / history.per_day)


def least_of(signal: Signal) -> float:
    """Return what no value of this basis is below [g/kWh]."""
    return 0.0 if signal.basis == "average" else -inf


def _signal(signal: Signal, method: str, *, spread: Spread | None) -> Signal:
    return replace(signal, source=f"{method} forecast of {signal.source}", vintage="", spread=spread)


def _spread(actual: FloatArray, before: FloatArray, step_ns: int) -> Spread | None:
    """Return the 90 % interval of windows from now on, as actual over forecast mean; None if not known."""
    hours, low, high = [], [], []
    for length in _SPREAD_HOURS:
        n = length * NS_PER_H // step_ns
        if not 0 < n <= actual.shape[1]:
            continue
        was, expected = actual[:, :n].mean(axis=1), before[:, :n].mean(axis=1)
        ratio = np.divide(was, expected, out=np.full(len(was), np.nan), where=(expected > 0.0) & (was > 0.0))
        ends = error_quantiles(ratio, (0.05, 0.95))
        if np.isfinite(ends).all():
            hours.append(float(length))
            low.append(float(ends[0]))
            high.append(float(ends[1]))
    if not hours:
        return None
    note = "past errors of the same forecaster, window from the issue on"
    return Spread(hours=tuple(hours), low_fraction=tuple(low), high_fraction=tuple(high), note=note)


def _notes(history: History, points: FloatArray, offsets: FloatArray) -> list[str]:
    recent = history.values[-28 * history.per_day :]
    notes = []
    unknown = int(np.isnan(recent).sum())
    if unknown:
        notes.append(f"{unknown} of the last {len(recent)} steps of the history are unknown")
    if np.isnan(points).any():
        notes.append(
            f"{int(np.isnan(points).sum())} of {len(points)} steps ahead cannot be told: the history is too short"
        )
    if np.isnan(offsets).any():
        notes.append("no quantiles where fewer than 19 past errors are known: the history is too short")
    return notes
