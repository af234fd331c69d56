"""Tables of readings in CSV and Parquet files, column by column; what a cell means is told elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from lowtide.errors import DataFileError, MissingExtraError
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Column", "LogTable", "ParquetTable", "Stamps", "TextTable", "open_table"]

_PARQUET: Final = b"PAR1"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS: Final = ",;\t"
_CHUNK: Final = 50_000


class Stamps(NamedTuple):
    """Instants [ns], shape (n,); `naive` ones are local to nobody knows where and still without offset."""

    t_ns: IntArray
    naive: bool


Column = list[str] | FloatArray | IntArray | Stamps
"""Text cells as written, numbers (NaN where there is none), or instants that the file itself types."""


class TextTable:
    """A CSV file: a header, then rows; blank lines and headers written again are passed over.

    A last line without its end, with fewer fields than the others, is what a killed logger leaves; it
    is passed over too.

    Parameters
    ----------
    path : str
        For messages.
    data : bytes

    Raises
    ------
    DataFileError
        If it is no text, or has no header with two columns.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self._text = _decode(data, path)
        header, self._header_line, self._body_at = _header(self._text, path)
        self._sep = max(_SEPARATORS, key=header.count)
        self._fields = next(csv.reader([header], delimiter=self._sep, skipinitialspace=True))
        self.names = tuple(name.strip() for name in self._fields)
        if len(self.names) < 2:
            raise self.refuse(f"one column only, {header[:60]!r}; an instant and watts a line are needed")

    typed_instants: tuple[int, ...] = ()
    """Columns that are instants by their type; text has none."""

    def columns(self, wanted: Sequence[int]) -> list[Column]:
        """Return columns by their index, each a list of text cells.

        Raises
        ------
        DataFileError
            If a row has another number of fields than the header.
        """
        plain = self._plain_columns(wanted)
        if plain is not None:
            return list(plain)
        rows = [row for _, row in self._rows()]
        return [[row[i] for row in rows] for i in wanted]

    def _plain_columns(self, wanted: Sequence[int]) -> list[list[str]] | None:
        """Return columns of a file whose rows are all alike, None for any other."""
        found: list[list[str]] = [[] for _ in wanted]
        reader, n = self._reader(), len(self.names)
        try:
            while rows := list(islice(reader, _CHUNK)):
                if set(map(len, rows)) != {n} or self._fields in rows:
                    return None
                for cells, i in zip(found, wanted, strict=True):
                    cells.extend([row[i] for row in rows])
        except csv.Error:
            return None
        return found

    def refuse(self, message: str, *, row: int | None = None, column: int | None = None) -> DataFileError:
        """Return the error for a row and column counted from 0, as line and column of the file."""
        line = self._header_line if row is None else self._line(row)
        named = "" if column is None else f"{self.names[column]}: "
        place = None if column is None else column + 1
        return DataFileError(named + message, path=self.path, line=line, column=place)

    def _line(self, row: int) -> int:
        return next(line for i, (line, _) in enumerate(self._rows()) if i == row)

    def _reader(self) -> Any:
        text = io.StringIO(self._text, newline="")
        text.seek(self._body_at)
        return csv.reader(text, delimiter=self._sep, skipinitialspace=True)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, fields) of every row of data."""
        n, reader = len(self.names), self._reader()
        try:
            for row in reader:
                line = self._header_line + reader.line_num
                fields = None if row == self._fields else row if len(row) == n else self._fit(row, line)
                if fields is not None:
                    yield line, fields
        except csv.Error as error:
            line = self._header_line + reader.line_num
            raise DataFileError(str(error), path=self.path, line=line) from error

    def _fit(self, row: list[str], line: int) -> list[str] | None:
        """Return an odd row without empty fields too many, None for one to pass over."""
        n = len(self.names)
        if len(row) > n and not any(cell.strip() for cell in row[n:]):
            return row[:n]
        is_last = line > self._text.count("\n")  # and nobody ended it
        if is_last or not any(cell.strip() for cell in row):
            return None
        raise DataFileError(f"{len(row)} fields where the header has {n}", path=self.path, line=line)


class ParquetTable:
    """A Parquet file, through pyarrow, imported only here and only when needed.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    DataFileError
        If the file is not Parquet or is cut off.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError as error:
            raise MissingExtraError("reading Parquet", extra="parquet") from error
        self._file = self._guarded(parquet.ParquetFile, path)
        self._schema = self._guarded(lambda: self._file.schema_arrow)
        self.names = tuple(self._schema.names)
        is_timestamp = self._pa.types.is_timestamp
        self.typed_instants = tuple(i for i, field in enumerate(self._schema) if is_timestamp(field.type))

    def columns(self, wanted: Sequence[int]) -> list[Column]:
        """Return columns by their index.

        Raises
        ------
        DataFileError
            If one holds neither text, numbers nor instants.
        """
        names = [self.names[i] for i in wanted]
        table = self._guarded(self._file.read, columns=list(dict.fromkeys(names)))
        return [self._plain(table.column(name), i) for name, i in zip(names, wanted, strict=True)]

    def refuse(self, message: str, *, row: int | None = None, column: int | None = None) -> DataFileError:
        """Return the error for a row and column counted from 0; rows are named from 1."""
        place = "" if row is None else f"row {row + 1}: "
        named = "" if column is None else f"{self.names[column]}: "
        return DataFileError(place + named + message, path=self.path)

    def _plain(self, column: Any, index: int) -> Column:
        types = self._pa.types
        if types.is_dictionary(column.type):
            column = self._guarded(column.cast, column.type.value_type)
        kind = column.type
        if types.is_string(kind) or types.is_large_string(kind):
            return [cell or "" for cell in column.to_pylist()]
        if types.is_timestamp(kind):
            if column.null_count:
                raise self.refuse("an instant is missing", column=index)
            ns = self._guarded(column.cast, self._pa.timestamp("ns", tz=kind.tz))
            return Stamps(np.asarray(ns.cast(self._pa.int64()).to_numpy(), np.int64), kind.tz is None)
        if types.is_integer(kind) and not column.null_count:
            return np.asarray(column.to_numpy()).astype(np.int64)
        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            return np.asarray(column.cast(self._pa.float64()).to_numpy(), np.float64)
        raise self.refuse(f"holds {kind}, neither text, numbers nor instants", column=index)

    def _guarded(self, call: Any, *args: Any, **options: Any) -> Any:
        """Return what a call of pyarrow returns, its errors translated."""
        try:
            return call(*args, **options)
        except (self._pa.ArrowException, OSError, ValueError, KeyError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataFileError(f"not a readable Parquet file: {first}", path=self.path) from error


LogTable = TextTable | ParquetTable


def open_table(path: Path) -> LogTable:
    """Return the table in a file, by how it begins.

    Raises
    ------
    DataFileError
        If there is no such file, or it is no table.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PARQUET))
            if start != _PARQUET:
                return TextTable(str(path), start + file.read())
    except DataFileError:
        raise
    except FileNotFoundError as error:
        raise DataFileError("no such file; a power log is a CSV or Parquet file", path=str(path)) from error
    except (OSError, ValueError) as error:
        raise DataFileError(f"cannot be opened: {error}", path=str(path)) from error
    return ParquetTable(str(path))


def _decode(data: bytes, path: str) -> str:
    """Return the text of a file with ``\\n`` line ends; a shell on Windows writes logs in UTF-16."""
    codec = "utf-16" if data[:2] in _UTF16 else "utf-8-sig"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise DataFileError(
            "this is no text; save the log as CSV in UTF-8, or as Parquet", path=path
        ) from error
    if "\0" in text:
        raise DataFileError("this is a binary file, not CSV or Parquet", path=path)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _header(text: str, path: str) -> tuple[str, int, int]:
    """Return the first line that is neither blank nor a comment, its number, and where the next one begins."""
    at, number = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        if line.strip() and not line.lstrip().startswith("#"):
            return line, number, min(end + 1, len(text))
        at, number = end + 1, number + 1
    raise DataFileError("the file is empty", path=path)
