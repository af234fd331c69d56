"""Menus: hulls, filling, elastic plans and caps, by hand and against trying everything."""

from __future__ import annotations

import numpy as np
import plan_brute
import pytest
from planning_cases import S, points_of, site_of, values_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, WorkProfile
from lowtide.planning.menu import corners, points_from_table, prefix_point
from lowtide.planning.policies import elastic, pause_resume, power_cap
from lowtide.testing.policy_checks import check_plan
from lowtide.units import J_PER_KWH

H = 3600


def test_hull_keeps_the_corners_an_optimal_plan_can_use() -> None:
    menu = points_of((1.0, 300.0), (2.0, 500.0), (1.5, 450.0), (3.0, 900.0), (0.5, 290.0))
    # from off: 250 W a unit at 2, less than 300 at 1; then 400 to 3
    assert [c.throughput for c in corners(menu, off_w=0.0)] == [0.0, 2.0, 3.0]
    assert [c.throughput for c in corners(menu)] == [0.5, 1.0, 2.0, 3.0]
    assert [c.throughput for c in corners(menu, sign=-1, off_w=0.0)] == [0.0, 0.5, 3.0]


def test_point_of_more_power_and_less_work_is_left_out() -> None:
    assert [c.throughput for c in corners(points_of((1.0, 300.0), (0.5, 310.0)))] == [1.0]


def test_prefix_point_is_the_cheapest_work_above_off() -> None:
    menu = points_of((1.0, 300.0), (2.0, 500.0))
    assert prefix_point(menu, 0.0).throughput == 2.0  # 250 J/s against 300
    assert prefix_point(menu, 200.0).throughput == 1.0  # 100 above off against 150


def test_menu_from_a_table_is_relative_to_its_baseline() -> None:
    menu = points_from_table([10.0, 8.0], [300.0, 200.0], baseline=0, labels=["300 W", "200 W"])
    assert menu == (
        OperatingPoint(throughput=1.0, power_w=300.0, label="300 W"),
        OperatingPoint(throughput=0.8, power_w=200.0, label="200 W"),
    )
    with pytest.raises(InputError, match="baseline row 2 is none of 2"):
        points_from_table([1.0, 2.0], [1.0, 2.0], baseline=2)


def test_fixed_host_power_makes_two_workers_the_smallest_step() -> None:
    # host 400 W + 100 W a worker: one worker 500 J a unit, two 300: never one alone, in part of an hour rather
    job = Job(work_s=3 * H, points=points_of((1.0, 500.0), (2.0, 600.0)))
    plan = elastic.plan(job, [site_of([10, 20, 30])], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert [(s.throughput, s.start_ns / S / H, s.end_ns / S / H) for s in plan.segments] == [(2.0, 0.0, 1.5)]
    assert plan.emissions_g == pytest.approx(0.6 * 10 + 0.3 * 20, rel=1e-12)
    assert not plan.executable


def test_two_points_share_a_slot_by_time() -> None:
    # concave: the first worker costs 100 J, the second 200; 1.5 units in one hour: half of it with two
    job = Job(work_s=1.5 * H, points=points_of((1.0, 100.0), (2.0, 300.0)))
    plan = elastic.plan(job, [site_of([40])], window_of(H))
    assert isinstance(plan, Plan)
    assert [(s.throughput, s.duration_s) for s in plan.segments] == [(2.0, H / 2), (1.0, H / 2)]
    assert plan.emissions_g == pytest.approx((0.15 + 0.05) * 40, rel=1e-12)


def test_negative_intensity_takes_the_most_power_per_work() -> None:
    job = Job(work_s=H, points=points_of((1.0, 100.0), (0.5, 300.0)))
    plan = elastic.plan(job, [site_of([-10, -10, 50])], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(2 * 0.3 * -10, rel=1e-12)


def test_more_throughput_makes_a_short_window_enough() -> None:
    job = Job(work_s=3 * H, points=points_of((1.0, 100.0), (2.0, 250.0)))
    assert isinstance(pause_resume.plan(job, [site_of([10, 10])], window_of(2 * H)), Infeasible)
    plan = elastic.plan(job, [site_of([10, 10])], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert plan.work_s == pytest.approx(3 * H)


def test_recorded_profile_has_no_menu() -> None:
    profile = WorkProfile(edges_s=(0.0, 60.0), power_w=(1.0,))
    job = Job(work_s=60.0, points=points_of((1.0, 1.0)), profile=profile)
    for policy in (elastic, power_cap):
        found = policy.plan(job, [site_of([1.0])], window_of(H))
        assert isinstance(found, Infeasible)
        assert "recorded power profile" in found.reason


def test_power_cap_runs_at_once_at_the_point_of_least_emissions_in_time() -> None:
    menu = points_of((1.0, 300.0), (0.8, 200.0), (0.4, 80.0))
    job = Job(work_s=2 * H, points=menu)
    plan = power_cap.plan(job, [site_of([10] * 6)], window_of(6 * H))
    assert isinstance(plan, Plan)
    assert plan.segments[0].throughput == 0.4  # 200 J a unit against 250 and 300
    tight = power_cap.plan(job, [site_of([10] * 6)], window_of(3 * H))
    assert isinstance(tight, Plan)
    assert tight.segments[0].throughput == 0.8
    # a slower cap runs into a dearer hour
    rising = power_cap.plan(job, [site_of([10, 10, 90, 90, 90, 90])], window_of(6 * H))
    assert isinstance(rising, Plan)
    assert rising.segments[0].throughput == 1.0


def random_menu(rng: np.random.Generator, n_points: int) -> list[tuple[float, float]]:
    others = rng.choice([0.25, 0.5, 0.75, 1.5, 2.0, 3.0], size=n_points - 1, replace=False)
    return [(float(t), float(rng.integers(50, 400))) for t in (1.0, *others)]


def check_against_everything(seed: int, n_cases: int, *, most_cells: int = 4) -> None:
    rng = np.random.default_rng(seed)
    for i in range(n_cases):
        n, menu = int(rng.integers(1, most_cells + 1)), random_menu(rng, int(rng.integers(1, 4)))
        values, negative = values_of(rng, n)
        most = n * 60 * max(t for t, _ in menu)
        work_s = float(rng.integers(10, int(most) + 1))
        costly = rng.random() < 0.5
        costs = plan_brute.Costs(
            resume_j=float(rng.choice([0, 600, 3000])) if costly else 0.0,
            resume_s=int(rng.choice([0, 60])) if costly else 0,
            idle_w=float(rng.choice([0, 10, 40])) if costly else 0.0,
        )
        job = Job(
            work_s=work_s, points=points_of(*menu), resume_energy_kwh=costs.resume_j / J_PER_KWH,
            resume_time_s=costs.resume_s, idle_power_w=costs.idle_w,
        )  # fmt: skip
        best = plan_brute.cheapest_anywhere([values.tolist()], 60.0, [menu], work_s, costs)
        site, window = site_of(values.tolist(), step_s=60), window_of(60 * n)
        plan = elastic.plan(job, [site], window)
        what = (i, values, menu, work_s, costs)
        assert isinstance(plan, Plan) == (best is not None), what
        if not isinstance(plan, Plan) or best is None:
            continue
        if negative and costly:  # resuming can pay there, and only the bound is promised
            assert plan.lower_bound_g <= best.cost / J_PER_KWH + 1e-9 * abs(plan.lower_bound_g), what
        else:
            assert plan.emissions_g == pytest.approx(best.cost / J_PER_KWH, rel=1e-9, abs=1e-12), what
            assert plan.lower_bound_g == plan.emissions_g, what
        check_plan(plan, job, [site], window)


def test_plans_are_the_best_of_all() -> None:
    check_against_everything(seed=7, n_cases=150)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_plans_are_the_best_of_all(seed: int) -> None:
    check_against_everything(seed=100 + seed, n_cases=500)
