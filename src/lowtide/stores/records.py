"""Reading a run back: segments and journals to one record on one time line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from lowtide.errors import NothingRecordedError, StoreError
from lowtide.model.record import Event, Gap, Marks, Readings, Record, RunEnd, RunHeader
from lowtide.series.steps import IntArray
from lowtide.stores.journal import iter_files, read_journal
from lowtide.stores.ledger import MARKS_FILE, Ledger
from lowtide.stores.marks import read_marks
from lowtide.stores.rows import Ticks, by_writer, in_order, readings_of, side_by_side
from lowtide.stores.segments import PackedSegment, Segment, encode_segment, open_segment

__all__ = ["read_record", "segment_hashes"]

_CLOCK_STEP_S: Final = 0.1
_SUSPEND_NS: Final = 500_000_000
_GAP_INTERVALS: Final = 3.0
_LEAST_GAP_S: Final = 2.5


def segment_hashes(ledger: Ledger, run_id: str) -> dict[str, str]:
    """Return the SHA-256 of every sealed segment of a run, by file name; marks are among them.

    Those of a rank are named by their place in the run's folder, ``ranks/r0003-0/journal/w1-rest.seg``.
    """
    hashes: dict[str, str] = {}
    for rank_id in ledger.rank_ids(run_id):
        place = rank_id.partition("/")[2]
        for name, digest in segment_hashes(ledger, rank_id).items():
            hashes[f"{place}/{name}" if name == MARKS_FILE else f"{place}/journal/{name}"] = digest
    folder = ledger.segments_dir(run_id)
    paths = {name: os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")}
    marks = os.path.join(ledger.run_dir(run_id), MARKS_FILE)
    if os.path.exists(marks):
        paths[MARKS_FILE] = marks
    size = sum(os.path.getsize(path) for path in paths.values())
    found = side_by_side(_sha256, list(paths.values()), size)
    return {**hashes, **dict(zip(paths, found, strict=True))}


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _sealed(ledger: Ledger, run_id: str) -> tuple[list[PackedSegment], list[Event]]:
    folder = ledger.segments_dir(run_id)
    paths = [os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")]
    size = sum(os.path.getsize(path) for path in paths if os.path.exists(path))
    found = side_by_side(_open, paths, size)
    problems = [Event(t_ns=0, kind="damaged", detail=item) for item in found if isinstance(item, str)]
    return [item for item in found if isinstance(item, PackedSegment)], problems


def _open(path: str) -> PackedSegment | str:
    """Return a segment, or what is wrong with it."""
    try:
        with open(path, "rb") as file:
            return open_segment(file.read(), path=path)
    except (StoreError, OSError) as error:
        return str(error)


def _journaled(folder: str) -> list[PackedSegment]:
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
            found.append(open_segment(data, path=path))
    return found


def _tick_gaps(t_ns: IntArray, boot_offset: IntArray, wall_offset: IntArray, interval_s: float) -> list[Gap]:
    step_s = {i: (int(wall_offset[i + 1]) - int(wall_offset[i])) / 1e9 for i in _changes(wall_offset)}
    suspended = [
        i for i in _changes(boot_offset) if int(boot_offset[i + 1]) - int(boot_offset[i]) > _SUSPEND_NS
    ]
    longest_s = max(_GAP_INTERVALS * interval_s, _LEAST_GAP_S)
    silent = np.setdiff1d(np.flatnonzero(np.diff(t_ns) / 1e9 > longest_s), suspended)
    return [
        *(
            _gap(t_ns, i, "clock", f"the wall clock stepped by {step:+.1f} s")
            for i, step in step_s.items()
            if abs(step) > _CLOCK_STEP_S
        ),
        *(_gap(t_ns, i, "all", "suspended") for i in suspended),
        *(_gap(t_ns, i, "gauges", "no readings") for i in silent),
    ]


def _changes(offset_ns: IntArray) -> list[int]:
    """Return the places before which and after which an offset differs; most never change."""
    if offset_ns.strides == (0,):
        return []
    return np.flatnonzero(offset_ns[1:] != offset_ns[:-1]).tolist()


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
    segments, problems = open_segments(ledger, header)
    record = record_from(header, end, segments, problems, ledger.run_dir(run_id))
    return replace(record, marks=marks_of(ledger, header, wall_offset_of(segments)))


def open_segments(ledger: Ledger, header: RunHeader) -> tuple[list[PackedSegment], list[Event]]:
    """Return all segments of a run, or of one rank, still packed, and what is wrong with the damaged ones.

    They are those of the ledger and those of this node's journals.
    """
    sealed, problems = _sealed(ledger, header.run_id)
    return [*sealed, *_journaled(header.journal_dir)], problems


def read_segments(ledger: Ledger, header: RunHeader) -> tuple[list[Segment], list[Event]]:
    """Return the same unpacked."""
    segments, problems = open_segments(ledger, header)
    return [segment.unpacked() for segment in segments], problems


def marks_of(ledger: Ledger, header: RunHeader, wall_offset_ns: int) -> Marks | None:
    """Return what the job said about its progress, on the record's time line; None where it said nothing."""
    kept = os.path.join(ledger.run_dir(header.run_id), MARKS_FILE)
    if os.path.exists(kept):
        return read_marks(kept, offset_ns=wall_offset_ns)
    return read_marks(os.path.join(header.journal_dir, "marks"), offset_ns=wall_offset_ns)


def wall_offset_of(segments: Sequence[Segment | PackedSegment]) -> int:
    """Return what turns boot time into wall time, as it was last [ns]."""
    last = max(by_writer(segments)[-1], key=lambda segment: segment.first_seq + segment.n_rows)
    offset_ns = np.empty(last.n_rows, dtype=np.int64)
    last.read(2, offset_ns)
    return int(offset_ns[-1])


def record_from(
    header: RunHeader,
    end: RunEnd | None,
    segments: Sequence[Segment | PackedSegment],
    problems: Sequence[Event],
    path: str,
) -> Record:
    """Return the record held by segments, of one machine and one run or rank."""
    if not segments:
        raise NothingRecordedError(f"run {header.run_id} holds no readings ({path})")
    writers = [Ticks(group) for group in by_writer(segments)]
    wall_offset_ns = int(writers[-1].wall_offset_ns[-1])
    boot_ns, boot_offset, wall_offset = in_order(writers)
    t_ns = boot_ns + wall_offset_ns
    gaps = [
        *_tick_gaps(t_ns, boot_offset, wall_offset, header.interval_s),
        *_edge_gaps(t_ns, end, header.interval_s),
    ]
    readings: Mapping[str, Readings] = readings_of(writers, wall_offset_ns, path)
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


def _events(segments: Sequence[Segment | PackedSegment]) -> list[Event]:
    seen = {tuple(event.values()): event for segment in segments for event in segment.events}
    return sorted((Event(**event) for event in seen.values()), key=lambda event: event.t_ns)
