"""``lowtide record cut``: a stretch of a node's recording, and a part of its processes, made a run.

Without a share of the machine the part is billed for what it caused (attribution ``dynamic``): nobody said which part
of the idle machine is its own. The readings are copied, so the run stands by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lowtide.errors import InputError
from lowtide.model.hardware import Channel
from lowtide.model.record import RunEnd, RunHeader
from lowtide.quantities import format_instant
from lowtide.runtime.prepare import checked_name, grid_choice, ledger_of, new_run_id
from lowtide.runtime.pue import pue_of
from lowtide.stores.codec import to_plain, write_bytes
from lowtide.stores.journal import Row
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record, read_segments, wall_offset_of
from lowtide.stores.segments import Segment, encode_segment
from lowtide.stores.use import cpu_of_part, read_scans

__all__ = ["Part", "cut_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which processes; exactly one of the three is given, or none for the whole machine."""

    pid: int | None = None
    cgroup: str | None = None
    job: str | None = None

    def words(self) -> str:
        """Return it as a user would."""
        if self.pid is not None:
            return f"process {self.pid}"
        if self.cgroup is not None:
            return f"control group {self.cgroup}"
        return "the whole machine" if self.job is None else f"job {self.job}"

    def has(self, pid: int, start: int, group: str, job: str, parent_belongs: bool) -> bool:
        """Return whether a process is in it."""
        if self.pid is not None:
            return pid == self.pid or parent_belongs
        if self.cgroup is not None:
            wanted = self.cgroup.rstrip("/")
            return group == wanted or group.startswith(f"{wanted}/") or f"{wanted}/" in f"{group}/"
        return self.job is None or job == self.job


def cut_run(
    config: Any,
    *,
    host: str | None,
    start_ns: int,
    end_ns: int,
    part: Part,
    name: str | None = None,
    share: float | None = None,
    gpus: Sequence[str] = (),
) -> tuple[Ledger, str]:
    """Make a run of a part of a node's recording, and bill it; return the ledger and the run's id.

    Parameters
    ----------
    config : Config
    host : str or None
        This machine when None.
    start_ns, end_ns : int
        The stretch of time [ns].
    part : Part
    name : str, optional
    share : float, optional
        Share of the machine that the part may use, for its share of idle power.
    gpus : sequence of str
        UUIDs that were the part's, or ``all``.

    Raises
    ------
    InputError
        If nothing was recorded then, or no such process was.
    """
    from lowtide.runtime.billing import bill
    from lowtide.runtime.node_recorder import node_ledger

    if end_ns <= start_ns:
        raise InputError(f"--to {format_instant(end_ns)} is not after --from {format_instant(start_ns)}")
    ledger = ledger_of(config)
    node = node_ledger(ledger, host)
    written: list[tuple[str, bytes]] = []
    header = None
    for recording in node.ids():
        header = node.header(recording)
        written += _segments(node, header, start_ns, end_ns, part, gpus, len(written))
    if header is None or not written:
        raise InputError(
            f"no recording of {host or 'this machine'} between {format_instant(start_ns)} and "
            f"{format_instant(end_ns)} in {node.path}; `lowtide record start` makes one"
        )
    made = _header(header, config, part, name, share, start_ns)
    ledger.create(made)
    for file, data in written:
        write_bytes(os.path.join(ledger.segments_dir(made.run_id), file), data)
    seen = read_record(ledger, made.run_id)
    note = f"cut out of the recording of {made.host}: {part.words()}"
    end = RunEnd(started_ns=seen.start_ns, ended_ns=seen.end_ns, observed=False, note=note)
    ledger.write_end(made.run_id, end)
    bill(ledger, made.run_id)
    return ledger, made.run_id


def _header(
    node: RunHeader, config: Any, part: Part, name: str | None, share: float | None, start_ns: int
) -> RunHeader:
    whole = part == Part()
    return replace(
        node,
        run_id=new_run_id(time.time_ns()),
        name=checked_name(name) if name is not None else part.words().replace("/", "-"),
        created_ns=start_ns,
        attribution="machine" if whole else "dynamic" if share is None else "share",
        cpu_share=1.0 if share is None else share,
        memory_share=1.0 if share is None else share,
        grid=grid_choice(config),
        pue=pue_of(config.get("pue")),
        journal_dir="",
    )


def _segments(
    node: Ledger,
    header: RunHeader,
    start_ns: int,
    end_ns: int,
    part: Part,
    gpus: Sequence[str],
    n_before: int,
) -> list[tuple[str, bytes]]:
    """Return the segments of a run, by file name, from one recording; none where it says nothing of that time."""
    segments, _ = read_segments(node, header)
    if not segments:
        return []
    wall_ns = wall_offset_of(segments)
    found: list[tuple[str, bytes]] = []
    boot_offset = 0
    for segment in segments:
        t_ns = segment.monotonic_ns + segment.boot_offset_ns + wall_ns
        rows = np.flatnonzero((t_ns >= start_ns) & (t_ns <= end_ns))
        if len(rows):
            boot_offset = int(segment.boot_offset_ns[rows[-1]])
            writer = f"machine{n_before + len(found)}"
            found.append((f"{writer}-000001.seg", _cut(segment, rows, writer, gpus)))
    if not found:
        return []
    return [*found, _use_segment(node, header, (start_ns, end_ns), part, wall_ns, boot_offset, n_before)]


def _cut(segment: Segment, rows: Any, writer: str, gpus: Sequence[str]) -> bytes:
    """Return some rows of a segment with the channels of the machine, GPUs only where they are asked for."""
    kept = [
        i
        for i, channel in enumerate(segment.channels)
        if channel["consumer"] == "machine"
        and (channel["component"] != "gpu" or "all" in gpus or any(gpu in channel["name"] for gpu in gpus))
    ]
    table = np.stack([segment.columns[i][rows] for i in kept], axis=1).astype("<i8")
    clocks = (segment.monotonic_ns[rows], segment.boot_offset_ns[rows], segment.wall_offset_ns[rows])
    taken = [
        Row(n + 1, int(m), int(b), int(w), table[n].tobytes())
        for n, (m, b, w) in enumerate(zip(*clocks, strict=True))
    ]
    return encode_segment(writer=writer, channels=[segment.channels[i] for i in kept], rows=taken)


def _use_segment(
    node: Ledger,
    header: RunHeader,
    window_ns: tuple[int, int],
    part: Part,
    wall_ns: int,
    boot_offset: int,
    n_before: int,
) -> tuple[str, bytes]:
    """Return the CPU time of the part at the scans in a window of time."""
    scans = list(read_scans(node.run_dir(header.run_id), header.journal_dir))
    t_ns, cpu_ns = cpu_of_part(scans, part.has)
    t_ns = t_ns + wall_ns
    inside = np.flatnonzero((t_ns >= window_ns[0]) & (t_ns <= window_ns[1]))
    if len(inside) < 2:
        raise InputError(
            "the processes were scanned fewer than two times in that window; choose a longer one"
        )
    if part != Part() and cpu_ns[inside[-1]] == 0 and not _was_there(scans, part):
        raise InputError(f"{part.words()} was not among the processes that were recorded; check its number")
    writer = f"use{n_before}"
    rows = [
        Row(n + 1, int(t_ns[i] - wall_ns - boot_offset), boot_offset, wall_ns,
            int(cpu_ns[i]).to_bytes(8, "little", signed=True))
        for n, i in enumerate(inside)
    ]  # fmt: skip
    channel = Channel(name="run.cpu", sensor="cpu_time", component="cpu", quantity="cpu_time", kind="counter",
                      scale=1e-9, consumer="run", device="all CPUs",
                      method="CPU time of the processes, scanned")  # fmt: skip
    data = encode_segment(writer=writer, channels=[to_plain(channel)], rows=rows)
    return f"{writer}-000001.seg", data


def _was_there(scans: Sequence[Any], part: Part) -> bool:
    return any(part.has(n[0], n[1], n[3], n[4], False) for scan in scans for n in scan["new"])
