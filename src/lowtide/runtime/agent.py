"""One controller for all submitted jobs of a user: starts moved, running jobs stopped and let go on.

Slurm counts the time a job stands still, so a job is stopped only as far as its own time limit leaves room: the
controller is told the earlier of its deadline and the end of its time limit. Nothing is asked of Slurm that the job's
owner could not ask.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from lowtide.errors import ExecutorError, LowtideError, StoreError
from lowtide.executors.slurm import Slurm
from lowtide.planning.control import Decision
from lowtide.runtime.agent_journal import AgentLock, Journal, key_of
from lowtide.runtime.agent_moves import move_starts
from lowtide.runtime.submitting_asking import Minded, look
from lowtide.runtime.submitting_gates import gates
from lowtide.runtime.submitting_goes import Goes
from lowtide.runtime.submitting_pacing import keep_decision, rest_of
from lowtide.runtime.submitting_promise import submissions_dir
from lowtide.runtime.submitting_replan import Move, Sites, Submitted, begin_ahead_ns, moves, submitted_jobs
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from types import TracebackType

    from lowtide.model.planning import Plan
    from lowtide.stores.ledger import Ledger

__all__ = ["Agent"]

_RUNNING: Final = ("RUNNING", "STOPPED")
_NEVER_NS: Final = 1 << 62
_AFTER_BEGIN_NS: Final = 2 * NS_PER_S
"""A job that may be paused is looked at so long after it should have begun."""
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AGAIN_S: Final = 10.0
"""When Slurm did not answer it is asked again so soon."""
_LONGEST_SLEEP_S: Final = 30.0
"""The wall clock may be set while we sleep: it is read again that often."""
_REACTION_NS: Final = NS_PER_S
"""What stopping and going on through Slurm may take: the deadline is that much earlier for the controller."""
_LAST_TRIES_S: Final = 60.0


class Agent:
    """Works on the jobs of one ledger; a context manager that is alone while it is open.

    Entering takes the lock and lets jobs go on that a former agent left stopped; leaving lets all go on.

    Parameters
    ----------
    ledger : Ledger
    slurm : Slurm
    say : callable
        Gets a line for each thing done and each that failed.
    clock : callable
        Returns the time [ns since 1970 UTC].
    """

    def __init__(
        self,
        ledger: Ledger,
        slurm: Slurm,
        *,
        say: Callable[[str], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        folder = submissions_dir(ledger)
        self._ledger, self._slurm, self._say, self._clock = ledger, slurm, say, clock
        self._lock = AgentLock(os.path.join(folder, "agent.lock"))
        self._journal_path = os.path.join(folder, "agent.jsonl")
        self._journal: Journal
        self._plans: dict[str, Plan] = {}
        self.n_failed = 0

    def __enter__(self) -> Agent:
        self._lock.take()
        try:
            self._journal = Journal(self._journal_path)
            self._thaw_all("left by a former agent")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thaw_all("the agent ends")
        finally:
            self._lock.release()

    def round(self, *, may_freeze: bool) -> int:
        """Look at all jobs once and do what is to be done; return when to look again at the latest [ns].

        Parameters
        ----------
        may_freeze : bool
            False: jobs are let go on and never stopped, for rounds that nobody follows up.

        Raises
        ------
        ExecutorError
            If Slurm does not answer.
        """
        now_ns = self._clock()
        submitted = submitted_jobs(self._slurm, self._ledger, say=self._say)
        running = [one for one in submitted if one.job.state in _RUNNING]
        self._journal.forget([_key(one) for one in running])
        self._drop_ended(running)
        concerned = [one for one in running if one.promise.pause != "none"] if may_freeze else []
        sites = Sites(now_ns, submitted)
        until_ns = min((self._mind(one, sites, now_ns) for one in concerned), default=_NEVER_NS)
        self._move(moves(submitted, sites, now_ns=now_ns, say=self._say), now_ns)
        self._move(gates(submitted, sites, now_ns, say=self._say), now_ns)
        begins = [begin for one in submitted if (begin := _watched_from_ns(one, now_ns)) is not None]
        return min([until_ns, *begins])

    def serve(self, *, every_s: float) -> None:
        """Do rounds until SIGTERM, SIGINT or SIGHUP, then let all jobs go on.

        Parameters
        ----------
        every_s : float
            A round at least that often; a job whose plan changes sooner is looked at then.
        """
        ended = threading.Event()
        numbers = [n for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN]  # as nohup ignores SIGHUP
        before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
        try:
            while not ended.is_set():
                until_ns = self._clock() + ns_from_s(every_s)
                try:
                    until_ns = min(until_ns, self.round(may_freeze=True))
                except (ExecutorError, OSError) as error:
                    self._fail(str(error))
                    until_ns = min(until_ns, self._clock() + ns_from_s(_AGAIN_S))
                _sleep_until(until_ns, ended)
        finally:
            self._thaw_all("the agent ends")
            for number, handler in before.items():
                signal.signal(number, handler)

    def _mind(self, one: Submitted, sites: Sites, now_ns: int) -> int:
        """Stop a running job, ask it to save, let it go on or leave it; return when to look again [ns]."""
        if one.promise.pause == "freeze":
            return self._pace(one, sites, now_ns)
        minded = Minded(
            ledger=self._ledger, slurm=self._slurm, label=one.job.label, say=self._say, clock=self._clock
        )
        try:
            wait_s = look(minded)
        except LowtideError as error:
            self._fail(f"job {one.job.label} is not paused: {error}")
            return _NEVER_NS
        return _NEVER_NS if wait_s is None else now_ns + ns_from_s(wait_s)

    def _move(self, wanted: Sequence[Move], now_ns: int) -> None:
        move_starts(
            wanted, self._ledger, self._slurm, self._journal, now_ns=now_ns, say=self._say, fail=self._fail
        )

    def _pace(self, one: Submitted, sites: Sites, now_ns: int) -> int:
        """Stop a running job, let it go on or leave it; return when to look again [ns]."""
        key = _key(one)
        stopped = self._journal.of(key).since_ns is not None
        try:
            decision = self._decide(one, sites, now_ns, "paused" if stopped else "running")
        except LowtideError as error:  # nobody may stand still because a file is gone
            self._fail(f"job {one.job.label} is not paused: {error}")
            if stopped:
                self._go_on([key], "its intensity is not known")
            return _NEVER_NS
        if decision.plan is not None:
            self._plans[key] = decision.plan
        if decision.act == "hold" and not stopped:
            self._stop(key, decision.why)
        elif decision.act == "run" and stopped:
            self._go_on([key], decision.why)
        return decision.until_ns

    def _decide(
        self, one: Submitted, sites: Sites, now_ns: int, begun: Literal["running", "paused"]
    ) -> Decision:
        promise, job, key = one.promise, one.job, _key(one)
        start_ns = now_ns if job.start_ns is None else min(now_ns, job.start_ns)
        still = self._journal.of(key)
        limit_ns = _NEVER_NS if job.end_ns is None or job.time_limit_s is None else job.end_ns
        rest = rest_of(
            promise, sites.of(promise), now_ns=now_ns, begun=begun,
            done_s=max(0, now_ns - start_ns - still.total_ns(now_ns)) / NS_PER_S,
            runs_ns=still.runs_ns(start_ns, now_ns),
            until_ns=min(promise.deadline_ns, limit_ns) - _REACTION_NS,
            plan=self._plans.get(key),
        )  # fmt: skip
        problem = keep_decision(Goes(self._ledger, job.label), promise, rest)
        if problem:
            self._fail(f"job {job.label}: its plan is not kept: {problem}")
        return rest.decision

    def _stop(self, key: str, why: str) -> None:
        label = key.partition("@")[0]
        try:
            self._journal.write("stop", [key], at_ns=self._clock())
        except StoreError as error:  # after a kill nobody would know that it stands still
            self._fail(f"job {label} is not stopped: {error}")
            return
        try:
            self._slurm.stop(label)
        except ExecutorError as error:
            self._fail(f"job {label} could not be stopped: {error}")
            self._go_on([key], "it may have been stopped in part")
            return
        self._say(f"job {label}: stopped ({why})")

    def _go_on(self, keys: Sequence[str], why: str) -> list[str]:
        """Let jobs go on; return those that could not be told so."""
        left = []
        for key in keys:
            label = key.partition("@")[0]
            self._note("go-on", [key])
            try:
                self._slurm.go_on(label)
            except ExecutorError as error:
                self._fail(f"job {label} could not be let go on: {error}")
                left.append(key)
                continue
            self._note("went-on", [key])
            self._say(f"job {label}: goes on ({why})")
        return left

    def _drop_ended(self, running: Sequence[Submitted]) -> None:
        """Close the pauses of jobs that are no more: cancelled while they stood still."""
        alive = {_key(one) for one in running}
        ended = [key for key in self._journal.stopped() if key not in alive]
        if ended:
            self._note("went-on", ended)

    def _note(self, act: str, keys: Sequence[str]) -> None:
        """Write down an act that a full disk must not prevent."""
        at_ns = self._clock()
        try:
            self._journal.write(act, keys, at_ns=at_ns)
        except StoreError as error:
            self._fail(str(error))
            self._journal.remember(act, keys, at_ns=at_ns)

    def _thaw_all(self, why: str) -> None:
        """Let all stopped jobs go on, patiently: Slurm may be away for a moment."""
        until = time.monotonic() + _LAST_TRIES_S
        while self._journal.stopped():
            try:
                jobs = submitted_jobs(self._slurm, self._ledger, say=self._say)
                self._drop_ended([one for one in jobs if one.job.state in (*_RUNNING, "SUSPENDED")])
            except (LowtideError, OSError) as error:
                self._fail(str(error))
            if not self._go_on(self._journal.stopped(), why):
                return
            if time.monotonic() > until:
                labels = " ".join(key.partition("@")[0] for key in self._journal.stopped())
                self._fail(
                    f"still stopped: {labels}; `scancel --signal=CONT --full {labels}` lets them go on"
                )
                return
            time.sleep(1.0)

    def _fail(self, line: str) -> None:
        self.n_failed += 1
        self._say(f"lowtide: {line}")


def _sleep_until(until_ns: int, ended: threading.Event) -> None:
    while not ended.is_set() and (left_s := (until_ns - time.time_ns()) / 1e9) > 0.0:
        ended.wait(min(left_s, _LONGEST_SLEEP_S))


def _key(one: Submitted) -> str:
    return key_of(one.job.label, one.job.start_ns)


def _watched_from_ns(one: Submitted, now_ns: int) -> int | None:
    """Return when a waiting job that may be paused is to be looked at [ns]."""
    begin_ns = begin_ahead_ns(one, now_ns) if one.promise.pause != "none" else None
    return None if begin_ns is None else begin_ns + _AFTER_BEGIN_NS
