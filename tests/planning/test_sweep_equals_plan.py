"""A sweep and a plan of one start say the same: they are made by different code."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.model.planning import Job, Plan, Window
from lowtide.model.signal import Signal
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume, run_now
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.policies import flexible_start as flexible_start_policy
from lowtide.planning.policies import pause_resume as pause_resume_policy
from lowtide.planning.policies import run_now as run_now_policy
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H


@pytest.mark.parametrize("seed", range(40))
def test_every_start_of_a_sweep_is_the_plan_of_that_start(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    values = rng.integers(50, int(rng.choice([53, 60, 400])), n).astype(np.float64)  # ties, often
    quarter_ns = NS_PER_H // 4
    duration_ns = int(rng.integers(1, n * 4 + 1)) * quarter_ns
    slack_ns = int(rng.integers(0, n * 4)) * quarter_ns
    first = np.arange((n * NS_PER_H - duration_ns) // NS_PER_H + 1)
    arrivals = Arrivals(first=first, step_ns=NS_PER_H, duration_ns=duration_ns, slack_ns=slack_ns, n_slots=n)
    chooser = Chooser(Slots.of(values), step_ns=NS_PER_H)
    paused = pause_resume(chooser, arrivals, with_pauses=True)
    costs = run_now(chooser, arrivals), flexible_start(chooser, arrivals), paused.cost
    assert paused.n_pauses is not None

    signal = Signal(zone="DE", source="made up")
    series = IntensitySeries.of(np.arange(n + 1) * NS_PER_H, values, signal=signal)
    site = SiteOption(zone="DE", intensity=series)
    job = Job.constant(duration_s=duration_ns / 1e9, power_w=1000.0)  # 1 kWh an hour, so g is g/kWh x slots
    for i in first.tolist():
        end_ns = min(i * NS_PER_H + duration_ns + slack_ns, n * NS_PER_H)
        window = Window(start_ns=i * NS_PER_H, deadline_ns=end_ns)
        for policy, cost in zip(
            (run_now_policy, flexible_start_policy, pause_resume_policy), costs, strict=True
        ):
            plan = policy.plan(job, [site], window)
            assert isinstance(plan, Plan)
            assert plan.emissions_g == pytest.approx(cost[i], rel=1e-9), (policy.name, i)
        assert plan.n_pauses == paused.n_pauses[i]
