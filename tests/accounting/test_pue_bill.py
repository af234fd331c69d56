"""A PUE on the bill: facility grams are the sum over steps of power x PUE x intensity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.accounting.operational import operational
from lowtide.accounting.pue import (
    PueSeries,
    check_pue_covers,
    facility_power,
    kept_steps,
    overhead,
    series_of,
)
from lowtide.errors import CoverageError
from lowtide.model.pue import PueSteps
from lowtide.testing.builders import START_NS, intensity_series, power_series

H = 3600 * 10**9
NAN = float("nan")


def steps_of(*values, start_ns=START_NS):
    edges = tuple(start_ns + i * H for i in range(len(values) + 1))
    return PueSteps(edges_ns=edges, pue=values, source="file pue.csv")


def test_a_number_is_applied_once():
    found = overhead(power_series([1000.0], step_s=3600.0), 1.0, 1.2)
    assert (found.pue, found.facility_kwh, found.known_fraction, found.steps) == (1.2, 1.2, 1.0, None)


def test_mean_is_weighted_by_energy():
    # 1 kWh x 1.2 + 3 kWh x 1.6 = 6 kWh over 4 kWh
    found = overhead(power_series([1000.0, 3000.0], step_s=3600.0), 4.0, steps_of(1.2, 1.6))
    assert (found.pue, found.facility_kwh) == (pytest.approx(1.5, rel=1e-12), pytest.approx(6.0, rel=1e-12))


def test_energy_with_unknown_pue_is_unknown_and_lowers_the_known_share():
    found = overhead(power_series([1000.0, 3000.0], step_s=3600.0), 4.0, steps_of(1.2, NAN))
    assert found.facility_kwh is None
    assert (found.pue, found.known_fraction) == (pytest.approx(1.2), pytest.approx(0.25))  # 1 of 4 kWh


def test_steps_that_touch_the_power_are_kept_whole():
    power = power_series([1000.0], step_s=3600.0)
    kept = overhead(power, 1.0, steps_of(1.1, 1.2, 1.3, start_ns=START_NS - H)).steps
    assert kept.pue == (1.2,)
    assert series_of(kept).edges_ns.tolist() == [START_NS, START_NS + H]


def test_a_pue_of_another_time_is_refused_and_one_with_a_hole_too():
    power = power_series([1000.0, 1000.0], step_s=3600.0)
    with pytest.raises(CoverageError, match=r"lies outside the time asked for"):
        kept_steps(series_of(steps_of(1.1)), start_ns=START_NS + 2 * H)
    with pytest.raises(CoverageError, match=r"PUE of file pue.csv is unknown from 2026-03-01T01:00:00"):
        check_pue_covers(power, steps_of(1.1))
    check_pue_covers(power, steps_of(1.1, 1.2))
    check_pue_covers(power_series([1000.0, NAN], step_s=3600.0), steps_of(1.1))


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(1, 3), st.floats(0, 1000)), min_size=1, max_size=6))
def test_grams_are_the_sum_of_the_three(rows):
    watts, pues, grams = zip(*rows, strict=True)
    power = power_series(list(watts), step_s=3600.0)
    pue = PueSeries(edges_ns=power.edges_ns, pue=np.array(pues), source="drawn")
    found = operational(facility_power(power, pue), intensity_series(list(grams)))
    assert found.g == pytest.approx(sum(w / 1000 * p * g for w, p, g in rows), rel=1e-9, abs=1e-9)
