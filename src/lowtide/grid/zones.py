"""Finding a zone by what people know: a key, a name, a country, a cloud region, a point on the map.

A point finds the nearest cities of a table, with their distance and zone: the outlines of zones are in no free
set that fits the keys, so near a border it is for people to choose, and nothing uses such a zone unasked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple

from lowtide.data.tables import read_table
from lowtide.data.zones import CloudRegion, Zone, cloud_regions, zones
from lowtide.errors import InputError

__all__ = ["NearPlace", "ZoneMatch", "near_zones", "parse_point", "search_zones"]

_EARTH_RADIUS_KM: Final = 6371.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneMatch:
    """A zone that fits a search, with the cloud regions in it that fit too.

    Attributes
    ----------
    zone : Zone
    regions : tuple of CloudRegion
        All regions of the zone when the zone itself fits, else those that do.
    """

    zone: Zone
    regions: tuple[CloudRegion, ...]


def search_zones(text: str = "") -> tuple[ZoneMatch, ...]:
    """Return the zones that fit a text, best first; all of them without one.

    Parameters
    ----------
    text : str
        Part of a key, name, country, ISO code, cloud region or its place, in any case; several words
        must all fit.

    Returns
    -------
    tuple of ZoneMatch
        Zones whose key or ISO code is the text first, then those whose key starts with it, then the
        rest, each by key. Empty when nothing fits.

    Examples
    --------
    >>> [match.zone.key for match in search_zones("oregon")]
    ['US-NW-BPAT', 'US-NW-PACW', 'US-NW-PGE']
    >>> search_zones("sweden")[0].zone.key
    'SE'
    """
    words = text.casefold().split()
    regions: dict[str, list[CloudRegion]] = {}
    for region in cloud_regions():
        regions.setdefault(region.zone, []).append(region)
    matches = (_match(zone, tuple(regions.get(zone.key, ())), words) for zone in zones())
    found = [match for match in matches if match is not None]
    return tuple(sorted(found, key=lambda match: (_rank(match.zone, text.strip()), match.zone.key)))


def _match(zone: Zone, regions: tuple[CloudRegion, ...], words: list[str]) -> ZoneMatch | None:
    told = " ".join((zone.key, zone.name, zone.country, zone.iso3 or "")).casefold()
    if all(word in told for word in words):
        return ZoneMatch(zone=zone, regions=regions)
    fitting = tuple(
        region
        for region in regions
        if all(word in f"{told} {region.key} {region.place}".casefold() for word in words)
    )
    return ZoneMatch(zone=zone, regions=fitting) if fitting else None


def _rank(zone: Zone, text: str) -> int:
    wanted = text.casefold()
    if wanted in (zone.key.casefold(), (zone.iso3 or "").casefold(), zone.name.casefold()):
        return 0
    return 1 if zone.key.casefold().startswith(wanted) else 2


class NearPlace(NamedTuple):
    """A city, its zone, and how far it is from a point [km]."""

    zone: str
    place: str
    distance_km: float


@cache
def _places() -> tuple[tuple[str, float, float, str], ...]:
    table = read_table("places.csv", ("place", "lat", "lon", "zone"), ("place",))
    return tuple(
        (
            row.text("place"),
            row.number("lat", low=-90.0, high=90.0),
            row.number("lon", low=-180.0, high=180.0),
            row.text("zone"),
        )
        for row in table.rows
    )


def near_zones(lat: float, lon: float, *, n: int = 5) -> tuple[NearPlace, ...]:
    """Return the nearest cities of different zones, nearest first.

    Parameters
    ----------
    lat, lon : float
        Degrees north and east.
    n : int
        How many zones.

    Examples
    --------
    >>> near_zones(50.0, 8.6, n=2)[0].zone
    'DE'
    """
    found = sorted((_distance_km(lat, lon, y, x), place, zone) for place, y, x, zone in _places())
    nearest: dict[str, NearPlace] = {}
    for distance_km, place, zone in found:
        nearest.setdefault(zone, NearPlace(zone, place, distance_km))
    return tuple(nearest.values())[:n]


def _distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Return the distance along the surface of a sphere [km]; haversine formula."""
    y, other_y = radians(lat), radians(other_lat)
    h = sin((other_y - y) / 2.0) ** 2 + cos(y) * cos(other_y) * sin(radians(other_lon - lon) / 2.0) ** 2
    return 2.0 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def parse_point(text: str) -> tuple[float, float]:
    """Return the latitude and longitude of ``52.5,13.4``.

    Raises
    ------
    InputError
        If it is no such pair, or no point of the Earth.
    """
    parts = text.replace(" ", "").split(",")
    try:
        lat, lon = (float(part) for part in parts)
    except ValueError as error:
        raise InputError(
            f"cannot read the point {text!r}; write degrees north and east, like 52.5,13.4"
        ) from error
    if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        raise InputError(f"{text!r} is no point of the Earth; latitude first, within 90 and 180 degrees")
    return lat, lon
