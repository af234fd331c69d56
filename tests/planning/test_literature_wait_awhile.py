"""Wait Awhile: worked by hand. 2020-06-01 is a Monday."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from planning_cases import NAN, S, job_of, points_of, site_of

from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.policies.literature.wait_awhile import WaitAwhile
from lowtide.quantities import parse_instant_ns
from lowtide.testing.policy_checks import check_plan

H = 3600
MONDAY = parse_instant_ns("2020-06-01T00:00Z")
ONCE, PAUSING = WaitAwhile(), WaitAwhile(interrupting=True)


def from_monday(hour: float, length_h: float) -> Window:
    start_ns = MONDAY + round(hour * H) * S
    return Window(start_ns=start_ns, deadline_ns=start_ns + round(length_h * H) * S)


def hours_run(plan: Plan | Infeasible) -> list[tuple[float, float]]:
    assert isinstance(plan, Plan), plan
    runs = [s for s in plan.segments if s.kind == "run"]
    return [((s.start_ns - MONDAY) / H / S, (s.end_ns - MONDAY) / H / S) for s in runs]


def day(**values: float) -> list[float]:
    """Return two days of 100 with other values at some hours (``h20=5``)."""
    return [values.get(f"h{i}", 100.0) for i in range(48)]


def test_a_job_done_in_working_hours_does_not_wait() -> None:
    site = site_of(day(h15=1.0, h20=1.0), start_ns=MONDAY)
    # 10:00 to 12:00 ends in working hours
    assert hours_run(ONCE.plan(job_of(2 * H), [site], from_monday(10, 30))) == [(10, 12)]
    assert hours_run(PAUSING.plan(job_of(2 * H), [site], from_monday(10, 30))) == [(10, 12)]


def test_a_job_done_after_hours_waits_until_nine_and_no_longer() -> None:
    # 16:00 to 19:00 ends after 17:00: until Tuesday 9:00, so 7:00 + 2 h is the last start and 33 (9:00) is out
    site = site_of(day(h20=40, h21=50, h31=30, h32=30, h33=1), start_ns=MONDAY)
    plan = ONCE.plan(job_of(2 * H, power_w=1000.0), [site], from_monday(17, 24))
    assert hours_run(plan) == [(31, 33)]
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(60.0)  # 30 + 30
    # the bound is that of the window: 32:00 to 34:00 costs 30 + 1
    assert plan.lower_bound_g == pytest.approx(31.0)
    paused = PAUSING.plan(job_of(3 * H, power_w=1000.0), [site], from_monday(17, 24))
    assert hours_run(paused) == [(20, 21), (31, 33)]  # 40 + 30 + 30
    assert isinstance(paused, Plan)
    assert (paused.emissions_g, paused.lower_bound_g) == pytest.approx((100.0, 61.0))  # 1 + 30 + 30


def test_the_window_may_end_before_the_rule_does() -> None:
    site = site_of(day(h18=90, h20=40, h31=1, h32=1), start_ns=MONDAY)
    assert hours_run(ONCE.plan(job_of(H), [site], from_monday(17, 2))) == [(18, 19)]


def test_equal_slots_are_taken_earliest_first_and_no_more_than_needed() -> None:
    # five slots of 50: the published code would run in all of them
    site = site_of(day(h18=50, h20=50, h22=50, h24=50, h26=50), start_ns=MONDAY)
    assert hours_run(PAUSING.plan(job_of(2 * H), [site], from_monday(16, 30))) == [(18, 19), (20, 21)]
    flat = site_of(day(), start_ns=MONDAY)
    assert hours_run(PAUSING.plan(job_of(2 * H), [flat], from_monday(16, 30))) == [(16, 18)]


def test_the_last_slot_in_time_is_used_in_part() -> None:
    # 1.5 h: slots 18 (60) and 20 (40); what is not needed is left of the later one, though it is cheaper
    site = site_of(day(h18=60, h20=40), start_ns=MONDAY)
    plan = PAUSING.plan(job_of(1.5 * H, power_w=1000.0), [site], from_monday(16, 30))
    assert hours_run(plan) == [(18, 19), (20, 20.5)]
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(80.0)  # 60 + 20
    assert plan.lower_bound_g == pytest.approx(70.0)  # 40 + 30


def test_no_slack_runs_at_once() -> None:
    site = site_of(day(h20=1), start_ns=MONDAY)
    for policy in (ONCE, PAUSING):
        assert hours_run(policy.plan(job_of(3 * H), [site], from_monday(18, 3))) == [(18, 21)]
        late = policy.plan(job_of(3 * H), [site], from_monday(18, 2))
        assert late == Infeasible(
            policy=policy.name, zone="A", reason="started at once it ends 1h after the deadline"
        )


def test_the_zone_decides_whether_it_is_evening() -> None:
    # done at 15:30 UTC, which is 17:30 in Berlin: until 9:00 there, 7:00 UTC on Tuesday
    site = site_of(day(h20=1, h31=0.5), start_ns=MONDAY)
    berlin = WaitAwhile(tz=ZoneInfo("Europe/Berlin"))
    assert hours_run(ONCE.plan(job_of(H), [site], from_monday(14.5, 30))) == [(14.5, 15.5)]
    assert hours_run(berlin.plan(job_of(H), [site], from_monday(14.5, 30))) == [(20, 21)]


def test_negative_intensity_is_taken_first() -> None:
    site = site_of(day(h19=-5, h23=-7), start_ns=MONDAY)
    assert hours_run(PAUSING.plan(job_of(2 * H), [site], from_monday(16, 30))) == [(19, 20), (23, 24)]


def test_unknown_slots_are_never_chosen() -> None:
    site = site_of(day(h17=NAN, h18=NAN, h20=NAN), start_ns=MONDAY)
    assert hours_run(PAUSING.plan(job_of(2 * H), [site], from_monday(17, 30))) == [(19, 20), (21, 22)]
    assert hours_run(ONCE.plan(job_of(2 * H), [site], from_monday(17, 30))) == [(21, 23)]
    gone = site_of([NAN] * 48, start_ns=MONDAY)
    for policy, reason in ((ONCE, "every start in time runs through unknown"), (PAUSING, "is known for")):
        found = policy.plan(job_of(2 * H), [gone], from_monday(17, 30))
        assert isinstance(found, Infeasible)
        assert reason in found.reason


def test_mixed_steps_are_slots_of_their_own_length() -> None:
    # from 17:00: 30 min at 20, 2 h at 10, 30 min at 15, then 100: 2.5 h take 10 and then 15
    site = site_of(
        [20, 10, 15, 100, 100], step_s=[1800, 7200, 1800, 7200, 7200], start_ns=MONDAY + 17 * H * S
    )
    plan = PAUSING.plan(job_of(2.5 * H, power_w=1000.0), [site], from_monday(17, 7))
    assert hours_run(plan) == [(17.5, 20)]
    assert isinstance(plan, Plan)
    assert plan.emissions_g == plan.lower_bound_g == pytest.approx(27.5)  # 2 * 10 + 0.5 * 15


def test_a_coarser_grid_counts_by_its_means() -> None:
    # slots of 2 h from 17:00: means 100, 55 (19:00: 10, 100), 50 (21:00: 50, 50), 100 ...
    site = site_of(day(h19=10, h21=50, h22=50), start_ns=MONDAY)
    plan = PAUSING.plan(job_of(2 * H), [site], from_monday(17, 8), slot_s=2 * H)
    assert hours_run(plan) == [(21, 23)]
    half = site_of(day(h19=10, h20=NAN), start_ns=MONDAY)
    found = PAUSING.plan(job_of(2 * H), [half], from_monday(19, 3), slot_s=2 * H)
    assert isinstance(found, Infeasible)
    assert found.reason == "too few slots of the window are known from their start to their end"


def test_pauses_are_charged() -> None:
    # 19 and 22 are cheap; from 17:00 until Tuesday 9:00. Resume: 0.5 kWh in half an hour, idle 200 W
    job = job_of(2 * H, power_w=1000.0, resume_j=0.5 * 3.6e6, resume_time_s=1800.0, idle_power_w=200.0)
    site = site_of(day(h19=10, h22=20), start_ns=MONDAY)
    window = from_monday(17, 30)
    plan = PAUSING.plan(job, [site], window)
    assert isinstance(plan, Plan)
    check_plan(plan, job, [site], window)
    kinds = [(s.kind, (s.start_ns - MONDAY) / H / S, s.power_w) for s in plan.segments]
    # run at 19, idle 20 to 22, resume at 22:00 with 1 kW + 0.5 kWh / 0.5 h, then the hour that is left to 23:30
    assert kinds == [("run", 19, 1000.0), ("idle", 20, 200.0), ("resume", 22, 2000.0), ("run", 22.5, 1000.0)]
    assert plan.end_ns == MONDAY + round(23.5 * H) * S
    # 10 + idle 2 * 0.2 * 100 + resume 0.5 * 2 * 20 + run 0.5 * 20 + run 0.5 * 100
    assert plan.emissions_g == pytest.approx(10 + 40 + 20 + 10 + 50)
    assert plan.lower_bound_g == pytest.approx(30.0)
    assert plan.n_pauses == 1


def test_a_resume_that_takes_no_time_is_drawn_at_once() -> None:
    job = job_of(2 * H, power_w=1000.0, resume_j=0.5 * 3.6e6)
    plan = PAUSING.plan(job, [site_of(day(h19=10, h22=20), start_ns=MONDAY)], from_monday(17, 30))
    assert isinstance(plan, Plan)
    assert plan.emissions_g == pytest.approx(10 + 20 + 10)  # 0.5 kWh at 20


def test_slots_that_a_resume_fills_are_left_out() -> None:
    # resuming takes an hour: 21 and 23 do no work; the last chosen slot is resumed in, and run on from
    job = job_of(3 * H, power_w=1000.0, resume_time_s=float(H))
    plan = PAUSING.plan(job, [site_of(day(h19=10, h21=10, h23=10), start_ns=MONDAY)], from_monday(17, 30))
    assert hours_run(plan) == [(19, 20), (24, 26)]
    assert isinstance(plan, Plan)
    assert plan.n_pauses == 1


def test_pauses_beyond_what_the_job_allows_are_refused() -> None:
    site = site_of(day(h19=10, h21=10, h23=10), start_ns=MONDAY)
    window = from_monday(17, 30)
    found = PAUSING.plan(job_of(3 * H, max_pauses=1), [site], window)
    reason = "the rule pauses 2 times and the job may be interrupted 1 times"
    assert found == Infeasible(policy=PAUSING.name, zone="A", reason=reason)
    assert isinstance(PAUSING.plan(job_of(3 * H, max_pauses=2), [site], window), Plan)


def test_resumes_that_take_too_long_are_refused() -> None:
    # Tuesday 8:00 is the last slot; half an hour of resuming passes 9:00
    site = site_of(day(h19=10, h32=10), start_ns=MONDAY)
    found = PAUSING.plan(job_of(2 * H, resume_time_s=1800.0), [site], from_monday(17, 30))
    assert isinstance(found, Infeasible)
    assert found.reason.endswith("it ends 30m after its deadline")


def test_idling_through_unknown_intensity_is_refused() -> None:
    site = site_of(day(h19=10, h20=NAN, h21=10), start_ns=MONDAY)
    window = from_monday(17, 30)
    found = PAUSING.plan(job_of(2 * H, idle_power_w=10.0), [site], window)
    assert isinstance(found, Infeasible)
    assert found.reason == "it would draw power through unknown intensity"
    assert hours_run(PAUSING.plan(job_of(2 * H), [site], window)) == [(19, 20), (21, 22)]


def test_negative_intensity_with_costs_has_no_bound() -> None:
    job = job_of(2 * H, resume_j=100.0)
    plan = PAUSING.plan(job, [site_of(day(h19=-5, h23=-7), start_ns=MONDAY)], from_monday(16, 30))
    assert isinstance(plan, Plan)
    assert plan.lower_bound_g is None
    assert plan.gap_fraction is None


def test_the_first_point_of_the_site_counts() -> None:
    # half as quick there: 2 h of work take 4 h
    site = site_of(day(), start_ns=MONDAY, points=points_of((0.5, 80.0)))
    plan = PAUSING.plan(Job(work_s=2 * H, points=points_of((1.0, 100.0))), [site], from_monday(10, 4))
    assert hours_run(plan) == [(10, 14)]
    assert isinstance(plan, Plan)
    assert plan.work_s == 2 * H
