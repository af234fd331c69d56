"""Asking slow devices without holding up the readings: a thread asks, the sensor gives the last answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from lowtide.doors import Retry
from lowtide.errors import SensorError

__all__ = ["Background"]

T = TypeVar("T")
_STALE_PERIODS = 5.0
_LEAST_STALE_S = 30.0


class Background(Generic[T]):
    """Asks again and again in a thread of its own, and keeps the last answer with its instant.

    Parameters
    ----------
    ask : callable
        Returns an answer or raises ``SensorError``, ``OSError`` or ``ValueError``; has a time limit of its own.
    period_s : float
        Time between an answer and the next question [s].
    first_within_s : float, optional
        How long to wait for the first answer [s]; until there is one, readings are gaps. Without it, until it is there.

    Raises
    ------
    SensorError
        If the first question fails in that time.
    """

    def __init__(self, ask: Callable[[], T], *, period_s: float, first_within_s: float | None = None) -> None:
        self._ask, self._period_s = ask, period_s
        self._failure = ""
        self._answer: tuple[T, float] | None = None
        self._asked_once, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name="lowtide-ask", daemon=True).start()
        if self._asked_once.wait(first_within_s) and self._answer is None:
            self.close()
            raise SensorError(self._failure)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._answer = (self._ask(), time.monotonic())
                self._failure = ""
            except (SensorError, OSError, ValueError) as error:
                self._failure = str(error)
            self._asked_once.set()
            self._ended.wait(self._period_s)

    def latest(self) -> T | Retry:
        """Return the last answer, or why there is none that is fresh enough."""
        if self._answer is None:
            return Retry(self._failure or "no answer yet")
        answer, at_s = self._answer
        age_s = time.monotonic() - at_s
        if age_s > max(_LEAST_STALE_S, _STALE_PERIODS * self._period_s):
            return Retry(f"no answer for {age_s:.0f} s{': ' if self._failure else ''}{self._failure}")
        return answer

    def close(self) -> None:
        """Ask no more; a question on its way is not waited for."""
        self._ended.set()
