"""The agent over any executor: hours it chooses, faults it meets, agents that are killed, providers that are dead."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_jobs_cases import START_NS, live, make_promise, site_of_hours

from lowtide.errors import ExecutorError, UnreachableError
from lowtide.planning.sites import SiteOption
from lowtide.runtime.agent_jobs import JobsAgent
from lowtide.runtime.agent_jobs_log import ActLog
from lowtide.runtime.submitting_elsewhere import data_of
from lowtide.runtime.submitting_promise import Promise
from lowtide.testing import FakeExecutor
from lowtide.testing.fakes import FakeClock
from lowtide.units import NS_PER_H, NS_PER_S

DAY = (300, 300, 100, 100, 300, 300, 300, 300, 100, 300, 300, 300)
"""Clean from 02:00 to 04:00 and from 08:00 to 09:00."""
MINUTE_NS = 60 * NS_PER_S


class Case:
    """An executor on a clock moved by hand, and an agent that is told the intensity."""

    def __init__(self, folder: Path, **given: object) -> None:
        self.executor = FakeExecutor(**given)  # type: ignore[arg-type]
        self.clock: FakeClock = self.executor.clock
        self.folder, self.said = folder, list[str]()
        self.site: SiteOption | None = site_of_hours(DAY)

    def agent(self, **given: float) -> JobsAgent:
        return JobsAgent(
            self.executor, str(self.folder), say=self.said.append, clock=lambda: self.clock.now().wall_ns,
            read_site=self.read, **given,
        )  # fmt: skip

    def read(self, promise: Promise, now_ns: int) -> SiteOption:
        if self.site is None:
            raise UnreachableError("no answer", provider="dead")
        return self.site

    def submit(self, tag: str = "digits-1", *, work_h: float = 2.0, **given: object) -> None:
        promise = make_promise(**{"hours": 2.0, "within_h": 12.0, **given})  # type: ignore[arg-type]
        start = promise.first
        data = data_of(promise, plan=[(start.start_ns, start.end_ns)])
        self.executor.submit(tag, {"work_s": work_h * 3600.0}, data=data)

    def live(self, hours: float, **given: object) -> None:
        live(self.executor, self.clock, self.agent, hours=hours, **given)  # type: ignore[arg-type]

    def hours(self, tag: str = "digits-1") -> list[tuple[float, float]]:
        """Return when a job ran, in hours from the start to the nearest hundredth."""
        spans = self.executor.runs_ns(tag)
        return [(round((a - START_NS) / NS_PER_H, 2), round((b - START_NS) / NS_PER_H, 2)) for a, b in spans]


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    return Case(tmp_path)


def test_job_runs_in_the_clean_hours_and_is_paused_between_them(case: Case) -> None:
    case.submit(work_h=2.2, hours=2.2)
    case.live(12.0)
    # With its margin 2.42 h are left: both clean stretches, 3 h, hold it; it is done 0.2 h into the second.
    assert case.hours() == [(2.0, 4.0), (8.0, 8.2)]
    assert [act for _, act, _ in case.executor.acts] == ["submit", "start", "pause", "resume"]
    assert case.said[-1] == "fake/digits-1: finished, 3h48m before its deadline (7920 s of work done)"


def test_job_that_may_not_be_paused_runs_through(case: Case) -> None:
    case.submit(pause="none")
    case.live(12.0)
    assert [end - start for start, end in case.hours()] == [2.0]
    assert [act for _, act, _ in case.executor.acts] == ["submit", "start"]


def test_each_act_is_in_the_log_before_it_is_done(case: Case) -> None:
    case.submit()
    case.executor.break_next("before")  # the first look
    with case.agent() as agent, pytest.raises(ExecutorError, match="no connection"):
        agent.round()
    case.site = site_of_hours((1, *[300] * 11))
    case.executor._faults = lambda act: "before" if act == "start" else None
    with case.agent() as agent:
        assert agent.round() == START_NS + 10 * NS_PER_S  # tried again so soon
    lines = [json.loads(line) for line in (case.folder / "fake.jsonl").read_text().split("\n") if line]
    assert [(line["act"], line["tag"]) for line in lines] == [("start", "digits-1")]
    assert case.said == [
        "lowtide: fake/digits-1: start has not been done: start digits-1: no connection (a fault that was asked for)"
    ]


def test_job_is_done_in_time_when_the_provider_is_dead_from_the_beginning(case: Case) -> None:
    case.site = None
    case.submit(hours=2.0, within_h=6.0)
    case.live(6.0)
    (span,) = case.hours()
    assert span[1] <= 6.0
    assert case.said[0].startswith(
        "lowtide: intensity of DE cannot be read, the last plans are followed: dead: no an"
    )
    assert len([line for line in case.said if "cannot be read" in line]) == 1  # said once, not each time


def test_last_plan_is_followed_by_another_agent_while_the_provider_is_dead(case: Case) -> None:
    case.submit(work_h=2.2, hours=2.2)
    case.live(2.5)
    assert case.hours() == [(2.0, 2.5)]
    case.site = None  # what the next one knows is kept with the job: the plan it was started by
    case.live(9.5)
    # 2.42 h with the margin: 1.42 h of the first clean stretch and all of the second, as good as any other share
    assert case.hours() == [(2.0, 3.42), (8.0, 8.78)]


def test_deadline_goes_before_everything(case: Case) -> None:
    case.site = site_of_hours((900, 900, 900, 900, 900, 1, 1, 1, 1, 1, 1, 1))
    case.submit(hours=2.0, within_h=4.0, pause="none")
    case.live(4.0)
    (span,) = case.hours()
    # 2 h of work and 10 %, and 1 % of 4 h for what acts take: begun by 1.78 h at the latest
    assert span[1] - span[0] == 2.0
    assert span[0] <= 1.77


def test_killed_agent_is_followed_by_one_that_knows_as_much(case: Case) -> None:
    case.submit(work_h=2.2, hours=2.2)
    case.live(12.0, every_kill=lambda: True)
    assert case.hours() == [(2.0, 4.0), (8.0, 8.2)]
    with case.agent() as agent:
        agent.round()
    assert len([line for line in case.said if "finished" in line]) == 1  # told by one of them alone


def test_time_in_the_executors_queue_is_not_counted_as_work(tmp_path: Path) -> None:
    case = Case(tmp_path, queue_s=1800.0)
    case.submit(work_h=2.0, hours=2.0, pause="none")
    with case.agent() as agent:
        case.clock.advance(2 * 3600.0)
        agent.round()
        assert case.executor.jobs()[0].state == "queued"
        case.clock.advance(1800.0)
        agent.round()
    line = [json.loads(text) for text in (tmp_path / "fake.jsonl").read_text().split("\n") if text][-1]
    assert line["act"] == "runs"
    assert line["begin_ns"] == START_NS + round(2.5 * NS_PER_H)


def test_second_agent_is_refused(case: Case) -> None:
    with case.agent(), pytest.raises(ExecutorError, match="an agent works on these jobs already"):
        case.agent().__enter__()


def test_agent_that_ends_says_until_when_the_next_must_be_there(case: Case) -> None:
    case.submit(hours=2.0, within_h=10.0)
    with case.agent() as agent:
        agent.round()
    # 10 h less 2.2 h of work with its margin, less a minute for what acts take
    assert case.said == [
        "lowtide: the agent ends; 1 held or paused: the next agent must be there by 2026-01-01T07:47Z"
    ]


def test_job_without_a_promise_is_left_as_it_is_and_said_once(case: Case) -> None:
    case.executor.submit("mine-1", {"work_s": 60.0}, data={"promise": "{}"})
    with case.agent() as agent:
        agent.round()
        agent.round()
    assert case.executor.jobs()[0].state == "held"
    (said,) = case.said
    assert said.startswith(
        "lowtide: fake/mine-1 says nothing of what was promised (fake/mine-1: Promise.job_id is"
    )


def test_log_survives_a_line_that_was_cut_short(tmp_path: Path) -> None:
    log = ActLog(str(tmp_path / "a.jsonl"))
    log.write("runs", "a-1", at_ns=1, go_ns=5, begin_ns=7)
    with open(log.path, "a") as file:
        file.write('{"at_ns": 2, "act": "ended", "ta')
    log = ActLog(log.path)
    assert log.begin_ns("a-1", 5) == 7
    assert not log.has_told_end("a-1")
    log.write("ended", "a-1", at_ns=3)
    assert ActLog(log.path).has_told_end("a-1")


def test_200_jobs_through_faults_and_kills_are_in_time_and_run_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    clock = FakeClock()
    quiet = [False]

    def fault(act: str) -> str | None:
        if quiet[0] or rng.random() > 0.2:
            return None
        return rng.choice(("before", "after"))

    case = Case(tmp_path, clock=clock, queue_s=20.0, faults=fault)
    truth = [rng.choice((80, 150, 300, 420)) for _ in range(30)]
    reads = []

    def read(promise: Promise, now_ns: int) -> SiteOption:
        """A forecast that is wrong by up to a third, and a provider that is dead for a third of the time."""
        reads.append(now_ns)
        if rng.random() < 0.33:
            raise UnreachableError("no answer", provider="dead")
        return site_of_hours([value * rng.uniform(0.67, 1.33) for value in truth])

    case.read = read  # type: ignore[method-assign]
    deadlines = {}
    quiet[0] = True
    for i in range(200):
        hours = rng.uniform(0.5, 4.0)
        given = {
            "hours": hours,
            "within_h": rng.uniform(1.3, 4.0) * hours,
            "pause": rng.choice(("none", "checkpoint")),
        }
        # it takes up to 8 % longer than said, and each go waits for its turn: the margin is 10 %
        case.submit(f"job-{i}", work_h=hours * rng.uniform(0.9, 1.03), **given)
        deadlines[f"job-{i}"] = START_NS + round(given["within_h"] * NS_PER_H)
    quiet[0] = False
    case.live(17.0, every_kill=lambda: rng.random() < 0.02)
    quiet[0] = True
    jobs = {job.tag: job for job in case.executor.jobs()}
    assert len(jobs) == 200  # none lost
    assert {job.state for job in jobs.values()} == {"finished"}
    late = {
        tag: (job.ended_ns - deadlines[tag]) / MINUTE_NS
        for tag, job in jobs.items()
        if job.ended_ns > deadlines[tag]
    }
    assert late == {}
    acts = [act for _, act, _ in case.executor.acts]
    assert acts.count("start") == 200  # none twice
    assert acts.count("pause") == acts.count("resume") > 20
    print(
        f"{len(reads)} reads, {acts.count('pause')} pauses, {sum('has not been done' in s for s in case.said)} faults"
    )


def test_agent_under_nohup_goes_on_after_a_hangup(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    def round_(agent: JobsAgent) -> int:
        rounds.append(len(rounds))
        signal.raise_signal(signal.SIGHUP if len(rounds) == 1 else signal.SIGTERM)
        return 0

    monkeypatch.setattr(JobsAgent, "round", round_)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with case.agent() as agent:
            agent.serve()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert rounds == [0, 1]  # the second, which SIGTERM ended
