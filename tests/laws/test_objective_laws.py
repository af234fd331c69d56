"""Laws of objectives: what must hold of any weights, budgets, PUE and ways."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.model.planning import Job, Plan, PlanSet, Window
from lowtide.model.signal import Signal
from lowtide.planning.objective import Objective
from lowtide.planning.plan import plan
from lowtide.planning.pue import PueSeries
from lowtide.planning.sites import SiteOption, Transfer
from lowtide.series.types import IntensitySeries, PriceSeries

S = 10**9
H = 3600
N = 8
EDGES = np.arange(N + 1, dtype=np.int64) * H * S
WINDOW = Window(start_ns=0, deadline_ns=N * H * S)
VALUES = st.lists(st.floats(1.0, 900.0, width=32), min_size=N, max_size=N)
PRICES = st.lists(st.floats(-0.0625, 0.5, width=32), min_size=N, max_size=N)


def site(values: list[float], prices: list[float] | None = None, zone: str = "A") -> SiteOption:
    grid = IntensitySeries.of(EDGES, values, signal=Signal(zone=zone, source="drawn"))
    price = (
        None
        if prices is None
        else PriceSeries(edges_ns=EDGES, price_usd_per_kwh=np.array(prices), source="drawn")
    )
    return SiteOption(zone=zone, intensity=grid, price=price)


def jobs(*, costly: bool = True):
    cost = st.sampled_from([0.0, 0.3]) if costly else st.just(0.0)
    return st.builds(
        lambda work, energy: replace(
            Job.constant(duration_s=float(work), power_w=1000.0), resume_energy_kwh=energy
        ),
        st.integers(1, 6 * H),
        cost,
    )


def of(plans: PlanSet, policy: str) -> Plan | None:
    return next((p for p in plans.plans if p.policy == policy), None)


@given(VALUES, PRICES, jobs(), st.floats(0.0, 500.0), st.floats(0.0, 1.0))
@settings(max_examples=20, deadline=None)
def test_value_is_the_weighed_sum_and_no_policy_beats_a_wider_one(
    values: list[float], prices: list[float], job: Job, per_t: float, per_h: float
) -> None:
    objective = Objective(carbon_price_usd_per_t=per_t, time_price_usd_per_h=per_h, energy_price=True)
    plans = plan(job, [site(values, prices)], WINDOW, objective=objective)
    for found in plans.plans:
        assert found.objective is not None
        again = objective.value_of(found, WINDOW)
        assert again == pytest.approx(found.objective, rel=1e-9, abs=1e-9)
        assert found.lower_bound_usd is not None
        assert found.lower_bound_usd <= found.objective + 1e-9
    order = [of(plans, name) for name in ("pause-resume", "flexible-start", "run-now")]
    scores = [p.objective for p in order if p is not None and p.objective is not None]
    assert all(a <= b + 1e-9 * abs(b) + 1e-12 for a, b in pairwise(scores))


@given(VALUES, jobs(), st.floats(1.0, 1e6))
@settings(max_examples=15, deadline=None)
def test_zero_weights_change_nothing_bit_for_bit(values: list[float], job: Job, per_t: float) -> None:
    plain = plan(job, [site(values)], WINDOW)
    zero = Objective(carbon_price_usd_per_t=per_t, time_price_usd_per_h=0.0)
    weighed = plan(job, [site(values)], WINDOW, objective=zero)
    assert [(p.policy, p.segments, p.emissions_g) for p in plain.plans] == [
        (p.policy, p.segments, p.emissions_g) for p in weighed.plans
    ]


@given(VALUES, st.lists(st.floats(1.0, 2.0), min_size=N, max_size=N), jobs())
@settings(max_examples=15, deadline=None)
def test_pue_series_is_a_scaled_intensity(values: list[float], pues: list[float], job: Job) -> None:
    varying = replace(site(values), pue=PueSeries(edges_ns=EDGES, pue=np.array(pues), source="drawn"))
    scaled = site([v * p for v, p in zip(values, pues, strict=True)])
    once, again = plan(job, [varying], WINDOW), plan(job, [scaled], WINDOW)
    for a, b in zip(once.plans, again.plans, strict=True):
        assert (a.policy, a.segments) == (b.policy, b.segments)
        assert a.emissions_g == pytest.approx(b.emissions_g, rel=1e-9)


@given(VALUES, PRICES, jobs(), st.floats(0.3, 1.0))
@settings(max_examples=5, deadline=None)
def test_budgets_are_kept_and_a_wider_one_is_never_worse(
    values: list[float], prices: list[float], job: Job, share: float
) -> None:
    here = site(values, prices)
    most = plan(job, [here], WINDOW).baseline
    assert most.emissions_g is not None
    narrow, wide = share * most.emissions_g, most.emissions_g
    names = ("pause-resume", "flexible-start")
    for name in names:
        soon, late = (
            of(plan(job, [here], WINDOW, objective=Objective(max_carbon_g=g)), name) for g in (wide, narrow)
        )
        assert soon is not None
        if late is not None:
            assert late.emissions_g is not None
            assert late.emissions_g <= narrow * (1.0 + 2e-9)
            assert late.end_ns >= soon.end_ns
    assert most.cost_usd is not None
    for budget in (most.cost_usd, most.cost_usd - 0.1 * abs(most.cost_usd)):
        for found in plan(job, [here], WINDOW, objective=Objective(max_cost_usd=budget)).plans:
            assert found.cost_usd is not None
            assert found.cost_usd <= budget + 1e-9 * abs(budget) + 1e-15
            assert found.emissions_g is not None
            assert found.lower_bound_g is not None
            assert found.lower_bound_g <= found.emissions_g * (1.0 + 1e-9)


@given(VALUES, PRICES, jobs())
@settings(max_examples=20, deadline=None)
def test_front_is_not_dominated(values: list[float], prices: list[float], job: Job) -> None:
    plans = plan(job, [site(values, prices)], WINDOW, pareto=True)
    times = [(p.elapsed_s, p.plan.emissions_g) for p in plans.pareto if p.trade == "carbon-time"]
    costs = [(p.plan.cost_usd, p.plan.emissions_g) for p in plans.pareto if p.trade == "carbon-cost"]
    for front in (times, costs):
        assert front
        for a in front:
            assert not any(b[0] <= a[0] and b[1] < a[1] for b in front if b is not a)  # type: ignore[operator]
    best = plans.best
    assert best is not None
    assert times[-1][1] == pytest.approx(best.emissions_g, rel=1e-9)
    assert times[0][0] == pytest.approx(job.work_s, rel=1e-9)


@given(VALUES, VALUES, jobs(), st.integers(0, 2 * H), st.floats(0.0, 2.0))
@settings(max_examples=15, deadline=None)
def test_a_way_adds_its_energy_once_and_never_before_its_time(
    values: list[float], others: list[float], job: Job, way_s: int, way_kwh: float
) -> None:
    free = site(others, zone="B")
    gb = max(way_s, 1) / 8.0
    there = replace(free, transfer=Transfer(data_gb=gb, kwh_per_gb=way_kwh / gb, gbit_per_s=1.0))
    plans = plan(job, [site(values), there], WINDOW)
    for found in plans.plans:
        elsewhere = any(s.zone == "B" for s in found.segments)
        own = sum(s.power_w * s.duration_s for s in found.segments if s.kind != "transfer") / 3.6e6
        own += sum(s.impulse_kwh for s in found.segments)
        assert found.energy_kwh == pytest.approx(own + way_kwh * elsewhere, rel=1e-6, abs=1e-9)
        for segment in found.segments:
            assert segment.zone == "A" or segment.start_ns >= max(way_s, 1) * S
