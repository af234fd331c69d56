"""The ledger: one folder a run, nothing in it ever changed, so that the folders are the whole truth.

::

    LEDGER/runs/RUN_ID/run.json            the header, before the run starts
                       journal/*.seg       sealed segments
                       end.json            how it ended
                       entries/0001.json   bills, each made after the one before
                       marks.gz            steps and phases, if the job told of any
                       damaged/            journals that could not be read
                       ranks/r0003-0/      one process of a launch, with all of these but bills
    LEDGER/launches/*.json                 which run a launch of many processes is

While a run is going on, and until it has been closed, a folder on the node (``journal_dir``) holds the
same header, the writers' journals and a lock held by whoever takes part.

This module writes and finds; reading readings back needs numpy and is in :mod:`~lowtide.stores.records`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any, Final

from lowtide.errors import LowtideError, RunNotFoundError, StoreError, near_matches
from lowtide.model.record import RunEnd, RunHeader
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json

__all__ = ["MARKS_FILE", "Ledger", "default_ledger_path", "journal_root"]

MARKS_FILE: Final = "marks.gz"
"""What the job said about its progress, in the run's folder."""


def default_ledger_path() -> str:
    """Return the user's data folder for lowtide."""
    from platformdirs import user_data_dir

    return os.path.join(user_data_dir("lowtide", appauthor=False), "ledger")


def journal_root() -> str:
    """Return a folder on the node's own disk for journals, made when missing, for this user alone.

    ``$LOWTIDE_JOURNAL``, else ``/var/tmp``, which is local and survives a reboot, else the temporary folder.

    Raises
    ------
    StoreError
        If none can be written.
    """
    uid = os.getuid() if hasattr(os, "getuid") else 0
    own = os.environ.get("LOWTIDE_JOURNAL")
    candidates = [own] if own else [f"/var/tmp/lowtide-{uid}"]
    candidates += [
        os.path.join(os.environ.get("TMPDIR", "/tmp"), f"lowtide-{uid}"),
        f"/dev/shm/lowtide-{uid}",
    ]
    problems = []
    for path in candidates:
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            found = os.lstat(path)
            if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != uid):
                raise PermissionError(13, "is no folder of this user's")
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(13, "may not be written")
        except OSError as error:
            problems.append(f"{path} ({error.strerror})")
        else:
            return path
    raise StoreError(f"no place for a journal: {', '.join(problems)}; set LOWTIDE_JOURNAL to a local folder")


class Ledger:
    """The runs kept under one folder.

    Parameters
    ----------
    path : str
        The ledger's folder; made when the first run is kept.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def run_dir(self, run_id: str) -> str:
        """Return the folder of a run."""
        return os.path.join(self.path, "runs", run_id)

    def segments_dir(self, run_id: str) -> str:
        """Return the folder of a run's sealed segments."""
        return os.path.join(self.run_dir(run_id), "journal")

    def create(self, header: RunHeader) -> None:
        """Make the folder of a run with its header.

        Raises
        ------
        StoreError
            If the ledger cannot be written.
        """
        folder = self.run_dir(header.run_id)
        try:
            os.makedirs(os.path.join(folder, "journal"), exist_ok=True)
            os.makedirs(os.path.join(folder, "entries"), exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write the ledger {self.path}: {error.strerror}") from error
        write_json(os.path.join(folder, "run.json"), to_plain(header))

    def discard(self, run_id: str) -> None:
        """Remove a run that never started."""
        shutil.rmtree(self.run_dir(run_id), ignore_errors=True)

    def ids(self) -> list[str]:
        """Return the ids of all runs, oldest first (an id begins with the instant it was made)."""
        try:
            names = os.listdir(os.path.join(self.path, "runs"))
        except OSError:
            return []
        return sorted(name for name in names if os.path.exists(os.path.join(self.run_dir(name), "run.json")))

    def rank_ids(self, run_id: str) -> list[str]:
        """Return the ranks of a run of many processes, each by the path of its folder; mostly none."""
        try:
            names = sorted(os.listdir(os.path.join(self.run_dir(run_id), "ranks")))
        except OSError:
            return []
        ids = [f"{run_id}/ranks/{name}" for name in names]
        return [rank_id for rank_id in ids if os.path.exists(os.path.join(self.run_dir(rank_id), "run.json"))]

    def header(self, run_id: str) -> RunHeader:
        """Return a run's header."""
        path = os.path.join(self.run_dir(run_id), "run.json")
        return from_plain(RunHeader, read_json(path), path=path)

    def end(self, run_id: str) -> RunEnd | None:
        """Return how a run ended; None while it has not been closed."""
        path = os.path.join(self.run_dir(run_id), "end.json")
        return from_plain(RunEnd, read_json(path), path=path) if os.path.exists(path) else None

    def write_end(self, run_id: str, end: RunEnd) -> None:
        """Keep how a run ended."""
        write_json(os.path.join(self.run_dir(run_id), "end.json"), to_plain(end))

    def entries(self, run_id: str) -> list[dict[str, Any]]:
        """Return a run's bills as plain data, oldest first."""
        return [read_json(path) for path in self._entry_paths(run_id)]

    def last_entry(self, run_id: str) -> dict[str, Any] | None:
        """Return a run's newest bill as plain data."""
        paths = self._entry_paths(run_id)
        entry: dict[str, Any] | None = read_json(paths[-1]) if paths else None
        return entry

    def _entry_paths(self, run_id: str) -> list[str]:
        folder = os.path.join(self.run_dir(run_id), "entries")
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
        except OSError:
            return []
        return [os.path.join(folder, name) for name in names]

    def add_entry(self, run_id: str, entry: dict[str, Any]) -> str:
        """Keep a bill; return its id. Earlier bills stay as they are."""
        folder = os.path.join(self.run_dir(run_id), "entries")
        os.makedirs(folder, exist_ok=True)
        for number in range(len(self._entry_paths(run_id)) + 1, 1_000_000):
            entry_id = f"{number:04d}"
            if _write_new(os.path.join(folder, f"{entry_id}.json"), {"id": entry_id, **entry}):
                return entry_id
        raise StoreError(f"run {run_id} has a million bills")

    def find(self, query: str) -> str:
        """Return the id of the run meant by an id, an unambiguous prefix, a name (its latest), or ``last``.

        Raises
        ------
        RunNotFoundError
            If nothing fits, or a prefix fits several; names what would work.
        """
        ids = self.ids()
        if not ids:
            raise RunNotFoundError(f"no runs in the ledger {self.path}; `lowtide run -- COMMAND` makes one")
        if query == "last":
            return ids[-1]
        if query in ids:
            return query
        named = [run_id for run_id, name in self.names() if name == query]
        if named:
            return named[-1]
        fitting = [run_id for run_id in ids if run_id.startswith(query)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            shown = ", ".join(fitting[-3:])
            raise RunNotFoundError(
                f"{query!r} fits {len(fitting)} runs (the latest: {shown}); write more of the id"
            )
        hint = near_matches(query, {*ids, *(name for _, name in self.names())})
        raise RunNotFoundError(f"no run {query!r} in the ledger {self.path}{hint}; `lowtide runs` lists all")

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield (id, name) of all runs, oldest first; a damaged header yields an empty name."""
        for run_id in self.ids():
            try:
                yield run_id, str(read_json(os.path.join(self.run_dir(run_id), "run.json"))["name"])
            except (LowtideError, KeyError, TypeError):
                yield run_id, ""


def _write_new(path: str, plain: Any) -> bool:
    """Write a file that is not there yet; return False where somebody else has made it meanwhile."""
    unfinished = f"{path}.{os.getpid()}.new"
    write_json(unfinished, plain)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: nobody tells us who was first
        if os.path.exists(path):
            return False
        os.replace(unfinished, path)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
    return True
