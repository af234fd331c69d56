"""Reading a run back: segments and journals to one record on one time line."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np

from lowtide.errors import NothingRecordedError, StoreError
from lowtide.model.record import Event, Gap, Marks, Readings, Record, RunEnd, RunHeader
from lowtide.series.blocks import in_blocks, side_by_side
from lowtide.series.steps import IntArray
from lowtide.stores.journal import DAMAGED, UnbornJournalError, iter_files, read_journal
from lowtide.stores.ledger import MARKS_FILE, Ledger
from lowtide.stores.marks import read_marks
from lowtide.stores.rows import Ticks, by_writer, in_order, readings_of
from lowtide.stores.segments import PackedSegment, Segment, encode_segment, open_segment

__all__ = ["read_record", "segment_hashes", "while_merging"]

_CLOCK_STEP_S: Final = 0.1
_SUSPEND_NS: Final = 500_000_000
_GAP_INTERVALS: Final = 3.0
_LEAST_GAP_S: Final = 2.5
_TRIES: Final = 3
T = TypeVar("T")


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

    def hashed() -> dict[str, str]:
        paths = {name: os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")}
        marks = os.path.join(ledger.run_dir(run_id), MARKS_FILE)
        if os.path.exists(marks):
            paths[MARKS_FILE] = marks
        size = sum(os.path.getsize(path) for path in paths.values())
        return dict(zip(paths, side_by_side(_sha256, list(paths.values()), size), strict=True))

    return {**hashes, **while_merging(hashed)}


def while_merging(work: Callable[[], T]) -> T:
    """Return what some work finds in a folder of segments; done again when one of them has been merged meanwhile.

    A recorder merges once an hour, so more than one time more means that something else takes files away.

    Raises
    ------
    FileNotFoundError
        If files vanish again and again.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            return work()
    return work()


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _sealed(ledger: Ledger, run_id: str) -> tuple[list[PackedSegment], list[Event]]:
    folder = ledger.segments_dir(run_id)

    def opened() -> list[PackedSegment | str]:
        paths = [os.path.join(folder, name) for name in _names(folder) if name.endswith(".seg")]
        return side_by_side(_open, paths, sum(os.path.getsize(path) for path in paths))

    found = while_merging(opened)
    problems = [Event(t_ns=0, kind="damaged", detail=item) for item in found if isinstance(item, str)]
    kept = [n for n in _names(os.path.join(ledger.run_dir(run_id), DAMAGED)) if n.endswith(".sqlite")]
    words = "a journal could not be read and is kept"
    problems += [Event(t_ns=0, kind="damaged", detail=f"{words}: {DAMAGED}/{name}") for name in kept]
    return [item for item in found if isinstance(item, PackedSegment)], problems


def _open(path: str) -> PackedSegment | str:
    """Return a segment, or what is wrong with it."""
    try:
        with open(path, "rb") as file:
            return open_segment(file.read(), path=path)
    except FileNotFoundError:
        raise
    except (StoreError, OSError) as error:
        return str(error)


def _journaled(folder: str) -> tuple[list[PackedSegment], list[Event]]:
    """Return what journals on this node hold, in the form of segments, and what is wrong with others."""
    found, problems = [], []
    for path in iter_files(folder) if folder else ():
        try:
            channels, rows, events = read_journal(path)
        except UnbornJournalError:
            continue
        except StoreError as error:
            problems.append(Event(t_ns=0, kind="damaged", detail=str(error)))
            continue
        if rows:
            writer = os.path.basename(path).removesuffix(".sqlite")
            data = encode_segment(writer=writer, channels=channels, rows=rows, events=events)
            found.append(open_segment(data, path=path))
    return found, problems


def _tick_gaps(
    boot_ns: IntArray, wall_ns: int, boot_offset: IntArray, wall_offset: IntArray, interval_s: float
) -> list[Gap]:
    """Return the gaps between readings; `wall_ns` turns boot time into wall time."""
    step_s = {i: (int(wall_offset[i + 1]) - int(wall_offset[i])) / 1e9 for i in _changes(wall_offset)}
    suspended = [
        i for i in _changes(boot_offset) if int(boot_offset[i + 1]) - int(boot_offset[i]) > _SUSPEND_NS
    ]
    longest_s = max(_GAP_INTERVALS * interval_s, _LEAST_GAP_S)
    silent = sorted(set(_longer_than(longest_s, boot_ns)) - set(suspended))
    found = [
        *(
            (i, "clock", f"the wall clock stepped by {step:+.1f} s")
            for i, step in step_s.items()
            if abs(step) > _CLOCK_STEP_S
        ),
        *((i, "all", "suspended") for i in suspended),
        *((i, "gauges", "no readings") for i in silent),
    ]
    return [
        Gap(
            start_ns=int(boot_ns[i]) + wall_ns,
            end_ns=int(boot_ns[i + 1]) + wall_ns,
            channel=channel,
            reason=reason,
        )
        for i, channel, reason in found
    ]


def _longer_than(longest_s: float, boot_ns: IntArray) -> list[int]:
    """Return the places of readings after which the next one came too late."""
    places: list[int] = []
    for part in in_blocks(len(boot_ns) - 1):
        late = np.diff(boot_ns[part.start : part.stop + 1]) / 1e9 > longest_s
        places += (part.start + np.flatnonzero(late)).tolist()
    return places


def _changes(offset_ns: IntArray) -> list[int]:
    """Return the places before which and after which an offset differs; most never change."""
    if offset_ns.strides == (0,):
        return []
    return np.flatnonzero(offset_ns[1:] != offset_ns[:-1]).tolist()


def _edge_gaps(first_ns: int, last_ns: int, end: RunEnd | None, interval_s: float) -> list[Gap]:
    """Return what of the command's life lies before the first or after the last reading."""
    if end is None or not end.observed:
        return []
    slack_ns = int(interval_s * 1e9)
    gaps = []
    if end.started_ns < first_ns - slack_ns:
        gaps.append(Gap(start_ns=end.started_ns, end_ns=first_ns, channel="all", reason="not recorded"))
    if end.ended_ns > last_ns + slack_ns:
        gaps.append(Gap(start_ns=last_ns, end_ns=end.ended_ns, channel="all", reason="not recorded"))
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
    journaled, others = _journaled(header.journal_dir)
    return [*sealed, *journaled], [*problems, *others]


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
    if not segments and problems:
        damage = "; ".join(problem.detail for problem in problems)
        raise NothingRecordedError(f"run {header.run_id}: none of its readings can be read: {damage}")
    if not segments:
        raise NothingRecordedError(f"run {header.run_id} holds no readings ({path})")
    writers = [Ticks(group) for group in by_writer(segments)]
    wall_offset_ns = int(writers[-1].wall_offset_ns[-1])
    boot_ns, boot_offset, wall_offset = in_order(writers)
    first_ns, last_ns = int(boot_ns[0]) + wall_offset_ns, int(boot_ns[-1]) + wall_offset_ns
    gaps = [
        *_tick_gaps(boot_ns, wall_offset_ns, boot_offset, wall_offset, header.interval_s),
        *_edge_gaps(first_ns, last_ns, end, header.interval_s),
    ]
    readings: Mapping[str, Readings] = readings_of(writers, wall_offset_ns, path)
    return Record(
        header=header,
        readings=readings,
        events=(*problems, *_events(segments)),
        gaps=tuple(sorted(gaps, key=lambda gap: gap.start_ns)),
        n_readings=len(boot_ns),
        start_ns=first_ns,
        end_ns=max(last_ns, first_ns + 1),
        end=end,
    )


def _events(segments: Sequence[Segment | PackedSegment]) -> list[Event]:
    seen = {tuple(event.values()): event for segment in segments for event in segment.events}
    return sorted((Event(**event) for event in seen.values()), key=lambda event: event.t_ns)
