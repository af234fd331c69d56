"""Pause & resume: worked by hand, and against trying everything."""

from __future__ import annotations

import os

import numpy as np
import plan_brute
import pytest
from planning_cases import NAN, S, job_of, random_case, site_of, window_of

from lowtide.model.planning import Infeasible, Plan, WorkProfile
from lowtide.planning.policies import flexible_start, pause_resume
from lowtide.testing.policy_checks import check_plan
from lowtide.units import J_PER_KWH

H = 3600


def spans(plan: Plan) -> list[tuple[float, float, str]]:
    return [(s.start_ns / S / H, s.end_ns / S / H, s.kind) for s in plan.segments]


def test_cheapest_hours_are_filled_and_the_dearest_of_them_in_part() -> None:
    # 2.5 h at 1 kW in 50, 10, 40, 20, 30: the hours of 10 and 20 whole, half of the one of 30
    site = site_of([50, 10, 40, 20, 30])
    plan = pause_resume.plan(job_of(2.5 * H, power_w=1000.0), [site], window_of(5 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(1, 2, "run"), (3, 4.5, "run")]
    assert plan.emissions_g == pytest.approx(10 + 20 + 0.5 * 30, rel=1e-12)
    assert plan.lower_bound_g == plan.emissions_g
    assert plan.n_pauses == 1


def test_resume_energy_is_paid_at_each_resume_and_not_at_the_first_start() -> None:
    # pausing over the 50 saves 40 g and costs 0.5 kWh at 10 g/kWh = 5 g
    site = site_of([10, 50, 10])
    job = job_of(2 * H, power_w=1000.0, resume_j=0.5 * J_PER_KWH)
    plan = pause_resume.plan(job, [site], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(10 + 10 + 5, rel=1e-12)
    assert plan.energy_kwh == pytest.approx(2.5, rel=1e-12)
    dear = job_of(2 * H, power_w=1000.0, resume_j=5 * J_PER_KWH)  # 50 g: running through is cheaper
    through = pause_resume.plan(dear, [site], window_of(3 * H))
    assert isinstance(through, Plan)
    assert (through.n_pauses, through.emissions_g) == (0, pytest.approx(60.0))


def test_resume_time_draws_running_power_and_makes_no_progress() -> None:
    # 1 h before the 50 and 1 h after, of which the first half hour is the resume: 1.5 h of work in all
    site = site_of([10, 50, 10])
    job = job_of(1.5 * H, power_w=1000.0, resume_time_s=0.5 * H)
    plan = pause_resume.plan(job, [site], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 1, "run"), (2, 2.5, "resume"), (2.5, 3, "run")]
    assert plan.emissions_g == pytest.approx(20.0, rel=1e-12)
    assert plan.work_s == pytest.approx(1.5 * H)


def test_idle_power_counts_between_first_start_and_end_only() -> None:
    # 1 h at 10, 1 h idle with 100 W at 50, 1 h at 10; nothing before the start or after the end
    site = site_of([90, 10, 50, 10, 90])
    job = job_of(2 * H, power_w=1000.0, idle_power_w=100.0)
    plan = pause_resume.plan(job, [site], window_of(5 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(1, 2, "run"), (2, 3, "idle"), (3, 4, "run")]
    assert plan.emissions_g == pytest.approx(10 + 5 + 10, rel=1e-12)


def test_flat_signal_starts_at_once_and_never_pauses() -> None:
    plan = pause_resume.plan(job_of(2.5 * H), [site_of([200.0] * 9)], window_of(9 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 2.5, "run")]


def test_ties_go_to_the_earliest_start_then_to_the_fewest_pauses() -> None:
    # three hours of 1 and one of 2 of the three there are: 1 1 2 1 without a pause, from the first hour on
    plan = pause_resume.plan(job_of(4 * H), [site_of([1, 1, 2, 1, 2, 2])], window_of(6 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 4, "run")]


def test_unknown_intensity_is_paused_over() -> None:
    plan = pause_resume.plan(job_of(2 * H), [site_of([10, NAN, 10, 99])], window_of(4 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 1, "run"), (2, 3, "run")]


def test_idle_power_in_unknown_intensity_is_not_chosen() -> None:
    job = job_of(2 * H, idle_power_w=10.0)
    plan = pause_resume.plan(job, [site_of([10, NAN, 10, 99])], window_of(4 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(2, 4, "run")]


def test_slot_grid_decides_starts_and_runs_stop_anywhere() -> None:
    # slots of 2 h over hourly values: the hour of 5 can only be had after the one of 90 before it
    site = site_of([20, 30, 90, 5, 40, 50])
    plan = pause_resume.plan(job_of(3 * H), [site], window_of(6 * H), slot_s=2 * H)
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 2, "run"), (4, 5, "run")]  # 20 + 30 + 40 = 90, by way of the 5: 20 + 90 + 5
    check_plan(plan, job_of(3 * H), [site], window_of(6 * H), slot_s=2 * H)


@pytest.mark.parametrize(
    ("values", "work_h", "length_h", "reason"),
    [
        ([10] * 6, 5, 4, "it needs 5h and the deadline is 4h after the start"),
        ([10, NAN, NAN, 10], 3, 4, "it needs 3h and the intensity of A is known for 2h of the window"),
        ([10, 10], 3, 4, "it needs 3h and the intensity of A is known for 2h of the window"),
    ],
)
def test_infeasible_says_why(values: list[float], work_h: float, length_h: float, reason: str) -> None:
    found = pause_resume.plan(job_of(work_h * H), [site_of(values)], window_of(length_h * H))
    assert found == Infeasible(policy="pause-resume", zone="A", reason=reason)


def test_resumes_that_leave_no_time_are_infeasible() -> None:
    job = job_of(2 * H, resume_time_s=0.5 * H)
    found = pause_resume.plan(job, [site_of([10, NAN, 10])], window_of(3 * H))
    assert isinstance(found, Infeasible)
    assert "75% of its work fits" in found.reason  # 1 h and half an hour of 2 h


def test_without_slack_it_runs_through() -> None:
    job = job_of(3 * H, resume_j=100.0)
    plan = pause_resume.plan(job, [site_of([3, 1, 2])], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert spans(plan) == [(0, 3, "run")]


def check_against_everything(seed: int, n_cases: int) -> None:
    rng = np.random.default_rng(seed)
    n_plans = 0
    for _ in range(n_cases):
        case = random_case(rng)
        costs = plan_brute.Costs(
            resume_j=case.resume_j, resume_s=case.resume_s, idle_w=case.idle_w, max_pauses=case.max_pauses
        )
        best = plan_brute.cheapest_with_pauses(case.intensity, case.width_s, case.work_s, costs)
        plan = pause_resume.plan(case.job, [case.site], case.window)
        assert isinstance(plan, Plan) == (best is not None), case
        if not isinstance(plan, Plan) or best is None:
            continue
        n_plans += 1
        assert plan.emissions_g == pytest.approx(best.cost / J_PER_KWH, rel=1e-9, abs=1e-12), case
        assert (plan.start_ns / S, plan.n_pauses) == (best.start, best.n_pauses), case
        assert plan.lower_bound_g is not None
        assert plan.lower_bound_g <= plan.emissions_g, case
        assert case.negative or plan.lower_bound_g == plan.emissions_g, case
        check_plan(plan, case.job, [case.site], case.window)
    assert n_plans > 0.7 * n_cases


def test_plans_are_the_best_of_all() -> None:
    check_against_everything(seed=20, n_cases=250)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_plans_are_the_best_of_all(seed: int) -> None:
    check_against_everything(seed=seed, n_cases=1000 if "LOWTIDE_TEST_FULL" in os.environ else 150)


def test_without_pauses_it_is_the_flexible_start() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        case = random_case(rng)
        job = job_of(case.work_s, max_pauses=0)
        paused = pause_resume.plan(job, [case.site], case.window)
        shifted = flexible_start.plan(job, [case.site], case.window)
        if isinstance(shifted, Plan):
            assert isinstance(paused, Plan)
            assert paused.segments == shifted.segments
        else:
            assert isinstance(paused, Infeasible)


def test_power_profile_is_paused_where_it_draws_most() -> None:
    # an hour of 100 W then one of 1000 W: the second hour of work belongs in the cheapest hour
    profile = WorkProfile(edges_s=(0.0, 3600.0, 7200.0), power_w=(100.0, 1000.0))
    job = job_of(2 * H, profile=profile)
    plan = pause_resume.plan(job, [site_of([30, 10, 60, 20, 5])], window_of(5 * H))
    assert isinstance(plan, Plan)
    assert [s.power_w for s in plan.segments] == [100.0, 1000.0]
    assert plan.emissions_g == pytest.approx(0.1 * 10 + 1.0 * 5, rel=1e-12)


def test_power_profiles_are_planned_as_by_trying_everything() -> None:
    rng = np.random.default_rng(5)
    for _ in range(150):
        n, step_s = int(rng.integers(1, 6)), 30
        width = (rng.integers(1, 4, n) if rng.random() < 0.5 else np.full(n, 2)) * step_s
        values = rng.uniform(1.0, 100.0, n)
        if rng.random() < 0.3:
            values[rng.random(n) < 0.2] = NAN
        n_steps = int(rng.integers(1, width.sum() // step_s + 1))
        n_powers = int(rng.integers(1, min(n_steps, 3) + 1))
        inner = np.sort(rng.choice(np.arange(1, n_steps), n_powers - 1, replace=False)) if n_steps > 1 else []
        at = [0.0, *(float(i * step_s) for i in inner), float(n_steps * step_s)]
        power_w = [float(p) for p in rng.integers(20, 300, len(at) - 1)]
        costs = plan_brute.Costs(
            resume_j=float(rng.choice([0, 600, 5000])), resume_s=int(rng.choice([0, 0, 30, 60])),
            idle_w=float(rng.choice([0, 0, 15])),
        )  # fmt: skip
        best = plan_brute.cheapest_with_profile(values, width.tolist(), step_s, (at, power_w), costs)
        job = job_of(
            at[-1], profile=WorkProfile(edges_s=tuple(at), power_w=tuple(power_w)), resume_j=costs.resume_j,
            resume_time_s=costs.resume_s, idle_power_w=costs.idle_w,
        )  # fmt: skip
        plan = pause_resume.plan(job, [site_of(values.tolist(), step_s=width)], window_of(int(width.sum())))
        assert isinstance(plan, Plan) == (best is not None)
        if isinstance(plan, Plan) and best is not None:
            assert plan.emissions_g == pytest.approx(best / J_PER_KWH, rel=1e-9)
            assert plan.lower_bound_g == plan.emissions_g


def test_profile_off_the_grid_has_a_bound_and_is_no_worse_than_running_through() -> None:
    rng = np.random.default_rng(6)
    profile = WorkProfile(edges_s=(0.0, 1000.3, 4000.7, 9000.1), power_w=(100.0, 300.0, 200.0))
    job = job_of(9000.1, profile=profile, resume_j=1000.0)
    site = site_of(rng.uniform(50, 500, 48).tolist(), step_s=900)
    window = window_of(11 * H, start_s=123.456)
    plan, through = pause_resume.plan(job, [site], window), flexible_start.plan(job, [site], window)
    assert isinstance(plan, Plan)
    assert isinstance(through, Plan)
    assert plan.lower_bound_g <= plan.emissions_g <= through.emissions_g
    assert plan.gap_fraction < 0.2
    check_plan(plan, job, [site], window)
