"""What is done to the job of a run that waits for green: started, frozen or asked to leave, started again.

State is written before each act. What becomes of it is judged by :mod:`lowtide.runtime.green_left`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final, Literal

from lowtide.errors import ExecutorError, StoreError
from lowtide.executors.freezing import CgroupFreezer, Freezer, TreeFreezer, make_group, remove_group
from lowtide.model.pausing import EX_TEMPFAIL, PAUSE_FILE, PROGRESS_FILE, RESUME, WATCHED
from lowtide.model.record import RunHeader
from lowtide.quantities import format_duration
from lowtide.runtime.green_asking import Asking
from lowtide.runtime.green_clock import CLOCK, GreenClock
from lowtide.runtime.green_course import Course
from lowtide.runtime.green_left import (
    PAUSE,
    Left,
    begun_path,
    is_counted,
    left_path,
    n_begun,
    read_left,
    verdict_of,
)
from lowtide.runtime.green_state import FROZEN, PROGRESS, RETRIES, GreenState
from lowtide.units import ns_from_s

__all__ = ["Acting"]

_WAITS_S: Final = (10.0, 60.0, 300.0)
_WAIT_SHARES: Final = (0.01, 0.05, 0.1)
"""A failed resume is tried again after these [s], or after these shares of a short job's work."""
_FOREVER_S: Final = 3600.0


class Acting:
    """Carries out pauses of one run.

    Parameters
    ----------
    header : RunHeader
    state : GreenState
    say : callable
    keep : callable
        Writes the state down.
    clock : GreenClock, optional
    """

    def __init__(
        self,
        header: RunHeader,
        state: GreenState,
        *,
        say: Callable[[str], None],
        keep: Callable[[], None],
        clock: GreenClock = CLOCK,
    ) -> None:
        self._header, self._state, self._say, self._keep, self._clock = header, state, say, keep, clock
        self._folder = header.journal_dir
        self.pause_file = os.path.join(self._folder, PAUSE)
        self.course = Course(state, self._folder, self.pause_file, clock)
        self._freezer: Freezer | None = None
        self._asking: Asking | None = None
        self._pid, self._n = -1, n_begun(self._folder)
        self._spared: frozenset[int] = frozenset()
        self._not_before_ns = 0
        self.group: str | None = None
        self.stood = False  # whether it was paused when the run ended

    # Starting

    @property
    def n_starts(self) -> int:
        """How often the command has been started."""
        return self._n

    @property
    def may_start(self) -> bool:
        """Whether the wait after a failed resume is over."""
        return self._clock.boot_ns() >= self._not_before_ns

    @property
    def keeps(self) -> bool:
        """Whether the command may leave and be started again."""
        return self._state.spec.pause == "checkpoint"

    @property
    def begun(self) -> str:
        """The file that the next start makes."""
        return begun_path(self._folder, self._n + 1)

    @property
    def left_file(self) -> str:
        """The file that tells how it left after its latest start, or the one that is being made."""
        return left_path(self._folder, self._n + (self._state.phase == "starting"))

    def env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment of the next start."""
        found = {**env, PAUSE_FILE: self.pause_file, PROGRESS_FILE: os.path.join(self._folder, PROGRESS)}
        return {**found, RESUME: "1"} if self._n else found  # a user may go on from an earlier run

    def starting(self) -> None:
        """Write down that it is about to be started."""
        self.course.starting()
        for path in (self.pause_file, self.pause_file + WATCHED):
            _remove(path)  # it has not been asked, and has not looked yet
        self._state.phase = "starting"
        if self._state.spec.pause == "freeze" and self._state.options.get("scope") == "cgroup":
            self.group = make_group(f"lowtide-{self._header.run_id}")
        self._keep()

    def started(self, pid: int) -> None:
        """Take note of the job that runs now."""
        self._n += 1
        self._pid, self._state.phase = pid, "running"
        self._state.runs.append([self._clock.boot_ns(), None])
        self.course.go_on()
        self._freezer = self._freezer_of(pid)
        self._keep()

    def _freezer_of(self, pid: int) -> Freezer:
        path = os.path.join(self._folder, FROZEN)
        if self.group is not None and _is_in(self.group, pid):
            return CgroupFreezer(self.group, path)
        return TreeFreezer(pid, path, adopter=os.getpid(), spare=self._spared)

    def spare(self, pids: Iterable[int]) -> None:
        """Take note of children that are not the job's and not to be frozen."""
        spared = frozenset(pids)
        if spared != self._spared and self._pid > 0:
            self._spared = spared
            self._freezer = self._freezer_of(self._pid)

    # Pausing

    def pause(self, why: str) -> None:
        """Pause it, the way that was asked for."""
        if self._state.spec.pause == "freeze":
            self._freeze(why)
        elif self.keeps:
            self._ask(why)

    def _freeze(self, why: str) -> None:
        freezer, state = self._freezer, self._state
        if freezer is None:
            return
        self.course.stand()
        state.phase = "frozen"
        asked_ns = self._clock.boot_ns()
        state.runs[-1][1] = asked_ns
        try:
            state.write(self._folder, self._clock)
            freezer.freeze()
        except (ExecutorError, StoreError) as error:
            self._thaw()
            state.phase, state.runs[-1][1] = "running", None
            self.course.go_on()
            self._unpause(str(error))
            return
        now_ns = self._clock.boot_ns()  # from the decision to its effect it ran
        state.runs[-1][1] = now_ns
        state.pauses.append({"asked_ns": asked_ns, "effect_s": (now_ns - asked_ns) / 1e9})
        self._say(f"lowtide: paused: {why}")

    def resume(self) -> None:
        """Let a frozen job go on."""
        self._state.phase = "running"
        self._state.runs.append([self._clock.boot_ns(), None])
        self.course.go_on()
        self._keep()
        self._thaw()

    def _ask(self, why: str) -> None:
        """Ask it to save and leave."""
        state = self._state
        state.phase = "asking"
        self._asking = Asking(
            self._folder, self.pause_file, pid=self._pid, n=self._n, signal_name=state.spec.pause_signal,
            grace_s=state.spec.grace_s, clock=self._clock,
        )  # fmt: skip
        state.pauses.append({"asked_ns": self._asking.asked_ns, "effect_s": None, "why": why})
        try:
            state.write(self._folder, self._clock)
            self._asking.begin(why)
        except (OSError, StoreError) as error:
            self._asking, state.phase = None, "running"
            self._unpause(f"it cannot be asked to ({error})")

    def look(self) -> None:
        """Look how far the job is, and what has come of a request."""
        if not self.course.goes_on:
            return
        self.course.look(self._n, leaves=self.keeps)
        end = None if self._asking is None else self._asking.look()
        if self._asking is None or end is None:
            return
        asking, self._asking = self._asking, None
        try:
            asking.withdraw()
        except (OSError, StoreError) as error:
            self._say(f"lowtide: the request to save cannot be withdrawn ({error})")
        self._state.phase = "running"
        self._unpause(asking.words(end))

    def _unpause(self, why: str) -> None:
        self._state.unpaused = why
        self._say(f"lowtide: it is left running and not paused any more: {why}")
        self._keep()

    def is_saved(self) -> bool:
        """Return whether it has left and that has been counted, also where only the next start was written down."""
        state, left = self._state, read_left(self._folder, self._n)
        if state.phase == "starting" and left is not None and is_counted(state, left.in_boot_of(state)):
            state.phase = "saved"
        return state.phase == "saved"

    def left(self) -> Literal["ended", "asked", "unasked", "retry", "unpaused"]:
        """Take note that the job has left; return what that means."""
        state = self._state
        found = verdict_of(self._folder, state, self._n) if self.keeps else None
        if found is None:
            return "ended"
        left, verdict = found
        if not self.course.goes_on:  # its supervisor was killed before it left
            self.course.missed(left)
        self.course.look(self._n, leaves=self.keeps)
        asked = state.phase == "asking"
        self.course.stand()
        self._asking = None
        _close_stretch(state, left)
        if verdict == "ended":
            return "ended"
        state.says_saved = state.says_saved or left.code == EX_TEMPFAIL
        state.phase = "saved"
        _remove(self.pause_file)
        if verdict == "retry":
            return self._again(left)
        state.failures = 0
        if verdict == "unpaused":
            state.unpaused = f"it left with {_how(left)} when it was asked to save"
            self._say(
                f"lowtide: {state.unpaused}; it is started again from what it saved before, and not paused"
            )
        elif asked:
            pause = state.pauses[-1]
            pause["effect_s"] = max(0.0, (left.left_ns - int(pause["asked_ns"])) / 1e9)
            self._say(
                f"lowtide: paused: saved and left within {format_duration(pause['effect_s'])}: {pause['why']}"
            )
        else:
            self._say(f"lowtide: left with {_how(left)}, to be started again when it is green")
        self._keep()
        return "unpaused" if state.unpaused else "asked" if asked else "unasked"

    def _again(self, left: Left) -> Literal["ended", "retry"]:
        """Plan another try of a resume that has failed; none after the last."""
        state = self._state
        state.failures += 1
        if state.failures > RETRIES:
            self._say(f"lowtide: it could not go on from what it saved, {_how(left)} {state.failures} times in a row: "
                      "given up; what it saved stays where it is")  # fmt: skip
            return "ended"
        i = state.failures - 1
        wait_s = min(_WAITS_S[i], state.spec.work_s * _WAIT_SHARES[i])
        self._not_before_ns = self._clock.boot_ns() + ns_from_s(wait_s)
        self._say(f"lowtide: it could not go on from what it saved ({_how(left)}); "
                  f"again in {format_duration(wait_s)}, try {state.failures + 1} of {RETRIES + 1}")  # fmt: skip
        self._keep()
        return "retry"

    # Ending

    def release(self) -> None:
        """Let a frozen job go on for good."""
        if self._state.phase == "frozen":
            self.resume()

    def finish(self) -> None:
        """Let go of everything: the run has ended."""
        state = self._state
        self.stood = state.phase in ("frozen", "saved")
        self._thaw()
        if state.runs and state.runs[-1][1] is None:
            state.runs[-1][1] = self._clock.boot_ns()
        state.phase = "ended"
        self._keep()
        if self.group is not None:
            remove_group(self.group)

    def _thaw(self) -> None:
        if self._freezer is not None:
            try:
                self._freezer.thaw()
            except ExecutorError as error:
                self._say(f"lowtide: {error}")

    # What is due

    def resume_s(self) -> float:
        """Return what a pause costs the job in time [s]; a frozen one goes on where it stood."""
        return self.course.resume_s() if self.keeps else 0.0

    def wait_s(self) -> float:
        """Return after what time something is due here [s]."""
        left_ns = self._not_before_ns - self._clock.boot_ns()
        return left_ns / 1e9 if left_ns > 0 else _FOREVER_S


def _close_stretch(state: GreenState, left: Left) -> None:
    """Write down until when it ran, also where nobody has written down that it began."""
    is_open = bool(state.runs) and state.runs[-1][1] is None
    if not is_open and not is_counted(state, left):
        state.runs.append([left.started_ns, None])
    state.runs[-1][1] = max(int(state.runs[-1][0] or 0), left.left_ns)


def _how(left: Left) -> str:
    return f"status {left.code}" if left.code >= 0 else f"signal {-left.code}"


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # nobody has made it


def _is_in(group: str, pid: int) -> bool:
    try:
        with open(f"{group}/cgroup.procs", encoding="ascii") as file:
            return str(pid) in file.read().split()
    except OSError:
        return False
