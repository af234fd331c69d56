"""Energy and emissions bills with their ranges.

The default machine of the builders: 40 W idle, 25 W for each busy CPU, 8 W of memory, and a rest of the node of
a quarter of that; 90 % intervals 0.5 to 1.5 for the models and 0.5 to 2 for the rest.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from lowtide.accounting.bills import emissions_bill, energy_of, node_energy
from lowtide.accounting.uncertainty import Deviation
from lowtide.errors import NothingRecordedError
from lowtide.model.signal import Spread
from lowtide.testing.builders import intensity_series, make_record, power_series, regular_edges

NAN = float("nan")
HOUR = regular_edges(1, step_s=3600.0)


def one_hour(**given):
    """Return a record of an hour in which the run keeps one CPU busy: 65 W + 8 W, 91.25 W at the node."""
    return make_record(t_ns=HOUR, machine_cpu_s=[0.0, 3600.0], run_cpu_s=[0.0, 3600.0], **given)


def test_node_is_components_and_a_modelled_rest():
    bill = node_energy(one_hour()).bill
    assert bill.boundary == "node"
    assert dict(bill.by_component) == pytest.approx({"cpu_kwh": 0.065, "memory_kwh": 0.008}, rel=1e-12)
    assert bill.rest_kwh == pytest.approx(0.01825, rel=1e-12)  # 0.073 / 4
    assert bill.total_kwh == pytest.approx(0.09125, rel=1e-12)
    assert bill.idle_kwh == pytest.approx(0.048, rel=1e-12)  # 40 W + 8 W
    assert bill.dynamic_kwh == pytest.approx(0.025, rel=1e-12)
    assert dict(bill.method) == {"cpu": "modelled", "memory": "modelled", "rest": "modelled"}
    assert (bill.measured_fraction, bill.known_time_fraction) == (0.0, 1.0)


def test_range_of_the_node_adds_its_sources_in_quadrature():
    bill = node_energy(one_hour()).bill
    # each with the rest modelled on it: cpu 0.065 x 1.25 / 2, memory 0.008 x 1.25 / 2; rest 0.01825 / 2 down, x 1 up
    below = math.hypot(0.040625, 0.005, 0.009125)
    above = math.hypot(0.040625, 0.005, 0.01825)
    assert (bill.low_kwh, bill.high_kwh) == pytest.approx((0.09125 - below, 0.09125 + above), rel=1e-12)


def test_measured_share_counts_counters_and_gauges():
    bill = node_energy(one_hour(gpu_j={"GPU-a1": [0.0, 360_000.0]})).bill
    # 0.1 kWh of 1.25 x (0.065 + 0.008 + 0.1)
    assert bill.measured_fraction == pytest.approx(0.1 / 0.21625, rel=1e-12)


def test_record_without_two_readings_cannot_be_billed():
    t_ns, model = regular_edges(0, step_s=1.0), {"machine_cpu_s": [0.0], "run_cpu_s": [0.0]}
    record = make_record(t_ns=t_ns, **model)
    bill = node_energy(record).bill  # a model of memory needs no reading
    assert "cpu_kwh" not in bill.by_component
    from dataclasses import replace

    unknown = replace(record.header.memory_model, installed_gb=NAN)
    with pytest.raises(NothingRecordedError, match="holds fewer than two readings; there is nothing to bill"):
        node_energy(replace(record, header=replace(record.header, memory_model=unknown)))


@pytest.mark.parametrize(("boundary", "component"), [("node", "node"), ("gpu", "gpu"), ("chip", "gpu")])
def test_log_of_somebody_else_is_billed_at_its_own_boundary(boundary, component):
    energy = energy_of(power_series([3600.0], step_s=1000.0, boundary=boundary), note="a meter")
    assert energy.bill.total_kwh == 1.0
    assert dict(energy.bill.by_component) == {f"{component}_kwh": 1.0}
    assert dict(energy.bill.method_notes) == {component: "a meter"}
    assert (energy.bill.low_kwh, energy.bill.high_kwh, energy.bill.attribution) == (1.0, 1.0, None)


def test_meter_with_an_error_gives_a_range():
    bill = energy_of(
        power_series([3600.0], step_s=1000.0), low_fraction=0.95, high_fraction=1.1, note=""
    ).bill
    assert (bill.low_kwh, bill.high_kwh) == pytest.approx((0.95, 1.1), rel=1e-12)


def test_known_time_of_a_log_with_holes():
    assert energy_of(power_series([1.0, NAN, NAN, 1.0]), note="").bill.known_time_fraction == 0.5


def test_grams_have_the_range_of_energy_and_intensity():
    power = power_series([1000.0], step_s=3600.0)
    spread = Spread(hours=(1.0,), low_fraction=(0.7,), high_fraction=(1.4,), note="example")
    bill = emissions_bill(
        power, intensity_series([400.0], spread=spread), energy_deviations=[Deviation("e", 0.1, 0.2)]
    )
    # energy: 0.1 and 0.2 kWh x 400; intensity: 30 % and 40 % of 400
    assert bill.g == pytest.approx(400.0, rel=1e-12)
    assert bill.low_g == pytest.approx(400.0 - math.hypot(40.0, 120.0), rel=1e-12)
    assert bill.high_g == pytest.approx(400.0 + math.hypot(80.0, 160.0), rel=1e-12)
    assert [part.source for part in bill.range_parts] == ["e", "intensity"]
    assert bill.range_note == "energy and intensity (example)"


def test_source_without_stated_error_is_named_in_the_note():
    bill = emissions_bill(power_series([1.0]), intensity_series([400.0]), energy_deviations=[])
    assert bill.range_note == "energy only; the source of the intensity states no error"
    assert bill.low_g == bill.g == bill.high_g


def test_partial_bill_says_how_much_is_covered_and_by_what():
    power = power_series([1000.0, 1000.0, 1000.0, 1000.0], step_s=3600.0)
    bill = emissions_bill(power, intensity_series([100.0], status="forecast"), energy_deviations=[])
    assert (bill.g, bill.covered_fraction) == (pytest.approx(100.0, rel=1e-12), 0.25)
    assert bill.status_fractions["forecast"] == 1.0
    assert bill.intensity.mean_g_per_kwh == pytest.approx(100.0, rel=1e-12)


def test_nothing_covered_is_null_everywhere():
    bill = emissions_bill(
        power_series([1.0]), intensity_series([NAN]), energy_deviations=[Deviation("e", 1.0, 1.0)]
    )
    assert (bill.g, bill.low_g, bill.high_g, bill.intensity.mean_g_per_kwh) == (None, None, None, None)
    assert (bill.covered_fraction, bill.range_parts) == (0.0, ())


def test_direct_factors_stand_beside():
    power = power_series([1000.0], step_s=3600.0)
    direct = intensity_series([300.0], factors="direct")
    bill = emissions_bill(power, intensity_series([400.0]), energy_deviations=[], direct=direct)
    assert (bill.direct_g, bill.intensity.factors) == (pytest.approx(300.0, rel=1e-12), "lifecycle")


def test_negative_marginal_grams_have_a_range_around_them():
    power = power_series([1000.0], step_s=3600.0)
    bill = emissions_bill(
        power, intensity_series([-50.0], basis="marginal"), energy_deviations=[Deviation("e", 0.1, 0.2)]
    )
    # less energy is more grams: up by 0.1 x 50, down by 0.2 x 50
    assert np.array([bill.low_g, bill.g, bill.high_g]) == pytest.approx([-60.0, -50.0, -45.0], rel=1e-12)
