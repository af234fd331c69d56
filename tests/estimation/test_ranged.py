"""Ranges of products, by quadrature and by draws."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import InputError, QuantityError
from lowtide.estimation.draws import draw_product, drawn_range
from lowtide.estimation.ranged import Factor, Ranged, parse_ranged, product, product_deviations
from lowtide.estimation.request import parse_hours


def factor(value: float, low: float, high: float, *, exponent: int = 1) -> Factor:
    amount = Ranged(value=value, low=low, high=high)
    return Factor(
        name="f", named="program", amount=amount, unit="1", kind="given", source="test", exponent=exponent
    )


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5))
def test_exact_factors_have_an_exact_product(values):
    found = product([factor(v, v, v) for v in values])
    assert found.is_exact
    assert found.value == pytest.approx(float(np.prod(values)))


@given(st.floats(0.5, 2.0), st.floats(0.5, 1.0), st.floats(1.0, 2.0))
def test_range_holds_the_value_and_grows_with_factors(value, low, high):
    one = factor(value, value * low, value * high)
    single, double = product([one]), product([one, one])
    assert single.low <= single.value <= single.high
    width = (single.high - single.low) / single.value
    assert (double.high - double.low) / double.value >= width - 1e-9


def test_divisor_turns_its_range_round():
    # 1 / 0.4 = 2.5; 1 / 0.5 = 2 is 0.5 below, 1 / 0.25 = 4 is 1.5 above
    value, parts = product_deviations([factor(0.4, 0.25, 0.5, exponent=-1)])
    assert (value, parts[0].below, parts[0].above) == (2.5, pytest.approx(0.5), pytest.approx(1.5))


def test_draws_of_one_factor_give_its_interval_back():
    found = drawn_range([factor(10.0, 7.0, 16.0)], n=200_000, rng=np.random.default_rng(7))
    assert (found.low, found.value, found.high) == pytest.approx((7.0, 10.0, 16.0), rel=0.01)


def test_draws_agree_with_quadrature_where_ranges_are_small():
    factors = [factor(10.0, 9.5, 10.5), factor(3.0, 2.9, 3.1), factor(0.5, 0.48, 0.52, exponent=-1)]
    drawn = drawn_range(factors, n=300_000, rng=np.random.default_rng(1))
    summed = product(factors)
    assert (drawn.low, drawn.high) == pytest.approx((summed.low, summed.high), rel=0.005)


def test_same_seed_gives_the_same_draws():
    one, two = (draw_product([factor(1.0, 0.5, 2.0)], n=10, rng=np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all()


@pytest.mark.slow
def test_a_million_draws_of_five_factors_take_at_most_half_a_second_of_a_processor():
    factors = [factor(1.0, 0.8, 1.3)] * 5
    times = []
    for _ in range(3):
        began = time.process_time()
        drawn_range(factors, n=1_000_000, rng=np.random.default_rng(0))
        times.append(time.process_time() - began)
    assert min(times) <= 0.5


def test_ranges_are_read_as_typed():
    assert parse_ranged("0.3..0.4..0.6", name="x") == Ranged(low=0.3, value=0.4, high=0.6)
    assert parse_ranged("40%", name="x") == Ranged.exact(0.4)


@pytest.mark.parametrize("text", ["", "a", "1..2..3..4", "0.5..0.3", "nan", "inf"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(QuantityError):
        parse_ranged(text, name="--mfu")


def test_range_the_wrong_way_round_names_the_flag_and_what_was_typed():
    with pytest.raises(
        QuantityError, match=r"--duration: the range '20d..10d' must rise; write it like 10d..20d"
    ):
        parse_hours("20d..10d")
    with pytest.raises(QuantityError, match=r"--mfu: .* write it like 0.3..0.4..0.5"):
        parse_ranged("0.4..0.3..0.5", name="--mfu")


def test_divisor_of_zero_is_refused():
    with pytest.raises(InputError, match="must be above 0"):
        factor(0.5, 0.0, 1.0, exponent=-1)


def test_factor_that_reaches_zero_cannot_be_drawn():
    with pytest.raises(InputError, match="low end 0 must be above 0"):
        draw_product([factor(1.0, 0.0, 2.0)], n=10, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="0 draws are none"):
        draw_product([], n=0, rng=np.random.default_rng(0))
