"""Yearly means: the newest published one for each zone and set of factors.

Three permissive sources: Our World in Data / Ember through CodeCarbon (country means, lifecycle,
production), Google Cloud's region table (Apache-2.0; direct since 2021, consumption), and the mean of a
zone's own hourly mix.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide.data.factors import fuel_factors
from lowtide.data.zones import cloud_regions, zones
from typical_mix import FACTOR_SET, FACTORS, Factors
from typical_statistics import Years, low_and_high, year_mean

COUNTRIES: Final = "country_energy_mix_codecarbon.csv"
GOOGLE: Final = "gcp_region_cfe_ci_2019_2024.csv"
OLDEST_COUNTRY_YEAR: Final = 2019
COUNTRY_ROUNDING_MT: Final = 0.005
# Clean grids are those whose published means lie above their own mix, all of them: what they import is
# dirtier. Above this level the gaps go both ways.
CLEAN_BELOW_G_PER_KWH: Final = {"lifecycle": 150.0, "direct": 100.0}
MIX_FUELS: Final = {
    "coal_TWh": "coal", "gas_TWh": "gas", "oil_TWh": "oil", "hydroelectricity_TWh": "hydro",
    "nuclear_TWh": "nuclear", "wind_TWh": "wind", "solar_TWh": "solar", "biofuel_TWh": "biomass",
    "other_renewable_exc_biofuel_TWh": "geothermal",
}  # fmt: skip

PARENTS: Final = {zone.key: zone.parent for zone in zones()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country's yearly mean; direct grams derived from its mix."""

    zone: str
    year: int
    g_per_kwh: float
    direct_g_per_kwh: float
    rounding_fraction: float
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A yearly mean, where it is from, and the range its own derivation leaves."""

    zone: str
    factors: Factors
    g_per_kwh: float
    year: int
    flow: str
    kind: str
    source: str
    low_fraction: float = 1.0
    high_fraction: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What lifecycle adds to direct [g/kWh], with its 90 % range, and from which mix it is."""

    g_per_kwh: float
    low_g_per_kwh: float
    high_g_per_kwh: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All yearly means: of the hourly mixes, of countries, of Google's regions by zone."""

    own: Mapping[tuple[str, Factors], Years]
    countries: Mapping[str, Country]
    google: Mapping[str, Mapping[int, tuple[str, float]]]

    def own_mean(self, zone: str, factors: Factors, year: int) -> float:
        """Return the mean of a zone's hourly mix in one year [g/kWh]."""
        return year_mean(self.own[zone, factors][year], year)


def read_countries(folder: Path) -> list[Country]:
    """Return the country means, leaving out rounded-away zeros and figures before 2019."""
    zone_of = {zone.iso3: zone.key for zone in zones() if zone.iso3}
    found = []
    with (folder / COUNTRIES).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            g_per_kwh, year = float(row["carbon_intensity"]), int(row["year"])
            if g_per_kwh > 0.0 and year >= OLDEST_COUNTRY_YEAR:
                found.append(_country(row, zone_of[row["iso_code"]], g_per_kwh, year))
    return sorted(found, key=lambda country: country.zone)


def _country(row: Mapping[str, str], zone: str, g_per_kwh: float, year: int) -> Country:
    total_twh = float(row["total_TWh"])
    shares = {fuel: float(row[column]) / total_twh for column, fuel in MIX_FUELS.items()}
    of_mix = {factors: _mix_intensity(shares, factors) for factors in FACTORS}
    emissions_mt = g_per_kwh * total_twh / 1000.0
    return Country(
        zone=zone,
        year=year,
        g_per_kwh=g_per_kwh,
        direct_g_per_kwh=g_per_kwh * of_mix["direct"] / of_mix["lifecycle"],
        rounding_fraction=COUNTRY_ROUNDING_MT / emissions_mt,
        shares=shares,
    )


def _mix_intensity(shares: Mapping[str, float], factors: Factors) -> float:
    grams = {factor.fuel: factor.g_per_kwh for factor in fuel_factors(FACTOR_SET, factors)}
    return sum(share * grams[fuel] for fuel, share in shares.items())


def read_google(folder: Path) -> dict[str, dict[int, tuple[str, float]]]:
    """Return zone -> year -> (factors, g/kWh); a zone with several regions has one figure."""
    zone_of = {region.region: region.zone for region in cloud_regions() if region.provider == "gcp"}
    found: dict[str, dict[int, tuple[str, float]]] = {}
    with (folder / GOOGLE).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["grid_ci_g_per_kwh"] and row["region"] in zone_of:
                factors = "direct" if row["ci_basis"] == "operational" else row["ci_basis"]
                years = found.setdefault(zone_of[row["region"]], {})
                years[int(row["year"])] = (factors, float(row["grid_ci_g_per_kwh"]))
    return found


def newest_google(years: Mapping[int, tuple[str, float]]) -> tuple[int, float] | None:
    """Return the newest direct figure and its year."""
    direct = {year: value for year, (factors, value) in years.items() if factors == "direct"}
    return (max(direct), direct[max(direct)]) if direct else None


def levels(means: Means) -> list[Level]:
    """Return the level of every zone that has more than its row in the table of countries."""
    found: list[Level] = []
    for zone in sorted({zone for zone, _ in means.own} | set(means.google)):
        direct = _direct(zone, means)
        found += [direct] if direct is not None else []
        country = means.countries.get(zone)
        if country is None:
            found += _lifecycle(zone, means, direct)
        elif (zone, "lifecycle") in means.own:
            found.append(_published(country))
    return found


def _direct(zone: str, means: Means) -> Level | None:
    newest = newest_google(means.google.get(zone, {}))
    if newest is not None:
        year, value = newest
        return Level(zone=zone, factors="direct", g_per_kwh=value, year=year, flow="consumption",
                     kind="published", source=f"Google Cloud region carbon data {year}")  # fmt: skip
    return None if zone in means.countries else _own_mean(zone, means, "direct")


def _own_mean(zone: str, means: Means, factors: Factors) -> Level:
    year = max(means.own[zone, factors])
    return Level(zone=zone, factors=factors, g_per_kwh=means.own_mean(zone, factors, year), year=year,
                 flow="production", kind="own", source=f"mean of the hourly mix of {year}")  # fmt: skip


def _published(country: Country) -> Level:
    return Level(zone=country.zone, factors="lifecycle", g_per_kwh=country.g_per_kwh,
                 year=country.year, flow="production", kind="published",
                 source=f"Our World in Data / Ember {country.year}")  # fmt: skip


def _lifecycle(zone: str, means: Means, direct: Level | None) -> Iterator[Level]:
    """Yield the level of a zone without a published lifecycle figure: published direct + upstream."""
    upstream = upstream_of(zone, means)
    if direct is None or direct.kind != "published":
        yield _own_mean(zone, means, "lifecycle")
    elif upstream is not None:
        total = direct.g_per_kwh + upstream.g_per_kwh
        yield Level(zone=zone, factors="lifecycle", g_per_kwh=total, year=direct.year,
                    flow=direct.flow, kind="derived", source=f"{direct.source} + {upstream.source}",
                    low_fraction=(direct.g_per_kwh + upstream.low_g_per_kwh) / total,
                    high_fraction=(direct.g_per_kwh + upstream.high_g_per_kwh) / total)  # fmt: skip


def upstream_of(zone: str, means: Means) -> Upstream | None:
    """Return what lifecycle adds to direct in a zone: from its own mix, its figures, or its country's."""
    if (zone, "direct") in means.own:
        year = max(means.own[zone, "direct"])
        g_per_kwh = _own_upstream(zone, means)
        return Upstream(g_per_kwh=g_per_kwh, low_g_per_kwh=g_per_kwh, high_g_per_kwh=g_per_kwh,
                        source=f"upstream part of its mix of {year}")  # fmt: skip
    country = means.countries.get(zone) or means.countries.get(PARENTS[zone] or "")
    if country is None:
        return None
    g_per_kwh = country.g_per_kwh - country.direct_g_per_kwh
    low, high = low_and_high(upstream_ratios(means)) if country.zone != zone else (1.0, 1.0)
    return Upstream(g_per_kwh=g_per_kwh, low_g_per_kwh=g_per_kwh * low, high_g_per_kwh=g_per_kwh * high,
                    source=f"upstream part of the mix of {country.zone} {country.year}")  # fmt: skip


def _own_upstream(zone: str, means: Means) -> float:
    year = max(means.own[zone, "direct"])
    return means.own_mean(zone, "lifecycle", year) - means.own_mean(zone, "direct", year)


def upstream_ratios(means: Means) -> list[float]:
    """Return the upstream part of each zone with a mix over that of the country it lies in."""
    parts = [zone for zone, factors in means.own if factors == "direct" and PARENTS[zone]]
    whole = {zone: means.countries[PARENTS[zone] or ""] for zone in parts}
    return [
        _own_upstream(zone, means) / (whole[zone].g_per_kwh - whole[zone].direct_g_per_kwh) for zone in parts
    ]
