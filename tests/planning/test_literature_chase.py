"""Chase: worked by hand."""

from __future__ import annotations

import pytest
from planning_cases import NAN, S, job_of, points_of, site_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Infeasible, Job, Plan, WorkProfile
from lowtide.planning.policies.literature.chase import Chase
from lowtide.testing.policy_checks import check_plan

H = 3600
MENU = points_of((1.0, 1000.0), (0.5, 400.0))


def test_the_point_follows_the_intensity() -> None:
    # eta 1/2, Pmax 1000 W, cmax 300. Full: (P c + 3e5) / 2: at c = 300: 3e5 against (1.2e5 + 3e5) / 2 / .5 = 4.2e5;
    # full at every c, as the slow point pays the time term twice. eta 0.9: full (.9 * 3e5 + .1 * 3e5) = 3e5,
    # slow (.9 * 1.2e5 + 3e4) / .5 = 2.76e5 at 300; at 100 full .9e5 + .3e5 = 1.2e5, slow (.36e5 + .3e5) / .5 = 1.32e5
    job, site, window = Job(work_s=2 * H, points=MENU), site_of([300, 100, 300, 300]), window_of(4 * H)
    quick = Chase().plan(job, [site], window)
    assert isinstance(quick, Plan)
    assert [(s.throughput, s.end_ns / H / S) for s in quick.segments] == [(1.0, 2.0)]
    plan = Chase(eta=0.9).plan(job, [site], window)
    assert isinstance(plan, Plan)
    check_plan(plan, job, [site], window)
    # half in the first hour, one in the second, half in the third
    assert [(s.throughput, s.end_ns / H / S) for s in plan.segments] == [(0.5, 1.0), (1.0, 2.0), (0.5, 3.0)]
    assert plan.emissions_g == pytest.approx(0.4 * 300 + 100 + 0.4 * 300)
    # the best fills the hour at 100 fully and then the slow point twice too
    assert plan.lower_bound_g == pytest.approx(340.0)
    assert (plan.n_pauses, plan.executable) == (0, False)


def test_equally_dear_points_go_to_the_quickest() -> None:
    # eta 1: energy for the work alone; both 1000 J per work second
    job = Job(work_s=H, points=points_of((1.0, 1000.0), (2.0, 2000.0)))
    plan = Chase(eta=1.0).plan(job, [site_of([10, 10])], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert [(s.throughput, s.end_ns / H / S) for s in plan.segments] == [(2.0, 0.5)]


def test_negative_intensity_is_worth_power_and_time() -> None:
    # cmax counts as 0: -10 * 1000 / 1 against -10 * 400 / .5 = -8000
    plan = Chase(eta=1.0).plan(Job(work_s=H, points=MENU), [site_of([-10, -20])], window_of(2 * H))
    assert isinstance(plan, Plan)
    assert plan.segments[0].throughput == 1.0


def test_work_that_does_not_fit_is_refused() -> None:
    # at half the throughput 2 h are 4 h
    found = Chase(eta=1.0).plan(Job(work_s=2 * H, points=MENU), [site_of([10] * 3)], window_of(3 * H))
    reason = "it does 75% of its work by the deadline at the points it takes"
    assert found == Infeasible(policy="chase", zone="A", reason=reason)
    exact = Chase(eta=1.0).plan(Job(work_s=2 * H, points=MENU), [site_of([10] * 4)], window_of(4 * H))
    assert isinstance(exact, Plan)
    assert exact.end_ns == 4 * H * S


def test_unknown_intensity_is_run_through_by_nobody() -> None:
    job = Job(work_s=2 * H, points=MENU)
    found = Chase().plan(job, [site_of([10, NAN, 10])], window_of(3 * H))
    assert isinstance(found, Infeasible)
    assert found.reason == "it runs without a pause, and through unknown intensity"
    assert isinstance(Chase().plan(job, [site_of([NAN, NAN])], window_of(2 * H)), Infeasible)
    assert isinstance(Chase().plan(job, [site_of([10, 10, NAN])], window_of(3 * H)), Plan)  # done before it


def test_there_must_be_something_to_choose() -> None:
    one = Chase().plan(job_of(H), [site_of([10])], window_of(H))
    assert isinstance(one, Infeasible)
    assert "one operating point and nothing to choose" in one.reason
    profile = WorkProfile(edges_s=(0.0, float(H)), power_w=(100.0,))
    recorded = Chase().plan(Job(work_s=H, points=MENU, profile=profile), [site_of([10])], window_of(H))
    assert isinstance(recorded, Infeasible)
    assert "recorded power profile" in recorded.reason


def test_eta_is_a_share() -> None:
    with pytest.raises(InputError, match=r"from 0 to 1, got 1\.5"):
        Chase(eta=1.5)
