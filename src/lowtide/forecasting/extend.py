"""A known series, continued by a forecast."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.forecasting.forecast import Forecast
from lowtide.series.types import IntensitySeries

__all__ = ["blended", "extended"]


def extended(
    series: IntensitySeries, forecast: Forecast, *, keep_given: bool = False, risk: float = 0.0
) -> IntensitySeries:
    """Return a series up to a forecast, and the forecast from there; each step keeps its status.

    Parameters
    ----------
    series : IntensitySeries
        Of the same basis, factors, flow and zone.
    forecast : Forecast
    keep_given : bool
        Keep what the series gives after the forecast was made (a provider's own forecast, say) and continue
        after its last known step. Without it nothing after the issue is taken from the series.
    risk : float
        See :func:`blended`.

    Returns
    -------
    IntensitySeries
        Time between the end of the series and the forecast is NaN. The signal is that of the series; its
        source names the forecast too.

    Raises
    ------
    InputError
        If the two are not of one kind.
    """
    ahead = blended(forecast, risk)
    _check_alike(series, ahead)
    known = np.flatnonzero(~np.isnan(series.intensity_g_per_kwh))
    given_ns = int(series.edges_ns[known[-1] + 1]) if len(known) else series.start_ns
    turn_ns = max(given_ns, ahead.start_ns) if keep_given else ahead.start_ns
    parts = []
    if series.start_ns < turn_ns:
        parts.append(series.clip(start_ns=series.start_ns, end_ns=turn_ns))
    if turn_ns < ahead.end_ns:
        parts.append(ahead.clip(start_ns=turn_ns, end_ns=ahead.end_ns))
    return _joined(parts, series, ahead)


def blended(forecast: Forecast, risk: float) -> IntensitySeries:
    """Return what to plan on: ``(1 - risk)`` times the median plus ``risk`` times the 90 % quantile.

    Parameters
    ----------
    forecast : Forecast
    risk : float
        From 0, the median, to 1, the intensity that is exceeded once in ten: hours that were often worse than
        forecast then look dear, and a plan avoids them. Where no quantile is known it is the median.

    Raises
    ------
    InputError
        If it is not from 0 to 1.
    """
    if not 0.0 <= risk <= 1.0:
        raise InputError(
            f"a risk of {risk:g} is no share; give one from 0 (the median) to 1 (the 90 % quantile)"
        )
    if risk == 0.0:
        return forecast.intensity
    median = forecast.intensity.intensity_g_per_kwh
    upper = forecast.quantile(0.9).intensity_g_per_kwh
    values = (1.0 - risk) * median + risk * np.where(np.isnan(upper), median, upper)
    signal = replace(forecast.intensity.signal, source=f"{forecast.source}, risk {risk:g}")
    return replace(forecast.intensity, intensity_g_per_kwh=values, signal=signal)


def _check_alike(series: IntensitySeries, ahead: IntensitySeries) -> None:
    for what in ("basis", "factors", "flow", "zone"):
        a, b = getattr(series.signal, what), getattr(ahead.signal, what)
        if a != b:
            raise InputError(
                f"a series of {what} {a} cannot be continued by a forecast of {what} {b}; take the same history"
            )


def _joined(parts: list[IntensitySeries], series: IntensitySeries, ahead: IntensitySeries) -> IntensitySeries:
    """Return parts one after the other, NaN in between."""
    edges: list[IntArray] = [parts[0].edges_ns]
    values: list[FloatArray] = [parts[0].intensity_g_per_kwh]
    status = [parts[0].status]
    for before, part in pairwise(parts):
        if before.end_ns < part.start_ns:
            edges.append(part.edges_ns[:1])
            values.append(np.array([np.nan]))
            status.append(part.status[:1])
        edges.append(part.edges_ns[1:])
        values.append(part.intensity_g_per_kwh)
        status.append(part.status)
    source = (
        f"{series.signal.source}, then {ahead.signal.source}" if len(parts) == 2 else parts[0].signal.source
    )
    return IntensitySeries(
        edges_ns=np.concatenate(edges),
        intensity_g_per_kwh=np.concatenate(values),
        status=np.concatenate(status),
        signal=replace(series.signal, source=source, spread=ahead.signal.spread),
    )
