"""The journal of one writer: an SQLite file on the node's own disk, and beside it the newest rows as they came.

A row is appended to the *tail*, ``w1.sqlite-tail``, by one write, which costs a quarter of a commit; every
:data:`BATCH` rows become one commit, and the tail begins anew. Either way they are the kernel's at once, so a killed
process loses nothing; WAL mode with ``synchronous=NORMAL``: a lost node loses what was not sealed and copied, at most
a minute. Rows of both are read once, by their number, and a torn one in the tail is told by its checksum.

A row is ``(seq, monotonic_ns, boot_offset_ns, wall_offset_ns, data)``: boot time is monotonic plus its offset,
wall time is boot time plus its offset. Offsets are kept as they were until they change by more than
:data:`OFFSET_SLACK_NS`, so that they cost nothing to store and a step of the clock stands out.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lowtide.errors import StoreError

if TYPE_CHECKING:
    from lowtide.doors import Moment

__all__ = [
    "BATCH",
    "DAMAGED",
    "OFFSET_SLACK_NS",
    "DamagedJournalError",
    "JournalWriter",
    "Row",
    "UnbornJournalError",
    "iter_files",
    "read_journal",
    "tail_path",
]

DAMAGED: Final = "damaged"
"""Folder of a run in the ledger where journals that could not be read are kept."""

OFFSET_SLACK_NS: Final = 1_000_000
BATCH: Final = 16
"""Rows of one commit."""
_HELD_ROWS = 100_000
_HEAD: Final = struct.Struct("<I4q")
"""Of a row in the tail: length of its data, number, the three clocks; before it the CRC-32 of all that follows."""
_CRC: Final = struct.Struct("<I")
_TAIL_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)

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


class UnbornJournalError(StoreError):
    """A journal whose recorder was killed before it had written anything."""


class DamagedJournalError(StoreError):
    """A journal that holds readings which cannot be read any more."""


def tail_path(path: str) -> str:
    """Return the file of a journal's newest rows."""
    return f"{path}-tail"


def _packed(row: Row) -> bytes:
    body = _HEAD.pack(len(row.data), *row[:4]) + row.data
    return _CRC.pack(zlib.crc32(body)) + body


def _read_tail(path: str) -> list[Row]:
    """Return the whole rows of a tail up to the first torn one."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return []  # none was begun, or it has just become a commit
    rows, at = [], 0
    while len(data) - at >= _CRC.size + _HEAD.size:
        n_data, seq, monotonic_ns, boot_ns, wall_ns = _HEAD.unpack_from(data, at + _CRC.size)
        end = at + _CRC.size + _HEAD.size + n_data
        body = data[at + _CRC.size : end]
        if end > len(data) or _CRC.pack(zlib.crc32(body)) != data[at : at + _CRC.size]:
            break
        rows.append(Row(seq, monotonic_ns, boot_ns, wall_ns, body[_HEAD.size :]))
        at = end
    return rows


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
            self._tail_fd = os.open(tail_path(path), _TAIL_FLAGS, 0o600)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot make the journal {path}: {error}") from error
        self._tail_bytes = 0
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
        """Add a row: to the tail, or with those there and all events waiting to a commit."""
        boot_offset = moment.boot_ns - moment.monotonic_ns
        if abs(boot_offset - self._boot_offset_ns) > OFFSET_SLACK_NS:
            self._boot_offset_ns = boot_offset
        wall_offset = moment.wall_ns - moment.boot_ns
        if abs(wall_offset - self._wall_offset_ns) > OFFSET_SLACK_NS:
            self._wall_offset_ns = wall_offset
        self.seq += 1
        row = Row(self.seq, moment.monotonic_ns, self._boot_offset_ns, self._wall_offset_ns, data)
        self._rows.append(row)
        if self._events or self.held or len(self._rows) >= BATCH or not self._add_to_tail(row):
            self.flush()
        return row

    def _add_to_tail(self, row: Row) -> bool:
        """Write a row at the end of the tail; return False, with none of it there, where the disk refuses."""
        data = _packed(row)
        try:
            if os.write(self._tail_fd, data) == len(data):
                self._tail_bytes += len(data)
                return True
        except OSError:
            return False
        self._cut_tail(self._tail_bytes)
        return False

    def _cut_tail(self, n_bytes: int) -> None:
        with contextlib.suppress(OSError):  # rows that are in a commit too count once, and a torn one is seen
            os.ftruncate(self._tail_fd, n_bytes)
        self._tail_bytes = n_bytes

    def event(self, t_ns: int, kind: str, channel: str = "", detail: str = "") -> None:
        """Add an event; it is committed with the next row, or by :meth:`flush`."""
        self._events.append((t_ns, kind, channel, detail))

    def flush(self) -> bool:
        """Commit what waits, the rows of the tail among it; return False, keeping it, if the disk refuses."""
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
        if self._tail_bytes:
            self._cut_tail(0)
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
        self.flush()
        self._rows = [row for row in self._rows if row.seq > seq]
        try:
            self._db.execute("DELETE FROM tick WHERE seq <= ?", (seq,))
        except sqlite3.Error:
            return  # a full disk: they are dropped at the next sealing

    def close(self) -> None:
        """Commit what waits and close the files; a tail that could not be committed stays."""
        if self.flush():
            with contextlib.suppress(OSError):
                os.unlink(tail_path(self.path))
        os.close(self._tail_fd)
        self._db.close()


def read_journal(
    path: str,
) -> tuple[list[dict[str, object]], list[Row], list[tuple[int, str, str, str]]]:
    """Return (channels, rows, events) of a journal whoever is writing it.

    Raises
    ------
    UnbornJournalError
        If it was cut at its birth: no reading was ever in it.
    DamagedJournalError
        If the file is not a journal, or not any more.
    StoreError
        If it cannot be read now.
    """
    tail = _read_tail(tail_path(path))  # first: what is committed meanwhile is found below as well
    try:
        db = sqlite3.connect(f"file:{path}?mode=rw" if os.access(path, os.W_OK) else f"file:{path}?mode=ro",
                             uri=True, timeout=5.0)  # fmt: skip
        try:
            channels = db.execute("SELECT value FROM meta WHERE key = 'channels'").fetchone()
            rows = [Row(*row) for row in db.execute("SELECT * FROM tick ORDER BY seq")]
            events = db.execute("SELECT t_ns,kind,channel,detail FROM event ORDER BY id").fetchall()
        finally:
            db.close()
        known = json.loads(channels[0]) if channels else []
    except sqlite3.OperationalError as error:
        what = UnbornJournalError if "no such table" in str(error) and not tail else StoreError
        raise what(f"cannot read the journal {path}: {error}") from error
    except (sqlite3.Error, ValueError, TypeError) as error:  # no text in it, or a row with a field too few
        raise DamagedJournalError(f"cannot read the journal {path}: {error}") from error
    if not all(_is_row(row) for row in rows):
        raise DamagedJournalError(f"cannot read the journal {path}: a row of it is damaged")
    return known, [*rows, *_after(rows, tail)], events


def _is_row(row: Row) -> bool:
    return isinstance(row.data, bytes) and all(isinstance(number, int) for number in row[:4])


def _after(rows: list[Row], tail: list[Row]) -> list[Row]:
    """Return the rows of a tail that are in no commit; none if a lost node has lost the commit before them."""
    if not rows:
        return tail
    new = [row for row in tail if row.seq > rows[-1].seq]
    return new if new and new[0].seq == rows[-1].seq + 1 else []


def iter_files(folder: str) -> Iterator[str]:
    """Yield the journals in a run's folder on the node, in the order of their writers."""
    try:
        names: Iterable[str] = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".sqlite"):
            yield os.path.join(folder, name)
