"""Plans on forecasts and their hindsight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_cases import NAN, S, intensity_of, job_of

from lowtide.errors import InputError
from lowtide.forecasting.forecast import Forecast
from lowtide.model.planning import Infeasible, Plan, Window
from lowtide.planning.plan import plan
from lowtide.planning.policies import best, flexible_start, pause_resume
from lowtide.planning.sites import SiteOption
from lowtide.planning.uncertain import AtRisk, PlanRegret, at_risk, plan_at_risk, regret_of_plan

H = 3600
LEVELS = (0.1, 0.5, 0.9)


def forecast_of(median: list[float], upper: list[float], *, from_h: int = 0) -> Forecast:
    series = intensity_of(median, start_ns=from_h * H * S)
    quantiles = np.array([median, median, upper])
    intensity = replace(series, status=np.full(len(median), 2, dtype=np.uint8))
    return Forecast(
        issued_ns=from_h * H * S, intensity=intensity, levels=LEVELS, quantiles=quantiles, method="made up",
        n_errors=20,
    )  # fmt: skip


KNOWN = SiteOption(zone="A", intensity=intensity_of([500.0, 500.0]))
WINDOW = Window(start_ns=2 * H * S, deadline_ns=6 * H * S)


def planned(risk: float, *, policy=flexible_start) -> Plan:
    forecast = forecast_of([300.0, 100.0, 120.0, 300.0], [400.0, 390.0, 130.0, 400.0], from_h=2)
    job = job_of(H, power_w=1000.0)
    found = plan_at_risk(policy, job, [KNOWN], WINDOW, forecasts={"A": forecast}, risk=risk)
    assert isinstance(found, Plan)
    return found


def test_risk_avoids_the_hour_that_may_turn_out_dear() -> None:
    assert planned(0.0).start_ns == 3 * H * S  # 100 beside 120
    assert planned(1.0).start_ns == 4 * H * S  # 390 beside 130
    # the blends are level where 100 + 290 r = 120 + 10 r: r = 1/14
    assert planned(0.071).start_ns == 3 * H * S
    assert planned(0.072).start_ns == 4 * H * S


def test_plan_is_priced_on_the_median_whatever_it_was_made_on() -> None:
    assert planned(0.0).emissions_g == pytest.approx(100.0)
    assert planned(0.0).lower_bound_g == pytest.approx(100.0)
    assert planned(1.0).emissions_g == pytest.approx(120.0)
    assert planned(1.0).lower_bound_g is None


def test_sites_are_weighed_by_their_own_forecasts() -> None:
    calm, wild = (
        forecast_of([110.0] * 4, [115.0] * 4, from_h=2),
        forecast_of([100.0] * 4, [200.0] * 4, from_h=2),
    )
    sites = [KNOWN, SiteOption(zone="B", intensity=intensity_of([500.0, 500.0], zone="B"))]
    other = replace(wild, intensity=replace(wild.intensity, signal=sites[1].intensity.signal))
    found = [
        plan_at_risk(best, job_of(H), sites, WINDOW, forecasts={"A": calm, "B": other}, risk=risk)
        for risk in (0.0, 1.0)
    ]
    assert [plan.zone for plan in found if isinstance(plan, Plan)] == ["B", "A"]


def test_policy_at_risk_is_a_policy_like_any_other() -> None:
    calm = replace(KNOWN, intensity=intensity_of([500.0, 500.0, 300.0, 100.0, 120.0, 300.0]))
    wary = intensity_of([500.0, 500.0, 400.0, 390.0, 130.0, 400.0])
    found = plan(
        job_of(H, power_w=1000.0), [calm], WINDOW, policies=[AtRisk(policy=flexible_start, wary={"A": wary})]
    )
    assert found.best is not None
    assert (found.best.policy, found.best.emissions_g, found.baseline.emissions_g) == (
        "flexible-start",
        120.0,
        300.0,
    )
    assert found.best.saving_fraction == pytest.approx(0.6)
    with pytest.raises(InputError, match="nothing to plan on for A; there are B"):
        AtRisk(policy=flexible_start, wary={"B": wary}).plan(job_of(H), [calm], WINDOW)


def test_site_without_a_forecast_is_told() -> None:
    with pytest.raises(InputError, match="no forecast for A; there are none"):
        plan_at_risk(flexible_start, job_of(H), [KNOWN], WINDOW, forecasts={})


def test_infeasible_stays_infeasible() -> None:
    forecast = forecast_of([300.0] * 4, [400.0] * 4, from_h=2)
    found = plan_at_risk(flexible_start, job_of(9 * H), [KNOWN], WINDOW, forecasts={"A": forecast}, risk=0.5)
    assert isinstance(found, Infeasible)


def test_known_values_are_kept_and_later_ones_are_not_taken() -> None:
    site = SiteOption(zone="A", intensity=intensity_of([500.0, 500.0, 1.0, 1.0]))
    found = at_risk(site, forecast_of([300.0, 100.0], [400.0, 200.0], from_h=2), 0.5)
    assert found.intensity.intensity_g_per_kwh.tolist() == [500.0, 500.0, 350.0, 150.0]
    assert found.intensity.status.tolist() == [0, 0, 2, 2]


@given(st.integers(0, 10_000), st.sampled_from([flexible_start, pause_resume]))
@settings(max_examples=40, deadline=None)
def test_perfect_forecast_without_risk_is_the_oracle_and_none_beats_it(seed: int, policy) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 500, 12)
    guess = rng.uniform(1, 500, 10)
    site, job = SiteOption(zone="A", intensity=intensity_of(truth.tolist())), job_of(2.5 * H, power_w=1000.0)
    window = Window(start_ns=2 * H * S, deadline_ns=12 * H * S)
    oracle = policy.plan(job, [site], window)
    assert isinstance(oracle, Plan)
    perfect = forecast_of(truth[2:].tolist(), (2 * truth[2:]).tolist(), from_h=2)
    known = replace(site, intensity=site.intensity.clip(start_ns=0, end_ns=2 * H * S))
    found = plan_at_risk(policy, job, [known], window, forecasts={"A": perfect}, risk=0.0)
    assert isinstance(found, Plan)
    assert found.segments == oracle.segments
    other = at_risk(known, forecast_of(guess.tolist(), guess.tolist(), from_h=2), 0.0).intensity
    hindsight = regret_of_plan(policy, job, site, window, planned_on=other)
    assert hindsight.oracle_g == pytest.approx(oracle.emissions_g)
    for g in (hindsight.forecast_g, hindsight.now_g):
        assert g is not None
        assert g >= oracle.emissions_g - 1e-9


def test_hindsight_of_a_plan_by_hand() -> None:
    # two days known: yesterday's cheapest of hours 0..3 was the last, today it is the second, and the
    # forecast points at the third
    day = [300.0, 300.0, 300.0, 100.0] + [300.0] * 20
    truth = intensity_of([*day, 200.0, 50.0, 150.0, 100.0, 300.0])
    planned_on = intensity_of([*day, 200.0, 90.0, 80.0, 100.0])
    window = Window(start_ns=24 * H * S, deadline_ns=28 * H * S)
    found = regret_of_plan(
        flexible_start, job_of(H, power_w=1000.0), SiteOption(zone="A", intensity=truth), window,
        planned_on=planned_on,
    )  # fmt: skip
    assert found == PlanRegret(
        policy="flexible-start", oracle_g=50.0, forecast_g=150.0, persistence_g=100.0, now_g=200.0
    )
    assert found.words == (
        "flexible-start saved against run-now: with hindsight 75.0 %, forecast 25.0 %, repeating yesterday 50.0 %"
    )


def test_hindsight_needs_the_truth() -> None:
    truth = intensity_of([100.0, NAN, 50.0])
    found = regret_of_plan(
        flexible_start, job_of(2 * H), SiteOption(zone="A", intensity=truth), Window(start_ns=0, deadline_ns=3 * H * S),
        planned_on=intensity_of([1.0, 2.0, 3.0]),
    )  # fmt: skip
    assert (found.now_g, found.persistence_g, found.oracle_g) == (None, None, None)
    assert "not known" in found.words
