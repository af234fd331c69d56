"""Best: sites, points, start, pauses and moves at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plan_brute
import pytest
from planning_cases import S, job_of, points_of, site_of, values_of, window_of

from lowtide.model.planning import Infeasible, Job, Plan
from lowtide.planning.policies import best
from lowtide.testing.policy_checks import check_plan
from lowtide.units import J_PER_KWH

H = 3600


def test_move_pays_its_energy_its_time_and_a_resume() -> None:
    # an hour at A (10), half an hour's move drawing 0.1 kWh at B (20), resume with 0.2 kWh at B (30), an hour at B
    a, b = site_of([10, 99, 99, 99], zone="A"), site_of([99, 20, 30, 99], zone="B")
    job = job_of(
        2 * H, power_w=1000.0, resume_j=0.2 * J_PER_KWH, migrate_energy_kwh=0.1, migrate_time_s=0.5 * H
    )
    plan = best.plan(job, [a, b], window_of(4 * H))
    assert isinstance(plan, Plan)
    assert [(s.zone, s.start_ns / S / H, s.end_ns / S / H, s.kind) for s in plan.segments] == [
        ("A", 0, 1, "run"),
        ("B", 1.5, 2, "migrate"),
        ("B", 2, 3, "run"),
    ]
    assert plan.emissions_g == pytest.approx(10 + 0.1 * 20 + 0.2 * 30 + 30, rel=1e-12)
    assert (plan.n_pauses, plan.n_migrations) == (1, 1)
    assert not plan.executable


def test_idle_power_is_drawn_where_it_last_ran_until_it_resumes_elsewhere() -> None:
    a, b = site_of([10, 50, 99], zone="A"), site_of([99, 99, 10], zone="B")
    job = job_of(2 * H, power_w=1000.0, idle_power_w=100.0)
    plan = best.plan(job, [a, b], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(10 + 0.1 * 50 + 10, rel=1e-12)


def test_dear_move_stays_and_pue_weighs_in() -> None:
    a, b = site_of([30, 30], zone="A", pue=1.0), site_of([29, 29], zone="B", pue=1.1)
    plan = best.plan(job_of(2 * H), [a, b], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert plan.zone == "A"
    assert plan.n_migrations == 0
    assert plan.executable


def test_sites_with_different_steps_start_at_their_own_edges() -> None:
    a = site_of([50, 50], zone="A", step_s=3600)
    b = site_of([90, 5, 90, 90], zone="B", step_s=1800)
    plan = best.plan(job_of(H / 2), [a, b], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert (plan.zone, plan.start_ns / S) == ("B", 1800)
    # with A's values at half-hourly change but hourly decisions the same hour could not be begun
    hourly = best.plan(job_of(H / 2), [a, b], window_of(2 * H), slot_s=3600)
    assert isinstance(hourly, Plan)
    assert (hourly.zone, hourly.start_ns) == ("A", 0)


def test_move_cannot_leave_before_the_job_has_run() -> None:
    a, b = site_of([10, 90], zone="A"), site_of([90, 10], zone="B")
    job = job_of(2 * H, power_w=1000.0, migrate_time_s=600)
    plan = best.plan(job, [a, b], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert plan.n_migrations == 0  # 10 min of the way leave no time for 2 h of work


def test_infeasible_names_the_best_known_site() -> None:
    found = best.plan(job_of(3 * H), [site_of([1], zone="A"), site_of([1, 1], zone="B")], window_of(4 * H))
    assert isinstance(found, Infeasible)
    assert found.zone is None
    assert found.reason == "it needs 3h and the intensity of B is known for 2h of the window"


def random_problem(rng: np.random.Generator, most_cells: int):
    n_sites, n = int(rng.integers(1, 3)), int(rng.integers(1, most_cells + 1))
    menus = []
    for z in range(n_sites):
        n_points = int(rng.integers(1, 3))
        first = float(rng.choice([1.0, 0.5, 2.0])) if z else 1.0
        others = rng.choice([0.25, 0.75, 1.5, 3.0], size=n_points - 1, replace=False)
        menus.append([(float(t), float(rng.integers(50, 400))) for t in (first, *others)])
    values, negative = values_of(rng, (n_sites, n))
    most = n * 60 * max(t for menu in menus for t, _ in menu)
    work_s = (
        float(rng.integers(10, int(most) + 1)) if rng.random() < 0.7 else 60.0 * int(rng.integers(1, n + 1))
    )
    costs = plan_brute.Costs(
        resume_j=float(rng.choice([0, 0, 600, 3000])),
        resume_s=int(rng.choice([0, 0, 60])),
        idle_w=float(rng.choice([0, 0, 10, 40])),
        move_j=float(rng.choice([0, 500, 5000])),
        move_s=int(rng.choice([0, 0, 60])),
        max_pauses=None if rng.random() < 0.7 else int(rng.integers(0, 2)),
    )
    return values, negative, menus, work_s, costs


def check_against_everything(seed: int, n_cases: int, *, most_cells: int = 3) -> None:
    rng = np.random.default_rng(seed)
    for i in range(n_cases):
        values, negative, menus, work_s, costs = random_problem(rng, most_cells)
        n = values.shape[1]
        sites = [
            site_of(row.tolist(), zone="AB"[z], step_s=60, points=points_of(*menus[z]))
            for z, row in enumerate(values)
        ]
        job = Job(
            work_s=work_s, points=points_of((1.0, 100.0)), resume_energy_kwh=costs.resume_j / J_PER_KWH,
            resume_time_s=costs.resume_s, idle_power_w=costs.idle_w, max_pauses=costs.max_pauses,
            migrate_energy_kwh=costs.move_j / J_PER_KWH, migrate_time_s=costs.move_s,
        )  # fmt: skip
        top = plan_brute.cheapest_anywhere(values.tolist(), 60.0, menus, work_s, costs)
        plan = best.plan(job, sites, window_of(60 * n))
        what = (i, values, menus, work_s, costs)
        assert isinstance(plan, Plan) == (top is not None), what
        if not isinstance(plan, Plan) or top is None:
            continue
        assert plan.lower_bound_g <= top.cost / J_PER_KWH + 1e-9 * abs(plan.lower_bound_g), what
        if not negative:
            assert plan.emissions_g == pytest.approx(top.cost / J_PER_KWH, rel=1e-9, abs=1e-12), what
            assert plan.lower_bound_g == plan.emissions_g, what
            if (values[~np.isnan(values)] > 0).all():
                found = (plan.start_ns / S, plan.n_pauses, plan.n_migrations)
                assert found == (top.start, top.n_pauses, top.n_moves), what
        check_plan(plan, job, sites, window_of(60 * n))


def test_plans_are_the_best_of_all() -> None:
    check_against_everything(seed=8, n_cases=120)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_plans_are_the_best_of_all(seed: int) -> None:
    check_against_everything(seed=200 + seed, n_cases=500)


@pytest.mark.slow
def test_longer_plans_are_the_best_of_all() -> None:
    check_against_everything(seed=300, n_cases=60, most_cells=4)


def test_more_sites_never_cost_carbon() -> None:
    rng = np.random.default_rng(9)
    sites = [site_of(rng.uniform(20, 400, 24).tolist(), zone=f"Z{z}") for z in range(3)]
    job = replace(job_of(6.3 * H, resume_j=2e5), migrate_energy_kwh=0.01, migrate_time_s=1800.0)
    grams = []
    for n in range(1, 4):
        plan = best.plan(job, sites[:n], window_of(24 * H))
        assert isinstance(plan, Plan)
        assert plan.lower_bound_g == plan.emissions_g
        grams.append(plan.emissions_g)
    assert grams == sorted(grams, reverse=True)
