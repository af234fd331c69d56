"""What the providers say of themselves: names, zones, keys."""

from __future__ import annotations

import dataclasses

import pytest
from provider_cases import PROVIDERS

from lowtide.data.zones import zones
from lowtide.doors import Query
from lowtide.errors import NotCoveredError
from lowtide.model.exchange import Request, Response
from lowtide.testing.provider_checks import converse

ZONES = [zone.key for zone in zones()]


def no_one(request: Request) -> Response:
    """Fail: nothing should be asked."""
    raise AssertionError(f"asked {request.url}")


@pytest.mark.parametrize("name", [n for n in PROVIDERS if n not in ("carbon-aware-sdk",)])
def test_zone_that_is_not_covered_is_refused_without_asking(name: str) -> None:
    provider = PROVIDERS[name]
    lost = next((zone for zone in ("US-TEX-ERCO", "FR", "nowhere") if not provider.has(zone)), "")
    assert lost
    if name.startswith("electricitymaps"):
        return  # the service knows its zones best: an unknown one is asked for and refused there
    with pytest.raises(NotCoveredError):
        converse(provider, Query(what="latest", zone=lost, start_ns=0, end_ns=1, now_ns=2), no_one)


@pytest.mark.parametrize("name", PROVIDERS)
def test_provider_is_frozen_and_takes_another_base_url(name: str) -> None:
    provider = PROVIDERS[name]
    assert dataclasses.replace(provider, base_url="http://127.0.0.1:1").base_url == "http://127.0.0.1:1"
    with pytest.raises(dataclasses.FrozenInstanceError):
        provider.base_url = "http://127.0.0.1:1"


def test_balancing_authorities_are_those_of_the_contiguous_states() -> None:
    covered = [zone for zone in ZONES if PROVIDERS["eia"].has(zone)]
    assert {"US-CAL-CISO", "US-TEX-ERCO", "US-NY-NYIS", "US-NE-ISNE", "US-MIDA-PJM"} <= set(covered)
    assert not [zone for zone in covered if zone.startswith(("US-HI", "US-AK")) or not zone.startswith("US-")]
    assert len(covered) > 50


def test_regions_of_great_britain_are_seventeen() -> None:
    has = PROVIDERS["gb"].has
    assert [has(f"GB-REGION-{i}") for i in (0, 1, 9, 10, 17, 18)] == [False, True, True, True, True, False]
    assert not has("GB-NIR")


def test_watttime_takes_its_own_regions_by_their_name() -> None:
    has = PROVIDERS["watttime"].has
    assert has("ERCOT_HOUSTON")
    assert has("US-CAL-CISO")
    assert not has("US-TEX-ERCO")
