"""How the typical tables come about: which hours are left out, when an hour begins, what is refused."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from shared_data import data_folder, data_path

pytest.importorskip("pyarrow")
ROOT = Path(__file__).resolve().parents[2]

# Where the solar plants of a zone are, roughly: degrees east.
SOLAR_EAST = {
    "AU-QLD": 151.0, "DE": 10.5, "ES": -4.5, "PL": 19.0, "NL": 5.3, "US-CAL-CISO": -118.0,
    "US-FLA-FPL": -81.0, "US-MIDA-PJM": -77.5, "US-MIDW-MISO": -90.0, "US-NE-ISNE": -71.8,
    "US-NW-BPAT": -120.5, "US-SE-SOCO": -84.5, "US-SW-AZPS": -112.5, "US-TEX-ERCO": -101.0,
}  # fmt: skip


def tool(name: str) -> ModuleType:
    folder = str(ROOT / "tools")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def mixes() -> dict[tuple[str, str], Any]:
    tm = tool("typical_mix")
    for name in tm.SOURCES:
        data_path(name)
    sources = {tm.CARBONCAST: "carboncast", tm.EIA: "eia"}
    return {(sources[mix.source], mix.name): mix for mix in tm.read_mixes(data_folder())}


def counts(mix: Any) -> dict[str, int]:
    found = {what: int(hours.sum()) for what, hours in tool("typical_mix").faults(mix).items()}
    return {what: n for what, n in found.items() if n}


def left_out(mix: Any, day: str) -> int:
    """Return how many hours of a day are dirty, by corrected stamps."""
    dirty = np.any(list(tool("typical_mix").faults(mix).values()), axis=0)
    days = mix.hours.astype("datetime64[h]").astype("datetime64[D]")
    return int((dirty & (days == np.datetime64(day))).sum())


def test_shipped_tables_are_as_derived() -> None:
    folder = data_folder()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "tools" / "derive_typical.py"), "--data", str(folder), "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "tables are as derived" in done.stdout


def test_check_notices_a_changed_figure(tmp_path: Path) -> None:
    dt = tool("derive_typical")
    (tmp_path / "x.csv").write_text("zone,g\nDE,380.9\n")
    # one in the last digit may be rounding on another machine; more is a change
    assert dt.differing({"x.csv": "zone,g\nDE,381.0\n"}, tmp_path) == []
    assert dt.differing({"x.csv": "zone,g\nDE,381.9\n"}, tmp_path) == ["x.csv"]
    assert dt.differing({"x.csv": "zone,g\nFR,380.9\n"}, tmp_path) == ["x.csv"]
    assert dt.differing({"y.csv": "zone,g\n"}, tmp_path) == ["y.csv"]


def test_collapsed_fleet_of_pjm_is_left_out(mixes: Any) -> None:
    found = counts(mixes["eia", "PJM"])
    assert found["less than 30 % of the usual fleet"] == 28
    assert found["nothing reported"] == 23
    # 1 October 2022: 05:00 to 08:59 with a tenth of the fleet, at 43 to 47 g/kWh instead of about 360
    assert left_out(mixes["eia", "PJM"], "2022-10-01") >= 4


def test_pjm_keeps_no_value_of_the_collapsed_fleet(mixes: Any) -> None:
    kept = tool("typical_mix").clean_years(mixes["eia", "PJM"], "lifecycle")[2022]
    assert np.nanmin(kept) > 250.0


def test_hours_without_report_are_left_out(mixes: Any) -> None:
    assert counts(mixes["eia", "MISO"])["nothing reported"] == 3
    assert counts(mixes["eia", "CISO"])["nothing reported"] == 3


def test_ercot_days_without_nuclear_are_left_out(mixes: Any) -> None:
    mix = mixes["carboncast", "ERCO"]
    assert counts(mix)["nuclear missing (ERCOT, 29-31 December 2021)"] == 72
    assert left_out(mix, "2021-12-30") == 24
    assert left_out(mix, "2021-12-28") == 1  # 23:00 is stamped 29 December 00:00, the end of its hour


@pytest.mark.parametrize(
    ("source", "name", "hours"),
    # 25 h runs of one value hold 24 repeats, with the shorter runs counted by hand from the file
    [("carboncast", "ISNE", 37), ("carboncast", "PJM", 49), ("carboncast", "SE", 240)],
)
def test_flat_runs_are_left_out(mixes: Any, source: str, name: str, hours: int) -> None:
    assert counts(mixes[source, name])["the same mix again"] == hours


def test_longest_flat_run_is_gone(mixes: Any) -> None:
    kept = tool("typical_mix").clean_years(mixes["carboncast", "SE"], "lifecycle")[2021]
    known = kept[~np.isnan(kept)]
    changes = np.flatnonzero(np.diff(known) != 0.0)
    assert np.diff(changes).max() < 6  # it was 115 h


def test_florida_spikes_are_left_out(mixes: Any) -> None:
    found = counts(mixes["carboncast", "FPL"])
    assert found["less than 30 % of the usual fleet"] == 5
    assert found["one-hour spike"] == 3
    kept = tool("typical_mix").clean_years(mixes["carboncast", "FPL"], "lifecycle")[2021]
    assert np.nanmax(np.abs(np.diff(kept))) < 175.0  # there was a jump of 344 g/kWh


def test_new_york_hours_with_nuclear_filed_under_other_are_left_out(mixes: Any) -> None:
    assert counts(mixes["carboncast", "NYISO"])["a fuel filed under other"] == 737
    assert left_out(mixes["carboncast", "NYISO"], "2021-10-10") == 24


def test_californian_batteries_are_not_taken_as_thermal(mixes: Any) -> None:
    tm = tool("typical_mix")
    mix = mixes["eia", "CISO"]
    other, hour = mix.generation_mw["unknown"], mix.hours % 24
    # they discharge in the evening (03:00 UTC is 19:00 or 20:00 there) and not at noon
    assert other[hour == 3].mean() > 10 * other[hour == 20].mean()
    without = {fuel: mw for fuel, mw in mix.generation_mw.items() if fuel != "unknown"}
    grams = {"wind": 11, "solar": 45, "hydro": 24, "oil": 650, "gas": 490, "coal": 820, "nuclear": 12}
    total = sum(mw[100] for mw in without.values())
    expected = sum(mw[100] * grams[fuel] for fuel, mw in without.items()) / total
    assert tm.intensity(mix, "lifecycle")[100] == pytest.approx(expected)


def test_swedish_unnamed_generation_is_the_biomass_of_the_statistics(mixes: Any) -> None:
    mix = mixes["carboncast", "SE"]
    countries = tool("typical_levels").read_countries(data_folder())
    sweden = next(country for country in countries if country.zone == "SE")
    seen = mix.generation_mw["biomass"].sum() / mix.total_mw.sum()
    assert seen == pytest.approx(sweden.shares["biomass"], abs=0.01)
    assert not tool("typical_mix").intensity(mix, "direct").any()


def test_dutch_mix_without_its_sun_is_refused(mixes: Any) -> None:
    countries = tool("typical_levels").read_countries(data_folder())
    told = tool("derive_typical").missing_fuel(mixes["carboncast", "NL"], countries)
    assert told == "solar is 0.3% of its mix and 17% in yearly statistics"
    others = [mix for (_, name), mix in mixes.items() if name != "NL"]
    assert not any(tool("derive_typical").missing_fuel(mix, countries) for mix in others)


def test_the_sun_stands_highest_at_noon(mixes: Any) -> None:
    lags = {
        key: tool("typical_mix").solar_lag_h(mix, east_degrees=SOLAR_EAST[mix.zone])
        for key, mix in mixes.items()
        if mix.zone in SOLAR_EAST
    }
    print({key: round(lag, 2) for key, lag in lags.items()})
    # half an hour either way is the shape of the fleet; Arizona has solar plants that store heat
    late = {("eia", "AZPS"): 0.75}
    assert all(abs(lag) < late.get(key, 0.5) for key, lag in lags.items()), lags


def test_recomputed_intensity_is_the_published_one_where_that_is_sound(mixes: Any) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(data_path("carboncast_actual_mix_2020_2021.parquet"))
    names = np.asarray(table["zone"].cast("string"))
    for name in ("DE", "PL", "ES", "PJM"):
        for factors, column in (("lifecycle", "ci_lca"), ("direct", "ci_direct")):
            published = table[column].to_numpy()[names == name]
            ours = tool("typical_mix").intensity(mixes["carboncast", name], factors)
            assert np.abs(ours - published).max() < 0.02


def test_cells_are_utc_months_and_hours() -> None:
    cells = tool("typical_statistics").cells(2020, 8784)
    # 29 February 2020 13:00 is hour (31 + 28) x 24 + 13 of the year: February, 13:00
    assert cells[59 * 24 + 13] == 1 * 24 + 13
    assert cells[-1] == 11 * 24 + 23


def test_shape_of_two_years_is_free_of_their_levels() -> None:
    ts = tool("typical_statistics")
    cells = ts.cells(2021, 8760)
    wave = 1.0 + 0.5 * np.cos(2 * np.pi * (cells % 24) / 24)
    shape = ts.shape({2021: 300.0 * wave, 2023: 500.0 * wave})
    assert shape[:24] == pytest.approx(wave[:24])


def test_dirty_hours_do_not_tilt_a_yearly_mean() -> None:
    ts = tool("typical_statistics")
    cells = ts.cells(2021, 8760)
    value = np.where(cells % 24 < 12, 100.0, 300.0)
    value[(np.arange(8760) % 48 < 12)] = np.nan  # half of the clean hours are missing
    assert np.nanmean(value) > 220.0
    assert ts.year_mean(value, 2021) == pytest.approx(200.0)


def test_window_ratios_are_actual_over_typical() -> None:
    ts = tool("typical_statistics")
    actual, typical = np.array([100.0, 200.0, 300.0]), np.array([200.0, 200.0, 200.0])
    # (100 + 200) / 400 and (200 + 300) / 400
    assert ts.window_ratios(actual, typical, 2).tolist() == [0.75, 1.25]


def test_windows_with_too_many_unknown_hours_do_not_count() -> None:
    ts = tool("typical_statistics")
    actual = np.array([100.0, np.nan, 300.0, 300.0])
    assert ts.window_ratios(actual, np.full(4, 200.0), 2).tolist() == [1.5]


def test_left_out_range_is_wider_than_in_sample() -> None:
    ts = tool("typical_statistics")
    rng = np.random.default_rng(1)
    years = {year: 300.0 + 30.0 * rng.standard_normal(8760) for year in (2021, 2022)}
    narrow, wide = ts.in_sample(years, 720), ts.left_out(years, 720)
    assert wide[0] < narrow[0] < 1.0 < narrow[1] < wide[1]


def test_range_of_a_walk_grows_with_the_root_of_the_age() -> None:
    tg = tool("typical_gaps")
    one = [(300.0, ratio) for ratio in (0.8, 1.0, 1.25)]
    grown = 2.0**0.5
    walk = [(level, ratio**grown) for level, ratio in one]
    trend = [(level, ratio**2) for level, ratio in one]
    assert tg.growth_power(one, walk) == pytest.approx(0.5, abs=0.02)
    assert tg.growth_power(one, trend) == pytest.approx(1.0, abs=0.05)


def test_figures_carried_over_are_no_change_and_the_change_of_method_no_drift() -> None:
    tl, tg = tool("typical_levels"), tool("typical_gaps")
    years = {2021: 300.0, 2022: 400.0, 2023: 400.0, 2024: 380.0}
    google = {"FR": {year: ("direct", value) for year, value in years.items()}}
    means = tl.Means(own={}, countries={}, google=google)
    # 2021 to 2022 is another method, 2022 to 2023 was copied: 2023 to 2024 is left
    assert tg.yearly_changes(means, "direct", lag=1) == [(400.0, 0.95)]


def test_widest_gap_of_each_zone_counts_once() -> None:
    tl, tg = tool("typical_levels"), tool("typical_gaps")
    own = {
        ("DE", factors): {y: np.full(8760, 200.0) for y in (2021, 2022)}
        for factors in ("direct", "lifecycle")
    }
    google = {"DE": {2021: ("direct", 210.0), 2022: ("direct", 150.0)}}
    means = tl.Means(own=own, countries={}, google=google)
    # 210 / 200 and 150 / 200: the second is farther from 1
    assert tg.method_gaps(means, "direct") == [(pytest.approx(200.0), pytest.approx(0.75))]


def test_direct_mean_of_a_country_is_the_direct_share_of_its_mix() -> None:
    countries = {country.zone: country for country in tool("typical_levels").read_countries(data_folder())}
    # Norway's 30.08 g/kWh: mostly hydro, so little of it is direct; Poland's 661.9 g/kWh: mostly coal
    assert countries["NO"].direct_g_per_kwh / countries["NO"].g_per_kwh < 0.25
    # Poland: of 662 g, 760 / 820 of the coal and 370 / 490 of the gas grams
    assert 0.80 < countries["PL"].direct_g_per_kwh / countries["PL"].g_per_kwh < 760 / 820
    assert "CF" not in countries
    assert "EH" not in countries
