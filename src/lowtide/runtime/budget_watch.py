"""Watching a run's budget: looks in a child, a few of them, and what is done once it is reached.

The supervisor calls :meth:`BudgetWatch.poll` whenever it wakes. Nothing here computes or waits. Nobody watches a run
whose supervisor was killed: its recorder goes on, and `show` says what was used.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from lowtide.errors import LowtideError, StoreError
from lowtide.model.budget import Budget, BudgetAct, BudgetReached
from lowtide.model.pausing import EX_TEMPFAIL, PAUSE_FILE, RESUME
from lowtide.quantities import format_duration, format_instant
from lowtide.reporting.figures import energy, grams
from lowtide.runtime.budget import first_look_s, is_blind, next_look_s
from lowtide.runtime.green_asking import Asking
from lowtide.runtime.green_clock import CLOCK, GreenClock
from lowtide.runtime.green_left import PAUSE
from lowtide.runtime.green_thinker import Thinker
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json

if TYPE_CHECKING:
    from lowtide.model.record import RunHeader
    from lowtide.stores.ledger import Ledger

__all__ = ["BudgetWatch", "budget_reached", "watch_of"]

_FILE: Final = "budget-reached.json"
_LOOK_WITHIN_S: Final = 300.0
_GRACE_LOOK_S: Final = 1.0
_FOREVER_S: Final = 3600.0


def watch_of(
    header: RunHeader,
    ledger: Ledger,
    *,
    say: Callable[[str], None],
    done_s: Callable[[], float] | None = None,
) -> BudgetWatch | None:
    """Return what watches a run's budget; None where there is nothing to watch, or nothing to see."""
    budget = header.budget
    if budget is None or is_blind(budget, header):
        return None
    return BudgetWatch(header, budget, ledger, say=say, done_s=done_s)


def budget_reached(journal_dir: str) -> BudgetReached | None:
    """Return what was noted of a budget that was reached; None where nothing was, or nobody can read it."""
    path = os.path.join(journal_dir, _FILE)
    try:
        return from_plain(BudgetReached, read_json(path), path=path) if os.path.exists(path) else None
    except LowtideError:
        return None  # the bill is made without


class BudgetWatch:
    """Looks at one run's budget, and says what is due.

    Parameters
    ----------
    header : RunHeader
    budget : Budget
    ledger : Ledger
    say : callable
        Takes one line for standard error.
    done_s : callable, optional
        How much of its work the command has done [s]; without it the time since its start.
    clock : GreenClock, optional
    """

    def __init__(
        self,
        header: RunHeader,
        budget: Budget,
        ledger: Ledger,
        *,
        say: Callable[[str], None],
        done_s: Callable[[], float] | None = None,
        clock: GreenClock = CLOCK,
    ) -> None:
        self._header, self._budget, self._ledger = header, budget, ledger
        self._say, self._done_s, self._clock = say, done_s, clock
        self._thinker = Thinker(header.journal_dir, _look, name="budget", within_s=_LOOK_WITHIN_S)
        self._pause_file = os.path.join(header.journal_dir, PAUSE)
        self._started_ns, self._due_ns = 0, 0
        self._seen: tuple[int, float] | None = None
        self._reached = budget_reached(header.journal_dir)  # by a run that is taken over
        self._asking: Asking | None = None
        self._late_ns: int | None = None
        self._said = ""

    @property
    def limit(self) -> float:
        """The limit in its own unit [g or kWh]."""
        budget = self._budget
        return float(budget.limit_g if budget.limit_g is not None else budget.limit_kwh or 0.0)

    @property
    def looker_pid(self) -> int:
        """The child that looks, whose CPU time is not the job's; -1 while there is none."""
        return self._thinker.pid

    @property
    def ends_run(self) -> bool:
        """Whether it is reached and the command is not to be started again."""
        return self._reached is not None and self._budget.on != "warn"

    @property
    def reached(self) -> BudgetReached | None:
        """What has become of it; None while it is not reached."""
        return self._reached

    def env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment of a command that may be asked to save."""
        return {**env, PAUSE_FILE: self._pause_file} if self._budget.on == "checkpoint" else env

    def started(self) -> None:
        """Take note that the command runs now."""
        if not self._started_ns:
            self._started_ns = self._clock.boot_ns()
            self._due_ns = self._in_s(first_look_s(self._header.interval_s))

    def wait_s(self) -> float | None:
        """Return after what time to poll again at the latest [s]; None when nothing will be due."""
        if self._asking is not None:
            return _GRACE_LOOK_S
        if self._late_ns is not None:
            return self._until_s(self._late_ns)
        if self._reached is not None or not self._started_ns:
            return None
        return _LOOK_WITHIN_S if self._thinker.is_busy else self._until_s(self._due_ns)

    def poll(self) -> None:
        """Do what is due: begin a look, or see what came of what was asked."""
        now_ns = self._clock.boot_ns()
        if self._asking is not None:
            self._look_at_grace(self._asking)
        if self._late_ns is not None and now_ns >= self._late_ns:
            self._late_ns = None
            grace = format_duration(self._budget.grace_s)
            self._say(f"lowtide: the command has not ended {grace} after SIGTERM and is left running: it is sent no "
                      "SIGKILL")  # fmt: skip
        if self._thinker.is_stuck():
            self._thinker.stop()
        if (
            self._started_ns
            and self._reached is None
            and not self._thinker.is_busy
            and now_ns >= self._due_ns
        ):
            self._begin_look()

    def reaped(self, pid: int) -> Literal["other", "seen", "stop", "checkpoint"]:
        """Take note of a child that has ended: another's, one that looked, or one that saw that it is time to act."""
        if not self._thinker.ended(pid):
            return "other"
        answer = self._thinker.answer() or {
            "why": f"a look has failed (see {self._header.journal_dir}/budget.log)"
        }
        used = answer.get("used")
        self._tell(str(answer.get("why", "")))
        if used is not None and used >= self.limit and self._reached is None:
            self._reach(int(answer["t_ns"]), float(used))
            return "seen" if self._budget.on == "warn" else self._budget.on
        self._plan_next(answer, used)
        return "seen"

    def stopping(self) -> None:
        """Take note that SIGTERM is being sent."""
        self._late_ns = self._in_s(self._budget.grace_s)
        self._act("stopped", "SIGTERM is sent to the command")

    def ask(self, pid: int, n: int) -> None:
        """Ask the command, in its n-th start, to save and to leave (decision 0006)."""
        budget = self._budget
        asking = Asking(
            self._header.journal_dir, self._pause_file, pid=pid, n=n, signal_name=budget.pause_signal,
            grace_s=budget.grace_s, clock=self._clock,
        )  # fmt: skip
        self._act("asked", "the command is asked to save and to leave")
        try:
            asking.begin("its budget is reached")
        except (OSError, StoreError) as error:
            self._note("left running")
            self._say(f"lowtide: it cannot be asked ({error}) and is left running")
            return
        self._asking = asking

    def not_again(self) -> None:
        """Take note that a command that has saved and left is not started again."""
        self._act("saved", f"the command has saved and left and is not started again; {self._how_to_go_on()}")

    def left(self, code: int) -> None:
        """Take note that the command has left, with a status or minus a signal."""
        self._late_ns = None
        if self._asking is None:
            return
        self._asking = None
        self._note("saved" if code == EX_TEMPFAIL else "ended")
        if code == EX_TEMPFAIL:
            self._say(f"lowtide: saved and left for its budget; {self._how_to_go_on()}")

    def _how_to_go_on(self) -> str:
        command = shlex.join(self._header.command)
        return (
            f"to go on as a new run, which counts from zero: {RESUME}=1 lowtide run --budget ... -- {command}"
        )

    def stop(self) -> None:
        """Look no more: the run has ended."""
        self._thinker.stop()

    # What happens

    def _begin_look(self) -> None:
        question = {"ledger": self._ledger, "header": self._header, "budget": self._budget}
        try:
            self._thinker.ask(question)
        except OSError as error:
            self._tell(f"nobody can look at the budget ({error.strerror})")
            self._due_ns = self._in_s(first_look_s(self._header.interval_s))

    def _plan_next(self, answer: dict[str, Any], used: float | None) -> None:
        wait_s = next_look_s(
            used, self.limit, rate_per_s=self._rate_per_s(answer), took_s=self._thinker.took_s,
            age_s=(self._clock.boot_ns() - self._started_ns) / 1e9, interval_s=self._header.interval_s,
        )  # fmt: skip
        self._due_ns = self._in_s(wait_s)
        if used is not None:
            self._seen = int(answer["t_ns"]), used

    def _rate_per_s(self, answer: dict[str, Any]) -> float:
        """Return what is used a second: since the last look, or since the beginning where that is more."""
        used, t_ns = answer.get("used"), int(answer.get("t_ns", 0))
        if used is None:
            return 0.0
        since = [(int(answer["start_ns"]), 0.0), *([] if self._seen is None else [self._seen])]
        return max((used - u) / (t_ns - t) * 1e9 if t_ns > t else 0.0 for t, u in since)

    def _reach(self, t_ns: int, used: float) -> None:
        warns = self._budget.on == "warn"
        self._reached = BudgetReached(at_ns=t_ns, used=used, action="warned" if warns else "ended")
        self._keep()
        if warns:
            self._say(f"lowtide: {self._words()}; the command goes on")

    def _act(self, action: BudgetAct, words: str) -> None:
        self._note(action)
        self._say(f"lowtide: {self._words()}; {words}")

    def _note(self, action: BudgetAct) -> None:
        if self._reached is not None:
            self._reached = replace(self._reached, action=action)
            self._keep()

    def _keep(self) -> None:
        try:
            write_json(os.path.join(self._header.journal_dir, _FILE), to_plain(self._reached))
        except StoreError as error:
            self._tell(str(error))

    def _words(self) -> str:
        figure = grams if self._budget.limit_g is not None else energy
        reached = self._reached
        if reached is None:
            return ""
        t = f"{format_instant(reached.at_ns)[:19]}Z"
        words = f"the budget of {figure(self.limit)} is reached: {figure(reached.used)} by {t}"
        since_s = (self._clock.wall_ns() - reached.at_ns) / 1e9
        work_s, done_s = self._budget.work_s, self._work_done_s() - since_s
        if work_s is None or not 0.0 < done_s < work_s:
            return words
        return (
            f"{words}, {figure(reached.used * work_s / done_s)} expected in {format_duration(work_s)} of work"
        )

    def _work_done_s(self) -> float:
        if self._done_s is not None:
            return self._done_s()
        return (self._clock.boot_ns() - self._started_ns) / 1e9

    def _look_at_grace(self, asking: Asking) -> None:
        end = asking.look()
        if end is None:
            return
        self._asking = None
        try:
            asking.withdraw()
        except (OSError, StoreError) as error:
            self._tell(f"the request to save cannot be withdrawn ({error})")
        self._note("left running")
        self._say(f"lowtide: it is left running: {asking.words(end)}")

    def _tell(self, why: str) -> None:
        """Say why a budget is not watched well, once for each reason."""
        if why and why != self._said:
            self._said = why
            self._say(f"lowtide: budget: {why}")

    def _in_s(self, wait_s: float) -> int:
        return self._clock.boot_ns() + round(wait_s * 1e9)

    def _until_s(self, t_ns: int) -> float:
        return min(_FOREVER_S, max(0.001, (t_ns - self._clock.boot_ns()) / 1e9))


def _look(question: dict[str, Any], path: str) -> None:
    """Look, in the child."""
    from lowtide.runtime.budget_look import leave_look

    leave_look(question, path)
