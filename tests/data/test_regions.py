"""Groups of countries."""

from __future__ import annotations

from lowtide.data.regions import GROUPS, countries_of
from lowtide.data.zones import zones


def test_the_union_has_twenty_seven_members_that_all_have_a_zone() -> None:
    countries = {zone.key.split("-")[0] for zone in zones()}
    assert len(GROUPS["EU"]) == 27
    assert GROUPS["EEA"] - GROUPS["EU"] == {"IS", "LI", "NO"}
    assert countries >= GROUPS["EEA"]
    assert "GB" not in GROUPS["EU"]


def test_a_country_is_a_region_of_its_own_in_any_case() -> None:
    assert countries_of("de") == {"DE"}
    assert countries_of("eu") == GROUPS["EU"]
    assert countries_of("XX") is None
