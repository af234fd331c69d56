"""Zones and cloud regions: what people type, and that the tables fit together."""

from __future__ import annotations

import csv

import pytest

from lowtide.data.intensity import profiled_zones
from lowtide.data.zones import CloudRegion, cloud_regions, has_profile, resolve_zone, zone, zones
from lowtide.errors import ZoneError
from shared_data import data_path


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        (" us-cal-ciso ", "US-CAL-CISO"),
        ("aws:us-west-2", "US-NW-PACW"),
        ("AWS:US-WEST-2", "US-NW-PACW"),
        ("aws:us-west-2a", "US-NW-PACW"),  # an availability zone
        ("gcp:europe-west4", "NL"),
        ("gcp:europe-west4-b", "NL"),
        ("azure:northeurope", "IE"),
        ("azure:North Europe", "IE"),
        ("ovh:GRA11", "FR"),
        ("ovh:us-east-va-1", "US-MIDA-PJM"),
    ],
)
def test_what_people_type_resolves(typed: str, key: str) -> None:
    assert resolve_zone(typed) == key
    assert zone(typed).key == key


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("DEE", "did you mean EE, DE?"),
        ("DEU", "did you mean DE?"),
        ("germany", "did you mean DE?"),
        ("US-CAL", "did you mean US-CAL-BANC, US-CAL-CISO, US-CAL-IID?"),
        ("us-west-2", "did you mean aws:us-west-2?"),
        ("", "write one like DE or US-CAL-CISO"),
    ],
)
def test_unknown_zone_names_near_ones(typed: str, hint: str) -> None:
    with pytest.raises(ZoneError) as caught:
        resolve_zone(typed)
    assert str(caught.value) == f"unknown zone {typed!r}; {hint}; `lowtide grid zones` lists all"


def test_unknown_region_names_near_ones() -> None:
    with pytest.raises(ZoneError, match=r"unknown cloud region 'aws:us-west-9'; did you mean aws:us-west-2"):
        resolve_zone("aws:us-west-9")


def test_unknown_provider_lists_the_known() -> None:
    with pytest.raises(ZoneError, match="providers are aws, azure, gcp, ovh"):
        resolve_zone("ibm:eu-de")


def test_word_close_to_nothing_gets_no_suggestion() -> None:
    with pytest.raises(ZoneError, match="unknown zone 'qqqq'; `lowtide grid zones` lists all"):
        resolve_zone("qqqq")


def test_every_country_is_a_zone() -> None:
    countries = [z for z in zones() if z.parent is None]
    assert len(countries) == 233
    assert all(z.iso3 and len(z.iso3) == 3 and len(z.key) == 2 and z.name == z.country for z in countries)
    assert len({z.iso3 for z in countries}) == 233


def test_every_parent_is_a_country() -> None:
    for part in (z for z in zones() if z.parent):
        assert part.parent == part.key[:2]
        assert zone(part.parent).parent is None
        assert (part.country, part.iso3) == (zone(part.parent).name, None)


def test_has_profile_agrees_with_the_profiles() -> None:
    assert {z.key for z in zones() if z.has_profile} == set(profiled_zones())
    assert has_profile("aws:us-west-1")
    assert not has_profile("FR")


@pytest.mark.parametrize("region", cloud_regions(), ids=lambda region: region.key)
def test_region_lies_in_a_zone_and_says_why(region: CloudRegion) -> None:
    assert resolve_zone(region.zone) == region.zone
    assert region.key == region.key.casefold()
    assert region.place
    # the provider's list for the place, the grid operator for the zone
    assert "page; " in region.source


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp", "ovh"])
def test_every_provider_has_regions(provider: str) -> None:
    assert sum(region.provider == provider for region in cloud_regions()) >= 20


def test_regions_where_grids_meet_say_what_else_is_plausible() -> None:
    told = {region.key: region.source for region in cloud_regions()}
    assert "US-NW-BPAT" in told["aws:us-west-2"]
    assert "US-NW-PACW" in told["gcp:us-west1"]
    assert "US-CENT-SWPP" in told["gcp:us-central1"]


def test_regions_agree_with_another_table_but_where_they_say_so() -> None:
    with data_path("cloud_region_to_zone_electricitymaps.csv").open(newline="", encoding="utf-8") as file:
        theirs = {f"{row['provider']}:{row['region']}": row["zone"] for row in csv.DictReader(file)}
    both = [region for region in cloud_regions() if region.key in theirs]
    differing = [region for region in both if region.zone != theirs[region.key]]
    for region in differing:
        print(f"{region.key}: {region.zone} here, {theirs[region.key]} there ({region.source})")
    assert len(both) > 120
    assert all(theirs[region.key] in region.source for region in differing)


def test_keys_are_in_use_elsewhere() -> None:
    with data_path("zone_yearly_electricitymaps_2021_2025.csv").open(newline="", encoding="utf-8") as file:
        theirs = {row["zone"] for row in csv.DictReader(file)}
    ours = {z.key for z in zones() if z.parent}
    print("parts of countries only here:", sorted(ours - theirs))
    assert len(ours - theirs) <= 5
