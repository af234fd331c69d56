"""Groups of countries that rules about data name, and the country of a zone.

Source: European Union, *Country profiles* (european-union.europa.eu), 27 members since 2020-02-01; EEA:
Agreement on the European Economic Area, which adds Iceland, Liechtenstein and Norway.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Final

from lowtide.data.zones import zones

__all__ = ["GROUPS", "countries_of"]

_EU: Final = frozenset(
    {"AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"}
    | {"IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"}
)

GROUPS: Final = MappingProxyType({"EU": _EU, "EEA": _EU | {"IS", "LI", "NO"}})
"""Groups by name, as ISO 3166-1 alpha-2 codes."""


@cache
def _countries() -> frozenset[str]:
    """Return the codes of all countries that zones are in: keys start with them."""
    return frozenset(zone.key.split("-")[0].upper() for zone in zones())


def countries_of(region: str) -> frozenset[str] | None:
    """Return the countries of a group, or a country alone; None where it is neither.

    Examples
    --------
    >>> len(countries_of("EU")), sorted(countries_of("no")), countries_of("Atlantis")
    (27, ['NO'], None)
    """
    name = region.upper()
    if name in GROUPS:
        return GROUPS[name]
    return frozenset({name}) if name in _countries() else None
