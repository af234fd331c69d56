"""Waiting for signals, sending them, and adopting orphans: what the kernel gives a supervisor."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

__all__ = ["ENDING", "FORWARDED", "FROM_TERMINAL", "become_reaper", "drop_pending", "next_signal", "send"]

FORWARDED: Final = (
    "SIGTERM",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGCONT",
    "SIGWINCH",
)
ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
FROM_TERMINAL: Final = ("SIGINT", "SIGQUIT", "SIGWINCH", "SIGHUP")
_PR_SET_CHILD_SUBREAPER: Final = 36


def next_signal(waited: set[int]) -> tuple[int, bool]:
    """Wait for a signal; return its number and whether the kernel sent it (a key, a closed terminal)."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(waited)
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(waited)
    return number, signal.Signals(number).name in FROM_TERMINAL and sys.stdin.isatty()


def drop_pending(waited: set[int]) -> None:
    """Forget signals meant for a command that has ended, and the alarm for a recorder nobody needs now."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    while pending := signal.sigpending() & waited:
        signal.sigwait(pending)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended meanwhile; its end is about to be reaped


def become_reaper() -> bool:
    """Adopt orphans of the job's tree, so that their CPU time is seen; Linux only."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
