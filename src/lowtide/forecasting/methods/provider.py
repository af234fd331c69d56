"""The provider's own forecast, as a method like any other: its past errors become its quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import SeriesError
from lowtide.forecasting.history import History
from lowtide.series import steps
from lowtide.series.types import IntensitySeries

__all__ = ["IssuedForecasts", "ProviderColumn"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProviderColumn:
    """One forecast of each step, whenever it was made: a day-ahead column beside the actual values.

    When each value was published is not known, so it is taken as known at every origin: an optimistic reading
    for columns that were updated later.

    Attributes
    ----------
    column : IntensitySeries
    name : str
    """

    column: IntensitySeries
    name: str = "provider"

    def predict(self, history: History, origins: IntArray, n_leads: int) -> FloatArray:
        """Return the column's values after each origin, shape (n_origins, n_leads)."""
        middles = history.start_ns + (origins[:, None] + np.arange(n_leads)) * history.step_ns
        middles = middles + history.step_ns // 2
        return steps.at(self.column.edges_ns, self.column.intensity_g_per_kwh, middles)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IssuedForecasts:
    """Forecasts as they were published, one after the other; the latest one known counts.

    Attributes
    ----------
    issued_ns : int64 array, shape (m,)
        When each was published, which is where its first step begins [ns]; increasing.
    step_ns : int
    values : float64 array, shape (m, n)
        What each said of the n steps from its issue on [g/kWh].
    name : str
    """

    issued_ns: IntArray
    step_ns: int
    values: FloatArray
    name: str = "provider"

    def __post_init__(self) -> None:
        if len(self.values) != len(self.issued_ns) or np.any(np.diff(self.issued_ns) <= 0):
            raise SeriesError(
                f"{len(self.values)} forecasts and {len(self.issued_ns)} issues; give one each, in order of time"
            )

    def predict(self, history: History, origins: IntArray, n_leads: int) -> FloatArray:
        """Return what the latest forecast before each origin says, shape (n_origins, n_leads)."""
        known_ns = history.start_ns + origins * history.step_ns
        latest = np.searchsorted(self.issued_ns, known_ns, side="right") - 1
        row = np.maximum(latest, 0)
        ahead = known_ns[:, None] + np.arange(n_leads) * history.step_ns + history.step_ns // 2
        column = (ahead - self.issued_ns[row][:, None]) // self.step_ns
        inside = (latest[:, None] >= 0) & (column >= 0) & (column < self.values.shape[1])
        column = np.clip(column, 0, self.values.shape[1] - 1)
        return np.where(inside, self.values[row[:, None], column], np.nan)
