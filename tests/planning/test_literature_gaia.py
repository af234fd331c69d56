"""The rules of GAIA: worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import NAN, S, job_of, site_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Infeasible, Plan
from lowtide.planning.policies import flexible_start
from lowtide.planning.policies.literature.gaia import (
    CarbonTime,
    CheapestSlots,
    Ecovisor,
    LowestSlot,
    LowestWindow,
)

H = 3600
STARTS = (LowestSlot(), LowestWindow(), CarbonTime())


def hours_run(plan: Plan | Infeasible) -> list[tuple[float, float]]:
    assert isinstance(plan, Plan), plan
    return [(s.start_ns / H / S, s.end_ns / H / S) for s in plan.segments if s.kind == "run"]


def test_lowest_slot_looks_at_one_slot_only() -> None:
    # slot 1 is the lowest, though the two hours from there cost 10 + 90, from 3 on 20 + 20
    site = site_of([50, 10, 90, 20, 20])
    plan = LowestSlot().plan(job_of(2 * H, power_w=1000.0), [site], window_of(5 * H))
    assert hours_run(plan) == [(1, 3)]
    assert isinstance(plan, Plan)
    assert (plan.emissions_g, plan.lower_bound_g) == pytest.approx((100.0, 40.0))


def test_waiting_ends_with_the_slack() -> None:
    # slot 3 is the lowest, but 2 h from there pass the end of 4 h; slot 2 is the last start
    site = site_of([50, 40, 45, 10, 10])
    assert hours_run(LowestSlot().plan(job_of(2 * H), [site], window_of(4 * H))) == [(1, 3)]


def test_lowest_window_with_a_mean_length_judges_by_it() -> None:
    # by 1 h: slot 1 (10); by its own 2 h: 3 to 5
    site, job = site_of([50, 10, 90, 20, 20]), job_of(2 * H)
    assert hours_run(LowestWindow(mean_length_s=H).plan(job, [site], window_of(5 * H))) == [(1, 3)]
    assert hours_run(LowestWindow().plan(job, [site], window_of(5 * H))) == [(3, 5)]
    # by 3 h: from 0 150, from 1 120, from 2 130; what is past the data is unknown
    assert hours_run(LowestWindow(mean_length_s=3 * H).plan(job, [site], window_of(5 * H))) == [(1, 3)]


def test_lowest_window_that_knows_the_length_is_flexible_start() -> None:
    site, job = site_of([50, 10, 90, 20, 20]), job_of(1.5 * H)
    plan, best = (
        LowestWindow().plan(job, [site], window_of(5 * H)),
        flexible_start.plan(job, [site], window_of(5 * H)),
    )
    assert isinstance(plan, Plan)
    assert isinstance(best, Plan)
    assert plan.segments == best.segments
    assert plan.lower_bound_g == plan.emissions_g == best.emissions_g


def test_carbon_time_weighs_what_waiting_saves() -> None:
    # 1 h: C = 100, 60, 100, 100, 10. (100 - 60) / (1 + 1) = 20 and (100 - 10) / (4 + 1) = 18
    site = site_of([100, 60, 100, 100, 10])
    assert hours_run(CarbonTime().plan(job_of(H), [site], window_of(5 * H))) == [(1, 2)]
    # by a mean length of 2 h: C = 160, 160, 200, 110, unknown: only the start at 3 saves anything
    assert hours_run(CarbonTime(mean_length_s=2 * H).plan(job_of(H), [site], window_of(5 * H))) == [(3, 4)]


def test_carbon_time_starts_at_once_where_waiting_saves_nothing() -> None:
    assert hours_run(CarbonTime().plan(job_of(H), [site_of([10, 20, 30])], window_of(3 * H))) == [(0, 1)]
    assert hours_run(CarbonTime().plan(job_of(H), [site_of([10, 10, 10])], window_of(3 * H))) == [(0, 1)]


def test_carbon_time_needs_to_know_the_start() -> None:
    found = CarbonTime().plan(job_of(H), [site_of([NAN, 10, 10])], window_of(3 * H))
    assert isinstance(found, Infeasible)
    assert "started at once it meets unknown intensity" in found.reason


@pytest.mark.parametrize("policy", STARTS, ids=lambda policy: policy.name)
def test_equal_starts_go_to_the_earliest_and_no_slack_to_now(policy) -> None:
    site = site_of([30, 10, 10, 30, 10, 10])
    assert hours_run(policy.plan(job_of(2 * H), [site], window_of(6 * H))) == [(1, 3)]
    assert hours_run(policy.plan(job_of(2 * H), [site], window_of(2 * H))) == [(0, 2)]
    assert hours_run(policy.plan(job_of(H), [site_of([5])], window_of(H))) == [(0, 1)]
    late = policy.plan(job_of(3 * H), [site], window_of(2 * H))
    assert late == Infeasible(
        policy=policy.name, zone="A", reason="started at once it ends 1h after the deadline"
    )


@pytest.mark.parametrize("policy", STARTS, ids=lambda policy: policy.name)
def test_negative_intensity_is_lower_than_none(policy) -> None:
    assert hours_run(policy.plan(job_of(H), [site_of([5, 0, -5])], window_of(3 * H))) == [(2, 3)]


def test_lowest_slot_may_start_into_unknown_intensity_and_is_then_no_plan() -> None:
    found = LowestSlot().plan(job_of(2 * H), [site_of([50, 10, NAN, 40])], window_of(4 * H))
    assert isinstance(found, Infeasible)
    assert found.reason == "it would draw power through unknown intensity"
    unknown = LowestSlot().plan(job_of(2 * H), [site_of([NAN] * 4)], window_of(4 * H))
    assert isinstance(unknown, Infeasible)
    assert "unknown what it would emit" in unknown.reason


def test_cheapest_slots_of_the_whole_window() -> None:
    site = site_of([50, 10, 90, 20, 20, 10])
    plan = CheapestSlots().plan(job_of(3 * H, power_w=1000.0), [site], window_of(6 * H))
    assert hours_run(plan) == [(1, 2), (3, 4), (5, 6)]  # 10 + 20 (the earlier one) + 10
    assert isinstance(plan, Plan)
    assert plan.emissions_g == plan.lower_bound_g == pytest.approx(40.0)
    short = CheapestSlots().plan(job_of(3 * H), [site], window_of(2 * H))
    assert isinstance(short, Infeasible)
    assert short.reason == "started at once it ends 1h after the deadline"


def test_ecovisor_runs_below_the_percentile_of_what_comes() -> None:
    # looking 4 h ahead, median: 0 of (40, 10, 30, 20) 25: no. 1 of (10, 30, 20, 50) 25: yes.
    # 2 of (30, 20, 50, 60) 40: yes, and done
    site = site_of([40, 10, 30, 20, 50, 60])
    policy = Ecovisor(percentile=50.0, ahead_s=4 * H)
    assert hours_run(policy.plan(job_of(2 * H), [site], window_of(5 * H))) == [(1, 3)]


def test_ecovisor_runs_on_when_no_waiting_is_left() -> None:
    # a falling intensity is never below what comes: 2 h of waiting, then it runs
    site = site_of([60, 50, 40, 30, 20, 10])
    assert hours_run(Ecovisor().plan(job_of(2 * H), [site], window_of(4 * H))) == [(2, 4)]
    # 30 minutes of slack cannot be spent on a slot of an hour
    assert hours_run(Ecovisor().plan(job_of(2 * H), [site], window_of(2.5 * H))) == [(0, 2)]


def test_ecovisor_looks_past_the_deadline() -> None:
    # of (20, 30) the 30th percentile is 23: run; with the 10 that comes after the deadline it is 16: wait
    job, window = job_of(H), window_of(2 * H)
    assert hours_run(Ecovisor().plan(job, [site_of([20, 30])], window)) == [(0, 1)]
    assert hours_run(Ecovisor().plan(job, [site_of([20, 30, 10])], window)) == [(1, 2)]


def test_ecovisor_waits_out_unknown_slots_while_it_can() -> None:
    site = site_of([NAN, 10, 50])
    assert hours_run(Ecovisor().plan(job_of(H), [site], window_of(3 * H))) == [(1, 2)]
    found = Ecovisor().plan(job_of(2 * H), [site_of([50, NAN, 40, 10])], window_of(3 * H))
    assert isinstance(found, Infeasible)
    assert found.reason == "its deadline would force it to run through unknown intensity"
    gone = Ecovisor().plan(job_of(2 * H), [site_of([5, NAN])], window_of(2 * H))
    assert isinstance(gone, Infeasible)
    assert "is known for" in gone.reason


@given(
    st.lists(st.integers(-9, 99).map(float), min_size=1, max_size=40),
    st.sampled_from([0.0, 30.0, 50.0, 99.0, 100.0]),
)
def test_ecovisor_wants_what_numpys_percentile_says(values: list[float], percent: float) -> None:
    # a job of half the window, so that it neither has to run nor is done before it has shown what it wants
    site, n = site_of([*values, *values]), len(values)
    plan = Ecovisor(percentile=percent, ahead_s=n * H).plan(job_of(n * H), [site], window_of(2 * n * H))
    both = np.array([*values, *values])
    low = [both[j] < np.percentile(both[j : j + n], percent) for j in range(2 * n)]
    run, waits = [], n
    for j in range(2 * n):
        if len(run) < n and (low[j] or waits == 0):
            run.append(j)
        else:
            waits -= 1
    assert [j for start, end in hours_run(plan) for j in range(int(start), int(end))] == run


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 100, got 130"):
        Ecovisor(percentile=130.0)
    with pytest.raises(InputError, match="ahead by more than 0 s, got 0"):
        Ecovisor(ahead_s=0.0)
