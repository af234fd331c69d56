"""From raw readings to rates."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.errors import SeriesError
from lowtide.series.readings import MISSING, counter_rates, gauge_means, greatest_held, held

S = 1_000_000_000
NAN = float("nan")


def at(*seconds: float):
    return np.array([round(s * S) for s in seconds], dtype=np.int64)


def counts(*raw: int):
    return np.array(raw, dtype=np.int64)


def kinds(rates):
    return [b.kind for b in rates.breaks]


def test_counter_is_exact_however_irregular_the_readings():
    rates = counter_rates(at(0, 0.5, 4.0), counts(100, 150, 500), scale=2.0)
    assert rates.values.tolist() == [200.0, 200.0]  # 50 x 2 / 0.5 s; 350 x 2 / 3.5 s
    assert rates.breaks == ()


def test_failed_reading_is_bridged_without_losing_energy():
    rates = counter_rates(at(0, 1, 2), counts(10, MISSING, 70), scale=1.0)
    assert rates.edges_ns.tolist() == at(0, 2).tolist()
    assert rates.values.tolist() == [30.0]  # 60 / 2 s


def test_fall_of_a_counter_with_a_modulus_is_a_wrap():
    rates = counter_rates(at(0, 1), counts(95, 10), scale=1.0, modulus=100, max_rate=50.0)
    assert rates.values.tolist() == [15.0]  # 10 + 100 - 95
    assert kinds(rates) == ["wrap"]


def test_fall_of_a_counter_without_a_modulus_is_a_reset():
    rates = counter_rates(at(0, 1, 2), counts(95, 10, 20), scale=1.0)
    np.testing.assert_array_equal(rates.values, [NAN, 10.0])
    assert kinds(rates) == ["reset"]
    assert (rates.breaks[0].start_ns, rates.breaks[0].end_ns) == (0, S)


def test_fall_that_would_need_more_than_the_greatest_rate_is_a_reset():
    # unwrapped: 0 + 100 - 20 = 80 in 1 s, above 50
    rates = counter_rates(at(0, 1), counts(20, 0), scale=1.0, modulus=100, max_rate=50.0)
    assert np.isnan(rates.values[0])
    assert kinds(rates) == ["reset"]


def test_step_long_enough_for_a_whole_turn_is_ambiguous_even_when_the_counter_rose():
    # 50 / s x 2 s = 100, a whole turn
    rates = counter_rates(at(0, 2, 3), counts(20, 30, 35), scale=1.0, modulus=100, max_rate=50.0)
    np.testing.assert_array_equal(rates.values, [NAN, 5.0])
    assert kinds(rates) == ["ambiguous"]


def test_missing_readings_can_make_a_step_ambiguous():
    raw = counts(20, MISSING, MISSING, 35)
    rates = counter_rates(at(0, 1, 2, 3), raw, scale=1.0, modulus=100, max_rate=50.0)
    assert kinds(rates) == ["ambiguous"]


def test_sixty_four_bit_counters_keep_every_count():
    # 2**62 + 1 is no float64
    rates = counter_rates(at(0, 1), counts(2**62, 2**62 + 1), scale=1.0)
    assert rates.values.tolist() == [1.0]


@pytest.mark.parametrize("raw", [counts(5), counts(5, MISSING), counts(MISSING, MISSING)])
def test_one_good_reading_of_a_counter_says_nothing(raw):
    with pytest.raises(SeriesError, match=r"a counter needs two readings to say anything, got [01]"):
        counter_rates(at(*range(len(raw))), raw, scale=1.0)


def test_readings_out_of_order_are_refused():
    with pytest.raises(
        SeriesError, match="in order of time, each later than the one before; 1000000000 ns follows 1"
    ):
        counter_rates(at(0, 1, 1), counts(1, 2, 3), scale=1.0)
    with pytest.raises(SeriesError, match="in order of time"):
        gauge_means(at(1, 0), np.array([1.0, 2.0]), max_gap_s=5.0)


def test_gauge_is_a_trapezoid():
    assert gauge_means(at(0, 1, 3), np.array([100.0, 200.0, 400.0]), max_gap_s=5.0).values.tolist() == [
        150.0,
        300.0,
    ]


def test_failed_gauge_reading_is_bridged_within_the_gap_and_unknown_beyond():
    values = np.array([100.0, NAN, 200.0])
    assert gauge_means(at(0, 1, 2), values, max_gap_s=2.0).values.tolist() == [150.0]
    assert np.isnan(gauge_means(at(0, 1, 2.1), values, max_gap_s=2.0).values[0])


def test_one_good_reading_of_a_gauge_says_nothing():
    with pytest.raises(SeriesError, match="a gauge needs two readings to say anything, got 1"):
        gauge_means(at(0, 1), np.array([1.0, NAN]), max_gap_s=5.0)


def test_value_is_held_until_the_next_good_reading():
    values = np.array([1.0, NAN, 3.0])
    assert held(at(1, 2, 3), values, at(0, 1, 2, 3, 4)).tolist() == [1.0, 1.0, 1.0, 3.0]


def test_nothing_read_is_nothing_held():
    assert np.isnan(held(at(1), np.array([NAN]), at(0, 1))).all()
    assert np.isnan(greatest_held(at(1), np.array([NAN]), at(0, 1))).all()


def test_greatest_held_sees_both_ends_of_a_step():
    # 2 is held at 1 s exactly: it counts in the step that ends there and in the one that begins
    assert greatest_held(at(0, 1, 2), np.array([1.0, 2.0, 1.0]), at(0, 1, 2, 3)).tolist() == [2.0, 2.0, 1.0]


def test_greatest_held_sees_what_came_and_went_inside_a_step():
    assert greatest_held(at(0, 1, 2, 3), np.array([1.0, 5.0, 2.0, 9.0]), at(0, 2.5)).tolist() == [5.0]


def test_greatest_held_before_the_first_reading_is_the_first():
    assert greatest_held(at(5), np.array([2.0]), at(0, 1, 9)).tolist() == [2.0, 2.0]
