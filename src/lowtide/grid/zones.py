"""Finding a zone by what people know: a key, a name, a country, a cloud region.

There is no search by coordinates: it would need the outlines of the zones, and no free set of them
fits the keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.data.zones import CloudRegion, Zone, cloud_regions, zones

__all__ = ["ZoneMatch", "search_zones"]


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
