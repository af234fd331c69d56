"""Falling thresholds: their equations, and plans worked by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import NAN, S, job_of, site_of, window_of

from lowtide.model.planning import Infeasible, Plan
from lowtide.planning.policies.literature.threshold import (
    KMinThreshold,
    OnlinePauseResume,
    competitive_ratio,
    thresholds,
)

H = 3600
BOTH = (KMinThreshold(), OnlinePauseResume())


def hours_run(plan: Plan | Infeasible) -> list[tuple[float, float]]:
    assert isinstance(plan, Plan), plan
    return [(s.start_ns / H / S, s.end_ns / H / S) for s in plan.segments if s.kind == "run"]


def test_one_slot_is_one_way_search() -> None:
    # k = 1: (1 - L/U) = (1 - 1/a)(1 + 1/a) = 1 - 1/a**2, so a = sqrt(U / L) and the threshold is sqrt(U L)
    assert competitive_ratio(1, 100.0, 900.0) == pytest.approx(3.0, rel=1e-12)
    assert thresholds(1, 100.0, 900.0) == pytest.approx([300.0])


def test_two_slots_by_hand() -> None:
    # k = 2, x = 1/a: 1 - L/U = (1 - x)(1 + x/2)**2. With x = 1/2: 1/2 * 25/16 = 25/32, so L/U = 7/32
    assert competitive_ratio(2, 7.0, 32.0) == pytest.approx(2.0, rel=1e-12)
    # 32 (1 - 1/2) = 16 and 32 (1 - 1/2 * 5/4) = 12
    assert thresholds(2, 7.0, 32.0) == pytest.approx([16.0, 12.0])


@given(
    k=st.integers(1, 2000),
    least=st.floats(1e-3, 1e3),
    spread=st.floats(1.001, 1e4),
    share=st.floats(0.0, 0.99),
)
def test_the_threshold_after_the_last_slot_is_the_least_intensity(
    k: int, least: float, spread: float, share: float
) -> None:
    greatest = least * spread
    switch = 0.5 * share * (greatest - least)
    up_to = thresholds(k, least, greatest, switch=switch)
    assert (np.diff(up_to) <= 1e-9 * greatest).all()
    assert up_to[0] <= greatest * (1 + 1e-9)
    # U - threshold grows by the same factor from slot to slot; so after the last it is this
    ratio = competitive_ratio(k, least, greatest, switch=switch)
    after = greatest - (greatest - up_to[-1]) * (1.0 + 1.0 / (ratio * k))
    assert after - 2.0 * switch == pytest.approx(least, abs=1e-7 * greatest)
    # where no slot is ever good enough all cost U: that is the ratio times the first threshold
    if switch == 0.0:
        assert up_to[0] == pytest.approx(greatest / ratio, rel=1e-9)


def test_k_min_takes_what_is_below_the_next_threshold() -> None:
    # L = 7, U = 32, k = 2: up to 16, then up to 12. 20 no, 15 yes, 14 no, 7 yes
    site = site_of([20, 15, 14, 7, 32, 32])
    plan = KMinThreshold().plan(job_of(2 * H, power_w=1000.0), [site], window_of(6 * H))
    assert hours_run(plan) == [(1, 2), (3, 4)]
    assert isinstance(plan, Plan)
    assert (plan.emissions_g, plan.lower_bound_g) == pytest.approx((22.0, 21.0))  # 15 + 7; 14 + 7


def test_work_left_forces_it_to_run() -> None:
    # k = 3, L = 10, U = 40: the first threshold is below 30 (it is 21.8), so two slots of slack are waited out
    assert thresholds(3, 10.0, 40.0)[0] < 30.0
    site = site_of([40, 40, 30, 30, 10])
    assert hours_run(KMinThreshold().plan(job_of(3 * H), [site], window_of(5 * H))) == [(2, 5)]


def test_double_threshold_goes_on_where_it_would_not_resume() -> None:
    # 1 kW, resume 0.2 kWh, mean of (40, 20, 30, 10, 40, 40) = 30: 2 b = 0.2 * 30 = 6
    # U = 40, L = 10, k = 2: u = thresholds(2, 10, 40, b=3), resume at u - 6
    up_to = thresholds(2, 10.0, 40.0, switch=3.0)
    job = job_of(2 * H, power_w=1000.0, resume_j=0.2 * 3.6e6)
    assert up_to[0] - 6.0 < 20.0 < up_to[0]
    site = site_of([40, 20, 30, 10, 40, 40])
    # 20 is too much to start with, though it would be good enough to go on
    plan = OnlinePauseResume().plan(job, [site], window_of(6 * H))
    assert hours_run(plan)[0][0] == 3.0
    # from 10 on it goes on at what it would not resume at
    between = float(np.round(up_to[1] - 1.0, 6))
    assert up_to[1] - 6.0 < between
    mean_kept = 180.0 - 40 - 20 - 10 - 40 - between  # keeps the mean at 30
    site = site_of([40, mean_kept, 10, between, 40, 20])
    assert hours_run(OnlinePauseResume().plan(job, [site], window_of(6 * H)))[-1] == (2.0, 4.0)


def test_without_costs_both_are_k_min() -> None:
    site, job = site_of([20, 15, 14, 7, 32, 32, 9, 8]), job_of(2.5 * H)
    plans = [policy.plan(job, [site], window_of(8 * H)) for policy in BOTH]
    assert hours_run(plans[0]) == hours_run(plans[1])


def test_a_switch_that_gains_nothing_is_not_made() -> None:
    # 2 b = 1 kWh * 25 / 1 kWh = 25 is more than U - L = 20: it runs at once
    job = job_of(2 * H, power_w=1000.0, resume_j=3.6e6)
    site = site_of([30, 30, 10, 30])
    assert hours_run(OnlinePauseResume().plan(job, [site], window_of(4 * H))) == [(0, 2)]
    no_power = job_of(2 * H, power_w=0.0, resume_j=1.0)
    assert hours_run(OnlinePauseResume().plan(no_power, [site], window_of(4 * H))) == [(0, 2)]


@pytest.mark.parametrize("policy", BOTH, ids=lambda policy: policy.name)
def test_corner_cases(policy) -> None:
    assert hours_run(policy.plan(job_of(2 * H), [site_of([5.0] * 4)], window_of(4 * H))) == [(0, 2)]
    assert hours_run(policy.plan(job_of(H), [site_of([5.0])], window_of(H))) == [(0, 1)]
    assert hours_run(policy.plan(job_of(2 * H), [site_of([50, 40, 5])], window_of(2 * H))) == [(0, 2)]
    negative = policy.plan(job_of(H), [site_of([5, -3])], window_of(2 * H))
    assert isinstance(negative, Infeasible)
    assert "the least of the window is -3" in negative.reason
    unknown = policy.plan(job_of(H), [site_of([NAN, NAN])], window_of(2 * H))
    assert isinstance(unknown, Infeasible)
    assert "is known for" in unknown.reason
    late = policy.plan(job_of(3 * H), [site_of([5, 3])], window_of(2 * H))
    assert isinstance(late, Infeasible)
    assert "ends 1h after the deadline" in late.reason
    # the 10 after the deadline is not known: of 50 alone L = U, and it runs at once
    assert hours_run(policy.plan(job_of(H), [site_of([50, NAN, 10])], window_of(2 * H))) == [(0, 1)]
    # 50 is more than any threshold, 10 is taken, and the hour that is left falls into the unknown one
    stuck = policy.plan(job_of(2 * H), [site_of([50, 10, NAN])], window_of(3 * H))
    assert isinstance(stuck, Infeasible)
    assert stuck.reason == "its deadline would force it to run through unknown intensity"


def test_mixed_steps_count_by_the_median() -> None:
    # widths 60, 30, 60, 60 min: the median is an hour, 2 h are k = 2 slots; L = 7, U = 32: 16, then 12
    site = site_of([32, 15, 14, 7], step_s=[3600, 1800, 3600, 3600])
    # half an hour at 15 (the first slot still), then 14 is up to 16 as well, and at 1.5 h done 7 is below 12
    assert hours_run(KMinThreshold().plan(job_of(2 * H), [site], window_of(3.5 * H))) == [(1, 3)]


def test_ratio_grows_like_the_root_of_the_spread() -> None:
    assert competitive_ratio(1, 1.0, 1e6) == pytest.approx(sqrt(1e6), rel=1e-9)
    assert 1.0 < competitive_ratio(1000, 1.0, 1.0001) < 1.0001
