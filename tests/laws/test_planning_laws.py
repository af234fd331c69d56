"""Laws of planning: what must hold of any job, site and window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.accounting.operational import operational
from lowtide.accounting.overhead import to_facility
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Window
from lowtide.model.signal import Signal
from lowtide.planning.plan import POLICIES, plan
from lowtide.planning.policies import best, elastic, flexible_start, pause_resume, power_cap, run_now
from lowtide.planning.promise import plan_power
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.testing.policy_checks import check_plan

S = 10**9
H = 3600
SLACK = 1e-9

CARBON = st.floats(1.0, 900.0, width=32)
WORK = st.integers(1, 6 * H)


@st.composite
def sites(draw, zone="A", *, value=CARBON, n_hours=8, steps=(900, 1800, 3600)):
    """Draw a site whose intensity covers at least `n_hours` from time 0 on, on one of some steps."""
    step = draw(st.sampled_from(steps))
    n = n_hours * H // step
    values = draw(st.lists(value, min_size=n, max_size=n))
    edges = np.arange(n + 1, dtype=np.int64) * step * S
    series = IntensitySeries.of(edges, values, signal=Signal(zone=zone, source="drawn"))
    return SiteOption(zone=zone, intensity=series, pue=draw(st.none() | st.floats(1.0, 2.0)))


def jobs(*, costly: bool = False, menu: bool = False):
    """Draw jobs; costly ones pay for interruptions, those with a menu have further points."""
    cost = st.floats(0.0, 0.5) if costly else st.just(0.0)
    further = st.lists(
        st.builds(OperatingPoint, throughput=st.floats(0.25, 3.0), power_w=st.floats(200.0, 3000.0)),
        max_size=3 if menu else 0,
    )
    baseline = OperatingPoint(throughput=1.0, power_w=1000.0)
    return st.builds(
        lambda work, more, energy, time, idle, move: Job(
            work_s=float(work), points=(baseline, *more), resume_energy_kwh=energy,
            resume_time_s=float(int(time * H)), idle_power_w=idle * 200.0, migrate_energy_kwh=move,
        ),
        WORK, further, cost, cost, cost, cost,
    )  # fmt: skip


def window(length_s: float, start_s: float = 0.0) -> Window:
    return Window(start_ns=round(start_s * S), deadline_ns=round((start_s + length_s) * S))


def grams(found: Plan | Infeasible) -> float:
    """Return a plan's emissions, inf where there is none."""
    return np.inf if isinstance(found, Infeasible) or found.emissions_g is None else found.emissions_g


def at_most(a: float, b: float) -> bool:
    return a <= b + SLACK * abs(b) if np.isfinite(b) else True


@given(sites(), jobs())
def test_pausing_is_never_worse_than_shifting_nor_that_than_running_at_once(
    site: SiteOption, job: Job
) -> None:
    now, shifted, paused = (
        grams(policy.plan(job, [site], window(8 * H))) for policy in (run_now, flexible_start, pause_resume)
    )
    assert at_most(shifted, now)
    assert at_most(paused, shifted)


@given(sites(), jobs(costly=True, menu=True), st.integers(0, 6 * H), st.integers(0, 2 * H))
@settings(max_examples=40)
def test_more_slack_never_costs_carbon(site: SiteOption, job: Job, length: int, more: int) -> None:
    for policy in (flexible_start, pause_resume, elastic, power_cap, best):
        tight = grams(policy.plan(job, [site], window(length + 1)))
        assert at_most(grams(policy.plan(job, [site], window(length + 1 + more))), tight), policy.name


@given(sites("A", n_hours=5), sites("B", n_hours=5), sites("C", n_hours=5), jobs(costly=True))
@settings(max_examples=40)
def test_more_sites_never_cost_carbon(a: SiteOption, b: SiteOption, c: SiteOption, job: Job) -> None:
    found = [grams(best.plan(job, group, window(5 * H))) for group in ([a], [a, b], [a, b, c])]
    assert at_most(found[1], found[0])
    assert at_most(found[2], found[1])


@given(sites(n_hours=5), jobs(menu=True), st.floats(0.25, 3.0), st.floats(200.0, 3000.0))
def test_more_points_never_cost_carbon(site: SiteOption, job: Job, throughput: float, power_w: float) -> None:
    more = (*job.points, OperatingPoint(throughput=throughput, power_w=power_w))
    for policy in (elastic, power_cap, best):
        fewer = grams(policy.plan(job, [site], window(5 * H)))
        assert at_most(grams(policy.plan(replace(job, points=more), [site], window(5 * H))), fewer), (
            policy.name
        )


@given(CARBON, jobs(costly=True), st.integers(0, 3 * H))
def test_flat_signal_saves_exactly_nothing(value: float, job: Job, slack: int) -> None:
    edges = np.arange(25, dtype=np.int64) * 1800 * S
    series = IntensitySeries.of(edges, [value] * 24, signal=Signal(zone="A", source="drawn"))
    within = window(job.work_s + slack, 17.0)
    plans = plan(job, [SiteOption(zone="A", intensity=series)], within)
    assert [p.saving_fraction for p in plans.plans] == [0.0, 0.0, 0.0]
    assert {p.start_ns for p in plans.plans} == {within.start_ns}


@given(sites(), jobs(costly=True, menu=True), st.floats(0.01, 100.0))
@settings(max_examples=40)
def test_scaling_intensity_scales_emissions(site: SiteOption, job: Job, factor: float) -> None:
    series = site.intensity
    scaled = replace(site, intensity=replace(series, intensity_g_per_kwh=series.intensity_g_per_kwh * factor))
    for policy in (flexible_start, pause_resume, elastic):
        once = grams(policy.plan(job, [site], window(7 * H)))
        assert grams(policy.plan(job, [scaled], window(7 * H))) == pytest.approx(once * factor, rel=1e-9)


@given(sites(), jobs(costly=True), st.integers(-(10**18), 10**18))
@settings(max_examples=40)
def test_shifting_time_shifts_the_plan(site: SiteOption, job: Job, shift_ns: int) -> None:
    series = site.intensity
    moved = replace(site, intensity=replace(series, edges_ns=series.edges_ns + shift_ns))
    within = window(7 * H, 100.0)
    later = Window(start_ns=within.start_ns + shift_ns, deadline_ns=within.deadline_ns + shift_ns)
    for policy in (flexible_start, pause_resume):
        once, again = policy.plan(job, [site], within), policy.plan(job, [moved], later)
        if isinstance(once, Plan):
            assert isinstance(again, Plan)
            back = [
                replace(s, start_ns=s.start_ns - shift_ns, end_ns=s.end_ns - shift_ns) for s in again.segments
            ]
            assert list(once.segments) == back
            assert once.emissions_g == again.emissions_g


@given(sites("A", n_hours=5), sites("B", n_hours=5), jobs(costly=True, menu=True), st.integers(0, H))
@settings(max_examples=40)
def test_promised_grams_are_the_account_of_the_plans_power(
    a: SiteOption, b: SiteOption, job: Job, start: int
) -> None:
    within = window(4 * H, start)
    for policy in POLICIES:
        for group in [[a, b]] if policy.joint else [[a], [b]]:
            found = policy.plan(job, group, within)
            if isinstance(found, Infeasible):
                continue
            check_plan(found, job, group, within)
            total = 0.0
            for site in group:
                power = plan_power(found, site.zone)
                if power is not None:
                    at = power if site.pue is None else to_facility(power, site.pue)
                    total += operational(at, site.intensity).g
            assert found.emissions_g == pytest.approx(total, rel=1e-9)


@given(sites(value=st.floats(-50.0, 200.0, width=32)), jobs(costly=True, menu=True))
@settings(max_examples=40)
def test_lower_bound_is_below_every_other_plan(site: SiteOption, job: Job) -> None:
    through = grams(flexible_start.plan(job, [site], window(7 * H)))
    for policy in (pause_resume, elastic, best):
        found = policy.plan(job, [site], window(7 * H))
        if isinstance(found, Plan):
            assert found.lower_bound_g is not None
            assert at_most(found.lower_bound_g, grams(found))
            assert at_most(found.lower_bound_g, through)
