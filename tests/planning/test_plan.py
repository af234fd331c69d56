"""All plans for one job: savings, order, warnings, verdict; and the kit that checks policies."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from planning_cases import NAN, intensity_of, job_of, points_of, site_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Job, OperatingPoint, Plan, PlanSet
from lowtide.planning.plan import POLICIES, plan, policies_for
from lowtide.planning.policies import best, flexible_start, pause_resume, run_now
from lowtide.planning.sites import SiteOption
from lowtide.testing.policy_checks import check_policy

H = 3600


def named(plans: PlanSet, policy: str, zone: str = "A") -> Plan:
    (found,) = [p for p in plans.plans if (p.policy, p.zone) == (policy, zone)]
    return found


def test_plans_come_by_emissions_with_savings_against_run_now_in_the_first_site() -> None:
    sites = [site_of([100, 50, 100, 20], zone="A"), site_of([30, 40, 30, 40], zone="B")]
    plans = plan(job_of(H, power_w=1000.0), sites, window_of(4 * H))
    assert (plans.baseline.policy, plans.baseline.zone, plans.baseline.emissions_g) == ("run-now", "A", 100.0)
    assert [p.emissions_g for p in plans.plans] == sorted(p.emissions_g for p in plans.plans)
    assert named(plans, "flexible-start").saving_fraction == pytest.approx(0.8)
    elsewhere = named(plans, "run-now", "B")
    assert elsewhere.saving_fraction == pytest.approx(0.7)
    assert elsewhere.saving_same_zone_fraction == 0.0
    assert not elsewhere.executable
    assert named(plans, "run-now").executable
    assert len([p for p in plans.plans if p.policy == "best"]) == 1


def test_equal_plans_come_in_the_order_of_their_simplicity() -> None:
    plans = plan(job_of(H), [site_of([20.0] * 3)], window_of(3 * H))
    assert [p.policy for p in plans.plans] == ["run-now", "flexible-start", "pause-resume"]
    assert [p.saving_fraction for p in plans.plans] == [0.0, 0.0, 0.0]
    assert plans.verdict == "not worth waiting: 0 %"


def test_policies_are_those_that_have_something_to_choose() -> None:
    one, menu = job_of(H), Job(work_s=H, points=points_of((1.0, 100.0), (0.5, 40.0)))
    site, other = site_of([1]), site_of([1], zone="B")
    assert [p.name for p in policies_for(one, [site])] == ["run-now", "flexible-start", "pause-resume"]
    assert [p.name for p in policies_for(one, [site, other])][3:] == ["best"]
    assert [p.name for p in policies_for(menu, [site])][3:] == ["elastic", "power-cap", "best"]


def test_baseline_through_unknown_intensity_has_no_savings() -> None:
    plans = plan(job_of(H), [site_of([NAN, 10])], window_of(2 * H))
    assert plans.baseline.emissions_g is None
    assert [p.saving_fraction for p in plans.plans] == [None] * 3
    assert [p.policy for p in plans.plans][-1] == "run-now"  # unknown ones last
    assert plans.verdict == "savings unknown: started at once it would run through unknown intensity"


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_baseline_that_emits_nothing_has_no_savings(value: float) -> None:
    plans = plan(job_of(H), [site_of([value, 10])], window_of(2 * H))
    assert [p.saving_fraction for p in plans.plans] == [None] * 3
    assert plans.verdict == "savings undefined: started at once it would emit nothing or less"


def test_baseline_may_miss_the_deadline_that_no_plan_does() -> None:
    job = Job(work_s=2 * H, points=points_of((1.0, 100.0), (2.0, 150.0)))
    plans = plan(job, [site_of([10, 10, 10])], window_of(H))
    assert not plans.baseline_meets_deadline
    assert plans.baseline.emissions_g == pytest.approx(2.0)
    assert {p.policy for p in plans.plans} == {"elastic", "power-cap", "best"}
    assert {p.policy for p in plans.infeasible} == {"run-now", "flexible-start", "pause-resume"}


def test_nothing_in_time_says_so_for_each_policy() -> None:
    plans = plan(job_of(3 * H), [site_of([1] * 4)], window_of(2 * H))
    assert plans.plans == ()
    assert plans.best is None
    assert [p.policy for p in plans.infeasible] == ["run-now", "flexible-start", "pause-resume"]
    assert plans.verdict == "waiting cannot be judged"


def test_yearly_mean_judges_regions_and_caps_but_not_shifting() -> None:
    flat = SiteOption(zone="A", intensity=intensity_of([90.0] * 3, time_resolved=False))
    clean = SiteOption(zone="B", intensity=intensity_of([9.0] * 3, zone="B", time_resolved=False))
    plans = plan(job_of(H), [flat, clean], window_of(3 * H))
    assert {(p.policy, p.reason) for p in plans.infeasible} == {
        (name, "only a yearly mean is known there: shifting in time cannot be judged")
        for name in ("flexible-start", "pause-resume")
    }
    assert named(plans, "run-now", "B").saving_fraction == pytest.approx(0.9)


def test_verdict_weighs_waiting_region_and_cap() -> None:
    menu = (
        OperatingPoint(throughput=1.0, power_w=300.0),
        OperatingPoint(throughput=0.9, power_w=237.6, label="250 W"),  # 264 J a unit of work: -12 %
    )
    job = Job(work_s=H, points=menu)
    sites = [site_of([500, 496, 510], zone="DE"), site_of([50, 50, 50], zone="NO")]
    plans = plan(job, sites, window_of(3 * H))
    assert plans.verdict == "not worth waiting: -0.8 %; region NO -90 %; cap 250 W -12 %; elastic NO -91 %"
    alone = plan(job_of(H, power_w=300.0), sites, window_of(3 * H))
    assert alone.verdict == "not worth waiting: -0.8 %; region NO -90 %"


def test_verdict_names_the_start_when_waiting_pays() -> None:
    plans = plan(job_of(2 * H), [site_of([500, 100, 300, 100])], window_of(4 * H))
    assert plans.verdict == "wait: start 1970-01-01T01:00Z, 1 pause -67 %"


def test_plan_good_on_one_account_and_poor_on_the_other_is_told() -> None:
    # average is least in the second hour, marginal in the third
    average, marginal = intensity_of([400, 100, 380]), intensity_of([500, 600, 50], basis="marginal")
    site = SiteOption(zone="A", intensity=average, marginal=marginal)
    plans = plan(job_of(H, power_w=1000.0), [site], window_of(3 * H))
    top = named(plans, "flexible-start")
    assert (top.emissions_g, top.marginal_g) == (100.0, 600.0)
    assert top.marginal_saving_fraction == pytest.approx(-0.2)
    assert plans.warnings == (
        "the plan that is best on average intensity (flexible-start A) avoids -20.0% on marginal intensity, "
        "where planning on that avoids 90.0%",
        "the plan that is best on marginal intensity (flexible-start A) saves 5.0% of allocated grams, "
        "where planning on average intensity saves 75.0%",
    )
    agreeing = replace(site, marginal=intensity_of([500, 50, 600], basis="marginal"))
    assert plan(job_of(H, power_w=1000.0), [agreeing], window_of(3 * H)).warnings == ()


def test_sites_are_checked() -> None:
    with pytest.raises(InputError, match="no site"):
        plan(job_of(H), [], window_of(H))
    with pytest.raises(InputError, match="given twice"):
        plan(job_of(H), [site_of([1]), site_of([1])], window_of(H))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_our_policies_keep_the_promises_of_their_door(policy) -> None:
    check_policy(policy)


def late(job, sites, window, *, slot_s=None):
    found = run_now.plan(job, sites, window, slot_s=slot_s)
    if not isinstance(found, Plan):
        return replace(found, policy="late")
    shifted = [replace(s, start_ns=s.start_ns + 10**15, end_ns=s.end_ns + 10**15) for s in found.segments]
    return replace(found, policy="late", segments=tuple(shifted))


def boastful(job, sites, window, *, slot_s=None):
    found = flexible_start.plan(job, sites, window, slot_s=slot_s)
    if not isinstance(found, Plan):
        return replace(found, policy="boastful")
    return replace(found, policy="boastful", emissions_g=(found.emissions_g or 1.0) * 0.9)


@pytest.mark.parametrize(
    ("function", "complaint"), [(late, "passes its deadline"), (boastful, "promises .* its bill is")]
)
def test_kit_finds_policies_that_break_them(function, complaint: str) -> None:
    policy = SimpleNamespace(name=function.__name__, joint=False, plan=function)
    with pytest.raises(AssertionError, match=complaint):
        check_policy(policy)


def test_best_alone_is_the_best_of_all_policies() -> None:
    sites = [site_of([100, 50, 100, 20, 70], zone="A"), site_of([90, 40, 130, 40, 10], zone="B")]
    job = replace(job_of(2.5 * H), migrate_energy_kwh=0.001)
    plans = plan(job, sites, window_of(5 * H))
    assert plans.best is not None
    assert plans.best.policy == "best"
    assert best.plan(job, sites, window_of(5 * H)).emissions_g == plans.best.emissions_g  # type: ignore[union-attr]
    alone = plan(job, sites, window_of(5 * H), policies=[pause_resume])
    assert {p.policy for p in alone.plans} == {"pause-resume"}
