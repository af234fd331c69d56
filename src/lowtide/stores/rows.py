"""Rows of writers as arrays: the columns of segments, read straight to where they are wanted.

Channels of one writer were read at the same instants, so instants are made and put in order once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from lowtide.model.hardware import Channel
from lowtide.model.record import Readings
from lowtide.series.blocks import increases, side_by_side
from lowtide.series.steps import IntArray
from lowtide.stores.codec import from_plain
from lowtide.stores.segments import PackedSegment, Segment, read_column

__all__ = ["Ticks", "by_writer", "in_order", "readings_of"]

_HELD: Final = ("shares", "claims")
_LEAST_HELD: Final = 10_000


class Ticks:
    """One writer's rows in order, each once; columns are read when they are asked for."""

    def __init__(self, segments: Sequence[Segment | PackedSegment]) -> None:
        self._ordered = sorted(segments, key=lambda segment: segment.first_seq)
        self._keep = _once(self._ordered)
        self._n_rows = sum(segment.n_rows for segment in segments)
        self.channels = segments[0].channels
        self.boot_offset_ns = self._column(1)
        self.boot_ns = np.add(
            clock := self._column(0), self.boot_offset_ns, out=clock if clock.base is None else None
        )
        self.wall_offset_ns = self._column(2)

    def columns(self) -> list[IntArray]:
        """Return the words of every channel; a constant column is one word that is seen again and again."""
        return side_by_side(self._column, range(3, 3 + len(self.channels)), 8 * self._n_rows)

    def _column(self, i: int) -> IntArray:
        constants = {segment.constant(i) for segment in self._ordered}
        if len(constants) == 1 and (constant := constants.pop()) is not None:
            return np.broadcast_to(
                np.int64(constant), self._n_rows if self._keep is None else len(self._keep)
            )
        whole = np.empty(self._n_rows, dtype=np.int64)
        read_column(self._ordered, i, whole)
        return whole if self._keep is None else whole[self._keep]


def _once(ordered: Sequence[Segment | PackedSegment]) -> IntArray | None:
    """Return the places of rows that come first of their number; None when every row comes once and in order."""
    ends = [segment.first_seq + segment.n_rows for segment in ordered]
    if all(end <= after.first_seq for end, after in zip(ends, ordered[1:], strict=False)):
        return None
    seq = np.concatenate([s.first_seq + np.arange(s.n_rows) for s in ordered])
    return np.unique(seq, return_index=True)[1]


def by_writer(segments: Sequence[Segment | PackedSegment]) -> list[list[Segment | PackedSegment]]:
    """Return the segments of each writer, writers in order of their first row."""
    writers: dict[str, list[Segment | PackedSegment]] = {}
    for segment in segments:
        writers.setdefault(segment.writer, []).append(segment)

    def begin_ns(group: list[Segment | PackedSegment]) -> int:
        first = min(group, key=lambda segment: segment.first_seq)
        return first.first(0) + first.first(1)

    return sorted(writers.values(), key=begin_ns)


class _Line:
    """Instants at which several channels were read: in order, each once."""

    def __init__(self, stamps: Sequence[IntArray]) -> None:
        t_ns = stamps[0] if len(stamps) == 1 else np.concatenate(stamps)
        self._order: IntArray | None = None
        if not increases(t_ns):
            order = np.argsort(t_ns, kind="stable")
            self._order = order[np.concatenate([[True], np.diff(t_ns[order]) > 0])]
        self.t_ns: IntArray = t_ns if self._order is None else t_ns[self._order]
        if self.t_ns.base is None:
            self.t_ns.flags.writeable = (
                False  # shared by its channels: what is found out about it holds for all
            )

    def words(self, columns: Sequence[IntArray]) -> IntArray:
        """Return the words of a channel at the instants."""
        column = columns[0] if len(columns) == 1 else np.concatenate(columns)
        return column if self._order is None else column[self._order]

    @cached_property
    def gaps(self) -> IntArray:
        """Where time passed without a reading: the places of the readings before."""
        step_ns = np.diff(self.t_ns)
        return np.flatnonzero(step_ns > 2 * np.median(step_ns))


def readings_of(writers: Sequence[Ticks], wall_offset_ns: int, path: str) -> dict[str, Readings]:
    """Return the readings of every channel by name, on one time line."""
    columns = [ticks.columns() for ticks in writers]
    stamps = [ticks.boot_ns + wall_offset_ns for ticks in writers]
    places: dict[str, list[tuple[int, int]]] = {}
    for w, ticks in enumerate(writers):
        for i, plain in enumerate(ticks.channels):
            places.setdefault(plain["name"], []).append((w, i))
    lines: dict[tuple[int, ...], _Line] = {}  # channels of one writer share their instants
    readings = {}
    for name, parts in places.items():
        key = tuple(w for w, _ in parts)
        line = lines.get(key) or lines.setdefault(key, _Line([stamps[w] for w in key]))
        channel = _joined([writers[w].channels[i] for w, i in parts], path)
        t_ns, values = line.t_ns, line.words([columns[w][i] for w, i in parts])
        if (
            channel.quantity in _HELD and channel.component != "memory"
        ):  # whose instants are its power's edges
            t_ns, values = _where_it_changes(line, values)
        raw = values if channel.kind == "counter" else values.view(np.float64)
        readings[name] = Readings(channel=channel, t_ns=t_ns, raw=raw)
    return readings


def _joined(plain: Sequence[Mapping[str, Any]], path: str) -> Channel:
    """Return the channel several writers read: in scope where it is so for any of them.

    With a node meter every rank reads all GPUs and has only its own in scope; the run has those of all its ranks.
    """
    in_scope = any(one.get("in_scope", True) for one in plain)
    return from_plain(Channel, {**plain[0], "in_scope": in_scope}, path=path)


def _where_it_changes(line: _Line, values: IntArray) -> tuple[IntArray, IntArray]:
    """Return the readings of a held value around its changes and around gaps: those between say nothing more."""
    n = len(values)
    if n < _LEAST_HELD:
        return line.t_ns, values
    changes = np.flatnonzero(values[1:] != values[:-1]) if values.strides != (0,) else np.empty(0, np.int64)
    kept = np.unique(np.concatenate((changes, changes + 1, line.gaps, line.gaps + 1, [0, n - 1])))
    return line.t_ns[kept], values[kept]


def in_order(writers: Sequence[Ticks]) -> tuple[IntArray, IntArray, IntArray]:
    """Return boot time and both offsets of the rows of all writers, in order of time."""
    if len(writers) == 1 and (writers[0].boot_ns[1:] >= writers[0].boot_ns[:-1]).all():
        return writers[0].boot_ns, writers[0].boot_offset_ns, writers[0].wall_offset_ns
    boot_ns = np.concatenate([ticks.boot_ns for ticks in writers])
    order = np.argsort(boot_ns, kind="stable")
    boot_offset = np.concatenate([ticks.boot_offset_ns for ticks in writers])[order]
    wall_offset = np.concatenate([ticks.wall_offset_ns for ticks in writers])[order]
    return boot_ns[order], boot_offset, wall_offset
