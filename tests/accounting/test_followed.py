"""The bill of a plan, by hand: promise, execution, and running at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.followed import laid, plan_bill, window_ns, work_power
from lowtide.accounting.work import PauseCost
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import Promise, RunPlan
from lowtide.model.signal import Signal
from lowtide.series.types import IntensitySeries, PowerSeries

H = 3600 * 10**9
GRID = Signal(zone="X", source="by hand")


def intensity(*values: float, status: str = "measured") -> IntensitySeries:
    edges = np.arange(len(values) + 1, dtype=np.int64) * H
    return IntensitySeries.of(edges, list(values), signal=GRID, status=status)


def promise(*runs: tuple[int, int], values: tuple[float, ...]) -> Promise:
    edges = tuple(i * H for i in range(len(values) + 1))
    return Promise(
        made_ns=0, runs_ns=tuple((a * H, b * H) for a, b in runs), edges_ns=edges, intensity_g_per_kwh=values
    )


def end(*runs: tuple[int, int], asked: int = 0, deadline: int | None = 9, **plans: Promise) -> RunEnd:
    spans = tuple((a * H, b * H) for a, b in runs)
    plan = RunPlan(
        bound="--within 9h", asked_ns=asked * H, deadline_ns=None if deadline is None else deadline * H,
        start_by_ns=None, pause="freeze", work_s=7200.0, runs_ns=spans, waited_s=3600.0, **plans,
    )  # fmt: skip
    return RunEnd(started_ns=spans[0][0], ended_ns=spans[-1][1], exit_code=0, plan=plan)


def paused_power() -> PowerSeries:
    """1 kW in hour 1 and 3, 100 W while paused in hour 2."""
    return PowerSeries(
        edges_ns=np.array([1, 2, 3, 4]) * H, power_w=np.array([1000.0, 100.0, 1000.0]), boundary="node"
    )


def test_run_without_a_plan_has_no_bill_of_one():
    power = paused_power()
    assert plan_bill(None, power, None) is None
    assert plan_bill(RunEnd(started_ns=0, ended_ns=1), power, None) is None
    assert window_ns(1, 2, RunEnd(started_ns=0, ended_ns=1)) == (1, 2)


def test_executed_run_now_and_promise_by_hand():
    grid = intensity(800.0, 100.0, 600.0, 200.0, 0.0)
    plan = promise((1, 2), (3, 4), values=(800.0, 100.0, 500.0, 100.0, 0.0))
    bill = plan_bill(end((1, 2), (3, 4), first=plan, last=plan), paused_power(), grid)
    assert bill is not None
    # 1 kWh x 100 + 0.1 kWh x 600 + 1 kWh x 200
    assert bill.executed_g == pytest.approx(360.0)
    # the same 2 kWh of work at once: 800 + 100; nothing was paused then
    assert bill.run_now_g == pytest.approx(900.0)
    assert (bill.saving_g, bill.saving_fraction) == (pytest.approx(540.0), pytest.approx(0.6))
    # promised on what was believed: 100 + 0.1 x 500 + 100
    assert bill.first is not None
    assert bill.first.emissions_g == pytest.approx(250.0)
    assert (bill.n_pauses, bill.paused_s, bill.running_s) == (1, 3600.0, 7200.0)
    assert (bill.deadline_met, bill.provisional) == (True, False)


def test_negative_saving_is_one():
    bill = plan_bill(end((1, 2), (3, 4)), paused_power(), intensity(100.0, 100.0, 900.0, 900.0, 0.0))
    assert bill is not None
    # 100 + 90 + 900 against 200
    assert bill.saving_g == pytest.approx(-890.0)
    assert bill.saving_fraction == pytest.approx(1.0 - 1090.0 / 200.0)


def test_forecast_values_make_it_provisional_and_missing_ones_leave_it_open():
    ended = end((1, 2), (3, 4))
    soft = plan_bill(ended, paused_power(), intensity(1.0, 1.0, 1.0, 1.0, 1.0, status="forecast"))
    assert soft is not None
    assert soft.provisional
    short = plan_bill(ended, paused_power(), intensity(1.0, 1.0))
    assert short is not None
    assert (short.saving_g, "does not cover" in short.problem) == (None, True)
    none = plan_bill(ended, paused_power(), None)
    assert none is not None
    assert none.problem == "no intensity is known"


def test_deadline_missed_is_said():
    bill = plan_bill(end((1, 2), (3, 4), deadline=3), paused_power(), None)
    assert bill is not None
    assert bill.deadline_met is False


def test_work_longer_than_planned_goes_on_where_the_plan_ends():
    work = work_power(paused_power(), [(2 * H, 3 * H)])
    assert work is not None
    assert work.energy_kwh() == pytest.approx(2.0)
    power = laid(work, [(5 * H, 6 * H), (8 * H, 8 * H + H // 2)], pause=PauseCost(power_w=50.0))
    assert power.edges_ns.tolist() == [5 * H, 6 * H, 8 * H, 9 * H]
    assert power.power_w.tolist() == [1000.0, 50.0, 1000.0]


def test_window_reaches_from_being_asked_to_the_end_of_all_that_could_have_been():
    # the deadline at 9, run-now until 8 in the second
    assert window_ns(5 * H, 6 * H, end((5, 6), asked=1)) == (H, 9 * H)
    assert window_ns(5 * H, 9 * H, end((5, 9), asked=4, deadline=6)) == (4 * H, 9 * H)
    # no more of the future than is known for good, but always what the run itself needs
    assert window_ns(5 * H, 6 * H, end((5, 6), asked=1), until_ns=7 * H) == (H, 7 * H)
    assert window_ns(5 * H, 6 * H, end((5, 6), asked=1), until_ns=0) == (H, 6 * H)


def test_window_of_a_bounded_start_and_of_a_late_promise():
    ended = end((5, 6), asked=1, deadline=None, first=promise((5, 6), (10, 12), values=(1.0,) * 12))
    assert ended.plan is not None
    by_start = replace(ended, plan=replace(ended.plan, start_by_ns=8 * H, first=None))
    assert window_ns(5 * H, 6 * H, by_start) == (H, 9 * H)  # an hour from 8
    assert window_ns(5 * H, 6 * H, ended) == (H, 12 * H)  # where the promise ended
    assert window_ns(5 * H, 9 * H, ended) == (H, 13 * H)  # one hour more than it had planned
