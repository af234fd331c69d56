"""``check_executor`` finds what breaks a promise, and ``FakeExecutor`` keeps them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from lowtide.doors import TaggedJob
from lowtide.errors import ExecutorError, InputError
from lowtide.testing import FakeExecutor, check_executor
from lowtide.testing.executor_checks import Way

WORK = {"work_s": 1e6}


@pytest.mark.parametrize("kind", ["checkpoint", "freeze", "none"])
def test_fake_keeps_every_promise(kind) -> None:
    fake = FakeExecutor(pause_kind=kind, queue_s=0.1)
    ended: list[str] = []

    def end(tag: str) -> None:
        fake.clock.advance(2e6)
        ended.append(tag)

    check_executor(lambda: fake, spec=WORK, break_next=fake.break_next, n_copies=lambda _: 1, end=end)
    assert len(ended) == 1


def test_fake_loses_the_work_since_the_last_save_at_a_checkpoint_and_none_at_a_freeze() -> None:
    for kind, left_s in (("checkpoint", 70.0), ("freeze", 40.0)):
        fake = FakeExecutor(pause_kind=kind, lost_s=30.0)
        fake.submit("a", {"work_s": 100.0}, data={})
        fake.start("a")
        fake.clock.advance(60.0)
        fake.pause("a")
        fake.clock.advance(1000.0)
        fake.resume("a")
        fake.clock.advance(left_s - 1.0)
        assert fake.jobs()[0].state == "running"
        fake.clock.advance(5.0)
        (job,) = fake.jobs()
        assert job.state == "finished"
        assert (
            job.ended_ns == fake.clock.now().wall_ns - 4 * 10**9
        )  # when its work was done, not when it was seen


def test_fake_refuses_work_that_is_none() -> None:
    with pytest.raises(InputError, match="work_s of a job for the fake must be a number above 0, got 'x'"):
        FakeExecutor().submit("a", {"work_s": "x"}, data={})
    fake = FakeExecutor()
    fake.submit("a", {"work_s": 1.0, "fails": True}, data={})
    fake.start("a")
    fake.clock.advance(1.0)
    assert fake.jobs()[0].state == "failed"


class Broken(FakeExecutor):
    """One way of being wrong each."""


class StartsAtOnce(Broken):
    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        super().submit(tag, spec, data=data)
        self.start(tag)
        return self._seen(self._jobs[tag])


class TakesAnyTag(Broken):
    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        return super().submit(tag if tag.startswith("check") else "x", spec, data=data)


class SubmitsTwice(Broken):
    def jobs(self) -> list[TaggedJob]:
        return [job for job in super().jobs() for _ in range(2)]


class ForgetsData(Broken):
    def jobs(self) -> list[TaggedJob]:
        return [replace(job, data={}) for job in super().jobs()]


class SwallowsUnknown(Broken):
    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        if tag in self._jobs:
            super().start(tag, data=data)


class ResumesHeld(Broken):
    def resume(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        super().start(tag, data=data)
        super().resume(tag, data=data)


class StartsPaused(Broken):
    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        super().start(tag, data=data)
        super().resume(tag, data=data)


class PauseThatIsNone(Broken):
    def pause(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        self._of(tag)


class StrangeErrors(Broken):
    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        try:
            super().start(tag, data=data)
        except ExecutorError as error:
            if "fault" in str(error):
                raise OSError("connection reset") from error
            raise


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (StartsAtOnce, "a submitted job is held, got"),
        (TakesAnyTag, "takes '' for a tag; it must raise InputError"),
        (SubmitsTwice, "2 jobs have the tag"),
        (ForgetsData, "data were kept as"),
        (SwallowsUnknown, "start of a job that is not there must raise ExecutorError"),
        (ResumesHeld, "start|held"),
        (StartsPaused, "start\\(\\) of a paused job does nothing"),
        (PauseThatIsNone, "pause\\(\\) stops a running job, but it is running"),
    ],
)  # fmt: skip
def test_broken_promise_is_found_and_named(wrong: Callable[[], FakeExecutor], message: str) -> None:
    fake = wrong()
    with pytest.raises(AssertionError, match=message):
        check_executor(lambda: fake, spec=WORK, break_next=fake.break_next)


def test_error_of_another_kind_goes_through() -> None:
    fake = StrangeErrors()
    with pytest.raises(OSError, match="connection reset"):
        check_executor(lambda: fake, spec=WORK, break_next=fake.break_next)


def test_second_copy_is_found() -> None:
    fake = FakeExecutor()
    with pytest.raises(AssertionError, match="fake: 2 copies of check-"):
        check_executor(lambda: fake, spec=WORK, n_copies=lambda _: 2)


def test_executor_that_is_lost_without_an_answer_is_found() -> None:
    class Twice(FakeExecutor):
        """Makes another job when it is asked again after an answer was lost."""

        n = 0

        def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
            try:
                return super().submit(tag, spec, data=data)
            except ExecutorError:
                self.n += 1
                raise

        def jobs(self) -> list[TaggedJob]:
            found = list(super().jobs())
            return found + found[-1:] * self.n

    fake, ways = Twice(), list[Way]()

    def break_next(way: Way) -> None:
        ways.append(way)
        fake.break_next(way)

    with pytest.raises(AssertionError, match="2 jobs have the tag"):
        check_executor(lambda: fake, spec=WORK, break_next=break_next)
