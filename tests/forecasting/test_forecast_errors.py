"""Quantiles of past errors."""

from __future__ import annotations

import numpy as np
import pytest
from forecast_cases import NAN

from lowtide.forecasting.errors import N_DAYS, bounds_about, error_quantiles, rolling_error_quantiles


def test_quantiles_are_at_the_places_of_weibull() -> None:
    # 29 errors 1..29: level q is at place 30 q; 0.05 is between the first and second, 0.9 is the 27th
    assert error_quantiles(np.arange(1.0, 30.0), [0.05, 0.5, 0.9]).tolist() == pytest.approx(
        [1.5, 15.0, 27.0]
    )


def test_order_of_errors_does_not_matter_and_gaps_are_left_out() -> None:
    rng = np.random.default_rng(1)
    errors = np.append(rng.permutation(np.arange(1.0, 20.0)), [NAN] * 5)
    assert error_quantiles(rng.permutation(errors), [0.05, 0.95]).tolist() == [1.0, 19.0]


def test_few_errors_say_nothing() -> None:
    assert np.isnan(error_quantiles(np.arange(18.0), [0.05, 0.5, 0.95])).all()


def test_new_error_is_inside_as_often_as_promised() -> None:
    # the 90 % interval of 19 errors is from the least to the greatest: 18 in 20
    draws = np.random.default_rng(2).normal(size=(20_000, 20))
    low, high = error_quantiles(draws[:, :19], [0.05, 0.95]).T
    inside = np.mean((draws[:, 19] >= low) & (draws[:, 19] <= high))
    assert inside == pytest.approx(0.9, abs=0.01)


def test_rolling_quantiles_are_of_the_rows_that_were_over() -> None:
    errors = np.random.default_rng(3).normal(size=(90, 2))
    found = rolling_error_quantiles(errors, [0.1, 0.9], wait=2)
    assert np.isnan(found[: 2 + 18]).all()
    for row in (60, 89):
        past = errors[max(0, row - 1 - N_DAYS) : row - 1]  # up to the row two before it
        assert np.array_equal(found[row], error_quantiles(past.T, [0.1, 0.9]).T)


def test_bounds_lie_on_their_side_of_the_median() -> None:
    offsets = np.array([[5.0], [7.0], [9.0]])  # all past errors were too low
    found = bounds_about(np.array([100.0]), offsets, [0.05, 0.5, 0.95], least=0.0)
    assert found[:, 0].tolist() == pytest.approx([100.0, 100.0, 109.27])  # 9 and 3 % of it more


def test_average_intensity_is_never_below_zero() -> None:
    offsets = np.array([[-30.0], [0.0], [30.0]])
    found = bounds_about(np.array([10.0]), offsets, [0.05, 0.5, 0.95], least=0.0)[:, 0]
    assert found.tolist() == pytest.approx([0.0, 10.0, 40.9])  # 30, and 3 % of it more
    low = bounds_about(np.array([10.0]), offsets, [0.05, 0.5, 0.95], least=-np.inf)[0, 0]
    assert low == pytest.approx(-20.9)
