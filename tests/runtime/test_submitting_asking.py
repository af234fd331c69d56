"""Asking a job to save and putting it back, on a clock of its own and with a Slurm that only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from slurm_double import SlurmDouble
from submitted_cases import DIRTY, FLAT, START_NS, SubmittedCase

from lowtide.errors import ExecutorError
from lowtide.executors.batch_wrapper import GONE
from lowtide.runtime.agent import Agent
from lowtide.runtime.submitting import submit
from lowtide.runtime.submitting_asking import Minded, leave, look, look_to_the_second
from lowtide.runtime.submitting_goes import Goes, kept_plans
from lowtide.units import NS_PER_H, NS_PER_S


class Case(SubmittedCase):
    """A job that may leave and runs since midnight."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        super().__init__(folder, **{"pause": "checkpoint", **asked})
        self.goes().note("began", at_ns=START_NS)
        self.runs()

    def goes(self) -> Goes:
        return Goes(self.ledger, "7")

    def minded(self) -> Minded:
        return Minded(ledger=self.ledger, slurm=self.slurm, label="7", say=self.said.append, clock=self.clock)

    def look(self, hours: float) -> float | None:
        self.clock.set_h(hours)
        return look(self.minded())

    def leaves(self, hours: float, status: int, *, asked: bool = True) -> int:
        """Let the job leave, as its script notes it, and return what lowtide says to it."""
        self.clock.set_h(hours)
        watched = int(self.goes().is_watched)
        self.goes().note("left", at_ns=self.clock(), status=status, asked=int(asked), watched=watched)
        self.goes().withdraw()
        return leave(self.minded(), status, sleep=self.clock.sleep)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    found = Case(tmp_path)
    found.forecast(DIRTY)
    return found


def test_job_is_asked_when_it_turns_dirty_and_begins_again_when_that_is_over(case: Case) -> None:
    assert case.look(0.5) == pytest.approx(900.0)  # a newer forecast may come: not the 30 min until it turns
    assert case.look(0.9) == pytest.approx(360.0)
    assert not Path(case.goes().pause_file).exists()
    assert case.look(1.0) == 60.0  # its grace
    assert Path(case.goes().pause_file).exists()
    assert case.said == [
        "lowtide: job 7 is asked to save and to leave (saves 88.9% against going on at once; on at "
        "2026-03-01T03:00:00.000000Z)"
    ]  # 1.2 h at 100 instead of 900: 1 - 1 / 9
    assert case.acts() == []  # no signal was named
    assert case.leaves(1.01, 75) == 0
    assert case.acts() == [("requeue", "7"), ("set_begin", "7", START_NS + 3 * NS_PER_H)]
    assert case.said[-1].startswith("lowtide: job 7 goes on at 2026-03-01T03:00Z (saves ")
    plans = kept_plans(case.goes().folder)
    assert plans["last"].runs_ns[0] == (START_NS, START_NS + round(1.01 * NS_PER_H))
    assert plans["last"].runs_ns[1][0] == START_NS + 3 * NS_PER_H
    assert plans["half"].made_ns < START_NS + NS_PER_H


def test_signal_goes_to_whom_it_was_named_for_and_not_to_a_job_that_looks(tmp_path: Path) -> None:
    for i, (named, sent) in enumerate(
        (("USR1", ("signal", "7", "USR1", "steps")), ("B:SIGTERM", ("signal", "7", "TERM", "script")))
    ):
        case = Case(tmp_path / str(i), pause_signal=named)
        case.forecast(DIRTY)
        case.look(1.0)
        assert case.acts() == [sent]
    case = Case(tmp_path / "looks", pause_signal="USR1")
    case.forecast(DIRTY)
    Path(case.goes().pause_file + ".watched").write_text("")
    case.look(1.0)
    assert (case.acts(), Path(case.goes().pause_file).exists()) == ([], True)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in ("0", "1", "looks"):
        (tmp_path / name).mkdir()


def test_job_that_does_not_leave_is_let_be(case: Case) -> None:
    case.look(1.0)
    assert case.look(1.0 + 20 / 3600) == pytest.approx(40.0)
    assert case.look(1.0 + 61 / 3600) is None
    assert not Path(case.goes().pause_file).exists()
    assert case.said[-1] == "lowtide: job 7 has not left in 1m: it is left running and not asked again"
    assert case.look(1.5) is None


def test_two_minutes_in_the_queue_are_no_pause(tmp_path: Path) -> None:
    # one dirty hour; a job that Slurm would keep for longer than that is not sent away
    case = Case(tmp_path)
    case.forecast((100, 900, *[100] * 10))
    case.slurm.delay_s = 3700.0
    assert case.look(1.0) is not None
    assert not Path(case.goes().pause_file).exists()
    case.slurm.delay_s = 121.0
    case.look(1.0)
    assert Path(case.goes().pause_file).exists()


def test_requeue_that_takes_longer_than_the_slack_is_not_begun(tmp_path: Path) -> None:
    # 2.2 h of work by 05:00; from 01:00 on 1.2 h are left, so it must run again by 03:48. Back at 03:00: in time.
    case = Case(tmp_path, within="5h")
    case.forecast((100, 900, 900, 100, 100, 100))
    case.slurm.delay_s = 3.0 * 3600.0  # back after 04:00
    case.look(1.0)
    assert not Path(case.goes().pause_file).exists()


def test_delayed_start_is_counted_in_the_plan(case: Case) -> None:
    case.look(1.0)
    case.slurm.delay_s = 2.5 * 3600.0
    assert case.leaves(1.01, 75) == 0
    begin_ns = START_NS + round((1.01 + 2.5) * NS_PER_H)
    assert case.acts()[-1] == ("set_begin", "7", begin_ns)
    assert kept_plans(case.goes().folder)["last"].runs_ns[1][0] == begin_ns


def test_deadline_comes_before_the_hour(tmp_path: Path) -> None:
    case = Case(tmp_path, within="5h")
    case.forecast((100, 900, 900, 900, 900, 100))
    # 75 without being asked at 01:00 with 1.2 h left: by 03:48 it must run, and all hours until then are the same
    assert case.leaves(1.0, 75, asked=False) == 0
    *_, begin_ns = case.acts()[-1]
    assert begin_ns <= START_NS + round(3.8 * NS_PER_H)


@pytest.mark.parametrize(
    ("status", "asked", "progress", "again"),
    [
        (0, True, "", 0),
        (0, True, "1/1", GONE),
        (1, True, "", GONE),
        (75, False, "", 0),
        (143, False, "", GONE),
    ],
)
def test_how_it_left_says_whether_it_comes_back(
    case: Case, status: int, asked: bool, progress: str, again: int
) -> None:
    Path(case.goes().pause_file + ".watched").write_text("")
    if progress:
        (Path(case.goes().folder) / "progress").write_text(progress)
    assert case.leaves(1.0, status, asked=asked) == again
    assert bool(case.acts()) == (again == 0)


def test_job_that_could_not_hear_and_leaves_with_0_has_finished(case: Case) -> None:
    assert case.look(1.0) == 60.0
    assert Path(case.goes().pause_file).exists()  # asked, by a file that it does not look at
    assert case.leaves(1.01, 0) == GONE
    assert case.acts() == []


def test_job_that_was_sent_a_signal_and_leaves_with_0_has_saved(tmp_path: Path) -> None:
    case = Case(tmp_path, pause_signal="USR1")
    case.forecast(DIRTY)
    case.look(1.0)
    assert case.leaves(1.01, 0) == 0
    assert [act[0] for act in case.acts()] == ["signal", "requeue", "set_begin"]


def test_job_that_has_left_with_75_before_and_leaves_with_0_has_finished(case: Case) -> None:
    Path(case.goes().pause_file + ".watched").write_text("")
    assert case.leaves(1.0, 75) == 0
    case.goes().note("began", at_ns=START_NS + 3 * NS_PER_H)
    case.acts()
    assert case.leaves(4.0, 0) == GONE
    assert case.acts() == []


def test_resume_that_fails_at_once_is_tried_three_times_with_growing_waits(case: Case) -> None:
    case.forecast(FLAT)
    case.slurm.delay_s = 10.0
    assert case.leaves(1.0, 75) == 0
    t_ns, waits = START_NS + 2 * NS_PER_H, []
    for number in (1, 2, 3, 4):
        goes = case.goes()
        goes.list[-1].number = number
        goes.note("began", at_ns=t_ns)
        case.acts()
        said = case.leaves((t_ns - START_NS) / NS_PER_H + 5 / 3600, 1, asked=False)
        if number == 4:
            assert (said, case.acts()) == (GONE, [])
            break
        waits.append((case.acts()[-1][2] - t_ns) / NS_PER_S - 5)
        t_ns += NS_PER_H
    assert waits == [60.0, 120.0, 240.0]


def test_job_that_slurm_has_ended_is_not_started_again(case: Case) -> None:
    for state in ("CANCELLED", "COMPLETING", "TIMEOUT"):
        case.slurm.listed = [case.job(state=state, start_ns=START_NS)]
        assert case.leaves(1.0, 75) == GONE
    case.slurm.listed = []
    assert case.leaves(1.0, 75) == GONE
    assert case.acts() == []


def test_slurm_that_does_not_answer_is_asked_again_for_ten_minutes(case: Case) -> None:
    case.slurm.refuses = {"job"}
    with pytest.raises(ExecutorError, match="job failed: no"):
        case.leaves(1.0, 75)
    assert sum(said[0] == "job" for said in case.slurm.said) == 121  # every five seconds
    case.slurm.refuses = {"set_begin"}
    assert case.leaves(1.0, 75) == 0  # it is in the queue already
    assert "lowtide: job 7 starts earlier than planned: set_begin failed: no" in case.said


def test_intensity_that_is_gone_keeps_no_job_from_running(case: Case) -> None:
    case.day.unlink()
    assert case.look(1.0) == 900.0
    assert case.said[-1].startswith("lowtide: job 7 is not paused: ")
    assert case.leaves(1.0, 75) == 0
    assert case.acts()[-1] == ("set_begin", "7", START_NS + NS_PER_H + 121 * NS_PER_S)


def test_time_limit_that_ends_is_a_pause_too(case: Case) -> None:
    case.forecast(FLAT)
    end_ns = START_NS + 90 * 60 * NS_PER_S
    case.slurm.listed = [case.job(state="RUNNING", start_ns=START_NS, end_ns=end_ns, time_limit_s=5400.0)]
    assert case.look(1.4) == pytest.approx(270.0)  # 6 min less its grace of 60 s and 30 s
    assert case.look(1.48) == 60.0
    assert "(its time limit ends; it goes on in its next start)" in case.said[-1]
    assert case.leaves(1.49, 75) == 0
    assert case.acts()[-1][2] == START_NS + round(1.49 * NS_PER_H) + 121 * NS_PER_S


def test_look_that_is_due_in_a_moment_is_decided_before_and_made_on_the_second(case: Case) -> None:
    case.clock.set_h(1.0 - 4 / 3600)
    wait_s = look_to_the_second(case.minded(), sleep=case.clock.sleep)
    assert case.goes().list[-1].asked_ns == START_NS + NS_PER_H
    assert wait_s == pytest.approx(60.0 - 5.0)


def test_agent_asks_too_and_moves_the_next_start_with_the_forecast(case: Case) -> None:
    with Agent(case.ledger, case.slurm, say=case.said.append, clock=case.clock) as agent:
        case.clock.set_h(1.0)
        agent.round(may_freeze=True)
        assert Path(case.goes().pause_file).exists()
        assert case.leaves(1.01, 75) == 0
        case.slurm.listed = [case.job(start_ns=START_NS + 3 * NS_PER_H)]
        case.acts()
        case.forecast((100, 900, 900, 500, 100, *[100] * 7))
        case.clock.set_h(2.0)
        agent.round(may_freeze=True)
        assert case.acts() == [("set_begin", [7], START_NS + 4 * NS_PER_H)]
        case.slurm.listed = [case.job(start_ns=START_NS + 4 * NS_PER_H)]
        case.clock.set_h(
            1.02
        )  # as if the dirt were over a minute after it left: Slurm does not let it back yet
        case.forecast(FLAT)
        agent.round(may_freeze=True)
        (act,) = case.acts()
        assert act[2] >= START_NS + round(1.01 * NS_PER_H) + 121 * NS_PER_S


def test_script_that_is_submitted_has_the_users_in_it(case: Case) -> None:
    seen: list[str] = []

    class Reading(SlurmDouble):
        def submit(self, script: str, *arguments: Any, **options: Any) -> int:
            seen.append(Path(script).read_text())
            return super().submit(script, *arguments, **options)

    slurm = Reading()
    submit(case.request, case.planned, ledger=case.ledger, slurm=slurm, say=print)
    _, path, _, options, _, _ = slurm.said[0]
    assert (Path(path).name, options) == ("job.sbatch", ("--requeue", "--open-mode=append"))
    assert "#SBATCH -N1\n" in seen[0]
    assert "#!/bin/bash\n#SBATCH -N1\ntrue\n" in seen[0]
    assert not Path(path).exists()
