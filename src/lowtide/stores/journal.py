"""The journal of one writer: an SQLite file on the node's own disk, committed at every row.

WAL mode with ``synchronous=NORMAL``: a killed process loses nothing it had committed (the pages are the
kernel's by then); a lost node loses what was not sealed and copied, at most a minute.

A row is ``(seq, monotonic_ns, boot_offset_ns, wall_offset_ns, data)``: boot time is monotonic plus its offset,
wall time is boot time plus its offset. Offsets are kept as they were until they change by more than
:data:`OFFSET_SLACK_NS`, so that they cost nothing to store and a step of the clock stands out.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lowtide.errors import StoreError

if TYPE_CHECKING:
    from lowtide.doors import Moment

__all__ = ["OFFSET_SLACK_NS", "JournalWriter", "Row", "read_journal"]

OFFSET_SLACK_NS: Final = 1_000_000
_HELD_ROWS = 100_000

_SCHEMA = """
PRAGMA page_size=1024;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA wal_autocheckpoint=256;
PRAGMA cache_size=-128;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tick (
    seq INTEGER PRIMARY KEY, monotonic_ns INTEGER NOT NULL, boot_offset_ns INTEGER NOT NULL,
    wall_offset_ns INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, kind TEXT NOT NULL, channel TEXT NOT NULL,
    detail TEXT NOT NULL);
"""


class Row(NamedTuple):
    """One row of a journal; `data` is packed as its channels say."""

    seq: int
    monotonic_ns: int
    boot_offset_ns: int
    wall_offset_ns: int
    data: bytes


class JournalWriter:
    """Appends rows and events; keeps them in memory while the disk refuses, and tries again.

    Parameters
    ----------
    path : str
        The file, which must not exist yet.
    channels : list of dict
        The columns, as plain data.

    Raises
    ------
    StoreError
        If the file cannot be made.
    """

    def __init__(self, path: str, *, channels: list[dict[str, object]]) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT INTO meta VALUES ('channels', ?)", (json.dumps(channels),))
        except sqlite3.Error as error:
            raise StoreError(f"cannot make the journal {path}: {error}") from error
        self.path = path
        self.seq = 0
        self.held = 0
        """Rows in memory that the disk has refused."""
        self.lost = 0
        """Rows given up because memory for held rows ran out."""
        self._boot_offset_ns = self._wall_offset_ns = 0
        self._rows: list[Row] = []
        self._events: list[tuple[int, str, str, str]] = []

    def append(self, moment: Moment, data: bytes) -> Row:
        """Add a row and commit it with all events waiting."""
        boot_offset = moment.boot_ns - moment.monotonic_ns
        if abs(boot_offset - self._boot_offset_ns) > OFFSET_SLACK_NS:
            self._boot_offset_ns = boot_offset
        wall_offset = moment.wall_ns - moment.boot_ns
        if abs(wall_offset - self._wall_offset_ns) > OFFSET_SLACK_NS:
            self._wall_offset_ns = wall_offset
        self.seq += 1
        row = Row(self.seq, moment.monotonic_ns, self._boot_offset_ns, self._wall_offset_ns, data)
        self._rows.append(row)
        self.flush()
        return row

    def event(self, t_ns: int, kind: str, channel: str = "", detail: str = "") -> None:
        """Add an event; it is committed with the next row, or by :meth:`flush`."""
        self._events.append((t_ns, kind, channel, detail))

    def flush(self) -> bool:
        """Commit what waits; return False, keeping it, if the disk refuses."""
        try:
            if len(self._rows) == 1 and not self._events:  # a single statement commits itself
                self._db.execute("INSERT INTO tick VALUES (?,?,?,?,?)", self._rows[0])
            elif self._rows or self._events:
                self._write_batch()
        except sqlite3.Error:
            self._hold()
            return False
        self._rows.clear()
        self._events.clear()
        self.held = 0
        return True

    def _write_batch(self) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT INTO tick VALUES (?,?,?,?,?)", self._rows)
            self._db.executemany(
                "INSERT INTO event (t_ns,kind,channel,detail) VALUES (?,?,?,?)", self._events
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _hold(self) -> None:
        over = len(self._rows) - _HELD_ROWS
        if over > 0:
            del self._rows[:over]
            self.lost += over
        self.held = len(self._rows)

    def rows_after(self, seq: int) -> list[Row]:
        """Return rows after `seq`, those that the disk refuses so far included."""
        found = self._db.execute("SELECT * FROM tick WHERE seq > ? ORDER BY seq", (seq,))
        return [*(Row(*row) for row in found), *(row for row in self._rows if row.seq > seq)]

    def events_after(self, event_id: int) -> tuple[int, list[tuple[int, str, str, str]]]:
        """Return the last event id and the events after `event_id`."""
        found = self._db.execute(
            "SELECT id,t_ns,kind,channel,detail FROM event WHERE id > ? ORDER BY id", (event_id,)
        ).fetchall()
        return (found[-1][0] if found else event_id), [tuple(row[1:]) for row in found]

    def forget(self, seq: int) -> None:
        """Drop rows up to `seq`, which are safe elsewhere; their pages are used again."""
        self._rows = [row for row in self._rows if row.seq > seq]
        try:
            self._db.execute("DELETE FROM tick WHERE seq <= ?", (seq,))
        except sqlite3.Error:
            return  # a full disk: they are dropped at the next sealing

    def close(self) -> None:
        """Commit what waits and close the file."""
        self.flush()
        self._db.close()


def read_journal(
    path: str,
) -> tuple[list[dict[str, object]], list[Row], list[tuple[int, str, str, str]]]:
    """Return (channels, rows, events) of a journal whoever is writing it.

    Raises
    ------
    StoreError
        If the file is not a journal.
    """
    try:
        db = sqlite3.connect(f"file:{path}?mode=rw" if os.access(path, os.W_OK) else f"file:{path}?mode=ro",
                             uri=True, timeout=5.0)  # fmt: skip
        try:
            channels = db.execute("SELECT value FROM meta WHERE key = 'channels'").fetchone()
            rows = [Row(*row) for row in db.execute("SELECT * FROM tick ORDER BY seq")]
            events = db.execute("SELECT t_ns,kind,channel,detail FROM event ORDER BY id").fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the journal {path}: {error}") from error
    return (json.loads(channels[0]) if channels else []), rows, events


def iter_files(folder: str) -> Iterator[str]:
    """Yield the journals in a run's folder on the node, in the order of their writers."""
    try:
        names: Iterable[str] = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".sqlite"):
            yield os.path.join(folder, name)
