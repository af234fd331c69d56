"""Many starts planned on one intensity and billed at another: the same as the policies."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import NAN, S, intensity_of

from lowtide.errors import InputError
from lowtide.model.planning import Job, Plan, Window
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.policies import flexible_start as starting
from lowtide.planning.policies import pause_resume as pausing
from lowtide.planning.policies import run_now
from lowtide.planning.promise import emissions_g
from lowtide.planning.shifting import Asked, shifted
from lowtide.planning.sites import SiteOption

H = 3600
HOUR_NS = H * S


def asked(hours: float, slack_h: float, policy: str = "flexible-start") -> Asked:
    return Asked(duration_s=hours * H, slack_s=slack_h * H, policy=policy)


def test_start_is_chosen_on_what_was_expected_and_billed_at_what_came() -> None:
    expected, actual = np.array([[9.0, 1.0, 5.0, 5.0]]), np.array([[8.0, 6.0, 4.0, 2.0]])
    found = shifted(expected, actual, asked(2, 2), step_ns=HOUR_NS)
    # expected 10, 6, 10: the middle; it cost 6 + 4 where now was 8 + 6; promised 1 - 6/10
    assert (found.now[0], found.plan[0]) == (7.0, 5.0)
    assert found.promised_saving[0] == pytest.approx(0.4)


def test_cheapest_slots_are_chosen_on_what_was_expected() -> None:
    expected, actual = np.array([[9.0, 1.0, 5.0, 3.0]]), np.array([[8.0, 6.0, 4.0, 2.0]])
    found = shifted(expected, actual, asked(1.5, 2.5, "pause-resume"), step_ns=HOUR_NS)
    # an hour at 1 and half an hour at 3, which came as 6 and half of 2; now is 8 and half of 6
    assert found.plan[0] == pytest.approx((6.0 + 1.0) / 1.5)
    assert found.now[0] == pytest.approx((8.0 + 3.0) / 1.5)
    assert found.promised_saving[0] == pytest.approx(1.0 - 2.5 / 9.5)


def test_run_now_saves_nothing() -> None:
    rows = np.random.default_rng(1).uniform(1, 9, (5, 8))
    found = shifted(rows, rows, asked(3, 5, "run-now"), step_ns=HOUR_NS)
    assert np.array_equal(found.now, found.plan)
    assert (found.promised_saving == 0.0).all()


@pytest.mark.parametrize("policy", ["flexible-start", "pause-resume"])
def test_planned_on_the_truth_it_is_the_kernels_plan(policy: str) -> None:
    values = np.random.default_rng(2).uniform(10, 500, 400)
    for hours, slack in ((6, 24), (2.5, 7), (0.25, 3), (5, 0)):
        job = asked(hours, slack, policy)
        first = np.arange(0, 300, 7)
        rows = np.stack([values[i : i + job.n_slots(HOUR_NS)] for i in first])
        found = shifted(rows, rows, job, step_ns=HOUR_NS)
        windows = Arrivals(first=first, step_ns=HOUR_NS, duration_ns=int(hours * HOUR_NS),
                           slack_ns=int(slack * HOUR_NS), n_slots=len(values))  # fmt: skip
        chooser = Chooser(Slots.of(values), step_ns=HOUR_NS)
        cost = flexible_start(chooser, windows) if policy == "flexible-start" else pause_resume(
            chooser, windows, with_pauses=False).cost  # fmt: skip
        assert found.plan == pytest.approx(cost / hours, rel=1e-9)


@pytest.mark.parametrize(("policy", "planner"), [("flexible-start", starting), ("pause-resume", pausing)])
def test_it_is_what_the_policy_does_with_the_forecast(policy: str, planner) -> None:
    rng = np.random.default_rng(3)
    job = asked(2.5, 6.0, policy)
    expected, actual = rng.uniform(1, 900, (2, 40, 9))
    found = shifted(expected, actual, job, step_ns=HOUR_NS)
    whole = Job.constant(duration_s=job.duration_s, power_w=1000.0)
    window = Window(start_ns=0, deadline_ns=round(job.window_s * S))
    for i in range(40):
        seen, truth = (SiteOption(zone="A", intensity=intensity_of(row)) for row in (expected[i], actual[i]))
        plan = planner.plan(whole, [seen], window)
        assert isinstance(plan, Plan)
        assert found.plan[i] == pytest.approx(emissions_g(plan.segments, [truth]) / 2.5, rel=1e-9)
        now = emissions_g(run_now.run_through(whole, truth, 0), [truth])
        assert found.now[i] == pytest.approx(now / 2.5, rel=1e-9)


def test_perfect_forecast_is_never_beaten() -> None:
    rng = np.random.default_rng(4)
    actual = rng.uniform(-50, 300, (200, 12))
    for policy in ("flexible-start", "pause-resume"):
        best = shifted(actual, actual, asked(3.5, 8, policy), step_ns=HOUR_NS).plan
        for expected in (rng.uniform(0, 300, actual.shape), actual + rng.normal(0, 30, actual.shape)):
            assert (
                shifted(expected, actual, asked(3.5, 8, policy), step_ns=HOUR_NS).plan >= best - 1e-9
            ).all()


def test_a_constant_added_to_the_forecast_changes_no_plan() -> None:
    rng = np.random.default_rng(5)
    expected, actual = rng.integers(1, 300, (2, 50, 12)).astype(float)
    for policy in ("flexible-start", "pause-resume"):
        a, b = (
            shifted(e, actual, asked(3, 9, policy), step_ns=HOUR_NS) for e in (expected, expected + 1000.0)
        )
        assert np.array_equal(a.plan, b.plan)


@pytest.mark.parametrize("policy", ["flexible-start", "pause-resume"])
def test_of_equal_slots_the_earliest_are_taken(policy: str) -> None:
    actual = np.random.default_rng(7).uniform(1, 9, (50, 60))
    found = shifted(np.full((50, 60), 100.0), actual, asked(20, 40, policy), step_ns=HOUR_NS)
    assert found.plan == pytest.approx(found.now)


def test_unknown_truth_is_nan_and_unknown_expectation_is_not_chosen() -> None:
    actual = np.array([[5.0, 3.0, 1.0], [5.0, NAN, 1.0], [5.0, 3.0, 1.0]])
    expected = np.array([[5.0, 3.0, NAN], [5.0, 3.0, 1.0], [NAN, NAN, NAN]])
    found = shifted(expected, actual, asked(1, 2), step_ns=HOUR_NS)
    assert np.array_equal(found.plan, [3.0, NAN, 5.0], equal_nan=True)  # nothing expected: at once
    assert found.promised_saving[2] == 0.0


def test_parts_of_many_windows_do_not_touch() -> None:
    rng = np.random.default_rng(6)
    rows = rng.uniform(1, 9, (100_000, 30))
    found = shifted(rows, rows, asked(6, 24), step_ns=HOUR_NS)
    for i in (0, 34_952, 34_953, 99_999):
        one = shifted(rows[i : i + 1], rows[i : i + 1], asked(6, 24), step_ns=HOUR_NS)
        assert found.plan[i] == pytest.approx(one.plan[0], rel=1e-9)


def test_short_windows_are_refused() -> None:
    with pytest.raises(
        InputError, match="windows of 3h are too short for a 2h job, 2h slack, flexible-start; give 4 slots"
    ):
        shifted(np.ones((1, 3)), np.ones((1, 3)), asked(2, 2), step_ns=HOUR_NS)


def test_jobs_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="give a duration above 0 and a slack of 0 or more"):
        asked(0, 2)
    with pytest.raises(InputError, match="no policy 'wait'"):
        asked(1, 1, "wait")
