"""Marks: what a job says about its own progress (steps, phases, counts), one stamped line each.

The file lies beside the journal while the run is going on, and is kept as ``marks.gz`` in its folder afterwards::

    b <tab> PROCESS <tab> T <tab> NAME     a phase begins
    e <tab> PROCESS <tab> T <tab> NAME     it ends
    s <tab> T <tab> N                      N steps were done by then
    c <tab> T <tab> NAME <tab> N           N things were counted

``T`` is the clock that runs through suspends [ns], as in the journals; ``PROCESS`` is a process, or a thread of one.
Lines are appended by one write each, so that a process killed with SIGKILL has lost nothing it had written.
Steps that follow each other faster than :data:`STEP_EVERY_NS` share a line.

Writing needs the standard library only; :func:`parse_marks` uses numpy.
"""

from __future__ import annotations

import _thread
import math
import os
import time
import weakref
from typing import Final

from lowtide.errors import StoreError
from lowtide.model.record import Marks, PhaseMark
from lowtide.stores.codec import write_bytes

__all__ = ["STEP_EVERY_NS", "MarkWriter", "counts_of", "keep_marks", "parse_marks", "read_marks"]

STEP_EVERY_NS: Final = 50_000_000
"""Steps that come sooner after the last line than this [ns] wait for the next one."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class MarkWriter:
    """Appends marks of this process to a file; never raises, and takes some microseconds a mark.

    Parameters
    ----------
    path : str
        Made when missing; several processes may append to it.

    Attributes
    ----------
    problem : str
        Why the last mark could not be written, empty when all is well; steps are kept then.
    """

    def __init__(self, path: str) -> None:
        self.path, self.problem = path, ""
        self._fd, self._torn, self._is_open = -1, False, False
        self._pending, self._next_ns = 0.0, 0
        self._lock = _thread.RLock()  # a signal's handler may have something to say while this thread says it
        _writers.add(self)

    def step(self, n: float = 1.0) -> None:
        """Note that `n` steps have been done."""
        with self._lock:
            self._pending += n
            if time.monotonic_ns() >= self._next_ns:
                self._write_steps(time.clock_gettime_ns(_CLOCK))

    def flush(self) -> None:
        """Write steps that wait for the next line."""
        with self._lock:
            self._write_steps(time.clock_gettime_ns(_CLOCK))

    def begin(self, name: str) -> None:
        """Note that a phase begins."""
        self._phase("b", name)

    def end(self, name: str) -> None:
        """Note that a phase ends."""
        self._phase("e", name)

    def count(self, name: str, n: float = 1.0) -> None:
        """Note that `n` things have been done."""
        with self._lock:
            self._write(f"c\t{time.clock_gettime_ns(_CLOCK)}\t{_word(name)}\t{n!r}\n")

    def _phase(self, kind: str, name: str) -> None:
        with self._lock:
            now_ns = time.clock_gettime_ns(_CLOCK)
            self._write_steps(now_ns)  # they belong to the phase they were done in
            self._write(f"{kind}\t{_process()}\t{now_ns}\t{_word(name)}\n")

    def _write_steps(self, now_ns: int) -> None:
        n, self._pending = (
            self._pending,
            0.0,
        )  # first: a handler that comes in between must not write them again
        if n and self._write(f"s\t{now_ns}\t{n:.17g}\n"):
            self._next_ns = time.monotonic_ns() + STEP_EVERY_NS
        else:
            self._pending += n

    def _write(self, line: str) -> bool:
        data = line.encode()
        if not self._is_open:
            self._open()
        try:
            self._torn = os.write(self._fd, b"\n" + data if self._torn else data) < len(data)
        except OSError as error:
            self.problem = self.problem or f"cannot write {self.path}: {error.strerror}"
            return False
        self.problem = "the disk is full" if self._torn else ""
        return not self._torn

    def _open(self) -> None:
        self._is_open = True
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._fd, self.problem = -1, f"cannot write {self.path}: {error.strerror}"

    def forget(self) -> None:
        """Begin anew in a forked child: the lock may be another thread's, and the steps are the parent's."""
        self._lock = _thread.RLock()
        self._pending, self._next_ns = 0.0, 0

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._is_open = -1, False


_writers: weakref.WeakSet[MarkWriter] = weakref.WeakSet()


def _forget_all() -> None:
    for writer in _writers:
        writer.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _word(name: str) -> str:
    return " ".join(str(name).split()) or "?"


def _process() -> str:
    """Return the process, and the thread if it is not the main one: each nests its phases by itself."""
    pid, thread = os.getpid(), _thread.get_native_id()
    return str(pid) if thread == pid else f"{pid}.{thread}"


def read_marks(path: str, *, offset_ns: int = 0) -> Marks | None:
    """Return the marks in a file, packed or not; None where there is none.

    Parameters
    ----------
    path : str
        ``marks``, or ``marks.gz``.
    offset_ns : int
        What is added to every stamp [ns], to come to the record's time line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    if path.endswith(".gz"):
        import gzip

        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, ValueError) as error:
            raise StoreError(f"{path} is damaged: {error}") from error
    return parse_marks(data, offset_ns=offset_ns)


def parse_marks(data: bytes, *, offset_ns: int = 0) -> Marks:
    """Return marks from lines; torn and foreign ones are left out, and those of an infinite number of things.

    >>> parse_marks(b"b\\t7\\t100\\ttrain\\ns\\t150\\t3\\ne\\t7\\t200\\ttrain\\ns\\t2").step_n.tolist()
    [3.0]
    """
    import numpy as np

    phases: list[PhaseMark] = []
    steps: list[tuple[int, float]] = []
    counts: dict[str, list[tuple[int, float]]] = {}
    for line in data.split(b"\n")[:-1]:
        field = line.split(b"\t")
        try:
            if field[0] == b"s" and len(field) == 3:
                steps.append((int(field[1]) + offset_ns, _number(field[2])))
            elif field[0] in (b"b", b"e") and len(field) == 4:
                phases.append(_phase_mark(field, offset_ns))
            elif field[0] == b"c" and len(field) == 4:
                name = field[2].decode("utf-8", "replace")
                counts.setdefault(name, []).append((int(field[1]) + offset_ns, _number(field[3])))
        except ValueError:
            continue  # half a line, as a full disk leaves it, or no number of things
    table = np.array(sorted(steps), dtype=object).reshape(-1, 2)
    return Marks(
        phases=tuple(sorted(phases, key=lambda mark: mark.t_ns)),
        step_t_ns=table[:, 0].astype(np.int64),
        step_n=table[:, 1].astype(np.float64),
        counts=tuple((name, t_ns, n) for name in sorted(counts) for t_ns, n in sorted(counts[name])),
    )


def _phase_mark(field: list[bytes], offset_ns: int) -> PhaseMark:
    name = field[3].decode("utf-8", "replace")
    return PhaseMark(
        t_ns=int(field[2]) + offset_ns, begins=field[0] == b"b", process=field[1].decode(), name=name
    )


def keep_marks(journal_dir: str, run_dir: str) -> None:
    """Copy a run's marks into its folder of the ledger, packed; nothing where there are none.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    try:
        with open(os.path.join(journal_dir, "marks"), "rb") as file:
            data = file.read()
    except OSError:
        return
    import gzip

    write_bytes(os.path.join(run_dir, "marks.gz"), gzip.compress(data, 6, mtime=0))


def counts_of(journal_dir: str) -> tuple[tuple[str, float], ...]:
    """Return what a run has counted, by name: marks of lowtide, and lines ``NAME <tab> NUMBER`` of ``counts``.

    Torn lines are left out, and those of an infinite number of things.
    """
    sums: dict[str, float] = {}
    for file, columns in (("counts", (0, 1)), ("marks", (2, 3))):
        for line in _lines(os.path.join(journal_dir, file)):
            field = line.split(b"\t")
            if len(field) != columns[1] + 1 or (file == "marks" and field[0] != b"c"):
                continue
            name = field[columns[0]].decode("utf-8", "replace")
            try:
                n = _number(field[columns[1]])
            except ValueError:
                continue
            sums[name] = sums.get(name, 0.0) + n
    return tuple((name, n) for name, n in sorted(sums.items()) if math.isfinite(n))


def _number(text: bytes) -> float:
    """Return a number of things done; ValueError where it is none, or not a finite one."""
    n = float(text)
    if not math.isfinite(n):
        raise ValueError(f"{n} things")
    return n


def _lines(path: str) -> list[bytes]:
    """Return the whole lines of a file, none where there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read().split(b"\n")[:-1]
    except OSError:
        return []
