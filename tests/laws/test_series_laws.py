"""Laws of step functions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from step_functions import S, edges, instants_inside, size, split, steps

from lowtide.series import steps as sf

REL = 1e-9


def brute_force(a_edges, a_values, b_edges, b_values):
    """Return the integral of a * b, by looking at every pair of steps in exact sums."""
    return math.fsum(
        a * b * (min(int(a_edges[i + 1]), int(b_edges[j + 1])) - max(int(a_edges[i]), int(b_edges[j]))) / S
        for i, a in enumerate(a_values)
        for j, b in enumerate(b_values)
        if min(a_edges[i + 1], b_edges[j + 1]) > max(a_edges[i], b_edges[j])
        and not math.isnan(a)
        and not math.isnan(b)
    )


@given(steps(), edges())
def test_integral_over_intervals_is_that_over_the_whole(function, intervals):
    each = sf.integrate(*function, intervals)
    whole = sf.integrate(*function, intervals[[0, -1]])[0]
    assert abs(each.sum() - whole) <= REL * size(*function)


@given(st.data())
def test_integral_is_additive_over_splits(data):
    function, intervals = data.draw(steps()), data.draw(edges())
    more = data.draw(instants_inside(intervals))
    finer = np.union1d(intervals, more)
    fine = sf.integrate(*function, finer)
    again = np.add.reduceat(fine, np.searchsorted(finer, intervals[:-1]))
    np.testing.assert_allclose(again, sf.integrate(*function, intervals), rtol=0, atol=REL * size(*function))


@given(st.data())
def test_splitting_a_step_changes_nothing(data):
    function, intervals = data.draw(steps()), data.draw(edges())
    finer = split(*function, data.draw(instants_inside(function[0])))
    for quantity in (sf.integrate, sf.covered_s):
        np.testing.assert_allclose(
            quantity(*finer, intervals),
            quantity(*function, intervals),
            rtol=0,
            atol=REL * max(size(*function), 1e4),
        )
    inside = data.draw(instants_inside(function[0]))
    np.testing.assert_array_equal(sf.at(*finer, inside), sf.at(*function, inside))


@given(steps(unknown=False), edges())
def test_resampling_keeps_energy(function, new_edges):
    start, end = min(function[0][0], new_edges[0]), max(function[0][-1], new_edges[-1])
    around = np.union1d(new_edges, np.array([start, end]))  # so that nothing lies outside
    values = sf.resample(*function, around)
    known = sf.covered_s(*function, around)
    again = float((np.where(np.isnan(values), 0.0, values) * known).sum())
    assert abs(again - sf.integrate(*function, function[0][[0, -1]])[0]) <= REL * size(*function)


@given(steps(unknown=False))
def test_resampling_on_its_own_edges_is_itself(function):
    # a 1 ns step of 1e6 W beside hours of others: judged by the largest value
    np.testing.assert_allclose(sf.resample(*function, function[0]), function[1], rtol=REL, atol=1e-12)


@given(steps(), edges())
def test_mean_lies_between_the_least_and_the_greatest_value(function, new_edges):
    values = sf.resample(*function, new_edges)
    known = values[~np.isnan(values)]
    if len(known):
        slack = REL * float(np.nanmax(np.abs(function[1])))
        assert known.min() >= np.nanmin(function[1]) - slack
        assert known.max() <= np.nanmax(function[1]) + slack


@given(steps(), steps(low=-100.0, high=2000.0))
def test_join_equals_brute_force(power, intensity):
    joined = float(np.nansum(sf.integrate_product(*power, *intensity)))
    expected = brute_force(*power, *intensity)
    assert abs(joined - expected) <= REL * size(*power) * max(
        1.0, float(np.nanmax(np.abs(intensity[1]), initial=0.0))
    )


@given(steps(unknown=False), steps(unknown=False))
def test_join_is_the_same_from_either_side(a, b):
    one = float(sf.integrate_product(*a, *b).sum())
    other = float(sf.integrate_product(*b, *a).sum())
    assert abs(one - other) <= REL * max(size(*a) * float(b[1].max()), size(*b) * float(a[1].max()), 1e-12)


@given(st.data())
def test_two_clips_make_the_whole(data):
    function = data.draw(steps())
    edges_ns = function[0]
    if edges_ns[-1] - edges_ns[0] < 2:
        return
    cut = data.draw(st.integers(int(edges_ns[0]) + 1, int(edges_ns[-1]) - 1))
    left, right = sf.clip(*function, int(edges_ns[0]), cut), sf.clip(*function, cut, int(edges_ns[-1]))
    whole = split(*function, np.array([cut]))
    np.testing.assert_array_equal(np.concatenate((left[0], right[0][1:])), whole[0])
    np.testing.assert_array_equal(np.concatenate((left[1], right[1])), whole[1])
    assert left[0][-1] == right[0][0] == cut


@given(steps(unknown=False), steps(unknown=False))
def test_integral_of_a_sum_is_the_sum_of_integrals_where_both_are_known(a, b):
    both = sf.add(*a, *b)
    start, end = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    if start < end:
        window = np.array([start, end])
        total = sf.integrate(*both, window)[0]
        apart = sf.integrate(*a, window)[0] + sf.integrate(*b, window)[0]
        assert abs(total - apart) <= REL * (size(*a) + size(*b))
    else:
        assert np.isnan(both[1]).all()


@given(st.data())
def test_cumulative_integral_differs_by_the_integral_between(data):
    function = data.draw(steps())
    instants = data.draw(edges())
    between = np.diff(sf.cumulative_at(*function, instants))
    np.testing.assert_allclose(between, sf.integrate(*function, instants), rtol=0, atol=REL * size(*function))
