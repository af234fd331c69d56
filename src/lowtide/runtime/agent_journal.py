"""What an agent is about to do, written down before it does it, and the lock that keeps it alone.

``LEDGER/submissions/agent.jsonl`` has a JSON object a line: ``{"at_ns", "act", "what", "begin_ns"}``. An act is
``begin`` (a start is moved), ``stop``, ``go-on`` or ``went-on``; the last is written after a job was let go on, so
that one which was not is known for stopped whatever moment an agent was killed at.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from lowtide.errors import ExecutorError, StoreError
from lowtide.stores.lines import append_line, whole_lines

__all__ = ["AgentLock", "Journal", "Standstill", "key_of"]

_MOST_BYTES: Final = 4_000_000
_KEYS: Final = {"at_ns", "act", "what"}


def key_of(label: str, start_ns: int | None) -> str:
    """Return what names one go of a job: requeued, it starts anew and has done nothing.

    >>> key_of("12_3", 5_000_000_000)
    '12_3@5'
    """
    return f"{label}@{0 if start_ns is None else start_ns // 10**9}"


@dataclass(slots=True)
class Standstill:
    """How long a job has stood still, and since when it does.

    Attributes
    ----------
    before_ns : int
        In pauses that are over [ns].
    since_ns : int or None
        None: it is not stopped.
    spans : list of (start, end)
        The pauses that are over [ns].
    """

    before_ns: int = 0
    since_ns: int | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)

    def total_ns(self, now_ns: int) -> int:
        """Return all the time it has stood still until now [ns]."""
        return self.before_ns + (0 if self.since_ns is None else max(0, now_ns - self.since_ns))

    def runs_ns(self, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """Return when it ran between its start and an instant, its pauses left out [ns].

        >>> Standstill(spans=[(10, 20)]).runs_ns(0, 50)
        [(0, 10), (20, 50)]
        """
        found, t_ns = [], start_ns
        now = [] if self.since_ns is None else [(self.since_ns, end_ns)]
        for stopped_ns, went_on_ns in [*self.spans, *now]:
            if stopped_ns > t_ns:
                found.append((t_ns, min(stopped_ns, end_ns)))
            t_ns = max(t_ns, went_on_ns)
        return [*found, (t_ns, end_ns)] if t_ns < end_ns else found


@dataclass(slots=True)
class Journal:
    """The journal of an agent, and what it says of each job.

    Parameters
    ----------
    path : str
    """

    path: str
    jobs: dict[str, Standstill] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in whole_lines(self.path, _KEYS):
            self._take(line)

    def stopped(self) -> list[str]:
        """Return the jobs that are stopped as far as anybody knows."""
        return [key for key, its in self.jobs.items() if its.since_ns is not None]

    def of(self, key: str) -> Standstill:
        """Return what is known of a job."""
        return self.jobs.get(key, Standstill())

    def write(self, act: str, what: Sequence[str], *, at_ns: int, begin_ns: int | None = None) -> None:
        """Write down an act on jobs, and make sure it is on the disk.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        line: dict[str, Any] = {"at_ns": at_ns, "act": act, "what": list(what)}
        if begin_ns is not None:
            line["begin_ns"] = begin_ns
        append_line(self.path, line)
        self._take(line)

    def remember(self, act: str, what: Sequence[str], *, at_ns: int) -> None:
        """Take an act into account that could not be written down."""
        self._take({"at_ns": at_ns, "act": act, "what": list(what)})

    def forget(self, kept: Sequence[str]) -> None:
        """Drop what is said of other jobs, once the file has grown large."""
        from lowtide.stores.codec import write_bytes

        try:
            small = os.path.getsize(self.path) < _MOST_BYTES
        except FileNotFoundError:
            return
        if small:
            return
        alive = set(kept) | set(self.stopped())
        lines = [line for line in whole_lines(self.path, _KEYS) if alive & set(line["what"])]
        write_bytes(self.path, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _take(self, line: dict[str, Any]) -> None:
        act, at_ns = line["act"], line["at_ns"]
        for key in line["what"] if act in ("stop", "went-on") else ():
            its = self.jobs.setdefault(key, Standstill())
            if act == "stop":
                its.since_ns = at_ns if its.since_ns is None else its.since_ns
            elif its.since_ns is not None:
                its.before_ns += max(0, at_ns - its.since_ns)
                its.spans.append((its.since_ns, max(at_ns, its.since_ns)))
                its.since_ns = None


class AgentLock:
    """Keeps an agent the only one of a ledger: the system lets go of the lock however it ends.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock.

        Raises
        ------
        ExecutorError
            If another agent has it; says which.
        StoreError
            If the file cannot be made.
        """
        import fcntl

        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            file = open(self.path, "a+")  # noqa: SIM115
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            who = file.read().strip() or "somewhere"
            file.close()
            raise ExecutorError(
                f"an agent works on these jobs already ({who}); one is enough for a ledger"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go of the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None
