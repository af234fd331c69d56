"""Every value ever fetched, in one SQLite file: what is known now, and what was believed before.

One row a step. A value that the source revises moves to the table of superseded ones with the time at which
it was replaced, so that a bill can be made again as of any instant. Forecasts are kept whole, by when they
were issued. Losing the file costs a download, so whatever is wrong with it is said once and never raised:
a damaged file is moved aside, one that cannot be written is replaced by memory.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from lowtide.arrays import IntArray
from lowtide.grid.cache_file import move_aside, open_file
from lowtide.grid.cache_rows import (
    BLOCK_NS,
    ROW,
    Kept,
    Rows,
    SeriesKey,
    blocks_of,
    kept_of,
    key_of,
    merged,
    rows_of,
    signal_from,
    signal_text,
)
from lowtide.model.signal import Signal
from lowtide.series.types import IntensitySeries

__all__ = ["Cache", "Kept", "SeriesKey", "Window"]

Window = tuple[int, int]
"""Half-open [ns]."""
_T = TypeVar("_T")


class Cache:
    """The cache file.

    Parameters
    ----------
    path : str
        The file; ``:memory:`` keeps nothing.
    say : callable, optional
        Takes the one line about a file that could not be used.
    """

    def __init__(self, path: str, *, say: Callable[[str], None] | None = None) -> None:
        self._path, self._say = path, say or (lambda line: None)
        self._db: sqlite3.Connection | None = None

    def put(
        self,
        provider: str,
        intensity: IntensitySeries,
        *,
        fetched_ns: int,
        updated_ns: IntArray | None = None,
    ) -> SeriesKey:
        """Keep the known steps of a series; values that differ supersede the older ones.

        Parameters
        ----------
        provider : str
        intensity : IntensitySeries
            Its signal must name the zone.
        fetched_ns : int
            When it was received [ns].
        updated_ns : int64 array, shape (n,), optional
            When the source last changed each value; an older one never replaces a newer one.
        """
        key = key_of(provider, intensity)
        rows = rows_of(intensity, updated_ns, fetched_ns)
        return self._try(lambda db: _put(db, key, intensity.signal, rows, fetched_ns), key)

    def put_forecast(
        self, provider: str, intensity: IntensitySeries, *, issued_ns: int, fetched_ns: int
    ) -> SeriesKey:
        """Keep a forecast beside the earlier ones."""
        key = key_of(provider, intensity)
        parts = (
            intensity.edges_ns.astype("<i8").tobytes(),
            intensity.intensity_g_per_kwh.astype("<f8").tobytes(),
            intensity.status.tobytes(),
        )

        def keep(db: sqlite3.Connection) -> SeriesKey:
            with _writing(db):
                number = _number(db, key, intensity.signal)
                db.execute(
                    "INSERT OR REPLACE INTO forecast VALUES (?,?,?,?,?,?,?,?)",
                    (number, issued_ns, fetched_ns, intensity.start_ns, intensity.end_ns, *parts),
                )
            return key

        return self._try(keep, key)

    def note_asked(
        self, provider: str, zone: str, basis: str, factors: str, window: Window, at_ns: int
    ) -> None:
        """Remember that a window was asked for and answered, whether or not values came."""
        row = (provider, zone, basis, factors, *window, at_ns)
        self._try(lambda db: _execute(db, "INSERT INTO asked VALUES (?,?,?,?,?,?,?)", row), None)

    def asked(
        self, provider: str, zone: str, basis: str, factors: str, window: Window
    ) -> list[tuple[int, int, int]]:
        """Return (start, end, when) of the questions that overlap a window."""
        sql = (
            'SELECT start, "end", at FROM asked WHERE provider=? AND zone=? AND basis=? AND factors=? '
            'AND "end">? AND start<?'
        )
        where = (provider, zone, basis, factors, window[0], window[1])
        return self._try(lambda db: db.execute(sql, where).fetchall(), [], reading=True)

    def series(
        self,
        zone: str,
        *,
        provider: str | None = None,
        basis: str | None = None,
        factors: str | None = None,
    ) -> list[SeriesKey]:
        """Return which series of a zone are kept."""
        sql = "SELECT provider, zone, basis, factors, flow, step FROM series WHERE zone=?"
        given: list[str] = [zone]
        for column, value in (("provider", provider), ("basis", basis), ("factors", factors)):
            if value is not None:
                sql += f" AND {column}=?"
                given.append(value)
        rows: list[Any] = self._try(lambda db: db.execute(sql, given).fetchall(), [], reading=True)
        return [_key_from(row) for row in rows]

    def zones(self, provider: str | None = None) -> list[tuple[SeriesKey, int, int, int]]:
        """Return every series with its number of values, first and last instant [ns]."""
        sql = (
            "SELECT provider, zone, basis, factors, flow, step, sum(n), min(first), max(last) "
            "FROM series JOIN block ON block.series=series.id"
            + ("" if provider is None else " WHERE provider=?")
            + " GROUP BY series.id ORDER BY provider, zone"
        )
        rows: list[Any] = self._try(
            lambda db: db.execute(sql, () if provider is None else (provider,)).fetchall(), []
        )
        return [(_key_from(row), *row[6:]) for row in rows]

    def get(self, key: SeriesKey, window: Window, *, as_of_ns: int | None = None) -> Kept | None:
        """Return the steps of a series that lie in a window, None where there are none.

        Parameters
        ----------
        key : SeriesKey
        window : (int, int)
        as_of_ns : int, optional
            As they were believed at that instant; now, when left out.
        """
        return self._try(lambda db: _get(db, key, window, as_of_ns), None, reading=True)

    def forecast(
        self, key: SeriesKey, window: Window, *, issued_until_ns: int | None = None
    ) -> tuple[int, IntensitySeries] | None:
        """Return the newest forecast that reaches into a window, with when it was issued."""
        sql = (
            "SELECT issued, edges, g, status, signal FROM forecast JOIN series ON series.id=forecast.series "
            "WHERE provider=? AND zone=? AND basis=? AND factors=? AND flow=? AND step=? "
            'AND "end">? AND start<? AND issued<=? ORDER BY issued DESC, fetched DESC LIMIT 1'
        )
        until = 2**62 if issued_until_ns is None else issued_until_ns
        row = self._try(
            lambda db: db.execute(sql, (*_columns(key), *window, until)).fetchone(), None, reading=True
        )
        if row is None:
            return None
        series = IntensitySeries(
            edges_ns=np.frombuffer(row[1], dtype="<i8").astype(np.int64),
            intensity_g_per_kwh=np.frombuffer(row[2], dtype="<f8").astype(np.float64),
            status=np.frombuffer(row[3], dtype=np.uint8),
            signal=signal_from(row[4]),
        )
        return int(row[0]), series

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _try(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T, *, reading: bool = False) -> _T:
        """Do some work on the file; on a damaged one begin a new file, on one out of reach use memory."""
        if reading and self._db is None and self._path != ":memory:" and not os.path.exists(self._path):
            return otherwise  # nothing was ever kept, and looking must not make a file
        for _ in range(2):
            try:
                return work(self._opened())
            except sqlite3.OperationalError as error:
                if os.path.isdir(self._path):
                    words = f"the cache {self._path} is a folder and must be a file (setting cache, LOWTIDE_CACHE)"
                    self._set_aside(f"{words}; going on without it", None)
                    continue
                self._set_aside(f"the cache {self._path} cannot be used ({error}); going on without it", None)
            except sqlite3.DatabaseError as error:
                self._set_aside(f"the cache {self._path} is damaged ({error})", self._path)
        return otherwise

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_file(self._path)
        return self._db

    def _set_aside(self, words: str, damaged: str | None) -> None:
        self.close()
        moved = move_aside(damaged) if damaged is not None else None
        if moved is None:
            self._path = ":memory:"
        self._say(words if damaged is None else f"{words}; it was moved to {moved or 'nowhere'}")


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """Hold the only writer's place from the start: a reader that turns writer half-way could fail."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _execute(db: sqlite3.Connection, sql: str, row: Sequence[Any]) -> None:
    with _writing(db):
        db.execute(sql, row)


def _columns(key: SeriesKey) -> tuple[Any, ...]:
    return key.provider, key.zone, key.basis, key.factors, key.flow, key.step_ns


def _key_from(row: Sequence[Any]) -> SeriesKey:
    return SeriesKey(provider=row[0], zone=row[1], basis=row[2], factors=row[3], flow=row[4], step_ns=row[5])


def _number(db: sqlite3.Connection, key: SeriesKey, signal: Signal) -> int:
    """Return the number of a series, new or known; its signal is the newest one."""
    sql = (
        "INSERT INTO series(provider, zone, basis, factors, flow, step, signal) VALUES (?,?,?,?,?,?,?) "
        "ON CONFLICT(provider, zone, basis, factors, flow, step) DO UPDATE SET signal=excluded.signal "
        "RETURNING id"
    )
    return int(db.execute(sql, (*_columns(key), signal_text(signal))).fetchone()[0])


def _put(db: sqlite3.Connection, key: SeriesKey, signal: Signal, rows: Rows, fetched_ns: int) -> SeriesKey:
    if not len(rows):
        return key
    with _writing(db):
        number = _number(db, key, signal)
        for block, new in blocks_of(rows):
            _put_block(db, number, block, new, fetched_ns)
    return key


def _put_block(db: sqlite3.Connection, number: int, block: int, new: Rows, fetched_ns: int) -> None:
    found = db.execute("SELECT rows FROM block WHERE series=? AND number=?", (number, block)).fetchone()
    known = np.frombuffer(found[0] if found else b"", dtype=ROW)
    now, replaced = merged(known, new)
    db.executemany(
        "INSERT INTO superseded VALUES (?,?,?,?,?,?,?,?,?)",
        [(number, *row, fetched_ns) for row in replaced.tolist()],
    )
    first, last = int(now["start"][0]), int(now["end"][-1])
    db.execute(
        "INSERT OR REPLACE INTO block VALUES (?,?,?,?,?,?)",
        (number, block, len(now), first, last, now.tobytes()),
    )


def _get(db: sqlite3.Connection, key: SeriesKey, window: Window, as_of_ns: int | None) -> Kept | None:
    found = db.execute(
        "SELECT id, signal FROM series WHERE provider=? AND zone=? AND basis=? AND factors=? AND flow=? AND step=?",
        _columns(key),
    ).fetchone()
    if found is None:
        return None
    blocks = db.execute(
        "SELECT rows FROM block WHERE series=? AND number>=? AND number<=? ORDER BY number",
        # a step of the block before may reach into the window
        (found[0], window[0] // BLOCK_NS - 1, window[1] // BLOCK_NS),
    ).fetchall()
    rows = np.frombuffer(b"".join(block[0] for block in blocks), dtype=ROW)
    if as_of_ns is not None:
        rows = _believed(db, found[0], rows, as_of_ns)
    rows = rows[(rows["start"] < window[1]) & (rows["end"] > window[0])]
    return kept_of(key, signal_from(found[1]), rows) if len(rows) else None


def _believed(db: sqlite3.Connection, number: int, rows: Rows, as_of_ns: int) -> Rows:
    """Return the rows as they were known at an instant."""
    columns = 'start, "end", g, status, updated, learnt, fetched'
    sql = f"SELECT {columns} FROM superseded WHERE series=? AND learnt<=? AND replaced>?"
    before = np.array(db.execute(sql, (number, as_of_ns, as_of_ns)).fetchall(), dtype=ROW)
    then = np.concatenate((rows[rows["learnt"] <= as_of_ns], before))
    return then[np.argsort(then["start"], kind="stable")]
