"""Bills that wait for the network: noted in the ledger, asked for by a process of its own, and made again.

Nobody's command waits for a provider that does not answer. The bill is made at once with what is known, a note of it is
left in the ledger, and a process that belongs to nobody asks on; the next command takes up what that one could not do::

    LEDGER/pending/RUN_ID.json     which bill it is, how often it was tried, when it is due again

The process ends by itself, at the latest by a signal of the kernel that it ordered before it did anything else. Two of
them at once are kept apart by a lock on the folder, which the kernel drops with its holder: no file is left of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import DataFileError, LowtideError, StoreError
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H, NS_PER_S

if TYPE_CHECKING:
    from lowtide.model.ledger import Entry
    from lowtide.runtime.grid_access import GridAccess

__all__ = ["Note", "ask_later", "is_pending", "main", "note", "restate", "take_up"]

_SILENT_AGAIN_S: Final = 15.0
_LACKING_AGAIN_S: Final = 300.0
_LONGEST_S: Final = 6 * 3600.0
_GIVEN_UP_NS: Final = 14 * 24 * NS_PER_H
"""Sources that have said nothing for so long do not speak of that time any more; `reprice --stale` can still ask."""
_WORK_S: Final = 30.0
"""What reading and billing may take beside the network [s]."""
_SMALL: Final = 2_000_000
_AT_ONCE: Final = 3
"""A command makes so many bills again itself, of runs with so many bytes; the rest is for the process of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """That a bill waits.

    Attributes
    ----------
    made : str
        When the bill was made; another one in its place is somebody's own and is left alone.
    since_ns, next_ns : int
        When it began to wait, and before when nobody need ask again [ns].
    tries : int
    silent : bool
        Whether somebody did not answer; else they did, and had no measured values yet.
    why : str
        What went wrong last.
    """

    made: str
    since_ns: int
    next_ns: int
    tries: int = 0
    silent: bool = False
    why: str = ""


def _folder(ledger: Ledger) -> str:
    return os.path.join(ledger.path, "pending")


def _path(ledger: Ledger, run_id: str) -> str:
    return os.path.join(_folder(ledger), f"{run_id}.json")


def is_pending(ledger: Ledger, run_id: str) -> bool:
    """Return whether a run's bill waits for the network."""
    return os.path.exists(_path(ledger, run_id))


def note(ledger: Ledger, run_id: str, made: str, *, silent: Sequence[str], now_ns: int) -> None:
    """Note that a bill waits, before it is kept.

    Parameters
    ----------
    made : str
        Of the bill.
    silent : sequence of str
        Providers that did not answer; none where they did and had no measured values.

    Raises
    ------
    StoreError
        If the ledger cannot be written.
    """
    try:
        os.makedirs(_folder(ledger), exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {_folder(ledger)}: {error.strerror}") from error
    again_s = 0.0 if silent else _LACKING_AGAIN_S
    next_ns = now_ns + round(again_s * NS_PER_S)
    _write(ledger, run_id, Note(made=made, since_ns=now_ns, next_ns=next_ns, silent=bool(silent)))


def _write(ledger: Ledger, run_id: str, mark: Note) -> None:
    write_json(_path(ledger, run_id), to_plain(mark))


def _forget(ledger: Ledger, run_id: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(ledger, run_id))


def due(ledger: Ledger, now_ns: int) -> list[str]:
    """Return the runs whose bills are to be asked for now, oldest first."""
    try:
        names = sorted(os.listdir(_folder(ledger)))
    except OSError:
        return []
    runs = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return [run_id for run_id in runs if _is_due(ledger, run_id, now_ns)]


def _is_due(ledger: Ledger, run_id: str, now_ns: int) -> bool:
    try:
        mark = _read(ledger, run_id)
    except StoreError:
        return False  # the next command may be able to read it
    return mark is None or mark.next_ns <= now_ns


def _read(ledger: Ledger, run_id: str) -> Note | None:
    """Return a note; None where there is none, or says nothing any more.

    Raises
    ------
    StoreError
        If it is there and cannot be read just now.
    """
    path = _path(ledger, run_id)
    try:
        return from_plain(Note, read_json(path), path=path)
    except DataFileError:
        return None
    except StoreError:
        if os.path.exists(path):
            raise
        return None


@contextlib.contextmanager
def _alone(ledger: Ledger) -> Iterator[bool]:
    """Yield whether nobody else is at it."""
    import fcntl

    try:
        fd = os.open(_folder(ledger), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def restate(ledger: Ledger, access: GridAccess, runs: Sequence[str] | None = None) -> list[str]:
    """Make due bills again with better values where there are some; return the runs that have a new one.

    Nothing is done where another process is at it.

    Parameters
    ----------
    runs : sequence of str, optional
        Those to look at; all that are due without it.
    """
    with _alone(ledger) as alone:
        if not alone:
            return []
        wanted = due(ledger, time.time_ns()) if runs is None else runs
        return [run_id for run_id in wanted if _restate_one(ledger, run_id, access)]


def _restate_one(ledger: Ledger, run_id: str, access: GridAccess) -> bool:
    """Make one bill again; return whether there is a new one."""
    from lowtide.model.ledger import Entry
    from lowtide.runtime.billing import reprice_if_better

    try:
        mark, plain = _read(ledger, run_id), ledger.last_entry(run_id)
    except StoreError:
        return False
    if mark is not None and plain is None:
        return False  # whoever noted it is about to bill it
    if mark is None or plain is None or plain.get("made") != mark.made:
        _forget(ledger, run_id)  # somebody has billed it anew
        return False
    entry, why = None, ""
    kept = from_plain(Entry, plain, path=ledger.run_dir(run_id))
    try:
        header = ledger.header(run_id)
        entry = reprice_if_better(
            ledger, run_id, choice=header.grid, pue=header.pue, gaps="partial", access=access
        )
    except LowtideError as error:
        why = str(error)
    why = why or ", ".join(access.silent)
    _note_again(ledger, run_id, mark, entry or kept, silent=access.silent, why=why)
    return entry is not None


def _note_again(
    ledger: Ledger, run_id: str, mark: Note, entry: Entry, *, silent: Sequence[str], why: str
) -> None:
    """Write when a bill is due again, or forget it once it rests on measured values or nothing more will come."""
    from lowtide.runtime.billing import is_settled

    now_ns = time.time_ns()
    if is_settled(entry, silent=bool(silent)) or now_ns - mark.since_ns > _GIVEN_UP_NS:
        _forget(ledger, run_id)
        return
    base_s = _SILENT_AGAIN_S if silent else _LACKING_AGAIN_S
    again_s = min(base_s * 2.0 ** min(mark.tries, 20), _LONGEST_S)
    tried = replace(mark, made=entry.made, tries=mark.tries + 1, silent=bool(silent), why=why)
    _write(ledger, run_id, replace(tried, next_ns=now_ns + round(again_s * NS_PER_S)))


def take_up(ledger: Ledger) -> list[str]:
    """Make again what waits and is due: here where providers answer at once, else in a process of its own."""
    runs = due(ledger, time.time_ns())
    if not runs or not os.access(_folder(ledger), os.W_OK):
        return []  # a ledger that is only looked at
    from lowtide.runtime.grid_access import at_run_end

    here = [run_id for run_id in runs[-_AT_ONCE:] if _is_soon_done(ledger, run_id)]
    with at_run_end() as access:
        if access.http is None:
            return []
        found = restate(ledger, access, here) if here else []
    if access.silent or len(here) < len(runs):
        ask_later(ledger)
    return found


def _is_soon_done(ledger: Ledger, run_id: str) -> bool:
    """Return whether a command may make a bill again itself: one that only waited for an answer, of a short run."""
    mark = _read(ledger, run_id)
    return mark is not None and mark.silent and _size(ledger, run_id) < _SMALL


def _size(ledger: Ledger, run_id: str) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(ledger.segments_dir(run_id)))
    except OSError:
        return 0


def ask_later(ledger: Ledger) -> None:
    """Start a process that asks for what waits, and return at once; it is nobody's child and nobody waits for it.

    Where no process can be made the note stays, and the next command takes it up.
    """
    boot = (
        "import os,signal,sys\n"
        "signal.signal(signal.SIGALRM,signal.SIG_DFL)\n"
        f"signal.setitimer(signal.ITIMER_REAL,{_limit_s()!r})\n"
        f"sys.path[:]={sys.path!r}\n"
        "os.setsid();os.nice(5);os.closerange(3,4096)\n"
        "from lowtide.runtime.pending import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    # The shell lets go of it within a millisecond or two; the caller's own children stay the caller's.
    command = ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-I", "-S", "-c", boot, ledger.path]
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            dict(os.environ),
            file_actions=actions,
            setsigmask=[],
            setsigdef=[signal.SIGALRM],
        )
    except OSError:
        return
    with contextlib.suppress(ChildProcessError):  # a process that ignores SIGCHLD has no children to wait for
        os.waitpid(pid, 0)


def _limit_s() -> float:
    """Return when the process is ended, whatever it does [s]."""
    from lowtide.runtime.grid_access import background_s

    return background_s() + _WORK_S


def main(argv: Sequence[str]) -> int:
    """Ask for what waits in a ledger; return the exit status."""
    from lowtide.runtime.grid_access import in_background

    with in_background() as access:
        if access.http is not None:
            restate(Ledger(argv[0]), access)
    return 0
