"""Money, carbon and time weighed: worked by hand, and against trying everything."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import numpy as np
import plan_brute
import pytest
from planning_cases import NAN, S, job_of, points_of, random_case, site_of, values_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Job, Plan, PlanSet, Window
from lowtide.planning.objective import CARBON, Objective, Weights, offered
from lowtide.planning.plan import plan
from lowtide.planning.policies import best, elastic, pause_resume
from lowtide.planning.pue import PueSeries
from lowtide.planning.sites import SiteOption
from lowtide.series.types import PriceSeries
from lowtide.units import J_PER_KWH

H = 3600


def price_of(values, *, step_s=3600, start_ns=0):
    widths = np.broadcast_to(np.asarray(step_s), len(values))
    edges = start_ns + np.concatenate(([0], np.cumsum(widths))).astype(np.int64) * S
    return PriceSeries(edges_ns=edges, price_usd_per_kwh=np.array(values, dtype=float), source="made up")


def named(plans: PlanSet, policy: str, zone: str = "A") -> Plan:
    (found,) = [p for p in plans.plans if (p.policy, p.zone) == (policy, zone)]
    return found


def test_carbon_price_and_electricity_price_are_one_price_of_energy() -> None:
    # 100 USD/t is 0.0001 USD/g. Hours: 500 g + 0.01 = 0.06; 200 g + 0.10 = 0.12; 300 g + 0.02 = 0.05 USD/kWh
    site = replace(site_of([500, 200, 300]), price=price_of([0.01, 0.10, 0.02]))
    objective = Objective(carbon_price_usd_per_t=100.0, energy_price=True)
    plans = plan(job_of(H, power_w=1000.0), [site], window_of(3 * H), objective=objective)
    shifted = named(plans, "flexible-start")
    assert shifted.start_ns == 2 * H * S
    assert shifted.objective == pytest.approx(0.05, rel=1e-12)
    assert shifted.lower_bound_usd == shifted.objective
    assert shifted.lower_bound_g is None
    assert (shifted.emissions_g, shifted.cost_usd) == (300.0, pytest.approx(0.02))
    assert plans.minimised == "usd"
    assert plans.baseline.objective == pytest.approx(0.06)
    assert plans.verdict == (
        "least cost: flexible-start A, start 1970-01-01T02:00Z, 0.05 USD against 0.06 USD (-17 %); carbon -40 %"
    )


def test_time_price_counts_hours_from_the_windows_start_to_the_end() -> None:
    # 1 kW at 1000 USD/t: 0.5, 0.2, 0.1 USD an hour of running; an hour until the end costs 0.15 USD
    site = site_of([500, 200, 100])
    objective = Objective(carbon_price_usd_per_t=1000.0, time_price_usd_per_h=0.15)
    plans = plan(job_of(H, power_w=1000.0), [site], window_of(3 * H), objective=objective)
    assert named(plans, "run-now").objective == pytest.approx(0.5 + 0.15)
    top = named(plans, "flexible-start")
    assert (top.start_ns, top.objective) == (H * S, pytest.approx(0.2 + 2 * 0.15))
    dear = replace(objective, time_price_usd_per_h=0.31)
    assert plan(job_of(H, power_w=1000.0), [site], window_of(3 * H), objective=dear).best.policy == "run-now"  # type: ignore[union-attr]


def test_time_price_makes_the_quicker_point_the_one_to_end_with() -> None:
    # 1 h of work at 1 kW, or half an hour at 3 kW: 0.1 + w against 0.15 + w / 2 USD; even at w = 0.1
    site = replace(site_of([100, 100]), points=points_of((1.0, 1000.0), (2.0, 3000.0)))
    for hourly, quickest in ((0.09, 1.0), (0.11, 2.0)):
        objective = Objective(carbon_price_usd_per_t=1000.0, time_price_usd_per_h=hourly)
        plans = plan(job_of(H, power_w=1000.0), [site], window_of(2 * H), objective=objective)
        found = named(plans, "elastic")
        assert {segment.throughput for segment in found.segments} == {quickest}
        assert found.objective == pytest.approx(min(0.1 + hourly, 0.15 + hourly / 2))
        assert named(plans, "power-cap").objective == pytest.approx(found.objective)


def test_pue_multiplies_price_and_carbon_once() -> None:
    site = replace(site_of([100.0]), price=price_of([0.2]), pue=1.5)
    objective = Objective(carbon_price_usd_per_t=1000.0, energy_price=True)
    top = plan(job_of(H, power_w=1000.0), [site], window_of(H), objective=objective).best
    assert top is not None
    assert (top.emissions_g, top.cost_usd) == (pytest.approx(150.0), pytest.approx(0.3))
    assert top.objective == pytest.approx(0.15 + 0.3)


def test_pue_series_is_as_if_the_intensity_were_scaled() -> None:
    pue = PueSeries(edges_ns=np.array([0, 90, 300]) * 60 * S, pue=np.array([1.2, 1.6]), source="made up")
    site = replace(site_of([300, 100, 280, 120, 90]), pue=pue)
    scaled = site_of([360, 120, 160, 448, 192, 144], step_s=[3600, 1800, 1800, 3600, 3600, 3600])
    once, again = (plan(job_of(1.7 * H), [s], window_of(5 * H)) for s in (site, scaled))
    assert [p.policy for p in once.plans] == [p.policy for p in again.plans]
    for a, b in zip(once.plans, again.plans, strict=True):
        assert a.segments == b.segments
        assert a.emissions_g == pytest.approx(b.emissions_g, rel=1e-12)
        assert a.lower_bound_g == pytest.approx(a.emissions_g, rel=1e-12)
    assert once.baseline.emissions_g == pytest.approx(again.baseline.emissions_g, rel=1e-12)


def test_unknown_price_or_pue_makes_cost_unknown_and_is_not_chosen() -> None:
    site = replace(site_of([100, 200, 300]), price=price_of([NAN, 0.1, 0.2]))
    objective = Objective(energy_price=True)
    plans = plan(job_of(H), [site], window_of(3 * H), objective=objective)
    assert plans.best is not None
    assert plans.best.start_ns == H * S
    assert named(plans, "run-now").objective is None
    assert plans.plans[-1].policy == "run-now"
    pue = PueSeries(edges_ns=np.array([0, 1, 3]) * H * S, pue=np.array([NAN, 1.1]), source="made up")
    assert plan(job_of(H), [replace(site, pue=pue)], window_of(3 * H)).baseline.emissions_g is None


def test_carbon_price_alone_changes_no_plan() -> None:
    site = site_of(np.random.default_rng(4).uniform(20, 400, 24).tolist())
    job = job_of(5.5 * H, resume_j=1e5)
    plain = plan(job, [site], window_of(24 * H))
    priced = plan(job, [site], window_of(24 * H), objective=Objective(carbon_price_usd_per_t=80.0))
    for a, b in zip(plain.plans, priced.plans, strict=True):
        assert (a.segments, a.emissions_g) == (b.segments, b.emissions_g)
        assert b.objective == pytest.approx(a.emissions_g * 80e-6)


def test_zero_weights_are_the_old_plans_bit_for_bit() -> None:
    site = replace(site_of([300, 100, 400, 120, 380]), price=price_of([0.1] * 5))
    job = job_of(1.5 * H)
    plain = plan(job, [site], window_of(5 * H))
    zero = Objective(carbon_price_usd_per_t=1e6, time_price_usd_per_h=0.0)
    for a, b in zip(plain.plans, plan(job, [site], window_of(5 * H), objective=zero).plans, strict=True):
        assert a.segments == b.segments
        assert (a.emissions_g, a.cost_usd) == (b.emissions_g, b.cost_usd)


def test_composite_is_cut_where_either_changes() -> None:
    site = replace(site_of([100, 200]), price=price_of([0.1, 0.2], step_s=[1800, 5400]))
    shown = offered(site, Weights(0.001, 1.0))
    assert (shown.intensity.edges_ns // (60 * S)).tolist() == [0, 30, 60, 120]
    assert shown.intensity.intensity_g_per_kwh.tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert offered(site, CARBON) is site


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carbon_price_usd_per_t": -1.0}, "carbon_price_usd_per_t must be at least 0, got -1"),
        ({"max_carbon_g": 5.0, "max_cost_usd": 5.0}, "give one of: a budget"),
        ({"max_carbon_g": 5.0, "time_price_usd_per_h": 5.0}, "give one of: a budget"),
        ({"max_cost_usd": float("nan")}, "max_cost_usd must be finite"),
    ],
)
def test_objectives_that_say_two_things_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Objective(**options)


def test_money_without_a_price_is_refused() -> None:
    with pytest.raises(InputError, match="needs the electricity price of A; give --price ZONE=FILE"):
        plan(job_of(H), [site_of([1])], window_of(H), objective=Objective(energy_price=True))
    with pytest.raises(InputError, match="no electricity price for A"):
        offered(site_of([1]), Weights(1.0, 1.0))


def check_time_on_one_site(seed: int, n_cases: int) -> None:
    rng = np.random.default_rng(seed)
    for i in range(n_cases):
        case = random_case(rng, most_cells=6)
        second = float(rng.choice([0.5, 20.0, 200.0, 2000.0]))
        costs = plan_brute.Costs(
            resume_j=case.resume_j, resume_s=case.resume_s, idle_w=case.idle_w, max_pauses=case.max_pauses,
            second_cost=second,
        )  # fmt: skip
        top = plan_brute.cheapest_with_pauses(case.intensity, case.width_s, case.work_s, costs)
        window = replace(case.window, hour_cost=second * H / J_PER_KWH)
        found = pause_resume.plan(case.job, [case.site], window)
        assert isinstance(found, Plan) == (top is not None), (i, case)
        if isinstance(found, Plan) and top is not None:
            least = top.cost / J_PER_KWH
            assert found.lower_bound_g <= least + 1e-9 * abs(least) + 1e-12, (i, case, second)
            if not case.negative:
                assert found.emissions_g == pytest.approx(least, rel=1e-9, abs=1e-12), (i, case, second)
                assert found.lower_bound_g == found.emissions_g, (i, case, second)


def check_time_anywhere(seed: int, n_cases: int) -> None:
    rng = np.random.default_rng(seed)
    for i in range(n_cases):
        n_sites, n = int(rng.integers(1, 3)), int(rng.integers(1, 4))
        values, negative = values_of(rng, (n_sites, n))
        menus = [[(1.0, float(rng.integers(50, 400)))] for _ in range(n_sites)]
        for menu in menus[: int(rng.integers(0, 3))]:
            menu.append((float(rng.choice([0.5, 1.5, 3.0])), float(rng.integers(50, 600))))
        work_s = float(rng.integers(10, int(n * 60 * max(t for m in menus for t, _ in m)) + 1))
        second = float(rng.choice([10.0, 300.0, 3000.0, 30000.0]))
        costs = plan_brute.Costs(
            resume_j=float(rng.choice([0, 600])), resume_s=int(rng.choice([0, 60])),
            idle_w=float(rng.choice([0, 30])), move_j=float(rng.choice([0, 500])),
            move_s=int(rng.choice([0, 60])), second_cost=second,
        )  # fmt: skip
        sites = [
            site_of(row.tolist(), zone="AB"[z], step_s=60, points=points_of(*menus[z]))
            for z, row in enumerate(values)
        ]
        job = Job(
            work_s=work_s, points=points_of((1.0, 100.0)), resume_energy_kwh=costs.resume_j / J_PER_KWH,
            resume_time_s=costs.resume_s, idle_power_w=costs.idle_w,
            migrate_energy_kwh=costs.move_j / J_PER_KWH, migrate_time_s=costs.move_s,
        )  # fmt: skip
        top = plan_brute.cheapest_anywhere(values.tolist(), 60.0, menus, work_s, costs)
        window = replace(window_of(60 * n), hour_cost=second * H / J_PER_KWH)
        policy = best if n_sites > 1 else elastic
        found = policy.plan(job, sites, window)
        what = (i, values, menus, work_s, costs)
        assert isinstance(found, Plan) == (top is not None), what
        if isinstance(found, Plan) and top is not None and not negative:
            assert found.emissions_g == pytest.approx(top.cost / J_PER_KWH, rel=1e-9, abs=1e-12), what


def test_time_weighed_plans_are_the_best_of_all() -> None:
    check_time_on_one_site(seed=31, n_cases=60)
    check_time_anywhere(seed=32, n_cases=12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_time_weighed_plans_are_the_best_of_all(seed: int) -> None:
    whole = "LOWTIDE_TEST_FULL" in os.environ
    check_time_on_one_site(seed=3100 + seed, n_cases=1500 if whole else 250)
    check_time_anywhere(seed=3200 + seed, n_cases=250 if whole else 40)


def priced_case(rng: np.random.Generator, n: int) -> tuple[SiteOption, list[float], list[float], list[int]]:
    """Return a site with prices on other edges than its intensity, and both on the union of the edges."""
    minutes = sorted(rng.choice(np.arange(1, 10), size=n - 1, replace=False).tolist())
    edges = [0, *minutes, 10]
    width = [60 * (b - a) for a, b in itertools.pairwise(edges)]
    carbon, price = rng.uniform(10, 500, n), rng.uniform(-0.02, 0.4, n)
    for i in range(1, n):
        if rng.random() < 0.5:
            carbon[i] = carbon[i - 1]
        else:
            price[i] = price[i - 1]
    site = replace(site_of(carbon.tolist(), step_s=width), price=price_of(price.tolist(), step_s=width))
    return site, carbon.tolist(), price.tolist(), width


def test_plans_of_carbon_money_and_time_are_the_best_of_all() -> None:
    rng = np.random.default_rng(77)
    for i in range(60):
        site, carbon, price, width = priced_case(rng, int(rng.integers(2, 6)))
        per_t, per_h = float(rng.choice([0.0, 50.0, 500.0])), float(rng.choice([0.0, 0.02, 0.5]))
        work_s = float(rng.integers(30, 600))
        composite = [p + c * per_t / 1e6 for c, p in zip(carbon, price, strict=True)]
        if min(composite) < 0.0:
            continue
        costs = plan_brute.Costs(power_w=1000.0, resume_j=1e4, second_cost=per_h / H * J_PER_KWH)
        top = plan_brute.cheapest_with_pauses(composite, width, work_s, costs)
        objective = Objective(carbon_price_usd_per_t=per_t, time_price_usd_per_h=per_h, energy_price=True)
        job = job_of(work_s, power_w=1000.0, resume_j=1e4)
        plans = plan(job, [site], Window(start_ns=0, deadline_ns=600 * S), objective=objective)
        found = named(plans, "pause-resume")
        assert top is not None
        assert found.objective == pytest.approx(top.cost / J_PER_KWH, rel=1e-9, abs=1e-12), i
        assert found.lower_bound_usd == found.objective, i
        again = objective.value_of(found, window_of(600))
        assert again == pytest.approx(found.objective, rel=1e-9, abs=1e-12)
