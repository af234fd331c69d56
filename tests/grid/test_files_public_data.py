"""Every public series is read with the rows, gaps and duplicates counted when it was collected."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lowtide.errors import DataFileError
from lowtide.grid.files import IntensityTable, read_intensity, read_intensity_table
from shared_data import data_path

SERIES = [
    ("ci_hourly_electricitymaps_2021_2024.parquet", "ci_lca", 24),
    ("ci_hourly_electricitymaps_2021_2024.parquet", "ci_direct", 20),
    ("carboncast_actual_mix_2020_2021.parquet", "ci_lca", 13),
    ("carboncast_actual_mix_2020_2021.parquet", "ci_direct", 13),
    ("ci_avg_and_marginal_hourly_2022.parquet", "ci_lca", 3),
    ("ci_avg_and_marginal_hourly_2022.parquet", "moer_g_per_kwh", 3),
    ("moer_5min_sgip_caiso_2019_2021.parquet", "moer_g_per_kwh", 2),
    ("moer_5min_watttime_caiso_north_2023.parquet", "moer_g_per_kwh", 1),
    ("eia_us_ba_mix_ci_hourly_2022.parquet", "ci_lca", 8),
    ("ci_15min_opendc_entsoe_2022.parquet", "ci", 4),
    ("ci_polled_hourly_47zones_2021_2022.parquet", "ci_lca", 47),
]
STEP_S = {"5min": 300.0, "15min": 900.0, "30min": 1800.0, "1h": 3600.0}


@cache
def _table(path: Path, column: str) -> IntensityTable:
    pytest.importorskip("pyarrow")
    return read_intensity_table(path, column=column)


def _counted(file: str, column: str) -> list[dict[str, str]]:
    with data_path("zones_coverage.csv").open() as lines:
        return [r for r in csv.DictReader(lines) if (r["file"], r["column"]) == (file, column)]


@pytest.mark.parametrize(("file", "column", "n_zones"), SERIES)
def test_rows_gaps_and_duplicates_are_as_counted(file, column, n_zones):
    counted = _counted(file, column)
    assert len(counted) == n_zones
    table = _table(data_path(file), column)
    for row in counted:
        notes, series = table.notes[row["zone"]], table.series[row["zone"]]
        found = (notes.n_rows, notes.n_missing_steps, notes.n_duplicates)
        assert found == (int(row["rows"]), int(row["missing_steps"]), int(row["dups"])), row["zone"]
        assert (notes.step_s, notes.n_step_changes) == (STEP_S[row["step"]], 0)
        known = series.intensity_g_per_kwh[~np.isnan(series.intensity_g_per_kwh)]
        spread = known.min(), known.mean(), known.max()
        assert spread == pytest.approx([float(row[k]) for k in ("min", "mean", "max")], abs=0.051)
        assert series.signal.basis == row["signal"]


def test_signals_tell_what_the_columns_say():
    path = data_path("ci_hourly_electricitymaps_2021_2024.parquet")
    assert _table(path, "ci_lca").series["DE"].signal.factors == "lifecycle"
    assert _table(path, "ci_direct").series["DE"].signal.factors == "direct"
    singapore = _table(path, "ci_lca").series["SG"]
    assert singapore.status.mean() == pytest.approx(0.14, abs=0.005)  # 14 % estimated
    assert _table(path, "ci_lca").series["JP-TK"].status.min() == 1  # all of it


def test_half_hours_then_quarter_hours_of_britain(tmp_path):
    """30 min until 2020-10-31, then 15 min; the collection counts that as 15-min steps with 15,171 gaps.

    15,168 of them are the half hours of the first part. The other 3 are distances of half an hour
    among quarter hours: two before 2020-11-01T00:00Z, one at the end. The same is seen in DE twice.
    """
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    source = data_path("ci_subhourly_letswaitawhile_2020.parquet")
    with pytest.raises(DataFileError, match="ts: its stamps have no time zone"):
        read_intensity(source, zone="GB")
    table = pa.Table.from_arrays(pq.read_table(source).columns, ["ts_utc", "zone", "ci_lca"])
    pq.write_table(table, tmp_path / "utc.parquet")
    notes = read_intensity_table(tmp_path / "utc.parquet").notes
    assert (notes["GB"].n_rows, notes["GB"].n_missing_steps, notes["GB"].n_step_changes) == (21_980, 3, 1)
    assert (notes["DE"].n_rows, notes["DE"].n_missing_steps, notes["DE"].step_s) == (37_147, 2, 900.0)
    assert (notes["FR"].n_rows, notes["FR"].n_missing_steps, notes["FR"].step_s) == (18_574, 0, 1800.0)


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_wide_tables(year):
    table = read_intensity_table(data_path(f"ci_wide_{year}_lca.csv"))
    with data_path("ci_wide_basis.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["year"] == str(year)]
    assert {row["zone"] for row in rows} == set(table.zones)
    for row in rows:
        assert table.notes[row["zone"]].n_missing_steps == int(row["missing_hours"])
        mean = table.series[row["zone"]].mean_g_per_kwh()
        assert mean == pytest.approx(float(row["mean_g_per_kwh"]), abs=0.06)


def test_csv_and_parquet_give_the_same_numbers(tmp_path):
    pq, pa_csv = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow.csv")
    source = data_path("ci_hourly_2022_123zones.parquet")
    pa_csv.write_csv(pq.read_table(source), tmp_path / "year.csv")
    from_csv, from_parquet = read_intensity_table(tmp_path / "year.csv"), read_intensity_table(source)
    assert from_csv.zones == from_parquet.zones
    assert len(from_csv.zones) == 123
    for zone, series in from_parquet.series.items():
        np.testing.assert_array_equal(series.edges_ns, from_csv.series[zone].edges_ns)
        other = from_csv.series[zone].intensity_g_per_kwh
        np.testing.assert_allclose(series.intensity_g_per_kwh, other, rtol=1e-6)  # float32 in Parquet


def test_british_forecast_as_returned():
    series = read_intensity(data_path("uk_api_forecast_48h_sample_cats.csv"), zone="GB")
    assert (len(series.status), series.signal.zone) == (96, "GB")
    assert series.intensity_g_per_kwh[:2].tolist() == [11.0, 15.0]


def test_hour_of_year_in_local_time_is_refused():
    pytest.importorskip("pyarrow")
    with pytest.raises(DataFileError, match="'hour_of_year' counts local hours of some year, not instants"):
        read_intensity_table(data_path("marginal_us_avert_hourly_2023.parquet"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("electricity_price_hourly_22zones_2020_2024.parquet", "no column of intensity among"),
        ("ci_hourly_electricitymaps_revisions.parquet", "say which with column="),
        ("zeus_power_trace.csv", "no column of instants among"),
        ("MANIFEST.md", "fields where the header has"),
    ],
)
def test_other_tables_are_refused(file, message):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataFileError, match=message):
        read_intensity_table(data_path(file))
