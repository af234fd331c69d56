"""Closing a run of many processes: once all its ranks have ended, by whichever command comes next.

Nothing is locked over the network: two that join at once write the same end and the same bill. A rank whose readings
come later (its node was away) makes the bill out of date, and the next command makes another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final

from lowtide.errors import NothingRecordedError
from lowtide.model.record import RunEnd, Telemetry
from lowtide.stores.ledger import Ledger

__all__ = ["LOST_AFTER_S", "finish_rank", "join_run", "join_waiting", "silent_s"]

LOST_AFTER_S: Final = 600.0
"""A rank that has sealed nothing for so long, though it should every minute, is gone [s]."""


def join_run(ledger: Ledger, run_id: str, *, wait_s: float = 0.0) -> str:
    """Close and bill a run whose ranks have ended; return what it still waits for, empty when it is done.

    Parameters
    ----------
    wait_s : float
        How long to wait for ranks that are still at work [s].

    Raises
    ------
    LowtideError
        If the ledger cannot be read or written.
    """
    deadline = time.monotonic() + wait_s
    while (waiting := _waiting_for(ledger, run_id)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if waiting and silent_s(ledger, run_id) < LOST_AFTER_S:
        return waiting
    ranks = ledger.rank_ids(run_id)
    if ledger.end(run_id) is None:
        ledger.write_end(run_id, _joined_end(ledger, run_id, ranks, waiting))
    _bill_if_new(ledger, run_id)
    _forget(ledger, run_id)
    return ""


def finish_rank(ledger: Ledger, rank_id: str, *, wait_s: float) -> str | None:
    """Join the run of a rank that has just been closed, if that is for this rank to do.

    The first rank waits for the others. One that ends after it joins the run if it is the last.

    Returns
    -------
    str or None
        What the run still waits for, empty when it has been joined; None when it is for another rank to do.
    """
    run_id, _, name = rank_id.partition("/ranks/")
    if name.startswith("r0000-"):
        return join_run(ledger, run_id, wait_s=wait_s)
    if any(ledger.end(r) is not None for r in ledger.rank_ids(run_id) if "/r0000-" in r):
        join_run(ledger, run_id)
    return None


def _waiting_for(ledger: Ledger, run_id: str) -> str:
    """Return which ranks have not ended yet, in words; empty when all have."""
    n_ranks = ledger.header(run_id).n_ranks or 0
    ranks = ledger.rank_ids(run_id)
    at_work = sum(ledger.end(rank_id) is None for rank_id in ranks)
    not_seen = n_ranks - len({rank_id.rpartition("/")[2].split("-")[0] for rank_id in ranks})
    parts = [f"{at_work} of {n_ranks} ranks are still at work"] if at_work else []
    parts += [f"{not_seen} of {n_ranks} ranks have not come"] if not_seen > 0 else []
    return ", ".join(parts)


def silent_s(ledger: Ledger, run_id: str) -> float:
    """Return for how long no rank has written to the ledger [s]."""
    folders = [ledger.run_dir(run_id)]
    for rank_id in ledger.rank_ids(run_id):
        folders += [ledger.run_dir(rank_id), ledger.segments_dir(rank_id)]
    heard = []
    for folder in folders:
        try:
            heard.append(os.stat(folder).st_mtime)
        except OSError:
            continue
    return time.time() - max(heard) if heard else float("inf")


def _joined_end(ledger: Ledger, run_id: str, ranks: Sequence[str], waiting: str) -> RunEnd:
    """Return how the run ended: from the first rank's beginning to the last one's end, and the worst of them."""
    found = [(rank_id.rpartition("/")[2], ledger.end(rank_id)) for rank_id in ranks]
    ends = [end for _, end in found if end is not None]
    unseen = [name for name, end in found if end is None or not end.observed]
    if not ends:
        created_ns = ledger.header(run_id).created_ns
        return RunEnd(started_ns=created_ns, ended_ns=created_ns + 1, observed=False, note="nothing recorded")
    counts: dict[str, float] = {}
    for end in ends:
        for name, n in end.counts:
            counts[name] = counts.get(name, 0.0) + n
    note = f"{len(ranks)} ranks" + (f"; the end of {', '.join(unseen)} was not seen" if unseen else "")
    signals = [end.signal for end in ends if end.signal is not None]
    return RunEnd(
        started_ns=min(end.started_ns for end in ends),
        ended_ns=max(end.ended_ns for end in ends),
        exit_code=None if signals else max((end.exit_code or 0 for end in ends), default=0),
        signal=signals[0] if signals else None,
        observed=not unseen and not waiting,
        telemetry=_joined_telemetry([end.telemetry for end in ends]),
        counts=tuple(sorted(counts.items())),
        note=f"{note}; {waiting}" if waiting else note,
    )


def _joined_telemetry(parts: Sequence[Telemetry]) -> Telemetry:
    """Return the sums over ranks, unknown where one is; memory at most is the sum of each rank's own."""

    def total(name: str) -> float | None:
        values = [getattr(part, name) for part in parts]
        return None if any(value is None for value in values) else sum(values)

    def whole(name: str) -> int | None:
        value = total(name)
        return None if value is None else int(value)

    gauges = {name: gauge for part in parts for name, gauge in part.gauges.items()}
    return Telemetry(
        cpu_seconds=total("cpu_seconds"),
        peak_memory_bytes=whole("peak_memory_bytes"),
        disk_read_bytes=whole("disk_read_bytes"),
        disk_write_bytes=whole("disk_write_bytes"),
        gauges=gauges,
        software=dict(parts[0].software),
    )


def _bill_if_new(ledger: Ledger, run_id: str) -> None:
    """Bill the run unless its newest bill rests on the readings that are there now."""
    from lowtide.runtime.billing import bill
    from lowtide.stores.records import segment_hashes

    entry = ledger.last_entry(run_id)
    if entry is not None and entry["segments"] == segment_hashes(ledger, run_id):
        return
    try:
        bill(ledger, run_id)
    except NothingRecordedError:
        return  # every rank was killed before its second reading


def _forget(ledger: Ledger, run_id: str) -> None:
    """Remove the mark that this run waits to be joined, and the locks of its launch on this node."""
    try:
        os.unlink(os.path.join(ledger.path, "launches", f"{run_id}.open"))
    except OSError:
        return  # somebody else has done it


def join_waiting(ledger: Ledger) -> list[str]:
    """Join all runs of this ledger whose ranks have ended; return a line for each that could not be."""
    problems = []
    folder = os.path.join(ledger.path, "launches")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".open"))
    except OSError:
        return []
    for name in names:
        run_id = name.removesuffix(".open")
        try:
            join_run(ledger, run_id)
        except Exception as error:  # another launch's damage is no reason to stop
            problems.append(f"{run_id} cannot be joined: {error}")
    return problems
