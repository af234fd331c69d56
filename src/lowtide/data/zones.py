"""The zones lowtide knows, keyed as Electricity Maps writes them, and the cloud regions in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from lowtide.data.tables import read_table
from lowtide.errors import ZoneError, near_matches

__all__ = ["CloudRegion", "Zone", "cloud_regions", "has_profile", "resolve_zone", "zone", "zones"]

_ZONE_COLUMNS: Final = ("zone", "name", "country", "iso3", "parent", "has_profile")
_REGION_COLUMNS: Final = ("provider", "region", "zone", "place", "source")
PROVIDERS: Final = ("aws", "azure", "gcp", "ovh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A part of a grid that has an intensity of its own.

    Attributes
    ----------
    key : str
        As Electricity Maps writes it: ``DE``, ``US-CAL-CISO``.
    name, country : str
    iso3 : str or None
        ISO 3166-1 alpha-3 code; None for a part of a country.
    parent : str or None
        The zone whose yearly mean stands in when this one has no figure; None for a country.
    has_profile : bool
        Whether typical month-by-hour shapes ship with lowtide.
    """

    key: str
    name: str
    country: str
    iso3: str | None
    parent: str | None
    has_profile: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRegion:
    """A cloud provider's region and the zone it draws from.

    Attributes
    ----------
    provider : {"aws", "azure", "gcp", "ovh"}
    region : str
        The provider's own id, lower case.
    zone, place, source : str
    """

    provider: str
    region: str
    zone: str
    place: str
    source: str

    @property
    def key(self) -> str:
        """``aws:us-west-2``, as it is typed."""
        return f"{self.provider}:{self.region}"


@cache
def _by_key() -> dict[str, Zone]:
    table = read_table("zones.csv", _ZONE_COLUMNS, ("zone",))
    found = (
        Zone(
            key=row.text("zone"),
            name=row.text("name"),
            country=row.text("country"),
            iso3=row.text("iso3", optional=True) or None,
            parent=row.text("parent", optional=True) or None,
            has_profile=row.choice("has_profile", ("yes", "no")) == "yes",
        )
        for row in table.rows
    )
    return {zone.key.casefold(): zone for zone in found}


@cache
def _by_region() -> dict[str, CloudRegion]:
    table = read_table("cloud_regions.csv", _REGION_COLUMNS, ("provider", "region"))
    found = (
        CloudRegion(
            provider=row.choice("provider", PROVIDERS),
            region=row.text("region"),
            zone=row.text("zone"),
            place=row.text("place"),
            source=row.text("source"),
        )
        for row in table.rows
    )
    return {region.key: region for region in found}


def zones() -> tuple[Zone, ...]:
    """Return every zone, by key."""
    return tuple(_by_key().values())


def cloud_regions() -> tuple[CloudRegion, ...]:
    """Return every cloud region, by provider and id."""
    return tuple(_by_region().values())


def zone(key: str) -> Zone:
    """Return the zone of a key, in any case; cloud regions work too.

    Raises
    ------
    ZoneError
        If there is none; the message names close ones.

    Examples
    --------
    >>> zone("us-cal-ciso").name, zone("aws:eu-central-1").key
    ('California ISO', 'DE')
    """
    return _by_key()[resolve_zone(key).casefold()]


def resolve_zone(key: str) -> str:
    """Return the zone key meant by what somebody typed.

    Parameters
    ----------
    key : str
        A zone key in any case, or ``provider:region`` (``aws:us-west-2``, ``azure:North Europe``,
        ``gcp:europe-west4``); an availability zone (``us-west-2a``, ``europe-west4-b``) is one of its
        region.

    Raises
    ------
    ZoneError
        If it means nothing; the message names close keys.

    Examples
    --------
    >>> resolve_zone("aws:us-west-2"), resolve_zone("de")
    ('US-NW-PACW', 'DE')
    """
    typed = key.strip()
    if ":" in typed:
        return _region(typed).zone
    found = _by_key().get(typed.casefold())
    if found is None:
        raise ZoneError(f"unknown zone {key!r}{_hint(typed)}; `lowtide grid zones` lists all")
    return found.key


def has_profile(key: str) -> bool:
    """Return whether typical month-by-hour shapes ship for a zone."""
    return zone(key).has_profile


def _region(typed: str) -> CloudRegion:
    provider, _, region = typed.casefold().replace(" ", "").partition(":")
    for name in (region, re.sub(r"-?[a-z]$", "", region), re.sub(r"-?\d+$", "", region)):
        found = _by_region().get(f"{provider}:{name}")
        if found is not None:
            return found
    if provider not in PROVIDERS:
        hint = f"; providers are {', '.join(PROVIDERS)}"
    else:
        hint = near_matches(f"{provider}:{region}", _by_region())
    raise ZoneError(f"unknown cloud region {typed!r}{hint}; `lowtide grid zones` lists all")


def _hint(typed: str) -> str:
    """Return what may have been meant: a bare region, an ISO code, part of a key, a name, a slip."""
    wanted = typed.casefold()
    if not wanted:
        return "; write one like DE or US-CAL-CISO"
    codes = [region.key for region in cloud_regions() if region.region == wanted]
    codes += [z.key for z in zones() if z.iso3 and z.iso3.casefold() == wanted]
    parts = [z.key for z in zones() if z.key.casefold().startswith(f"{wanted}-")]
    names = [z.key for z in zones() if len(wanted) > 2 and wanted in z.name.casefold()]
    for close in (codes, parts, names):
        if close:
            return f"; did you mean {', '.join(close[:3])}?"
    return near_matches(typed, [z.key for z in zones()])
