"""Asking a job to save and leave: by a file it looks for, or by a signal it catches (decision 0006)."""

from __future__ import annotations

import os
import signal
from typing import Final, Literal

from lowtide.model.pausing import WATCHED
from lowtide.quantities import format_duration
from lowtide.runtime.green_clock import GreenClock
from lowtide.runtime.green_left import ASKED
from lowtide.stores.codec import write_bytes, write_json

__all__ = ["Asking", "catches", "left_behind"]

_NS: Final = 1_000_000_000


def catches(pid: int, number: int, *, proc: str = "/proc") -> bool:
    """Return whether a process has a handler for a signal; False where nobody can tell."""
    try:
        with open(f"{proc}/{pid}/status", encoding="ascii", errors="replace") as file:
            caught = next((line.split()[1] for line in file if line.startswith("SigCgt:")), "0")
    except (OSError, IndexError):
        return False
    return bool(int(caught, 16) >> (number - 1) & 1)


def left_behind(pid: int, known: set[int], *, proc: str = "/proc") -> list[int]:
    """Return the children of a process that are not among the known: what a job has left behind."""
    try:
        with open(f"{proc}/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = {int(word) for word in file.read().split()}
    except OSError:
        return []  # no such list on this system
    return sorted(children - known)


class Asking:
    """One request to save and leave, and what comes of it.

    Parameters
    ----------
    journal_dir, pause_file : str
    pid, n : int
        The job's first process, and which start of it that is.
    signal_name : str
        Sent if the job catches it and does not look for the file.
    grace_s : float
    clock : GreenClock
    """

    def __init__(
        self,
        journal_dir: str,
        pause_file: str,
        *,
        pid: int,
        n: int,
        signal_name: str,
        grace_s: float,
        clock: GreenClock,
    ) -> None:
        self._folder, self._file, self._pid, self._n = journal_dir, pause_file, pid, n
        self._name, self._number = signal_name, getattr(signal, f"SIG{signal_name}")
        self._grace_s, self._clock = grace_s, clock
        self._signalled = False
        self.asked_ns = clock.boot_ns()

    def begin(self, why: str) -> None:
        """Ask.

        Raises
        ------
        OSError, StoreError
            If the file cannot be made; nobody is asked then.
        """
        self._note(None)
        write_bytes(self._file, f"{why}\n".encode())  # all at once: a gate tells requests apart by its inode
        self._signal()

    def look(self) -> Literal["deaf", "late"] | None:
        """Return what its grace has ended with: it does not listen, or has not left; None while that lasts."""
        self._signal()
        if self._clock.boot_ns() - self.asked_ns < self._grace_s * _NS:
            return None
        return "late" if self._signalled or self._is_watched() else "deaf"

    def withdraw(self) -> None:
        """Ask it no more.

        Raises
        ------
        OSError, StoreError
            If that cannot be written.
        """
        self._note(self._clock.boot_ns())
        os.unlink(self._file)

    def words(self, end: Literal["deaf", "late"]) -> str:
        """Return what to say when its grace has ended."""
        if end == "deaf":
            return (f"it does not look for LOWTIDE_PAUSE_FILE and does not catch SIG{self._name}, so it would die "
                    "unsaved")  # fmt: skip
        return (
            f"it has not left within {format_duration(self._grace_s)} of being asked; --grace gives it longer"
        )

    def _is_watched(self) -> bool:
        return os.path.exists(self._file + WATCHED)

    def _signal(self) -> None:
        """Send the signal once it would be heard, and the file is not looked for."""
        if not self._signalled and not self._is_watched() and catches(self._pid, self._number):
            self._signalled = True
            self._note(None)
            try:
                os.kill(self._pid, self._number)
            except ProcessLookupError:
                return  # it has just left

    def _note(self, withdrawn_ns: int | None) -> None:
        plain = {
            "n": self._n,
            "asked_ns": self.asked_ns,
            "withdrawn_ns": withdrawn_ns,
            "signalled": self._signalled,
        }
        write_json(os.path.join(self._folder, ASKED), plain)
