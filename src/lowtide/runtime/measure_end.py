"""The end of a measured block: its recorder hears of it, its end is noted, its run is closed and billed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import LowtideError
from lowtide.model.record import RunEnd, RunHeader, Telemetry
from lowtide.runtime.spawn import SEALED_WITHIN_S, RecorderHandle
from lowtide.runtime.telemetry import Used, software_versions, used_between, used_now
from lowtide.stores.codec import from_plain, to_plain, write_json
from lowtide.stores.ledger import Ledger
from lowtide.stores.marks import counts_of

if TYPE_CHECKING:
    from lowtide.model.ledger import Entry
    from lowtide.runtime.closing import RunLock

__all__ = ["bill_of_block", "end_block"]

_CLOSE_WITHIN_S: Final = 2.0
_JOIN_WITHIN_S: Final = 5.0


def end_block(
    header: RunHeader,
    ledger: Ledger,
    recorder: RecorderHandle,
    lock: RunLock,
    *,
    started_ns: int,
    ended_ns: int,
    used: Used | None,
    status: int,
) -> str | None:
    """End a block's recording and close its run; return its id, None while somebody else takes part in it.

    The id is another than the header's where a rank could not reach the ledger when it began.

    Parameters
    ----------
    header : RunHeader
    ledger : Ledger
    recorder : RecorderHandle
    lock : RunLock
        Ours, let go here.
    started_ns, ended_ns : int
        Of the block [ns since 1970 UTC].
    used : Used or None
        What the process had used when the block began.
    status : int
        The block's own.

    Raises
    ------
    Exception
        Whatever keeps it from being noted or billed; nothing is recorded any more then either.
    """
    end, problem = None, None
    try:
        end = _end(header, started_ns, ended_ns, used, status)
        write_json(os.path.join(header.journal_dir, "end.json"), to_plain(end))
    except Exception as error:  # what is recorded ends here all the same
        problem = error
    finally:
        recorder.tell("end")
        recorder.wait_for("sealed", timeout_s=SEALED_WITHIN_S)
        recorder.close()
        lock.close()
    try:
        run_id = _close(header.journal_dir, end)
    except LowtideError:
        if not _is_closed_by_another(header, ledger):
            raise
        run_id = header.run_id
    if run_id is None and problem is not None:
        raise problem
    return run_id


def _end(header: RunHeader, started_ns: int, ended_ns: int, used: Used | None, status: int) -> RunEnd:
    telemetry = Telemetry() if used is None else used_between(used, used_now())
    return RunEnd(
        started_ns=started_ns,
        ended_ns=ended_ns,
        exit_code=status,
        telemetry=replace(telemetry, software=software_versions()),
        counts=counts_of(header.journal_dir),
    )


def _close(journal_dir: str, end: RunEnd | None) -> str | None:
    """Close the run; in a child where that is safe, so that a small program stays small."""
    from lowtide.runtime.closing import close_run
    from lowtide.runtime.isolate import CannotForkError, in_child, is_light

    def work() -> str | None:
        closed = close_run(journal_dir, wait_s=_CLOSE_WITHIN_S, end=end)
        return None if closed is None else closed[1]

    if is_light():
        try:
            found: str | None = in_child(work)
            return found
        except CannotForkError:
            pass  # here then
    return work()


def _is_closed_by_another(header: RunHeader, ledger: Ledger) -> bool:
    """Return whether a command has closed the run between our letting go of it and our closing it."""
    is_here = os.path.exists(os.path.join(header.journal_dir, "run.json"))
    return not is_here and ledger.end(header.run_id) is not None


def bill_of_block(ledger: Ledger, run_id: str, *, warn: Callable[[str], None]) -> Entry | None:
    """Return the bill of a run that is closed; None on every rank of a launch but the first.

    The first rank waits for the others and joins them; a late one does it alone.
    """
    from lowtide.model.ledger import Entry
    from lowtide.runtime.joining import finish_rank
    from lowtide.runtime.ranks import run_of

    if "/" in run_id:
        waiting = finish_rank(ledger, run_id, wait_s=_JOIN_WITHIN_S)
        if waiting is None:
            return None
        if waiting:
            warn(f"{waiting}; `lowtide show {run_of(run_id)}` joins them once they have ended")
    run_id = run_of(run_id)
    plain = ledger.last_entry(run_id)
    return from_plain(Entry, plain, path=ledger.run_dir(run_id)) if plain else None
