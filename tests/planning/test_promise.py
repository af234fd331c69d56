"""A plan's promise is the bill of its own power."""

from __future__ import annotations

import pytest
from planning_cases import NAN, S, intensity_of, job_of, points_of, site_of, window_of

from lowtide.accounting.operational import operational
from lowtide.accounting.overhead import to_facility
from lowtide.errors import InputError
from lowtide.model.planning import Job, OperatingPoint, Plan, Segment, WorkProfile
from lowtide.planning.policies import best, pause_resume
from lowtide.planning.promise import count_moves, count_pauses, emissions_g, plan_power, promise
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption
from lowtide.units import J_PER_KWH

H = 3600


def run(start_h: float, end_h: float, *, zone: str = "A", power_w: float = 1000.0, **options) -> Segment:
    kind = options.pop("kind", "run")
    throughput = 1.0 if kind == "run" else 0.0
    return Segment(
        zone=zone, start_ns=round(start_h * H * S), end_ns=round(end_h * H * S), throughput=throughput,
        power_w=power_w, kind=kind, **options,
    )  # fmt: skip


def test_power_of_a_plan_is_zero_where_it_draws_nothing() -> None:
    power = plan_power([run(0, 1), run(3, 4)], "A")
    assert power is not None
    assert power.boundary == "node"
    assert power.power_w.tolist() == [1000.0, 0.0, 1000.0]
    assert plan_power([run(0, 1)], "B") is None


def test_instant_energy_is_drawn_within_a_nanosecond() -> None:
    power = plan_power([run(0, 1, impulse_kwh=0.5)], "A")
    assert power is not None
    assert (power.edges_ns[1] - power.edges_ns[0], power.energy_kwh()) == (1, pytest.approx(1.5, rel=1e-12))
    assert operational(power, intensity_of([200])).g == pytest.approx(1.5 * 200, rel=1e-12)


def test_promise_is_what_accounting_says_after_pue() -> None:
    site = site_of([100, 300], pue=1.5)
    plan = promise("x", [run(0.5, 1.5)], [site])
    power = plan_power(plan, "A")
    assert power is not None
    assert plan.emissions_g == operational(to_facility(power, 1.5), site.intensity).g == pytest.approx(300.0)
    assert plan.energy_kwh == pytest.approx(1.0)


def test_profile_is_drawn_over_the_work_done_and_segments_say_its_mean() -> None:
    profile = WorkProfile(edges_s=(0.0, 1800.0, 7200.0), power_w=(100.0, 900.0))
    plan = promise("x", [run(0, 1), run(2, 3)], [site_of([10, 20, 30])], profile=profile)
    power = plan_power(plan, "A")
    assert power is not None
    assert power.power_w.tolist() == [100.0, 900.0, 0.0, 900.0]
    assert [s.power_w for s in plan.segments] == [500.0, 900.0]
    assert plan.emissions_g == pytest.approx(0.5 * 10 + 0.9 * 30, rel=1e-12)


def test_unknown_intensity_gives_no_promise() -> None:
    assert emissions_g([run(0, 2)], [site_of([1, NAN])]) is None
    assert emissions_g([run(0, 2)], [site_of([1])]) is None
    assert emissions_g([run(0, 1)], [site_of([1, NAN])]) == 1.0


def test_marginal_account_is_beside_the_average_one() -> None:
    site = site_of([100, 200])
    both = SiteOption(zone="A", intensity=site.intensity, marginal=intensity_of([700, 10], basis="marginal"))
    assert promise("x", [run(0, 1)], [site]).marginal_g is None
    assert promise("x", [run(0, 1)], [both]).marginal_g == 700.0
    turned = SiteOption(zone="A", intensity=intensity_of([5, 5], basis="marginal"))
    assert promise("x", [run(0, 1)], [turned]).marginal_g == 5.0


def test_pauses_and_moves_are_counted() -> None:
    assert count_pauses([run(0, 1), run(1, 2)]) == 0
    assert count_pauses([run(0, 1), run(2, 3)]) == 1
    assert count_pauses([run(0, 1), run(1, 2, zone="B")]) == 1
    assert count_moves([run(0, 1), run(1, 2, zone="B"), run(4, 5, zone="B")]) == 1
    resume = run(2, 2.5, kind="resume")
    idle = run(1, 2, kind="idle", power_w=10.0)
    assert count_pauses([run(0, 1), idle, resume, run(2.5, 3)]) == 1


def test_neighbours_that_do_the_same_are_joined() -> None:
    assert joined([run(0, 1), run(1, 2), run(2, 3, power_w=500.0)]) == [run(0, 2), run(2, 3, power_w=500.0)]
    assert len(joined([run(0, 1), run(1, 2, impulse_kwh=1.0)])) == 2


def test_plan_with_every_cost_is_billed_as_promised_zone_by_zone() -> None:
    a, b = site_of([10, 80, 99, 70], zone="A", pue=1.3), site_of([99, 20, 30, 40], zone="B", pue=1.1)
    job = job_of(
        2.2 * H, power_w=1000.0, resume_j=0.01 * J_PER_KWH, resume_time_s=300.0, idle_power_w=50.0,
        migrate_energy_kwh=0.02, migrate_time_s=900.0,
    )  # fmt: skip
    plan = best.plan(job, [a, b], window_of(4 * H))
    assert isinstance(plan, Plan)
    assert plan.n_migrations == 1
    total = 0.0
    for site in (a, b):
        power = plan_power(plan, site.zone)
        assert power is not None
        total += operational(to_facility(power, site.pue or 1.0), site.intensity).g
    assert plan.emissions_g == pytest.approx(total, rel=1e-12)


def test_gap_is_a_share_of_the_emissions() -> None:
    site = site_of([100])
    assert promise("x", [run(0, 1)], [site], lower_bound_g=90.0).gap_fraction == pytest.approx(0.1)
    assert promise("x", [run(0, 1)], [site]).gap_fraction == 0.0
    nearly = promise("x", [run(0, 1)], [site], lower_bound_g=100.0 * (1 - 1e-12))
    assert nearly.lower_bound_g == nearly.emissions_g


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: OperatingPoint(throughput=0.0, power_w=1.0),
            "throughput of an operating point must be above 0",
        ),
        (
            lambda: OperatingPoint(throughput=1.0, power_w=-1.0),
            "power_w of an operating point must be at least 0",
        ),
        (lambda: Job(work_s=1.0, points=()), "a job needs at least one operating point"),
        (lambda: Job(work_s=1.0, points=points_of((0.5, 1.0))), "must have throughput 1, got 0.5"),
        (lambda: job_of(0.0), "work_s of a job must be at least 1e-09"),
        (lambda: job_of(1.0, idle_power_w=200.0), "idle_power_w 200 W is above the 100 W the job draws"),
        (lambda: job_of(1.0, max_pauses=-1), "max_pauses must be at least 0, got -1"),
        (
            lambda: job_of(1.0, resume_time_s=float("nan")),
            "resume_time_s of a job must be at least 0, got nan",
        ),
        (lambda: WorkProfile(edges_s=(0.0, 1.0), power_w=()), "do not bound"),
        (lambda: WorkProfile(edges_s=(0.0, 1.0, 1.0), power_w=(1.0, 2.0)), "must strictly increase from 0"),
        (lambda: WorkProfile(edges_s=(0.0, 1.0), power_w=(float("inf"),)), "must be finite"),
        (
            lambda: job_of(5.0, profile=WorkProfile(edges_s=(0.0, 1.0), power_w=(1.0,))),
            "the profile holds 1 s of work, the job has 5 s",
        ),
    ],
)
def test_wrong_values_are_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_plan_is_executable_at_one_point_only() -> None:
    plan = pause_resume.plan(job_of(H), [site_of([1, 2])], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert plan.executable
