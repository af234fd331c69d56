"""Shapes, levels and ranges as they are shipped."""

from __future__ import annotations

import calendar
from pathlib import Path
from typing import get_args

import pytest

from lowtide.data.intensity import (
    KnownFactors,
    level_class,
    profiled_zones,
    typical_profile,
    widening,
    window_spread,
    yearly_mean,
)
from lowtide.data.tables import parse_table
from lowtide.data.zones import zone, zones
from lowtide.errors import DataFileError

FACTORS: tuple[KnownFactors, ...] = get_args(KnownFactors)
PROFILES = [(key, factors) for factors in FACTORS for key in profiled_zones(factors)]


@pytest.mark.parametrize(("key", "factors"), PROFILES)
def test_shape_has_a_yearly_mean_of_one(key: str, factors: KnownFactors) -> None:
    profile = typical_profile(key, factors)
    assert profile is not None
    days = [calendar.monthrange(2023, month)[1] for month in range(1, 13)]
    total = sum(d * sum(hours) / 24 for d, hours in zip(days, profile.shape, strict=True))
    assert total / 365 == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("key", "factors"), PROFILES)
def test_every_profile_has_a_level_a_range_and_a_vintage(key: str, factors: KnownFactors) -> None:
    profile, mean, spread = (
        typical_profile(key, factors),
        yearly_mean(key, factors),
        window_spread(key, factors),
    )
    assert profile is not None
    assert mean is not None
    assert (profile.flow, mean.zone, mean.factors) == ("production", key, factors)
    assert profile.period.startswith("20")
    assert profile.source
    assert mean.source
    assert spread.hours == (1, 3, 6, 12, 24, 72, 168, 336, 720)


@pytest.mark.parametrize(
    ("key", "factors"), [*PROFILES, *((c, f) for c in ("clean", "other") for f in FACTORS)]
)
def test_longer_windows_stray_less(key: str, factors: KnownFactors) -> None:
    spread = window_spread(key, factors)
    assert all(low < 1.0 < high for low, high in zip(spread.low_fraction, spread.high_fraction, strict=True))
    # not to the last digit: quantiles of windows that overlap
    assert spread.low_fraction[-1] >= spread.low_fraction[0] - 0.02
    assert spread.high_fraction[-1] <= spread.high_fraction[0] + 0.02


def test_midday_is_clean_in_california_and_dirty_hours_follow_sunset() -> None:
    profile = typical_profile("US-CAL-CISO", "lifecycle")
    assert profile is not None
    june = profile.shape[5]
    cleanest = june.index(min(june))
    # solar noon at 118 W is 19:52 UTC; the grid is cleanest between 08:00 and 15:00 there
    assert 16 <= cleanest <= 22
    assert max(june) / min(june) > 1.4


@pytest.mark.parametrize("key", ["NL", "FR", "US", "US-NW-PACW"])
def test_zone_without_a_trusted_hourly_mix_has_no_shape(key: str) -> None:
    assert typical_profile(key, "lifecycle") is None


def test_sweden_has_no_direct_shape() -> None:
    # every fuel its operator names is free of direct emissions
    assert typical_profile("SE", "lifecycle") is not None
    assert typical_profile("SE", "direct") is None


def test_published_levels() -> None:
    germany, california = yearly_mean("DE", "lifecycle"), yearly_mean("US-CAL-CISO", "direct")
    assert germany is not None
    assert california is not None
    # Our World in Data / Ember 2023: 380.95; Google Cloud us-west2 2024: 169.28
    assert (germany.g_per_kwh, germany.year, germany.flow) == (380.9, 2023, "production")
    assert (california.g_per_kwh, california.year, california.flow) == (169.3, 2024, "consumption")
    assert (germany.kind, california.kind) == ("published", "published")


def test_lifecycle_level_from_a_direct_one_is_derived() -> None:
    direct, lifecycle = yearly_mean("US-NW-BPAT", "direct"), yearly_mean("US-NW-BPAT", "lifecycle")
    assert direct is not None
    assert lifecycle is not None
    assert lifecycle.kind == "derived"
    assert "upstream part of its mix of 2022" in lifecycle.source
    # hydro, nuclear and wind have 11 to 24 g/kWh upstream, gas 120
    assert 12.0 < lifecycle.g_per_kwh - direct.g_per_kwh < 60.0


@pytest.mark.parametrize("key", [z.key for z in zones()])
def test_direct_is_not_above_lifecycle(key: str) -> None:
    direct, lifecycle = yearly_mean(key, "direct"), yearly_mean(key, "lifecycle")
    if direct is not None and lifecycle is not None:
        assert direct.g_per_kwh <= lifecycle.g_per_kwh


def test_most_countries_have_a_yearly_mean() -> None:
    countries = [z.key for z in zones() if z.parent is None]
    known = [key for key in countries if yearly_mean(key, "lifecycle")]
    assert len(known) > 205
    assert yearly_mean("AX", "lifecycle") is None


def test_figure_rounded_to_zero_is_unknown_not_zero() -> None:
    # the source gives 0 g for the Central African Republic: 0.15 TWh, emissions below its last digit
    assert yearly_mean("CF", "lifecycle") is None


def test_rounding_of_small_grids_is_in_the_range() -> None:
    lesotho, germany = yearly_mean("LS", "lifecycle"), yearly_mean("DE", "direct")
    assert lesotho is not None
    # 20 g/kWh of 0.5 TWh are 0.01 Mt, known to 0.005 Mt: half of it
    assert lesotho.low_fraction == pytest.approx(0.5)
    assert germany is not None
    assert germany.low_fraction == 1.0


def test_every_level_belongs_to_a_zone() -> None:
    from importlib.resources import files

    text = files("lowtide.data").joinpath("typical_levels.csv").read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if not line.startswith("#")).split(",")
    table = parse_table(text, path="x", columns=header, key=("zone", "factors"))
    assert all(zone(row.text("zone")).key == row.text("zone") for row in table.rows)


@pytest.mark.parametrize("factors", FACTORS)
def test_clean_grids_have_wider_terms(factors: KnownFactors) -> None:
    for term in ("vintage_1y", "method"):
        clean, other = (widening(term, factors, alike) for alike in ("clean", "other"))
        assert clean.high_fraction / clean.low_fraction > other.high_fraction / other.low_fraction
        assert min(clean.n, other.n) >= 4


def test_classes_of_levels() -> None:
    assert level_class(149.9, "lifecycle") == "clean"
    assert level_class(150.0, "lifecycle") == "other"
    assert level_class(100.0, "direct") == "other"


def test_month_out_of_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import lowtide.data.intensity as intensity

    columns = ",".join(intensity._PROFILE_COLUMNS)
    notes = "# title: t\n# unit: g\n# source: s\n# licence: l\n"
    body = f"{columns}\nDE,lifecycle,2{',1.0' * 24}\n"
    table = parse_table(
        notes + body, path="x.csv", columns=intensity._PROFILE_COLUMNS, key=("zone", "factors", "month")
    )
    monkeypatch.setattr(intensity, "read_table", lambda *_: table)
    with pytest.raises(DataFileError, match=r"x\.csv, line 6, column 3: month 2 out of order"):
        intensity._profile_rows.__wrapped__()


def test_page_shows_the_shipped_levels() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "typical-profiles.md"
    rows = [
        line.split(" | ") for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    shown = {row[0].removeprefix("| "): row[1:] for row in rows if len(row) == 6}
    assert set(profiled_zones()) < set(shown)
    for key in profiled_zones():
        profile, spread = typical_profile(key, "lifecycle"), window_spread(key, "lifecycle")
        assert profile is not None
        assert shown[key][:2] == [zone(key).name, profile.period]
        for factors, cell in zip(FACTORS, shown[key][2:4], strict=True):
            mean = yearly_mean(key, factors)
            assert mean is not None
            assert cell.startswith(f"{mean.g_per_kwh:.0f} ({mean.year}, {mean.flow}, {mean.kind}")
        at_24_h = f"{spread.low_fraction[4]:.2f} to {spread.high_fraction[4]:.2f}"
        assert shown[key][4].startswith(at_24_h)
