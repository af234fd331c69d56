"""Saving and loading of a job that leaves, as stretches of time."""

from __future__ import annotations

import pytest

from lowtide.runtime.green import GreenSpec
from lowtide.runtime.green_overheads import overheads_ns
from lowtide.runtime.green_state import GreenState, run_plan

S = 10**9


def spec(**changes) -> GreenSpec:
    given = {
        "bound": "--within 1h", "asked_ns": 0, "deadline_ns": 3600 * S, "start_by_ns": None, "work_s": 60.0,
        "work_known": True, "power_w": 100.0, "power_known": True, "margin": 0.1, "min_saving": 0.03,
        "pause": "checkpoint",
    }  # fmt: skip
    return GreenSpec(**{**given, **changes})


def found(**changes):
    given = {"pauses": [], "ready_s": []}
    return overheads_ns(
        [[0, 10 * S], [50 * S, None]], [(0, 10 * S), (50 * S, 60 * S)], **{**given, **changes}
    )


def test_without_pauses_and_resumes_there_are_none():
    assert found() == ()
    assert found(ready_s=[5.0]) == ()  # the first start would have been one at once too


def test_load_longer_than_its_stretch_is_all_of_it():
    assert found(ready_s=[1.0, 20.0]) == ((50 * S, 60 * S),)


def test_pause_that_was_refused_is_none():
    assert found(pauses=[{"asked_ns": 8 * S, "effect_s": None}]) == ()
    assert found(pauses=[{"asked_ns": 3 * S, "effect_s": 2.0}]) == ()  # no stretch ends there


@pytest.mark.parametrize(("pause", "n"), [("checkpoint", 2), ("freeze", 0)])
def test_plan_of_a_run_has_them_where_it_saves_and_leaves(pause, n):
    state = GreenState(
        spec=spec(pause=pause), phase="ended", runs=[[0, 10 * S], [50 * S, 60 * S]], ready_s=[1.0, 3.0],
        pauses=[{"asked_ns": 8 * S, "effect_s": 2.0}],
    )  # fmt: skip
    first, last = state.runs_ns()[0][0], state.runs_ns()[-1][1]
    plan = run_plan(state, started_ns=first, ended_ns=last)
    assert len(plan.overheads_ns) == n
    lengths = [(b - a) / S for a, b in plan.overheads_ns]
    assert lengths == [2.0, 3.0][:n]


def test_held_allocation_is_told():
    state = GreenState(spec=spec(hold_allocation=True), phase="ended", runs=[[0, 10 * S]])
    (run,) = state.runs_ns()
    assert run_plan(state, started_ns=run[0], ended_ns=run[1]).hold_allocation
