"""Persistence of a week: every step is as the latest known one at the same hour of the week."""

from __future__ import annotations

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.forecasting.repeating import repeated

__all__ = ["name", "predict"]

name = "persistence-week"


def predict(history: History, origins: IntArray, n_leads: int) -> FloatArray:
    """Return last week's values after each origin, shape (n_origins, n_leads).

    An unknown one is replaced by that of the week before, up to three times.
    """
    return repeated(history.values, origins, n_leads, period=7 * history.per_day, n_back=3)
