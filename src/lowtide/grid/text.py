"""Bytes to text, and text to numbers and truths, each with an error that says what to do."""

from __future__ import annotations

import re
from typing import Final

from lowtide.errors import DataFileError

__all__ = ["NULLS", "TRUTHS", "decode_text", "number_of"]

NULLS: Final = frozenset(("", "nan", "null", "none", "na", "n/a"))
"""What an unknown value is written as, upper or lower case."""
TRUTHS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MAGICS: Final = (
    (b"\x1f\x8b", "is gzip-compressed; unpack it first"),
    (b"PK\x03\x04", "is a zip archive or a spreadsheet; save the sheet as CSV"),
    (b"\x89HDF", "is HDF5; save it as CSV or Parquet"),
    (b"SQLite", "is an SQLite database; save the table as CSV"),
)


def decode_text(data: bytes, path: str) -> str:
    """Return the text of a file, with ``\\n`` line ends.

    Raises
    ------
    DataFileError
        If it is empty, binary, HTML, JSON or not UTF-8.
    """
    for magic, what in _MAGICS:
        if data.startswith(magic):
            raise DataFileError(f"this {what}", path=path)
    kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "UTF-8"
    try:
        text = data.decode(kind).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataFileError(
            f"this is not {kind} text (byte 0x{data[error.start]:02x}); "
            "save it as CSV in UTF-8, or as Parquet with the ending .parquet",
            path=path,
            line=line,
        ) from error
    _refuse_other_kinds(text, path)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _refuse_other_kinds(text: str, path: str) -> None:
    if "\0" in text:
        raise DataFileError("this is a binary file, not CSV or Parquet", path=path)
    start = text[:1000].lstrip()
    if not start and not text.strip():
        raise DataFileError("the file is empty", path=path)
    if start.startswith("<"):
        raise DataFileError(
            "this is HTML or XML, not CSV: perhaps the page of a login or an error; download the file itself",
            path=path,
        )
    if start.startswith(("{", "[")):
        raise DataFileError("this is JSON, not CSV; save the rows as CSV", path=path)


def number_of(cell: str, decimal_comma: bool) -> float:
    """Return the number in a cell, NaN for an unknown one."""
    if cell.lower() in NULLS:
        return float("nan")
    text = cell
    if decimal_comma and "." in cell:
        raise ValueError(f"{cell!r} has a point where other numbers have a decimal comma")
    if decimal_comma:
        text = cell.replace(",", ".")
    if _NUMBER.fullmatch(text) and abs(number := float(text)) != float("inf"):
        return number
    if re.fullmatch(r"-?\d+,\d+", cell):
        raise ValueError(f"{cell!r} has a decimal comma; write a point, or put ; between fields")
    raise ValueError(f"{cell[:60]!r} is no number; leave the cell empty when the value is unknown")
