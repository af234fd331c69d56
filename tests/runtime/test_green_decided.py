"""What is made of decisions in virtual time: none comes, or one comes while the job saves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from green_virtual_cases import SetClock, saving_spec, tell, write_begun, write_left_after

from lowtide.runtime.green_control import Control
from lowtide.runtime.green_state import ControllerLock, GreenState
from lowtide.testing.builders import START_NS, make_header
from lowtide.units import NS_PER_S


class Mute:
    """Is asked and never answers."""

    pid, took_s, is_busy = -1, 1.0, False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask(self, question: dict[str, Any]) -> None:
        self.asked.append(question["for_ns"])

    def is_stuck(self) -> bool:
        return False

    def stop(self) -> None:
        return None

    def ended(self, pid: int) -> bool:
        return False


class Case:
    """A run that has begun, and its controller."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.mute = folder, SetClock(), Mute()
        self.lock = ControllerLock(str(folder))
        state = GreenState(spec=saving_spec(work_s=7200.0))
        header = make_header(journal_dir=str(folder))
        self.control = Control(header, state, say=lambda line: None, lock=self.lock, clock=self.clock)
        self.control._thinker = self.mute  # type: ignore[assignment]
        self.control._asked_at = float("inf")  # as if it had been asked just now, whatever the time
        self.decide("run", 1.0)
        self.control.starting()
        write_begun(folder, 1)
        self.control.started(123456789)

    def decide(self, act: str, for_s: float) -> None:
        """Let the controller follow a decision that holds for so long."""
        now_ns = self.clock.wall_ns()
        answer = self.control._own_answer(act, now_ns + round(for_s * NS_PER_S), "it says so")
        self.control._follow(answer, now_ns)

    def promise(self, *hours: tuple[float, float]) -> None:
        """Let these hours be what was promised last."""
        runs = [
            [START_NS + round(a * 3600.0 * NS_PER_S), START_NS + round(b * 3600.0 * NS_PER_S)]
            for a, b in hours
        ]
        self.control.state.last = {"runs_ns": runs}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    found = Case(tmp_path)
    yield found
    found.lock.close()


@pytest.mark.parametrize(
    ("now_h", "act"),
    [(1.0, "run"), (2.5, "hold"), (3.5, "run"), (4.5, "run")],
    ids=["in a promised run", "between two", "in the last", "after all: it takes longer than was thought"],
)
def test_without_an_answer_it_is_held_only_while_a_promised_run_is_ahead(
    now_h: float, act: str, case: Case
) -> None:
    case.promise((0.0, 2.0), (3.0, 4.0))
    case.clock.wait(now_h * 3600.0)
    case.control._without_an_answer()
    assert case.control.state.decisions[-1]["act"] == act
    assert case.control.state.phase == ("asking" if act == "hold" else "running")
    followed = "the last plan is followed" in case.control.state.decisions[-1]["why"]
    assert followed is (now_h < 4.0)


def leave(case: Case) -> None:
    """Let the job that was asked save and leave."""
    case.clock.wait(5.0)
    write_left_after(case.folder, 1, case.clock.passed_ns / NS_PER_S, case.clock)
    assert case.control.left()
    assert case.control.state.phase == "saved"


def asked_to_save(case: Case) -> None:
    case.clock.wait(1000.0)
    tell(case.folder / "pause.watched", "", case.clock.wall_ns())
    case.decide("hold", 3600.0)
    assert case.control.state.phase == "asking"
    case.clock.wait(5.0)


def test_decision_to_run_that_comes_while_it_saves_is_thought_over_at_once(case: Case) -> None:
    asked_to_save(case)
    case.decide("run", 7000.0)
    leave(case)
    case.control.poll()
    assert case.mute.asked == [case.clock.wall_ns()]


def test_job_that_saved_as_it_was_decided_is_held_until_then(case: Case) -> None:
    asked_to_save(case)
    leave(case)
    case.control.poll()
    assert case.mute.asked == []
    assert not case.control.wants_to_run
