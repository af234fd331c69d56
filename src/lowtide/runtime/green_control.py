"""Carrying out what the controller decides: by the wall clock, journal first, on one real job.

The supervisor calls :meth:`Control.poll` whenever it wakes. Nothing here blocks or computes: deciding is done in a
child, a little before a change is due, so that the change comes on time. What the grid says is worth less than
the deadline: when no more slack is left the job runs, whether or not anybody has an answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import ExecutorError, StoreError
from lowtide.executors.freezing import TreeFreezer
from lowtide.model.record import RunHeader
from lowtide.quantities import format_duration, format_instant
from lowtide.runtime.green_state import FROZEN, ControllerLock, GreenState, boot_ns, run_plan
from lowtide.runtime.green_thinker import Thinker
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
    """

    def __init__(
        self, header: RunHeader, state: GreenState, *, say: Callable[[str], None], lock: ControllerLock
    ) -> None:
        self.header, self.state, self._say, self._lock = header, state, say, lock
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
        self._decided, self._settled = False, False
        self._done_ns, self._ran_since_ns = 0, -1
        self._freezer: TreeFreezer | None = None
        self._said = ""

    # What the supervisor asks

    @property
    def wants_to_run(self) -> bool:
        """Whether the command should be started now."""
        return self._decided and not self._held

    @property
    def is_frozen(self) -> bool:
        """Whether the job is paused by us."""
        return self.state.phase == "frozen"

    def wait_s(self) -> float | None:
        """Return after what time to poll again at the latest [s]; None when there is nothing left to decide."""
        if self._settled and not self._thinker.is_busy:
            return None
        due_ns = [self._next.for_ns] if self._next is not None else []
        if self._held:
            due_ns.append(self._latest_ns())
        wall_ns = time.time_ns()
        waits_s = [(t - wall_ns) / 1e9 for t in due_ns]
        return max(0.001, min([_LOOK_S, *waits_s]))

    def poll(self) -> None:
        """Do what is due; a change of what the job does is written down before it is made."""
        if self._settled:
            return
        now_ns = time.time_ns()
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

    def reaped(self, pid: int) -> None:
        """Take note of a child that has ended."""
        if not self._thinker.ended(pid) or self._settled:
            return
        answer = self._thinker.answer()
        if answer is None:
            self._without_an_answer()
        else:
            self._next = _Next(self._asked_for_ns, answer)

    # Deciding

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
        ahead_ns = for_ns - time.time_ns()
        runs = self.state.runs_ns()
        if self._ran_since_ns >= 0 and runs and ahead_ns > 0:
            runs[-1] = runs[-1][0], for_ns
        begun = {"running": "running", "frozen": "paused"}.get(self.state.phase)
        done_s = (self._done() + (max(0, ahead_ns) if begun == "running" else 0)) / 1e9
        return {
            "header": self.header, "spec": self.state.spec, "for_ns": for_ns, "begun": begun, "done_s": done_s,
            "runs_ns": tuple(runs), "plan": self.state.plan,
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
                self._pause(answer)
        elif self.state.phase == "frozen":
            self._resume()
        self._keep()
        if begun and not self._held and (answer["late"] or now_ns >= self.state.spec.deadline_ns):
            self._settled = True  # no more slack: it runs to its end

    def _note(self, answer: dict[str, Any], now_ns: int) -> None:
        state, promise = self.state, answer["promise"]
        state.n_decisions += 1
        state.decisions.append(
            {"t_ns": now_ns, "done_s": self._done() / 1e9, "phase": state.phase}
            | {key: answer[key] for key in ("act", "until_ns", "why", "problem", "power_w", "idle_w")}
        )
        state.plan = answer["plan"]
        if promise is not None:
            state.first = state.first or promise
            state.last = promise
            if self._done() < ns_from_s(state.spec.work_s) // 2:
                state.half = promise

    def _without_an_answer(self) -> None:
        """Follow the last plan while nobody answers, and run when there is none."""
        self._retry_at = time.monotonic() + _AGAIN_S
        now_ns = time.time_ns()
        last = self.state.last
        hold = last is not None and not any(a <= now_ns < b for a, b in last["runs_ns"])
        why = f"nobody answers (see {self.header.journal_dir}/decision.log); "
        why += "the last plan is followed" if self.state.last is not None else "it runs without a plan"
        self._follow(
            {
                "act": "hold" if hold else "run", "until_ns": now_ns + ns_from_s(_AGAIN_S), "why": why,
                "problem": "", "plan": self.state.plan, "promise": None, "late": False, "flat": False,
                "time_resolved": True, "saving": None, "power_w": None, "idle_w": None, "zone": "",
            },
            now_ns,
        )  # fmt: skip

    def _run_for_the_deadline(self) -> None:
        """Run, whatever the grid says and whoever is still thinking."""
        now_ns = time.time_ns()
        self._next = None
        self._thinker.stop()
        self._follow(
            {
                "act": "run", "until_ns": self.state.spec.deadline_ns, "why": "no slack is left before the deadline",
                "problem": "", "plan": self.state.plan, "promise": None, "late": True, "flat": False,
                "time_resolved": True, "saving": None, "power_w": None, "idle_w": None, "zone": "",
            },
            now_ns,
        )  # fmt: skip

    def _latest_ns(self) -> int:
        """Return when it must be running to meet its deadline."""
        left_ns = max(0, self.state.spec.longest_ns - self._done())
        return self.state.spec.deadline_ns - left_ns

    # Acting, journal first

    def starting(self) -> None:
        """Write down that the command is about to be started."""
        self.state.phase = "starting"
        self._keep()

    def started(self, pid: int, spare: Iterable[int]) -> None:
        """Take note of the command that runs now."""
        self.state.phase = "running"
        self.state.runs.append([boot_ns(), None])
        self._ran_since_ns = time.monotonic_ns()
        self._keep()
        path = os.path.join(self.header.journal_dir, FROZEN)
        self._freezer = TreeFreezer(pid, path, adopter=os.getpid(), spare=spare)
        self._settled = self.state.spec.pause == "none" or self._latest_ns() <= time.time_ns()
        self._until_ns = min(self._until_ns, max(self._latest_ns(), 0))

    def spare(self, pid: int, spare: Iterable[int]) -> None:
        """Take note of other children than the job, which are not to be frozen."""
        path = os.path.join(self.header.journal_dir, FROZEN)
        self._freezer = TreeFreezer(pid, path, adopter=os.getpid(), spare=spare)

    def _pause(self, answer: dict[str, Any]) -> None:
        freezer = self._freezer
        if freezer is None or self.state.spec.pause != "freeze":
            return
        self._done_ns, self._ran_since_ns = self._done(), -1
        self.state.phase = "frozen"
        self.state.runs[-1][1] = boot_ns()
        try:
            self.state.write(self.header.journal_dir)
            freezer.freeze()
        except (ExecutorError, StoreError) as error:
            self._say(f"lowtide: {error}; it is not paused any more")
            self._let_run()
            self._settled = True
            return
        self.state.runs[-1][1] = boot_ns()  # from the decision to its effect it ran
        self._say(f"lowtide: paused: {answer['why']}")

    def _resume(self) -> None:
        self.state.phase = "running"
        self.state.runs.append([boot_ns(), None])
        self._ran_since_ns = time.monotonic_ns()
        self._keep()
        self._thaw()

    def _let_run(self) -> None:
        """Undo a pause that could not be made."""
        self._thaw()
        self.state.phase = "running"
        self.state.runs[-1][1] = None
        self._ran_since_ns = time.monotonic_ns()

    def release(self) -> None:
        """Thaw the job for good: somebody wants it to end, or to hear a signal."""
        if self.is_frozen:
            self._resume()
        self._held, self._settled, self._next = False, True, None
        self._thinker.stop()

    def finish(self) -> None:
        """Let go of everything: the command has ended."""
        self._settled = True
        self._thinker.stop()
        self._thaw()
        if self.state.runs and self.state.runs[-1][1] is None:
            self.state.runs[-1][1] = boot_ns()
        self.state.phase = "ended"
        self._keep()
        self._lock.close()

    def plan(self, *, started_ns: int, ended_ns: int) -> RunPlan:
        """Return what the run was asked to hold and what it did."""
        return run_plan(self.state, started_ns=started_ns, ended_ns=ended_ns)

    def _thaw(self) -> None:
        if self._freezer is not None:
            try:
                self._freezer.thaw()
            except ExecutorError as error:
                self._say(f"lowtide: {error}")

    def _keep(self) -> None:
        try:
            self.state.write(self.header.journal_dir)
        except StoreError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._say(f"lowtide: {error}; the run goes on, and nobody could take it over")

    # Looking

    def _done(self) -> int:
        """Return the work done, by elapsed running time [ns]."""
        since = time.monotonic_ns() - self._ran_since_ns if self._ran_since_ns >= 0 else 0
        return self._done_ns + since

    def _mtimes(self) -> tuple[float, ...]:
        found = []
        for path in self._files:
            try:
                found.append(os.stat(path).st_mtime)
            except OSError:
                found.append(-1.0)  # no file, or a constant
        return tuple(found)

    def _offset(self) -> int:
        return time.time_ns() - time.monotonic_ns()

    def _jumped(self) -> bool:
        """Return whether the wall clock has been set, or the machine slept, since the last question."""
        return abs(self._offset() - self._offset_ns) > _JUMP_NS

    def _tell(self, answer: dict[str, Any]) -> None:
        """Say when it starts, once, and again when that changes."""
        if self.state.phase != "waiting":
            return
        words = self._words(answer)
        if words != self._said:
            self._said = words
            self._say(f"lowtide: {words}")

    def _words(self, answer: dict[str, Any]) -> str:
        spec, promise = self.state.spec, answer["promise"]
        if answer["problem"]:
            self._say(f"lowtide: {' '.join(str(answer['problem']).split())}")
        if self._held:
            if promise is None:
                return f"waits: {answer['why']}"
            start, end = promise["runs_ns"][0][0], promise["runs_ns"][-1][1]
            n = len(promise["runs_ns"]) - 1
            change = (
                ""
                if answer["saving"] is None
                else f", {100.0 * answer['saving']:.0f} % less carbon than at once"
            )
            pauses = f" with {n} pause{'s' * (n != 1)}" if n else ""
            done = f", done by {_minute(end)}{pauses}" if spec.work_known else ""
            return f"starts {_minute(start)}{change}{done}"
        if answer["late"] and time.time_ns() + spec.longest_ns > spec.deadline_ns:
            took = format_duration(spec.longest_ns / 1e9)
            return (f"cannot be done by {_minute(spec.deadline_ns)} (it may take {took} with its margin): "
                    "starts at once, without pauses")  # fmt: skip
        if not answer["time_resolved"]:
            return f"starts at once: only a yearly mean is known of {answer['zone']}, so no hour is better"
        if answer["flat"]:
            return "starts at once: the intensity is the same at all times"
        return f"starts at once: {answer['why']}"


def _minute(t_ns: int) -> str:
    return f"{format_instant(t_ns)[:16]}Z"


def _answer(question: dict[str, Any], path: str) -> None:
    """Think, in the child."""
    from lowtide.runtime.green_think import Look, answer_to

    answer_to(Look(**question), path)
