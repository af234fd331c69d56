"""Text files as cells: decoding, the header, and columns of text, numbers and instants.

A file whose lines all have the same number of plain fields is indexed once, by the places of its
separators, and columns are cut out of it; anything else (quotes, comments in the middle, blank
lines) goes through the csv module. What a cell means and how it is refused is the same both ways.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.errors import DataFileError
from lowtide.grid.stamps import BadCellError, parse_stamps
from lowtide.grid.text import NULLS, TRUTHS, decode_text, number_of
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["CsvSource"]


N_FEW: Final = 8
"""Columns up to which cutting out cells is quicker than reading all the text as numbers."""


class CsvSource:
    """A CSV file: its header, and columns on demand.

    Parameters
    ----------
    path : Path
        The file, for messages.
    data : bytes
        What it holds.

    Raises
    ------
    DataFileError
        If there is no header with two columns, no row, or a row with another number of fields.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = str(path)
        self._text = decode_text(data, self.path)
        header, self._header_line, self._body_at = _find_header(self._text, self.path)
        self._sep = max(",;\t", key=header.count)
        self.names = self._split_header(header)
        self._cuts = self._index()
        self._rows, self._lines = ([], []) if self._cuts is not None else self._tokenize()
        self.n_rows = len(self._rows) if self._cuts is None else len(self._cuts)
        if self.n_rows == 0:
            raise self.refuse("there is a header and no data under it")

    @property
    def instants(self) -> tuple[int, ...]:
        """Columns that hold instants by their place: a first one without a name, as of an index."""
        return (0,) if not self.names[0] or self.names[0].lower() == "unnamed: 0" else ()

    def refuse(self, message: str, *, row: int | None = None, column: int | None = None) -> DataFileError:
        """Return the error for a row and column counted from 0, as line and column of the file."""
        line = self._header_line if row is None else self.line(row)
        place = None if column is None else column + 1
        named = "" if column is None else f"{self.names[column]}: "
        return DataFileError(named + message, path=self.path, line=line, column=place)

    def line(self, row: int) -> int:
        """Return the line of a row, from 1."""
        return self._lines[row] if self._cuts is None else self._header_line + 1 + row

    def place(self, row: int) -> str:
        """Return where a row is, in words."""
        return f"line {self.line(row)}"

    def cells(self, column: int, rows: IntArray | None = None) -> list[str]:
        """Return the text of a column, or of some rows of it."""
        if self._cuts is None:
            picked = self._rows if rows is None else [self._rows[i] for i in rows.tolist()]
            return [row[column] for row in picked]
        cuts = self._cuts if rows is None else self._cuts[rows]
        starts, ends = (cuts[:, column] + 1).tolist(), cuts[:, column + 1].tolist()
        text = self._text
        return [text[a:b] for a, b in zip(starts, ends, strict=True)]

    def texts(self, column: int) -> tuple[list[str], IntArray]:
        """Return the different texts of a column and, for each row, which it is, shape (n,)."""
        cells = self.cells(column)
        distinct = {cell: cell.strip() for cell in dict.fromkeys(cells)}
        labels = {label: i for i, label in enumerate(dict.fromkeys(distinct.values()))}
        code_of = {cell: labels[label] for cell, label in distinct.items()}
        codes = np.fromiter(map(code_of.__getitem__, cells), np.int64, len(cells))
        return list(labels), codes

    def stamps(self, column: int, *, utc: bool, rows: IntArray | None = None) -> IntArray:
        """Return the instants of a column [ns], shape (n,)."""
        try:
            return parse_stamps(self.cells(column, rows), utc=utc)
        except BadCellError as bad:
            row = bad.index if rows is None else int(rows[bad.index])
            raise self.refuse(bad.message, row=row, column=column) from bad

    def numbers(self, columns: Sequence[int], rows: IntArray | None = None) -> FloatArray:
        """Return columns of numbers, shape (n, len(columns)); NaN where a cell is empty."""
        found = None
        if self._cuts is not None:
            few = rows is not None or len(columns) <= N_FEW
            found = self._few(columns, rows) if few else self._block(columns)
        return self._exact_numbers(columns, rows) if found is None else found

    def flags(self, column: int, rows: IntArray | None = None) -> npt.NDArray[np.bool_]:
        """Return a column of true and false, shape (n,); an empty cell is false."""
        cells = [cell.strip().lower() for cell in self.cells(column, rows)]
        for i, cell in enumerate(cells):
            if cell not in NULLS and cell not in TRUTHS:
                row = i if rows is None else int(rows[i])
                raise self.refuse(f"{cell!r} is neither true nor false", row=row, column=column)
        return np.array([TRUTHS.get(cell, False) for cell in cells], dtype=np.bool_)

    def _split_header(self, header: str) -> tuple[str, ...]:
        try:
            names = next(csv.reader([header], delimiter=self._sep, skipinitialspace=True))
        except csv.Error as error:
            raise self.refuse(f"the header cannot be read: {error}") from error
        if len(names) < 2:
            raise self.refuse(
                f"one column only, {header[:60]!r}; an instant and an intensity a line are needed"
            )
        return tuple(name.strip() for name in names)

    def _index(self) -> IntArray | None:
        """Return where each row is cut, shape (n, n_columns + 1), or None if rows are not alike.

        The first cut of a row is the line end before it, so a cell is what lies between two cuts.
        """
        n_columns, end = len(self.names), len(self._text.rstrip("\n"))
        body = self._text[self._body_at - 1 : end] + "\n"
        blank_row = "\n" + self._sep * (n_columns - 1) + "\n"
        if end <= self._body_at or '"' in body or "#" in body or blank_row in body:
            return None
        if not body.isascii():
            return None
        chars = np.frombuffer(body.encode("ascii"), np.uint8)
        is_cut = chars == ord(self._sep)
        is_cut |= chars == ord("\n")
        cuts = np.flatnonzero(is_cut)
        if (len(cuts) - 1) % n_columns:
            return None
        ends = chars[cuts[1:]].reshape(-1, n_columns) == ord("\n")
        if not ends[:, -1].all() or ends[:, :-1].any():
            return None
        last = cuts[1:].reshape(-1, n_columns)
        return np.column_stack((cuts[:-1:n_columns], last)) + (self._body_at - 1)

    def _tokenize(self) -> tuple[list[list[str]], list[int]]:
        """Return the rows and the line each starts on, by the csv module."""
        rows: list[list[str]] = []
        lines: list[int] = []
        numbered = _NumberedLines(self._text[self._body_at :], self._header_line + 1)
        reader = csv.reader(numbered, delimiter=self._sep, skipinitialspace=True)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(self._of_right_length(row, numbered.first))
                    lines.append(numbered.first)
                numbered.first = 0
        except csv.Error as error:
            raise DataFileError(f"{error}", path=self.path, line=numbered.last) from error
        return rows, lines

    def _of_right_length(self, row: list[str], line: int) -> list[str]:
        n = len(self.names)
        if len(row) == n or (len(row) > n and not any(cell.strip() for cell in row[n:])):
            return row[:n]
        halves = len(row) == 2 * n - 1 and all(cell.strip().isdigit() for cell in row[-2:])
        comma = "; numbers with a decimal comma need ; between fields" * halves
        raise DataFileError(f"{len(row)} fields where the header has {n}{comma}", path=self.path, line=line)

    def _few(self, columns: Sequence[int], rows: IntArray | None) -> FloatArray | None:
        """Return some columns of plain numbers, None when some cell needs a closer look."""
        parts = [self.cells(column, rows) for column in columns]
        if any("_" in "".join(cells) for cells in parts):  # float() takes 1_000
            return None
        try:
            found = np.array([list(map(float, cells)) for cells in parts], np.float64).T
        except ValueError:
            return None
        return None if np.isinf(found).any() else found

    def _block(self, columns: Sequence[int]) -> FloatArray | None:
        """Return many columns of plain numbers read at once, None as for a few."""
        assert self._cuts is not None
        body = self._text[self._body_at : int(self._cuts[-1, -1])]
        sep = self._sep
        while sep * 2 in body:
            body = body.replace(sep * 2, f"{sep}nan{sep}")
        body = body.replace(sep + "\n", sep + "nan\n") + ("nan" if body.endswith(sep) else "")
        try:
            found = np.loadtxt(io.StringIO(body), delimiter=sep, usecols=columns, comments=None, ndmin=2)
        except ValueError:
            return None
        return None if np.isinf(found).any() else found

    def _exact_numbers(self, columns: Sequence[int], rows: IntArray | None) -> FloatArray:
        texts = [[cell.strip() for cell in self.cells(column, rows)] for column in columns]
        decimal_comma = self._sep != "," and any("," in cell for cells in texts for cell in cells)
        found = np.empty((len(texts[0]), len(texts)))
        for j, cells in enumerate(texts):
            for i, cell in enumerate(cells):
                try:
                    found[i, j] = number_of(cell, decimal_comma)
                except ValueError as error:
                    row = i if rows is None else int(rows[i])
                    raise self.refuse(str(error), row=row, column=columns[j]) from None
        return found


class _NumberedLines:
    """Lines with their numbers, comments left out; `first` is where the current row began."""

    def __init__(self, text: str, line: int) -> None:
        self._lines = iter(text.split("\n"))
        self.last = line - 1
        self.first = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._lines)
        self.last += 1
        while self.first == 0 and text.lstrip().startswith("#"):
            text = next(self._lines)
            self.last += 1
        self.first = self.first or self.last
        return text + "\n"


def _find_header(text: str, path: str) -> tuple[str, int, int]:
    """Return the first line that is no comment, its number, and where the text after it begins."""
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        content = text[at:end]
        if content.strip() and not content.lstrip().startswith("#"):
            return content, line, end + 1
        at, line = end + 1, line + 1
    raise DataFileError("the file is empty but for comments", path=path)
