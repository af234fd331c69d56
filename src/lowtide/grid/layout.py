"""Which column of an intensity file is what: the wide, long and single forms, and who wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from lowtide.errors import near_matches
from lowtide.grid.choosing import ELECTRICITY_MAPS, NESO, Refuse, Wanted, author_of, choose
from lowtide.grid.columns import (
    ESTIMATED_KEYS,
    OTHER_TIME_KEYS,
    SIGNAL_KEYS,
    TIME_KEYS,
    UNIT_KEYS,
    ZONE_KEYS,
    ValueColumn,
    column_key,
    listed,
    may_be_zone,
    value_column,
)
from lowtide.model.signal import Basis, Factors, Flow

__all__ = ["Layout", "read_layout"]


_COUNTRY: Final = re.compile(r"(?!CI|TS)[A-Z]{2}")
"""Two capitals are a country, whatever the word: BA is Bosnia, not a balancing authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which column of a file is what.

    Attributes
    ----------
    form : {"wide", "long", "single"}
    time : int
        Column with the start of each step.
    utc : bool
        Whether stamps without an offset are UTC.
    values : tuple of ValueColumn
        One a zone in the wide form, else the one to read.
    basis, factors, flow
        What the signal of every series says.
    tells_basis : bool
        Whether the file itself says the basis.
    author : str
        Who wrote such files, empty when the form does not tell.
    fallback : ValueColumn or None
        Forecasts that stand in where the value is missing.
    zone, estimated, unit, signal_type : int or None
        Columns, where there are such.
    only_zone : str or None
        The zone of a file that names none, when its author tells.
    """

    form: Literal["wide", "long", "single"]
    time: int
    utc: bool
    values: tuple[ValueColumn, ...]
    basis: Basis
    factors: Factors
    flow: Flow = "unknown"
    tells_basis: bool = False
    author: str = ""
    fallback: ValueColumn | None = None
    zone: int | None = None
    estimated: int | None = None
    unit: int | None = None
    signal_type: int | None = None
    only_zone: str | None = None


class _Header(NamedTuple):
    """A header with what has been told so far."""

    names: Sequence[str]
    keys: Sequence[str]
    time: int
    zone: int | None
    refuse: Refuse

    def first(self, known: Sequence[str]) -> int | None:
        return _first(self.keys, known)


def read_layout(names: Sequence[str], *, wanted: Wanted, instants: Sequence[int], refuse: Refuse) -> Layout:
    """Return which column is what.

    Parameters
    ----------
    names : sequence of str
        The header.
    wanted : Wanted
        What is asked for.
    instants : sequence of int
        Columns that hold instants by their type or place, for when no name says so.
    refuse : callable
        Makes the error to raise from a message.

    Raises
    ------
    DataFileError
        Through `refuse`: no column of instants or intensities, several, or not those asked for.
    """
    keys = ["" if _COUNTRY.fullmatch(name) else column_key(name) for name in names]
    _refuse_twins(names, refuse)
    time = _find_time(names, keys, instants, refuse)
    header = _Header(names, keys, time, _first(keys, ZONE_KEYS), refuse)
    candidates = _find_values(header, wanted.column)
    if candidates:
        return _narrow(header, candidates, wanted)
    return _wide(header, wanted)


def _first(keys: Sequence[str], known: Sequence[str]) -> int | None:
    return next((keys.index(key) for key in known if key in keys), None)


def _refuse_twins(names: Sequence[str], refuse: Refuse) -> None:
    named = [name for name in names if name]
    twins = sorted({name for name in named if named.count(name) > 1})
    if twins:
        raise refuse(f"two columns are named {twins[0]!r}; rename or remove one")


def _find_time(names: Sequence[str], keys: Sequence[str], instants: Sequence[int], refuse: Refuse) -> int:
    time = _first(keys, TIME_KEYS)
    if time is None and instants:
        time = instants[0]
    if time is not None:
        return time
    if "hour_of_year" in keys:
        raise refuse(
            "'hour_of_year' counts local hours of some year, not instants; "
            "add a column ts_utc with stamps like 2023-01-01T00:00Z"
        )
    if any(re.match(r"\d{4}-\d\d-\d\d", name) for name in names):
        raise refuse("the first line is data, not a header; put one above it like ts_utc,DE")
    raise refuse(f"no column of instants among {listed(names)}; name one ts_utc or datetime")


def _find_values(header: _Header, column: str | None) -> list[ValueColumn]:
    """Return the columns of intensities by name, or just the one pointed at."""
    if column is not None:
        return [_pointed(header, column)]
    special = {header.time, header.zone}
    found = [
        value
        for i, name in enumerate(header.names)
        if i not in special and (value := value_column(name, i)) is not None
    ]
    others = len(header.names) - len(found) - 1
    if header.zone is None and others:  # CI next to other zones is Ivory Coast
        found = [value for value in found if value.name != "CI"]
    return found


def _pointed(header: _Header, column: str) -> ValueColumn:
    names, key = list(header.names), column_key(column)
    if column not in names and key not in header.keys:
        near = near_matches(column, names)
        raise header.refuse(f"no column {column!r}{near}; the columns are {listed(names)}")
    index = names.index(column) if column in names else header.keys.index(key)
    value = value_column(names[index], index, strict=False)
    assert value is not None  # strict is off
    return value


def _wide(header: _Header, wanted: Wanted) -> Layout:
    taken = TIME_KEYS + tuple(OTHER_TIME_KEYS)
    zones = [
        (i, name)
        for i, (name, key) in enumerate(zip(header.names, header.keys, strict=True))
        if name and i not in (header.time, header.zone) and key not in taken
    ]
    odd = [name for _, name in zones if not may_be_zone(name)]
    if header.zone is not None or not zones:
        raise header.refuse(
            f"no column of intensity among {listed(header.names)}; "
            "name one intensity, or say which with column="
        )
    if odd:
        raise header.refuse(
            f"{odd[0]!r} is neither a zone nor an intensity; name the column of intensity "
            "intensity, or say which with column="
        )
    return Layout(
        form="wide",
        time=header.time,
        utc=_is_utc(header.keys[header.time]),
        values=tuple(ValueColumn(index=i, name=name) for i, name in zones),
        basis=wanted.basis or "average",
        factors=wanted.factors or "unknown",
    )


def _is_utc(time_key: str) -> bool:
    return "utc" in time_key.split("_")


def _narrow(header: _Header, candidates: list[ValueColumn], wanted: Wanted) -> Layout:
    """Return the layout of the long and single forms: one column of intensities to read."""
    author = author_of(header.keys, candidates, time=header.time)
    chosen = choose(
        candidates,
        author=author,
        wanted=wanted,
        refuse=header.refuse,
        has_units=header.first(UNIT_KEYS) is not None,
    )
    is_neso = author == NESO
    return Layout(
        form="single" if header.zone is None else "long",
        time=header.time,
        utc=is_neso or _is_utc(header.keys[header.time]),
        values=(chosen.value,),
        basis=chosen.basis,
        tells_basis=chosen.value.basis is not None,
        factors=chosen.factors,
        flow="consumption" if author == ELECTRICITY_MAPS else "unknown",
        author=author,
        fallback=chosen.fallback,
        zone=header.zone,
        estimated=header.first(ESTIMATED_KEYS),
        unit=header.first(UNIT_KEYS),
        signal_type=header.first(SIGNAL_KEYS),
        only_zone="GB" if is_neso else None,
    )
