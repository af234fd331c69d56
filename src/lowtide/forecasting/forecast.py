"""A forecast of intensity with its quantiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError, SeriesError
from lowtide.series.types import IntensitySeries

__all__ = ["LEVELS", "Forecast"]

LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Quantile levels every forecast carries; the outer two bound the 90 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """What was expected of the intensity at one instant, and how far such expectations were off before.

    Attributes
    ----------
    issued_ns : int
        When it was made [ns]: nothing stamped later was read.
    intensity : IntensitySeries
        The median [g/kWh], status ``forecast``; NaN where the method knows nothing.
    levels : tuple of float
        Quantile levels, increasing.
    quantiles : float64 array, shape (n_levels, n_steps)
        Intensity at each level [g/kWh]; NaN where too few past errors are known.
    method : str
    n_errors : int
        Past forecasts whose errors made the quantiles; of the step that has fewest.
    notes : tuple of str
        What a reader must know: gaps in the history, steps without a value.
    """

    issued_ns: int
    intensity: IntensitySeries
    levels: tuple[float, ...]
    quantiles: FloatArray
    method: str
    n_errors: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = (len(self.levels), len(self.intensity.intensity_g_per_kwh))
        if self.quantiles.shape != wanted:
            raise SeriesError(
                f"quantiles have the shape {self.quantiles.shape}; levels and steps need {wanted}"
            )

    @property
    def source(self) -> str:
        """Who says so, in words fit for a report."""
        return self.intensity.signal.source

    @property
    def start_ns(self) -> int:
        """Where its first step begins [ns]: at or just before `issued_ns`."""
        return self.intensity.start_ns

    @property
    def end_ns(self) -> int:
        """Where its last step ends [ns]."""
        return self.intensity.end_ns

    @property
    def lead_ns(self) -> IntArray:
        """From the first step's beginning to that of each step [ns], shape (n_steps,)."""
        return np.asarray(self.intensity.edges_ns[:-1] - self.intensity.edges_ns[0])

    def quantile(self, q: float) -> IntensitySeries:
        """Return the intensity at a level, linear between two levels.

        Parameters
        ----------
        q : float
            Between the first and the last of `levels`.

        Raises
        ------
        InputError
            If it is outside them: what lies there was not learnt.
        """
        low, high = self.levels[0], self.levels[-1]
        if not low <= q <= high:
            raise InputError(f"quantile {q:g} is outside what was learnt; give one from {low:g} to {high:g}")
        after = min(int(np.searchsorted(self.levels, q)), len(self.levels) - 1)
        values = self.quantiles[after]
        if self.levels[after] != q:
            share = (q - self.levels[after - 1]) / (self.levels[after] - self.levels[after - 1])
            values = (1.0 - share) * self.quantiles[after - 1] + share * values
        signal = replace(self.intensity.signal, source=f"{self.source}, {q:.0%} quantile")
        return replace(self.intensity, intensity_g_per_kwh=values, signal=signal)
