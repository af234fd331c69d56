"""Which method did best lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.errors import InputError, near_matches
from lowtide.forecasting.history import history_until
from lowtide.forecasting.issue import Method, days_to_wait, steps_ahead
from lowtide.forecasting.methods import blend, climatology, persistence_day, persistence_week
from lowtide.forecasting.rolling import points_from
from lowtide.forecasting.scores import mean_absolute_error
from lowtide.series.types import IntensitySeries

__all__ = ["METHODS", "Chosen", "best_method", "method_called"]

METHODS: Final[tuple[Method, ...]] = (persistence_day, persistence_week, climatology, blend)
"""Our own methods, the simplest first."""
_DAYS: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A method, and how it compares.

    Attributes
    ----------
    method : Method
    errors_g_per_kwh : tuple of (str, float or None)
        Name and mean absolute error of each method that was compared; None where it knew nothing.
    n_origins : int
        Forecasts that were compared, 0 where the first method is taken for want of a past.
    """

    method: Method
    errors_g_per_kwh: tuple[tuple[str, float | None], ...]
    n_origins: int


def method_called(name: str, *, methods: Sequence[Method] = METHODS) -> Method:
    """Return a method by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    known = {method.name: method for method in methods}
    if name not in known:
        raise InputError(
            f"no forecaster {name!r}{near_matches(name, known)}; there are {', '.join(known)}, auto"
        )
    return known[name]


def best_method(
    series: IntensitySeries, *, now_ns: int, horizon_s: float, methods: Sequence[Method] = METHODS
) -> Chosen:
    """Return the method of least mean absolute error on the last four weeks, at this time of day.

    Of equally good ones the first is taken. Only steps that all methods told are compared; one that tells
    fewer than half of what another tells is not taken.

    Parameters
    ----------
    series : IntensitySeries
        The history; what ends after `now_ns` is not read.
    now_ns : int
    horizon_s : float
    methods : sequence of Method

    Raises
    ------
    CoverageError, InputError
        As :func:`lowtide.forecasting.issue.issue`.
    """
    history = history_until(series, now_ns)
    n_leads = steps_ahead(history, now_ns, horizon_s)
    days = days_to_wait(history, n_leads) + np.arange(_DAYS)
    origins = history.n - days[::-1] * history.per_day
    origins = origins[origins > 0]
    if not len(origins):
        return Chosen(method=methods[0], errors_g_per_kwh=(), n_origins=0)
    actual = history.targets(origins, n_leads)
    found = [points_from(method, history, origins, n_leads) for method in methods]
    told = [int(np.sum(~np.isnan(points - actual))) for points in found]
    fit = [2 * n >= max(told) > 0 for n in told]
    shared = actual + sum(points * 0.0 for points, ok in zip(found, fit, strict=True) if ok)
    errors = [
        mean_absolute_error(points, shared) if ok else None for points, ok in zip(found, fit, strict=True)
    ]
    known = [(error, i) for i, error in enumerate(errors) if error is not None]
    return Chosen(
        method=methods[min(known)[1] if known else 0],
        errors_g_per_kwh=tuple((method.name, error) for method, error in zip(methods, errors, strict=True)),
        n_origins=len(origins),
    )
