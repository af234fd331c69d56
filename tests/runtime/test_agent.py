"""The agent on a clock of its own: stopped and let go on by hand-made hours, its journal, its lock."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from slurm_double import SlurmDouble
from submitted_cases import DIRTY, START_NS, SubmittedCase

from lowtide.cli.main import cli
from lowtide.errors import ExecutorError, InputError
from lowtide.runtime.agent import Agent
from lowtide.runtime.agent_journal import AgentLock, Journal, key_of
from lowtide.runtime.submitting_promise import (
    promise_path,
    read_promise,
    write_promise,
)
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H


class Case(SubmittedCase):
    """A job that was submitted and runs since midnight, and an agent for it."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        super().__init__(folder, **{"pause": "freeze", **asked})
        self.runs()

    def agent(self) -> Agent:
        return Agent(self.ledger, self.slurm, say=self.said.append, clock=self.clock)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_running_job_is_stopped_for_the_dirty_hours_and_no_longer(case: Case) -> None:
    case.forecast(DIRTY)
    with case.agent() as agent:
        case.clock.set_h(0.5)
        assert agent.round(may_freeze=True) == START_NS + NS_PER_H  # asked again when it turns dirty
        assert case.acts() == []
        case.clock.set_h(1.0)
        assert agent.round(may_freeze=True) == START_NS + 3 * NS_PER_H
        assert case.acts() == [("stop", "7")]
        case.clock.set_h(2.0)
        agent.round(may_freeze=True)
        assert case.acts() == []
        case.clock.set_h(3.0)
        agent.round(may_freeze=True)
        assert case.acts() == [("go_on", "7")]
    assert case.acts() == []  # nothing is stopped, nothing is let go on


def test_slack_that_is_gone_lets_the_job_run_through_dirt(tmp_path: Path) -> None:
    case = Case(tmp_path, within="5h")
    hours = ((100, 900, 100, 800, 800), (100, 900, 900, 100, 800), (100, 900, 900, 900, 100))
    with case.agent() as agent:
        for hour, forecast in enumerate(hours, start=1):  # the clean hour is always promised for the next one
            case.forecast((*forecast, *(900,) * 7))
            case.clock.set_h(hour)
            agent.round(may_freeze=True)
        # At 03:00 1 h is done and, with the margin, 1.2 h are left: 1 h of them in the clean hour, 0.2 h before.
        assert case.acts() == [("stop", "7"), ("go_on", "7")]
        # A second for what Slurm may take: 3599 s of the clean hour count, and one more is worked off before it.
        case.clock.now_ns = START_NS + round(3.2 * NS_PER_H) + 10**9
        until_ns = agent.round(may_freeze=True)
        assert case.acts() == [("stop", "7")]
        assert until_ns == START_NS + 4 * NS_PER_H
        case.forecast((100, 900, 900, 900, 900, 1, *(900,) * 6))
        case.clock.now_ns = until_ns
        agent.round(may_freeze=True)
        assert case.acts() == [("go_on", "7")]
        assert case.said[-1] == "job 7: goes on (no slack is left before the deadline)"


def test_time_limit_counts_standing_still_so_no_pause_goes_past_it(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    case.runs(end_ns=START_NS + round(2.2 * NS_PER_H), time_limit_s=7920.0)  # 2.2 h: no room at all
    with case.agent() as agent:
        agent.round(may_freeze=True)
        assert case.acts() == []
        case.runs(end_ns=START_NS + 10 * NS_PER_H, time_limit_s=36_000.0)
        agent.round(may_freeze=True)
        assert case.acts() == [("stop", "7")]


def test_job_that_was_not_submitted_for_pausing_is_never_stopped(tmp_path: Path) -> None:
    case = Case(tmp_path, pause="none")
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    with case.agent() as agent:
        agent.round(may_freeze=True)
    assert case.acts() == []


def test_round_that_nobody_follows_stops_nothing(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    with case.agent() as agent:
        agent.round(may_freeze=False)
    assert case.acts() == []


def test_agent_that_ends_lets_everything_go_on(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    with case.agent() as agent:
        agent.round(may_freeze=True)
    assert case.acts() == [("stop", "7"), ("go_on", "7")]
    assert case.said[-1] == "job 7: goes on (the agent ends)"


@pytest.mark.parametrize("n_lines", [1, 2])
def test_agent_takes_over_whatever_moment_the_last_one_was_killed_at(case: Case, n_lines: int) -> None:
    # killed after writing that it would stop the job, or after writing that it would let it go on
    journal = Journal(str(Path(case.ledger.path) / "submissions" / "agent.jsonl"))
    key = key_of("7", START_NS)
    for act, hour in (("stop", 1.0), ("go-on", 1.5))[:n_lines]:
        journal.write(act, [key], at_ns=START_NS + round(hour * NS_PER_H))
    case.clock.set_h(2.0)
    with case.agent() as agent:
        assert case.acts() == [("go_on", "7")]
        assert case.said == ["job 7: goes on (left by a former agent)"]
        agent.round(may_freeze=True)
    # it has worked for 1 h of its 2 h and stood still for 1 h
    again = Journal(journal.path)
    assert again.of(key).total_ns(START_NS + 2 * NS_PER_H) == NS_PER_H
    assert again.stopped() == []


def test_job_that_slurm_started_anew_has_done_nothing_yet(case: Case) -> None:
    journal = Journal(str(Path(case.ledger.path) / "submissions" / "agent.jsonl"))
    journal.write("stop", [key_of("7", START_NS - 10**9)], at_ns=START_NS)
    with case.agent():
        assert case.acts() == []  # that go of the job is over; this one runs
    assert Journal(journal.path).stopped() == []


def test_stop_that_fails_is_taken_back_and_said(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    case.slurm.refuses = {"stop"}
    with case.agent() as agent:
        agent.round(may_freeze=True)
        assert case.acts() == [("stop", "7"), ("go_on", "7")]
        assert agent.n_failed == 1
    assert "lowtide: job 7 could not be stopped: stop failed: no" in case.said


def test_job_whose_intensity_is_gone_does_not_stay_stopped(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    with case.agent() as agent:
        agent.round(may_freeze=True)
        case.day.unlink()
        agent.round(may_freeze=True)
        assert case.acts() == [("stop", "7"), ("go_on", "7")]


def test_full_disk_stops_no_job_and_lets_stopped_ones_go_on(case: Case) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    path = Path(case.ledger.path) / "submissions" / "agent.jsonl"
    with case.agent() as agent:
        agent.round(may_freeze=True)
        path.unlink()
        path.mkdir()  # nothing can be written there any more
    assert case.acts() == [("stop", "7"), ("go_on", "7")]
    path.rmdir()
    with case.agent() as agent:
        path.mkdir()
        agent.round(may_freeze=True)
    assert case.acts() == []
    assert any(line.startswith("lowtide: job 7 is not stopped: cannot write ") for line in case.said)


def test_every_act_is_in_the_journal_before_slurm_is_asked(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.forecast(DIRTY)
    case.clock.set_h(1.0)
    seen: dict[str, str] = {}
    path = Path(case.ledger.path) / "submissions" / "agent.jsonl"

    def note(*said: Any) -> None:
        seen[said[0]] = json.loads(path.read_text().splitlines()[-1])["act"] if said[0] != "jobs" else ""

    monkeypatch.setattr(case.slurm, "_note", note)
    with case.agent() as agent:
        agent.round(may_freeze=True)
    assert (seen["stop"], seen["go_on"]) == ("stop", "go-on")


def test_waiting_jobs_that_go_to_one_instant_are_moved_together(case: Case) -> None:
    case.forecast((900, 900, 900, 100, 100, *(900,) * 7))
    begin_ns = START_NS + 5 * NS_PER_H
    for number in (8, 9):
        last = replace(case.promise.last, start_ns=begin_ns)
        write_promise(case.ledger, replace(case.promise, job_id=number, last=last))
    case.slurm.listed = [
        replace(case.job(start_ns=begin_ns), job_id=number) for number in (8, 9, 10)
    ]  # of 10 nothing was promised here
    with case.agent() as agent:
        until_ns = agent.round(may_freeze=True)
    assert case.acts() == [("set_begin", [8, 9], START_NS + 3 * NS_PER_H)]
    assert until_ns == begin_ns + 2 * 10**9  # by then it should have begun, and may be paused
    kept = read_promise(case.ledger, 9)
    assert (kept.last.start_ns, kept.n_moves) == (START_NS + 3 * NS_PER_H, 1)
    assert kept.first == case.promise.first


def test_damaged_promise_leaves_its_job_alone(case: Case) -> None:
    Path(promise_path(case.ledger, 7)).write_text("{")
    with case.agent() as agent:
        agent.round(may_freeze=True)
    assert case.acts() == []
    assert case.said[0].startswith("lowtide: job 7 is left as it is: ")


def test_ledger_without_submissions_does_not_ask_slurm(tmp_path: Path) -> None:
    slurm = SlurmDouble()
    with Agent(Ledger(str(tmp_path / "ledger")), slurm, say=print) as agent:
        agent.round(may_freeze=True)
    assert slurm.said == []


def test_second_agent_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "agent.lock")
    one, two = AgentLock(path), AgentLock(path)
    one.take()
    with pytest.raises(ExecutorError, match=r"an agent works on these jobs already \(process \d+ on "):
        two.take()
    one.release()
    two.take()
    two.release()


def test_line_cut_short_by_a_kill_is_no_act_and_swallows_none(tmp_path: Path) -> None:
    path = tmp_path / "agent.jsonl"
    Journal(str(path)).write("stop", ["7@0"], at_ns=5)
    with open(path, "ab") as file:
        file.write(b'{"at_ns": 9, "act": "went-on", "wh')
    assert Journal(str(path)).stopped() == ["7@0"]
    Journal(str(path)).write("went-on", ["7@0"], at_ns=15)
    assert Journal(str(path)).stopped() == []
    assert Journal(str(path)).of("7@0").before_ns == 10


@given(
    acts=st.lists(st.tuples(st.sampled_from(["stop", "go-on", "went-on"]), st.integers(0, 100)), max_size=20)
)
def test_standing_still_is_never_more_than_the_time_that_went_by(acts: list[tuple[str, int]]) -> None:
    journal = Journal("/nonexistent/agent.jsonl")
    t_ns = 0
    for act, step_ns in acts:
        t_ns += step_ns
        journal._take({"at_ns": t_ns, "act": act, "what": ["7@0"]})
    assert 0 <= journal.of("7@0").total_ns(t_ns) <= t_ns


def test_large_journal_keeps_what_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowtide.runtime.agent_journal._MOST_BYTES", 100)
    path = tmp_path / "agent.jsonl"
    journal = Journal(str(path))
    for key in ("1@0", "2@0", "3@0"):
        journal.write("stop", [key], at_ns=1)
        journal.write("went-on", [key], at_ns=4)
    journal.write("stop", ["4@0"], at_ns=5)
    journal.forget(["2@0"])
    again = Journal(str(path))
    assert set(again.jobs) == {"2@0", "4@0"}
    assert again.of("2@0").before_ns == 3
    assert again.stopped() == ["4@0"]


def test_mistakes_in_the_command_are_refused() -> None:
    assert CliRunner().invoke(cli, ["agent"]).exit_code == 2
    for arguments, message in (
        (["--once", "--every", "5m"], "one of --once and --every"),
        (["--every", "0s"], "--every 0s is too often"),
        (["--job", "7", "--look", "--json"], "--json is for the agent"),
    ):
        done = CliRunner().invoke(cli, ["agent", "--slurm", *arguments])
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)


@pytest.mark.parametrize(
    ("line", "job", "problem"),
    [
        ("job 12_3: stopped (dirty until 05:00)", "12_3", False),
        ("job 7: starts 03:00 instead of 01:00 (cleaner)", "7", False),
        ("digits-abc: pauses (dirty)", "digits-abc", False),
        ("lowtide: job 7 is not paused: no intensity", "7", True),
        ("lowtide: squeue: error: no answer", None, True),
    ],
)
def test_lines_are_told_as_data(
    line: str, job: str | None, problem: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    from lowtide.cli.agent import _say_json

    _say_json(line)
    told = json.loads(capsys.readouterr().out)
    assert (told["job"], told["problem"], told["said"]) == (job, problem, line.removeprefix("lowtide: "))
    assert told["at"].endswith("Z")


def test_agent_under_nohup_goes_on_after_a_hangup(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    def round_(agent: Agent, *, may_freeze: bool) -> int:
        rounds.append(len(rounds))
        signal.raise_signal(signal.SIGHUP if len(rounds) == 1 else signal.SIGTERM)
        return 0

    monkeypatch.setattr(Agent, "round", round_)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with case.agent() as agent:
            agent.serve(every_s=900.0)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert rounds == [0, 1]  # the second, which SIGTERM ended
