"""Every rule of the literature is a policy, keeps its promises and beats no exact plan of its freedom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import S, points_of, random_case, site_of, window_of

from lowtide.model.planning import Infeasible, Job, Plan, WorkProfile
from lowtide.planning.objective import Objective
from lowtide.planning.plan import plan
from lowtide.planning.policies import elastic, flexible_start, pause_resume
from lowtide.planning.policies.literature import LITERATURE, Chase
from lowtide.testing.policy_checks import check_plan, check_policy

NEVER_PAUSE = {
    "wait-awhile-next-workday",
    "wait-awhile-semi-weekly",
    "wait-awhile-next-monday",
    "gaia-lowest-slot",
    "gaia-lowest-window",
    "gaia-carbon-time",
}
PAUSING = [policy for policy in LITERATURE if policy.name not in NEVER_PAUSE and policy.name != "chase"]
RUNNING = [policy for policy in LITERATURE if policy.name in NEVER_PAUSE]


@pytest.mark.parametrize("policy", LITERATURE, ids=lambda policy: policy.name)
def test_every_rule_is_a_policy(policy) -> None:
    check_policy(policy)


def test_names_tell_them_apart() -> None:
    names = [policy.name for policy in LITERATURE]
    assert len(set(names)) == len(names) == 14


@given(st.integers(0, 2**32 - 1))
def test_no_rule_beats_the_exact_plan(seed: int) -> None:
    case = random_case(np.random.default_rng(seed), most_cells=10)
    job, sites, window = case.job, [case.site], case.window
    for rules, best in ((RUNNING, flexible_start), (PAUSING, pause_resume)):
        exact = best.plan(job, sites, window)
        for rule in rules:
            found = rule.plan(job, sites, window)
            if not isinstance(found, Plan):
                continue
            check_plan(found, job, sites, window)
            assert isinstance(exact, Plan), (rule.name, exact)
            assert found.emissions_g is not None
            assert exact.emissions_g is not None
            slack = 1e-9 * max(abs(found.emissions_g), abs(exact.emissions_g))
            if not (
                case.negative and job.pauses_cost
            ):  # there pause-resume claims less, and no bound is given
                assert exact.emissions_g <= found.emissions_g + slack, rule.name
                assert found.lower_bound_g is not None
            if found.lower_bound_g is not None and exact.emissions_g is not None:
                assert found.lower_bound_g <= exact.emissions_g + slack, rule.name


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_chase_does_not_beat_elastic(seed: int, eta: float) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng, most_cells=10)
    points = [
        (1.0, 100.0),
        *zip(rng.uniform(0.2, 3.0, 3).tolist(), rng.uniform(20, 400, 3).tolist(), strict=True),
    ]
    job = Job(work_s=case.work_s, points=points_of(*points))
    found = Chase(eta=eta).plan(job, [case.site], case.window)
    if isinstance(found, Plan):
        check_plan(found, job, [case.site], case.window)
        exact = elastic.plan(job, [case.site], case.window)
        assert isinstance(exact, Plan)
        assert found.emissions_g is not None
        assert exact.emissions_g is not None
        assert exact.emissions_g <= found.emissions_g + 1e-9 * abs(exact.emissions_g)
        assert found.lower_bound_g == pytest.approx(exact.emissions_g, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("policy", [*RUNNING, *PAUSING], ids=lambda policy: policy.name)
def test_recorded_profiles_are_priced_as_they_are(policy) -> None:
    profile = WorkProfile(edges_s=(0.0, 1800.0, 7200.0), power_w=(400.0, 100.0))
    job = Job(work_s=7200.0, points=points_of((1.0, 175.0)), profile=profile)
    site, window = site_of([30, 10, 50, 20, 40, 15]), window_of(6 * 3600)
    found = policy.plan(job, [site], window)
    assert isinstance(found, Plan)
    check_plan(found, job, [site], window)
    assert found.energy_kwh == pytest.approx(0.35)  # 400 W for half an hour, 100 W for one and a half
    assert (found.lower_bound_g is None) == (policy in PAUSING)


@pytest.mark.parametrize(
    "objective", [Objective(), Objective(carbon_price_usd_per_t=50.0, time_price_usd_per_h=0.001)]
)
def test_they_stand_beside_ours_in_one_set(objective: Objective) -> None:
    job = Job(work_s=7200.0, points=points_of((1.0, 1000.0), (0.5, 400.0)))
    sites = [site_of([30, 10, 50, 20, 40, 15]), site_of([9.0, 8.0] * 3, zone="B", pue=1.5)]
    plans = plan(
        job, sites, window_of(6 * 3600), policies=[pause_resume], literature=LITERATURE, objective=objective
    )
    assert len(plans.plans) + len(plans.infeasible) == 2 * 15
    assert {p.group for p in plans.plans if p.policy != "pause-resume"} == {"literature"}
    for p in plans.plans:
        bound = p.lower_bound_g if objective.minimised == "emissions_g" else p.lower_bound_usd
        assert bound is not None
        assert p.objective is not None
        assert bound <= p.objective * (1.0 + 1e-9)
        exact = next(q for q in plans.plans if (q.policy, q.zone) == ("pause-resume", p.zone))
        assert exact.objective is not None
        if p.policy != "chase":
            assert exact.objective <= p.objective * (1.0 + 1e-9)


@pytest.mark.parametrize("policy", LITERATURE, ids=lambda policy: policy.name)
def test_nothing_runs_before_the_data_have_arrived(policy) -> None:
    job = Job(work_s=7200.0, points=points_of((1.0, 1000.0), (0.9, 700.0)))
    window, values = window_of(6 * 3600), [5, 10, 50, 20, 40, 15]
    for not_before_s in (5400, 3600):
        site = site_of(values, not_before_ns=not_before_s * S)
        found = policy.plan(job, [site], window)
        assert isinstance(found, Plan)
        check_plan(found, job, [site], window)
        assert found.start_ns >= not_before_s * S
    for too_late_s in (5 * 3600, 6 * 3600, 9 * 3600):
        late = policy.plan(job, [site_of(values, not_before_ns=too_late_s * S)], window)
        assert isinstance(late, Infeasible)
        assert "deadline" in late.reason
        on_grid = policy.plan(job, [site_of(values, not_before_ns=too_late_s * S)], window, slot_s=1800.0)
        assert isinstance(on_grid, Infeasible)


@given(st.integers(0, 2**32 - 1))
def test_rules_keep_to_a_grid_of_slots(seed: int) -> None:
    case = random_case(np.random.default_rng(seed), most_cells=10)
    job = case.job
    for rule in LITERATURE:
        found = rule.plan(job, [case.site], case.window, slot_s=90.0)
        if isinstance(found, Plan):
            check_plan(found, job, [case.site], case.window, slot_s=90.0)
