"""Hourly generation by fuel, as published, turned into intensity with the dirty hours taken out.

Two sources, both free to build on: CarbonCast v2.1 (Apache-2.0; 13 zones, 2020-2021) and EIA-930 as
carried by SustainDC (MIT, public domain; 8 US balancing authorities, 2022). Both are recomputed from
their mix with one set of factors, ``carboncast-2.1``, so that years of one zone can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lowtide.data.factors import fuel_factors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Factors = Literal["lifecycle", "direct"]

FACTORS: Final[tuple[Factors, ...]] = ("lifecycle", "direct")
FACTOR_SET: Final = "carboncast-2.1"
CARBONCAST: Final = "carboncast_actual_mix_2020_2021.parquet"
EIA: Final = "eia_us_ba_mix_ci_hourly_2022.parquet"
SOURCES: Final = {CARBONCAST: "CarbonCast 2020-2021", EIA: "EIA-930 2022"}

ZONES: Final = {
    "AUS_QLD": "AU-QLD", "AZPS": "US-SW-AZPS", "BPAT": "US-NW-BPAT", "CISO": "US-CAL-CISO",
    "DE": "DE", "ERCO": "US-TEX-ERCO", "ES": "ES", "FPL": "US-FLA-FPL", "ISNE": "US-NE-ISNE",
    "MISO": "US-MIDW-MISO", "NL": "NL", "NYIS": "US-NY-NYIS", "NYISO": "US-NY-NYIS",
    "PJM": "US-MIDA-PJM", "PL": "PL", "SE": "SE", "SOCO": "US-SE-SOCO",
}  # fmt: skip
FUEL_NAMES: Final = {"nat_gas": "gas", "other": "unknown"}

# Some series carry the *end* of the hour as their stamp. The sun tells: with stamps taken as the hour's
# beginning, solar generation is centred an hour after local noon. NYISO has no solar in the data; its
# load moves with New England's at lag 0, whose stamps are hour-ending.
HOUR_ENDING: Final = {
    CARBONCAST: ("AUS_QLD", "BPAT", "DE", "ERCO", "FPL", "ISNE", "NYISO"),
    EIA: ("AZPS", "BPAT", "ERCO", "MISO", "NYIS", "SOCO"),
}
CISO_HOUR_ENDING_FROM: Final = np.datetime64("2022-06-16T00", "h")

# Sweden's operator names no biomass, and its unnamed 7.4 % are the 7 % bioenergy of the yearly statistics.
NAMED: Final = {"SE": {"unknown": "biomass"}}

# California files discharging batteries under "other": morning and evening peaks, nothing at noon. Their
# grams were counted when they charged, so they are left out of the mix instead of being taken as thermal.
LEFT_OUT: Final = {"US-CAL-CISO": ("unknown",)}

ERCOT_NUCLEAR_MISSING_FROM: Final = np.datetime64("2021-12-29T00", "h")
COLLAPSED_BELOW_MEDIAN: Final = 0.3
STALE_FROM_HOURS: Final = 3
MISFILED_TIMES_MEDIAN, MISFILED_SHARE = 3.0, 0.05
SPIKE_OF_MEAN, RETURN_OF_MEAN = 0.2, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Hourly generation of one zone from one source.

    Attributes
    ----------
    source, name : str
        File, and the zone's name in it.
    zone : str
    hours : int64 array, shape (n,)
        Beginning of each hour [hours since 1970 UTC], corrected.
    generation_mw : mapping of fuel to float64 array, shape (n,)
        Mean power [MW], missing taken as 0.
    """

    source: str
    name: str
    zone: str
    hours: IntArray
    generation_mw: Mapping[str, FloatArray]

    @property
    def total_mw(self) -> FloatArray:
        """Generation of all fuels [MW]."""
        return np.asarray(np.sum(list(self.generation_mw.values()), axis=0))


def read_mixes(folder: Path) -> list[Mix]:
    """Return every mix of both sources, stamps corrected to the hour's beginning."""
    return [mix for source in SOURCES for mix in _read_source(folder, source)]


def _read_source(folder: Path, source: str) -> list[Mix]:
    table = pq.read_table(folder / source)
    names = table["zone"].cast(pa.string()).to_numpy(zero_copy_only=False)
    stamps = table["ts_utc"].to_numpy().astype("datetime64[h]").astype(np.int64)
    fuels = [name for name in table.column_names if name.startswith("gen_")]
    columns = {name: table[name].to_numpy().astype(np.float64) for name in fuels}
    mixes = []
    for name in sorted(set(names)):
        here = names == name
        generation = _by_fuel({key: values[here] for key, values in columns.items()}, ZONES[name])
        hours = corrected_hours(stamps[here], source=source, name=name)
        mixes.append(Mix(source=source, name=name, zone=ZONES[name], hours=hours, generation_mw=generation))
    return mixes


def _by_fuel(columns: Mapping[str, FloatArray], zone: str) -> dict[str, FloatArray]:
    """Return the columns under the names of the factors; two columns of one fuel are added."""
    generation: dict[str, FloatArray] = {}
    for column, values in columns.items():
        name = column.removeprefix("gen_").removesuffix("_mw")
        fuel = FUEL_NAMES.get(name, name)
        fuel = NAMED.get(zone, {}).get(fuel, fuel)
        generation[fuel] = generation.get(fuel, 0.0) + np.nan_to_num(values)
    return generation


def corrected_hours(hours: IntArray, *, source: str, name: str) -> IntArray:
    """Return the beginning of each hour where the stamp is its end."""
    if name in HOUR_ENDING[source]:
        return hours - 1
    if source == EIA and name == "CISO":
        return np.where(hours >= CISO_HOUR_ENDING_FROM.astype(np.int64), hours - 1, hours)
    return hours


def intensity(mix: Mix, factors: Factors) -> FloatArray:
    """Return the intensity of every hour [g/kWh]; NaN without generation. Faults are still in it."""
    grams = {factor.fuel: factor.g_per_kwh for factor in fuel_factors(FACTOR_SET, factors)}
    counted = {f: mw for f, mw in mix.generation_mw.items() if f not in LEFT_OUT.get(mix.zone, ())}
    total = np.sum(list(counted.values()), axis=0)
    emitted = np.sum([mw * grams[fuel] for fuel, mw in counted.items()], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0.0, emitted / total, np.nan)


def faults(mix: Mix) -> dict[str, BoolArray]:
    """Return the dirty hours, by what is wrong with them."""
    value = intensity(mix, "lifecycle")
    return {
        "nothing reported": np.isnan(value),
        "less than 30 % of the usual fleet": _collapsed(mix),
        "the same mix again": _stale(mix),
        "a fuel filed under other": _misfiled(mix),
        "one-hour spike": _spikes(value),
        "nuclear missing (ERCOT, 29-31 December 2021)": _ercot(mix),
    }


def _collapsed(mix: Mix) -> BoolArray:
    total = mix.total_mw
    return total < COLLAPSED_BELOW_MEDIAN * np.median(total)


def _stale(mix: Mix) -> BoolArray:
    values = np.array(list(mix.generation_mw.values()))
    new = np.concatenate(([True], (np.diff(values, axis=1) != 0.0).any(axis=0)))
    first = np.flatnonzero(new)
    lengths = np.diff(np.append(first, len(new)))
    return ~new & np.repeat(lengths >= STALE_FROM_HOURS, lengths)


def _misfiled(mix: Mix) -> BoolArray:
    other = mix.generation_mw.get("unknown")
    if other is None or mix.zone in LEFT_OUT:
        return np.zeros(len(mix.hours), dtype=bool)
    usual = float(np.median(other))
    return (other > MISFILED_TIMES_MEDIAN * usual) & (other - usual > MISFILED_SHARE * mix.total_mw)


def _spikes(value: FloatArray) -> BoolArray:
    mean = float(np.nanmean(value))
    spike = np.zeros(len(value), dtype=bool)
    away = np.abs(value[1:-1] - (value[:-2] + value[2:]) / 2) > SPIKE_OF_MEAN * mean
    back = np.abs(value[2:] - value[:-2]) < RETURN_OF_MEAN * mean
    spike[1:-1] = away & back
    return spike


def _ercot(mix: Mix) -> BoolArray:
    stamp = mix.hours + (1 if mix.name in HOUR_ENDING[mix.source] else 0)
    late = stamp >= ERCOT_NUCLEAR_MISSING_FROM.astype(np.int64)
    return late & (mix.name == "ERCO" and mix.source == CARBONCAST)


def clean_years(mix: Mix, factors: Factors) -> dict[int, FloatArray]:
    """Return the intensity of each calendar year, hour by hour from 1 January UTC, NaN where dirty."""
    dirty = np.any(list(faults(mix).values()), axis=0)
    value = np.where(dirty, np.nan, intensity(mix, factors))
    years = {}
    for year in (2020, 2021) if mix.source == CARBONCAST else (2022,):
        start, end = (_hour(f"{y}-01-01") for y in (year, year + 1))
        inside = (mix.hours >= start) & (mix.hours < end)
        years[year] = np.full(end - start, np.nan)
        years[year][mix.hours[inside] - start] = value[inside]
    return years


def _hour(day: str) -> int:
    return int(np.datetime64(day, "h").astype(np.int64))


def solar_lag_h(mix: Mix, *, east_degrees: float) -> float:
    """Return how long after mean local noon solar generation is centred [h]; NaN without solar."""
    solar = mix.generation_mw["solar"]
    if not solar.any():
        return float("nan")
    middle = 2j * np.pi * (mix.hours % 24 + 0.5) / 24.0
    centre_h = float(np.angle(np.sum(solar * np.exp(middle)))) * 24.0 / (2.0 * np.pi)
    return (centre_h - (12.0 - east_degrees / 15.0) + 12.0) % 24.0 - 12.0
