"""Typical intensity: the right cell at the right hour, and a range that holds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.data.intensity import KnownFactors, typical_profile, widening, window_spread, yearly_mean
from lowtide.errors import SeriesError, ZoneError
from lowtide.grid.typical import typical_intensity, typical_signal
from lowtide.model.signal import STATUSES
from lowtide.quantities import parse_instant_ns
from lowtide.series import IntensitySeries
from lowtide.units import NS_PER_H
from shared_data import data_path

HOUR_1900, HOUR_2100 = -613_608, 1_139_544  # hours from 1970 to 1900-01-01 and to 2100-01-01


def typical(zone: str, start: str, end: str, **how: Any) -> IntensitySeries:
    return typical_intensity(zone, parse_instant_ns(start), parse_instant_ns(end), **how)


def test_value_is_shape_times_level() -> None:
    series = typical("DE", "2026-07-15T12:00Z", "2026-07-15T14:00Z")
    profile, mean = typical_profile("DE", "lifecycle"), yearly_mean("DE", "lifecycle")
    assert profile is not None
    assert mean is not None
    # July is month 7, so row 6; 12:00 and 13:00 UTC
    expected = [profile.shape[6][12] * mean.g_per_kwh, profile.shape[6][13] * mean.g_per_kwh]
    assert series.intensity_g_per_kwh.tolist() == expected


def test_window_is_covered_exactly_in_whole_hours_utc() -> None:
    series = typical("DE", "2026-02-28T22:30Z", "2026-03-01T01:15+00:00")
    edges = [
        parse_instant_ns(f"2026-{t}Z")
        for t in ("02-28T22:30", "02-28T23:00", "03-01T00:00", "03-01T01:00", "03-01T01:15")
    ]
    assert series.edges_ns.tolist() == edges


def test_window_inside_one_hour_is_one_step() -> None:
    series = typical("DE", "2026-03-01T10:10Z", "2026-03-01T10:20Z")
    assert len(series.intensity_g_per_kwh) == 1
    assert series.duration_s == 600.0


def test_window_that_starts_on_the_hour_has_no_empty_step() -> None:
    series = typical("DE", "2026-03-01T10:00Z", "2026-03-01T12:00Z")
    assert np.diff(series.edges_ns).tolist() == [NS_PER_H, NS_PER_H]


@given(st.integers(HOUR_1900, HOUR_2100))
def test_month_and_hour_are_those_of_the_calendar(hour: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    profile, mean = typical_profile("US-CAL-CISO", "direct"), yearly_mean("US-CAL-CISO", "direct")
    assert profile is not None
    assert mean is not None
    series = typical_intensity("US-CAL-CISO", hour * NS_PER_H, (hour + 1) * NS_PER_H, factors="direct")
    assert series.intensity_g_per_kwh[0] == profile.shape[moment.month - 1][moment.hour] * mean.g_per_kwh


@given(st.integers(0, 2 * NS_PER_H), st.integers(1, 50 * NS_PER_H), st.floats(0.01, 0.99))
def test_splitting_a_window_changes_nothing(offset_ns: int, length_ns: int, part: float) -> None:
    start_ns = parse_instant_ns("2026-12-31T20:00Z") + offset_ns
    middle_ns = start_ns + max(1, int(length_ns * part))
    end_ns = max(start_ns + length_ns, middle_ns + 1)
    whole = typical_intensity("DE", start_ns, end_ns)
    parts = [typical_intensity("DE", *window) for window in ((start_ns, middle_ns), (middle_ns, end_ns))]
    grams = sum(part.mean_g_per_kwh() * part.duration_s for part in parts)
    assert grams == pytest.approx(whole.mean_g_per_kwh() * whole.duration_s, rel=1e-9)


def test_year_has_the_yearly_mean() -> None:
    series = typical("DE", "2025-01-01T00:00Z", "2026-01-01T00:00Z")
    mean = yearly_mean("DE", "lifecycle")
    assert mean is not None
    assert len(series.intensity_g_per_kwh) == 8760
    assert series.mean_g_per_kwh() == pytest.approx(mean.g_per_kwh, rel=1e-4)


def test_every_step_is_typical() -> None:
    series = typical("DE", "2026-03-01T00:00Z", "2026-03-02T00:00Z")
    assert {STATUSES[code] for code in series.status} == {"typical"}


def test_signal_says_what_it_is() -> None:
    signal = typical("de", "2026-03-01T00:00Z", "2026-03-02T00:00Z").signal
    assert (signal.zone, signal.basis, signal.factors, signal.flow) == (
        "DE",
        "average",
        "lifecycle",
        "production",
    )
    assert signal.vintage == "shape 2020-2021, level 2023"
    assert signal.time_resolved
    assert signal.source == "typical: Our World in Data / Ember 2023; shape (production) CarbonCast 2020-2021"


def test_direct_level_is_newer_and_of_consumption() -> None:
    signal = typical("DE", "2026-03-01T00:00Z", "2026-03-02T00:00Z", factors="direct").signal
    assert (signal.factors, signal.flow, signal.vintage) == (
        "direct",
        "consumption",
        "shape 2020-2021, level 2024",
    )


def test_cloud_region_is_its_zone() -> None:
    series = typical("aws:us-west-1", "2026-03-01T00:00Z", "2026-03-02T00:00Z")
    assert series.signal.zone == "US-CAL-CISO"


def test_zone_with_a_yearly_mean_only_is_flat_and_says_so() -> None:
    series = typical("FR", "2026-03-01T00:00Z", "2026-03-02T00:00Z")
    # Our World in Data / Ember 2023: 56.039
    assert series.intensity_g_per_kwh.tolist() == [56.0]
    assert not series.signal.time_resolved
    assert series.signal.source == "typical, yearly mean only: Our World in Data / Ember 2023"


def test_parent_stands_in_visibly_and_with_a_wider_range() -> None:
    part = typical("US-NW-PACW", "2026-03-01T00:00Z", "2026-03-02T00:00Z")
    whole = typical("US", "2026-03-01T00:00Z", "2026-03-02T00:00Z")
    assert part.mean_g_per_kwh() == whole.mean_g_per_kwh()
    assert part.signal.zone == "US-NW-PACW"
    assert "yearly mean only, of US as none is known for US-NW-PACW" in part.signal.source
    assert part.signal.spread is not None
    assert whole.signal.spread is not None
    (low, high), (country_low, country_high) = (s.signal.spread.at_hours(24) for s in (part, whole))  # type: ignore[union-attr]
    assert low < 0.5 * country_low
    assert high > country_high
    assert "a part of the country for the whole" in part.signal.spread.note


def test_zone_without_any_figure_is_refused() -> None:
    with pytest.raises(
        ZoneError, match=r"no typical lifecycle intensity for AX \(Åland Islands\): no yearly mean"
    ):
        typical("AX", "2026-03-01T00:00Z", "2026-03-02T00:00Z")


def test_unknown_zone_names_near_ones() -> None:
    with pytest.raises(ZoneError, match=r"unknown zone .DEE.; did you mean EE, DE\?"):
        typical("DEE", "2026-03-01T00:00Z", "2026-03-02T00:00Z")


@pytest.mark.parametrize("end", ["2026-03-01T00:00Z", "2026-02-01T00:00Z"])
def test_empty_window_is_refused(end: str) -> None:
    with pytest.raises(SeriesError, match="no typical intensity for an empty window, 2026-03-01T00:00:00"):
        typical("DE", "2026-03-01T00:00Z", end)


def test_signal_alone_is_that_of_the_series() -> None:
    start_ns, end_ns = parse_instant_ns("2026-03-01T00:00Z"), parse_instant_ns("2026-03-03T00:00Z")
    assert typical_signal("DE", (start_ns + end_ns) // 2) == typical_intensity("DE", start_ns, end_ns).signal


def test_range_combines_independent_errors_in_the_logarithm() -> None:
    # in the middle of the level's year its age is 0: what is left is the window, and method and imports
    middle_ns = parse_instant_ns("2023-07-02T12:00Z")
    spread = typical_signal("DE", middle_ns).spread
    windows, method = window_spread("DE", "lifecycle"), widening("method", "lifecycle", "other")
    assert spread is not None
    low = math.exp(-math.hypot(math.log(windows.low_fraction[4]), math.log(method.low_fraction)))
    assert spread.hours[4] == 24
    assert spread.low_fraction[4] == pytest.approx(low, rel=1e-3)


def test_range_grows_with_the_age_of_the_level() -> None:
    ranges = [
        typical_signal("DE", parse_instant_ns(f"{year}-07-02T12:00Z")).spread.at_hours(720)  # type: ignore[union-attr]
        for year in (2023, 2024, 2026, 2030)
    ]
    lows, highs = zip(*ranges, strict=True)
    assert sorted(lows, reverse=True) == list(lows)
    assert sorted(highs) == list(highs)


def test_drift_runs_the_other_way_before_the_level() -> None:
    # grids get cleaner: later means lie mostly below the level, earlier ones above it
    def year(of: int) -> tuple[float, float]:
        spread = typical_signal("DE", parse_instant_ns(f"{of}-07-02T12:00Z")).spread
        assert spread is not None
        return spread.at_hours(720)

    assert year(2026)[0] < year(2020)[0]
    assert year(2020)[1] > year(2026)[1]


@pytest.mark.parametrize("factors", ["lifecycle", "direct"])
@pytest.mark.parametrize("zone", ["DE", "FR", "BI", "LS", "CA-QC", "US-NW-PACW", "US-NW-BPAT", "SE"])
def test_range_contains_the_value(zone: str, factors: KnownFactors) -> None:
    spread = typical_signal(zone, parse_instant_ns("2026-03-01T00:00Z"), factors=factors).spread
    assert spread is not None
    assert all(
        0.0 < low < 1.0 < high for low, high in zip(spread.low_fraction, spread.high_fraction, strict=True)
    )


def covered(zone: str, year: int, actual: Any, hours: int, factors: KnownFactors) -> float:
    """Return the share of windows whose actual mean lies in the range of the typical one."""
    start_ns = parse_instant_ns(f"{year}-01-01T00:00Z")
    series = typical_intensity(zone, start_ns, start_ns + len(actual) * NS_PER_H, factors=factors)
    typical_g = np.broadcast_to(series.intensity_g_per_kwh, actual.shape)
    sums = [np.concatenate(([0.0], np.cumsum(values))) for values in (actual, typical_g)]
    ratio = (sums[0][hours:] - sums[0][:-hours]) / (sums[1][hours:] - sums[1][:-hours])
    assert series.signal.spread is not None
    low, high = series.signal.spread.at_hours(hours)
    return float(((ratio >= low) & (ratio <= high)).mean())


def hourly(zone: str, year: int, column: str) -> Any:
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(
        data_path("ci_hourly_electricitymaps_2021_2024.parquet"), columns=["ts_utc", "zone", column]
    )
    stamps = table["ts_utc"].to_numpy().astype("datetime64[Y]").astype(int) + 1970
    here = (np.asarray(table["zone"].cast("string")) == zone) & (stamps == year)
    return table[column].to_numpy()[here].astype(np.float64)


@pytest.mark.parametrize("year", [2023, 2024])
@pytest.mark.parametrize("factors", ["lifecycle", "direct"])
@pytest.mark.parametrize("zone", ["DE", "US-CAL-CISO", "US-MIDA-PJM", "US-NY-NYIS", "US-TEX-ERCO"])
def test_range_holds_against_another_source_in_later_years(
    zone: str, factors: KnownFactors, year: int
) -> None:
    # shapes are of 2020-2022 and production; this source is consumption, with other factors, of 2023-2024
    actual = hourly(zone, year, "ci_lca" if factors == "lifecycle" else "ci_direct")
    shares = {hours: covered(zone, year, actual, hours, factors) for hours in (1, 24, 168, 720)}
    print(f"{zone} {year} {factors}: share of windows inside the 90 % range {shares}")
    assert np.mean(list(shares.values())) > 0.7


def test_ranges_hold_on_average_against_another_source() -> None:
    zones = ("DE", "US-CAL-CISO", "US-MIDA-PJM", "US-NY-NYIS", "US-TEX-ERCO")
    shares = {
        hours: np.mean(
            [covered(z, y, hourly(z, y, "ci_lca"), hours, "lifecycle") for z in zones for y in (2023, 2024)]
        )
        for hours in (1, 24, 168, 720)
    }
    print(f"mean of {len(zones)} zones in 2023 and 2024: {shares}")
    assert all(0.85 < share < 0.99 for share in shares.values())


def test_zones_with_a_yearly_mean_only_hold_too() -> None:
    zones = ("AU-NSW", "AU-VIC", "BE", "CA-ON", "GB", "JP-TK", "KR", "NL", "SG", "ZA")
    shares = {
        hours: np.mean([covered(z, 2024, hourly(z, 2024, "ci_lca"), hours, "lifecycle") for z in zones])
        for hours in (1, 24, 168, 720)
    }
    print(f"mean of {len(zones)} zones in 2024: {shares}")
    assert all(share > 0.8 for share in shares.values())


def test_typical_hours_find_most_of_what_shifting_can_save() -> None:
    # a job of 6 h that may start within 24 h, every start of 2023, by the typical hours and by foresight
    actual = hourly("US-CAL-CISO", 2023, "ci_lca")
    start_ns = parse_instant_ns("2023-01-01T00:00Z")
    series = typical_intensity("US-CAL-CISO", start_ns, start_ns + len(actual) * NS_PER_H)
    costs = [np.convolve(values, np.ones(6), "valid") for values in (actual, series.intensity_g_per_kwh)]
    real, guess = (np.lib.stride_tricks.sliding_window_view(cost, 25) for cost in costs)
    chosen = real[np.arange(len(real)), guess.argmin(axis=1)]
    typical_saving = float(np.mean(1 - chosen / real[:, 0]))
    oracle_saving = float(np.mean(1 - real.min(axis=1) / real[:, 0]))
    print(f"typical hours save {typical_saving:.1%}, foresight {oracle_saving:.1%}")
    assert 0.8 * oracle_saving < typical_saving <= oracle_saving
