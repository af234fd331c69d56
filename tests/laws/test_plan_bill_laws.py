"""Laws of the bill of a run that waited."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lowtide.accounting.bills import emissions_bill
from lowtide.accounting.followed import plan_bill
from lowtide.accounting.hindsight import least_of_parts
from lowtide.accounting.uncertainty import Deviation
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import PlanBill, Promise, RunPlan
from lowtide.model.signal import Signal, Spread
from lowtide.series.types import IntensitySeries, PowerSeries

M = 60 * 10**9
N_HOURS = 30
REL = 1e-9
values_of = st.lists(st.floats(0.0, 1000.0, width=32), min_size=N_HOURS, max_size=N_HOURS)


def grid(values, *, basis="average", spread=None) -> IntensitySeries:
    signal = Signal(zone="X", source="law", basis=basis, spread=spread)
    return IntensitySeries.of(np.arange(len(values) + 1) * 60 * M, values, signal=signal)


@st.composite
def cases(draw, *, pauses=True, most_wait=300) -> tuple[RunPlan, PowerSeries]:
    """A run in minutes: when it was asked for, ran and was paused, what it drew, and what had been planned."""
    at = draw(st.integers(0, 60))
    asked, start = at, at + draw(st.integers(0, most_wait))
    lengths = draw(st.lists(st.integers(1, 150), min_size=1, max_size=4 if pauses else 1))
    gaps = draw(st.lists(st.integers(1, 60), min_size=len(lengths), max_size=len(lengths)))
    runs, t = [], start
    for length, gap in zip(lengths, gaps, strict=True):
        runs.append((t * M, (t + length) * M))
        t += length + gap
    end_ns = runs[-1][1]
    n = (end_ns - start * M) // M
    watts = draw(st.lists(st.floats(1.0, 2000.0, width=32), min_size=1, max_size=8))
    edges = np.unique(np.linspace(start * M, end_ns, min(n, len(watts)) + 1).astype(np.int64))
    power = PowerSeries(edges_ns=edges, power_w=np.array(watts[: len(edges) - 1]), boundary="node")
    plan = RunPlan(
        bound="--within 1d", asked_ns=asked * M, deadline_ns=1440 * M, start_by_ns=None,
        pause="freeze" if pauses else "none", work_s=None, runs_ns=tuple(runs), waited_s=(start - asked) * 60.0,
        first=draw(promises()),
    )  # fmt: skip
    return plan, power


@st.composite
def promises(draw) -> Promise:
    starts = sorted(
        draw(st.sets(st.integers(1, 20), min_size=1, max_size=3))
    )  # no plan before it was asked for
    runs = tuple((h * 60 * M, (h * 60 + draw(st.integers(1, 60))) * M) for h in starts)
    known = st.one_of(st.none(), st.floats(0.0, 2000.0))
    return Promise(
        made_ns=0, runs_ns=runs, edges_ns=tuple(i * 60 * M for i in range(N_HOURS + 1)),
        intensity_g_per_kwh=tuple(draw(values_of)), power_w=draw(known), paused_w=draw(known),
        work_s=draw(st.one_of(st.none(), st.floats(60.0, 7200.0))), resume_s=draw(st.sampled_from([0.0, 60.0])),
        resume_kwh=draw(st.sampled_from([0.0, 0.1])),
    )  # fmt: skip


def bill_of(plan: RunPlan, power: PowerSeries, intensity: IntensitySeries, **given_too) -> PlanBill:
    end = RunEnd(started_ns=plan.runs_ns[0][0], ended_ns=plan.runs_ns[-1][1], exit_code=0, plan=plan)
    bill = plan_bill(end, power, intensity, **given_too)
    assert bill is not None
    assert bill.executed_g is not None
    assert bill.run_now_g is not None
    return bill


def scale_of(power: PowerSeries, intensity: IntensitySeries) -> float:
    return power.energy_kwh() * float(np.abs(intensity.intensity_g_per_kwh).max()) + 1e-12


@settings(max_examples=40)
@given(cases(pauses=False, most_wait=0), values_of)
def test_run_that_neither_waited_nor_paused_is_run_now(case, values):
    plan, power = case
    bill = bill_of(plan, power, grid(values))
    assert bill.executed_g == pytest.approx(bill.run_now_g, rel=REL, abs=1e-12)
    assert bill.saving_g == pytest.approx(0.0, abs=REL * scale_of(power, grid(values)))


@settings(max_examples=40)
@given(cases(pauses=False), st.floats(1.0, 1000.0))
def test_flat_intensity_is_no_saving_and_no_regret(case, value):
    plan, power = case
    bill = bill_of(plan, power, grid([value] * N_HOURS))
    assert bill.saving_g == pytest.approx(0.0, abs=REL * scale_of(power, grid([value])))
    assert bill.regret_fraction == pytest.approx(0.0, abs=REL)


@settings(max_examples=40)
@given(cases(), st.floats(1.0, 1000.0))
def test_pausing_on_a_flat_intensity_never_saves(case, value):
    plan, power = case
    bill = bill_of(plan, power, grid([value] * N_HOURS))
    assert bill.saving_g is not None
    assert bill.saving_g <= REL * scale_of(power, grid([value]))


@settings(max_examples=40)
@given(cases(), values_of)
def test_steps_of_the_way_add_up_and_nothing_remains(case, values):
    plan, power = case
    bill = bill_of(plan, power, grid(values))
    way = bill.way
    assert bill.first is not None
    assert bill.first.promised_g == way[0].g
    assert way[-1].g == bill.executed_g
    total_g = way[0].g + sum(step.delta_g for step in way[1:])
    size_g = sum(abs(step.g) for step in way) + 1e-9
    assert abs(total_g - bill.executed_g) <= REL * size_g
    assert abs(way[-1].delta_g) <= REL * size_g


@settings(max_examples=40)
@given(st.one_of(cases(), cases(pauses=False)), values_of)
def test_oracle_is_never_above_execution_or_run_now(case, values):
    plan, power = case
    bill = bill_of(plan, power, grid(values))
    assert bill.oracle_g is not None
    slack_g = REL * scale_of(power, grid(values))
    assert bill.oracle_g <= bill.executed_g + slack_g
    assert bill.oracle_g <= bill.run_now_g + slack_g
    assert (
        bill.regret_fraction is None
        or bill.regret_fraction >= -REL * scale_of(power, grid(values)) / bill.run_now_g
    )


@settings(max_examples=40)
@given(cases(pauses=False), values_of, st.floats(0.0, 1.0))
def test_no_start_in_the_window_goes_below_the_oracle_for_constant_power(case, values, share):
    plan, power = case
    constant = replace(power, edges_ns=power.edges_ns[[0, -1]], power_w=power.power_w[:1])
    bill = bill_of(plan, constant, grid(values))
    length_ns = constant.end_ns - constant.start_ns
    room_ns = 1440 * M - length_ns - plan.asked_ns
    assume(room_ns > 0)
    start_ns = plan.asked_ns + int(share * room_ns)
    shifted = replace(constant, edges_ns=constant.edges_ns - constant.start_ns + start_ns)
    tried = emissions_bill(shifted, grid(values), energy_deviations=[])
    assert bill.oracle_g is not None
    assert tried.g is not None
    assert bill.oracle_g <= tried.g + REL * scale_of(constant, grid(values))


@settings(max_examples=40)
@given(cases(), values_of)
def test_free_pauses_never_cost_more_than_the_best_start(case, values):
    plan, power = case
    end_ns = 1440 * M
    intensity = grid(values)
    assume(power.end_ns <= end_ns)
    parts_g = least_of_parts(power, intensity, start_ns=plan.asked_ns, end_ns=end_ns)
    whole = bill_of(replace(plan, pause="none", runs_ns=((power.start_ns, power.end_ns),)), power, intensity)
    assert parts_g is not None
    assert whole.oracle_g is not None
    assert parts_g <= whole.oracle_g + REL * scale_of(power, intensity)


@settings(max_examples=40)
@given(cases(), values_of, st.floats(0.0, 0.9), st.floats(0.0, 2.0), st.booleans())
def test_range_of_the_difference_is_inside_the_difference_of_the_ranges(
    case, values, below, above, with_spread
):
    plan, power = case
    spread = Spread(hours=(1.0, 24.0), low_fraction=(0.7, 0.9), high_fraction=(1.4, 1.1), note="law")
    intensity = grid(values, spread=spread if with_spread else None)
    energy = [Deviation("meter", below * power.energy_kwh(), above * power.energy_kwh())]
    bill = bill_of(plan, power, intensity, deviations=energy)
    done = emissions_bill(power, intensity, energy_deviations=energy)
    work_kwh = bill_work(plan, power)
    at_once_energy = [Deviation("meter", below * work_kwh.energy_kwh(), above * work_kwh.energy_kwh())]
    now = emissions_bill(work_kwh, intensity, energy_deviations=at_once_energy)
    assert None not in (done.low_g, done.high_g, now.low_g, now.high_g)
    slack_g = 1e-6 * scale_of(power, intensity)
    saving_g = bill.saving_g
    # a range is cut at 0 in a bill; its width without that is what a difference of ranges would have
    wide_below = (now.g - bare_low(now)) + (done.high_g - done.g)
    wide_above = (now.high_g - now.g) + (done.g - bare_low(done))
    assert saving_g - bill.saving_low_g <= wide_below + wide_above + slack_g
    assert bill.saving_high_g - saving_g <= wide_below + wide_above + slack_g
    assert bill.saving_low_g <= saving_g <= bill.saving_high_g


def bill_work(plan: RunPlan, power: PowerSeries) -> PowerSeries:
    from lowtide.accounting.work import laid, work_power

    work = work_power(power, plan.pauses_ns)
    assert work is not None
    return laid(work, [(plan.asked_ns, plan.asked_ns + 1)])


def bare_low(bill) -> float:
    return bill.g - sum((bill.g - part.low_g) ** 2 for part in bill.range_parts) ** 0.5


def test_range_of_the_difference_holds_the_truth_as_often_as_it_says():
    """A meter whose gain errs by 5.5 % (one sigma: a 90 % interval of 9 %), and so does the model beside it."""
    rng = np.random.default_rng(20260301)
    values = rng.uniform(100.0, 700.0, N_HOURS)
    plan = RunPlan(
        bound="--within 1d", asked_ns=0, deadline_ns=1440 * M, start_by_ns=None, pause="freeze", work_s=None,
        runs_ns=((600 * M, 700 * M), (800 * M, 1000 * M)), waited_s=36000.0,
    )  # fmt: skip
    edges = np.array([600, 700, 800, 1000]) * M
    held, wide, n = 0, 0, 200
    for _ in range(n):
        gpu_gain, cpu_gain = 1.0 + rng.normal(0.0, 0.055, 2)
        true_w = np.array([1000.0, 100.0, 1000.0])
        read = PowerSeries(
            edges_ns=edges, power_w=true_w * (0.7 * gpu_gain + 0.3 * cpu_gain), boundary="node"
        )
        energy = [Deviation(c, 0.09 * s * read.energy_kwh(), 0.09 * s * read.energy_kwh()) for c, s in
                  (("gpu", 0.7), ("cpu", 0.3))]  # fmt: skip
        bill = bill_of(plan, read, grid(values), deviations=energy)
        true_g = bill_of(plan, replace(read, power_w=true_w), grid(values)).saving_g
        held += bill.saving_low_g <= true_g <= bill.saving_high_g
        done = emissions_bill(read, grid(values), energy_deviations=energy)
        wide += (bill.saving_high_g - bill.saving_low_g) < (done.high_g - done.low_g)
    # 90 % of 200 with the scatter of a binomial: 180 +- 3 x 4.2
    assert 168 <= held <= 192
    assert wide == n


@settings(max_examples=40)
@given(cases(), values_of, st.floats(0.1, 10.0))
def test_saving_scales_with_power(case, values, factor):
    plan, power = case
    once, more = bill_of(plan, power, grid(values)), bill_of(plan, power.scaled(factor), grid(values))
    assert more.saving_g == pytest.approx(
        factor * once.saving_g, rel=1e-6, abs=1e-6 * scale_of(power, grid(values))
    )
