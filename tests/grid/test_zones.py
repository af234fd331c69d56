"""Searching zones by what people know."""

from __future__ import annotations

from lowtide.data.zones import zones
from lowtide.grid.zones import search_zones


def keys(text: str) -> list[str]:
    return [match.zone.key for match in search_zones(text)]


def test_no_text_gives_every_zone() -> None:
    assert len(search_zones()) == len(zones())


def test_exact_key_comes_first_then_its_parts() -> None:
    found = keys("us")
    assert found[0] == "US"
    assert all(key.startswith("US-") for key in found[1:50])


def test_name_finds_a_country_before_its_parts() -> None:
    assert keys("sweden") == ["SE", "SE-SE1", "SE-SE2", "SE-SE3", "SE-SE4"]


def test_iso_code_finds_a_country() -> None:
    assert keys("DEU") == ["DE"]


def test_operator_finds_its_zone() -> None:
    assert keys("bonneville") == ["US-NW-BPAT"]


def test_region_finds_its_zone_and_only_itself() -> None:
    (match,) = search_zones("aws:us-west-2")
    assert match.zone.key == "US-NW-PACW"
    assert [region.key for region in match.regions] == ["aws:us-west-2"]


def test_place_of_a_region_finds_its_zone() -> None:
    assert "JP-KN" in keys("osaka")


def test_zone_that_fits_itself_shows_all_its_regions() -> None:
    (match,) = search_zones("ireland")[:1]
    assert {region.key for region in match.regions} == {"aws:eu-west-1", "azure:northeurope"}


def test_all_words_must_fit() -> None:
    assert keys("aws virginia") == ["US-MIDA-PJM"]


def test_nothing_fits_nonsense() -> None:
    assert search_zones("qqqq") == ()
