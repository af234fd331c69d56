"""Instants from text columns, many at once; exact and slow only where a cell is unusual."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lowtide.errors import QuantityError
from lowtide.quantities import parse_instant_ns
from lowtide.series.steps import IntArray
from lowtide.units import NS_PER_S

__all__ = ["FIRST_NS", "LAST_NS", "BadCellError", "parse_stamps"]

_STAMP: Final = re.compile(
    r"(?P<stem>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)"
    r"(?P<suffix>Z|[+-]\d\d:\d\d)?"
)
FIRST_NS: Final = 0
"""1970-01-01T00:00Z; no carbon intensity is older."""
LAST_NS: Final = 4_102_444_800 * NS_PER_S
"""2100-01-01T00:00Z; twice this span still fits int64, so steps can be compared and added."""


class BadCellError(ValueError):
    """A cell cannot be read; the source that knows its line turns this into a DataFileError."""

    def __init__(self, index: int, message: str) -> None:
        self.index, self.message = index, message
        super().__init__(message)


def parse_stamps(cells: Sequence[str], *, utc: bool) -> IntArray:
    """Return the instants of a column of text.

    Parameters
    ----------
    cells : sequence of str, length n
        ISO 8601 dates and times, each with ``Z`` or an offset.
    utc : bool
        Whether stamps without an offset are UTC because the column or the format says so.

    Returns
    -------
    int64 array, shape (n,)
        Nanoseconds since 1970 UTC, in the order given.

    Raises
    ------
    BadCellError
        For the first cell that is no instant, has no offset where one is needed, or lies outside
        1970 to 2099.

    Examples
    --------
    >>> parse_stamps(["1970-01-01T01:00Z", "1970-01-01T01:00-01:00"], utc=False).tolist()
    [3600000000000, 7200000000000]
    """
    fast = _parse_alike(cells, utc)
    if fast is not None and fast.min() >= FIRST_NS and fast.max() < LAST_NS:
        return fast
    return np.fromiter((_parse_one(i, c, utc) for i, c in enumerate(cells)), np.int64, len(cells))


def _parse_alike(cells: Sequence[str], utc: bool) -> IntArray | None:
    """Return the instants when all cells have the form of the first one, else None."""
    match = _STAMP.fullmatch(cells[0]) if cells else None
    if match is None or (match["suffix"] is None and not utc):
        return None
    joined = "".join(cells)
    width = len(cells[0])
    if not joined.isascii() or set(map(len, cells)) != {width}:
        return None
    chars = np.frombuffer(joined.encode(), np.uint8).reshape(len(cells), width)
    n_stem = len(match["stem"])
    if not _same_form(chars, n_stem):
        return None
    try:
        stems = np.ascontiguousarray(chars[:, :n_stem]).view(f"S{n_stem}").ravel()
        local_us = stems.astype("datetime64[us]").astype(np.int64)
    except ValueError:
        return None
    return np.asarray((local_us - _offset_us(chars[:, n_stem:])) * 1000, np.int64)


def _same_form(chars: npt.NDArray[np.uint8], n_stem: int) -> bool:
    """Return whether digits and marks sit where they do in the first row; signs may differ."""
    is_digit = (chars >= 48) & (chars <= 57)
    if not (is_digit == is_digit[0]).all():
        return False
    marks = np.flatnonzero(~is_digit[0])
    signs = marks[(marks == n_stem) & (chars[0, marks] != ord("Z"))]
    marks = np.setdiff1d(marks, signs)
    signed = np.isin(chars[:, signs], (ord("+"), ord("-"))).all()
    return bool(signed and (chars[:, marks] == chars[0, marks]).all())


def _offset_us(suffix: npt.NDArray[np.uint8]) -> Any:
    """Return the offsets from UTC [us], 0 for none and for ``Z``; rows are like ``+01:00``."""
    if suffix.shape[1] != 6:
        return 0
    digits = suffix[:, (1, 2, 4, 5)].astype(np.int64) - 48
    minutes = digits @ np.array([600, 60, 10, 1])
    return np.where(suffix[:, 0] == ord("-"), -minutes, minutes) * 60_000_000


def _parse_one(index: int, cell: str, utc: bool) -> int:
    text = re.sub(r" ?UTC$", "Z", cell.strip())
    text = text[:-1] + "Z" if text.endswith("z") else text
    try:
        t_ns = parse_instant_ns(_with_zone(text) if utc else text)
    except QuantityError as error:
        raise BadCellError(index, _complaint(cell.strip(), error)) from error
    if not FIRST_NS <= t_ns < LAST_NS:
        raise BadCellError(index, f"{cell!r} lies outside the years 1970 to 2099")
    return t_ns


def _with_zone(text: str) -> str:
    """Return a naive stamp as UTC, anything else unchanged."""
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.isoformat() + "Z" if moment.tzinfo is None else text


def _complaint(cell: str, error: Exception) -> str:
    if not cell:
        return "the instant is missing"
    if re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        return f"{cell!r} has no time zone; write {cell}T00:00Z for UTC, or name the column ts_utc"
    if isinstance(error.__cause__, OverflowError):
        return f"{cell!r} lies outside the years 1970 to 2099"
    hint = ", or name the column ts_utc if all of it is UTC" if "no time zone" in str(error) else ""
    if re.fullmatch(r"\d{9,}(\.\d+)?", cell):
        hint = " (a number of seconds since 1970 is not read)"
    return f"{error}{hint}"
