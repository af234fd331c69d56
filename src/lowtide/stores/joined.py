"""Reading a run of many processes back: the ranks of each node to one record, the nodes to one run.

A channel of a machine (a RAPL package, a GPU) is one series, whichever rank read it and however many did, so
nothing is counted twice. The CPU time of the run on a node is the sum over its ranks, each constant before its
first and after its last reading. Joining changes no file and can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lowtide.errors import NothingRecordedError
from lowtide.model.record import Event, Marks, Readings, Record, RunHeader
from lowtide.series.steps import FloatArray, IntArray
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import marks_of, open_segments, record_from, wall_offset_of
from lowtide.stores.segments import PackedSegment

__all__ = ["joined_record", "sum_of_counters"]

_MISSING: Final = int(np.iinfo(np.int64).min)


@dataclass(slots=True, eq=False)
class _Rank:
    """One rank as read: its header, its own segments, those of the machine it read, and its marks."""

    header: RunHeader
    own: list[PackedSegment]
    machine: list[PackedSegment]
    marks: Marks | None


def joined_record(ledger: Ledger, run_id: str) -> Record:
    """Return a run of many processes as recorded so far.

    One node gives a record like any other; several give one with a part for each.

    Raises
    ------
    NothingRecordedError
        If no rank holds a reading.
    """
    header, end = ledger.header(run_id), ledger.end(run_id)
    found = [_read_rank(ledger, rank_id) for rank_id in ledger.rank_ids(run_id)]
    ranks = [rank for rank, _ in found if rank is not None]
    problems = tuple(problem for _, damage in found for problem in damage)
    nodes: dict[tuple[str, str], list[_Rank]] = {}
    for rank in ranks:
        nodes.setdefault((rank.header.host, rank.header.boot_id), []).append(rank)
    parts = [_node_record(header, group, ledger.run_dir(run_id)) for group in nodes.values()]
    if not parts:
        raise NothingRecordedError(f"no rank of run {run_id} holds a reading")
    marks = _marks(ranks)
    if len(parts) == 1:
        return replace(parts[0], end=end, marks=marks, events=(*problems, *parts[0].events))
    return Record(
        header=header,
        readings={},
        events=(*problems, *(event for part in parts for event in part.events)),
        gaps=tuple(gap for part in parts for gap in part.gaps),
        n_readings=sum(part.n_readings for part in parts),
        start_ns=min(part.start_ns for part in parts),
        end_ns=max(part.end_ns for part in parts),
        end=end,
        marks=marks,
        parts=tuple(parts),
    )


def _read_rank(ledger: Ledger, rank_id: str) -> tuple[_Rank | None, list[Event]]:
    """Return a rank, None where nothing of it can be read, and what is damaged."""
    header = ledger.header(rank_id)
    name = rank_id.rpartition("/")[2]
    segments, problems = open_segments(ledger, header)
    if not segments:
        return None, problems
    named = [replace(segment, writer=f"{name}/{segment.writer}") for segment in segments]
    own = [s for s in named if _is_own(s)]
    machine = [s for s in named if not _is_own(s)]
    marks = marks_of(ledger, header, wall_offset_of(segments))
    return _Rank(header, own, machine, marks), problems


def _is_own(segment: PackedSegment) -> bool:
    return all(channel["consumer"] == "run" for channel in segment.channels)


def _node_record(header: RunHeader, ranks: Sequence[_Rank], path: str) -> Record:
    """Return one node's record: the machine's channels once, and the run's as the sum over its ranks."""
    first = ranks[0].header
    node = replace(
        first,
        run_id=header.run_id,
        rank=None,
        journal_dir="",
        cpu_share=_cpu_share(ranks),
        memory_share=max(rank.header.memory_share for rank in ranks),
    )
    own = [record_from(rank.header, None, rank.own, [], path) for rank in ranks if rank.own]
    segments = [segment for rank in ranks for segment in (*rank.own, *rank.machine)]
    machine = [segment for rank in ranks for segment in rank.machine]
    record = record_from(node, None, machine or segments, [], path)
    start_ns = min(part.start_ns for part in (record, *own))
    end_ns = max(part.end_ns for part in (record, *own))
    edges = np.unique(np.concatenate((_ticks(record, own), np.array([start_ns, end_ns], dtype=np.int64))))
    return replace(
        record,
        readings={**record.readings, **_run_readings(own, edges)},
        n_readings=record.n_readings + sum(part.n_readings for part in own),
        start_ns=start_ns,
        end_ns=end_ns,
        events=tuple(event for part in (record, *own) for event in part.events),
    )


def _ticks(record: Record, own: Sequence[Record]) -> IntArray:
    """Return the instants at which the machine was read; those of the ranks where nobody read it."""
    busy = record.readings.get("cpu.busy")
    if busy is not None:
        return busy.t_ns
    return np.concatenate([part.readings["run.cpu"].t_ns for part in own])


def _cpu_share(ranks: Sequence[_Rank]) -> float:
    """Return the share of the machine that the ranks may use together.

    Ranks bound to CPUs of their own may use the union of them; without binding, and under a quota, which is of the
    whole job, the greatest is that of all.
    """
    bound = {cpu for rank in ranks if rank.header.rank is not None for cpu in rank.header.rank.cpus}
    union = len(bound) / ranks[0].header.machine.n_logical_cpus
    greatest = max(rank.header.cpu_share for rank in ranks)
    own = max((len(r.header.rank.cpus) for r in ranks if r.header.rank is not None), default=0)
    is_quota = greatest < own / ranks[0].header.machine.n_logical_cpus - 1e-9
    return greatest if is_quota else min(1.0, max(greatest, union))


def _run_readings(own: Sequence[Record], edges: IntArray) -> dict[str, Readings]:
    """Return CPU time and memory of the run on a node: the sums over its ranks."""
    if not own:
        return {}
    cpu = [part.readings["run.cpu"] for part in own]
    total_ns = sum_of_counters([(r.t_ns, np.asarray(r.raw, dtype=np.int64)) for r in cpu], edges)
    rss = [part.readings["run.rss"] for part in own]
    total_bytes = sum((_held_within(r, edges) for r in rss), np.zeros(len(edges)))
    return {
        "run.cpu": Readings(channel=cpu[0].channel, t_ns=edges, raw=total_ns),
        "run.rss": Readings(channel=rss[0].channel, t_ns=edges, raw=total_bytes),
    }


def sum_of_counters(counters: Sequence[tuple[IntArray, IntArray]], edges_ns: IntArray) -> IntArray:
    """Return the sum of counters at instants, each from 0 at its first reading and kept after its last.

    Parameters
    ----------
    counters : sequence of (t_ns, raw)
        Int64 arrays of equal shapes; readings that failed are left out.
    edges_ns : int64 array, shape (n,)

    Examples
    --------
    >>> one, late = (np.array([0, 10]), np.array([5, 25])), (np.array([5, 10]), np.array([0, 10]))
    >>> sum_of_counters([one, late], np.array([0, 5, 10, 20])).tolist()
    [0, 10, 30, 30]
    """
    total = np.zeros(len(edges_ns))
    for t_ns, raw in counters:
        valid = raw != _MISSING
        if valid.any():
            t, since = t_ns[valid], (raw[valid] - raw[valid][0]).astype(np.float64)
            total += np.interp((edges_ns - edges_ns[0]).astype(np.float64), t - edges_ns[0], since)
    return np.rint(total).astype(np.int64)


def _held_within(readings: Readings, edges: IntArray) -> FloatArray:
    """Return a gauge at instants, 0 outside of its own readings."""
    i = np.clip(np.searchsorted(readings.t_ns, edges, side="right") - 1, 0, None)
    inside = (edges >= readings.t_ns[0]) & (edges <= readings.t_ns[-1])
    return np.where(inside, np.nan_to_num(np.asarray(readings.raw, dtype=np.float64)[i]), 0.0)


def _marks(ranks: Sequence[_Rank]) -> Marks | None:
    """Return the marks of a run: steps and phases of its lowest rank that has any, counts of all.

    Every rank of a data-parallel training goes through the same steps, on samples of its own.
    """
    marked = [rank.marks for rank in ranks if rank.marks is not None]
    if not marked:
        return None
    leading = next((m for m in marked if m.phases or len(m.step_n)), marked[0])
    return replace(leading, counts=tuple(count for marks in marked for count in marks.counts))
