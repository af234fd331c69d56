"""How far yearly means stray: from year to year, between methods, and inside a country."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from typical_levels import Means, upstream_of
from typical_mix import Factors
from typical_statistics import low_and_high

STATES: Final = "subnational_g_per_kwh_codecarbon.csv"
TINY_BELOW_G_PER_KWH: Final = 10.0

# Between 2021 and 2022 Google's table rose by 15 % in ERCOT and PJM, whose own mix became cleaner: the
# method changed, not the grid. Change from year to year is therefore learnt from 2022 on.
GOOGLE_ONE_METHOD_FROM: Final = 2022

Pairs = Sequence[tuple[float, float]]


def yearly_changes(means: Means, factors: Factors, *, lag: int) -> list[tuple[float, float]]:
    """Return (earlier level [g/kWh], later over earlier) of yearly means `lag` years apart.

    Lifecycle changes of Google's direct figures are those with the upstream part held.
    """
    pairs: list[tuple[float, float]] = []
    for zone, years in means.google.items():
        upstream = upstream_of(zone, means)
        if factors == "direct" or upstream is not None:
            held = upstream.g_per_kwh if upstream is not None and factors == "lifecycle" else 0.0
            values = {y: v + held for y, (_, v) in years.items() if y >= GOOGLE_ONE_METHOD_FROM}
            pairs += _pairs(values, lag)
    for zone, of in means.own:
        if of == factors:
            pairs += _pairs({y: means.own_mean(zone, of, y) for y in means.own[zone, of]}, lag)
    # an unchanged figure was carried over, not measured again
    return [(level, ratio) for level, ratio in pairs if ratio != 1.0 and level >= TINY_BELOW_G_PER_KWH]


def growth_power(one_year: Pairs, two_years: Pairs) -> float:
    """Return the power of the age with which ranges grow: 0.5 is a walk, 1 a trend."""
    ends = [np.log(low_and_high([ratio for _, ratio in pairs])) for pairs in (one_year, two_years)]
    return float(np.clip(np.mean(np.log2(ends[1] / ends[0])), 0.5, 1.0))


def _pairs(values: Mapping[int, float], lag: int) -> list[tuple[float, float]]:
    return [(v, values[y + lag] / v) for y, v in values.items() if y + lag in values and v > 0.0]


def method_gaps(means: Means, factors: Factors) -> list[tuple[float, float]]:
    """Return (our level [g/kWh], published consumption mean over ours) of the same zone and year.

    One for each zone, its widest. Lifecycle gaps of Google's direct figures are those with our upstream
    part added to both.
    """
    widest = []
    for zone in sorted(set(means.google)):
        gaps = [*_own_gaps(zone, means, factors), *_country_gaps(zone, means, factors)]
        known = [gap for gap in gaps if gap[0] >= TINY_BELOW_G_PER_KWH]
        widest += [max(known, key=lambda gap: abs(np.log(gap[1])))] if known else []
    return widest


def _country_gaps(zone: str, means: Means, factors: Factors) -> Iterator[tuple[float, float]]:
    country = means.countries.get(zone)
    if country is not None:
        of_year, published = means.google[zone].get(country.year, ("", 0.0))
        added = country.g_per_kwh - country.direct_g_per_kwh if factors == "lifecycle" else 0.0
        ours = country.direct_g_per_kwh + added
        if of_year == "direct":
            yield ours, (published + added) / ours


def _own_gaps(zone: str, means: Means, factors: Factors) -> Iterator[tuple[float, float]]:
    for year in means.own.get((zone, "direct"), {}):
        of_year, published = means.google[zone].get(year, ("", 0.0))
        ours = means.own_mean(zone, factors, year)
        if of_year == factors:
            yield ours, published / ours
        elif of_year == "direct":
            added = ours - means.own_mean(zone, "direct", year)
            yield ours, (published + added) / ours


def state_ratios(folder: Path) -> list[float]:
    """Return the mean of each US state over the mean of the country (EPA eGRID 2016)."""
    with (folder / STATES).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["country"] == "USA"]
    country = next(float(row["g_per_kwh"]) for row in rows if row["code"] == "usa")
    return [float(row["g_per_kwh"]) / country for row in rows if row["code"] != "usa"]
