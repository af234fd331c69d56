"""The way from promise to bill: the example of docs/explanation/promise-to-bill.md, by hand, and its corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.followed import plan_bill
from lowtide.accounting.idle import IdlePower
from lowtide.accounting.uncertainty import Deviation
from lowtide.model.planning import Job, OperatingPoint, Window
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import PlanBill, Promise, RunPlan
from lowtide.model.signal import Signal
from lowtide.planning.policies import pause_resume
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries, PowerSeries

H = 3600 * 10**9
FINAL = (500.0, 400.0, 100.0, 300.0, 200.0, 400.0)
BELIEVED = (500.0, 400.0, 200.0, 400.0, 100.0, 600.0)


def grid(values=FINAL, *, basis="average", status="measured") -> IntensitySeries:
    signal = Signal(zone="X", source="by hand", basis=basis)
    return IntensitySeries.of(np.arange(len(values) + 1) * H, list(values), signal=signal, status=status)


PROMISE = Promise(
    made_ns=0, runs_ns=((2 * H, 3 * H), (4 * H, 5 * H)), edges_ns=tuple(i * H for i in range(7)),
    intensity_g_per_kwh=BELIEVED, power_w=1000.0, paused_w=100.0, work_s=7200.0,
)  # fmt: skip
PLAN = RunPlan(
    bound="--within 6h", asked_ns=0, deadline_ns=6 * H, start_by_ns=None, pause="freeze", work_s=7200.0,
    runs_ns=((2 * H, 7 * H // 2), (9 * H // 2, 11 * H // 2)), waited_s=7200.0, first=PROMISE, last=PROMISE,
)  # fmt: skip


def power() -> PowerSeries:
    """1.2 kW from 2:00 to 3:30 and from 4:30 to 5:30, 150 W in the pause."""
    edges = np.array([4, 7, 9, 11]) * (H // 2)
    return PowerSeries(edges_ns=edges, power_w=np.array([1200.0, 150.0, 1200.0]), boundary="node")


def bill_of(plan: RunPlan = PLAN, intensity: IntensitySeries | None = None, **given) -> PlanBill:
    runs = plan.runs_ns
    end = RunEnd(started_ns=runs[0][0], ended_ns=runs[-1][1], exit_code=0, plan=plan)
    bill = plan_bill(end, given.pop("power", power()), intensity or grid(), **given)
    assert bill is not None
    return bill


def test_every_step_of_the_way_is_the_one_worked_out_by_hand():
    way = bill_of().way
    assert [step.step for step in way] == [
        "promised", "intensity", "power", "duration", "timing", "pauses", "residual"
    ]  # fmt: skip
    expected = (
        1.0 * 200
        + 0.1 * 400
        + 1.0 * 100,  # 340: 1 kW at 2:00 and at 4:00, 0.1 kW between, as it was believed
        1.0 * 100 + 0.1 * 300 + 1.0 * 200,  # 330: as the grid was
        1.2 * 100 + 0.1 * 300 + 1.2 * 200,  # 390: at 1.2 kW
        1.2 * 100 + 0.1 * 300 + 1.2 * 200 + 0.6 * 400,  # 630: half an hour more, after 5:00
        # 685: 2:00 to 3:30 and 4:30 to 5:30, the planned 0.1 kW in the hour between
        1.2 * 100 + 0.6 * 300 + 0.1 * (0.5 * 300 + 0.5 * 200) + 0.6 * 200 + 0.6 * 400,
        1.2 * 100 + 0.6 * 300 + 0.15 * (0.5 * 300 + 0.5 * 200) + 0.6 * 200 + 0.6 * 400,  # 697.5
        697.5,
    )
    assert [step.g for step in way] == pytest.approx(expected)
    assert [step.delta_g for step in way[1:]] == pytest.approx([-10.0, 60.0, 240.0, 55.0, 12.5, 0.0])
    assert way[0].delta_g is None


def test_executed_at_once_oracle_and_regret_are_those_worked_out_by_hand():
    bill = bill_of()
    assert bill.executed_g == pytest.approx(697.5)
    # 2.5 h of 1.2 kW from 0:00: 600 + 480 + 0.6 x 100
    assert bill.run_now_g == pytest.approx(1140.0)
    assert bill.saving_g == pytest.approx(442.5)
    # the greenest 2.5 h: 100, 200 and half of 300
    assert (bill.oracle_g, bill.oracle_kind) == (pytest.approx(1.2 * (100 + 200 + 150)), "parts")
    assert bill.regret_fraction == pytest.approx((697.5 - 540.0) / 1140.0)
    assert (bill.word, bill.provisional, bill.window_provisional) == ("allocated", False, False)


def test_promise_at_measured_power_is_kept_beside():
    first = bill_of().first
    assert first is not None
    # 1.2 kW, 0.15 kW between, half an hour longer, as it was believed: 240 + 60 + 120 + 0.6 x 600
    assert first.emissions_g == pytest.approx(780.0)
    assert (first.promised_g, first.power_w, first.n_pauses) == (pytest.approx(340.0), 1000.0, 1)


def test_range_is_that_of_the_difference():
    bill = bill_of(deviations=[Deviation("meter", 0.1 * 3.15, 0.1 * 3.15)])  # 10 % of 3 + 0.15 kWh
    assert (bill.saving_low_g, bill.saving_high_g) == (pytest.approx(398.25), pytest.approx(486.75))


def test_idle_is_shown_and_used_for_nothing():
    idle = IdlePower(80.0, 0.5, 1.5, "modelled")
    bill = bill_of(idle=idle)
    # 80 W from 0:00 to 2:00 and from 3:30 to 4:30: 0.08 x (900 + 250)
    assert bill.idle_anyway_g == pytest.approx(92.0)
    assert (bill.idle_w, bill.idle_note, bill.reservation_g) == (80.0, "modelled", 0.0)
    without = bill_of()
    assert (bill.saving_g, bill.executed_g) == (without.saving_g, without.executed_g)
    assert without.idle_anyway_g is None


def test_held_allocation_is_charged_for_the_wait():
    idle = IdlePower(80.0, 0.5, 1.5, "modelled")
    bill = bill_of(replace(PLAN, hold_allocation=True), idle=idle)
    assert bill.reservation_g == pytest.approx(72.0)  # 0.08 x 900
    assert bill.executed_g == pytest.approx(697.5)
    assert bill.saving_g == pytest.approx(442.5 - 72.0)
    # half of it more or less
    assert (bill.saving_low_g, bill.saving_high_g) == (pytest.approx(334.5), pytest.approx(406.5))
    assert bill.regret_fraction == pytest.approx((697.5 + 72.0 - 540.0) / 1140.0)


def test_held_allocation_of_unknown_idle_power_claims_no_saving():
    bill = bill_of(replace(PLAN, hold_allocation=True))
    assert (bill.reservation_g, bill.saving_g) == (None, None)
    assert "reserved hardware" in bill.problem


def test_pue_is_on_all_of_it():
    plain, facility = bill_of(), bill_of(power=power().scaled(1.5, boundary="facility"), pue=1.5)
    assert [step.g for step in facility.way] == pytest.approx([1.5 * step.g for step in plain.way])


def test_marginal_grams_are_avoided():
    assert bill_of(intensity=grid(basis="marginal")).word == "avoided"


def test_unknown_power_is_the_mean_of_what_was_measured_and_its_pauses_too():
    first = bill_of(replace(PLAN, first=replace(PROMISE, power_w=None, paused_w=None))).first
    assert first is not None
    assert first.power_w is None
    # 1.2 x 200 + 0.15 x 400 + 1.2 x 100
    assert first.promised_g == pytest.approx(420.0)
    assert first.way[2].delta_g == pytest.approx(0.0)


def test_unknown_duration_is_the_one_it_had():
    first = bill_of(replace(PLAN, first=replace(PROMISE, work_s=None))).first
    assert first is not None
    assert first.way[3].delta_g == 0.0


def test_stated_promise_without_its_intensity_has_the_same_way():
    told = replace(PROMISE, edges_ns=(), intensity_g_per_kwh=(), stated_g=340.0)
    first = bill_of(replace(PLAN, first=told)).first
    assert first is not None
    assert [step.g for step in first.way] == pytest.approx([step.g for step in bill_of().way])
    assert first.emissions_g is None
    silent = bill_of(replace(PLAN, first=replace(told, stated_g=None))).first
    assert silent is not None
    assert (silent.promised_g, silent.way[1].delta_g) == (None, None)
    assert silent.way[2].delta_g == pytest.approx(60.0)


def test_saving_and_loading_are_no_work():
    # of its first stretch the last quarter of an hour is saving, of its second the first one loading
    overheads = ((13 * H // 4, 7 * H // 2), (9 * H // 2, 19 * H // 4))
    bill = bill_of(replace(PLAN, overheads_ns=overheads))
    # 2 h of work from 0:00: 600 + 480
    assert bill.run_now_g == pytest.approx(1080.0)
    assert bill.executed_g == pytest.approx(697.5)
    # the greenest 2 h
    assert bill.oracle_g == pytest.approx(1.2 * 300)
    pauses = next(step for step in bill.way if step.step == "pauses")
    # measured 0.3 x 300 + 37.5 + 0.3 x 200 = 187.5 g, planned 0.1 kW from 3:15 to 4:45: 0.1 x 375
    assert pauses.delta_g == pytest.approx(187.5 - 37.5)


def test_pause_in_which_it_was_killed_is_no_work():
    end = RunEnd(
        started_ns=2 * H, ended_ns=9 * H // 2, signal=9, plan=replace(PLAN, runs_ns=((2 * H, 7 * H // 2),))
    )
    found = plan_bill(end, power().clip(start_ns=0, end_ns=9 * H // 2), grid())
    assert found is not None
    assert found.run_now_g == pytest.approx(1.2 * 500 + 0.6 * 400)
    assert found.way[-1].delta_g == pytest.approx(0.0, abs=1e-9)


def test_window_that_is_not_known_yet_leaves_the_oracle_and_the_steps_in_it_open():
    bill = bill_of(intensity=grid().clip(start_ns=0, end_ns=11 * H // 2))
    assert bill.saving_g == pytest.approx(442.5)
    assert (bill.oracle_g, bill.regret_fraction, bill.oracle_kind) == (None, None, "")
    assert bill.window_provisional
    assert bill.is_open
    assert bill.n_known < bill_of().n_known


def test_forecast_in_the_rest_of_the_window_is_said():
    soft = grid(FINAL)
    status = soft.status.copy()
    status[5] = 2
    bill = bill_of(
        replace(PLAN, runs_ns=((2 * H, 3 * H),)),
        replace(soft, status=status),
        power=power().clip(start_ns=0, end_ns=3 * H),
    )
    assert (bill.provisional, bill.window_provisional) == (False, True)


@pytest.mark.parametrize(("resume_s", "resume_kwh"), [(0.0, 0.0), (600.0, 0.05), (0.0, 0.05)])
def test_promise_is_the_plan_s_to_the_digit(resume_s: float, resume_kwh: float):
    job = Job(
        work_s=7200.0, points=(OperatingPoint(throughput=1.0, power_w=1000.0),), idle_power_w=10.0,
        resume_time_s=resume_s, resume_energy_kwh=resume_kwh,
    )  # fmt: skip
    values = (500.0, 100.0, 900.0, 50.0, 900.0, 900.0)
    site = SiteOption(zone="X", intensity=grid(values))
    plan = pause_resume.plan(job, [site], Window(start_ns=0, deadline_ns=6 * H))
    assert plan.n_pauses == 1
    runs: list[tuple[int, int]] = []
    for segment in plan.segments:
        if segment.kind in ("run", "resume"):
            follows = bool(runs) and runs[-1][1] == segment.start_ns
            start_ns = runs.pop()[0] if follows else segment.start_ns
            runs.append((start_ns, segment.end_ns))
    promise = replace(
        PROMISE, runs_ns=tuple(runs), intensity_g_per_kwh=values,
        paused_w=10.0, resume_s=resume_s, resume_kwh=resume_kwh,
    )  # fmt: skip
    first = bill_of(replace(PLAN, first=promise)).first
    assert first is not None
    assert plan.emissions_g is not None
    assert first.promised_g == pytest.approx(plan.emissions_g, rel=1e-9)
