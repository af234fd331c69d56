"""Step functions as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.errors import CoverageError, SeriesError
from lowtide.series import steps

S = 1_000_000_000
NAN = float("nan")


def ns(*seconds: float):
    return np.array([round(s * S) for s in seconds], dtype=np.int64)


EDGES, VALUES = ns(0, 10, 20, 40), np.array([1.0, 3.0, 2.0])


@pytest.mark.parametrize(
    ("edges", "values", "message"),
    [
        (
            [0.0, 1.0],
            [1.0],
            r"edges_ns must be integers \(nanoseconds\), got float64; use .astype\('int64'\)",
        ),
        ([0, 1, 2], [1.0], "3 edges do not bound 1 values; n values need n \\+ 1 edges"),
        ([[0, 1]], [1.0], "n values need n \\+ 1 edges"),
        ([0], [], "needs at least one step; got none"),
        ([0, 5, 5], [1.0, 2.0], r"edges_ns must strictly increase; edge 2 \(5\) follows 5"),
        ([0, 5, 3], [1.0, 2.0], r"edge 2 \(3\) follows 5"),
        ([0, 1], [float("inf")], "value 0 is infinite; unknown is NaN"),
    ],
)
def test_what_makes_no_step_function_is_refused(edges, values, message):
    with pytest.raises(SeriesError, match=message):
        steps.check_steps(np.array(edges), values)


def test_check_gives_int64_and_float64():
    edges, values = steps.check_steps([0, 1], [3])
    assert (edges.dtype, values.dtype) == (np.int64, np.float64)


def test_integral_over_intervals_that_cut_steps():
    # [5, 15): 5 s x 1 + 5 s x 3 = 20; [15, 30): 5 s x 3 + 10 s x 2 = 35
    assert steps.integrate(EDGES, VALUES, ns(5, 15, 30)).tolist() == [20.0, 35.0]


def test_integral_inside_one_step():
    # 2 s x 3, then 3 s x 3, in the second step alone
    assert steps.integrate(EDGES, VALUES, ns(12, 14, 17)).tolist() == [6.0, 9.0]


def test_integral_outside_the_edges_adds_nothing():
    # before: nothing; the whole: 10 + 30 + 40 = 80; after: nothing
    assert steps.integrate(EDGES, VALUES, ns(-20, -5, 45, 60)).tolist() == [0.0, 80.0, 0.0]


def test_unknown_steps_add_nothing_to_the_integral_and_no_covered_time():
    values = np.array([1.0, NAN, 2.0])
    assert steps.integrate(EDGES, values, ns(0, 15, 40)).tolist() == [10.0, 40.0]  # 10 s x 1; 20 s x 2
    assert steps.covered_s(EDGES, values, ns(0, 15, 40)).tolist() == [10.0, 20.0]


def test_covered_time_ends_with_the_edges():
    assert steps.covered_s(EDGES, VALUES, ns(-5, 5, 50)).tolist() == [5.0, 35.0]


def test_small_step_after_a_huge_one_keeps_its_digits():
    # a running total would have lost the 1e-3 beside 1e15
    edges, values = ns(0, 1000, 1001), np.array([1e12, 1e-3])
    assert steps.integrate(edges, values, ns(1000, 1001)).tolist() == [1e-3]


def test_cumulative_integral_at_instants_in_any_order():
    # to 20 s: 10 + 30 = 40; to 5 s: 5; held before and after
    assert steps.cumulative_at(EDGES, VALUES, ns(20, 5, -3, 99)).tolist() == [40.0, 5.0, 0.0, 80.0]


def test_epoch_nanoseconds_lose_nothing():
    # 1 ns steps at 2026 are below the resolution of float64 there (256 ns)
    start = 1_772_323_200 * S
    edges = start + np.arange(4, dtype=np.int64)
    assert steps.integrate(edges, np.array([1e9, 2e9, 3e9]), edges).tolist() == [1.0, 2.0, 3.0]


def test_product_with_an_unknown_intensity_is_unknown():
    product = steps.integrate_product(EDGES, VALUES, ns(0, 20, 40), np.array([100.0, NAN]))
    assert product[0] == 4000.0  # (10 x 1 + 10 x 3) x 100
    assert np.isnan(product[1])


def test_value_at_an_edge_is_that_of_the_step_it_begins():
    found = steps.at(EDGES, VALUES, ns(-1, 0, 10, 39, 40))
    np.testing.assert_array_equal(found, [NAN, 1.0, 3.0, 2.0, NAN])


def test_resampling_takes_the_mean_of_what_is_known():
    values = np.array([1.0, NAN, 2.0])
    # [0, 15): only 10 s known, at 1; [15, 20): nothing; [20, 40): 2
    np.testing.assert_array_equal(steps.resample(EDGES, values, ns(0, 15, 20, 40)), [1.0, NAN, 2.0])


def test_clip_cuts_first_and_last_step():
    edges, values = steps.clip(EDGES, VALUES, 5 * S, 15 * S)
    assert edges.tolist() == ns(5, 10, 15).tolist()
    assert values.tolist() == [1.0, 3.0]


def test_clip_at_edges_makes_no_empty_steps():
    edges, values = steps.clip(EDGES, VALUES, 10 * S, 20 * S)
    assert (edges.tolist(), values.tolist()) == (ns(10, 20).tolist(), [3.0])


def test_clip_leaves_the_original_alone():
    steps.clip(EDGES, VALUES, 5 * S, 15 * S)
    assert EDGES.tolist() == ns(0, 10, 20, 40).tolist()


def test_clip_outside_is_refused():
    with pytest.raises(CoverageError, match="nothing to clip: the series runs from 0 to"):
        steps.clip(EDGES, VALUES, 40 * S, 50 * S)


def test_sum_is_unknown_where_either_is():
    edges, values = steps.add(EDGES, VALUES, ns(5, 25), np.array([10.0]))
    assert edges.tolist() == ns(0, 5, 10, 20, 25, 40).tolist()
    np.testing.assert_array_equal(values, [NAN, 11.0, 13.0, 12.0, NAN])


def test_mean_weighs_by_time():
    assert steps.mean(EDGES, VALUES) == 2.0  # (10 + 30 + 40) / 40
    assert np.isnan(steps.mean(ns(0, 1), np.array([NAN])))
