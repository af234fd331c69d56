"""What is known of a zone's intensity without asking anybody: shape, yearly mean, range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, cast

from lowtide.data.tables import Row, Table, read_table

__all__ = [
    "KnownFactors",
    "LevelClass",
    "TypicalProfile",
    "Widening",
    "WindowSpread",
    "YearlyMean",
    "level_class",
    "profiled_zones",
    "typical_profile",
    "widening",
    "window_spread",
    "yearly_mean",
]

KnownFactors = Literal["lifecycle", "direct"]
KnownFlow = Literal["production", "consumption"]
LevelClass = Literal["clean", "other"]
Term = Literal["vintage_1y", "method", "parent"]

_FACTORS: Final = ("lifecycle", "direct")
_FLOWS: Final = ("production", "consumption")
_KINDS: Final = ("published", "derived", "own")
_CLEAN_BELOW_G_PER_KWH: Final = {"lifecycle": 150.0, "direct": 100.0}
_HIGHEST_G_PER_KWH: Final = 1500.0
_HOURS: Final = tuple(f"h{hour:02d}" for hour in range(24))

_PROFILE_COLUMNS: Final = ("zone", "factors", "month", *_HOURS)
_LEVEL_COLUMNS: Final = (
    "zone", "factors", "g_per_kwh", "level_year", "level_flow", "level_kind", "level_source",
    "low_fraction", "high_fraction", "shape_period", "shape_flow", "shape_source",
)  # fmt: skip
_COUNTRY_COLUMNS: Final = ("zone", "year", "g_per_kwh", "direct_g_per_kwh", "rounding_fraction")
_SPREAD_COLUMNS: Final = ("zone", "factors", "hours", "low_fraction", "high_fraction", "how")
_WIDENING_COLUMNS: Final = (
    "term", "factors", "level_class", "low_fraction", "high_fraction", "growth_power", "n", "what",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class YearlyMean:
    """The newest yearly mean of a zone.

    Attributes
    ----------
    zone : str
    factors : {"lifecycle", "direct"}
    g_per_kwh : float
        [g CO2e/kWh].
    year : int
    flow : {"production", "consumption"}
    kind : {"published", "derived", "own"}
        Published as it is, derived from a published figure, or the mean of the zone's hourly mix.
    source : str
    low_fraction, high_fraction : float
        90 % interval left by rounding or derivation, as a fraction of the mean.
    """

    zone: str
    factors: KnownFactors
    g_per_kwh: float
    year: int
    flow: KnownFlow
    kind: Literal["published", "derived", "own"]
    source: str
    low_fraction: float = 1.0
    high_fraction: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalProfile:
    """The shape of a zone's intensity over the year and the day.

    Attributes
    ----------
    zone : str
    factors : {"lifecycle", "direct"}
    shape : tuple of 12 tuples of 24 float
        Month by hour of the day, UTC, as a fraction of the yearly mean.
    period : str
        Years it was learnt from.
    flow : {"production", "consumption"}
    source : str
    """

    zone: str
    factors: KnownFactors
    shape: tuple[tuple[float, ...], ...]
    period: str
    flow: KnownFlow
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpread:
    """How far the mean of a window strays when the yearly mean is known.

    Attributes
    ----------
    hours : tuple of float
        Window lengths [h].
    low_fraction, high_fraction : tuple of float
        5 % and 95 % quantile of the actual mean over the typical one.
    """

    hours: tuple[float, ...]
    low_fraction: tuple[float, ...]
    high_fraction: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """One more reason for a range.

    Attributes
    ----------
    low_fraction, high_fraction : float
        5 % and 95 % quantile of a ratio.
    growth_power : float
        Power of the age in years with which their logarithms grow; 0 when they do not.
    n : int
        How many ratios it was learnt from.
    what : str
        The ratio, in words.
    """

    low_fraction: float
    high_fraction: float
    growth_power: float
    n: int
    what: str


def profiled_zones(factors: KnownFactors = "lifecycle") -> tuple[str, ...]:
    """Return the zones that have a typical profile."""
    return tuple(sorted({zone for zone, of in _profile_rows() if of == factors}))


@cache
def typical_profile(zone: str, factors: KnownFactors) -> TypicalProfile | None:
    """Return the shape of a zone by its exact key, or None when none is known.

    Examples
    --------
    >>> profile = typical_profile("US-CAL-CISO", "lifecycle")
    >>> profile.period, profile.shape[5][20] < profile.shape[5][3]  # June: 20:00 UTC is midday there
    ('2020-2022', True)
    """
    rows = _profile_rows().get((zone, factors))
    if rows is None:
        return None
    level = _level_rows()[zone, factors]
    return TypicalProfile(
        zone=zone,
        factors=factors,
        shape=tuple(tuple(row.number(hour, low=0.0, high=10.0) for hour in _HOURS) for row in rows),
        period=level.text("shape_period"),
        flow=cast(KnownFlow, level.choice("shape_flow", _FLOWS)),
        source=level.text("shape_source"),
    )


@cache
def yearly_mean(zone: str, factors: KnownFactors) -> YearlyMean | None:
    """Return the newest yearly mean of a zone by its exact key, or None when none is known.

    Examples
    --------
    >>> mean = yearly_mean("FR", "lifecycle")
    >>> mean.year, mean.flow
    (2023, 'production')
    """
    row = _level_rows().get((zone, factors))
    if row is not None:
        return _level(row)
    country = _country_rows().get(zone)
    return None if country is None else _country(country, factors)


@cache
def window_spread(zone: str, factors: KnownFactors) -> WindowSpread:
    """Return the range of windows of a zone with a profile.

    ``"clean"`` and ``"other"`` stand for zones of which only a yearly mean is known.
    """
    table = read_table("typical_spread.csv", _SPREAD_COLUMNS, ("zone", "factors", "hours"))
    rows = [r for r in table.rows if r.text("zone") == zone and r.text("factors") == factors]
    return WindowSpread(
        hours=tuple(row.number("hours", low=0.0) for row in rows),
        low_fraction=tuple(row.number("low_fraction", low=0.0, high=1.0) for row in rows),
        high_fraction=tuple(row.number("high_fraction", low=1.0, high=10.0) for row in rows),
    )


@cache
def widening(term: Term, factors: KnownFactors, level_class: LevelClass) -> Widening:
    """Return one term that widens a range."""
    key = ("term", "factors", "level_class")
    table = read_table("typical_widening.csv", _WIDENING_COLUMNS, key)
    row = next(
        row
        for row in table.rows
        if row.text("term") == term
        and row.text("factors") in ("any", factors)
        and row.text("level_class") in ("any", level_class)
    )
    return Widening(
        low_fraction=row.number("low_fraction", low=0.0, high=1.0),
        high_fraction=row.number("high_fraction", low=1.0),
        growth_power=row.optional_number("growth_power", low=0.0, high=1.0) or 0.0,
        n=row.integer("n", low=1, high=100_000),
        what=row.text("what"),
    )


def level_class(g_per_kwh: float, factors: KnownFactors) -> LevelClass:
    """Return the class of a level: clean grids change more, relatively, and import from dirtier ones."""
    return "clean" if g_per_kwh < _CLEAN_BELOW_G_PER_KWH[factors] else "other"


@cache
def _profile_rows() -> dict[tuple[str, str], list[Row]]:
    table = read_table("typical_profiles.csv", _PROFILE_COLUMNS, ("zone", "factors", "month"))
    found: dict[tuple[str, str], list[Row]] = {}
    for row in table.rows:
        months = found.setdefault((row.text("zone"), row.text("factors")), [])
        months.append(row)
        if row.integer("month", low=1, high=12) != len(months):
            raise row.error("month", f"month {row.text('month')} out of order; a zone needs 1 to 12")
    return found


@cache
def _level_rows() -> dict[tuple[str, str], Row]:
    table = read_table("typical_levels.csv", _LEVEL_COLUMNS, ("zone", "factors"))
    return {(row.text("zone"), row.choice("factors", _FACTORS)): row for row in table.rows}


@cache
def _country_rows() -> dict[str, Row]:
    table = country_table()
    return {row.text("zone"): row for row in table.rows}


def country_table() -> Table:
    """Return the table of country means."""
    return read_table("countries.csv", _COUNTRY_COLUMNS, ("zone",))


def _level(row: Row) -> YearlyMean:
    return YearlyMean(
        zone=row.text("zone"),
        factors=cast(KnownFactors, row.choice("factors", _FACTORS)),
        g_per_kwh=row.number("g_per_kwh", low=0.0, high=_HIGHEST_G_PER_KWH),
        year=row.integer("level_year", low=2000, high=2100),
        flow=cast(KnownFlow, row.choice("level_flow", _FLOWS)),
        kind=cast(Literal["published", "derived", "own"], row.choice("level_kind", _KINDS)),
        source=row.text("level_source"),
        low_fraction=row.number("low_fraction", low=0.0, high=1.0),
        high_fraction=row.number("high_fraction", low=1.0, high=10.0),
    )


def _country(row: Row, factors: KnownFactors) -> YearlyMean:
    year = row.integer("year", low=2000, high=2100)
    rounding = row.number("rounding_fraction", low=0.0, high=1.0)
    direct = factors == "direct"
    source = f"Our World in Data / Ember {year}"
    return YearlyMean(
        zone=row.text("zone"),
        factors=factors,
        g_per_kwh=row.number("direct_g_per_kwh" if direct else "g_per_kwh", low=0.0, high=_HIGHEST_G_PER_KWH),
        year=year,
        flow="production",
        kind="derived" if direct else "published",
        source=f"{source} x direct share of its mix" if direct else source,
        low_fraction=1.0 - rounding,
        high_fraction=1.0 + rounding,
    )
