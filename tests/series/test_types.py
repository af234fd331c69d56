"""The series nouns."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.errors import BoundaryError, CoverageError, SeriesError
from lowtide.model.signal import Signal
from lowtide.series import IntensitySeries, PowerSeries, PriceSeries, total_power
from lowtide.testing.builders import START_NS, intensity_series, power_series

S = 1_000_000_000
NAN = float("nan")


def test_power_knows_its_energy_and_how_much_of_the_time_is_known():
    power = power_series([100.0, NAN, 300.0, 300.0])
    assert power.energy_j() == 700.0  # 100 + 300 + 300
    assert power.energy_kwh() == pytest.approx(700.0 / 3.6e6, rel=1e-15)
    assert power.covered_fraction() == 0.75
    assert power.duration_s == 4.0


def test_constant_power():
    power = PowerSeries.constant(250.0, start_ns=0, end_ns=4 * S, boundary="gpu")
    assert (power.energy_j(), power.boundary, power.start_ns, power.end_ns) == (1000.0, "gpu", 0, 4 * S)


def test_unknown_boundary_is_refused_with_those_there_are():
    with pytest.raises(
        BoundaryError, match="unknown boundary 'rack'; use one of chip, gpu, components, node, facility"
    ):
        power_series([1.0], boundary="rack")  # type: ignore[arg-type]


def test_clip_and_scale_keep_the_boundary_unless_told():
    power = power_series([100.0, 200.0], boundary="gpu")
    part = power.clip(start_ns=START_NS + S, end_ns=START_NS + 9 * S)
    assert (part.power_w.tolist(), part.boundary) == ([200.0], "gpu")
    assert power.scaled(2.0).boundary == "gpu"
    assert power.scaled(2.0, boundary="node").power_w.tolist() == [200.0, 400.0]


def test_intensity_keeps_the_status_of_the_steps_it_is_cut_to():
    values = np.array([100.0, 200.0, 300.0])
    series = IntensitySeries(edges_ns=np.arange(4) * 10 * S, intensity_g_per_kwh=values,
                             status=np.array([0, 1, 3]), signal=Signal(zone="X", source="test"))  # fmt: skip
    part = series.clip(start_ns=15 * S, end_ns=25 * S)
    assert (part.edges_ns.tolist(), part.status.tolist()) == ([15 * S, 20 * S, 25 * S], [1, 3])
    assert part.mean_g_per_kwh() == 250.0


@pytest.mark.parametrize("status", [[0], [0, 4], [[0, 0]]])
def test_status_must_fit_the_steps(status):
    with pytest.raises(SeriesError, match="status needs one code below 4 for each of 2 steps"):
        IntensitySeries(edges_ns=np.arange(3), intensity_g_per_kwh=np.ones(2), status=np.array(status),
                        signal=Signal(zone=None, source="test"))  # fmt: skip


def test_negative_intensity_and_price_are_data():
    assert intensity_series([-50.0], basis="marginal").mean_g_per_kwh() == -50.0
    price = PriceSeries(edges_ns=np.arange(2), price_usd_per_kwh=np.array([-0.01]), source="test")
    assert price.price_usd_per_kwh.tolist() == [-0.01]


def test_clip_of_intensity_outside_is_refused():
    with pytest.raises(CoverageError):
        intensity_series([1.0]).clip(start_ns=0, end_ns=1)


def test_total_is_known_where_all_parts_are():
    parts = [power_series([1.0, 2.0]), power_series([10.0, NAN])]
    np.testing.assert_array_equal(total_power(parts, boundary="node").power_w, [11.0, NAN])


def test_total_may_be_asked_for_where_any_part_is_known():
    late = power_series([10.0, NAN], start_ns=START_NS + S)
    total = total_power([power_series([1.0, 2.0]), late], boundary="node", where_known="any")
    # 0-1 s: 1; 1-2 s: 2 + 10; 2-3 s: neither
    np.testing.assert_array_equal(total.power_w, [1.0, 12.0, NAN])


def test_total_of_nothing_is_refused():
    with pytest.raises(SeriesError, match="no power series to add; at least one is needed"):
        total_power([], boundary="node")
