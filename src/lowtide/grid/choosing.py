"""Choosing one column among several of intensities, by who wrote them and what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from lowtide.errors import LowtideError
from lowtide.grid.columns import UNITS_READ, ZONE_KEYS, ValueColumn, column_key, listed, scale_of_unit
from lowtide.model.signal import Basis, Factors

__all__ = [
    "ELECTRICITY_MAPS",
    "NESO",
    "WATTTIME",
    "Choice",
    "Refuse",
    "Wanted",
    "author_of",
    "choose",
    "unread_unit",
]

Refuse = Callable[[str], LowtideError]
"""Makes the error to raise from a message."""

ELECTRICITY_MAPS: Final = "Electricity Maps"
WATTTIME: Final = "WattTime"
NESO: Final = "NESO Carbon Intensity"

FACTORS: Final[tuple[Factors, ...]] = ("lifecycle", "direct", "unknown")
"""Which factors are taken when none are asked for: the first there is."""


class Wanted(NamedTuple):
    """What a caller asks of a file; None leaves it to the file.

    Without a basis average comes before marginal, without factors lifecycle before direct.
    """

    basis: Basis | None = None
    factors: Factors | None = None
    column: str | None = None


class Choice(NamedTuple):
    """The column to read, the one that stands in where it is empty, and what both are."""

    value: ValueColumn
    fallback: ValueColumn | None
    basis: Basis
    factors: Factors


def author_of(keys: Sequence[str], candidates: Sequence[ValueColumn], *, time: int) -> str:
    """Return who writes files with such a header, empty when it does not tell.

    `keys` are the folded column names, `time` is the column of instants.
    """
    words = {word for c in candidates for word in column_key(c.name).split("_")}
    if keys[time] == "point_time" and "value" in keys:
        return WATTTIME
    if {"moer", "moer_version"} <= set(keys):
        return WATTTIME  # its older downloads
    graded = "index" in keys and keys.index("index") > time  # a first one numbers the rows
    if graded and {"actual", "forecast"} & words and not set(ZONE_KEYS) & set(keys):
        return NESO
    if keys[time] == "datetime_utc" and "zone_id" in keys and {"carbon", "intensity"} <= words:
        return ELECTRICITY_MAPS
    return ""


def choose(
    candidates: Sequence[ValueColumn],
    *,
    author: str,
    wanted: Wanted,
    refuse: Refuse,
    has_units: bool = False,
) -> Choice:
    """Return which of the columns of intensities to read.

    With `has_units` a column of its own gives the unit, so the names need not.

    Raises
    ------
    DataFileError
        Through `refuse`: none is what is asked for, several are, or its unit is not read.
    """
    known = [_of_author(c, author) for c in candidates]
    pool = _of_basis(known, wanted.basis, refuse)
    basis = wanted.basis or pool[0].basis or "average"
    pool = _of_factors(pool, wanted.factors, refuse)
    value = _the_one([c for c in pool if not c.forecast] or pool, refuse)
    if value.scale is None and not has_units:
        raise refuse(unread_unit(value.name))
    stand_ins = [c for c in pool if c.forecast and c is not value]
    fallback = stand_ins[0] if len(stand_ins) == 1 else None
    return Choice(value, fallback, basis, wanted.factors or value.factors)


def unread_unit(name: str) -> str:
    """Return what to say of a column whose unit is not read, or not given where it must be."""
    if column_key(name).endswith("moer"):
        return (
            f"column {name!r} gives no unit, and such rates come in lb/MWh as well as in g/kWh; name it "
            "moer_lb_per_mwh or moer_g_per_kwh, or add a column units"
        )
    return f"column {name!r}: its unit is not read; {UNITS_READ} are"


def _of_author(column: ValueColumn, author: str) -> ValueColumn:
    """Return a column with what is known of the author's values."""
    if author == WATTTIME and column_key(column.name) in ("value", "moer"):
        return replace(column, basis="marginal", scale=scale_of_unit("lb/MWh"))
    if author == NESO:
        return replace(column, basis="average", factors="direct")
    return column


def _of_basis(candidates: Sequence[ValueColumn], basis: Basis | None, refuse: Refuse) -> list[ValueColumn]:
    """Return the columns of the basis asked for, or those whose name does not tell."""
    neutral = [c for c in candidates if c.basis is None]
    average = [c for c in candidates if c.basis == "average"] + neutral
    marginal = [c for c in candidates if c.basis == "marginal"]
    if basis is None:
        return average or marginal
    pool = average if basis == "average" else marginal or neutral
    if not pool:
        raise refuse(
            f"no column of {basis} intensity; {listed([c.name for c in candidates])} "
            f"is {candidates[0].basis}: leave the basis out, or take another file"
        )
    return pool


def _of_factors(pool: Sequence[ValueColumn], factors: Factors | None, refuse: Refuse) -> list[ValueColumn]:
    """Return the columns of the factors asked for, or those whose name does not tell."""
    by_factors = {f: [c for c in pool if c.factors == f] for f in FACTORS}
    if factors is None:
        return next(columns for columns in by_factors.values() if columns)
    found = by_factors[factors] or by_factors["unknown"]
    if not found:
        raise refuse(
            f"no column of {factors} factors; {listed([c.name for c in pool])} "
            f"is {pool[0].factors}: ask for that, or take another file"
        )
    return found


def _the_one(pool: Sequence[ValueColumn], refuse: Refuse) -> ValueColumn:
    """Return the only column, or the only one that needs no conversion."""
    best = [c for c in pool if c.scale == 1.0] or pool
    if len(best) > 1:
        names = listed([c.name for c in best])
        raise refuse(f"several columns of intensity: {names}; say which with column=")
    return best[0]
