"""Persistence of a day: every step is as the latest known one at the same time of day.

The forecast every other has to beat.
"""

from __future__ import annotations

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.forecasting.repeating import repeated

__all__ = ["name", "predict"]

name = "persistence-day"


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return yesterday's values after each origin, shape (n_origins, n_leads).

    An unknown one is replaced by that of the day before, up to six times.
    """
    return repeated(history.values, origins, n_leads, period=history.per_day, n_back=6)
