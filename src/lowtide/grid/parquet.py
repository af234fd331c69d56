"""Parquet files as columns, through pyarrow, imported only here and only when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from lowtide.errors import DataFileError, LowtideError, MissingExtraError
from lowtide.grid.stamps import FIRST_NS, LAST_NS, BadCellError, parse_stamps
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["MAGIC", "ParquetSource"]

MAGIC: Final = b"PAR1"
"""How a Parquet file begins."""
_Method = TypeVar("_Method", bound=Callable[..., Any])
_NS_IN: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("reading Parquet", extra="parquet") from error


def _translated(method: _Method) -> _Method:
    """Return a method whose foreign errors, of damaged files mostly, are told as ours."""

    @wraps(method)
    def translating(self: ParquetSource, *args: Any, **options: Any) -> Any:
        try:
            return method(self, *args, **options)
        except LowtideError:
            raise
        except (self._pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataFileError(f"not a readable Parquet file: {first}", path=self.path) from error

    return cast(_Method, translating)


class ParquetSource:
    """A Parquet file: its column names, and columns on demand.

    Rows are named in messages by their number from 1; there are no lines.

    Parameters
    ----------
    path : Path

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    DataFileError
        If the file is not Parquet, is cut off, or has no row.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._pa, parquet = _import_pyarrow()
        self._read: dict[int, Any] = {}
        self._open(parquet.ParquetFile)
        if self.n_rows == 0:
            raise self.refuse("there are columns and no rows")

    @_translated
    def _open(self, open_file: Any) -> None:
        self._file = open_file(self.path)
        self._schema = self._file.schema_arrow
        self.names: tuple[str, ...] = tuple(self._schema.names)
        self.n_rows = int(self._file.metadata.num_rows)

    @property
    @_translated
    def instants(self) -> tuple[int, ...]:
        """Columns that hold instants by their type."""
        is_timestamp = self._pa.types.is_timestamp
        return tuple(i for i, field in enumerate(self._schema) if is_timestamp(field.type))

    def refuse(self, message: str, *, row: int | None = None, column: int | None = None) -> DataFileError:
        """Return the error for a row and column counted from 0."""
        named = "" if column is None else f"{self.names[column]}: "
        place = "" if row is None else f"{self.place(row)}: "
        return DataFileError(place + named + message, path=self.path)

    def place(self, row: int) -> str:
        """Return where a row is, in words."""
        return f"row {row + 1}"

    @_translated
    def texts(self, column: int) -> tuple[list[str], IntArray]:
        """Return the different texts of a column and, for each row, which it is, shape (n,)."""
        array = self._column(column)
        types = self._pa.types
        if not types.is_dictionary(array.type):
            if not (types.is_string(array.type) or types.is_large_string(array.type)):
                raise self.refuse(f"holds {array.type}, not text", column=column)
            array = array.dictionary_encode()
        words = array.dictionary.to_pylist()
        labels = [str(word or "").strip() for word in words]
        codes = np.asarray(array.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
        if (codes < 0).any():
            labels, codes = [*labels, ""], np.where(codes < 0, len(labels), codes)
        used = np.unique(codes).tolist()
        merged = {label: i for i, label in enumerate(dict.fromkeys(labels[k] for k in used))}
        code_of = np.zeros(len(labels), np.int64)
        code_of[used] = [merged[labels[k]] for k in used]
        return list(merged), code_of[codes]

    @_translated
    def stamps(self, column: int, *, utc: bool, rows: IntArray | None = None) -> IntArray:
        """Return the instants of a column [ns], shape (n,)."""
        array = self._column(column)
        types = self._pa.types
        if types.is_string(array.type) or types.is_large_string(array.type):
            return self._text_stamps(column, utc, rows)
        if not types.is_timestamp(array.type):
            raise self.refuse(f"holds {array.type}, not instants", column=column)
        if array.type.tz is None and not utc:
            raise self.refuse(
                "its stamps have no time zone; store them with one (UTC), "
                "or name the column ts_utc if they are UTC",
                column=column,
            )
        raw, known = self._plain(array, self._pa.int64(), 0, rows)
        ns_in_unit = _NS_IN[array.type.unit]
        outside = (raw < FIRST_NS // ns_in_unit) | (raw >= LAST_NS // ns_in_unit)
        bad = np.flatnonzero(outside | ~known)
        if len(bad):
            beyond = "lies outside the years 1970 to 2099"
            message = beyond if known[bad[0]] else "the instant is missing"
            raise self._refuse_at(bad[0], rows, message, column)
        return np.asarray(raw * ns_in_unit, np.int64)

    @_translated
    def numbers(self, columns: Sequence[int], rows: IntArray | None = None) -> FloatArray:
        """Return columns of numbers, shape (n, len(columns)); NaN where there is none."""
        parts = []
        for column in columns:
            found, _ = self._plain(self._number_column(column), self._pa.float64(), np.nan, rows)
            infinite = np.flatnonzero(np.isinf(found))
            if len(infinite):
                raise self._refuse_at(infinite[0], rows, "is infinite; unknown is null", column)
            parts.append(found)
        return np.stack(parts, axis=1)

    @_translated
    def flags(self, column: int, rows: IntArray | None = None) -> npt.NDArray[np.bool_]:
        """Return a column of true and false, shape (n,); null is false."""
        array = self._column(column)
        if not self._pa.types.is_boolean(array.type):
            raise self.refuse(f"holds {array.type}, not true and false", column=column)
        plain = np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
        return plain if rows is None else plain[rows]

    def _text_stamps(self, column: int, utc: bool, rows: IntArray | None) -> IntArray:
        labels, codes = self.texts(column)
        codes = codes if rows is None else codes[rows]
        try:
            return parse_stamps(labels, utc=utc)[codes]
        except BadCellError as bad:
            at = np.flatnonzero(codes == bad.index)
            raise self._refuse_at(at[0] if len(at) else 0, rows, bad.message, column) from bad

    def _number_column(self, column: int) -> Any:
        array = self._column(column)
        types = self._pa.types
        if types.is_floating(array.type) or types.is_integer(array.type):
            return array
        if types.is_decimal(array.type) or types.is_null(array.type):
            return array.cast(self._pa.float64())
        raise self.refuse(f"holds {array.type}, not numbers", column=column)

    def _plain(
        self, array: Any, as_type: Any, null: float, rows: IntArray | None
    ) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Return an array of numbers without nulls, and which there were, of all rows or some."""
        array = array if rows is None else array.take(self._pa.array(rows))
        known = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)
        cast = array.cast(as_type, safe=False).fill_null(null)
        return cast.to_numpy(zero_copy_only=False), known

    def _refuse_at(self, i: int, rows: IntArray | None, message: str, column: int) -> DataFileError:
        row = int(i) if rows is None else int(rows[i])
        return self.refuse(message, row=row, column=column)

    def _column(self, column: int) -> Any:
        """Return a column as one array, read once."""
        if column not in self._read:
            table = self._file.read(columns=[self.names[column]])
            if table.num_columns != 1 or table.num_rows != self.n_rows:
                raise self.refuse("cannot be read as one plain column", column=column)
            self._read[column] = table.column(0).combine_chunks()
            if isinstance(self._read[column], self._pa.ChunkedArray):  # older pyarrow, no chunk
                self._read[column] = self._pa.concat_arrays(self._read[column].chunks)
        return self._read[column]
