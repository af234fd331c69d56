"""Reads the packaged CSV tables and checks them: header, columns, numbers, duplicates.

A table starts with comment lines ``# key: value`` that say what it holds; ``title``, ``unit``,
``source`` and ``licence`` must be there. Then comes a header with exactly the expected columns, then
one row a line. Every complaint is a :class:`~lowtide.errors.DataFileError` with file and line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from lowtide.errors import DataFileError, near_matches

__all__ = ["Row", "Table", "parse_table", "read_table"]

REQUIRED_NOTES: Final = ("title", "unit", "source", "licence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, with the line it stands on.

    Attributes
    ----------
    path : str
        The file, for messages.
    line : int
        Line in the file, counted from 1.
    columns, cells : tuple of str
    """

    path: str
    line: int
    columns: tuple[str, ...]
    cells: tuple[str, ...]

    def text(self, column: str, *, optional: bool = False) -> str:
        """Return a cell as text, refusing an empty one unless `optional`."""
        value = self.cells[self.columns.index(column)]
        if not value and not optional:
            raise self.error(column, f"{column} is empty; every row needs one")
        return value

    def number(self, column: str, *, low: float = float("-inf"), high: float = float("inf")) -> float:
        """Return a cell as a finite number between `low` and `high`."""
        value = self.text(column)
        try:
            number = float(value)
        except ValueError as error:
            raise self.error(column, f"{column} is {value!r}, which is not a number") from error
        if not low <= number <= high or number in (float("inf"), float("-inf")):
            raise self.error(column, f"{column} is {value}; it must lie between {low:g} and {high:g}")
        return number

    def optional_number(
        self, column: str, *, low: float = float("-inf"), high: float = float("inf")
    ) -> float | None:
        """Return a cell as a number, or None when it is empty (unknown)."""
        if not self.text(column, optional=True):
            return None
        return self.number(column, low=low, high=high)

    def integer(self, column: str, *, low: int, high: int) -> int:
        """Return a cell as a whole number between `low` and `high`."""
        number = self.number(column, low=low, high=high)
        if number != int(number):
            raise self.error(column, f"{column} is {number}; it must be a whole number")
        return int(number)

    def choice(self, column: str, allowed: Sequence[str]) -> str:
        """Return a cell that must be one of `allowed`."""
        value = self.text(column)
        if value not in allowed:
            known = ", ".join(allowed)
            raise self.error(column, f"{column} is {value!r}; it must be one of {known}")
        return value

    def error(self, column: str, message: str) -> DataFileError:
        """Return the error for a cell of this row."""
        n = self.columns.index(column) + 1
        return DataFileError(message, path=self.path, line=self.line, column=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A checked table.

    Attributes
    ----------
    path : str
    title, unit, source, licence : str
        What the comment lines say.
    rows : tuple of Row
    """

    path: str
    title: str
    unit: str
    source: str
    licence: str
    rows: tuple[Row, ...]


def parse_table(text: str, *, path: str, columns: Sequence[str], key: Sequence[str]) -> Table:
    """Return the table in `text` after checking it.

    Parameters
    ----------
    text : str
        The whole file.
    path : str
        Its name, for messages.
    columns : sequence of str
        The columns it must have, in order.
    key : sequence of str
        Columns that together tell rows apart.

    Raises
    ------
    DataFileError
        If a note is missing, the header differs, a row has too few or too many cells, or two rows
        share a key.

    Examples
    --------
    >>> lines = ["# title: t", "# unit: g", "# source: s", "# licence: l", "zone,g", "DE,381"]
    >>> table = parse_table("\\n".join(lines), path="x.csv", columns=["zone", "g"], key=["zone"])
    >>> table.rows[0].number("g"), table.rows[0].line
    (381.0, 6)
    """
    numbered = list(enumerate(text.splitlines(), start=1))
    notes = _notes(numbered, path)
    body = [(n, line) for n, line in numbered if line.strip() and not line.startswith("#")]
    rows = tuple(_rows(body, path, tuple(columns)))
    _check_unique(rows, key)
    wanted = {name: notes[name] for name in REQUIRED_NOTES}
    return Table(path=path, rows=rows, **wanted)


@cache
def read_table(name: str, columns: tuple[str, ...], key: tuple[str, ...]) -> Table:
    """Return a packaged table by file name, read and checked once."""
    from importlib.resources import files

    text = files("lowtide.data").joinpath(name).read_text(encoding="utf-8")
    return parse_table(text, path=f"lowtide/data/{name}", columns=columns, key=key)


def _notes(numbered: Sequence[tuple[int, str]], path: str) -> dict[str, str]:
    lines = [line[1:].strip() for _, line in numbered if line.startswith("#")]
    notes = {name: rest.strip() for name, colon, rest in (x.partition(":") for x in lines) if colon}
    for name in REQUIRED_NOTES:
        if not notes.get(name):
            raise DataFileError(f"no '# {name}: ...' line; write one at the top", path=path, line=1)
    return notes


def _rows(body: Sequence[tuple[int, str]], path: str, columns: tuple[str, ...]) -> Iterator[Row]:
    if not body:
        raise DataFileError("no header line; the columns must be " + ",".join(columns), path=path)
    header = tuple(next(csv.reader([body[0][1]])))
    if header != columns:
        raise DataFileError(_header_complaint(header, columns), path=path, line=body[0][0])
    for line, text in body[1:]:
        cells = tuple(cell.strip() for cell in next(csv.reader([text])))
        if len(cells) != len(columns):
            found = f"{len(cells)} cells where the header has {len(columns)}"
            raise DataFileError(f"{found}: {text[:60]!r}", path=path, line=line)
        yield Row(path=path, line=line, columns=columns, cells=cells)


def _header_complaint(header: Sequence[str], columns: Sequence[str]) -> str:
    for name in columns:
        if name not in header:
            return f"no column {name!r}{near_matches(name, header)}; expected {','.join(columns)}"
    return f"columns are {','.join(header)}; expected {','.join(columns)}"


def _check_unique(rows: Sequence[Row], key: Sequence[str]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        this = tuple(row.text(name, optional=True) for name in key)
        if this in seen:
            told = ",".join(this)
            message = f"{told} stands already on line {seen[this]}; keep one of the two rows"
            raise DataFileError(message, path=row.path, line=row.line)
        seen[this] = row.line
