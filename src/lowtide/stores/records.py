"""Reading a run back: segments and journals to one record on one time line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from lowtide.errors import NothingRecordedError, StoreError
from lowtide.model.hardware import Channel
from lowtide.model.record import Event, Gap, Marks, Readings, Record, RunEnd, RunHeader
from lowtide.series.steps import IntArray
from lowtide.stores.codec import from_plain
from lowtide.stores.journal import iter_files, read_journal
from lowtide.stores.ledger import MARKS_FILE, Ledger
from lowtide.stores.marks import read_marks
from lowtide.stores.segments import Segment, decode_segment, encode_segment

__all__ = ["read_record", "segment_hashes"]

_CLOCK_STEP_S: Final = 0.1
_SUSPEND_NS: Final = 500_000_000
_GAP_INTERVALS: Final = 3.0
_LEAST_GAP_S: Final = 2.5
_HELD: Final = ("shares", "claims")
_LEAST_HELD: Final = 10_000
_LARGE: Final = 1_000_000


def segment_hashes(ledger: Ledger, run_id: str) -> dict[str, str]:
    """Return the SHA-256 of every sealed segment of a run, by file name; marks are among them.

    Those of a rank are named by their place in the run's folder, ``ranks/r0003-0/journal/w1-rest.seg``.
    """
    hashes: dict[str, str] = {}
    for rank_id in ledger.rank_ids(run_id):
        place = rank_id.partition("/")[2]
        for name, found in segment_hashes(ledger, rank_id).items():
            hashes[f"{place}/{name}" if name == MARKS_FILE else f"{place}/journal/{name}"] = found
    folder = ledger.segments_dir(run_id)
    paths = {name: os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")}
    marks = os.path.join(ledger.run_dir(run_id), MARKS_FILE)
    if os.path.exists(marks):
        paths[MARKS_FILE] = marks
    for name, path in paths.items():
        with open(path, "rb") as file:
            hashes[name] = hashlib.sha256(file.read()).hexdigest()
    return hashes


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _sealed(ledger: Ledger, run_id: str) -> tuple[list[Segment], list[Event]]:
    folder, segments, problems = ledger.segments_dir(run_id), [], []
    paths = [os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")]
    for found in _decoded(paths):
        if isinstance(found, Segment):
            segments.append(found)
        else:
            problems.append(Event(t_ns=0, kind="damaged", detail=found))
    return segments, problems


def _decoded(paths: list[str]) -> Iterable[Segment | str]:
    """Return segments, or what is wrong with one; large ones are decoded side by side."""
    if sum(os.path.getsize(path) for path in paths if os.path.exists(path)) < _LARGE:
        return map(_decode, paths)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # zlib and numpy let go of the interpreter
        return list(pool.map(_decode, paths))


def _decode(path: str) -> Segment | str:
    try:
        with open(path, "rb") as file:
            return decode_segment(file.read(), path=path)
    except (StoreError, OSError) as error:
        return str(error)


def _journaled(folder: str) -> list[Segment]:
    """Return what journals on this node hold, in the form of segments."""
    found = []
    for path in iter_files(folder) if folder else ():
        try:
            channels, rows, events = read_journal(path)
        except StoreError:
            continue  # a journal cut at its birth: it holds no reading
        if rows:
            writer = os.path.basename(path).removesuffix(".sqlite")
            data = encode_segment(writer=writer, channels=channels, rows=rows, events=events)
            found.append(decode_segment(data, path=path))
    return found


class _Ticks:
    """One writer's rows in order, each once."""

    def __init__(self, segments: list[Segment]) -> None:
        ordered = sorted(segments, key=lambda segment: segment.first_seq)
        keep = _once(ordered)

        def column(parts: list[IntArray]) -> IntArray:
            whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
            return whole if keep is None else whole[keep]

        self.channels = segments[0].channels
        self.boot_offset_ns = column([s.boot_offset_ns for s in ordered])
        self.boot_ns = column([s.monotonic_ns for s in ordered]) + self.boot_offset_ns
        self.wall_offset_ns = column([s.wall_offset_ns for s in ordered])
        self.columns = [column([s.columns[i] for s in ordered]) for i in range(len(self.channels))]


def _once(ordered: list[Segment]) -> IntArray | None:
    """Return the places of rows that come first of their number; None when every row comes once and in order."""
    ends = [segment.first_seq + len(segment.monotonic_ns) for segment in ordered]
    if all(end <= after.first_seq for end, after in zip(ends, ordered[1:], strict=False)):
        return None
    seq = np.concatenate([s.first_seq + np.arange(len(s.monotonic_ns)) for s in ordered])
    return np.unique(seq, return_index=True)[1]


def _by_writer(segments: list[Segment]) -> list[_Ticks]:
    writers: dict[str, list[Segment]] = {}
    for segment in segments:
        writers.setdefault(segment.writer, []).append(segment)
    return sorted((_Ticks(group) for group in writers.values()), key=lambda ticks: int(ticks.boot_ns[0]))


def _readings(writers: list[_Ticks], wall_offset_ns: int, path: str) -> dict[str, Readings]:
    columns: dict[str, list[tuple[dict[str, Any], IntArray, IntArray]]] = {}
    for ticks in writers:
        t_ns = ticks.boot_ns + wall_offset_ns
        for plain, column in zip(ticks.channels, ticks.columns, strict=True):
            columns.setdefault(plain["name"], []).append((plain, t_ns, column))
    readings = {}
    for name, parts in columns.items():
        channel = from_plain(Channel, parts[0][0], path=path)
        t_ns, values = _in_order([t for _, t, _ in parts], [column for _, _, column in parts])
        if (
            channel.quantity in _HELD and channel.component != "memory"
        ):  # whose instants are its power's edges
            t_ns, values = _where_it_changes(t_ns, values)
        readings[name] = Readings(
            channel=channel,
            t_ns=t_ns,
            raw=values if channel.kind == "counter" else values.view(np.float64),
        )
    return readings


def _where_it_changes(t_ns: IntArray, values: IntArray) -> tuple[IntArray, IntArray]:
    """Return the readings of a held value around its changes and around gaps: those between say nothing more."""
    if len(t_ns) < _LEAST_HELD:
        return t_ns, values
    step_ns = np.diff(t_ns)
    matters = (values[1:] != values[:-1]) | (step_ns > 2 * np.median(step_ns))
    kept = np.concatenate((matters, [True])) | np.concatenate(([True], matters))
    return t_ns[kept], values[kept]


def _in_order(t_ns: list[IntArray], columns: list[IntArray]) -> tuple[IntArray, IntArray]:
    """Return readings of several writers in order of time, one for an instant."""
    t = t_ns[0] if len(t_ns) == 1 else np.concatenate(t_ns)
    column = columns[0] if len(columns) == 1 else np.concatenate(columns)
    if (t[1:] > t[:-1]).all():
        return t, column
    order = np.argsort(t, kind="stable")
    order = order[np.concatenate([[True], np.diff(t[order]) > 0])]
    return t[order], column[order]


def _tick_gaps(t_ns: IntArray, boot_offset: IntArray, wall_offset: IntArray, interval_s: float) -> list[Gap]:
    step_s = np.diff(wall_offset) / 1e9
    suspended = np.diff(boot_offset) > _SUSPEND_NS
    longest_s = max(_GAP_INTERVALS * interval_s, _LEAST_GAP_S)
    silent = (np.diff(t_ns) / 1e9 > longest_s) & ~suspended
    stepped = np.flatnonzero(np.abs(step_s) > _CLOCK_STEP_S)
    return [
        *(_gap(t_ns, i, "clock", f"the wall clock stepped by {step_s[i]:+.1f} s") for i in stepped),
        *(_gap(t_ns, i, "all", "suspended") for i in np.flatnonzero(suspended)),
        *(_gap(t_ns, i, "gauges", "no readings") for i in np.flatnonzero(silent)),
    ]


def _gap(t_ns: IntArray, i: Any, channel: str, reason: str) -> Gap:
    return Gap(start_ns=int(t_ns[i]), end_ns=int(t_ns[i + 1]), channel=channel, reason=reason)


def _edge_gaps(t_ns: IntArray, end: RunEnd | None, interval_s: float) -> list[Gap]:
    """Return what of the command's life lies before the first or after the last reading."""
    if end is None or not end.observed:
        return []
    slack_ns = int(interval_s * 1e9)
    gaps = []
    if end.started_ns < t_ns[0] - slack_ns:
        gaps.append(Gap(start_ns=end.started_ns, end_ns=int(t_ns[0]), channel="all", reason="not recorded"))
    if end.ended_ns > t_ns[-1] + slack_ns:
        gaps.append(Gap(start_ns=int(t_ns[-1]), end_ns=end.ended_ns, channel="all", reason="not recorded"))
    return gaps


def read_record(ledger: Ledger, run_id: str) -> Record:
    """Return a run as recorded so far, from the ledger and from the node's journals if they are here.

    Durations come from the clock that runs through suspends, stamps from the wall clock as it was last, so
    a step of the clock changes no energy and shows as a gap of channel ``clock``.

    Raises
    ------
    StoreError, DataFileError
        If the header cannot be read.
    NothingRecordedError
        If no reading is left.
    """
    if ledger.rank_ids(run_id):
        from lowtide.stores.joined import joined_record

        return joined_record(ledger, run_id)
    header = ledger.header(run_id)
    end = ledger.end(run_id)
    segments, problems = read_segments(ledger, header)
    record = record_from(header, end, segments, problems, ledger.run_dir(run_id))
    return replace(record, marks=marks_of(ledger, header, wall_offset_of(segments)))


def read_segments(ledger: Ledger, header: RunHeader) -> tuple[list[Segment], list[Event]]:
    """Return all segments of a run, or of one rank, from the ledger and from this node's journals."""
    sealed, problems = _sealed(ledger, header.run_id)
    return [*sealed, *_journaled(header.journal_dir)], problems


def marks_of(ledger: Ledger, header: RunHeader, wall_offset_ns: int) -> Marks | None:
    """Return what the job said about its progress, on the record's time line; None where it said nothing."""
    kept = os.path.join(ledger.run_dir(header.run_id), MARKS_FILE)
    if os.path.exists(kept):
        return read_marks(kept, offset_ns=wall_offset_ns)
    return read_marks(os.path.join(header.journal_dir, "marks"), offset_ns=wall_offset_ns)


def wall_offset_of(segments: list[Segment]) -> int:
    """Return what turns boot time into wall time, as it was last [ns]."""
    writers = _by_writer(segments)
    return int(writers[-1].wall_offset_ns[-1])


def record_from(
    header: RunHeader, end: RunEnd | None, segments: list[Segment], problems: list[Event], path: str
) -> Record:
    """Return the record held by segments, of one machine and one run or rank."""
    if not segments:
        raise NothingRecordedError(f"run {header.run_id} holds no readings ({path})")
    writers = _by_writer(segments)
    wall_offset_ns = int(writers[-1].wall_offset_ns[-1])
    boot_ns = np.concatenate([ticks.boot_ns for ticks in writers])
    order = np.argsort(boot_ns, kind="stable")
    t_ns = boot_ns[order] + wall_offset_ns
    boot_offset = np.concatenate([ticks.boot_offset_ns for ticks in writers])[order]
    wall_offset = np.concatenate([ticks.wall_offset_ns for ticks in writers])[order]
    gaps = [
        *_tick_gaps(t_ns, boot_offset, wall_offset, header.interval_s),
        *_edge_gaps(t_ns, end, header.interval_s),
    ]
    readings: Mapping[str, Readings] = _readings(writers, wall_offset_ns, path)
    return Record(
        header=header,
        readings=readings,
        events=(*problems, *_events(segments)),
        gaps=tuple(sorted(gaps, key=lambda gap: gap.start_ns)),
        n_readings=len(t_ns),
        start_ns=int(t_ns[0]),
        end_ns=max(int(t_ns[-1]), int(t_ns[0]) + 1),
        end=end,
    )


def _events(segments: list[Segment]) -> list[Event]:
    seen = {tuple(event.values()): event for segment in segments for event in segment.events}
    return sorted((Event(**event) for event in seen.values()), key=lambda event: event.t_ns)
