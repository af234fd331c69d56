"""Searching zones by what people know."""

from __future__ import annotations

import pytest

from lowtide.data.zones import zones
from lowtide.errors import InputError
from lowtide.grid.zones import near_zones, parse_point, search_zones


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


def test_point_finds_the_cities_around_it_one_a_zone() -> None:
    found = near_zones(48.9, 2.4, n=3)  # Paris
    assert (found[0].zone, found[0].place, round(found[0].distance_km)) == ("FR", "Paris", 0)
    assert len({place.zone for place in found}) == 3
    assert [place.distance_km for place in found] == sorted(place.distance_km for place in found)


def test_distance_is_along_the_surface() -> None:
    """London to Paris is 343 km; the table's cities are rounded to a tenth of a degree."""
    by_zone = {place.zone: place for place in near_zones(51.5, -0.1, n=50)}
    assert abs(by_zone["FR"].distance_km - 343.0) < 10.0


def test_distance_goes_over_the_date_line() -> None:
    (nearest,) = near_zones(-36.8, -179.9, n=1)
    assert nearest.zone == "NZ"


def test_every_place_has_a_zone_that_exists() -> None:
    known = {zone.key for zone in zones()}
    assert [place for place in near_zones(0.0, 0.0, n=500) if place.zone not in known] == []


def test_every_zone_of_a_place_resolves_to_itself() -> None:
    assert near_zones(37.8, -122.4, n=1)[0].zone == "US-CAL-CISO"


@pytest.mark.parametrize("text", ["52.5", "a,b", "91,0", "0,181", "1,2,3", "nan,1"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="point"):
        parse_point(text)


def test_point_is_read() -> None:
    assert parse_point(" 52.5, -13.4") == (52.5, -13.4)
