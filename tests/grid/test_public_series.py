"""Every public series goes into the cache and comes out with the rows, gaps and duplicates counted for it."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np
import pytest
from test_files_public_data import SERIES

from lowtide.data.zones import resolve_zone
from lowtide.errors import ZoneError
from lowtide.grid.cache import Cache
from lowtide.grid.imported import import_file
from shared_data import data_path

ONCE = {
    "marginal_us_avert_hourly_2023.parquet": "local hours of some year",
    "ciso_dayahead_forecast_2019_2022.parquet": "class N: private comparison only",
    "ci_subhourly_letswaitawhile_2020.parquet": "class N: private comparison only",
}
"""Files of the coverage table that are no class P or S series of instants."""


def counted(file: str, column: str) -> Iterator[dict[str, str]]:
    with data_path("zones_coverage.csv").open() as lines:
        yield from (row for row in csv.DictReader(lines) if (row["file"], row["column"]) == (file, column))


def key_of(zone: str) -> str:
    try:
        return resolve_zone(zone)
    except ZoneError:
        return zone


def test_every_series_of_the_coverage_table_is_imported_here_or_left_out_by_name():
    with data_path("zones_coverage.csv").open() as lines:
        listed = {(row["file"], row["column"]) for row in csv.DictReader(lines)}
    assert {pair for pair in listed if pair[0] not in ONCE} == {(file, column) for file, column, _ in SERIES}


@pytest.mark.parametrize(("file", "column", "n_zones"), SERIES)
def test_series_goes_through_the_cache_with_its_gaps_and_duplicates(file, column, n_zones):
    pytest.importorskip("pyarrow")
    cache = Cache(":memory:")
    source, found = import_file(data_path(file), cache, now_ns=1, column=column)
    by_zone = {one.in_file: one for one in found}
    rows = list(counted(file, column))
    assert len(rows) == n_zones
    for row in rows:
        one = by_zone[row["zone"]]
        notes = one.notes.n_rows, one.notes.n_missing_steps, one.notes.n_duplicates
        assert notes == (int(row["rows"]), int(row["missing_steps"]), int(row["dups"])), row["zone"]
        assert one.zone == key_of(row["zone"])
        (key,) = cache.series(one.zone, provider=source)
        kept = cache.get(key, (0, 2**62))
        values = kept.intensity.intensity_g_per_kwh
        known = values[~np.isnan(values)]
        # empty cells are rows without a value, so they are not kept: the cache holds what is known
        assert len(known) <= int(row["rows"])
        spread = known.min(), known.mean(), known.max()
        assert spread == pytest.approx([float(row[k]) for k in ("min", "mean", "max")], abs=0.051)
        assert kept.intensity.signal.basis == row["signal"]
    cache.close()


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_wide_tables_go_through_the_cache(year):
    cache = Cache(":memory:")
    source, found = import_file(data_path(f"ci_wide_{year}_lca.csv"), cache, now_ns=1)
    with data_path("ci_wide_basis.csv").open() as lines:
        rows = {row["zone"]: row for row in csv.DictReader(lines) if row["year"] == str(year)}
    assert {one.in_file for one in found} == set(rows)
    for one in found:
        assert one.notes.n_missing_steps == int(rows[one.in_file]["missing_hours"])
        (key,) = cache.series(one.zone, provider=source)
        kept = cache.get(key, (0, 2**62))
        assert kept.intensity.mean_g_per_kwh() == pytest.approx(
            float(rows[one.in_file]["mean_g_per_kwh"]), abs=0.06
        )
    cache.close()
