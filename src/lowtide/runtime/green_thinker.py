"""The child in which the controller thinks: forked, nobody waits for it, and its answer lies in a file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from lowtide.errors import LowtideError
from lowtide.stores.codec import read_json

__all__ = ["Thinker"]

_WITHIN_S: Final = 30.0
_FIRST_FD, _LAST_FD = 3, 4096


class Thinker:
    """Asks a question in a forked child, one at a time.

    Parameters
    ----------
    journal_dir : str
        Where the answer is left.
    work : callable
        Takes the question and the path of the answer; runs in the child and may import anything.
    name : str
        Of the files in which the answer and what went wrong are left.
    within_s : float
        Whoever thinks for longer is stuck [s].
    """

    def __init__(
        self,
        journal_dir: str,
        work: Callable[[dict[str, Any], str], None],
        *,
        name: str = "decision",
        within_s: float = _WITHIN_S,
    ) -> None:
        self._path = os.path.join(journal_dir, f"{name}.json")
        self._log = os.path.join(journal_dir, f"{name}.log")
        self._work, self._within_s = work, within_s
        self.pid = -1
        self._asked_at = 0.0
        self.took_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether it is thinking."""
        return self.pid > 0

    def ask(self, question: dict[str, Any]) -> None:
        """Begin to think.

        Raises
        ------
        OSError
            If no process can be made.
        """
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass  # the first question, or the last one stayed without an answer
        sys.stderr.flush()
        self._asked_at = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._think(question)

    def _think(self, question: dict[str, Any]) -> None:
        """Think in the child; what it inherits of the job's it lets go of, so that nobody waits for it."""
        status = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)  # the terminal's are the job's; whoever asked kills it
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            signal.setitimer(signal.ITIMER_REAL, 2.0 * self._within_s)  # ends it if nobody is left to
            os.closerange(_FIRST_FD, _LAST_FD)
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            for fd in (1, 2):
                os.dup2(log, fd)
            self._work(question, self._path)
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)

    def ended(self, pid: int) -> bool:
        """Return whether a child that has been reaped was the thinking one."""
        if pid != self.pid or pid < 0:
            return False
        self.pid = -1
        self.took_s = time.monotonic() - self._asked_at
        return True

    def answer(self) -> dict[str, Any] | None:
        """Return the answer; None where there is none."""
        try:
            found: dict[str, Any] = read_json(self._path)
        except LowtideError:
            return None
        return found

    def is_stuck(self) -> bool:
        """Return whether it has been thinking for too long."""
        return self.is_busy and time.monotonic() - self._asked_at > self._within_s

    def stop(self) -> None:
        """End it; it is reaped like any child."""
        if self.is_busy:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended
