"""One controller for all jobs of an executor: held ones started, running ones paused, paused ones resumed.

What a job is and has done is kept with the job, so an agent may be killed at any moment and another go on; what each
act is for is decided anew from there. Each act may be repeated, so whether one was done before a crash does not matter.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lowtide.errors import ExecutorError, LowtideError, StoreError
from lowtide.model.planning import Plan
from lowtide.planning.control import Decision, View, decide
from lowtide.quantities import format_duration
from lowtide.runtime.agent_jobs_log import ActLog
from lowtide.runtime.agent_jobs_sites import PromisedSites, ReadSite, kept_plan
from lowtide.runtime.agent_journal import AgentLock
from lowtide.runtime.submitting_elsewhere import merged_spans, promise_of, spans_text, text_spans
from lowtide.runtime.submitting_text import short_instant
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from types import TracebackType

    from lowtide.doors import Executor, TaggedJob
    from lowtide.runtime.submitting_promise import Promise

__all__ = ["JobsAgent"]

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NEVER_NS: Final = 1 << 62
_AGAIN_NS: Final = 10 * NS_PER_S
"""What failed is tried again so soon."""
_LOOK_NS: Final = 15 * NS_PER_S
"""Jobs are looked at that often; a new one may have a deadline soon."""
_GATHER_S: Final = 0.5
_REPEAT_NS: Final = 60 * NS_PER_S
"""An act that shows no effect yet is repeated only then: pods may take a minute to save."""
_REACTION_FRACTION: Final = 0.01
_MOST_REACTION_NS: Final = 60 * NS_PER_S
"""Deadlines are that much earlier for the controller: what looking, acting and repeating an act may take."""
_LEAST_FRACTION: Final = 0.02
_MOST_LEAST_S: Final = 900.0
"""A shorter run or pause is not worth ending pods and making new ones."""
Act = Literal["start", "pause", "resume"]


@dataclass(frozen=True, slots=True)
class _Thought:
    """A decision, and what it was made for."""

    decision: Decision
    state: str
    at_ns: int


class JobsAgent:
    """Works on the jobs of one executor; a context manager that is alone while it is open.

    Parameters
    ----------
    executor : Executor
    folder : str
        Where its log and its lock are.
    say : callable
        Gets a line for each thing done and each that failed.
    clock : callable
        Returns the time [ns since 1970 UTC].
    read_site : callable, optional
        ``(promise, now_ns) -> SiteOption``: the intensity as known now; may raise LowtideError.
    every_s : float
        Decisions are made anew that often, or earlier where a job's plan changes.
    name : str
        Of its log and its lock; by default the executor's. Each cluster and namespace needs one of its own.
    """

    def __init__(
        self,
        executor: Executor,
        folder: str,
        *,
        say: Callable[[str], None],
        clock: Callable[[], int] = time.time_ns,
        read_site: ReadSite | None = None,
        every_s: float = 900.0,
        name: str = "",
    ) -> None:
        self._executor, self._say, self._clock = executor, say, clock
        self.n_failed = 0
        self._every_ns = ns_from_s(every_s)
        self._lock = AgentLock(os.path.join(folder, f"{name or executor.name}.lock"))
        self._log = ActLog(os.path.join(folder, f"{name or executor.name}.jsonl"))
        self._thoughts: dict[str, _Thought] = {}
        self._plans: dict[str, Plan] = {}
        self._sites = PromisedSites(read_site, every_ns=ns_from_s(every_s), fail=self._fail)
        self._promises: dict[str, tuple[str, Promise]] = {}
        self._states: dict[str, str] = {}
        self._acts: dict[str, tuple[Act, int]] = {}
        self._latest: dict[str, int] = {}
        self._unread: set[str] = set()

    def __enter__(self) -> JobsAgent:
        self._lock.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._latest:
            first_ns = min(self._latest.values())
            self._say(
                f"lowtide: the agent ends; {len(self._latest)} held or paused: the next agent must be there by "
                f"{short_instant(first_ns)}"
            )
        self._lock.release()

    def round(self) -> int:
        """Look at all jobs once and do what is to be done; return when to decide again at the latest [ns].

        Raises
        ------
        ExecutorError
            If the executor does not answer.
        """
        jobs = self._executor.jobs()
        now_ns = self._clock()
        self._log.forget({job.tag for job in jobs})
        self._latest = {tag: t for tag, t in self._latest.items() if tag in {job.tag for job in jobs}}
        return min([self._mind(job, now_ns) for job in jobs], default=_NEVER_NS)

    def serve(self) -> None:
        """Do rounds until SIGTERM, SIGINT or SIGHUP. Jobs are left as they are then: held ones wait for the next."""
        ended: list[int] = []
        numbers = [n for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN]  # as nohup ignores SIGHUP
        before = {number: signal.signal(number, lambda n, _: ended.append(n)) for number in numbers}
        try:
            while not ended:
                until_ns = self._clock() + _LOOK_NS
                try:
                    until_ns = min(until_ns, self.round())
                except (LowtideError, OSError) as error:
                    self._fail(str(error))
                    until_ns = self._clock() + _AGAIN_NS
                while not ended and (left_s := (until_ns - self._clock()) / 1e9) > 0.0:
                    if self._executor.wait(min(left_s, 1.0)):
                        time.sleep(min(left_s, _GATHER_S))  # one look for changes that come together
                        break
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _mind(self, job: TaggedJob, now_ns: int) -> int:
        """Do what one job needs; return when to decide again [ns]."""
        before, self._states[job.tag] = self._states.get(job.tag), job.state
        if job.state in ("finished", "failed"):
            self._tell_end(job, now_ns)
            return _NEVER_NS
        try:
            promise = self._promise(job)
        except ExecutorError as error:
            if job.tag not in self._unread:
                self._unread.add(job.tag)
                self._fail(f"{error}; it is left as it is")
            return _NEVER_NS
        runs = self._runs(job, before, now_ns)
        thought = self._thoughts.get(job.tag)
        stale = thought is None or thought.state != job.state or now_ns >= thought.at_ns + self._every_ns
        if stale or thought is None or now_ns >= thought.decision.until_ns:
            thought = _Thought(self._decide(job, promise, runs, now_ns), job.state, now_ns)
            self._thoughts[job.tag] = thought
        act = _act(thought.decision.act, job.state)
        if act is not None and not self._do(act, job, runs, thought.decision, now_ns):
            return now_ns + _AGAIN_NS
        return min(thought.decision.until_ns, thought.at_ns + self._every_ns)

    def _promise(self, job: TaggedJob) -> Promise:
        """Return what was promised of a job, decoded once."""
        text = job.data.get("promise", "")
        had = self._promises.get(job.tag)
        if had is None or had[0] != text:
            had = self._promises[job.tag] = (text, promise_of(job))
        return had[1]

    def _decide(self, job: TaggedJob, promise: Promise, runs: list[tuple[int, int]], now_ns: int) -> Decision:
        reaction_ns = round((promise.deadline_ns - promise.submitted_ns) * _REACTION_FRACTION)
        begun: Literal["running", "paused"] | None = None
        if job.state != "held":
            begun = "paused" if job.state == "paused" else "running"
        site = self._sites.of(promise, now_ns)
        view = View(
            now_ns=now_ns,
            job=promise.job,
            site=site,
            deadline_ns=promise.deadline_ns - min(reaction_ns, _MOST_REACTION_NS),
            begun=begun,
            done_s=sum(b - a for a, b in runs) / NS_PER_S,
            may_pause=promise.pause != "none",
            margin_fraction=promise.margin_fraction,
            min_saving_fraction=promise.min_saving_fraction,
            plan=self._plans.get(job.tag) or kept_plan(job, promise, site),
            least_s=min(_LEAST_FRACTION * promise.job.work_s, _MOST_LEAST_S),
        )
        decision = decide(view)
        if decision.plan is not None:
            self._plans[job.tag] = decision.plan
        if decision.act == "hold":
            self._latest[job.tag] = view.latest_ns
        else:
            self._latest.pop(job.tag, None)
        return decision

    def _runs(self, job: TaggedJob, before: str | None, now_ns: int) -> list[tuple[int, int]]:
        """Return when a job has run until now, as kept with it, and its present go."""
        runs = text_spans(job.data.get("runs", ""))
        if job.state == "running" and job.started_ns is not None:
            begin_ns = self._log.begin_ns(job.tag, job.started_ns)
            if begin_ns is None:
                begin_ns = self._first_seen(job, before, now_ns)
            runs.append((min(begin_ns, now_ns), now_ns))
        return merged_spans(runs)

    def _first_seen(self, job: TaggedJob, before: str | None, now_ns: int) -> int:
        """Return since when a go that is seen for the first time has run: never too early, for it is work done.

        One that we have just let go on runs since the executor says so. One that waited for its turn, or began
        while nobody looked, may have begun to work much later than it was let.
        """
        started_ns = now_ns if job.started_ns is None else job.started_ns
        seen_before = before in ("held", "paused") and self._acts.get(job.tag, ("", 0))[0] in (
            "start",
            "resume",
        )
        begin_ns = min(started_ns, now_ns) if seen_before else now_ns
        try:
            self._log.write("runs", job.tag, at_ns=now_ns, go_ns=started_ns, begin_ns=begin_ns)
        except StoreError as error:  # counted again from now on after a restart: late is safe
            self._fail(str(error))
        return begin_ns

    def _do(
        self, act: Act, job: TaggedJob, runs: list[tuple[int, int]], decision: Decision, now_ns: int
    ) -> bool:
        """Note an act and do it; return whether it went well."""
        last, at_ns = self._acts.get(job.tag, ("", -_NEVER_NS))
        if last == act and now_ns - at_ns < _REPEAT_NS:
            return True
        data = {"plan": spans_text(_plan_spans(decision.plan))} if decision.plan is not None else {}
        if act == "pause":
            data["runs"] = spans_text(runs)
        try:
            self._log.write(act, job.tag, at_ns=now_ns)
            getattr(self._executor, act)(job.tag, data=data)
        except (ExecutorError, StoreError) as error:
            self._fail(f"{job.job_id}: {act} has not been done: {error}")
            return False
        self._acts[job.tag] = (act, now_ns)
        self._say(f"{job.job_id}: {_WORDS[act]} ({decision.why})")
        return True

    def _tell_end(self, job: TaggedJob, now_ns: int) -> None:
        """Say once how a job ended, and whether in time."""
        self._latest.pop(job.tag, None)
        if self._log.has_told_end(job.tag):
            return
        said = f"{job.job_id}: {job.state}"
        try:
            deadline_ns = promise_of(job).deadline_ns
        except ExecutorError:
            deadline_ns = None  # said when it was first seen
        if job.ended_ns is not None and deadline_ns is not None:
            apart = format_duration(abs(deadline_ns - job.ended_ns) / 1e9)
            said += f", {apart} {'before' if job.ended_ns <= deadline_ns else 'AFTER'} its deadline"
        self._say(f"{said} ({job.why})" if job.why else said)
        try:
            self._log.write("ended", job.tag, at_ns=now_ns)
        except StoreError as error:
            self._fail(str(error))

    def _fail(self, line: str) -> None:
        self.n_failed += 1
        self._say(f"lowtide: {line}")


_WORDS: Final[dict[Act, str]] = {"start": "starts", "pause": "pauses", "resume": "goes on"}


def _act(wanted: Literal["run", "hold"], state: str) -> Act | None:
    """Return what brings a job from its state to what is wanted of it."""
    if wanted == "run":
        acts: dict[str, Act] = {"held": "start", "paused": "resume"}
        return acts.get(state)
    return "pause" if state in ("queued", "running") else None


def _plan_spans(plan: Plan | None) -> list[tuple[int, int]]:
    segments = () if plan is None else plan.segments
    return merged_spans((s.start_ns, s.end_ns) for s in segments if s.kind in ("run", "resume"))
