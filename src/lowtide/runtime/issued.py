"""Forecasts of a provider from files: a column beside the truth, or forecasts as they were issued."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import DataFileError, InputError, MissingExtraError
from lowtide.forecasting.issue import Method
from lowtide.forecasting.methods.provider import IssuedForecasts, ProviderColumn
from lowtide.grid.choosing import Wanted, author_of, choose
from lowtide.grid.columns import (
    UNIT_KEYS,
    UNITS_READ,
    column_key,
    listed,
    scale_of_unit,
    value_column,
)
from lowtide.grid.files import read_intensity
from lowtide.grid.text import decode_text
from lowtide.model.signal import Basis
from lowtide.quantities import parse_instant_ns
from lowtide.units import NS_PER_H

__all__ = ["read_forecasts"]

_ISSUED: Final = ("issue_utc", "issued", "issued_utc", "issue", "generated_at", "issued_at")
_STAMPS: Final = ("ts_utc", "point_time", "datetime", "time", "valid_utc")
_MOST_LEADS: Final = 10_000


def read_forecasts(
    path: str | os.PathLike[str],
    *,
    zone: str | None = None,
    basis: Basis | None = None,
    factors: str | None = None,
    column: str | None = None,
) -> Method:
    """Return a provider's forecasts as a method.

    Parameters
    ----------
    path : path-like
        CSV or Parquet. With a column ``issue_utc`` (or ``generated_at``, ``issued_at``): one row an issue and
        step, with ``ts_utc``, perhaps ``zone``, and a column whose name begins with ``forecast``. Without one:
        an intensity file with a forecast column, taken as known whenever it is needed.
    zone : str, optional
        Needed where the file has several.
    basis : {"average", "marginal"}, optional
        What the values are, where their column does not say.
    factors : {"lifecycle", "direct", "unknown"}, optional
        Chooses between ``forecast_lca`` and ``forecast_direct``; direct only when asked for.
    column : str, optional
        The column of forecasts, where there are several.

    Raises
    ------
    DataFileError
        If the file cannot be read as forecasts.
    ZoneError
        If it has no such zone.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    names = _names(path)
    issued = next((name for name in _ISSUED if name in names), None)
    if issued is None:
        chosen = column or _forecast_column(path, names, factors)
        series = read_intensity(path, zone=zone, basis=basis, column=chosen)
        return ProviderColumn(column=series)
    stamp = next((name for name in _STAMPS if name in names), None)
    if stamp is None:
        raise DataFileError(f"has {issued} but no column {', '.join(_STAMPS)}", path=str(path))
    value = column or _forecast_column(path, names, factors)
    if value not in names:
        raise DataFileError(f"no column {value!r}; the columns are {listed(names)}", path=str(path))
    scale, unit = _scale_of(path, names, stamp, value, basis), _unit_column(names)
    others = [name for name in ("zone", unit) if name in names]
    table = _columns(path, [issued, stamp, value, *others])
    kept = _of_zone(path, table, zone)
    if unit is not None:
        scale = _scale_said(path, table[unit][kept].tolist())
    return _pivoted(path, table[issued][kept], table[stamp][kept], table[value][kept] * scale)


def _scale_of(
    path: str | os.PathLike[str], names: Sequence[str], stamp: str, value: str, basis: Basis | None
) -> float:
    """Return what turns a column into g/kWh, told from its name and the file's author; its basis is checked."""
    index = names.index(value)
    column = value_column(value, index, strict=False)
    assert column is not None  # strict is off
    author = author_of([column_key(name) for name in names], [column], time=names.index(stamp))
    chosen = choose(
        [column],
        author=author,
        wanted=Wanted(basis=basis),
        refuse=lambda message: DataFileError(message, path=str(path)),
        has_units=_unit_column(names) is not None,
    )
    return 1.0 if chosen.value.scale is None else chosen.value.scale  # else a column says the unit


def _unit_column(names: Sequence[str]) -> str | None:
    return next((name for name in names if column_key(name) in UNIT_KEYS), None)


def _scale_said(path: str | os.PathLike[str], units: Sequence[str]) -> float:
    """Return what turns numbers into g/kWh by the column of units."""
    said = sorted(set(units))
    scale = scale_of_unit(said[0]) if len(said) == 1 else 1.0
    if len(said) > 1:
        raise DataFileError(f"the unit changes: {listed(said)}; split the file", path=str(path))
    if scale is None:
        raise DataFileError(f"{said[0]!r} is not read; {UNITS_READ} are", path=str(path))
    return scale


def _names(path: str | os.PathLike[str]) -> list[str]:
    if _is_parquet(path):
        return list(_parquet(path).schema_arrow.names)
    return next(csv.reader(_text(path)), [])


def _text(path: str | os.PathLike[str]) -> StringIO:
    return StringIO(decode_text(Path(path).read_bytes(), str(path)), newline="")


def _is_parquet(path: str | os.PathLike[str]) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise DataFileError(f"cannot be read: {error.strerror}", path=str(path)) from error


def _parquet(path: str | os.PathLike[str]) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet", extra="parquet") from error
    return parquet.ParquetFile(path)


def _forecast_column(path: str | os.PathLike[str], names: Sequence[str], factors: str | None) -> str:
    found = [name for name in names if name.casefold().startswith("forecast")]
    ends = ("_direct",) if factors == "direct" else ("_lca", "_lifecycle")
    best = [name for name in found if name.casefold().endswith(ends)] if len(found) > 1 else found
    if len(best) == 1:
        return best[0]
    if not found and "value" in names:
        return "value"
    what = f"several columns of forecasts: {', '.join(found)}" if found else "no column named forecast..."
    how = "leave one of that name in the file, or say which (lowtide grid score --column NAME, column=)"
    raise DataFileError(f"{what}; {how}", path=str(path))


def _columns(path: str | os.PathLike[str], wanted: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Return columns as arrays: instants in ns, values as floats, zones as texts."""
    if _is_parquet(path):
        import pyarrow as pa

        table = _parquet(path).read(columns=list(wanted))
        found = {}
        for name in wanted:
            column = table[name]
            if pa.types.is_timestamp(column.type):
                if column.type.tz is None:
                    raise DataFileError(
                        f"instants in {name} have no time zone; write them in UTC", path=str(path)
                    )
                column = column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
            elif pa.types.is_dictionary(column.type):
                column = column.cast(pa.string())
            found[name] = np.array(column.to_pylist() if pa.types.is_string(column.type) else column)
        return found
    rows = list(csv.DictReader(_text(path)))
    return {name: _parsed(path, name, [row[name] or "" for row in rows]) for name in wanted}


def _parsed(path: str | os.PathLike[str], name: str, cells: list[str]) -> np.ndarray[Any, Any]:
    if name == "zone" or column_key(name) in UNIT_KEYS:
        return np.array(cells)
    read = parse_instant_ns if name in (*_ISSUED, *_STAMPS) else _number
    found: list[float] = []
    for line, cell in enumerate(cells, start=2):
        try:
            found.append(read(cell))
        except (InputError, ValueError) as error:
            raise DataFileError(f"{name}: {error}", path=str(path), line=line) from error
    return np.array(found)


def _number(cell: str) -> float:
    return float(cell) if cell else float("nan")


def _of_zone(path: str | os.PathLike[str], table: dict[str, Any], zone: str | None) -> np.ndarray[Any, Any]:
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.intensity_table import choose_zone

    if "zone" not in table:
        return np.arange(len(next(iter(table.values()))))
    keys = sorted(set(table["zone"].tolist()))
    chosen = choose_zone(keys, zone, path=str(path), resolve=resolve_zone)
    return np.flatnonzero(table["zone"] == chosen)


def _pivoted(
    path: str | os.PathLike[str], issued_ns: IntArray, stamps_ns: IntArray, values: FloatArray
) -> IssuedForecasts:
    """Return one row an issue from one row a step."""
    ahead = stamps_ns - issued_ns
    if not len(ahead):
        raise DataFileError("no forecast in it", path=str(path))
    apart = np.diff(np.unique(ahead))
    step_ns = int(apart.min()) if len(apart) else NS_PER_H
    if np.any(ahead < 0) or np.any(ahead % step_ns):
        raise DataFileError(
            "steps before their issue, or not on its grid; each is issue + n steps", path=str(path)
        )
    lead = ahead // step_ns
    if int(lead.max()) >= _MOST_LEADS:
        raise DataFileError(
            f"{int(lead.max()) + 1} steps ahead of an issue; at most {_MOST_LEADS}", path=str(path)
        )
    issues, row = np.unique(issued_ns, return_inverse=True)
    table = np.full((len(issues), int(lead.max()) + 1), np.nan)
    table[row, lead] = values
    return IssuedForecasts(issued_ns=issues, step_ns=step_ns, values=table)
