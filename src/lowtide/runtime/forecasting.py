"""From a file of the past to a forecast, and to a series that goes on past the end of its data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError
from lowtide.forecasting.choose import METHODS, Chosen, best_method, method_called
from lowtide.forecasting.extend import extended
from lowtide.forecasting.forecast import Forecast
from lowtide.forecasting.issue import Method, issue
from lowtide.quantities import parse_asked_ns, parse_duration_s
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.model.signal import Basis, Factors

__all__ = [
    "METHOD_NAMES",
    "Extended",
    "ForecastMade",
    "extend",
    "make_forecast",
    "read_history",
]

METHOD_NAMES: Final = (*(method.name for method in METHODS), "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastMade:
    """A forecast, and how its method was chosen.

    Attributes
    ----------
    forecast : Forecast
    chosen : Chosen or None
        None where the method was named.
    """

    forecast: Forecast
    chosen: Chosen | None

    @property
    def words(self) -> str:
        """The method and why, in a sentence."""
        if self.chosen is None:
            return f"{self.forecast.method}, as asked for"
        if not self.chosen.n_origins:
            return f"{self.forecast.method}: the history is too short to compare methods"
        errors = [
            f"{name} {'unknown' if error is None else f'{error:.1f}'}"
            for name, error in self.chosen.errors_g_per_kwh
        ]
        return (
            f"{self.forecast.method}: least mean error over the last {self.chosen.n_origins} days "
            f"({', '.join(errors)} g/kWh)"
        )


def read_history(
    path: str | os.PathLike[str],
    *,
    zone: str | None = None,
    basis: Basis | None = None,
    factors: Factors | None = None,
) -> IntensitySeries:
    """Return the past of a zone from an intensity file.

    Raises
    ------
    DataFileError, ZoneError, MissingExtraError
        As :func:`lowtide.grid.files.read_intensity`.
    InputError
        If a number was given: a constant has no past to learn from.
    """
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, read_intensity

    if not os.path.exists(path) and constant_g_per_kwh(os.fspath(path)) is not None:
        raise InputError(f"{os.fspath(path)!r} is a constant, which has no past to learn from; give a file")
    return read_intensity(path, zone=zone, basis=basis, factors=factors, resolve=resolve_zone)


def make_forecast(
    history: IntensitySeries,
    *,
    now: str | int | None = None,
    horizon: str | float = "48h",
    method: str | Method = "auto",
) -> ForecastMade:
    """Return a forecast from a history.

    Parameters
    ----------
    history : IntensitySeries
    now : str or int, optional
        When it is made, ISO 8601 or [ns]; the end of the history's known values without it. Nothing stamped
        later is read.
    horizon : str or float
        How far it reaches from then, a duration or [s].
    method : str or Method
        One of :data:`METHOD_NAMES`. ``auto`` takes the one of least mean error over the last four weeks.

    Raises
    ------
    InputError
        If a value is wrong, or nothing is known by then.

    Examples
    --------
    >>> from lowtide.testing.builders import intensity_series
    >>> made = make_forecast(intensity_series([300.0, 100.0] * 48), horizon="6h", method="persistence-day")
    >>> made.forecast.intensity.intensity_g_per_kwh.tolist()
    [300.0, 100.0, 300.0, 100.0, 300.0, 100.0]
    """
    now_ns = _now(history, now)
    horizon_s = parse_duration_s(horizon) if isinstance(horizon, str) else float(horizon)
    chosen = None
    if method == "auto":
        chosen = best_method(history, now_ns=now_ns, horizon_s=horizon_s)
        found = chosen.method
    else:
        found = method_called(method) if isinstance(method, str) else method
    made = issue(found, history, now_ns=now_ns, horizon_s=horizon_s)
    return ForecastMade(forecast=made, chosen=chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A series that goes on past its data.

    Attributes
    ----------
    series : IntensitySeries
        Known values, then the forecast; each step has its status.
    made : ForecastMade or None
        None where the series reached far enough.
    """

    series: IntensitySeries
    made: ForecastMade | None


def extend(
    series: IntensitySeries,
    until_ns: int,
    *,
    now_ns: int | None = None,
    history: IntensitySeries | None = None,
    method: str | Method = "auto",
    keep_given: bool = True,
    risk: float = 0.0,
) -> Extended:
    """Return a series that reaches an instant, continued by a forecast where it does not.

    Parameters
    ----------
    series : IntensitySeries
    until_ns : int
        How far it must reach [ns].
    now_ns : int, optional
        When the forecast is made [ns]; the end of the known values of the history without it.
    history : IntensitySeries, optional
        What the forecast learns from; the series itself without it.
    method : str or Method
        See :func:`make_forecast`; also what :func:`lowtide.runtime.issued.read_forecasts` returns.
    keep_given : bool
        Keep what the series gives after `now_ns` and continue after its last known step; False takes
        nothing after `now_ns` from it (a backtest).
    risk : float
        Plan on ``(1 - risk) * median + risk * quantile(0.9)`` of the forecast.

    Raises
    ------
    InputError
        If a value is wrong, series and history are not of one kind, or nothing is known.
    """
    past = series if history is None else history
    now = _now(past, now_ns)
    reaches = _known_end(series) >= until_ns if keep_given else now >= until_ns
    if reaches:
        return Extended(series=series, made=None)
    made = make_forecast(past, now=now, horizon=(until_ns - now) / NS_PER_S, method=method)
    return Extended(
        series=extended(series, made.forecast, keep_given=keep_given, risk=risk),
        made=made,
    )


def _known_end(series: IntensitySeries) -> int:
    import numpy as np

    known = np.flatnonzero(~np.isnan(series.intensity_g_per_kwh))
    if not len(known):
        raise InputError("no known value in this history; a forecast needs some")
    return int(series.edges_ns[known[-1] + 1])


def _now(history: IntensitySeries, now: str | int | None) -> int:
    if now is None:
        return _known_end(history)
    return parse_asked_ns(now) if isinstance(now, str) else int(now)
