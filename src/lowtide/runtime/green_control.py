"""Carrying out what the controller decides: by the wall clock, journal first, on one real job.

The supervisor calls :meth:`Control.poll` whenever it wakes. Nothing here blocks or computes: deciding is done in a
child, a little before a change is due, so that the change comes on time. What the grid says is worth less than
the deadline: when no more slack is left the job runs, whether or not anybody has an answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import StoreError
from lowtide.model.record import RunHeader
from lowtide.runtime.green_acting import Acting
from lowtide.runtime.green_clock import CLOCK, GreenClock
from lowtide.runtime.green_state import ControllerLock, GreenState, run_plan
from lowtide.runtime.green_thinker import Thinker
from lowtide.runtime.green_words import starting_words
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.model.run_plan import RunPlan

__all__ = ["Control"]

_LEAST_LEAD_S: Final = 3.0
_MOST_LEAD_S: Final = 20.0
_LEAST_GAP_NS: Final = 500_000_000
"""Two decisions are at least this far apart [ns]."""
_LOOK_S: Final = 1.0
_STALE_S: Final = 1800.0
_JUMP_NS: Final = 5_000_000_000
_AGAIN_S: Final = 5.0


@dataclass(slots=True)
class _Next:
    """A decision that is ready, and from when it holds."""

    for_ns: int
    answer: dict[str, Any]


class Control:
    """The controller of one run.

    Parameters
    ----------
    header : RunHeader
    state : GreenState
    say : callable
        Takes one line for standard error.
    lock : ControllerLock
        Held by this process; let go of at the end.
    clock : GreenClock, optional
    """

    def __init__(
        self,
        header: RunHeader,
        state: GreenState,
        *,
        say: Callable[[str], None],
        lock: ControllerLock,
        clock: GreenClock = CLOCK,
    ) -> None:
        self.header, self.state, self._say, self._lock, self._clock = header, state, say, lock, clock
        self._thinker = Thinker(header.journal_dir, _answer)
        self._files = [p for p in (header.grid.intensity, state.spec.history, state.spec.forecast) if p]
        self._seen = self._mtimes()
        self._next: _Next | None = None
        self._asked_for_ns = 0
        self._until_ns = 0
        self._asked_at = -_STALE_S
        self._retry_at = 0.0
        self._offset_ns = self._offset()
        self._held = False  # what was decided last: not to run
        self._decided, self._settled, self._ending = False, False, False
        self._said = ""
        self.acting = Acting(header, state, say=say, keep=self._keep, clock=clock)

    # What the supervisor asks

    @property
    def wants_to_run(self) -> bool:
        """Whether the command should be started now."""
        return self._decided and not self._held and self.acting.may_start

    @property
    def is_frozen(self) -> bool:
        """Whether the job is paused by us."""
        return self.state.phase == "frozen"

    @property
    def is_late(self) -> bool:
        """Whether no slack is left."""
        return self._clock.wall_ns() >= self._latest_ns()

    def wait_s(self) -> float | None:
        """Return after what time to poll again at the latest [s]; None when there is nothing left to decide."""
        if self._settled and not self._thinker.is_busy:
            return None
        due_ns = [self._next.for_ns] if self._next is not None else []
        if self._held:
            due_ns.append(self._latest_ns())
        wall_ns = self._clock.wall_ns()
        waits_s = [(t - wall_ns) / 1e9 for t in due_ns]
        return max(0.001, min([_LOOK_S, self.acting.wait_s(), *waits_s]))

    def poll(self) -> None:
        """Do what is due; a change of what the job does is written down before it is made."""
        if self._settled:
            return
        now_ns = self._clock.wall_ns()
        self.acting.look()
        if self.state.unpaused and self.state.phase == "running":
            self._settle()
            return
        if self._next is not None and (now_ns >= self._next.for_ns or self._jumped()):
            found, self._next = self._next, None
            if now_ns >= found.for_ns:
                self._follow(found.answer, now_ns)
        if self._held and now_ns >= self._latest_ns() and not self._settled:
            self._run_for_the_deadline()
        if self._thinker.is_stuck():
            self._thinker.stop()
        if not self._settled and self._next is None and not self._thinker.is_busy:
            self._ask_if_due(now_ns)

    @property
    def thinker_pid(self) -> int:
        """The child that decides, whose CPU time is not the job's; -1 while there is none."""
        return self._thinker.pid

    def reaped(self, pid: int) -> bool:
        """Take note of a child that has ended; return whether it was the one that decides."""
        if not self._thinker.ended(pid):
            return False
        answer = self._thinker.answer()
        if self._settled:
            return True
        if answer is None:
            self._without_an_answer()
        else:
            self._next = _Next(self._asked_for_ns, answer)
        return True

    # What becomes of the command

    def starting(self) -> None:
        """Write down that the command is about to be started."""
        self.acting.starting()

    def started(self, pid: int) -> None:
        """Take note of the command that runs now."""
        self.acting.started(pid)
        now_ns = self._clock.wall_ns()
        if self.state.spec.pause == "none" or self.state.unpaused or self._latest_ns() <= now_ns:
            self._settle()
        self._until_ns = min(self._until_ns, max(self._latest_ns(), 0))

    def first_start_ns(self) -> int:
        """Return when the command was first started, by the wall clock [ns]."""
        return self.state.runs_ns(clock=self._clock)[0][0]

    def take_over(self) -> bool:
        """Go on with a run that has left and that nobody minded; return False where that was its end."""
        goes_on = self.acting.is_saved() or self.left()
        self._decided, self._until_ns = bool(self.state.unpaused), 0
        return goes_on

    def left(self) -> bool:
        """Take note that the command has left; return whether it is to be started again."""
        verdict = "ended" if self._ending else self.acting.left()
        if verdict == "ended":
            return False
        self._settled = False
        if verdict == "unpaused":
            self._decided, self._held = True, False
        elif verdict == "asked" and self._held:
            self._decided = True
        else:
            self._decided, self._held, self._until_ns, self._next = verdict == "retry", False, 0, None
        return True

    def release(self) -> None:
        """Let the job run for good: somebody wants it to end, or to hear a signal."""
        self.acting.release()
        self._held = False
        self._settle()

    def interrupted(self) -> None:
        """Take note that somebody wants the run to end: what leaves now is not started again."""
        self._ending = True
        self.release()

    def finish(self) -> None:
        """Let go of everything: the command has ended."""
        self._settle()
        self.acting.finish()
        self._lock.close()

    def plan(self, *, started_ns: int, ended_ns: int) -> RunPlan:
        """Return what the run was asked to hold and what it did."""
        return run_plan(self.state, started_ns=started_ns, ended_ns=ended_ns, stands=self.acting.stood)

    # Deciding

    def _settle(self) -> None:
        """Decide nothing any more: it runs to its end."""
        self._settled, self._next = True, None
        self._thinker.stop()

    def _ask_if_due(self, now_ns: int) -> None:
        if time.monotonic() < self._retry_at:
            return
        lead_s = min(_MOST_LEAD_S, max(_LEAST_LEAD_S, 2.0 * self._thinker.took_s))
        due = now_ns >= self._until_ns - ns_from_s(lead_s)
        stale = time.monotonic() - self._asked_at > _STALE_S
        seen = self._mtimes()
        if not (due or stale or seen != self._seen or self._jumped()):
            return
        self._seen, self._offset_ns, self._asked_at = seen, self._offset(), time.monotonic()
        self._asked_for_ns = max(now_ns, self._until_ns) if due and self._decided else now_ns
        try:
            self._thinker.ask(self._question(self._asked_for_ns))
        except OSError:
            self._without_an_answer()

    def _question(self, for_ns: int) -> dict[str, Any]:
        ahead_ns = for_ns - self._clock.wall_ns()
        acting = self.acting
        runs = self.state.runs_ns(clock=self._clock)
        if acting.course.goes_on and runs and ahead_ns > 0:
            runs[-1] = runs[-1][0], for_ns
        begun = {"running": "running", "asking": "running", "frozen": "paused", "saved": "paused"}.get(
            self.state.phase
        )
        done_s = (acting.course.done_ns() + (max(0, ahead_ns) if begun == "running" else 0)) / 1e9
        return {
            "header": self.header, "spec": replace(self.state.spec, work_s=acting.course.work_s()), "for_ns": for_ns,
            "begun": begun, "done_s": done_s, "runs_ns": tuple(runs), "plan": self.state.plan,
            "resume_s": acting.resume_s(),
        }  # fmt: skip

    def _follow(self, answer: dict[str, Any], now_ns: int) -> None:
        """Do what was decided."""
        self._note(answer, now_ns)
        self._decided = True
        self._held = answer["act"] == "hold"
        self._until_ns = max(int(answer["until_ns"]), now_ns + _LEAST_GAP_NS)
        self._tell(answer)
        begun = self.state.phase in ("running", "frozen")
        if self._held:
            if self.state.phase == "running":
                self.acting.pause(str(answer["why"]))
        elif self.state.phase == "frozen":
            self.acting.resume()
        self._keep()
        if begun and not self._held and (answer["late"] or now_ns >= self.state.spec.deadline_ns):
            self._settle()  # no more slack: it runs to its end

    def _note(self, answer: dict[str, Any], now_ns: int) -> None:
        state, promise = self.state, answer["promise"]
        done_ns = self.acting.course.done_ns()
        state.n_decisions += 1
        state.decisions.append(
            {"t_ns": now_ns, "done_s": done_ns / 1e9, "phase": state.phase}
            | {key: answer[key] for key in ("act", "until_ns", "why", "problem", "power_w", "idle_w")}
        )
        state.plan = answer["plan"]
        if promise is not None:
            state.first = state.first or promise
            state.last = promise
            if done_ns < ns_from_s(self.acting.course.work_s()) // 2:
                state.half = promise

    def _without_an_answer(self) -> None:
        """Follow the last plan while nobody answers, and run when there is none, or it is over."""
        self._retry_at = time.monotonic() + _AGAIN_S
        now_ns = self._clock.wall_ns()
        last = self.state.last
        ahead = [] if last is None else [(a, b) for a, b in last["runs_ns"] if b > now_ns]
        hold = bool(ahead) and now_ns < min(a for a, _ in ahead)
        why = f"nobody answers (see {self.header.journal_dir}/decision.log); "
        why += "the last plan is followed" if ahead else "it runs without a plan"
        answer = self._own_answer("hold" if hold else "run", now_ns + ns_from_s(_AGAIN_S), why)
        self._follow(answer, now_ns)

    def _run_for_the_deadline(self) -> None:
        """Run, whatever the grid says and whoever is still thinking."""
        self._next = None
        self._thinker.stop()
        answer = self._own_answer("run", self.state.spec.deadline_ns, "no slack is left before the deadline")
        self._follow(answer | {"late": True}, self._clock.wall_ns())

    def _own_answer(self, act: str, until_ns: int, why: str) -> dict[str, Any]:
        return {
            "act": act, "until_ns": until_ns, "why": why, "problem": "", "plan": self.state.plan, "promise": None,
            "late": False, "flat": False, "time_resolved": True, "saving": None, "power_w": None, "idle_w": None,
            "zone": "",
        }  # fmt: skip

    def _latest_ns(self) -> int:
        """Return when it must be running to meet its deadline."""
        spec = self.state.spec
        longest_ns = ns_from_s(self.acting.course.work_s() * (1.0 + spec.margin))
        resume_ns = ns_from_s(self.acting.resume_s()) if self.state.phase == "saved" else 0
        return spec.deadline_ns - max(0, longest_ns - self.acting.course.done_ns()) - resume_ns

    # Looking

    def _keep(self) -> None:
        try:
            self.state.write(self.header.journal_dir, self._clock)
        except StoreError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._say(f"lowtide: {error}; the run goes on, and nobody could take it over")

    def _mtimes(self) -> tuple[float, ...]:
        found = []
        for path in self._files:
            try:
                found.append(os.stat(path).st_mtime)
            except OSError:
                found.append(-1.0)  # no file, or a constant
        return tuple(found)

    def _offset(self) -> int:
        return self._clock.wall_ns() - self._clock.work_ns()

    def _jumped(self) -> bool:
        """Return whether the wall clock has been set, or the machine slept, since the last question."""
        return abs(self._offset() - self._offset_ns) > _JUMP_NS

    def _tell(self, answer: dict[str, Any]) -> None:
        """Say when it starts, once, and again when that changes."""
        if self.state.phase != "waiting":
            return
        if answer["problem"]:
            self._say(f"lowtide: {' '.join(str(answer['problem']).split())}")
        words = starting_words(self.state.spec, answer, now_ns=self._clock.wall_ns())
        if words != self._said:
            self._said = words
            self._say(f"lowtide: {words}")


def _answer(question: dict[str, Any], path: str) -> None:
    """Think, in the child."""
    from lowtide.runtime.green_think import Look, answer_to

    answer_to(Look(**question), path)
