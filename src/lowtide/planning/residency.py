"""Where data may be kept: groups of countries, and whether a site is in one."""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.data.regions import GROUPS, countries_of
from lowtide.errors import InputError, near_matches
from lowtide.planning.sites import SiteOption

__all__ = ["check_allowed", "why_not_allowed"]


def check_allowed(allow: Sequence[str], sites: Sequence[SiteOption]) -> None:
    """Refuse a region that is no group, no country and none that a site says of itself.

    Raises
    ------
    InputError
        Names close ones.
    """
    said = {region.casefold() for site in sites for region in site.regions}
    for region in allow:
        if countries_of(region) is None and region.casefold() not in said:
            raise InputError(
                f"no region {region!r}{near_matches(region.upper(), GROUPS)}; give a group "
                f"({', '.join(GROUPS)}), a country's two letters, or a residency of a site"
            )


def why_not_allowed(site: SiteOption, allow: Sequence[str]) -> str | None:
    """Return why data may not go to a site, None where they may.

    A site that says where it is is believed; else its zone's country decides.
    """
    where = [region.casefold() for region in site.regions] or [_country(site).casefold()]
    for region in allow:
        countries = countries_of(region) or frozenset()
        inside = {country.casefold() for country in countries} | {region.casefold()}
        if any(place in inside for place in where):
            return None
    named = ", ".join(site.regions) or _country(site) or "an unknown country"
    return f"it is in {named}, and only {', '.join(allow)} is allowed"


def _country(site: SiteOption) -> str:
    """Return the two letters of a zone's country, empty where its name tells none."""
    key = (site.intensity.signal.zone or site.zone).split("-")[0]
    return key if countries_of(key) is not None else ""
