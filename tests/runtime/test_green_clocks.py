"""The controller when the machine's clock is set: in virtual time, with a thinker and a freezer that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from green_virtual_cases import SetClock

from lowtide.model.jobs import Job, OperatingPoint
from lowtide.planning.control import View, decide
from lowtide.planning.sites import SiteOption
from lowtide.runtime.green import GreenSpec
from lowtide.runtime.green_control import Control
from lowtide.runtime.green_state import ControllerLock, GreenState
from lowtide.stores.codec import to_plain
from lowtide.testing.builders import START_NS, intensity_series, make_header
from lowtide.units import NS_PER_H, NS_PER_S

HOUR_S = 3600.0
POINT = OperatingPoint(throughput=1.0, power_w=1000.0)


class AtOnce:
    """Answers each question as soon as it is asked, by the pure controller."""

    pid, took_s, is_busy = 7, 0.5, False

    def __init__(self, values: list[float]) -> None:
        self.site = SiteOption(zone="DE", intensity=intensity_series(values))
        self.question: dict[str, Any] | None = None

    def ask(self, question: dict[str, Any]) -> None:
        self.question, self.is_busy = question, True

    def ended(self, pid: int) -> bool:
        self.is_busy = False
        return self.question is not None

    def answer(self) -> dict[str, Any]:
        asked, self.question = self.question, None
        assert asked is not None
        spec = asked["spec"]
        view = View(
            now_ns=asked["for_ns"], job=Job(work_s=spec.work_s, points=(POINT,)), site=self.site,
            deadline_ns=spec.deadline_ns, begun=asked["begun"], done_s=asked["done_s"], may_pause=True,
            margin_fraction=spec.margin, min_saving_fraction=0.03, least_s=spec.least_s,
        )  # fmt: skip
        found = decide(view)
        return {
            "act": found.act, "until_ns": found.until_ns, "why": found.why, "problem": "", "promise": None,
            "plan": None if found.plan is None else to_plain(found.plan), "late": view.now_ns >= view.latest_ns,
            "flat": False, "time_resolved": True, "zone": "DE", "saving": None, "power_w": 1.0, "idle_w": 0.0,
        }  # fmt: skip

    def is_stuck(self) -> bool:
        return False

    def stop(self) -> None:
        self.question, self.is_busy = None, False


class NoFreezer:
    """Stops nothing."""

    def freeze(self) -> int:
        return 1

    def thaw(self) -> int:
        return 1


def controlled(
    folder: Path, clock: SetClock, values: list[float], *, deadline_h: float, work_h: float
) -> Control:
    spec = GreenSpec(
        bound="--within", asked_ns=START_NS, deadline_ns=START_NS + round(deadline_h * NS_PER_H), start_by_ns=None,
        work_s=work_h * HOUR_S, work_known=True, power_w=1000.0, power_known=True, margin=0.1, min_saving=0.03,
        pause="freeze",
    )  # fmt: skip
    header = make_header(journal_dir=str(folder))
    control = Control(
        header, GreenState(spec=spec), say=lambda line: None, lock=ControllerLock(str(folder)), clock=clock
    )
    control._thinker = AtOnce(values)  # type: ignore[assignment]
    control.acting._freezer_of = lambda pid: NoFreezer()  # type: ignore[assignment, method-assign, return-value]
    return control


def run_through(
    control: Control, clock: SetClock, *, sets: dict[int, float], work_h: float
) -> tuple[float, list]:
    """Let time pass in steps of a minute until the work is done; return when by the wall clock [h], and what it did."""
    did: list[str] = []
    worked_s = 0.0
    for minute in range(60 * 200):
        clock.set_by_ns += round(sets.get(minute, 0.0) * NS_PER_H)
        for _ in range(3):
            control.poll()
            control.reaped(7)
            control.poll()
        if control.state.phase == "waiting" and control.wants_to_run:
            control.starting()
            control.started(123456789)
        if not did or did[-1] != control.state.phase:
            did.append(control.state.phase)
        if worked_s >= work_h * HOUR_S:
            return (clock.wall_ns() - START_NS) / NS_PER_H, did
        clock.passed_ns += 60 * NS_PER_S
        worked_s += 60.0 if control.state.phase == "running" else 0.0
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("sets", "when"),
    [
        ({}, "never"),
        ({60: 2.0}, "forwards while it waits"),
        ({60: -2.0}, "back while it waits"),
        ({400: 2.0}, "forwards while it is paused or at work"),
        ({400: -2.0}, "back while it is paused or at work"),
        ({30: 3.0, 200: -3.0, 500: 2.5, 600: -2.5}, "to and fro"),
    ],
)
def test_deadline_is_met_whenever_the_clock_is_set(sets, when, tmp_path):
    clock = SetClock()
    # Green from 3 to 5 h and from 12 to 14 h; four hours of work fit nowhere at once.
    values = [500.0] * 3 + [100.0] * 2 + [500.0] * 7 + [100.0] * 2 + [500.0] * 60
    control = controlled(tmp_path, clock, values, deadline_h=20.0, work_h=4.0)
    ended_h, did = run_through(control, clock, sets=sets, work_h=4.0)
    assert ended_h <= 20.0, (when, did)
    assert "frozen" in did  # it was paused, so the clock was set in each phase
    control.finish()


def test_clock_set_past_the_last_moment_runs_at_once(tmp_path):
    clock = SetClock()
    control = controlled(tmp_path, clock, [500.0] * 10 + [100.0] * 40, deadline_h=30.0, work_h=4.0)
    _, did = run_through(control, clock, sets={30: 40.0}, work_h=4.0)
    assert did == ["waiting", "running"]
    assert clock.passed_ns < 5 * NS_PER_H  # half an hour of waiting, four of work
    control.finish()


def test_deadline_that_has_passed_runs_at_once_and_is_never_paused(tmp_path):
    clock = SetClock()
    control = controlled(tmp_path, clock, [500.0] * 10 + [100.0] * 40, deadline_h=-1.0, work_h=2.0)
    ended_h, did = run_through(control, clock, sets={}, work_h=2.0)
    assert ended_h == pytest.approx(2.0, abs=0.1)
    assert "frozen" not in did
    control.finish()
