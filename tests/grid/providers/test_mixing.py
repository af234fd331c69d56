"""Generation with gaps: what counts as nothing, what leaves an hour unknown, which hours are not believed."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.errors import InputError, ReplyError
from lowtide.grid.providers.kit.mixing import Generation
from lowtide.units import NS_PER_H

FUELS = {"NG": "gas", "COL": "coal", "OIL": "oil"}


def intensity(columns: dict[str, list[float]]) -> tuple[list[float], list[str]]:
    """Return the intensities of some hours and the notes."""
    generation, notes = Generation("some-source"), dict[str, None]()
    for code, values in columns.items():
        for hour, power_mw in enumerate(values):
            generation.add(code, hour * NS_PER_H, power_mw)
    found = generation.points(NS_PER_H, FUELS, set_name="carboncast-2.1", factors="lifecycle", notes=notes)
    return found.g_per_kwh, list(notes)


def test_large_fuel_that_is_not_reported_leaves_the_hour_unknown() -> None:
    g, notes = intensity({"NG": [100.0, 100.0], "COL": [100.0, np.nan]})
    # (100 x 490 + 100 x 820) / 200 = 655
    assert np.array_equal(g, [655.0, np.nan], equal_nan=True)
    assert notes == ["unknown where COL is not reported"]


def test_small_fuel_that_is_not_reported_counts_as_nothing() -> None:
    g, notes = intensity({"NG": [100.0, 100.0], "OIL": [0.5, np.nan]})
    # (100 x 490 + 0.5 x 650) / 100.5 = 490.7960...
    assert g == pytest.approx([49325 / 100.5, 490.0])
    assert notes == ["OIL, less than 1 % of generation, counts as zero where it is not reported"]


def test_fuel_of_which_nothing_is_known_leaves_all_unknown() -> None:
    g, _ = intensity({"NG": [100.0, 100.0], "COL": [np.nan, np.nan]})
    assert np.isnan(g).all()


def test_unknown_code_counts_as_unknown_fuel_and_says_so() -> None:
    g, notes = intensity({"XYZ": [10.0]})
    assert g == [700.0]
    assert notes == ["fuel 'XYZ' is not known and counts as unknown"]


def test_own_use_counts_as_zero_and_says_so() -> None:
    g, notes = intensity({"NG": [100.0], "COL": [-3.0]})
    assert g == [490.0]
    assert notes == ["generation of COL below zero (a plant's own use) counts as zero"]


def test_hours_with_most_of_the_fleet_missing_are_not_believed() -> None:
    usual, partial = [8000.0] * 30, [8000.0] * 12 + [100.0] + [8000.0] * 17
    g, notes = intensity(
        {"NG": partial, "COL": [0.0 if p == 100.0 else u for p, u in zip(partial, usual, strict=True)]}
    )
    assert np.flatnonzero(np.isnan(g)).tolist() == [12]  # 100 of 16,000 MW
    assert notes == ["1 values left out: less than 30 % of the usual generation is reported"]


def test_few_hours_are_too_few_to_call_anything_usual() -> None:
    g, notes = intensity({"NG": [8000.0] * 22 + [100.0]})
    assert not np.isnan(g).any()
    assert notes == []


def test_set_without_a_fuel_is_refused_by_name() -> None:
    generation = Generation("some-source")
    generation.add("OIL", 0, 5.0)
    with pytest.raises(InputError, match="the set 'ipcc-2014' has no lifecycle factor for oil"):
        generation.points(NS_PER_H, FUELS, set_name="ipcc-2014", factors="lifecycle", notes={})


def test_two_values_of_one_fuel_must_agree() -> None:
    generation = Generation("some-source")
    generation.add("NG", 0, 5.0)
    generation.add("NG", 0, 5.0)
    with pytest.raises(ReplyError, match=r"two values of NG at 1970-01-01.* disagree: 5 and 6 MW"):
        generation.add("NG", 0, 6.0)
