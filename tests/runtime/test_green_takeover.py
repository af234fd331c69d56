"""A run that left while nobody minded it, in virtual time: what it had done, its failures, another boot."""

from __future__ import annotations

from pathlib import Path

import pytest
from green_virtual_cases import SetClock, saving_spec, tell, write_begun, write_left_after

from lowtide.runtime.clock import boot_id
from lowtide.runtime.green_acting import Acting
from lowtide.runtime.green_clock import CLOCK
from lowtide.runtime.green_control import Control
from lowtide.runtime.green_left import verdict_of
from lowtide.runtime.green_overheads import overheads_ns
from lowtide.runtime.green_state import ControllerLock, GreenState, is_waiting, read_state
from lowtide.testing.builders import make_header
from lowtide.units import NS_PER_H, NS_PER_S


class Run:
    """One run in a folder, its clocks, and the supervisor that minds it until it is killed."""

    def __init__(self, folder: Path, **asked: object) -> None:
        self.folder, self.clock, self.said = folder, SetClock(), list[str]()
        self.acting = self.minded(GreenState(spec=saving_spec(**asked)))

    def minded(self, state: GreenState) -> Acting:
        self.state = state
        header = make_header(journal_dir=str(self.folder))
        return Acting(
            header, state, say=self.said.append, clock=self.clock,
            keep=lambda: state.write(str(self.folder), self.clock),
        )  # fmt: skip

    def start(self) -> None:
        """Start the command."""
        self.acting.starting()
        write_begun(self.folder, self.acting.n_starts + 1)
        self.acting.started(123456789)

    def work(self, s: float, word: str = "") -> None:
        """Let it work, tell a word, and the supervisor look."""
        self.clock.wait(s)
        if word:
            self.tell(word)
        self.acting.look()
        self.state.write(str(self.folder), self.clock)

    def tell(self, word: str) -> None:
        tell(self.folder / "progress", word, self.clock.wall_ns())

    def leaves(self, lived_s: float, *, code: int = 75) -> None:
        write_left_after(self.folder, self.acting.n_starts, lived_s, self.clock, code=code)

    def taken_over(self) -> None:
        """Kill the supervisor: another goes on from what is kept."""
        self.acting = self.minded(read_state(str(self.folder)))

    @property
    def done_s(self) -> float:
        return self.acting.course.done_ns() / NS_PER_S


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# What it had done


def test_time_of_a_start_that_left_unseen_is_counted(run: Run) -> None:
    run.start()
    run.work(9000.0)
    run.leaves(9000.0)
    run.taken_over()
    assert run.acting.left() == "unasked"
    assert run.done_s == 9000.0
    assert run.state.phase == "saved"


def test_rate_and_work_told_by_a_start_that_left_unseen_are_what_they_were(run: Run) -> None:
    run.start()
    for i in range(1, 9):  # 0.05 in 1000 s: 20,000 s of work
        run.work(1000.0, f"{i}/20")
    run.leaves(8000.0)
    assert run.acting.left() == "unasked"
    run.clock.wait(100.0)
    run.start()
    for i in range(9, 12):
        run.work(1000.0, f"{i}/20")
    run.clock.wait(1000.0)
    run.tell("12/20")
    run.clock.wait(400.0)  # it leaves later than it tells
    run.leaves(4400.0)
    run.taken_over()
    run.clock.wait(3600.0)
    run.acting.left()
    assert run.acting.course.work_s() == pytest.approx(20_000.0)
    assert run.done_s == pytest.approx(12_400.0)  # 0.6 of it, and since then 400 s
    assert run.state.done_ns == 12_400 * NS_PER_S


def test_start_that_nobody_had_noted_is_counted(run: Run) -> None:
    run.acting.starting()
    write_begun(run.folder, 1)  # its supervisor is killed here
    run.clock.wait(500.0)
    write_left_after(run.folder, 1, 500.0, run.clock)
    run.taken_over()
    assert not run.acting.is_saved()
    assert run.acting.left() == "unasked"
    assert run.done_s == 500.0
    assert run.state.runs == [[NS_PER_H, NS_PER_H + 500 * NS_PER_S]]


def test_start_that_was_seen_to_leave_is_counted_once(run: Run) -> None:
    run.start()
    run.work(700.0)
    run.leaves(700.0)
    run.acting.left()
    assert run.done_s == 700.0


def test_ready_of_a_start_that_left_unseen_is_its_first_look_and_never_its_last_word(run: Run) -> None:
    run.start()
    run.clock.wait(20.0)
    tell(run.folder / "pause.watched", "", run.clock.wall_ns())
    run.clock.wait(3000.0)
    run.tell("1/20")
    run.leaves(3020.0)
    run.taken_over()
    run.clock.wait(7200.0)
    run.acting.left()
    assert run.state.ready_s == pytest.approx([20.0], abs=1e-3)


def test_ready_of_a_start_that_left_unseen_and_never_looked_is_unknown(run: Run) -> None:
    run.start()
    run.clock.wait(3000.0)
    run.tell("1/20")
    run.leaves(3000.0)
    run.taken_over()
    run.acting.left()
    assert run.state.ready_s == []


# Killed between a failure that was counted and the next try


def fails(run: Run) -> None:
    """Let a resume fail after a second."""
    run.start()
    run.clock.wait(1.0)
    run.leaves(1.0, code=1)
    assert run.acting.left() == "retry"


def begun_and_saved(run: Run) -> None:
    run.start()
    run.work(1000.0)
    run.leaves(1000.0)
    assert run.acting.left() == "unasked"
    run.clock.wait(10.0)


def test_failure_is_counted_once_where_the_next_try_was_written_down_and_not_made(run: Run) -> None:
    begun_and_saved(run)
    fails(run)
    run.acting.starting()  # killed before the command is there
    run.taken_over()
    assert (run.state.phase, run.state.failures) == ("starting", 1)
    assert run.acting.is_saved()
    assert (run.state.phase, run.state.failures) == ("saved", 1)
    assert run.done_s == 1001.0


def test_last_try_that_was_written_down_and_not_made_is_still_waiting(run: Run) -> None:
    begun_and_saved(run)
    for _ in range(3):
        fails(run)
    run.acting.starting()
    assert is_waiting(str(run.folder))
    run.taken_over()
    assert run.acting.is_saved()
    run.start()
    run.clock.wait(1.0)
    run.leaves(1.0, code=1)
    assert not is_waiting(str(run.folder))  # the last one was made and failed
    assert run.acting.left() == "ended"


def test_controller_that_takes_over_counts_no_failure_twice(run: Run) -> None:
    begun_and_saved(run)
    fails(run)
    run.acting.starting()
    state = read_state(str(run.folder))
    lock = ControllerLock(str(run.folder))
    control = Control(
        make_header(journal_dir=str(run.folder)), state, say=run.said.append, lock=lock, clock=run.clock
    )
    assert control.take_over()
    assert (state.phase, state.failures, control.wants_to_run) == ("saved", 1, False)
    lock.close()


# What was told before it was started


def test_word_from_before_the_start_is_none(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = Run(tmp_path, progress_file=str(log))
    tell(log, "0.3", run.clock.wall_ns() - NS_PER_H)
    run.start()
    run.work(1.0)
    assert (run.state.ready_s, run.state.progress) == ([], None)
    run.clock.wait(30.0)
    tell(log, "0.31", run.clock.wall_ns())
    run.work(0.0)
    assert run.state.ready_s == [31.0]


def test_look_for_the_pause_file_tells_when_it_was_ready_despite_an_old_word(run: Run) -> None:
    run.start()
    run.clock.wait(40.0)
    run.work(0.0, "0.5")
    run.leaves(40.0)
    run.acting.left()
    run.taken_over()
    assert run.acting.is_saved()
    run.clock.wait(3600.0)
    run.start()
    run.clock.wait(25.0)
    tell(run.folder / "pause.watched", "", run.clock.wall_ns())
    run.work(1.0)
    assert run.state.ready_s == pytest.approx([40.0, 25.0], abs=1e-3)
    assert run.acting.resume_s() == pytest.approx(25.0, abs=1e-3)


@pytest.mark.parametrize(("told_s", "verdict"), [(-3600.0, "saved"), (50.0, "ended")])
def test_zero_after_being_asked_is_finished_only_by_a_word_of_this_start(
    told_s: float, verdict: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run = Run(tmp_path, progress_file=str(log))
    tell(log, "100/100", run.clock.wall_ns() + round(told_s * NS_PER_S))
    run.start()
    tell(tmp_path / "pause.watched", "", run.clock.wall_ns())
    (tmp_path / "asked.json").write_text('{"n": 1, "asked_ns": 0, "withdrawn_ns": null, "signalled": false}')
    run.clock.wait(60.0)
    run.leaves(60.0, code=0)
    found = verdict_of(str(tmp_path), run.state, 1)
    assert found is not None
    assert found[1] == verdict


# Another boot


def test_overheads_are_the_same_after_the_machine_was_started_again() -> None:
    boot_ns = 3 * 24 * NS_PER_H
    state = GreenState(spec=saving_spec(), boot="another", ready_s=[5.0, 5.0])
    state.runs = [
        [boot_ns, boot_ns + 1000 * NS_PER_S],
        [boot_ns + 5000 * NS_PER_S, boot_ns + 6000 * NS_PER_S],
    ]
    state.pauses = [{"asked_ns": boot_ns + 900 * NS_PER_S, "effect_s": 100.0, "why": "dirty"}]
    state.wall_offset_ns = CLOCK.wall_ns() - CLOCK.boot_ns() - 7000 * NS_PER_S

    def overheads() -> list[float]:
        found = overheads_ns(state.runs, state.runs_ns(), pauses=state.pauses, ready_s=state.ready_s)
        return [(b - a) / NS_PER_S for a, b in found]

    assert overheads() == [100.0, 5.0]  # it saved for 100 s, and loaded for 5 s
    state.in_this_boot()
    assert state.boot == boot_id()
    assert overheads() == [100.0, 5.0]


def test_start_that_left_unseen_before_the_machine_was_started_again_ran_as_long_as_it_did(run: Run) -> None:
    run.clock.wait(200 * 3600.0)  # the machine has been up for long
    run.start()
    began_ns = run.clock.wall_ns()
    run.work(100.0)
    run.clock.wait(3500.0)
    write_left_after(run.folder, 1, 3600.0, run.clock, boot="another")
    run.state.boot = "another"
    run.state.write(str(run.folder), run.clock)
    run.clock.set_by_ns += run.clock.passed_ns  # started again: the clock of the boot begins anew
    run.clock.passed_ns = 0
    run.clock.wait(600.0)
    run.taken_over()
    run.state.in_this_boot(run.clock)
    assert run.acting.left() == "unasked"
    assert run.done_s == 3600.0
    assert run.state.runs_ns(clock=run.clock) == [(began_ns, began_ns + 3600 * NS_PER_S)]


def test_failure_before_the_machine_was_started_again_is_counted_once(run: Run) -> None:
    begun_and_saved(run)
    fails(run)
    run.state.boot = "another"
    path = run.folder / "left-2"
    path.write_text(path.read_text().replace(boot_id(), "another"))
    run.acting.starting()
    run.taken_over()
    run.clock.set_by_ns += run.clock.passed_ns
    run.clock.passed_ns = 0
    run.state.in_this_boot(run.clock)
    run.acting.starting()  # killed again before the command is there
    run.taken_over()
    assert is_waiting(str(run.folder))
    assert run.acting.is_saved()
    assert run.state.failures == 1
