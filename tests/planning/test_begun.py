"""Plans for jobs that have begun: against the textbook programme over whole slots."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Window
from lowtide.planning.policies import pause_resume
from lowtide.planning.sites import SiteOption
from lowtide.testing.builders import START_NS, intensity_series
from lowtide.units import NS_PER_H

Begun = Literal["running", "paused"]


def textbook(
    c: list[float], work: int, *, begun: Begun, power_w: float, energy_kwh: float, resume_slots: int, idle_w: float
) -> float:  # fmt: skip
    """Return the least grams, slot by slot: the state is the slot, the work left, and running or not."""
    n, kw, idle_kw = len(c), power_w / 1000.0, idle_w / 1000.0
    best: dict[tuple[int, int, bool], float] = {}

    def go(t: int, left: int, running: bool) -> float:
        if left == 0:
            return 0.0
        if t + left > n:
            return float("inf")
        key = (t, left, running)
        if key not in best:
            if running:
                on = c[t] * kw + go(t + 1, left - 1, True)
            else:
                resumed = t + resume_slots
                if resumed >= n:
                    on = float("inf")
                elif resume_slots:
                    drawn = sum(c[t:resumed]) * (kw + energy_kwh / resume_slots)
                    on = drawn + c[resumed] * kw + go(resumed + 1, left - 1, True)
                else:
                    on = c[t] * (energy_kwh + kw) + go(t + 1, left - 1, True)
            best[key] = min(on, c[t] * idle_kw + go(t + 1, left, False))
        return best[key]

    return go(0, work, begun == "running")


def plan_of(c: list[float], job: Job, begun: Begun, *, max_pauses: int | None = None) -> Plan | Infeasible:
    window = Window(start_ns=START_NS, deadline_ns=START_NS + len(c) * NS_PER_H, begun=begun)
    site = SiteOption(zone="A", intensity=intensity_series(c))
    return pause_resume.plan(replace(job, max_pauses=max_pauses), [site], window)


@pytest.mark.parametrize("seed", range(8))
def test_four_hundred_plans_are_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        c = rng.integers(1, 20, int(rng.integers(3, 13))).astype(float).tolist()
        work = int(rng.integers(1, len(c)))
        resume_slots, idle_w = int(rng.integers(0, 3)), float(rng.choice([0.0, 100.0]))
        energy_kwh = float(rng.choice([0.0, 0.5, 2.0]))
        begun: Begun = "running" if rng.random() < 0.5 else "paused"
        job = Job(
            work_s=work * 3600.0, points=(OperatingPoint(throughput=1.0, power_w=1000.0),),
            resume_energy_kwh=energy_kwh, resume_time_s=resume_slots * 3600.0, idle_power_w=idle_w,
        )  # fmt: skip
        best = textbook(
            c, work, begun=begun, power_w=1000.0, energy_kwh=energy_kwh, resume_slots=resume_slots, idle_w=idle_w
        )  # fmt: skip
        found = plan_of(c, job, begun)
        if best == float("inf"):
            assert isinstance(found, Infeasible), (c, work, begun, job)
            continue
        assert isinstance(found, Plan), (c, work, begun, job)
        assert found.emissions_g == pytest.approx(best, rel=1e-9), (c, work, begun, job)
        assert found.lower_bound_g == pytest.approx(best, rel=1e-9)


JOB = Job(
    work_s=2 * 3600.0, points=(OperatingPoint(throughput=1.0, power_w=1000.0),), resume_energy_kwh=1.0,
)  # fmt: skip


def test_running_job_goes_on_where_pausing_costs_more() -> None:
    # on now: 300 + 100; paused now and on at 100, 150: 250 and a resume of 1 kWh at 100: 350 < 400
    found = plan_of([300.0, 100.0, 150.0], JOB, "running")
    assert isinstance(found, Plan)
    assert (found.start_ns - START_NS, found.emissions_g) == (NS_PER_H, 350.0)
    # with 2 kWh it is 450, so it goes on
    found = plan_of([300.0, 100.0, 150.0], replace(JOB, resume_energy_kwh=2.0), "running")
    assert isinstance(found, Plan)
    assert (found.start_ns, found.emissions_g) == (START_NS, 400.0)


def test_paused_job_pays_for_its_first_run() -> None:
    # two hours at 100 and its resume at 100
    found = plan_of([100.0, 100.0, 100.0], JOB, "paused")
    assert isinstance(found, Plan)
    assert (found.segments[0].start_ns, found.emissions_g) == (START_NS, 300.0)


def test_what_has_not_begun_starts_for_free() -> None:
    site = SiteOption(zone="A", intensity=intensity_series([300.0, 100.0, 150.0]))
    window = Window(start_ns=START_NS, deadline_ns=START_NS + 3 * NS_PER_H)
    found = pause_resume.plan(JOB, [site], window)
    assert isinstance(found, Plan)
    assert found.emissions_g == 250.0
