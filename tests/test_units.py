"""The only conversions there are."""

from __future__ import annotations

import pytest

from lowtide import units


def test_one_kilowatt_hour_is_3_6_megajoules():
    assert units.kwh_from_j(3.6e6) == 1.0  # 1000 W x 3600 s
    assert units.j_from_kwh(2.0) == 7.2e6


def test_grams_are_energy_times_intensity():
    assert units.g_from_j_and_intensity(1.8e6, 400.0) == 200.0  # 0.5 kWh x 400 g/kWh


def test_pound_per_megawatt_hour_is_0_45359237_grams_per_kilowatt_hour():
    # 453.59237 g in 1000 kWh
    assert units.g_per_kwh_from_lb_per_mwh(1.0) == pytest.approx(0.45359237, rel=1e-15)


def test_durations_in_nanoseconds():
    assert units.s_from_ns(1_500_000_000) == 1.5
    assert units.ns_from_s(1.5) == 1_500_000_000
    assert units.ns_from_s(1e-10) == 0  # a tenth of a nanosecond is none
    assert units.h_from_ns(5_400_000_000_000) == 1.5
