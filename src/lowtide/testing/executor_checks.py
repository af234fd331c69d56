"""Checks that an object is an executor; each raises AssertionError saying which promise it breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

from lowtide.doors import Executor, JobState, TaggedJob
from lowtide.errors import ExecutorError, InputError
from lowtide.executors.tags import new_tag
from lowtide.model.run_plan import PauseKind

__all__ = ["check_executor"]

_MOST_LOOKS: Final = 400
_BAD_TAGS: Final = ("", "Digits", "-digits", "digits-", "di gits", "d" * 51, "di/gits", "di\ngits")
Way = Literal["before", "after"]


def check_executor(
    make: Callable[[], Executor],
    *,
    spec: Mapping[str, object],
    wait_s: float = 0.05,
    break_next: Callable[[Way], None] | None = None,
    n_copies: Callable[[str], int] | None = None,
    end: Callable[[str], None] | None = None,
) -> None:
    """Check an executor: jobs are held, started, paused and resumed, any number of times, and never run twice.

    Parameters
    ----------
    make : callable
        Opens an executor on the same jobs each time, as another process would after a crash.
    spec : mapping
        A job that runs longer than the check takes, some dozens of looks `wait_s` apart.
    wait_s : float
        Time between two looks [s].
    break_next : callable, optional
        Lets the next act fail ``"before"`` it is done, or ``"after"``, the answer lost. Without it what happens
        when the network fails is not checked.
    n_copies : callable, optional
        ``tag -> the most copies that ever ran at once``, as the jobs themselves would tell.
    end : callable, optional
        Lets a running job come to its end.

    Examples
    --------
    >>> from lowtide.testing import FakeExecutor
    >>> fake = FakeExecutor(queue_s=0.1)
    >>> check_executor(lambda: fake, spec={"work_s": 1e6}, break_next=fake.break_next)
    """
    check = _Check(make, spec, wait_s)
    try:
        check.members()
        check.refusals()
        check.life(end)
        if break_next is not None:
            check.faults(break_next)
        for tag in check.tags if n_copies is not None else ():
            n = n_copies(tag)  # type: ignore[misc]
            assert n <= 1, f"{check.who}: {n} copies of {tag} ran at once"
    finally:
        check.executor.close()


class _Check:
    """One executor under examination; opened anew between steps, so that nothing may be kept in it alone."""

    def __init__(self, make: Callable[[], Executor], spec: Mapping[str, object], wait_s: float) -> None:
        self._make, self._spec, self._wait_s = make, spec, wait_s
        self.executor = make()
        self.who = self.executor.name
        self.tags: list[str] = []

    @property
    def pauses(self) -> bool:
        return self.executor.pause_kind != "none"

    def reopen(self) -> None:
        self.executor.close()
        self.executor = self._make()

    def members(self) -> None:
        assert self.who, "an executor has a name"
        assert self.who == self.who.strip(), f"{self.who!r} has space around it"
        kinds = get_args(PauseKind)
        kind = self.executor.pause_kind
        assert kind in kinds, f"{self.who}: pause_kind {kind!r} is none of {kinds}"

    def refusals(self) -> None:
        for tag in _BAD_TAGS:
            try:
                self.executor.submit(tag, self._spec, data={})
            except InputError:
                continue
            raise AssertionError(f"{self.who} takes {tag!r} for a tag; it must raise InputError")
        for act in ("start", "pause", "resume"):
            try:
                getattr(self.executor, act)("nobody-has-this-tag")
            except ExecutorError:
                continue
            raise AssertionError(f"{self.who}: {act} of a job that is not there must raise ExecutorError")

    def life(self, end: Callable[[str], None] | None) -> None:
        tag = self.submitted({"a": "1", "b": 'two "words"\n'})
        again = self.executor.submit(tag, self._spec, data={"a": "other"})
        assert again.data["a"] == "1", f"{self.who}: submitting a tag again must leave its job as it is"
        self.pause_if_it_can(tag)
        self.resume(tag)
        self.seen(tag, "held", "a held job stays held until start()")
        self.twice(lambda: self.executor.start(tag, data={"c": "3"}))
        self.seen(tag, "running", "start() lets a held job begin")
        job = self.job(tag)
        assert job.started_ns is not None, f"{self.who}: a running job has started_ns"
        kept = {key: job.data.get(key) for key in "abc"}
        assert kept == {"a": "1", "b": 'two "words"\n', "c": "3"}, f"{self.who}: data were kept as {kept}"
        self.resume(tag)
        assert self.job(tag).started_ns == job.started_ns, (
            f"{self.who}: resume() of a running job restarts it"
        )
        self.pause_and_resume(tag, job)
        if end is not None:
            end(tag)
            self.seen(tag, "finished", "a job that came to its end is finished")
            self.after_the_end(tag)

    def pause_and_resume(self, tag: str, before: TaggedJob) -> None:
        if not self.pauses:
            try:
                self.executor.pause(tag)
            except ExecutorError:
                return
            raise AssertionError(f"{self.who} cannot pause and must raise ExecutorError when asked to")
        self.twice(lambda: self.executor.pause(tag, data={"c": "4"}))
        self.seen(tag, "paused", "pause() stops a running job")
        job = self.job(tag)
        assert job.data.get("c") == "4", f"{self.who}: pause() does not keep its data"
        assert job.ended_ns is None, f"{self.who}: a paused job has not ended"
        self.executor.start(tag)
        self.seen(tag, "paused", "start() of a paused job does nothing; resume() lets it go on")
        self.twice(lambda: self.executor.resume(tag))
        self.seen(tag, "running", "resume() lets a paused job go on")
        assert self.job(tag).job_id, f"{self.who}: a job has an id"
        assert before.submitted_ns == self.job(tag).submitted_ns, f"{self.who}: submitted_ns must not change"

    def after_the_end(self, tag: str) -> None:
        ended = self.job(tag)
        assert ended.ended_ns is not None, f"{self.who}: a finished job has ended_ns"
        self.pause_if_it_can(tag)
        self.resume(tag)
        self.executor.start(tag)
        self.executor.submit(tag, self._spec, data={})
        self.executor.wait(self._wait_s)
        assert self.job(tag) == ended, f"{self.who}: acts on a job that has ended must do nothing"

    def faults(self, break_next: Callable[[Way], None]) -> None:
        ways: tuple[Way, ...] = ("before", "after")
        for way in ways:
            tag = new_tag("check")
            self.tags.append(tag)
            self.broken(lambda tag=tag: self.executor.submit(tag, self._spec, data={}), break_next, way)  # type: ignore[misc]
            self.seen(tag, "held", f"submit() repeated after a fault {way} it")
            acts: list[tuple[str, JobState]] = [("start", "running")]
            acts += [("pause", "paused"), ("resume", "running")] if self.pauses else []
            for act, state in acts:
                self.broken(lambda act=act, tag=tag: getattr(self.executor, act)(tag), break_next, way)  # type: ignore[misc]
                self.seen(tag, state, f"{act}() repeated after a fault {way} it")
            self.pause_if_it_can(tag)

    def broken(self, act: Callable[[], object], break_next: Callable[[Way], None], way: Way) -> None:
        """Do an act that fails, and repeat it in an executor that was opened anew."""
        break_next(way)
        said = "nothing: it repeated the act itself"
        try:
            act()
        except ExecutorError as error:
            said = str(error)
        assert said, f"{self.who}: an error must say what failed"
        self.reopen()
        act()

    def submitted(self, data: Mapping[str, str]) -> str:
        tag = new_tag("check")
        self.tags.append(tag)
        job = self.executor.submit(tag, self._spec, data=data)
        assert (job.tag, job.state) == (tag, "held"), f"{self.who}: a submitted job is held, got {job}"
        assert job.submitted_ns is not None, f"{self.who}: a submitted job has submitted_ns"
        self.reopen()
        return tag

    def pause_if_it_can(self, tag: str) -> None:
        if self.pauses:
            self.executor.pause(tag)

    def resume(self, tag: str) -> None:
        self.executor.resume(tag)

    def twice(self, act: Callable[[], None]) -> None:
        act()
        self.reopen()
        act()

    def job(self, tag: str) -> TaggedJob:
        found = [job for job in self.executor.jobs() if job.tag == tag]
        assert len(found) == 1, f"{self.who}: {len(found)} jobs have the tag {tag}, and one must"
        return found[0]

    def seen(self, tag: str, state: JobState, promise: str) -> None:
        """Look until a job is in a state; what a queue may take is given."""
        for _ in range(_MOST_LOOKS):
            job = self.job(tag)
            if job.state == state:
                return
            self.executor.wait(self._wait_s)
        raise AssertionError(f"{self.who}: {promise}, but it is {job.state} ({job.why})")
