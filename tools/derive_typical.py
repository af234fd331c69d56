"""Derive the typical-intensity tables of lowtide from a folder of published data.

    python tools/derive_typical.py --data FOLDER            writes src/lowtide/data/*.csv, says how
    python tools/derive_typical.py --data FOLDER --check    fails when the shipped tables differ

No network, no randomness: the same folder gives the same bytes. How and why: docs/explanation/
typical-profiles.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import typical_gaps as tg
import typical_levels as tl
import typical_mix as tm
import typical_statistics as ts
from typical_files import differing, write_table

TABLES: Final = Path(__file__).parent.parent / "src" / "lowtide" / "data"
LICENCES: Final = "CarbonCast v2.1: Apache-2.0; EIA-930: US public domain, as carried by SustainDC, MIT"
LEVEL_SOURCES: Final = (
    "Our World in Data / Ember (CC BY 4.0) through CodeCarbon (MIT); Google Cloud region-carbon-info "
    "(Apache-2.0); hourly mixes of CarbonCast v2.1 (Apache-2.0) and EIA-930 (public domain)"
)
MISSING_FUEL_SHARE, MISSING_FUEL_TIMES = 0.05, 10.0
POOLED: Final = {True: "clean", False: "other"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the tables are derived from, cleaned."""

    means: tl.Means
    sources: dict[str, list[str]]
    states: list[float]
    notes: list[str]

    @property
    def own(self) -> Mapping[tuple[str, tm.Factors], ts.Years]:
        """Cleaned hourly intensity by zone and factors, then year."""
        return self.means.own


def read(folder: Path) -> Inputs:
    """Return the cleaned inputs, dropping mixes that miss a fuel their country is known to use."""
    countries = tl.read_countries(folder)
    own: dict[tuple[str, tm.Factors], dict[int, tm.FloatArray]] = {}
    sources: dict[str, list[str]] = {}
    notes: list[str] = []
    for mix in tm.read_mixes(folder):
        missing = missing_fuel(mix, countries)
        if missing:
            notes.append(f"{mix.zone}: {tm.SOURCES[mix.source]} refused, {missing}")
            continue
        notes.append(_fault_note(mix))
        sources.setdefault(mix.zone, []).append(tm.SOURCES[mix.source])
        for factors in tm.FACTORS:
            years = tm.clean_years(mix, factors)
            if any(np.nanmax(value) > 0.0 for value in years.values()):
                own.setdefault((mix.zone, factors), {}).update(years)
    google = tl.read_google(folder)
    means = tl.Means(own=own, countries={c.zone: c for c in countries}, google=google)
    return Inputs(means=means, sources=sources, states=tg.state_ratios(folder), notes=notes)


def missing_fuel(mix: tm.Mix, countries: Iterable[tl.Country]) -> str:
    """Return which fuel of the country's statistics the hourly mix all but lacks, or nothing."""
    shares = next((c.shares for c in countries if c.zone == mix.zone), {})
    total = float(mix.total_mw.sum())
    for fuel, known in shares.items():
        seen = float(np.sum(mix.generation_mw.get(fuel, 0.0))) / total
        if known >= MISSING_FUEL_SHARE and seen * MISSING_FUEL_TIMES < known:
            return f"{fuel} is {seen:.1%} of its mix and {known:.0%} in yearly statistics"
    return ""


def _fault_note(mix: tm.Mix) -> str:
    counts = {what: int(hours.sum()) for what, hours in tm.faults(mix).items()}
    told = ", ".join(f"{n} h {what}" for what, n in counts.items() if n) or "nothing left out"
    return f"{mix.zone}: {tm.SOURCES[mix.source]}, {told}"


def profiles(inputs: Inputs) -> str:
    """Return typical_profiles.csv."""
    rows: list[list[object]] = []
    for (zone, factors), years in sorted(inputs.own.items()):
        by_month = ts.shape(years).reshape(12, 24)
        rows += [
            [zone, factors, month, *(f"{value:.4f}" for value in by_hour)]
            for month, by_hour in enumerate(by_month, start=1)
        ]
    return write_table(
        title="Typical shape of carbon intensity by month and hour of the day, UTC",
        unit="fraction of the yearly mean; h00 is 00:00 to 01:00 UTC",
        source="CarbonCast v2.1 2020-2021 and EIA-930 2022, recomputed from their mix",
        licence=LICENCES,
        columns=["zone", "factors", "month", *(f"h{hour:02d}" for hour in range(24))],
        rows=rows,
    )


def levels(inputs: Inputs) -> str:
    """Return typical_levels.csv."""
    rows = []
    for level in tl.levels(inputs.means):
        years = inputs.own.get((level.zone, level.factors))
        period = _period(years) if years else ""
        told = " and ".join(inputs.sources[level.zone]) if years else ""
        rows.append([level.zone, level.factors, f"{level.g_per_kwh:.1f}", level.year, level.flow,
                     level.kind, level.source, f"{level.low_fraction:.3f}", f"{level.high_fraction:.3f}",
                     period, "production" if years else "", told])  # fmt: skip
    return write_table(
        title="Newest yearly mean of each zone, and the vintage of its shape",
        unit="g CO2e/kWh; low_fraction and high_fraction: range left by how the level was derived",
        source=LEVEL_SOURCES,
        licence="as named under source",
        columns=["zone", "factors", "g_per_kwh", "level_year", "level_flow", "level_kind",
                 "level_source", "low_fraction", "high_fraction", "shape_period", "shape_flow", "shape_source"],
        rows=rows,
    )  # fmt: skip


def _period(years: Iterable[int]) -> str:
    first, last = min(years), max(years)
    return str(first) if first == last else f"{first}-{last}"


def spreads(inputs: Inputs) -> str:
    """Return typical_spread.csv."""
    rows: list[list[object]] = []
    for factors in tm.FACTORS:
        own = {zone: years for (zone, f), years in inputs.own.items() if f == factors}
        several = [years for years in own.values() if len(years) > 1]
        newest = {zone: (max(years), years[max(years)]) for zone, years in own.items()}
        for hours in ts.WINDOW_HOURS:
            powers = ts.inflation(several, hours)
            inputs.notes.append(
                f"{factors} {hours} h: ranges of one-year zones widened by powers "
                f"{powers[0]:.2f} (low) and {powers[1]:.2f} (high)"
            )
            for zone, years in own.items():
                low, high, how = ts.spread(years, hours, powers)
                rows.append([zone, factors, hours, f"{low:.3f}", f"{high:.3f}", how])
            for clean, name in POOLED.items():
                limit = tl.CLEAN_BELOW_G_PER_KWH[factors]
                alike = {z: n for z, n in newest.items() if (ts.year_mean(n[1], n[0]) < limit) == clean}
                low, high = ts.against_mean(alike, hours)
                rows.append([name, factors, hours, f"{low:.3f}", f"{high:.3f}", "yearly mean"])
    return write_table(
        title="How far the mean of a window strays from its typical value when the yearly mean is known",
        unit="fraction of the typical mean: 5 % and 95 % quantile over all windows of the source years; "
        "clean and other: zones known by a yearly mean alone, below and above 150 g/kWh (direct 100)",
        source="CarbonCast v2.1 2020-2021 and EIA-930 2022, recomputed from their mix",
        licence=LICENCES,
        columns=["zone", "factors", "hours", "low_fraction", "high_fraction", "how"],
        rows=sorted(rows, key=lambda row: (str(row[0]), str(row[1]), int(str(row[2])))),
    )


def widenings(inputs: Inputs) -> str:
    """Return typical_widening.csv."""
    rows: list[list[object]] = []
    for factors in tm.FACTORS:
        changes = [tg.yearly_changes(inputs.means, factors, lag=lag) for lag in (1, 2)]
        power = tg.growth_power(*changes)
        what = "later over earlier yearly mean"
        rows += _by_class("vintage_1y", factors, changes[0], what, growth_power=f"{power:.2f}")
        gaps = tg.method_gaps(inputs.means, factors)
        rows += _by_class("method", factors, gaps, "published consumption mean over production mean")
        inputs.notes.extend(_change_note(factors, *told) for told in zip((1, 2), changes, strict=True))
    rows.append(_widening("parent", "any", "any", inputs.states, "mean of a US state over the US mean"))
    return write_table(
        title="What widens the range of a typical intensity: age of the level, method and flow, a parent's mean",
        unit="fraction: 5 % and 95 % quantile; vintage_1y is for one year, its logarithm grows with "
        "the age in years to growth_power",
        source=LEVEL_SOURCES + "; EPA eGRID 2016 (public domain)",
        licence="as named under source",
        columns=[
            "term",
            "factors",
            "level_class",
            "low_fraction",
            "high_fraction",
            "growth_power",
            "n",
            "what",
        ],
        rows=rows,
    )


def _by_class(
    term: str, factors: tm.Factors, pairs: tg.Pairs, what: str, *, growth_power: str = ""
) -> list[list[object]]:
    limit = tl.CLEAN_BELOW_G_PER_KWH[factors]
    found = []
    for clean, name in POOLED.items():
        ratios = [ratio for level, ratio in pairs if (level < limit) == clean]
        found.append(_widening(term, factors, name, ratios, what, growth_power=growth_power))
    return found


def _widening(
    term: str, factors: str, level_class: str, ratios: Sequence[float], what: str, *, growth_power: str = ""
) -> list[object]:
    low, high = ts.low_and_high(ratios)
    return [term, factors, level_class, f"{low:.3f}", f"{high:.3f}", growth_power, len(ratios), what]


def _change_note(factors: str, lag: int, pairs: tg.Pairs) -> str:
    low, high = ts.low_and_high([ratio for _, ratio in pairs])
    return f"{factors} yearly means {lag} year(s) apart: {low:.2f} to {high:.2f}, n={len(pairs)}"


def countries(inputs: Inputs) -> str:
    """Return countries.csv."""
    rows = [
        [c.zone, c.year, f"{c.g_per_kwh:.1f}", f"{c.direct_g_per_kwh:.1f}", f"{c.rounding_fraction:.3f}"]
        for c in inputs.means.countries.values()
    ]
    return write_table(
        title="Yearly mean carbon intensity of the electricity generated in each country (production)",
        unit="g CO2e/kWh; rounding_fraction: half the last digit of the source's emissions, as a fraction",
        source="Our World in Data / Ember, newest year each, as carried by mlco2/codecarbon; direct: "
        f"lifecycle x the direct share of the country's mix with the factors {tm.FACTOR_SET}",
        licence="CC BY 4.0 (Our World in Data, Ember); MIT (codecarbon)",
        columns=["zone", "year", "g_per_kwh", "direct_g_per_kwh", "rounding_fraction"],
        rows=rows,
    )


def derive(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return every table by file name, and notes on how it came about."""
    inputs = read(folder)
    tables = {
        "countries.csv": countries(inputs),
        "typical_levels.csv": levels(inputs),
        "typical_profiles.csv": profiles(inputs),
        "typical_spread.csv": spreads(inputs),
        "typical_widening.csv": widenings(inputs),
    }
    return tables, inputs.notes


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the published data")
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of the shipped tables")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when tables differ")
    options = parser.parse_args(arguments)
    tables, notes = derive(options.data)
    print(*notes, sep="\n")
    stale = differing(tables, options.tables)
    if options.check:
        told = ", ".join(stale)
        print(f"differ: {told}; run without --check" if stale else "tables are as derived")
        return 1 if stale else 0
    for name, text in tables.items():
        (options.tables / name).write_text(text, encoding="utf-8")
        print(f"wrote {options.tables / name}, {len(text)} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
