"""Published exponents of compute against error, each with its version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from lowtide.data.tables import read_table
from lowtide.errors import InputError, near_matches

__all__ = ["Exponent", "exponents", "get_exponent"]

_COLUMNS: Final = ("name", "benchmark", "version", "exponent", "low", "high", "year", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponent:
    """``C2 / C1 = (e1 / e2) ^ exponent``; `low` and `high` are None where no interval is printed."""

    name: str
    benchmark: str
    version: str
    exponent: float
    low: float | None
    high: float | None
    year: int
    source: str


@cache
def exponents() -> tuple[Exponent, ...]:
    """Return every published exponent."""
    return tuple(
        Exponent(
            name=row.text("name"),
            benchmark=row.text("benchmark"),
            version=row.text("version"),
            exponent=row.number("exponent", low=0.1, high=100.0),
            low=row.optional_number("low", low=0.1, high=100.0),
            high=row.optional_number("high", low=0.1, high=100.0),
            year=row.integer("year", low=2010, high=2100),
            source=row.text("source"),
        )
        for row in read_table("scaling.csv", _COLUMNS, ("name",)).rows
    )


def get_exponent(name: str) -> Exponent:
    """Return one published exponent.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> get_exponent("imagenet-2020").exponent
    12.29
    """
    found = next((row for row in exponents() if row.name == name), None)
    if found is None:
        names = [row.name for row in exponents()]
        raise InputError(f"no exponent {name!r}{near_matches(name, names)}; there are {', '.join(names)}")
    return found
