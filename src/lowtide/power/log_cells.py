"""What the cells of a power log mean: instants in text and in numbers, watts with and without a unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from lowtide.errors import QuantityError
from lowtide.power.log_table import Stamps
from lowtide.series.steps import FloatArray, IntArray
from lowtide.units import NS_PER_S

__all__ = [
    "BadCellError",
    "as_numbers",
    "numeric_instants",
    "offset_ns",
    "text_instants",
    "watts",
    "watts_of_numbers",
]

FAILED: Final = float("-inf")
"""Watts of a reading that failed, as ``[N/A]``; an empty cell is no reading at all, NaN."""

_EMPTY: Final = frozenset(("", "nan", "null", "none"))
_FAILURES: Final = frozenset(("na", "n/a", "err!"))
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ZONE: Final = re.compile(r"(?:Z| ?UTC|[+-]\d\d:?\d\d)$")
_STAMP: Final = re.compile(r"\d{4}([-/])\d\d\1\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?", re.ASCII)
_UNIT_NS: Final = {"s": NS_PER_S, "ms": 1_000_000, "us": 1000, "ns": 1}
_FIRST_EPOCH_S: Final = 1e8
"""Numbers below this many seconds (1973) count from a start, those above from 1970."""
_LAST_NS: Final = 4_102_444_800 * NS_PER_S


class BadCellError(ValueError):
    """A cell cannot be read; whoever knows its line turns this into a DataFileError."""

    def __init__(self, index: int, message: str) -> None:
        self.index, self.message = index, message
        super().__init__(message)


def text_instants(cells: Sequence[str]) -> Stamps:
    """Return the instants of a column of text, in ISO 8601 or with slashes as nvidia-smi writes them.

    All have an offset (or ``Z``), or none has: then they are naive, and returned as if they were UTC.

    Raises
    ------
    BadCellError
        For the first cell that is no instant, or that has an offset where the others have none.

    Examples
    --------
    >>> text_instants(["1970/01/01 00:00:01.500", "1970/01/01 00:00:02"])
    Stamps(t_ns=array([1500000000, 2000000000]), naive=True)
    """
    alike = _alike(cells)
    if alike is not None:
        return alike
    found = [_instant(i, cell) for i, cell in enumerate(cells)]
    for i, (_, naive) in enumerate(found):
        if naive != found[0][1]:
            raise BadCellError(i, f"{cells[i]!r}: some stamps have a time zone and some have none")
    return Stamps(np.array([t_ns for t_ns, _ in found], np.int64), found[0][1] if found else False)


def _alike(cells: Sequence[str]) -> Stamps | None:
    """Return the instants when all cells have the form and the offset of the first one, else None."""
    stems = [cell.strip() for cell in cells]
    zone = _ZONE.search(stems[0]) if stems else None
    suffix = zone[0] if zone else ""
    if suffix:
        if not all(stem.endswith(suffix) for stem in stems):
            return None
        stems = [stem[: -len(suffix)] for stem in stems]
    joined, width = "".join(stems), len(stems[0]) if stems else 0
    if not stems or not _STAMP.fullmatch(stems[0]) or set(map(len, stems)) != {width} or not joined.isascii():
        return None
    chars = np.frombuffer(joined.replace("/", "-").encode(), np.uint8).reshape(-1, width)
    is_digit = (chars[0] >= ord("0")) & (chars[0] <= ord("9"))
    digits = chars[:, is_digit]
    if (digits < ord("0")).any() or (digits > ord("9")).any() or (chars != chars[0])[:, ~is_digit].any():
        return None
    try:
        local = chars.view(f"S{width}").ravel().astype("datetime64[ns]")
    except ValueError:
        return None
    t_ns = local.astype(np.int64) - (offset_ns(suffix.strip()) if suffix else 0)
    return Stamps(t_ns, not suffix)


def _instant(index: int, cell: str) -> tuple[int, bool]:
    text = re.sub(r" ?UTC$", "Z", cell.strip().replace("/", "-"))
    if text.lower() in _EMPTY | _FAILURES:
        raise BadCellError(index, "the instant is missing")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        what = f"cannot read {cell.strip()!r} as an instant; write it like 2026-03-01T05:00:00Z"
        raise BadCellError(index, what) from error
    naive = moment.tzinfo is None
    since = (moment.replace(tzinfo=UTC) if naive else moment) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000, naive


def offset_ns(text: str) -> int:
    """Return an offset from UTC [ns].

    Raises
    ------
    QuantityError
        If the text is none.

    Examples
    --------
    >>> offset_ns("+01:00") == 3600 * NS_PER_S, offset_ns("Z")
    (True, 0)
    """
    if text.strip() in ("Z", "z", "UTC"):
        return 0
    match = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", text.strip(), re.ASCII)
    if match is None or int(match[2]) > 15:
        raise QuantityError(f"cannot read {text!r} as an offset from UTC; write it like +02:00, -05:30 or Z")
    minutes = int(match[2]) * 60 + int(match[3])
    return (-minutes if match[1] == "-" else minutes) * 60 * NS_PER_S


def as_numbers(cells: Sequence[str]) -> IntArray | FloatArray | None:
    """Return a column of text as numbers, whole ones exactly; None when some cell is no number."""
    if not all(_NUMBER.fullmatch(cell.strip()) for cell in cells[:1]):
        return None
    try:
        return np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(cell) for cell in cells], np.float64)
    except ValueError:
        return None


def numeric_instants(numbers: IntArray | FloatArray, unit: str | None) -> tuple[IntArray, bool]:
    """Return instants given as numbers [ns], and whether they count from a start of their own.

    Parameters
    ----------
    numbers : array, shape (n,)
    unit : {"s", "ms", "us", "ns"} or None
        As the column's name says; None: seconds, unless they are so many that they must be
        milliseconds, microseconds or nanoseconds since 1970.

    Raises
    ------
    BadCellError
        For an instant that is missing or beyond all sense.

    Examples
    --------
    >>> numeric_instants(np.array([1_700_000_000_000]), None)[0].tolist(), numeric_instants(np.array([2]), "s")
    ([1700000000000000000], (array([2000000000]), True))
    """
    missing = np.flatnonzero(~np.isfinite(numbers))
    if len(missing):
        raise BadCellError(int(missing[0]), "the instant is missing")
    largest = float(np.abs(numbers).max())
    if unit is None:  # 1e11 s is the year 5138, and 1e11 ms is 1973
        unit = "s" if largest < 1e11 else "ms" if largest < 1e14 else "us" if largest < 1e17 else "ns"
    scale = _UNIT_NS[unit]
    if largest * scale > _LAST_NS:
        i = int(np.abs(numbers).argmax())
        raise BadCellError(i, f"{numbers[i]:g} {unit} lies outside the years 1970 to 2099")
    relative = largest * scale < _FIRST_EPOCH_S * NS_PER_S
    if numbers.dtype.kind == "i":
        return numbers.astype(np.int64) * scale, relative
    whole = np.floor(numbers)
    part_ns = np.rint((numbers - whole) * scale).astype(np.int64)
    return whole.astype(np.int64) * scale + part_ns, relative


def watts(cells: Sequence[str]) -> FloatArray:
    """Return a column of watts, NaN where there is no reading, :data:`FAILED` where one failed.

    Raises
    ------
    BadCellError
        For the first cell that is neither.

    Examples
    --------
    >>> watts(["123.45 W", "[N/A]", ""]).tolist()
    [123.45, -inf, nan]
    """
    try:
        return watts_of_numbers(np.array([float(cell) for cell in cells], np.float64))
    except ValueError:
        return np.array([_watts(i, cell) for i, cell in enumerate(cells)], np.float64)


def watts_of_numbers(numbers: IntArray | FloatArray) -> FloatArray:
    """Return numbers as watts, NaN where there is no reading.

    Raises
    ------
    BadCellError
        For the first infinite one.
    """
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise BadCellError(int(infinite[0]), "is infinite; leave the cell empty when it is unknown")
    return numbers.astype(np.float64)


def _watts(index: int, cell: str) -> float:
    text = cell.strip()
    if text.lower() in _EMPTY:
        return float("nan")
    if text.lower() in _FAILURES or (text.startswith("[") and text.endswith("]")):
        return FAILED
    number = text.removesuffix("W").rstrip()
    if not _NUMBER.fullmatch(number):
        raise BadCellError(
            index, f"{text[:60]!r} is no number of watts; leave the cell empty when it is unknown"
        )
    return float(number)
