"""Reading a run back: segments and journals to one record on one time line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from lowtide.errors import NothingRecordedError, StoreError
from lowtide.model.hardware import Channel
from lowtide.model.record import Event, Gap, Readings, Record, RunEnd, RunHeader
from lowtide.series.steps import IntArray
from lowtide.stores.codec import from_plain
from lowtide.stores.journal import iter_files, read_journal
from lowtide.stores.ledger import Ledger
from lowtide.stores.segments import Segment, decode_segment, encode_segment

__all__ = ["read_record", "segment_hashes"]

_CLOCK_STEP_S: Final = 0.1
_SUSPEND_NS: Final = 500_000_000
_GAP_INTERVALS: Final = 3.0
_LEAST_GAP_S: Final = 2.5


def segment_hashes(ledger: Ledger, run_id: str) -> dict[str, str]:
    """Return the SHA-256 of every sealed segment of a run, by file name."""
    folder = ledger.segments_dir(run_id)
    hashes = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".seg"):
            with open(os.path.join(folder, name), "rb") as file:
                hashes[name] = hashlib.sha256(file.read()).hexdigest()
    return hashes


def _sealed(ledger: Ledger, run_id: str) -> tuple[list[Segment], list[Event]]:
    folder, segments, problems = ledger.segments_dir(run_id), [], []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not name.endswith(".seg"):
            continue
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                segments.append(decode_segment(file.read(), path=path))
        except (StoreError, OSError) as error:
            problems.append(Event(t_ns=0, kind="damaged", detail=str(error)))
    return segments, problems


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
        first = np.concatenate([s.first_seq + np.arange(len(s.monotonic_ns)) for s in segments])
        _, keep = np.unique(first, return_index=True)
        self.channels = segments[0].channels
        self.boot_offset_ns = np.concatenate([s.boot_offset_ns for s in segments])[keep]
        self.boot_ns = np.concatenate([s.monotonic_ns for s in segments])[keep] + self.boot_offset_ns
        self.wall_offset_ns = np.concatenate([s.wall_offset_ns for s in segments])[keep]
        self.columns = [
            np.concatenate([s.columns[i] for s in segments])[keep] for i in range(len(self.channels))
        ]


def _by_writer(segments: list[Segment]) -> list[_Ticks]:
    writers: dict[str, list[Segment]] = {}
    for segment in segments:
        writers.setdefault(segment.writer, []).append(segment)
    return sorted((_Ticks(group) for group in writers.values()), key=lambda ticks: int(ticks.boot_ns[0]))


def _readings(writers: list[_Ticks], wall_offset_ns: int, path: str) -> dict[str, Readings]:
    columns: dict[str, list[tuple[dict[str, Any], IntArray, IntArray]]] = {}
    for ticks in writers:
        for plain, column in zip(ticks.channels, ticks.columns, strict=True):
            columns.setdefault(plain["name"], []).append((plain, ticks.boot_ns + wall_offset_ns, column))
    readings = {}
    for name, parts in columns.items():
        channel = from_plain(Channel, parts[0][0], path=path)
        t_ns = np.concatenate([t for _, t, _ in parts])
        raw = np.concatenate([column for _, _, column in parts])
        order = np.argsort(t_ns, kind="stable")
        order = order[np.concatenate([[True], np.diff(t_ns[order]) > 0])]
        values = raw[order]
        readings[name] = Readings(
            channel=channel,
            t_ns=t_ns[order],
            raw=values if channel.kind == "counter" else values.view(np.float64),
        )
    return readings


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
    header = ledger.header(run_id)
    end = ledger.end(run_id)
    sealed, problems = _sealed(ledger, run_id)
    return record_from(
        header, end, [*sealed, *_journaled(header.journal_dir)], problems, ledger.run_dir(run_id)
    )


def record_from(
    header: RunHeader, end: RunEnd | None, segments: list[Segment], problems: list[Event], path: str
) -> Record:
    """Return the record held by segments."""
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
