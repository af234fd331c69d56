"""Mix times factors: by hand, and recomputing what others published from the same mixes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lowtide.errors import InputError
from lowtide.grid.mix import MIX_SET, factors_of, intensity_of_mix
from lowtide.grid.providers.kit.mixing import Generation
from lowtide.units import NS_PER_H
from shared_data import data_path

CARBONCAST = {
    "direct": "CarbonCast v2.1 (median of Electricity Maps)",
    "lifecycle": "CarbonCast v2.1 (IPCC 2014 median)",
}
SUSTAINDC = "SustainDC / EIA series (recovered by least squares from the series itself)"
OWN_NAME = {"nat_gas": "gas"}


def published(set_name: str, basis: str) -> dict[str, float]:
    """Return a set of factors of the public data, by the names in its own columns."""
    with data_path("emission_factors_by_fuel.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["set"], row["basis"]) == (set_name, basis)]
    return {row["fuel"]: float(row["g_per_kwh"]) for row in rows}


def zones_of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (zone, columns) of a file of mixes."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(data_path(name))
    zone = np.array(table["zone"].to_pylist())
    columns = {c: table[c].to_numpy(zero_copy_only=False) for c in table.column_names if c != "zone"}
    for key in sorted(set(zone)):
        yield str(key), {c: values[zone == key] for c, values in columns.items()}


def power_of(columns: dict[str, Any]) -> dict[str, Any]:
    """Return generation by fuel; a fuel that a zone never reports is not in its mix."""
    power = {
        name.removeprefix("gen_").removesuffix("_mw"): np.asarray(values, np.float64)
        for name, values in columns.items()
        if name.startswith("gen_")
    }
    return {fuel: values for fuel, values in power.items() if not np.isnan(values).all()}


def test_intensity_is_the_mean_of_factors_weighted_by_generation() -> None:
    # (1 x 490 + 3 x 11) / 4 = 130.75; nothing generated: unknown; a plant's own use counts as zero.
    mix = {"gas": np.array([1.0, 0.0, 2.0, np.nan]), "wind": np.array([3.0, 0.0, -1.0, 1.0])}
    g = intensity_of_mix(mix, {"gas": 490.0, "wind": 11.0})
    assert np.array_equal(g, [130.75, np.nan, 490.0, np.nan], equal_nan=True)


def test_fuel_without_factor_is_refused() -> None:
    with pytest.raises(InputError, match="no factor for tidal; fuels: gas"):
        intensity_of_mix({"tidal": np.array([1.0])}, {"gas": 490.0})
    with pytest.raises(InputError, match="no factor for an empty mix"):
        intensity_of_mix({}, {"gas": 490.0})


@pytest.mark.parametrize("factors", ["lifecycle", "direct"])
def test_default_set_is_carboncasts_own(factors: Any) -> None:
    ours = factors_of(MIX_SET, factors)
    theirs = published(CARBONCAST[factors], factors)
    assert ours == {OWN_NAME.get(fuel, fuel): g for fuel, g in theirs.items()}


@pytest.mark.parametrize(("column", "factors"), [("ci_direct", "direct"), ("ci_lca", "lifecycle")])
def test_carboncast_is_recomputed_to_a_hundredth_of_a_gram(column: str, factors: Any) -> None:
    grams = factors_of(MIX_SET, factors)
    worst = {}
    for zone, columns in zones_of("carboncast_actual_mix_2020_2021.parquet"):
        if (zone, column) == ("SE", "ci_lca"):
            continue  # its published values take another factor for 'unknown'
        # CarbonCast counts as nothing what a zone does not report in an hour.
        power = {OWN_NAME.get(fuel, fuel): np.nan_to_num(v) for fuel, v in power_of(columns).items()}
        if "other" in power:
            power["unknown"] = power.get("unknown", 0.0) + power.pop("other")
        off = np.abs(intensity_of_mix(power, grams) - columns[column])
        if zone == "ERCO":
            off = off[columns["ts_utc"] < np.datetime64("2021-12-29")]  # three days were published otherwise
        worst[zone] = float(np.nanmax(off))
    assert len(worst) >= 12
    assert {zone: off for zone, off in worst.items() if off > 0.01} == {}


def test_eia_is_recomputed_to_a_hundredth_of_a_gram() -> None:
    grams = published(SUSTAINDC, "lifecycle")
    worst = {}
    for zone, columns in zones_of("eia_us_ba_mix_ci_hourly_2022.parquet"):
        power = {{"gas": "nat_gas"}.get(fuel, fuel): v for fuel, v in power_of(columns).items()}
        off = np.abs(intensity_of_mix(power, grams) - columns["ci_lca"])
        assert np.isnan(off).sum() <= 23, f"{zone} has more unknown hours than its file"
        worst[zone] = float(np.nanmax(off))
    assert len(worst) == 8
    assert {zone: off for zone, off in worst.items() if off > 0.01} == {}


def test_hours_in_which_most_of_pjm_did_not_report_are_left_out() -> None:
    columns = dict(zones_of("eia_us_ba_mix_ci_hourly_2022.parquet"))["PJM"]
    power = power_of(columns)
    t_ns = columns["ts_utc"].astype("datetime64[ns]").astype(np.int64)
    fuels = {fuel: {"other": "unknown"}.get(fuel, fuel) for fuel in power}
    accepted: list[float] = []
    for first in range(0, len(t_ns), 30 * 24):
        generation = Generation("eia")
        for fuel, values in power.items():
            for i in range(first, min(first + 30 * 24, len(t_ns))):
                generation.add(fuel, int(t_ns[i]), float(values[i]))
        accepted += generation.points(
            NS_PER_H, fuels, set_name=MIX_SET, factors="lifecycle", notes={}
        ).g_per_kwh
    # Published as they came, such hours are 43 to 47 g/kWh, where PJM's others are 250 to 500.
    assert np.nanmin(columns["ci_lca"]) < 50.0
    assert np.nanmin(accepted) > 200.0
    assert np.isnan(accepted).sum() == 28  # 23 that are not reported at all, and 5 of a few plants alone
