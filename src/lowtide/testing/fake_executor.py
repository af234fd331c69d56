"""An executor in memory on a clock moved by hand, with faults on demand: for tests of code that drives one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from lowtide.doors import JobState, TaggedJob
from lowtide.errors import ExecutorError, InputError
from lowtide.executors.tags import check_tag
from lowtide.model.run_plan import PauseKind
from lowtide.testing.fakes import FakeClock
from lowtide.units import NS_PER_S, ns_from_s

__all__ = ["FakeExecutor", "Fault"]

Fault = Literal["before", "after"]
"""An act fails before anything was done, or it is done and the answer is lost."""
T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    """One job: what it is asked to be, and its goes ``[begin, end or None]``."""

    tag: str
    work_ns: int
    fails: bool
    submitted_ns: int
    data: dict[str, str]
    wanted: Literal["held", "run", "paused"] = "held"
    goes: list[tuple[int, int | None]] = field(default_factory=list)
    lost_ns: int = 0

    def done_ns(self, now_ns: int) -> int:
        spans = ((a, now_ns if b is None else b) for a, b in self.goes)
        return sum(max(0, b - a) for a, b in spans) - self.lost_ns

    def end_if_done(self, now_ns: int) -> None:
        """Close the go that has done the last of the work, at the instant at which it had."""
        over_ns = self.done_ns(now_ns) - self.work_ns
        if over_ns >= 0 and self.goes and self.goes[-1][1] is None:
            self.goes[-1] = (self.goes[-1][0], now_ns - over_ns)

    @property
    def has_ended(self) -> bool:
        end_ns = self.goes[-1][1] if self.goes else None
        return end_ns is not None and self.done_ns(end_ns) >= self.work_ns


class FakeExecutor:
    """An executor whose jobs do their work as its clock goes, for tests of code that drives one.

    A spec is ``{"work_s": 3600.0}``, with ``"fails": True`` for a job that fails at its end.

    Parameters
    ----------
    clock : FakeClock, optional
        Moved by hand; :meth:`wait` moves it too.
    pause_kind : {"checkpoint", "freeze", "none"}
    queue_s : float
        From being let begin, or go on, to running [s].
    lost_s : float
        Work since the last save, which each pause loses [s].
    faults : callable, optional
        ``act -> "before", "after" or None``: which of ``jobs submit start pause resume`` fail, and how.

    Examples
    --------
    >>> executor = FakeExecutor()
    >>> executor.submit("digits-1", {"work_s": 60.0}, data={}).state
    'held'
    >>> executor.start("digits-1")
    >>> executor.clock.advance(61.0)
    >>> executor.jobs()[0].state
    'finished'
    """

    def __init__(
        self,
        *,
        clock: FakeClock | None = None,
        pause_kind: PauseKind = "checkpoint",
        queue_s: float = 0.0,
        lost_s: float = 0.0,
        faults: Callable[[str], Fault | None] | None = None,
    ) -> None:
        self.name = "fake"
        self.pause_kind: PauseKind = pause_kind
        self.clock = FakeClock() if clock is None else clock
        self._queue_ns, self._lost_ns = ns_from_s(queue_s), ns_from_s(lost_s)
        self._faults, self._ordered = faults, deque[Fault]()
        self._jobs: dict[str, _Job] = {}
        self.acts: list[tuple[int, str, str]] = []
        """Acts that had an effect: when [ns], which, on which tag."""

    def break_next(self, fault: Fault) -> None:
        """Let the next act fail."""
        self._ordered.append(fault)

    def runs_ns(self, tag: str) -> list[tuple[int, int]]:
        """Return when a job has run [ns]."""
        job, now_ns = self._of(tag), self._now_ns()
        spans = [(a, now_ns if b is None else b) for a, b in job.goes]
        return [(a, b) for a, b in spans if b > a]

    def jobs(self) -> Sequence[TaggedJob]:
        """Return all jobs."""
        return self._do("jobs", "", lambda: [self._seen(job) for job in self._jobs.values()])

    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        """Hold a job, or return the one that is there."""
        check_tag(tag)
        work_s: Any = spec.get("work_s")
        if not isinstance(work_s, int | float) or not work_s > 0.0:
            raise InputError(f"work_s of a job for the fake must be a number above 0, got {work_s!r}")

        def act() -> TaggedJob:
            if tag not in self._jobs:
                now_ns = self._now_ns()
                fails = bool(spec.get("fails", False))
                self._jobs[tag] = _Job(tag, ns_from_s(work_s), fails, now_ns, dict(data))
                self.acts.append((now_ns, "submit", tag))
            return self._seen(self._jobs[tag])

        return self._do("submit", tag, act)

    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a held job begin."""
        self._do("start", tag, lambda: self._go(tag, "start", "held", data))

    def pause(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Stop a job."""
        if self.pause_kind == "none":
            raise ExecutorError(f"{tag}: this executor cannot pause jobs")
        self._do("pause", tag, lambda: self._stop(tag, data))

    def resume(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a paused job go on."""
        self._do("resume", tag, lambda: self._go(tag, "resume", "paused", data))

    def wait(self, timeout_s: float) -> bool:
        """Let that time pass at once."""
        self.clock.advance(timeout_s)
        return False

    def close(self) -> None:
        """Nothing is held."""

    def _now_ns(self) -> int:
        return self.clock.now().wall_ns

    def _of(self, tag: str) -> _Job:
        if tag not in self._jobs:
            raise ExecutorError(f"there is no job {tag!r}")
        job = self._jobs[tag]
        job.end_if_done(self._now_ns())
        return job

    def _do(self, act: str, tag: str, effect: Callable[[], T]) -> T:
        fault = self._ordered.popleft() if self._ordered else None
        if fault is None and self._faults is not None:
            fault = self._faults(act)
        if fault == "before":
            raise ExecutorError(f"{act} {tag}: no connection (a fault that was asked for)")
        done = effect()
        if fault == "after":
            raise ExecutorError(f"{act} {tag}: the answer was lost (a fault that was asked for)")
        return done

    def _go(self, tag: str, act: str, wanted: str, data: Mapping[str, str] | None) -> None:
        job = self._of(tag)
        if job.wanted != wanted or job.has_ended:
            return
        job.wanted = "run"
        job.goes.append((self._now_ns() + self._queue_ns, None))
        self._done(job, act, data)

    def _stop(self, tag: str, data: Mapping[str, str] | None) -> None:
        job, now_ns = self._of(tag), self._now_ns()
        if job.wanted != "run" or job.has_ended:
            return
        job.wanted = "paused"
        begin_ns = job.goes[-1][0]
        job.goes[-1] = (begin_ns, max(begin_ns, now_ns))
        if self.pause_kind == "checkpoint":
            job.lost_ns += min(self._lost_ns, max(0, now_ns - begin_ns))
        self._done(job, "pause", data)

    def _done(self, job: _Job, act: str, data: Mapping[str, str] | None) -> None:
        job.data.update(data or {})
        self.acts.append((self._now_ns(), act, job.tag))

    def _seen(self, job: _Job) -> TaggedJob:
        now_ns = self._now_ns()
        job.end_if_done(now_ns)
        begin_ns, end_ns = job.goes[-1] if job.goes else (None, None)
        state: JobState
        if job.has_ended:
            state = "failed" if job.fails else "finished"
        elif job.wanted != "run":
            state = job.wanted
        else:
            state = "running" if begin_ns is not None and begin_ns <= now_ns else "queued"
        return TaggedJob(
            tag=job.tag,
            job_id=f"fake/{job.tag}",
            state=state,
            submitted_ns=job.submitted_ns,
            started_ns=begin_ns if state == "running" else None,
            ended_ns=end_ns if job.has_ended else None,
            data=dict(job.data),
            why=f"{job.done_ns(now_ns) / NS_PER_S:g} s of work done",
        )
