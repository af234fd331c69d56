"""Closing a run: its last readings sealed, its end written, its bill made, its journal removed.

The same steps for a run that ended before our eyes and for one whose supervisor, recorder or node died: each
step can be repeated, so a closing that is killed is finished by the next command.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

from lowtide.errors import LowtideError, NothingRecordedError, StoreError
from lowtide.executors.freezing import thaw
from lowtide.model.record import RankPlace, RunEnd, RunHeader
from lowtide.runtime.green_state import FROZEN, is_waiting, keep_plan, plan_of
from lowtide.runtime.joining import join_waiting
from lowtide.runtime.telemetry import with_readings
from lowtide.stores.codec import from_plain, read_json, to_plain, write_bytes, write_json
from lowtide.stores.journal import (
    DAMAGED,
    DamagedJournalError,
    UnbornJournalError,
    iter_files,
    read_journal,
)
from lowtide.stores.ledger import Ledger, journal_root
from lowtide.stores.marks import counts_of, keep_marks
from lowtide.stores.segments import encode_segment
from lowtide.stores.use import keep_use

SEGMENTS = 60
"""A run with more segments than this has them joined."""

__all__ = [
    "RunLock",
    "close_run",
    "close_unseen",
    "ledger_at",
    "local_header",
    "open_journal_dir",
    "unclosed",
]


class RunLock:
    """The lock of a run's folder on the node: shared by who takes part, exclusive for who closes it.

    The kernel drops it with the process, so there is no stale lock.
    """

    def __init__(self, journal_dir: str) -> None:
        self._fd = os.open(os.path.join(journal_dir, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def share(self) -> None:
        """Take part."""
        import fcntl

        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def try_exclusive(self, *, wait_s: float = 0.0) -> bool:
        """Return whether nobody takes part any more, waiting up to `wait_s` for it; holds the lock then."""
        import fcntl

        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.02)
            else:
                return True

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)


def open_journal_dir(header: RunHeader, ledger: Ledger) -> RunLock:
    """Make a run's folder on the node, with its header and the ledger it belongs to; return its shared lock.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        os.makedirs(header.journal_dir, mode=0o700, exist_ok=True)
        lock = RunLock(header.journal_dir)
        lock.share()
    except OSError as error:
        raise StoreError(f"cannot make the journal {header.journal_dir}: {error.strerror}") from error
    write_json(
        os.path.join(header.journal_dir, "run.json"),
        {"ledger": ledger.path, "header": to_plain(header)},
    )
    return lock


def ledger_at(journal_dir: str) -> Ledger:
    """Return the ledger that the run of a folder on this node belongs to."""
    return _read_local(journal_dir)[1]


def local_header(journal_dir: str) -> RunHeader:
    """Return the header of the run of a folder on this node."""
    return _read_local(journal_dir)[0]


def _read_local(journal_dir: str) -> tuple[RunHeader, Ledger]:
    path = os.path.join(journal_dir, "run.json")
    plain: Any = read_json(path)
    return from_plain(RunHeader, plain["header"], path=path), Ledger(plain["ledger"])


def close_run(
    journal_dir: str, *, wait_s: float = 0.0, end: RunEnd | None = None
) -> tuple[Ledger, str] | None:
    """Close the run of a folder on this node; return its ledger and id, or None while somebody takes part.

    Parameters
    ----------
    journal_dir : str
    wait_s : float
        How long to wait for who still takes part [s].
    end : RunEnd, optional
        How the run ended, from who saw it; else what was noted beside the journal.

    Raises
    ------
    LowtideError
        If the ledger cannot be written or the readings cannot be billed; the folder is kept then.
    """
    header, ledger = _read_local(journal_dir)
    lock = RunLock(journal_dir)
    try:
        if not lock.try_exclusive(wait_s=wait_s):
            return None
        thaw(os.path.join(journal_dir, FROZEN))  # nobody is left who would
        if is_waiting(journal_dir):
            return None
        if os.path.exists(os.path.join(journal_dir, "run.json")):  # else another command closed it meanwhile
            header = _joined_late(journal_dir, header, ledger)
            _close(journal_dir, header, ledger, end)
    finally:
        lock.close()
    return ledger, header.run_id


def _close(journal_dir: str, header: RunHeader, ledger: Ledger, seen: RunEnd | None) -> None:
    if not os.path.exists(os.path.join(ledger.run_dir(header.run_id), "run.json")):
        ledger.create(header)
    _seal_rest(journal_dir, ledger, header.run_id)
    _compact(ledger, header.run_id)
    keep_marks(journal_dir, ledger.run_dir(header.run_id))
    keep_use(journal_dir, ledger.run_dir(header.run_id))
    keep_plan(journal_dir, ledger.run_dir(header.run_id))
    if ledger.end(header.run_id) is None:
        end = with_readings(seen or _end_of(journal_dir, header, ledger), ledger, header.run_id)
        ledger.write_end(header.run_id, end)
    if header.rank is None and ledger.last_entry(header.run_id) is None:
        from lowtide.runtime.billing import bill

        try:
            bill(ledger, header.run_id)
        except NothingRecordedError:
            pass  # killed before its second reading: a run that ended, with nothing to bill
    shutil.rmtree(journal_dir, ignore_errors=True)
    if header.rank is not None:
        _leave_launch(header.rank)


def _compact(ledger: Ledger, run_id: str) -> None:
    """Join a long run's segments, unless it has been billed: a bill names the files it rests on."""
    folder = ledger.segments_dir(run_id)
    if ledger.last_entry(run_id) is None and len(os.listdir(folder)) >= SEGMENTS:
        from lowtide.stores.compacting import compact

        compact(folder)


def _joined_late(journal_dir: str, header: RunHeader, ledger: Ledger) -> RunHeader:
    """Return the header of a rank; one that could not reach the ledger when it began finds its run now."""
    from lowtide.runtime.ranks import join_launch

    if header.rank is None or "/" in header.run_id:
        return header
    joined = join_launch(ledger, header, header.rank)
    write_json(os.path.join(journal_dir, "run.json"), {"ledger": ledger.path, "header": to_plain(joined)})
    return joined


def _leave_launch(place: RankPlace) -> None:
    """Remove the folder of the launch's locks on this node once the last lock is gone."""
    from lowtide.runtime.ranks import node_folder

    try:
        folder = node_folder(place)
        for name in os.listdir(folder):
            _remove_free_lock(os.path.join(folder, name))
        os.rmdir(folder)
    except (LowtideError, OSError):
        return  # another rank is still at work: the last one removes it


def _remove_free_lock(path: str) -> None:
    """Remove the lock of a rank that was killed; a lock that is held stays."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(fd)


def _seal_rest(journal_dir: str, ledger: Ledger, run_id: str) -> None:
    """Write what journals still hold as segments."""
    for path in iter_files(journal_dir):
        try:
            channels, rows, events = read_journal(path)
        except UnbornJournalError:
            continue
        except DamagedJournalError:
            _keep_damaged(path, os.path.join(ledger.run_dir(run_id), DAMAGED))
            continue
        if rows:
            writer = os.path.basename(path).removesuffix(".sqlite")
            data = encode_segment(writer=writer, channels=channels, rows=rows, events=events)
            write_bytes(os.path.join(ledger.segments_dir(run_id), f"{writer}-rest.seg"), data)


def _keep_damaged(path: str, folder: str) -> None:
    """Keep a journal that cannot be read beside the run, with all its files: it is not ours to throw away."""
    os.makedirs(folder, exist_ok=True)
    here, start = os.path.split(path)
    for name in os.listdir(here):
        if name.startswith(start.removesuffix(".sqlite") + "."):
            shutil.copy2(os.path.join(here, name), os.path.join(folder, name))


def _end_of(journal_dir: str, header: RunHeader, ledger: Ledger) -> RunEnd:
    """Return the end that was observed, or one made from the readings."""
    path = os.path.join(journal_dir, "end.json")
    if os.path.exists(path):
        return from_plain(RunEnd, read_json(path), path=path)
    from lowtide.stores.records import read_record

    counts = counts_of(journal_dir)
    try:
        record = read_record(ledger, header.run_id)
    except LowtideError:
        created = header.created_ns
        return RunEnd(
            started_ns=created,
            ended_ns=created + 1,
            observed=False,
            counts=counts,
            note="nothing recorded",
        )
    from lowtide.runtime.budget_watch import budget_reached

    plan = plan_of(journal_dir, started_ns=record.start_ns, ended_ns=record.end_ns)
    vanished = os.path.exists(os.path.join(journal_dir, "vanished.json"))
    note = (
        "the supervisor was gone when the command ended" if vanished else "recorder and supervisor were gone"
    )
    return RunEnd(
        started_ns=record.start_ns,
        ended_ns=record.end_ns,
        observed=False,
        counts=counts,
        note=note,
        plan=plan,
        budget=budget_reached(journal_dir),
    )


def unclosed(root: str | None = None) -> Iterator[str]:
    """Yield the folders of runs on this node that have not been closed, going on or not."""
    try:
        folder = root or journal_root()
        names = sorted(os.listdir(folder))
    except (StoreError, OSError):
        return
    for name in names:
        if os.path.exists(os.path.join(folder, name, "run.json")):
            yield os.path.join(folder, name)


def close_unseen(ledger: Ledger, root: str | None = None) -> list[str]:
    """Close the runs on this node that ended unseen; return a line for each that could not be closed.

    Runs of other ledgers are closed as well where that works, and left for a command of theirs where not.
    """
    problems = []
    for journal_dir in unclosed(root):
        try:
            if close_run(journal_dir) is None and _waits_for_nobody(journal_dir):
                name = os.path.basename(journal_dir)
                problems.append(
                    f"{name} waits to be started and nobody minds it: lowtide run --continue {name}"
                )
        except Exception as error:  # one folder that is damaged must not stop the commands of every ledger
            if _belongs(journal_dir, ledger):
                problems.append(f"{os.path.basename(journal_dir)} cannot be closed: {error}")
    from lowtide.runtime.pending import take_up

    problems += join_waiting(ledger)
    try:
        take_up(ledger)
    except Exception as error:
        problems.append(f"bills that wait for the grid cannot be made again: {error}")
    return problems


def _waits_for_nobody(journal_dir: str) -> bool:
    """Return whether a run was waiting for green when its supervisor was killed."""
    if not is_waiting(journal_dir):
        return False
    lock = RunLock(journal_dir)
    try:
        return lock.try_exclusive()
    finally:
        lock.close()


def _belongs(journal_dir: str, ledger: Ledger) -> bool:
    try:
        return _read_local(journal_dir)[1].path == ledger.path
    except (LowtideError, KeyError, TypeError):
        return True  # nobody can tell whose it is, so it is said
