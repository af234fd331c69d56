"""The front of carbon against time and cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import S, job_of, points_of, site_of, window_of
from test_objective import price_of

from lowtide.model.planning import Job
from lowtide.planning.plan import plan
from lowtide.planning.policies import pause_resume

H = 3600


def front(plans, trade):
    return [point for point in plans.pareto if point.trade == trade]


def test_front_of_carbon_and_time_by_hand() -> None:
    # 1 h in 300, 100, 200, 50: now 300; by 2 h 100; by 4 h 50; the third hour offers nothing better
    plans = plan(job_of(H, power_w=1000.0), [site_of([300, 100, 200, 50])], window_of(4 * H), pareto=True)
    found = [(point.elapsed_s / H, point.plan.emissions_g) for point in front(plans, "carbon-time")]
    assert found == [(1.0, 300.0), (2.0, 100.0), (4.0, 50.0)]
    assert all(point.exact for point in plans.pareto)
    assert front(plans, "carbon-cost") == []


def test_front_of_carbon_and_cost_by_hand() -> None:
    # 1 h: (300 g, 0.1), (100 g, 0.3), (250 g, 0.25): above the line between the others, 0.15 at 250 g
    site = replace(site_of([300, 100, 250]), price=price_of([0.1, 0.3, 0.25]))
    plans = plan(job_of(H, power_w=1000.0), [site], window_of(3 * H), pareto=True)
    found = [(point.plan.emissions_g, point.plan.cost_usd) for point in front(plans, "carbon-cost")]
    assert found == [(100.0, pytest.approx(0.3)), (300.0, pytest.approx(0.1))]


@pytest.mark.parametrize("seed", range(4))
def test_front_is_not_dominated_and_holds_the_least_carbon_and_run_now(seed: int) -> None:
    rng = np.random.default_rng(seed)
    site = replace(site_of(rng.uniform(20, 400, 18).tolist()), price=price_of(rng.uniform(0.02, 0.4, 18)))
    job = job_of(4.3 * H, power_w=1000.0, resume_j=float(rng.choice([0.0, 2e5])))
    if seed == 3:
        job = Job(work_s=4.3 * H, points=points_of((1.0, 1000.0), (1.7, 2000.0)))
    plans = plan(job, [site], window_of(18 * H), pareto=True)
    times = [(point.elapsed_s, point.plan.emissions_g) for point in front(plans, "carbon-time")]
    assert times == sorted(times)
    assert [g for _, g in times] == sorted((g for _, g in times), reverse=True)
    assert len({g for _, g in times}) == len(times)
    assert times[-1][1] == pytest.approx(plans.best.emissions_g, rel=1e-9)  # type: ignore[union-attr]
    if seed < 3:
        assert times[0] == (4.3 * H, pytest.approx(plans.baseline.emissions_g))
    for at_h in range(6, 18, 3):  # any other deadline
        if seed < 3:
            other = pause_resume.plan(job, [site], window_of(at_h * H))
            assert min(g for t, g in times if t <= at_h * H) <= other.emissions_g * (1 + 1e-9)  # type: ignore[union-attr]
    costs = [(point.plan.emissions_g, point.plan.cost_usd) for point in front(plans, "carbon-cost")]
    assert costs == sorted(costs)
    assert [usd for _, usd in costs] == sorted((usd for _, usd in costs), reverse=True)
    assert costs[0][0] == pytest.approx(plans.best.emissions_g, rel=1e-6)  # type: ignore[union-attr]


def test_front_keeps_to_the_window_and_to_known_intensity() -> None:
    site = site_of([300, float("nan"), 100, 200])
    plans = plan(job_of(2 * H), [site], window_of(4 * H), pareto=True)
    found = [(point.plan.start_ns // (H * S), point.elapsed_s) for point in plans.pareto]
    assert found == [(0, 3 * H), (2, 4 * H)]  # 300 + 100 by 3 h, 100 + 200 by 4 h
