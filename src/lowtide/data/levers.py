"""The levers: what divides energy or carbon, with range, scope, price and source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lowtide.data.tables import Row, read_table
from lowtide.errors import DataFileError, InputError, near_matches

__all__ = ["FOUR_MS", "Lever", "get_lever", "levers"]

FourM = Literal["model", "machine", "mechanization", "map"]
FOUR_MS: Final[tuple[FourM, ...]] = ("model", "machine", "mechanization", "map")
"""Patterson et al. 2022: what is trained, on what, in which building, where and when."""

_COLUMNS: Final = ("name", "m", "effect", "phase", "low", "value", "high", "what", "applies_to", "contains",
                   "overlaps", "accuracy", "rebound", "year", "source")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One way to emit less.

    Attributes
    ----------
    name : str
    m : {"model", "machine", "mechanization", "map"}
    effect : {"energy", "carbon"}
        What it divides.
    phase : {"training", "inference", "both"}
    low, value, high : float
        The divisor as published, 1 or more.
    what, applies_to : str
    contains, overlaps : tuple of str
        Levers whose saving is already in this one, and those that share part of it.
    accuracy, rebound : str
        What it may cost, and how the saving may be spent.
    year : int
    source : str
    """

    name: str
    m: FourM
    effect: Literal["energy", "carbon"]
    phase: Literal["training", "inference", "both"]
    low: float
    value: float
    high: float
    what: str
    applies_to: str
    contains: tuple[str, ...]
    overlaps: tuple[str, ...]
    accuracy: str
    rebound: str
    year: int
    source: str


def _names(row: Row, column: str) -> tuple[str, ...]:
    text = row.text(column, optional=True)
    return tuple(text.split("|")) if text else ()


def _lever(row: Row) -> Lever:
    m = row.choice("m", FOUR_MS)
    phase = row.choice("phase", ("training", "inference", "both"))
    return Lever(
        name=row.text("name"),
        m=next(known for known in FOUR_MS if known == m),
        effect="energy" if row.choice("effect", ("energy", "carbon")) == "energy" else "carbon",
        phase="training" if phase == "training" else "inference" if phase == "inference" else "both",
        low=row.number("low", low=1.0, high=1e4),
        value=row.number("value", low=1.0, high=1e4),
        high=row.number("high", low=1.0, high=1e4),
        what=row.text("what"),
        applies_to=row.text("applies_to"),
        contains=_names(row, "contains"),
        overlaps=_names(row, "overlaps"),
        accuracy=row.text("accuracy"),
        rebound=row.text("rebound"),
        year=row.integer("year", low=2015, high=2100),
        source=row.text("source"),
    )


@cache
def levers() -> tuple[Lever, ...]:
    """Return every lever, by M and as in the file.

    Raises
    ------
    DataFileError
        If a row contains or overlaps a lever that is not there.
    """
    table = read_table("levers.csv", _COLUMNS, ("name",))
    found = tuple(_lever(row) for row in table.rows)
    names = {lever.name for lever in found}
    for lever, row in zip(found, table.rows, strict=True):
        for other in (*lever.contains, *lever.overlaps):
            if other not in names:
                raise DataFileError(f"{other!r} is no lever of this table", path=table.path, line=row.line)
    return found


def get_lever(name: str) -> Lever:
    """Return the lever of that name.

    Raises
    ------
    InputError
        If there is none; names near matches and all levers.

    Examples
    --------
    >>> get_lever("algorithmic").contains
    ('fp16', 'fused-kernels')
    """
    for lever in levers():
        if lever.name == name:
            return lever
    names = [lever.name for lever in levers()]
    raise InputError(f"no lever {name!r}{near_matches(name, names)}; there are {', '.join(names)}")
