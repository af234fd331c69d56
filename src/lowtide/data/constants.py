"""Constants of estimates, by name: value, range, unit, year and source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from lowtide.data.tables import read_table
from lowtide.errors import InputError, near_matches

__all__ = ["Constant", "constant", "constants"]

_COLUMNS: Final = ("name", "value", "low", "high", "unit", "year", "source", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A published figure with the range its source states; `low` and `high` equal `value` where it states none."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    year: int
    source: str
    note: str


@cache
def constants() -> dict[str, Constant]:
    """Return every constant by name."""
    found = {}
    for row in read_table("estimation_constants.csv", _COLUMNS, ("name",)).rows:
        value = row.number("value", low=0.0)
        low, high = row.optional_number("low", low=0.0), row.optional_number("high", low=0.0)
        found[row.text("name")] = Constant(
            name=row.text("name"),
            value=value,
            low=value if low is None else low,
            high=value if high is None else high,
            unit=row.text("unit"),
            year=row.integer("year", low=1990, high=2100),
            source=row.text("source"),
            note=row.text("note", optional=True),
        )
    return found


def constant(name: str) -> Constant:
    """Return one constant.

    Raises
    ------
    InputError
        If there is none of that name; names near matches.

    Examples
    --------
    >>> constant("pue_us_mean_2018").value
    1.58
    """
    found = constants()
    if name not in found:
        raise InputError(f"no constant {name!r}{near_matches(name, found)}; there are {len(found)}")
    return found[name]
