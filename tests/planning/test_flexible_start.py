"""Flexible start: worked by hand, and against trying every start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import NAN, S, job_of, random_case, site_of, window_of

from lowtide.model.planning import Infeasible, Plan, Window, WorkProfile
from lowtide.planning.policies import flexible_start, run_now
from lowtide.planning.promise import emissions_g
from lowtide.planning.window import decision_instants

H = 3600


def test_start_is_at_an_edge_and_the_run_ends_anywhere() -> None:
    # 1.5 h from 1 h on: 20 + 0.5 * 10; from 2 h on: 10 + 0.5 * 40
    plan = flexible_start.plan(job_of(1.5 * H, power_w=1000.0), [site_of([50, 20, 10, 40])], window_of(4 * H))
    assert isinstance(plan, Plan)
    assert (plan.start_ns, plan.end_ns) == (1 * H * S, 2.5 * H * S)
    assert plan.emissions_g == pytest.approx(25.0, rel=1e-12)
    assert plan.lower_bound_g == plan.emissions_g


def test_window_may_begin_between_edges() -> None:
    # from 00:20 on an hour costs 40/60 * 10 + 20/60 * 90 = 36.7, from 01:00 on 90, from 02:00 on 30
    site = site_of([10, 90, 30])
    plan = flexible_start.plan(job_of(H, power_w=1000.0), [site], window_of(2.6 * H, start_s=1200))
    assert isinstance(plan, Plan)
    assert plan.start_ns == 1200 * S
    assert plan.emissions_g == pytest.approx(40 / 60 * 10 + 20 / 60 * 90, rel=1e-12)


def test_deadline_rules_out_the_late_start() -> None:
    plan = flexible_start.plan(job_of(1.5 * H), [site_of([50, 20, 10, 1])], window_of(3.4 * H))
    assert isinstance(plan, Plan)
    assert plan.start_ns == H * S  # the one at 2 h would end 6 min late


def test_starts_through_unknown_intensity_are_not_chosen() -> None:
    plan = flexible_start.plan(job_of(2 * H), [site_of([9, NAN, 20, 30, 10])], window_of(5 * H))
    assert isinstance(plan, Plan)
    assert plan.start_ns == 3 * H * S


def test_run_now_through_unknown_intensity_promises_nothing() -> None:
    plan = run_now.plan(job_of(2 * H), [site_of([9, NAN, 20])], window_of(3 * H))
    assert isinstance(plan, Plan)
    assert plan.emissions_g is None
    assert plan.energy_kwh == pytest.approx(0.2)


def test_infeasible_says_why() -> None:
    late = run_now.plan(job_of(3 * H), [site_of([1] * 4)], window_of(2 * H))
    assert isinstance(late, Infeasible)
    assert late.reason == "started at once it ends 1h after the deadline"
    unknown = flexible_start.plan(job_of(2 * H), [site_of([9, NAN, 9, NAN])], window_of(4 * H))
    assert isinstance(unknown, Infeasible)
    assert unknown.reason == "every start in time runs through unknown intensity"
    long = flexible_start.plan(job_of(5 * H), [site_of([9] * 4)], window_of(4 * H))
    assert isinstance(long, Infeasible)
    assert long.reason == "it needs 5h and the deadline is 4h after the start"


def cheapest_start(job, site, window: Window) -> tuple[float, int] | None:
    """Return (grams, start) of the best start by accounting for each of them."""
    found = []
    for start_ns in decision_instants(site, window).tolist():
        run = run_now.run_through(job, site, start_ns)
        g = emissions_g(run, [site], profile=job.profile)
        if run[-1].end_ns <= window.deadline_ns and g is not None:
            found.append((g, start_ns))
    return min(found, default=None)


def test_every_start_is_tried() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        case = random_case(rng)
        job = job_of(case.work_s)
        best = cheapest_start(job, case.site, case.window)
        plan = flexible_start.plan(job, [case.site], case.window)
        assert isinstance(plan, Plan) == (best is not None)
        if isinstance(plan, Plan) and best is not None:
            assert plan.emissions_g == pytest.approx(best[0], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("step_s", [300, 3600])
def test_power_profile_is_correlated_exactly_on_and_off_the_grid(step_s: int) -> None:
    rng = np.random.default_rng(2)
    site = site_of(rng.uniform(20, 400, 60).tolist(), step_s=step_s)
    for _ in range(20):
        at = np.unique(rng.integers(1, 20 * step_s, 12))
        profile = WorkProfile(edges_s=(0.0, *map(float, at)), power_w=tuple(rng.uniform(50, 500, len(at))))
        job = job_of(float(at[-1]), profile=profile)
        window = window_of(50 * step_s, start_s=float(rng.integers(0, step_s)))
        plan, best = flexible_start.plan(job, [site], window), cheapest_start(job, site, window)
        assert isinstance(plan, Plan)
        assert best is not None
        assert plan.emissions_g == pytest.approx(best[0], rel=1e-12)
        odd = site_of(rng.uniform(20, 400, 60).tolist(), step_s=rng.integers(1, 2 * step_s, 60))
        window = window_of(sum(np.diff(odd.intensity.edges_ns)) / S)
        plan, best = flexible_start.plan(job, [odd], window), cheapest_start(job, odd, window)
        assert isinstance(plan, Plan)
        assert best is not None
        assert plan.emissions_g == pytest.approx(best[0], rel=1e-12)


def test_faster_site_needs_less_time() -> None:
    site = replace(site_of([10, 20, 30]), points=job_of(1, power_w=500.0).points)
    quick = replace(site.points[0], throughput=2.0)
    plan = run_now.plan(job_of(2 * H), [replace(site, points=(quick,))], window_of(H))
    assert isinstance(plan, Plan)
    assert plan.end_ns == H * S
    assert plan.emissions_g == pytest.approx(0.5 * 10, rel=1e-12)
