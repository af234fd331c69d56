"""Laws of accounting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from step_functions import size, split, steps

from lowtide.accounting.operational import operational
from lowtide.accounting.overhead import to_facility
from lowtide.accounting.uncertainty import Deviation, combine
from lowtide.errors import BoundaryError
from lowtide.model.energy import BOUNDARIES
from lowtide.model.signal import Signal
from lowtide.runtime.account import account
from lowtide.series import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH

REL = 1e-9
SIGNAL = Signal(zone="XX", source="law", basis="marginal")


def power_of(function, boundary="node"):
    return PowerSeries(edges_ns=function[0], power_w=function[1], boundary=boundary)


def intensity_of(function):
    return IntensitySeries.of(function[0], function[1], signal=SIGNAL)


def grams(power, intensity):
    return np.nan_to_num(operational(power_of(power), intensity_of(intensity)).g)


def scale_g(power, *intensities):
    return (
        size(*power)
        / J_PER_KWH
        * max(1.0, *(float(np.nanmax(np.abs(v), initial=0.0)) for _, v in intensities))
    )


intensities = steps(low=-100.0, high=2000.0)


@given(steps(), intensities, st.floats(0.0, 10.0))
def test_emissions_are_linear_in_power(power, intensity, factor):
    scaled = grams((power[0], power[1] * factor), intensity)
    assert abs(scaled - factor * grams(power, intensity)) <= REL * max(1.0, factor) * scale_g(
        power, intensity
    )


@given(st.data(), st.floats(-2.0, 3.0), st.floats(-2.0, 3.0))
def test_emissions_are_linear_in_intensity(data, x, y):
    power = data.draw(steps())
    edges_ns, first = data.draw(steps(low=-100.0, high=2000.0, unknown=False))
    values = st.lists(st.floats(-100.0, 2000.0, width=32), min_size=len(first), max_size=len(first))
    second = np.array(data.draw(values))
    both = grams(power, (edges_ns, x * first + y * second))
    apart = x * grams(power, (edges_ns, first)) + y * grams(power, (edges_ns, second))
    assert abs(both - apart) <= REL * 6.0 * scale_g(power, (edges_ns, first), (edges_ns, second))


@given(steps(unknown=False), intensities)
def test_emissions_of_a_sum_are_the_sum_of_emissions(power, intensity):
    half = power[1] * 0.25
    apart = grams((power[0], half), intensity) + grams((power[0], power[1] - half), intensity)
    assert abs(apart - grams(power, intensity)) <= REL * scale_g(power, intensity)


@given(st.data())
def test_splitting_steps_of_power_or_intensity_changes_no_bill(data):
    power, intensity = data.draw(steps()), data.draw(intensities)
    cuts = np.array(sorted({int(t) for t in data.draw(st.sets(st.integers(0, 2000)))}), dtype=np.int64)
    at_ns = power[0][0] + cuts * (power[0][-1] - power[0][0]) // 2001
    finer_power = split(*power, at_ns)
    inside = at_ns[(at_ns >= intensity[0][0]) & (at_ns < intensity[0][-1])]
    finer_intensity = split(*intensity, inside)
    a = operational(power_of(power), intensity_of(intensity))
    b = operational(power_of(finer_power), intensity_of(finer_intensity))
    assert np.isnan(a.g) == np.isnan(b.g)
    assert abs(np.nan_to_num(a.g) - np.nan_to_num(b.g)) <= REL * scale_g(power, intensity)
    assert b.energy_kwh == pytest.approx(a.energy_kwh, rel=REL, abs=1e-15)


@given(steps(), intensities)
def test_covered_energy_never_exceeds_the_energy(power, intensity):
    bill = operational(power_of(power), intensity_of(intensity))
    assert -1e-12 <= bill.covered_kwh <= bill.energy_kwh * (1 + REL) + 1e-12
    assert sum(kwh for _, kwh in bill.kwh_by_status) == pytest.approx(bill.covered_kwh, rel=REL, abs=1e-15)


@given(steps(unknown=False), st.floats(1.0, 3.0))
def test_pue_multiplies_energy_once_and_never_again(power, pue):
    node = power_of(power)
    facility = to_facility(node, pue)
    assert facility.energy_kwh() == pytest.approx(pue * node.energy_kwh(), rel=1e-12)
    with pytest.raises(BoundaryError):
        to_facility(facility, pue)


@given(steps(), st.sampled_from([b for b in BOUNDARIES if b != "node"]), st.floats(1.0, 3.0))
def test_pue_of_anything_but_a_node_is_refused_by_the_verb_too(power, boundary, pue):
    with pytest.raises(BoundaryError):
        account(power_of(power, boundary), None, pue=pue)


@given(steps(unknown=False), st.floats(1.0, 3.0), st.floats(1.0, 900.0))
def test_grams_of_the_facility_are_those_of_the_node_times_pue(power, pue, g_per_kwh):
    assume(size(*power) > 1e-3)
    node = account(power_of(power), g_per_kwh).emissions.location
    facility = account(power_of(power), g_per_kwh, pue=pue).emissions.location
    assert facility.g == pytest.approx(pue * node.g, rel=1e-9)
    assert (node.of, facility.of) == ("node", "facility")


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=5))
def test_range_holds_the_figure_and_never_shrinks_with_another_source(value, widths):
    deviations = [Deviation(str(i), below, above) for i, (below, above) in enumerate(widths)]
    low, high = combine(value, deviations)
    assert low <= value <= high
    wider = combine(value, [*deviations, Deviation("one more", 1.0, 1.0)])
    assert wider[0] <= low
    assert wider[1] >= high
