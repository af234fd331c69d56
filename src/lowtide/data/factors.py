"""Carbon per fuel, and the things people know that grams are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lowtide.data.tables import Table, read_table
from lowtide.errors import InputError, near_matches

__all__ = ["Equivalence", "FuelFactor", "equivalence", "equivalences", "fuel_factors", "fuel_sets"]

_FUEL_COLUMNS: Final = ("set", "factors", "fuel", "g_per_kwh", "year", "source", "licence")
_EQUIVALENCE_COLUMNS: Final = ("key", "year", "g_per_unit", "unit", "region", "source")
_DEAREST_FUEL_G_PER_KWH: Final = 1500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelFactor:
    """The intensity of electricity from one fuel.

    Attributes
    ----------
    set_name : str
        The named set it belongs to; sets are never mixed.
    factors : {"lifecycle", "direct"}
    fuel : str
    g_per_kwh : float
        [g CO2e/kWh] of electricity.
    year : int
        Year of publication.
    source, licence : str
    """

    set_name: str
    factors: Literal["lifecycle", "direct"]
    fuel: str
    g_per_kwh: float
    year: int
    source: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """A thing people know, in grams.

    Attributes
    ----------
    key : str
    year : int
        Edition of the figure; a key may have several.
    g_per_unit : float
        [g CO2e] in one unit.
    unit, region, source : str
    """

    key: str
    year: int
    g_per_unit: float
    unit: str
    region: str
    source: str


@cache
def _fuels() -> tuple[FuelFactor, ...]:
    table = read_table("fuels.csv", _FUEL_COLUMNS, ("set", "factors", "fuel"))
    return tuple(
        FuelFactor(
            set_name=row.text("set"),
            factors="direct" if row.choice("factors", ("lifecycle", "direct")) == "direct" else "lifecycle",
            fuel=row.text("fuel"),
            g_per_kwh=row.number("g_per_kwh", low=0.0, high=_DEAREST_FUEL_G_PER_KWH),
            year=row.integer("year", low=1990, high=2100),
            source=row.text("source"),
            licence=row.text("licence"),
        )
        for row in table.rows
    )


def fuel_sets() -> tuple[str, ...]:
    """Return the names of the sets of fuel factors."""
    return tuple(dict.fromkeys(fuel.set_name for fuel in _fuels()))


def fuel_factors(set_name: str, factors: Literal["lifecycle", "direct"]) -> tuple[FuelFactor, ...]:
    """Return the fuels of one named set.

    Raises
    ------
    InputError
        If there is no such set, or it has no such factors.

    Examples
    --------
    >>> {f.fuel: f.g_per_kwh for f in fuel_factors("ipcc-2014", "direct")}
    {'coal': 760.0, 'gas': 370.0}
    """
    found = tuple(f for f in _fuels() if f.set_name == set_name and f.factors == factors)
    if not found:
        known = ", ".join(fuel_sets())
        hint = near_matches(set_name, fuel_sets())
        raise InputError(f"no {factors} factors in a set called {set_name!r}{hint}; sets: {known}")
    return found


@cache
def equivalences() -> tuple[Equivalence, ...]:
    """Return every equivalence, all editions."""
    table: Table = read_table("equivalences.csv", _EQUIVALENCE_COLUMNS, ("key", "year", "region"))
    return tuple(
        Equivalence(
            key=row.text("key"),
            year=row.integer("year", low=1990, high=2100),
            g_per_unit=row.number("g_per_unit", low=1e-6),
            unit=row.text("unit"),
            region=row.text("region"),
            source=row.text("source"),
        )
        for row in table.rows
    )


def equivalence(key: str, *, region: str | None = None) -> Equivalence:
    """Return the newest edition of one equivalence, of `region` when given.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> equivalence("phone_charge").g_per_unit, equivalence("phone_charge").year
    (12.4, 2024)
    """
    found = [e for e in equivalences() if e.key == key and region in (None, e.region)]
    if not found:
        keys = tuple(dict.fromkeys(e.key for e in equivalences()))
        where = f" for {region}" if region else ""
        raise InputError(f"no equivalence {key!r}{where}{near_matches(key, keys)}; keys: {', '.join(keys)}")
    return max(found, key=lambda e: e.year)
