"""The typical intensity of a zone: no network, no key, and a range that says how little it knows.

A typical value is a *shape* (month by hour of the day, UTC) times the newest yearly mean. Its range
combines, as independent errors in the logarithm, what the weather did to windows of that length in the
source years, how yearly means drift with age, and what other methods and imports make of the same year.
How all of it was derived: ``docs/explanation/typical-profiles.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log
from typing import TYPE_CHECKING, Final

from lowtide.data.intensity import (
    KnownFactors,
    TypicalProfile,
    Widening,
    YearlyMean,
    level_class,
    typical_profile,
    widening,
    window_spread,
    yearly_mean,
)
from lowtide.data.zones import Zone, has_profile
from lowtide.data.zones import zone as find_zone
from lowtide.errors import SeriesError, ZoneError
from lowtide.model.signal import Signal, Spread
from lowtide.quantities import format_instant
from lowtide.units import NS_PER_H, NS_PER_S

if TYPE_CHECKING:
    from lowtide.series.steps import FloatArray, IntArray
    from lowtide.series.types import IntensitySeries

__all__ = ["has_profile", "typical_intensity", "typical_signal"]

_S_PER_YEAR: Final = 365.2425 * 86400.0
_UNIX_EPOCH_YEAR: Final = 1970.0
_LOWEST_FRACTION: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What stands behind a zone's typical value: its shape if any, and whose yearly mean."""

    zone: Zone
    mean: YearlyMean
    profile: TypicalProfile | None

    @property
    def of_parent(self) -> bool:
        return self.mean.zone != self.zone.key


def typical_intensity(
    zone: str, start_ns: int, end_ns: int, *, factors: KnownFactors = "lifecycle"
) -> IntensitySeries:
    """Return the typical intensity of a zone over a window.

    Parameters
    ----------
    zone : str
        A zone in any case, or a cloud region such as ``aws:us-west-2``.
    start_ns, end_ns : int
        The window ``[start, end)`` [ns since 1970 UTC]; it may be in the future.
    factors : {"lifecycle", "direct"}

    Returns
    -------
    IntensitySeries
        Steps that end on whole hours UTC, first and last one cut to the window; all of status
        ``typical``. A zone without a shape has one step of the yearly mean, and its signal says
        ``time_resolved=False``; a zone without a mean of its own has that of its parent, and says so.

    Raises
    ------
    ZoneError
        If the zone is unknown, or no yearly mean is known for it or its parent.
    SeriesError
        If the window is empty.

    Examples
    --------
    >>> from lowtide.quantities import parse_instant_ns
    >>> start_ns, end_ns = (parse_instant_ns(f"2026-06-01T{h}:30Z") for h in (10, 12))
    >>> series = typical_intensity("DE", start_ns, end_ns)
    >>> len(series.intensity_g_per_kwh), series.signal.vintage
    (3, 'shape 2020-2021, level 2023')
    """
    from lowtide.series.types import IntensitySeries

    if end_ns <= start_ns:
        window = f"{format_instant(start_ns)} to {format_instant(end_ns)}"
        raise SeriesError(f"no typical intensity for an empty window, {window}; end must come after start")
    known = _known(zone, factors)
    signal = _signal(known, (start_ns + end_ns) // 2)
    if known.profile is None:
        return IntensitySeries.of([start_ns, end_ns], [known.mean.g_per_kwh], signal=signal, status="typical")
    edges_ns = _hourly_edges(start_ns, end_ns)
    values = _shape_at(known.profile, edges_ns[:-1]) * known.mean.g_per_kwh
    return IntensitySeries.of(edges_ns, values, signal=signal, status="typical")


def typical_signal(zone: str, t_ns: int, *, factors: KnownFactors = "lifecycle") -> Signal:
    """Return what :func:`typical_intensity` says about itself around an instant, without numpy.

    Raises
    ------
    ZoneError
        As there.
    """
    return _signal(_known(zone, factors), t_ns)


def _known(zone: str, factors: KnownFactors) -> _Known:
    here = find_zone(zone)
    mean = yearly_mean(here.key, factors)
    if mean is not None:
        return _Known(zone=here, mean=mean, profile=typical_profile(here.key, factors))
    of_parent = yearly_mean(here.parent, factors) if here.parent else None
    if of_parent is None:
        raise ZoneError(
            f"no typical {factors} intensity for {here.key} ({here.name}): no yearly mean is known; "
            "give one with --intensity G, or a file or provider that covers it"
        )
    return _Known(zone=here, mean=of_parent, profile=None)


def _hourly_edges(start_ns: int, end_ns: int) -> IntArray:
    import numpy as np

    whole = np.arange((start_ns // NS_PER_H + 1) * NS_PER_H, end_ns, NS_PER_H, dtype=np.int64)
    ends = np.array([start_ns, end_ns], dtype=np.int64)
    return np.concatenate((ends[:1], whole, ends[1:]))


def _shape_at(profile: TypicalProfile, t_ns: IntArray) -> FloatArray:
    import numpy as np

    hours = t_ns // NS_PER_H
    month = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12
    return np.array(profile.shape)[month, hours % 24]


def _signal(known: _Known, middle_ns: int) -> Signal:
    mean, profile = known.mean, known.profile
    shape = f"shape {profile.period}, " if profile else ""
    return Signal(
        zone=known.zone.key,
        factors=mean.factors,
        flow=mean.flow,
        source=_source(known),
        vintage=f"{shape}level {mean.year}",
        time_resolved=profile is not None,
        spread=_spread(known, _age_years(mean, middle_ns)),
    )


def _source(known: _Known) -> str:
    if known.profile is not None:
        return f"typical: {known.mean.source}; shape ({known.profile.flow}) {known.profile.source}"
    if known.of_parent:
        whose = f"of {known.mean.zone} as none is known for {known.zone.key}"
        return f"typical, yearly mean only, {whose}: {known.mean.source}"
    return f"typical, yearly mean only: {known.mean.source}"


def _age_years(mean: YearlyMean, t_ns: int) -> float:
    """Return the years from the middle of the level's year to an instant, negative before it."""
    return _UNIX_EPOCH_YEAR + t_ns / NS_PER_S / _S_PER_YEAR - (mean.year + 0.5)


def _spread(known: _Known, age_years: float) -> Spread:
    mean, profile = known.mean, known.profile
    zone = profile.zone if profile else level_class(mean.g_per_kwh, mean.factors)
    windows = window_spread(zone, mean.factors)
    terms = _terms(known, age_years)
    lows, highs = [low for low, _ in terms], [high for _, high in terms]
    return Spread(
        hours=windows.hours,
        low_fraction=tuple(exp(-_distance(low, lows)) for low in windows.low_fraction),
        high_fraction=tuple(exp(_distance(high, highs)) for high in windows.high_fraction),
        note=_note(known, age_years),
    )


def _terms(known: _Known, age_years: float) -> list[tuple[float, float]]:
    """Return the other reasons for a range, (low, high) each."""
    mean = known.mean
    alike = level_class(mean.g_per_kwh, mean.factors)
    drift = _drift(widening("vintage_1y", mean.factors, alike), age_years)
    terms = [drift, (max(mean.low_fraction, _LOWEST_FRACTION), mean.high_fraction)]
    others: list[Widening] = []
    if mean.flow == "production":
        others.append(widening("method", mean.factors, alike))
    if known.of_parent:
        others.append(widening("parent", mean.factors, alike))
    return terms + [(term.low_fraction, term.high_fraction) for term in others]


def _drift(one_year: Widening, age_years: float) -> tuple[float, float]:
    """Return the range of a yearly mean some years after the level, or before it."""
    grown = abs(age_years) ** one_year.growth_power
    low, high = one_year.low_fraction**grown, one_year.high_fraction**grown
    return (low, high) if age_years >= 0.0 else (1.0 / high, 1.0 / low)


def _distance(fraction: float, others: list[float]) -> float:
    """Return how far independent errors reach together: their logarithms add as squares."""
    return hypot(log(fraction), *(log(other) for other in others))


def _note(known: _Known, age_years: float) -> str:
    parts = ["weather and season", f"a level {abs(age_years):.1f} years away"]
    if known.mean.flow == "production":
        parts.append("method and imports")
    if known.of_parent:
        parts.append("a part of the country for the whole")
    return "typical value; range for " + ", ".join(parts)
