"""Energy of phases and steps: integrals between stamps, which sum to the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.accounting.phases import phases_bill, spans_of
from lowtide.model.record import Marks, PhaseMark
from lowtide.testing.builders import START_NS, intensity_series, power_series

S = 10**9


def mark(t_s, name, begins, process="1"):
    return PhaseMark(t_ns=START_NS + round(t_s * S), begins=begins, process=process, name=name)


def marks_of(phases=(), steps=(), counts=()):
    return Marks(
        phases=tuple(phases),
        step_t_ns=np.array([START_NS + round(t * S) for t, _ in steps], dtype=np.int64),
        step_n=np.array([n for _, n in steps], dtype=np.float64),
        counts=tuple((name, START_NS + round(t * S), n) for name, t, n in counts),
    )


def billed(marks, power, intensity=None):
    return phases_bill(
        marks, power=power, total_kwh=power.energy_kwh(), emitting=power, intensity=intensity, total_g=None
    )


def test_phase_is_the_integral_between_its_stamps_and_the_rest_lies_outside():
    power = power_series([100.0, 200.0, 300.0])
    bill = billed(marks_of([mark(0.5, "train", True), mark(2.5, "train", False)]), power)
    # 0.5 s of 100 W + 1 s of 200 W + 0.5 s of 300 W = 400 J, of 600 J
    assert bill.phases[0].energy_kwh * 3.6e6 == pytest.approx(400.0, abs=1e-9)
    assert bill.outside_phases_kwh * 3.6e6 == pytest.approx(200.0, abs=1e-9)


def test_emissions_follow_the_intensity_of_the_phase():
    power = power_series([3600.0] * 4, step_s=1800.0)  # 1.8 kWh each
    intensity = intensity_series([100.0, 300.0])
    bill = billed(marks_of([mark(1800, "late", True), mark(5400, "late", False)]), power, intensity)
    # 1.8 kWh at 100 g and 1.8 kWh at 300 g
    assert bill.phases[0].emissions_g == pytest.approx(720.0)


def test_without_intensity_emissions_are_none():
    power = power_series([100.0, 100.0])
    assert billed(marks_of([mark(0, "a", True), mark(1, "a", False)]), power).phases[0].emissions_g is None


def test_nested_phase_is_part_of_the_one_around_it():
    phases = [mark(0, "epoch", True), mark(1, "eval", True), mark(2, "eval", False), mark(3, "epoch", False)]
    bill = billed(marks_of(phases), power_series([100.0] * 4))
    epoch, evaluation = bill.phases
    assert (evaluation.parent, evaluation.depth, epoch.parent) == (0, 1, None)
    assert bill.outside_phases_kwh * 3.6e6 == pytest.approx(100.0)  # 4 s less the 3 s of the epoch
    assert epoch.energy_kwh * 3.6e6 == pytest.approx(300.0)


def test_outer_phase_that_ends_first_cuts_the_inner_one():
    phases = [mark(0, "a", True), mark(1, "b", True), mark(2, "a", False), mark(3, "b", False)]
    a, b = spans_of([*phases], end_ns=START_NS + 9 * S)
    assert (b.end_ns, b.ended, a.ended) == (START_NS + 2 * S, False, True)


def test_phase_without_an_end_lasts_as_long_as_the_run():
    bill = billed(marks_of([mark(1, "train", True)]), power_series([100.0] * 4))
    assert bill.phases[0].energy_kwh * 3.6e6 == pytest.approx(300.0)
    assert not bill.phases[0].ended


def test_phases_of_two_processes_are_counted_once_outside():
    phases = [
        mark(0, "a", True, "1"),
        mark(1, "b", True, "2"),
        mark(2, "a", False, "1"),
        mark(3, "b", False, "2"),
    ]
    bill = billed(marks_of(phases), power_series([100.0] * 4))
    assert [p.energy_kwh * 3.6e6 for p in bill.phases] == pytest.approx([200.0, 200.0])
    assert bill.outside_phases_kwh * 3.6e6 == pytest.approx(100.0)  # only the last second


def test_steps_belong_to_the_phase_they_were_marked_in_and_share_its_energy():
    phases = [mark(0, "train", True), mark(2, "train", False)]
    steps = [(1.0, 10.0), (2.0, 10.0), (3.0, 5.0)]
    bill = billed(
        marks_of(phases, steps, [("token", 1.5, 64.0), ("token", 3.5, 36.0)]), power_series([100.0] * 4)
    )
    assert bill.phases[0].steps == 20.0
    assert bill.phases[0].counts == {"token": 64.0}
    # 200 J from second 1 to 3, 15 steps after the first mark; 400 J over all 25 and over 100 tokens
    assert bill.steps.energy_per_step_j == pytest.approx(200.0 / 15.0)
    assert bill.steps.total_per_step_j == pytest.approx(16.0)
    assert bill.units["token"].energy_per_unit_j == pytest.approx(4.0)


def test_unknown_power_shows_in_the_known_time():
    power = power_series([100.0, np.nan, 100.0, 100.0])
    bill = billed(marks_of([mark(0, "a", True), mark(4, "a", False)]), power)
    assert bill.phases[0].known_time_fraction == pytest.approx(0.75)


@given(
    cuts=st.lists(st.integers(0, 99_999), min_size=2, max_size=40, unique=True),
    watts=st.lists(st.one_of(st.floats(0, 1e4), st.just(float("nan"))), min_size=1, max_size=60),
)
def test_disjoint_phases_and_what_is_outside_sum_to_the_whole(cuts, watts):
    power = power_series(watts, step_s=100.0 / len(watts))
    cuts = sorted(cuts)
    marks = []
    for i, (a, b) in enumerate(zip(cuts[::2], cuts[1::2], strict=False)):
        marks += [mark(a / 1000, f"p{i}", True), mark(b / 1000, f"p{i}", False)]
    bill = billed(marks_of(marks), power)
    total = sum(p.energy_kwh for p in bill.phases) + bill.outside_phases_kwh
    assert total == pytest.approx(power.energy_kwh(), rel=1e-9, abs=1e-15)
