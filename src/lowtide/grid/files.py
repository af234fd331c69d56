"""Intensity from CSV and Parquet files, read without being told their form, and constants.

The forms are shown in ``docs/reference/intensity-files.md``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.grid.blocks import Source, read_zones, zone_rows
from lowtide.grid.cells import CsvSource
from lowtide.grid.choosing import Wanted
from lowtide.grid.columns import scale_of_unit, value_column
from lowtide.grid.intensity_table import FileNotes, IntensityTable, Resolve, choose_zone, named
from lowtide.grid.layout import Layout, read_layout
from lowtide.grid.parquet import MAGIC, ParquetSource
from lowtide.model.signal import Basis, Factors, Signal
from lowtide.series.types import IntensitySeries

__all__ = [
    "FileNotes",
    "IntensityTable",
    "constant_g_per_kwh",
    "constant_intensity",
    "read_intensity",
    "read_intensity_table",
    "read_marginal_beside",
]

_CONSTANT: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z].*)?", re.ASCII)


def read_intensity_table(
    path: str | os.PathLike[str],
    *,
    basis: Basis | None = None,
    factors: Factors | None = None,
    column: str | None = None,
) -> IntensityTable:
    """Return all zones of an intensity file.

    Parameters
    ----------
    path : path-like
        A CSV or Parquet file in one of the known forms.
    basis : {"average", "marginal"}, optional
        Which to take when the file has both, and what the values are when it does not say;
        average when left out, unless all of the file is marginal.
    factors : {"lifecycle", "direct"}, optional
        The same for emission factors; lifecycle before direct when left out.
    column : str, optional
        The column of intensities, for a file with several.

    Raises
    ------
    DataFileError
        If the file cannot be read as an intensity; with line and column where there is one.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.csv"
    >>> lines = "ts_utc,DE,FR", "2026-03-01T00:00Z,300,40", "2026-03-01T01:00Z,310,50"
    >>> _ = path.write_text("\\n".join(lines))
    >>> table = read_intensity_table(path)
    >>> table.zones, table.series["FR"].mean_g_per_kwh(), table.notes["FR"].step_s
    (('DE', 'FR'), 45.0, 3600.0)
    """
    source, layout = _open(path, Wanted(basis, factors, column))
    found = list(read_zones(source, layout, zone_rows(source, layout)))
    return IntensityTable(
        path=Path(path),
        series=MappingProxyType({f.zone: f.series for f in found}),
        notes=MappingProxyType({f.zone: f.notes for f in found}),
    )


def read_intensity(
    path_or_number: str | os.PathLike[str] | float,
    *,
    zone: str | None = None,
    basis: Basis | None = None,
    factors: Factors | None = None,
    column: str | None = None,
    resolve: Resolve | None = None,
    window_ns: tuple[int, int] | None = None,
) -> IntensitySeries:
    """Return the intensity of one zone of a file, or a constant.

    Of a file no more is parsed than the zone needs, so a mistake elsewhere may pass unseen;
    :func:`read_intensity_table` looks at everything.

    Parameters
    ----------
    path_or_number : path-like or number
        A file, or a constant [g/kWh]: ``400``, ``"400"``, ``"400g"``.
    zone : str, optional
        Its key; not needed when the file has one zone. A file that names no zone takes this one.
    basis, factors, column
        As for :func:`read_intensity_table`.
    resolve : callable, optional
        Turns an alias into a key or None; tried when the file has no zone of that name.
    window_ns : (int, int), optional
        Start and end [ns] of a constant, which needs them; files know their own.

    Raises
    ------
    ZoneError
        If the file has no such zone, or several and none was named.
    DataFileError, MissingExtraError
        As for :func:`read_intensity_table`.
    InputError
        If a constant has no window, or is negative on the average basis.
    """
    constant = constant_g_per_kwh(path_or_number)
    if constant is not None:
        if window_ns is None:
            raise InputError(
                f"a constant of {constant:g} g/kWh needs the window it holds for; give window_ns"
            )
        return constant_intensity(
            constant,
            start_ns=window_ns[0],
            end_ns=window_ns[1],
            basis=basis or "average",
            factors=factors or "unknown",
        )
    if not isinstance(path_or_number, str | os.PathLike):
        raise InputError(f"cannot read an intensity from {path_or_number!r}; give a file or a number")
    source, layout = _open(path_or_number, Wanted(basis, factors, column))
    rows = zone_rows(source, layout)
    chosen = choose_zone(rows.zones, zone, path=source.path, resolve=resolve)
    found = next(read_zones(source, layout, rows, only=rows.zones.index(chosen)))
    return named(found.series, zone)


def read_marginal_beside(
    path: str | os.PathLike[str], *, zone: str | None = None, resolve: Resolve | None = None
) -> IntensitySeries | None:
    """Return the marginal intensity that a file holds beside an average one; None where it has no such column.

    Values of a file that does not say what they are stay what they were taken for.

    Raises
    ------
    ZoneError, DataFileError, MissingExtraError
        As for :func:`read_intensity`.
    """
    source = _open_columns(Path(path))
    names = [value_column(name, i) for i, name in enumerate(source.names)]
    if not any(column is not None and column.basis == "marginal" for column in names):
        return None
    layout = read_layout(
        source.names, wanted=Wanted("marginal"), instants=source.instants, refuse=source.refuse
    )
    if not layout.tells_basis:
        return None
    rows = zone_rows(source, layout)
    chosen = choose_zone(rows.zones, zone, path=source.path, resolve=resolve)
    found = next(read_zones(source, layout, rows, only=rows.zones.index(chosen)))
    return named(found.series, zone)


def constant_g_per_kwh(given: object) -> float | None:
    """Return the constant in a number or text [g/kWh], None when it is none (a path, say).

    Raises
    ------
    QuantityError
        If it is a number, but not a finite one.

    Examples
    --------
    >>> constant_g_per_kwh("400g"), constant_g_per_kwh(12), constant_g_per_kwh("year.csv")
    (400.0, 12.0, None)
    """
    if isinstance(given, str):
        match = _CONSTANT.fullmatch(given.strip())
        scale = None if match is None else _constant_scale(match[2])
        if match is None or scale is None:
            return None
        number = float(match[1]) * scale
    elif isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool):
        number = float(given)
    else:
        return None
    if not abs(number) < float("inf"):
        raise QuantityError(f"an intensity of {given} g/kWh; give a finite number like 400")
    return number


def _constant_scale(unit: str | None) -> float | None:
    if unit is None or unit.strip().lower() in ("g", "gco2", "gco2e", "gco2eq"):
        return 1.0
    return scale_of_unit(unit)


def constant_intensity(
    g_per_kwh: float,
    *,
    start_ns: int,
    end_ns: int,
    basis: Basis = "average",
    factors: Factors = "unknown",
) -> IntensitySeries:
    """Return one step of a constant given by hand.

    It is flat, so moving a job in time saves exactly nothing on it. Nobody has measured it for the window, so
    its status is ``estimated``.

    Parameters
    ----------
    g_per_kwh : float
        The intensity [g/kWh].
    start_ns, end_ns : int
        What it covers [ns].

    Raises
    ------
    QuantityError
        If it is negative on the average basis.

    Examples
    --------
    >>> constant_intensity(400.0, start_ns=0, end_ns=10).mean_g_per_kwh()
    400.0
    """
    if basis == "average" and g_per_kwh < 0:
        raise QuantityError(
            f"an average intensity is never negative, got {g_per_kwh:g} g/kWh; "
            "a marginal one may be: pass --basis marginal (basis='marginal')"
        )
    signal = Signal(zone=None, basis=basis, factors=factors, source="constant given by hand")
    return IntensitySeries.of([start_ns, end_ns], [g_per_kwh], signal=signal, status="estimated")


def _open(path: str | os.PathLike[str], wanted: Wanted) -> tuple[Source, Layout]:
    """Return the columns of a file and what they are."""
    for name, given, known in (
        ("basis", wanted.basis, ("average", "marginal")),
        ("factors", wanted.factors, ("lifecycle", "direct", "unknown")),
    ):
        if given is not None and given not in known:
            raise InputError(f"{name} is {given!r}; use one of {', '.join(known)}")
    source = _open_columns(Path(path))
    return source, read_layout(source.names, wanted=wanted, instants=source.instants, refuse=source.refuse)


def _open_columns(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
            if start != MAGIC:
                return CsvSource(path, start + file.read())
    except FileNotFoundError as error:
        hint = "; a constant is written 400 or 400g" if path.suffix == "" else ""
        raise DataFileError(f"no such file{hint}", path=str(path)) from error
    except IsADirectoryError as error:
        what = "this is a folder; give a CSV or Parquet file"
        raise DataFileError(what, path=str(path)) from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"cannot be opened: {error}", path=str(path)) from error
    return ParquetSource(path)
