"""From the columns of a file to series: rows of each zone, statuses, duplicates, steps, signals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lowtide.errors import DataFileError
from lowtide.grid.choosing import unread_unit
from lowtide.grid.columns import UNITS_READ, scale_of_unit
from lowtide.grid.intensity_table import FileNotes
from lowtide.grid.layout import Layout
from lowtide.grid.stepping import Groups, StepGrid, find_clash, group_stamps
from lowtide.model.signal import STATUSES, Signal
from lowtide.quantities import format_instant
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import IntensitySeries
from lowtide.units import s_from_ns

__all__ = ["Found", "Source", "ZoneRows", "read_zones", "zone_rows"]

ByteArray = npt.NDArray[np.uint8]


class Source(Protocol):
    """A file as columns; rows and columns are counted from 0, `rows` picks some, in that order."""

    path: str
    names: tuple[str, ...]
    n_rows: int

    @property
    def instants(self) -> tuple[int, ...]:
        """Columns that hold instants by their type or place."""
        ...

    def refuse(self, message: str, *, row: int | None = None, column: int | None = None) -> DataFileError:
        """Return the error for a place in the file."""
        ...

    def place(self, row: int) -> str:
        """Return where a row is, in words."""
        ...

    def texts(self, column: int) -> tuple[list[str], IntArray]:
        """Return the different texts of a column and which each row has, shape (n,)."""
        ...

    def stamps(self, column: int, *, utc: bool, rows: IntArray | None = None) -> IntArray:
        """Return instants [ns], shape (n,)."""
        ...

    def numbers(self, columns: Sequence[int], rows: IntArray | None = None) -> FloatArray:
        """Return numbers, shape (n, len(columns)), NaN where unknown."""
        ...

    def flags(self, column: int, rows: IntArray | None = None) -> npt.NDArray[np.bool_]:
        """Return true and false, shape (n,), false where unknown."""
        ...


class Found(NamedTuple):
    """One zone as read."""

    zone: str | None
    series: IntensitySeries
    notes: FileNotes


@dataclass(frozen=True, slots=True)
class ZoneRows:
    """Which zones a file has, and which row is whose in the long form.

    Attributes
    ----------
    zones : tuple of str or None
    codes : int64 array, shape (n,), or None
        Index into `zones` for each row; None when every row is of every zone.
    """

    zones: tuple[str | None, ...]
    codes: IntArray | None = None

    def rows_of(self, index: int) -> IntArray | None:
        """Return the rows of a zone, None for all."""
        if self.codes is None or len(self.zones) == 1:
            return None
        return np.flatnonzero(self.codes == index)


class _Block(NamedTuple):
    """Zones that share their stamps.

    ``t_ns`` (n,), ``values`` [g/kWh] (n_zones, n), ``status`` (n,); ``columns`` of the file, one a
    zone, and its ``rows``, for messages.
    """

    zones: tuple[str | None, ...]
    t_ns: IntArray
    values: FloatArray
    status: ByteArray
    columns: tuple[int, ...]
    rows: IntArray | None

    def row(self, i: int) -> int:
        return i if self.rows is None else int(self.rows[i])


def zone_rows(source: Source, layout: Layout) -> ZoneRows:
    """Return the zones of a file."""
    if layout.form == "wide":
        return ZoneRows(tuple(value.name for value in layout.values))
    if layout.zone is None:
        return ZoneRows((layout.only_zone,))
    labels, codes = source.texts(layout.zone)
    if "" in labels:
        row = int(np.flatnonzero(codes == labels.index(""))[0])
        raise source.refuse("the zone is missing", row=row, column=layout.zone)
    return ZoneRows(tuple(labels), codes)


def read_zones(
    source: Source, layout: Layout, found: ZoneRows, *, only: int | None = None
) -> Iterator[Found]:
    """Yield all zones, or just the one with index `only`, reading no more than needed."""
    if layout.form == "wide":
        values = layout.values if only is None else (layout.values[only],)
        blocks = iter((_wide_block(source, layout, tuple(v.index for v in values)),))
    elif only is not None:
        rows = found.rows_of(only)
        blocks = iter((_narrow_block(source, layout, found.zones[only], rows),))
    else:
        blocks = _all_narrow_blocks(source, layout, found)
    for block in blocks:
        yield from _finish(source, layout, found, block)


def _wide_block(source: Source, layout: Layout, columns: tuple[int, ...]) -> _Block:
    t_ns = source.stamps(layout.time, utc=layout.utc)
    values = np.ascontiguousarray(source.numbers(columns).T)
    zones = tuple(source.names[column] for column in columns)
    return _Block(zones, t_ns, values, np.zeros(len(t_ns), np.uint8), columns, None)


def _narrow_block(source: Source, layout: Layout, zone: str | None, rows: IntArray | None) -> _Block:
    """Return the block of one value column, forecasts standing in where values are missing."""
    value = layout.values[0]
    t_ns = source.stamps(layout.time, utc=layout.utc, rows=rows)
    scale = _scale(source, layout)
    values = source.numbers((value.index,), rows)[:, 0] * scale
    usual = STATUSES.index("forecast" if value.forecast else "measured")
    status = np.full(len(t_ns), usual, np.uint8)
    if layout.estimated is not None:
        status[source.flags(layout.estimated, rows)] = STATUSES.index("estimated")
    if layout.fallback is not None and np.isnan(values).any():
        forecast = source.numbers((layout.fallback.index,), rows)[:, 0]
        forecast *= _scale(source, replace(layout, values=(layout.fallback,)))
        filled = np.isnan(values) & ~np.isnan(forecast)
        values[filled] = forecast[filled]
        status[filled] = STATUSES.index("forecast")
    return _Block((zone,), t_ns, values[np.newaxis], status, (value.index,), rows)


def _scale(source: Source, layout: Layout) -> float:
    """Return what turns the numbers into g/kWh, by the column of units when there is one."""
    scale = layout.values[0].scale
    if layout.signal_type is not None:
        _check_one(source, layout.signal_type, ("co2_moer",), "the signal")
    if layout.unit is not None:
        unit = _check_one(source, layout.unit, None, "the unit")
        scale = scale_of_unit(unit) if unit else scale
        if scale is None:
            raise source.refuse(f"{unit!r} is not read; {UNITS_READ} are", column=layout.unit)
    if scale is None:
        raise source.refuse(unread_unit(layout.values[0].name))
    return scale


def _check_one(source: Source, column: int, known: Sequence[str] | None, what: str) -> str:
    """Return the only text of a column."""
    labels = [label for label in source.texts(column)[0] if label]
    if len(labels) > 1:
        several = ", ".join(labels[:4])
        raise source.refuse(f"{what} changes: {several}; split the file", column=column)
    if labels and known is not None and labels[0] not in known:
        raise source.refuse(f"{labels[0]!r} is not read; {', '.join(known)} is", column=column)
    return labels[0] if labels else ""


def _all_narrow_blocks(source: Source, layout: Layout, found: ZoneRows) -> Iterator[_Block]:
    """Yield a block a zone, from columns read once."""
    whole = _narrow_block(source, layout, found.zones[0], None)
    if found.codes is None or len(found.zones) == 1:
        yield whole
        return
    by_zone = np.argsort(found.codes, kind="stable")
    bounds = np.searchsorted(found.codes[by_zone], np.arange(len(found.zones) + 1))
    for k, zone in enumerate(found.zones):
        rows = by_zone[bounds[k] : bounds[k + 1]]
        values, status = whole.values[:, rows], whole.status[rows]
        yield _Block((zone,), whole.t_ns[rows], values, status, whole.columns, rows)


def _finish(source: Source, layout: Layout, found: ZoneRows, block: _Block) -> Iterator[Found]:
    """Yield the series of a block."""
    _refuse_negative(source, layout, block)
    groups = group_stamps(block.t_ns)
    merged = [_merged(source, block, groups, j) for j in range(len(block.zones))]
    grid = _step_grid(source, layout, found, groups)
    grid.edges_ns.setflags(write=False)  # zones of a block share them
    for zone, values, one_a_stamp in zip(block.zones, block.values, merged, strict=True):
        series = IntensitySeries(
            edges_ns=grid.edges_ns,
            intensity_g_per_kwh=grid.with_holes(one_a_stamp),
            status=grid.status_with_holes(groups.best_status(values, block.status)),
            signal=_signal(source, layout, zone),
        )
        yield Found(zone, series, _notes(groups, grid, values, one_a_stamp))


def _merged(source: Source, block: _Block, groups: Groups, j: int) -> FloatArray:
    """Return one value an instant of the zone with index `j`."""
    merged = groups.merged(block.values[j])
    if merged is None:
        raise _clash(source, block, groups, j)
    return merged


def _step_grid(source: Source, layout: Layout, found: ZoneRows, groups: Groups) -> StepGrid:
    grid = StepGrid.of(groups.t_ns)
    if grid is None:
        grid = StepGrid.of(groups.t_ns, single_step_ns=_step_elsewhere(source, layout, found))
    if grid is None:
        raise source.refuse("one row only, so the length of its step is unknown; give two or more")
    return grid


def _notes(groups: Groups, grid: StepGrid, values: FloatArray, merged: FloatArray) -> FileNotes:
    return FileNotes(
        n_rows=int(np.count_nonzero(~np.isnan(values))),
        n_duplicates=groups.n_duplicates,
        n_missing_steps=grid.n_absent + int(np.count_nonzero(np.isnan(merged))),
        step_s=s_from_ns(grid.step_ns),
        n_step_changes=grid.n_step_changes,
    )


def _signal(source: Source, layout: Layout, zone: str | None) -> Signal:
    file = f"file {Path(source.path).name}"
    return Signal(
        zone=zone,
        basis=layout.basis,
        factors=layout.factors,
        flow=layout.flow,
        source=f"{layout.author}, {file}" if layout.author else file,
    )


def _refuse_negative(source: Source, layout: Layout, block: _Block) -> None:
    if layout.basis != "average" or not (block.values < 0).any():
        return
    j, i = np.argwhere(block.values < 0)[0].tolist()
    raise source.refuse(
        f"{block.values[j, i]:g} g/kWh is negative, which an average intensity never is; "
        "for marginal rates pass --basis marginal (basis='marginal')",
        row=block.row(i),
        column=block.columns[j],
    )


def _step_elsewhere(source: Source, layout: Layout, found: ZoneRows) -> int | None:
    """Return the step [ns] of the zone with most rows, for a zone with a single one."""
    if found.codes is None:
        return None
    rows = found.rows_of(int(np.bincount(found.codes).argmax()))
    grid = StepGrid.of(group_stamps(source.stamps(layout.time, utc=layout.utc, rows=rows)).t_ns)
    return None if grid is None else grid.step_ns


def _clash(source: Source, block: _Block, groups: Groups, j: int) -> DataFileError:
    zone, values = block.zones[j], block.values[j]
    clash = find_clash(groups, values)
    instant = format_instant(int(block.t_ns[clash.row])) + (f" of {zone}" if zone else "")
    here, there = values[[clash.row, clash.other_row]]
    other = source.place(block.row(clash.other_row))
    return source.refuse(
        f"{instant} is {here:g} here and {there:g} in {other}; keep one of them",
        row=block.row(clash.row),
        column=block.columns[j],
    )
