"""Budgets of carbon and of money: kept, and the best that keeps them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from planning_cases import S, job_of, points_of, site_of, window_of
from test_objective import named, price_of

from lowtide.model.planning import Job, Plan
from lowtide.planning.budget import least_carbon
from lowtide.planning.least import Least, Problem
from lowtide.planning.objective import Objective
from lowtide.planning.plan import plan
from lowtide.planning.policies import elastic, pause_resume
from lowtide.testing.policy_checks import check_plan

H = 3600


def test_least_time_stops_where_the_budget_is_met_inside_a_cell() -> None:
    # 2 h at 1 kW in 300, 100, 200, 50. By the end of hour 3: 300 g. In d of hour 4 instead of the 200:
    # 100 + 200 (1 - d) + 50 d = 260 where d = 40/150 h, 16 min
    site = site_of([300, 100, 200, 50])
    plans = plan(
        job_of(2 * H, power_w=1000.0), [site], window_of(4 * H), objective=Objective(max_carbon_g=260.0)
    )
    top = named(plans, "pause-resume")
    assert top.objective == pytest.approx(3 * H + 960.0, abs=1e-4)
    assert top.lower_bound_s == pytest.approx(top.objective, abs=2e-9)
    assert top.emissions_g == pytest.approx(260.0, rel=1e-9)
    assert named(plans, "flexible-start").end_ns == 4 * H * S  # 100 + 200 is above, 200 + 50 is not
    (late,) = [i for i in plans.infeasible if i.policy == "run-now"]
    assert late.reason == "it emits at least 400 g by the deadline; the budget is 260 g"
    assert plans.minimised == "elapsed_s"
    assert plans.verdict.startswith("soonest within the budget: pause-resume A, start 1970-01-01T01:00Z")


def test_least_time_is_run_now_where_the_budget_is_wide() -> None:
    wide = Objective(max_carbon_g=1e9)
    plans = plan(job_of(1.3 * H), [site_of([300, 100, 200])], window_of(3 * H), objective=wide)
    assert {p.end_ns for p in plans.plans} == {round(1.3 * H) * S}


def test_least_carbon_under_a_cost_shares_time_between_two_plans() -> None:
    # 1 h at 1 kW: green hour 100 g at 0.3 USD, cheap hour 300 g at 0.1 USD; for 0.2 USD half of each, 200 g
    site = replace(site_of([300, 100]), price=price_of([0.1, 0.3]))
    budget = Objective(max_cost_usd=0.2)
    plans = plan(job_of(H, power_w=1000.0), [site], window_of(2 * H), objective=budget)
    top = named(plans, "pause-resume")
    assert (top.emissions_g, top.cost_usd) == (pytest.approx(200.0), pytest.approx(0.2))
    assert top.lower_bound_g == top.objective == top.emissions_g
    assert named(plans, "flexible-start").emissions_g == pytest.approx(300.0)
    tight = plan(job_of(H, power_w=1000.0), [site], window_of(2 * H), objective=Objective(max_cost_usd=0.09))
    assert tight.plans == ()
    assert tight.best is None
    reasons = {i.policy: i.reason for i in tight.infeasible}
    assert reasons["pause-resume"] == "it costs at least 0.1 USD by the deadline; the budget is 0.09 USD"


def linear_program(carbon, price, width_s, menu, work_s, budget_usd) -> float | None:
    """Return the least grams over all ways to share cells between points, by trying all bases."""
    pieces = [(j, t, p) for j in range(len(carbon)) for t, p in menu]
    n, m = len(pieces), len(carbon)
    # columns: time of each piece, slack of each cell, slack of the budget; rows: cells, budget, work
    a = np.zeros((m + 2, n + m + 1))
    g = np.zeros(n + m + 1)
    for i, (j, t, p) in enumerate(pieces):
        a[j, i] = 1.0
        a[m, i] = p / 3.6e6 * price[j]
        a[m + 1, i] = t
        g[i] = p / 3.6e6 * carbon[j]
    a[range(m), range(n, n + m)] = 1.0
    a[m, n + m] = 1.0
    b = np.array([*width_s, budget_usd, work_s], dtype=float)
    best = None
    for basis in itertools.combinations(range(n + m + 1), m + 2):
        square = a[:, basis]
        if abs(np.linalg.det(square)) < 1e-15:
            continue
        x = np.linalg.solve(square, b)
        if (x >= -1e-7).all():
            value = float(g[list(basis)] @ x)
            best = value if best is None else min(best, value)
    return best


def test_least_carbon_under_a_cost_is_the_optimum_of_the_linear_program() -> None:
    rng = np.random.default_rng(12)
    n_bounded = 0
    for i in range(60):
        n = int(rng.integers(2, 4))
        carbon, price = rng.uniform(50, 500, n), rng.uniform(0.01, 0.4, n)
        menu = [(1.0, 1000.0)] if i % 2 else [(1.0, 1000.0), (1.5, 2000.0)]
        site = replace(site_of(carbon.tolist()), price=price_of(price.tolist()))
        job = Job(work_s=float(rng.uniform(0.2, 0.95) * n * H), points=points_of(*menu))
        policy = elastic if len(menu) > 1 else pause_resume
        problem = Problem(job=job, home=site, window=window_of(n * H))
        budget = float(rng.uniform(0.3, 1.0) * price.mean() * job.work_s / H)
        found = least_carbon(policy, problem, [site], budget)
        top = linear_program(carbon, price, [H] * n, menu, job.work_s, budget)
        assert isinstance(found, Least) == (top is not None), i
        if isinstance(found, Least) and top is not None:
            n_bounded += 1
            assert found.plan.cost_usd <= budget * (1 + 1e-9), i
            assert found.plan.emissions_g == pytest.approx(top, rel=1e-7), i
            assert found.bound == pytest.approx(top, rel=1e-7), i
            check_plan(found.plan, job, [site], window_of(n * H))
    assert n_bounded > 20


def test_least_carbon_under_a_cost_with_costs_of_pausing_keeps_budget_and_bound() -> None:
    rng = np.random.default_rng(13)
    for _ in range(25):
        site = replace(site_of(rng.uniform(50, 500, 6).tolist()), price=price_of(rng.uniform(0.02, 0.4, 6)))
        job = job_of(2.5 * H, power_w=1000.0, resume_j=2e5)
        budget = Objective(max_cost_usd=0.45)
        plans = plan(job, [site], window_of(6 * H), objective=budget)
        for found in plans.plans:
            assert found.cost_usd is not None
            assert found.cost_usd <= 0.45 * (1 + 1e-9)
            assert found.lower_bound_g is not None
            assert found.lower_bound_g <= found.emissions_g * (1 + 1e-9)  # type: ignore[operator]
        greens = {p.policy: p for p in plans.plans}
        if {"flexible-start", "pause-resume"} <= set(greens):
            assert greens["pause-resume"].lower_bound_g <= greens["flexible-start"].emissions_g * (1 + 1e-9)  # type: ignore[operator]


def test_least_time_is_the_least_of_all_pauses() -> None:
    """Against trying every deadline of a fine grid."""
    rng = np.random.default_rng(14)
    for _ in range(6):
        site = site_of(rng.uniform(50, 500, 5).tolist(), step_s=600)
        job = job_of(900.0, power_w=1000.0, resume_j=2e4)
        budget_g = float(rng.uniform(15, 60))
        plans = plan(
            job, [site], window_of(3000), policies=[pause_resume], objective=Objective(max_carbon_g=budget_g)
        )
        grid = [
            t
            for t in range(900, 3001, 75)
            if isinstance(p := pause_resume.plan(job, [site], window_of(t)), Plan)
            and p.emissions_g <= budget_g
        ]
        assert bool(plans.plans) == bool(grid)
        if grid:
            (found,) = plans.plans
            assert found.emissions_g <= budget_g * (1 + 1e-9)
            assert grid[0] - 75 < found.objective <= grid[0] + 1e-9
