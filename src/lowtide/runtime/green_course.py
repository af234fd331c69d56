"""How far the job of a run that waits for green is: the time it has run, what it tells, and what a pause costs it."""

from __future__ import annotations

import os
from typing import Final

from lowtide.model.pausing import WATCHED
from lowtide.runtime.green_clock import GreenClock
from lowtide.runtime.green_left import Left
from lowtide.runtime.green_progress import Progress
from lowtide.runtime.green_state import GreenState
from lowtide.units import ns_from_s

__all__ = ["Course"]

_STANDS: Final = -1


class Course:
    """Counts the work of one job over its pauses and starts, and keeps what it knows in the state.

    Parameters
    ----------
    state : GreenState
    folder : str
        Where the job tells its progress.
    pause_file : str
        The file that a job which leaves looks at.
    clock : GreenClock
    """

    def __init__(self, state: GreenState, folder: str, pause_file: str, clock: GreenClock) -> None:
        self._state, self._pause_file, self._clock = state, pause_file, clock
        self._source = state.source(folder)
        self._progress = None if state.progress is None else Progress(**state.progress)
        self._since_ns, self._started_wall_ns, self._left_wall_ns = _STANDS, 0, 0

    @property
    def goes_on(self) -> bool:
        """Whether time passes for the job."""
        return self._since_ns != _STANDS

    def starting(self) -> None:
        """Take note that it is about to be started: what was told before is another start's."""
        self._started_wall_ns = self._clock.wall_ns()

    def go_on(self) -> None:
        """Let time pass for the job."""
        self._since_ns = self._clock.work_ns()

    def stand(self) -> None:
        """Let no more time pass for the job."""
        self._state.done_ns, self._since_ns = self._ran_ns(), _STANDS

    def missed(self, left: Left) -> None:
        """Take in a start that nobody followed to its end."""
        self._started_wall_ns, self._left_wall_ns = left.started_wall_ns, left.left_wall_ns
        self._state.done_ns += left.left_ns - left.started_ns

    def work_s(self) -> float:
        """Return how long all of the work takes [s], at the measured rate where there is one."""
        expected_s = self._state.spec.work_s
        return expected_s if self._progress is None else self._progress.work_s(expected_s)

    def done_ns(self) -> int:
        """Return the work done [ns]: as the job tells it, else the time it has run."""
        if self._progress is None:
            return self._ran_ns()
        return ns_from_s(self._progress.done_s(self._ran_ns() / 1e9, self._state.spec.work_s))

    def resume_s(self) -> float:
        """Return what a pause of a job that leaves costs in time [s]: saving, and from its start to its first step."""
        state = self._state
        again = state.ready_s[1:] or ([] if state.spec.resume_time_s is not None else state.ready_s)
        ready_s = again[-1] if again else state.spec.resume_time_s or 0.0
        saves_s = [pause["effect_s"] for pause in state.pauses if pause["effect_s"] is not None]
        return float(ready_s + (saves_s[-1] if saves_s else 0.0))

    def look(self, n: int, *, leaves: bool) -> None:
        """Take in what the job, in its n-th start, tells of its progress; of one that leaves also when it was ready."""
        state, told = self._state, self._source.look()
        if told is not None and told[1] * 1e9 < self._started_wall_ns:
            told = None  # by an earlier start, or an earlier run
        if told is not None:
            ran_s = self._ran_s_at(told[1])
            if self._progress is None:
                self._progress = Progress(told[0], ran_s, n)
            else:
                self._progress.tell(told[0], ran_s, n)
            state.progress = self._progress.plain()
        if leaves and len(state.ready_s) < n:
            first = told if self.goes_on else None  # what is told last was not the first word
            ready = _mtime(self._pause_file + WATCHED) if first is None else first[1]
            if ready is not None:
                after_s = max(0.0, ready - self._started_wall_ns / 1e9)
                state.ready_s += [after_s] * (n - len(state.ready_s))

    def _ran_s_at(self, told_s: float) -> float:
        """Return how long it had run when it told something; a start that nobody followed went on after that [s]."""
        after_s = 0.0 if self.goes_on else max(0.0, self._left_wall_ns / 1e9 - told_s)
        return self._ran_ns() / 1e9 - after_s

    def _ran_ns(self) -> int:
        return self._state.done_ns + (self._clock.work_ns() - self._since_ns if self.goes_on else 0)


def _mtime(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
