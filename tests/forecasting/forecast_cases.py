"""Histories by hand and by chance, for the tests of forecasting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lowtide.model.signal import Signal
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries

H = 3600 * 10**9
DAY = 24 * H
START = parse_instant_ns("2024-01-01T00:00Z")  # a Monday
NAN = float("nan")


def history_of(
    values: Sequence[float] | np.ndarray, *, start_ns: int = START, step_ns: int = H, **signal: Any
) -> IntensitySeries:
    edges = start_ns + np.arange(len(values) + 1, dtype=np.int64) * step_ns
    return IntensitySeries.of(edges, list(values), signal=Signal(zone="X", source="made up", **signal))


def noisy(n_days: int, *, seed: int = 0, per_day: int = 24, gaps: float = 0.0) -> np.ndarray:
    """Return days with one noon each, weather that lasts some hours, and perhaps gaps."""
    rng = np.random.default_rng(seed)
    n = n_days * per_day
    weather = np.empty(n)
    level = 0.0
    for i, shock in enumerate(rng.normal(0.0, 15.0, n)):
        level = 0.95 * level + shock
        weather[i] = level
    values = 300.0 - 120.0 * np.sin(2 * np.pi * np.arange(n) / per_day) + weather
    values[rng.random(n) < gaps] = NAN
    return np.maximum(values, 1.0)
