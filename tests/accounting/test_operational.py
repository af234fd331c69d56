"""Operational emissions: the integral of power times intensity."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.operational import check_covers, operational
from lowtide.errors import CoverageError
from lowtide.model.signal import Signal
from lowtide.series import IntensitySeries, PowerSeries
from lowtide.testing.builders import START_NS, intensity_series, power_series

H = 3600 * 10**9
NAN = float("nan")


def one_kw(hours: float, *, after: float = 0.0) -> PowerSeries:
    return PowerSeries.constant(
        1000.0, start_ns=START_NS + round(after * H), end_ns=START_NS + round((after + hours) * H)
    )


def test_grams_follow_power_and_intensity_together():
    power = power_series([1000.0, 3000.0], step_s=3600.0)
    # 1 kWh x 100 + 3 kWh x 300 = 1000; mean power x mean intensity would say 800
    account = operational(power, intensity_series([100.0, 300.0]))
    assert account.g == pytest.approx(1000.0, rel=1e-12)
    assert account.mean_g_per_kwh == pytest.approx(250.0, rel=1e-12)  # 1000 g / 4 kWh


def test_power_may_cut_the_steps_of_the_intensity():
    # 0.5 kWh x 100 + 0.5 kWh x 300 = 200
    assert operational(one_kw(1.0, after=0.5), intensity_series([100.0, 300.0])).g == pytest.approx(
        200.0, rel=1e-12
    )


def test_energy_outside_the_intensity_is_energy_without_emissions():
    account = operational(one_kw(4.0), intensity_series([100.0]))
    assert account.g == pytest.approx(100.0, rel=1e-12)
    assert (account.energy_kwh, account.covered_kwh, account.covered_fraction) == (4.0, 1.0, 0.25)


def test_gap_in_intensity_is_reported_not_filled():
    account = operational(one_kw(2.0), intensity_series([NAN, 300.0]))
    assert account.g == pytest.approx(300.0, rel=1e-12)
    assert account.covered_fraction == 0.5
    assert account.mean_g_per_kwh == pytest.approx(300.0, rel=1e-12)


@pytest.mark.parametrize(
    "intensity", [intensity_series([NAN, NAN]), intensity_series([5.0], start_ns=START_NS + 9 * H)]
)
def test_nothing_covered_is_unknown_not_zero(intensity):
    account = operational(one_kw(2.0), intensity)
    assert np.isnan(account.g)
    assert np.isnan(account.mean_g_per_kwh)
    assert (account.energy_kwh, account.covered_fraction) == (2.0, 0.0)


def test_unknown_power_adds_neither_energy_nor_emissions():
    account = operational(power_series([1000.0, NAN], step_s=3600.0), intensity_series([100.0, 300.0]))
    assert (account.g, account.energy_kwh) == (pytest.approx(100.0, rel=1e-12), 1.0)


def test_zero_power_has_zero_grams_where_intensity_is_known():
    assert operational(power_series([0.0]), intensity_series([400.0])).g == 0.0


def test_negative_marginal_intensity_lowers_the_grams():
    assert operational(one_kw(1.0), intensity_series([-50.0], basis="marginal")).g == pytest.approx(
        -50.0, rel=1e-12
    )


def test_energy_is_told_apart_by_status():
    intensity = IntensitySeries(
        edges_ns=START_NS + np.arange(4) * H,
        intensity_g_per_kwh=np.array([100.0, 100.0, 100.0]),
        status=np.array([0, 3, 0]),
        signal=Signal(zone="XX", source="test"),
    )
    assert dict(operational(one_kw(2.5), intensity).kwh_by_status) == {
        "measured": 1.5, "estimated": 0.0, "forecast": 0.0, "typical": 1.0,
    }  # fmt: skip


def test_bill_from_the_kept_part_of_the_intensity_is_the_same_to_the_digit():
    rng = np.random.default_rng(7)
    year = intensity_series(rng.uniform(10.0, 900.0, 8760))
    power = power_series(rng.uniform(1.0, 9e3, 50_000), step_s=3.7, start_ns=START_NS + 1000 * H + 12_345)
    kept = year.clip(start_ns=power.start_ns, end_ns=power.end_ns)
    assert operational(power, kept) == operational(power, year)


def test_intensity_that_covers_the_power_passes():
    check_covers(one_kw(2.0), intensity_series([100.0, 300.0]))


@pytest.mark.parametrize(
    ("power", "intensity", "message"),
    [
        (one_kw(1.0, after=-0.5), intensity_series([1.0]),
         "intensity for XX begins 2026-03-01T00:00:00.000000Z, 0.5 h after the power does; fetch a longer window or"),
        (one_kw(4.0), intensity_series([1.0]),
         "intensity for XX ends 2026-03-01T01:00:00.000000Z, 3 h before the power does; fetch a longer window or"),
        (one_kw(2.0), intensity_series([1.0, NAN]),
         "intensity for XX is unknown in 1 step, the first at 2026-03-01T01:00:00.000000Z; pass --gaps partial"),
        (one_kw(4.0), intensity_series([1.0], zone=None), r"intensity for no named zone \(builder\) ends"),
    ],
)  # fmt: skip
def test_intensity_that_leaves_power_without_a_value_is_refused(power, intensity, message):
    with pytest.raises(CoverageError, match=message):
        check_covers(power, intensity)


def test_hole_outside_the_power_does_no_harm():
    check_covers(one_kw(1.0), intensity_series([1.0, NAN]))
