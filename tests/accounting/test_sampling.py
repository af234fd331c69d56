"""The part of a range that reading now and then leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lowtide.accounting.rates import rates_of
from lowtide.accounting.sampling import sampling_error_j, widen
from lowtide.model.hardware import Channel
from lowtide.testing.builders import make_readings, make_record, regular_edges

GAUGE = Channel(
    name="g", sensor="g", component="gpu", quantity="power", kind="gauge", window_s=0.025, update_s=0.1
)
COUNTER = Channel(name="c", sensor="c", component="gpu", quantity="energy", kind="counter", update_s=0.1)


def error_j(channel, values, step_s=1.0):
    t_ns = regular_edges(len(values) - 1, step_s=step_s)
    readings = make_readings(channel, t_ns, values)
    record = make_record(t_ns=t_ns, machine_cpu_s=np.zeros(len(values)), run_cpu_s=np.zeros(len(values)))
    return sampling_error_j(readings, rates_of(readings, record.header.interval_s))


def test_constant_gauge_leaves_nothing():
    assert error_j(GAUGE, [300.0] * 10) == 0.0


def test_counter_is_late_by_at_most_its_period_at_both_ends():
    # 300 W; the difference of two delays in [0, 0.1] s is within 0.1 (1 - sqrt 0.1) s in 90 %
    assert error_j(COUNTER, [0.0, 300.0, 600.0]) == pytest.approx(300.0 * 0.1 * (1 - math.sqrt(0.1)))


def test_independent_readings_have_the_error_of_their_mean():
    rng = np.random.default_rng(1)
    values = rng.normal(300.0, 50.0, 2001)
    expected = 1.645 * 50.0 * math.sqrt(2000)  # of a sum of 2000 draws
    assert error_j(GAUGE, values.tolist()) == pytest.approx(expected, rel=0.08)


def test_stated_error_covers_what_independent_draws_do():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        values = rng.normal(300.0, 50.0, 61)
        energy = float(np.sum((values[1:] + values[:-1]) / 2))
        inside += abs(energy - 300.0 * 60) <= error_j(GAUGE, values.tolist())
    assert inside >= 172  # 90 % of 200 is 180, with a standard deviation of 4


def test_slow_changes_count_for_less_than_fast_ones():
    slow = [100.0] * 30 + [700.0] * 30
    fast = [100.0, 700.0] * 30
    assert error_j(GAUGE, slow) < 0.2 * error_j(GAUGE, fast)


def test_window_that_sees_all_of_the_step_leaves_only_delay():
    averaged = Channel(
        name="g", sensor="g", component="gpu", quantity="power", kind="gauge", window_s=1.0, update_s=0.1
    )
    values = ([100.0, 700.0] * 30) + [100.0]
    assert error_j(averaged, values) < 0.2 * error_j(GAUGE, values)


def test_range_widens_in_quadrature():
    assert widen(1.03, 0.04) == pytest.approx(1.05)
    assert widen(0.5, 5.0) == 0.0


@pytest.mark.parametrize(
    "values",
    [
        [math.nan, 110.0, 120.0, 90.0, 100.0],
        [110.0, 120.0, 90.0, 100.0, math.nan],
        [math.nan, math.nan, 110.0, 120.0, 90.0, 100.0, math.nan],
    ],
)
def test_readings_that_failed_at_the_ends_change_nothing_between(values):
    assert error_j(GAUGE, values) == error_j(GAUGE, [110.0, 120.0, 90.0, 100.0])
