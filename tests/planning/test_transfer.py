"""Data that travel before a job: when they arrive, what they cost, and that they cost it once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import S, job_of, site_of, window_of
from test_objective import named, price_of

from lowtide.errors import InputError
from lowtide.model.planning import Plan
from lowtide.planning.least import Least, Problem, least
from lowtide.planning.objective import Objective
from lowtide.planning.plan import plan
from lowtide.planning.policies import best, flexible_start
from lowtide.planning.promise import plan_power
from lowtide.planning.sites import SiteOption, Transfer

H = 3600
HOUR_OF_WAY = Transfer(data_gb=450.0, kwh_per_gb=0.002, gbit_per_s=1.0)  # 0.9 kWh, 1 h


def two(way: Transfer | None = HOUR_OF_WAY, **options) -> list[SiteOption]:
    home = site_of([400, 300, 400, 400], zone="A", **options)
    return [home, replace(site_of([10, 50, 20, 30], zone="B"), transfer=way)]


def test_job_starts_elsewhere_when_its_data_have_arrived_and_home_pays_the_way() -> None:
    plans = plan(job_of(H, power_w=1000.0), two(), window_of(4 * H))
    there = named(plans, "flexible-start", "B")
    assert there.start_ns == 2 * H * S  # not in the hour of 10, in which the data travel
    assert there.emissions_g == pytest.approx(20 + 0.9 * 400)
    assert there.energy_kwh == pytest.approx(1.9)
    assert there.lower_bound_g == pytest.approx(there.emissions_g)
    way = there.segments[0]
    assert (way.kind, way.zone, way.start_ns, way.end_ns) == ("transfer", "A", 0, H * S)
    assert named(plans, "run-now", "B").start_ns == H * S
    assert named(plans, "pause-resume", "B").n_pauses == 0


def test_transfer_is_charged_once_however_often_a_job_pauses() -> None:
    job = job_of(2 * H, power_w=1000.0)
    sites = two()
    sites[1] = replace(sites[1], intensity=site_of([10, 20, 90, 20], zone="B").intensity)
    paused = named(plan(job, sites, window_of(4 * H)), "pause-resume", "B")
    assert paused.n_pauses == 1
    assert len([s for s in paused.segments if s.kind == "transfer"]) == 1
    assert paused.emissions_g == pytest.approx(20 + 20 + 0.9 * 400)


def test_homes_pue_and_price_are_paid_for_the_way() -> None:
    sites = [replace(s, pue=1.5 - 0.3 * i, price=price_of([0.1 * (i + 1)] * 4)) for i, s in enumerate(two())]
    there = named(plan(job_of(H, power_w=1000.0), sites, window_of(4 * H)), "flexible-start", "B")
    assert there.emissions_g == pytest.approx(20 * 1.2 + 0.9 * 1.5 * 400)
    assert there.cost_usd == pytest.approx(0.2 * 1.2 + 0.9 * 1.5 * 0.1)


def test_a_way_that_is_dear_keeps_the_job_at_home_and_a_joint_plan_knows() -> None:
    dear = Transfer(data_gb=450.0, kwh_per_gb=0.02, gbit_per_s=1.0)  # 9 kWh: 3600 g
    for way, zone in ((dear, "A"), (Transfer(data_gb=450.0, kwh_per_gb=1e-5, gbit_per_s=1.0), "B")):
        found = least(
            best,
            Problem(job=job_of(H, power_w=1000.0), home=two(way)[0], window=window_of(4 * H)),
            two(way),
        )
        assert isinstance(found, Least)
        assert found.plan.zone == zone
        assert found.value == pytest.approx(found.plan.emissions_g)
        assert found.bound == pytest.approx(found.value)


def test_joint_plan_with_a_way_is_the_best_of_staying_and_going() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        way = Transfer(
            data_gb=float(rng.choice([50, 450])), kwh_per_gb=float(rng.choice([1e-4, 2e-3])), gbit_per_s=1.0
        )
        sites = [
            site_of(rng.uniform(50, 500, 6).tolist(), zone="A"),
            replace(site_of(rng.uniform(10, 400, 6).tolist(), zone="B"), transfer=way),
        ]
        job = replace(job_of(2 * H, power_w=1000.0), migrate_energy_kwh=0.1)
        plans = plan(job, sites, window_of(6 * H))
        joint = named(plans, "best", next(p.zone for p in plans.plans if p.policy == "best"))
        alone = [p.emissions_g for p in plans.plans if p.policy == "pause-resume"]
        assert joint.emissions_g <= min(alone) * (1 + 1e-9)  # type: ignore[type-var, operator]
        assert joint.lower_bound_g == pytest.approx(joint.emissions_g, rel=1e-9)


def test_power_at_home_is_that_of_job_and_way_together() -> None:
    sites = two()
    found = flexible_start.plan(job_of(H, power_w=1000.0), sites[:1], window_of(4 * H))
    assert isinstance(found, Plan)
    moved = named(plan(job_of(H, power_w=1000.0), sites, window_of(4 * H)), "flexible-start", "B")
    both = plan_power([moved.segments[0], *found.segments], "A")
    assert both is not None
    assert both.energy_kwh() == pytest.approx(1.9)


def test_time_price_and_transfer_go_together() -> None:
    weights = Objective(carbon_price_usd_per_t=1000.0, time_price_usd_per_h=0.2)
    there = named(
        plan(job_of(H, power_w=1000.0), two(), window_of(4 * H), objective=weights), "flexible-start", "B"
    )
    # the hour of 50 ends after 2 h: 0.05 + 0.36 + 0.4; the hour of 20 after 3 h: 0.02 + 0.36 + 0.6
    assert there.start_ns == H * S
    assert there.objective == pytest.approx(0.05 + 0.36 + 0.4)
    assert there.lower_bound_usd == there.objective


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_gb": -1.0, "kwh_per_gb": 0.1, "gbit_per_s": 1.0}, "data_gb of a transfer must be at least 0"),
        ({"data_gb": 5.0, "kwh_per_gb": 0.1, "gbit_per_s": 0.0}, "5 GB need a bandwidth above 0"),
    ],
)
def test_transfers_that_cannot_be_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Transfer(**options)


def test_sites_that_are_not_allowed_are_infeasible_with_the_reason() -> None:
    home = replace(site_of([400, 300], zone="US-CAL-CISO"))
    sites = [home, site_of([100, 200], zone="DE"), replace(site_of([9, 9], zone="X"), regions=("EU",))]
    plans = plan(job_of(H), sites, window_of(2 * H), allow=["EU"])
    assert {p.zone for p in plans.plans} <= {"DE", "X"}
    assert [(i.policy, i.zone, i.reason) for i in plans.infeasible] == [
        ("*", "US-CAL-CISO", "it is in US, and only EU is allowed")
    ]
    assert plans.baseline.zone == "US-CAL-CISO"
    assert {p.zone for p in plan(job_of(H), sites, window_of(2 * H), allow=["us", "DE"]).plans} == {
        "US-CAL-CISO", "DE",
    }  # fmt: skip
    nowhere = plan(job_of(H), sites, window_of(2 * H), allow=["NO"], pareto=True)
    assert (nowhere.plans, nowhere.pareto, len(nowhere.infeasible)) == ((), (), 3)


def test_unknown_regions_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no region 'EUU'; did you mean EU.*\(EU, EEA\)"):
        plan(job_of(H), [site_of([1])], window_of(H), allow=["EUU"])
    unknown = plan(job_of(H), [site_of([1], zone="A")], window_of(H), allow=["EU"])
    assert unknown.infeasible[0].reason == "it is in an unknown country, and only EU is allowed"


def test_price_of_waiting_is_told() -> None:
    job = job_of(2 * H, power_w=1000.0, idle_power_w=100.0)
    plans = plan(job, [site_of([90, 10, 50, 10])], window_of(4 * H), embodied_g_per_h=6.0)
    wait = named(plans, "pause-resume").waiting
    assert wait is not None
    # done 2 h after run-now would be; an hour of 100 W at 50 g/kWh
    assert (wait.delay_s, wait.idle_kwh, wait.idle_g) == (2 * H, pytest.approx(0.1), pytest.approx(5.0))
    assert wait.embodied_g == pytest.approx(12.0)
    assert plans.plans[-1].waiting.embodied_g == 0.0  # type: ignore[union-attr]
    assert plan(job, [site_of([90, 10])], window_of(2 * H)).plans[0].waiting.embodied_g is None  # type: ignore[union-attr]
