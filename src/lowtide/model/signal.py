"""What an intensity says about itself: basis, factors, flow, status, vintage, source, zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["STATUSES", "Basis", "Factors", "Flow", "Signal", "Spread", "Status"]

Basis = Literal["average", "marginal"]
Factors = Literal["lifecycle", "direct", "unknown"]
Flow = Literal["production", "consumption", "unknown"]
Status = Literal["measured", "estimated", "forecast", "typical"]

STATUSES: tuple[Status, ...] = ("measured", "estimated", "forecast", "typical")
"""Statuses in the order of their codes in :class:`~lowtide.series.IntensitySeries`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The 90 % interval of a window's mean intensity, by the window's length.

    Attributes
    ----------
    hours : tuple of float
        Window lengths [h], increasing.
    low_fraction, high_fraction : tuple of float
        Low and high end as a fraction of the mean, one per length: 0.8 and 1.3 mean -20 % to +30 %.
    note : str
        What the interval contains, in a few words.
    """

    hours: tuple[float, ...]
    low_fraction: tuple[float, ...]
    high_fraction: tuple[float, ...]
    note: str

    def at_hours(self, hours: float) -> tuple[float, float]:
        """Return (low, high) as fractions for a window of `hours` [h], held flat outside the table.

        Between two lengths the fractions are linear in the logarithm of the length.
        """
        from math import log

        if hours <= self.hours[0]:
            return self.low_fraction[0], self.high_fraction[0]
        for i in range(1, len(self.hours)):
            if hours <= self.hours[i]:
                w = log(hours / self.hours[i - 1]) / log(self.hours[i] / self.hours[i - 1])
                low = self.low_fraction[i - 1] * (1 - w) + self.low_fraction[i] * w
                high = self.high_fraction[i - 1] * (1 - w) + self.high_fraction[i] * w
                return low, high
        return self.low_fraction[-1], self.high_fraction[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What an intensity series is; two series with different signals are never mixed.

    Attributes
    ----------
    zone : str or None
        The key of the zone, None for a constant given by hand.
    basis : {"average", "marginal"}
        Average of all generation, or of the plants that would answer a change of load.
    factors : {"lifecycle", "direct", "unknown"}
        Whether upstream emissions of fuels and plants are in the grams.
    flow : {"production", "consumption", "unknown"}
        What is generated in the zone, or what is used there after exchange with neighbours.
    source : str
        Who says so, in words fit for a report.
    vintage : str
        The period the values come from (``"2020-2021, level 2023"``), empty when it is the run's own.
    time_resolved : bool
        False when only a yearly mean is known: shifting in time cannot be judged then.
    spread : Spread or None
        The 90 % interval of a window's mean; None when the source states none.
    """

    zone: str | None
    basis: Basis = "average"
    factors: Factors = "unknown"
    flow: Flow = "unknown"
    source: str
    vintage: str = ""
    time_resolved: bool = True
    spread: Spread | None = None
