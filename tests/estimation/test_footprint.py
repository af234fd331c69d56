"""The footprint formula: its laws, its units, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import InputError
from lowtide.estimation.footprint import (
    check_fraction,
    facility_energy_kwh,
    footprint_g,
    grams_of,
    lifetime_footprint_g,
    node_energy_kwh,
)

hours = st.floats(0.01, 1e4)
counts = st.integers(1, 20_000)
watts = st.floats(1.0, 2000.0)
pues = st.floats(1.0, 3.0)
intensities = st.floats(1.0, 1200.0)


@given(hours, counts, watts, pues, intensities)
def test_footprint_is_the_product_of_the_five_factors(h, n, w, pue, g):
    # W x h = Wh; / 1000 = kWh; x PUE; x g/kWh = g
    expected = h * n * w / 1000.0 * pue * g
    assert footprint_g(h, n, power_w=w, pue=pue, intensity_g_per_kwh=g) == pytest.approx(expected, rel=1e-12)


@given(hours, counts, watts, pues, intensities, st.floats(1.0, 10.0))
def test_footprint_is_linear_in_each_factor(h, n, w, pue, g, k):
    base = footprint_g(h, n, power_w=w, pue=pue, intensity_g_per_kwh=g)
    assert footprint_g(h * k, n, power_w=w, pue=pue, intensity_g_per_kwh=g) == pytest.approx(base * k)
    assert footprint_g(h, n * k, power_w=w, pue=pue, intensity_g_per_kwh=g) == pytest.approx(base * k)
    assert footprint_g(h, n, power_w=w * k, pue=pue, intensity_g_per_kwh=g) == pytest.approx(base * k)


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e9), st.floats(0.0, 1e-2), intensities)
def test_queries_only_add(train, n, each, g):
    with_queries = lifetime_footprint_g(train, n_queries=n, query_kwh=each, intensity_g_per_kwh=g)
    assert with_queries >= grams_of(train, g) - 1e-9


def test_pue_twice_is_the_error_of_others():
    # 1,172,160 kWh x 1.1 = 1,289,376; once more is 1,418,313.6 kWh and nobody's energy
    once = facility_energy_kwh(node_energy_kwh(355.2, 10_000, 330.0), 1.1)
    assert once == pytest.approx(1_289_376.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: node_energy_kwh(-1.0, 8, 300.0), "hours must be 0 or more, got -1"),
        (lambda: node_energy_kwh(1.0, 0, 300.0), "the number of processors must be above 0"),
        (lambda: node_energy_kwh(1.0, 8, float("nan")), "power_w must be 0 or more, got nan"),
        (lambda: facility_energy_kwh(1.0, 0.9), "pue 0.9 cannot be"),
        (lambda: grams_of(1.0, 429_000.0), "kg/MWh are the same number"),
        (lambda: check_fraction("mfu", 40.0), "40 % is 0.4"),
    ],
)
def test_what_cannot_be_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
