"""What is made in blocks is to the digit what is made all at once."""

import numpy as np
import pytest

from lowtide.series import steps
from lowtide.series.blocks import (
    any_nan,
    areas,
    in_blocks,
    increases,
    pairwise,
    products,
    sum_of_products,
    total,
)
from lowtide.series.readings import MISSING, counter_rates
from lowtide.units import NS_PER_S

BLOCK = 32_768
SIZES = [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5, 131_071, 200_003]


def series(n, seed=1, unknown=0.0):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(NS_PER_S + rng.integers(-50_000, 50_000, n + 1))
    values = rng.normal(400.0, 60.0, n)
    values[rng.random(n) < unknown] = np.nan
    return edges, values


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("unknown", [0.0, 0.01, 1.0])
def test_sums_are_those_of_all_steps_at_once(n, unknown):
    edges, values = series(n, unknown=unknown)
    at_once = values * np.diff(edges) / NS_PER_S
    np.testing.assert_array_equal(products(edges, values), at_once)
    np.testing.assert_array_equal(areas(edges, values), np.diff(edges) / NS_PER_S * values)
    assert sum_of_products(edges, values) == float(np.nansum(at_once))
    assert pairwise(areas, edges, values, 0, n) == float(np.nansum(areas(edges, values)))


@pytest.mark.parametrize("n", SIZES[1:])
@pytest.mark.parametrize("unknown", [0.0, 0.01])
def test_integral_over_one_interval_is_that_of_the_sum_over_all_steps(n, unknown):
    edges, values = series(n, unknown=unknown)
    area = areas(edges, values)
    area[[0, -1]] = 0.0  # the two that the interval cuts
    known = np.nan_to_num(values)
    ends = (int(edges[1] - edges[0]) * known[0] + int(edges[-1] - edges[-2]) * known[-1]) / NS_PER_S
    whole = np.add.reduceat(np.nan_to_num(area), [0, n - 1])[0] + ends
    assert steps.integrate(edges, values, edges[[0, -1]]).tolist() == [whole]


def test_means_over_the_same_steps_are_those_over_equal_ones():
    edges, values = series(BLOCK + 9, unknown=0.01)
    apart = np.append(edges, edges[-1] + 1)  # other edges, so the long way round
    np.testing.assert_array_equal(
        steps.resample(edges, values, edges.copy()), steps.resample(edges, values, apart)[:-1]
    )
    np.testing.assert_array_equal(
        steps.integrate(edges, values, edges), steps.integrate(edges, values, apart)[:-1]
    )


@pytest.mark.parametrize("modulus", [None, 1_000_000])
@pytest.mark.parametrize("max_rate", [None, 900.0])
def test_rates_of_a_long_counter_are_those_of_its_two_halves(modulus, max_rate):
    rng = np.random.default_rng(3)
    n = 3 * BLOCK + 17
    t_ns = np.cumsum(NS_PER_S + rng.integers(-50_000, 50_000, n))
    raw = np.cumsum(rng.integers(300, 901, n)) % 1_000_000
    raw[rng.random(n) < 0.001] = MISSING
    at = BLOCK // 2 + 3  # no place where a block ends
    raw[at] = 500
    rates = counter_rates(t_ns, raw, scale=1.0, modulus=modulus, max_rate=max_rate)
    first = counter_rates(t_ns[: at + 1], raw[: at + 1], scale=1.0, modulus=modulus, max_rate=max_rate)
    second = counter_rates(t_ns[at:], raw[at:], scale=1.0, modulus=modulus, max_rate=max_rate)
    np.testing.assert_array_equal(rates.edges_ns, np.concatenate((first.edges_ns, second.edges_ns[1:])))
    np.testing.assert_array_equal(rates.values, np.concatenate((first.values, second.values)))
    assert rates.breaks == first.breaks + second.breaks
    assert rates.breaks


def test_total_is_unknown_only_where_all_are():
    parts = [series(BLOCK + 3, seed=i, unknown=0.5)[1] for i in range(3)]
    known = ~np.isnan(parts)
    expected = np.zeros(BLOCK + 3)
    for part in parts:
        expected[~np.isnan(part)] += part[~np.isnan(part)]
    np.testing.assert_array_equal(total(parts), np.where(known.any(axis=0), expected, np.nan))


@pytest.mark.parametrize("n", [2, BLOCK, BLOCK + 1, BLOCK + 2])
def test_order_and_unknown_values_are_seen_at_the_borders_of_blocks(n):
    edges, values = series(n)
    assert increases(edges)
    assert not any_nan(values)
    for at in (1, n // 2, n - 1, n):
        wrong = edges.copy()
        wrong[at] = wrong[at - 1]
        assert not increases(wrong)
    values[-1] = np.nan
    assert any_nan(values)
    assert sum(part.stop - part.start for part in in_blocks(n)) == n
