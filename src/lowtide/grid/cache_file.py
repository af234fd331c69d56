"""Opening the cache file: its tables, how it is locked, and what becomes of a damaged one."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable
from typing import Final

__all__ = ["default_cache_path", "is_network_disk", "move_aside", "open_file"]

_VERSION: Final = 1
_BUSY_S: Final = 10.0
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, zone TEXT NOT NULL, basis TEXT NOT NULL,
    factors TEXT NOT NULL, flow TEXT NOT NULL, step INTEGER NOT NULL, signal TEXT NOT NULL,
    UNIQUE (provider, zone, basis, factors, flow, step));
CREATE INDEX IF NOT EXISTS series_of_zone ON series (zone);
CREATE TABLE IF NOT EXISTS block (
    series INTEGER NOT NULL, number INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, rows BLOB NOT NULL, PRIMARY KEY (series, number));
CREATE TABLE IF NOT EXISTS superseded (
    series INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, g REAL NOT NULL,
    status INTEGER NOT NULL, updated INTEGER NOT NULL, learnt INTEGER NOT NULL, fetched INTEGER NOT NULL,
    replaced INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS superseded_step ON superseded (series, start);
CREATE TABLE IF NOT EXISTS forecast (
    series INTEGER NOT NULL, issued INTEGER NOT NULL, fetched INTEGER NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, edges BLOB NOT NULL, g BLOB NOT NULL, status BLOB NOT NULL,
    PRIMARY KEY (series, issued)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
    provider TEXT NOT NULL, zone TEXT NOT NULL, basis TEXT NOT NULL, factors TEXT NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS asked_of ON asked (provider, zone, basis, factors, start);
"""
_SHARED_DISKS: Final = ("nfs", "lustre", "gpfs", "beegfs", "cifs", "smb", "ceph", "fuse.sshfs", "afs", "9p")


def default_cache_path() -> str:
    """Return the file in the user's cache folder."""
    from platformdirs import user_cache_dir

    return os.path.join(user_cache_dir("lowtide", appauthor=False), "intensity.sqlite")


def open_file(path: str) -> sqlite3.Connection:
    """Return the opened file with its tables, made where they are missing.

    Raises
    ------
    sqlite3.DatabaseError
        If it is damaged, or of a later version; :class:`sqlite3.OperationalError` if it is out of reach.
    """
    if path != ":memory:":
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error
    # check_same_thread: a call with a time limit runs in a thread of its own, never two at once.
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: str) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise sqlite3.OperationalError(f"a later lowtide made it, version {version}")
    db.execute("PRAGMA synchronous=NORMAL")
    if version == _VERSION:
        return
    # The write-ahead log lives in shared memory, which the hosts of a network disk do not share.
    db.execute(f"PRAGMA journal_mode={'TRUNCATE' if is_network_disk(path) else 'WAL'}")
    db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")


def is_network_disk(path: str, *, mounts: Iterable[str] | None = None) -> bool:
    """Return whether a file lies on a disk that several hosts share.

    Parameters
    ----------
    path : str
    mounts : iterable of str, optional
        Lines as in ``/proc/mounts``.

    Examples
    --------
    >>> is_network_disk("/home/a/f", mounts=["d / ext4 rw 0 0", "srv:/h /home nfs4 rw 0 0"])
    True
    """
    if mounts is None:
        try:
            with open("/proc/mounts", encoding="utf-8", errors="replace") as file:
                mounts = file.read().splitlines()
        except OSError:
            return False  # not Linux: the user's own folders are on its own disk
    place = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts:
        parts = line.split()
        if (
            len(parts) > 2
            and f"{place}/".startswith(f"{parts[1].rstrip('/')}/")
            and len(parts[1]) >= len(best)
        ):
            best, kind = parts[1], parts[2]
    return kind.startswith(_SHARED_DISKS)


def move_aside(path: str) -> str | None:
    """Rename a damaged file and what belongs to it; return its new name, None where that does not work.

    Another process may have done so already: then there is nothing left to move, and the name is fine.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = f"{path}.damaged-{stamp}"
    try:
        if os.path.exists(path):
            os.replace(path, aside)
        for ending in ("-wal", "-shm", "-journal"):
            if os.path.exists(path + ending):
                os.replace(path + ending, aside + ending)
    except OSError:
        return None
    return aside
