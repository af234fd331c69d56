"""Power logs that already exist, as CSV or Parquet: a column that says when, and columns in watts.

Readings are gauges, so power between two of them is their mean, as far as they are not too far apart.
A reading that the meter got wrong, negative or failed, leaves the time between its good neighbours
unknown, never zero; an empty cell is no reading. Several devices in one file, as ``nvidia-smi`` writes
them, are added, each by its own readings. The forms are shown in ``docs/reference/power-logs.md``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lowtide.errors import InputError
from lowtide.model.energy import Boundary
from lowtide.model.record import Gap
from lowtide.power.log_cells import (
    FAILED,
    BadCellError,
    as_numbers,
    numeric_instants,
    offset_ns,
    text_instants,
    watts,
    watts_of_numbers,
)
from lowtide.power.log_columns import Layout, read_layout
from lowtide.power.log_devices import Flaw, Rows, device_of_rows, power_of_devices
from lowtide.power.log_table import Column, LogTable, Stamps, open_table
from lowtide.quantities import format_instant
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import PowerSeries
from lowtide.units import NS_PER_S

__all__ = ["PowerLog", "read_power_log"]

_FIRST_NS: Final = 946_684_800 * NS_PER_S
"""2000-01-01T00:00Z; an older stamp is of a clock that was not set."""
_LAST_NS: Final = 4_102_444_800 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PowerLog:
    """A power log as a step function, with what was found on the way.

    Attributes
    ----------
    power : PowerSeries
        The sum of all devices [W]; where some of them are unknown, of the others, and a gap says so.
    gaps : tuple of Gap
        Stretches for which a device is unknown, by device (or column) and time.
    n_rows : int
        Rows of data in the file.
    n_duplicates : int
        Rows merged into another with the same stamp.
    n_negative : int
        Readings below zero, which no meter can mean.
    n_failed : int
        Readings that failed: ``[N/A]`` or the like.
    columns : tuple of str
        Columns of watts, added when there are several.
    devices : tuple of str
        Devices added, empty when the file does not tell any apart.
    """

    power: PowerSeries
    gaps: tuple[Gap, ...]
    n_rows: int
    n_duplicates: int
    n_negative: int
    n_failed: int
    columns: tuple[str, ...]
    devices: tuple[str, ...]

    @property
    def known_fraction(self) -> float:
        """Share of the devices' time for which their power is known."""
        starts = [self.power.start_ns, *(gap.start_ns for gap in self.gaps)]
        ends = [self.power.end_ns, *(gap.end_ns for gap in self.gaps)]
        all_ns = (max(ends) - min(starts)) * max(1, len(self.devices))
        unknown_ns = sum(gap.end_ns - gap.start_ns for gap in self.gaps)
        return max(0.0, 1.0 - unknown_ns / all_ns)


def read_power_log(
    path: str | os.PathLike[str],
    *,
    start_ns: int | None = None,
    column: str | Sequence[str] | None = None,
    boundary: Boundary | None = None,
    utc_offset: str | None = None,
    max_gap_s: float | None = None,
) -> PowerLog:
    """Return the power in a log.

    Parameters
    ----------
    path : path-like
        CSV (separated by ``,``, ``;`` or tabs) or Parquet.
    start_ns : int, optional
        Instant of ``t_s = 0``, or of the earliest reading when stamps have no time zone [ns].
    column : str or sequence of str, optional
        The column of watts, or several to be added, when the names do not tell.
    boundary : Boundary, optional
        What the watts contain; without it ``gpu`` for GPUs alone, ``node`` when names do not tell.
    utc_offset : str, optional
        Offset of stamps without one, ``"+02:00"`` or ``"Z"``.
    max_gap_s : float, optional
        Readings further apart [s] say nothing about the time between; without it ten times the median
        interval of the device, and at least 5 s.

    Raises
    ------
    DataFileError
        If the file cannot be read as a power log, with line and column where there is one.
    InputError
        If a start or offset is missing, or given where the file says it itself.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "power.csv"
    >>> _ = path.write_text("t_s,power_w\\n0,100\\n1,300\\n2,300\\n")
    >>> read_power_log(path, start_ns=0).power.energy_j()  # 1 s x 200 W + 1 s x 300 W
    500.0
    """
    table = open_table(Path(path))
    layout = read_layout(table.names, refuse=table.refuse, column=column,
                         typed_instants=table.typed_instants, elapsed_first=start_ns is not None)  # fmt: skip
    rows = _read_rows(table, layout, start_ns=start_ns, utc_offset=utc_offset)
    columns = tuple(table.names[i] for i, _ in layout.watts)
    devices = [device_of_rows(table, rows, code, "+".join(columns)) for code in range(len(rows.devices))]
    power, gaps = power_of_devices(table, devices, boundary or layout.boundary, max_gap_s)
    return PowerLog(
        power=power,
        gaps=gaps,
        n_rows=len(rows.t_ns),
        n_duplicates=len(rows.t_ns) - sum(len(device.t_ns) for device in devices),
        n_negative=rows.n_negative,
        n_failed=rows.n_failed,
        columns=columns,
        devices=tuple(name for name in rows.devices if name),
    )


def _read_rows(table: LogTable, layout: Layout, *, start_ns: int | None, utc_offset: str | None) -> Rows:
    picked = [i for i, _ in layout.watts]
    when, *others = table.columns([layout.when, *picked, *layout.devices])
    scaled = [
        _numbers(table, i, cells) * scale for (i, scale), cells in zip(layout.watts, others, strict=False)
    ]
    readings = np.column_stack(scaled)
    if len(readings) == 0:
        raise table.refuse("there is a header and no reading under it")
    t_ns = _instants(table, layout, when, start_ns=start_ns, utc_offset=utc_offset)
    devices, device_of = _devices(table, layout, others[len(picked) :], len(t_ns))
    flaw = np.where(readings < 0.0, Flaw.NEGATIVE, Flaw.NONE)
    flaw[readings == FAILED] = Flaw.FAILED
    return Rows(
        t_ns=t_ns,
        power_w=np.where(flaw > Flaw.NONE, np.nan, readings).sum(axis=1),
        flaw=flaw.max(axis=1).astype(np.uint8),
        device_of=device_of,
        devices=devices,
        n_negative=int((flaw == Flaw.NEGATIVE).sum()),
        n_failed=int((flaw == Flaw.FAILED).sum()),
    )


def _numbers(table: LogTable, index: int, column: Column) -> FloatArray:
    if isinstance(column, Stamps):
        raise table.refuse("holds instants, not watts", column=index)
    try:
        return watts(column) if isinstance(column, list) else watts_of_numbers(column)
    except BadCellError as bad:
        raise table.refuse(bad.message, row=bad.index, column=index) from bad


def _instants(
    table: LogTable, layout: Layout, when: Column, *, start_ns: int | None, utc_offset: str | None
) -> IntArray:
    """Return the instants of the rows [ns], placed in time by what was given."""
    try:
        numbers = as_numbers(when) if isinstance(when, list) else None if isinstance(when, Stamps) else when
        if numbers is not None:
            t_ns, elapsed = numeric_instants(numbers, layout.unit)
            if elapsed:
                t_ns = t_ns + _start_of_elapsed(table, layout.when, start_ns)
                start_ns = None
            else:
                _check_years(table, layout.when, t_ns)
        else:
            stamps = text_instants(when) if isinstance(when, list) else when
            assert isinstance(stamps, Stamps)
            t_ns = stamps.t_ns
            _check_years(table, layout.when, t_ns)
            if stamps.naive and not layout.utc:
                t_ns = t_ns - _offset(table, layout.when, when, stamps, start_ns, utc_offset)
                start_ns = utc_offset = None
    except BadCellError as bad:
        raise table.refuse(bad.message, row=bad.index, column=layout.when) from bad
    if start_ns is not None or utc_offset is not None:
        name = "--start" if start_ns is not None else "--utc-offset"
        raise InputError(f"{table.path}: {table.names[layout.when]} says itself when it was; drop {name}")
    return t_ns


def _check_years(table: LogTable, column: int, t_ns: IntArray) -> None:
    outside = np.flatnonzero((t_ns < _FIRST_NS) | (t_ns >= _LAST_NS))
    if len(outside):
        what = f"{format_instant(int(t_ns[outside[0]]))} lies outside the years 2000 to 2099"
        raise table.refuse(what, row=int(outside[0]), column=column)


def _start_of_elapsed(table: LogTable, column: int, start_ns: int | None) -> int:
    if start_ns is None:
        raise InputError(
            f"{table.path}: {table.names[column]} counts from a start that the file does not tell; "
            "give it: --start 2026-03-01T05:00Z (start='2026-03-01T05:00Z')"
        )
    return start_ns


def _offset(
    table: LogTable, column: int, when: Column, stamps: Stamps, start_ns: int | None, utc_offset: str | None
) -> int:
    """Return what is to be taken off naive stamps [ns]."""
    if utc_offset is not None:
        return offset_ns(utc_offset)
    if start_ns is not None:
        return int(stamps.t_ns.min()) - start_ns
    first = when[0] if isinstance(when, list) else format_instant(int(stamps.t_ns[0])).rstrip("Z")
    raise table.refuse(
        f"{first!r} has no time zone; say which: --utc-offset +02:00 (utc_offset='+02:00'), or Z for UTC, "
        "or give the instant of the earliest reading: --start 2026-03-01T05:00Z",
        row=0,
        column=column,
    )


def _devices(
    table: LogTable, layout: Layout, columns: Sequence[Column], n_rows: int
) -> tuple[list[str], IntArray]:
    """Return the names of the devices and, for each row, whose it is."""
    texts = []
    for index, column in zip(layout.devices, columns, strict=True):
        if isinstance(column, Stamps):
            raise table.refuse("holds instants, not names of devices", column=index)
        cells = column if isinstance(column, list) else column.tolist()
        if table.names[index] != "index" or len(set(cells)) < n_rows:  # else it numbers the rows
            texts.append([str(cell).strip() for cell in cells])
    if not texts:
        return [""], np.zeros(n_rows, np.int64)
    labels = ["/".join(parts) for parts in zip(*texts, strict=True)]
    code_of = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return list(code_of), np.fromiter(map(code_of.__getitem__, labels), np.int64, n_rows)
