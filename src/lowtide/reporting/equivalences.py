"""Grams as things people know, each with the year and the source of its figure.

For the reader's feeling, never for arithmetic: the things named have ranges of their own.
"""

from __future__ import annotations

from typing import Final

from lowtide.data.factors import Equivalence, equivalence
from lowtide.reporting.figures import grams, plain_number

__all__ = ["equivalence_lines"]

_ALWAYS: Final = (("phone_charge", "US"), ("car_km", "EU"), ("car_km", "US"))
_WHEN_LARGE: Final = (
    ("flight_paris_london", "EU"),
    ("flight_new_york_san_francisco", "US"),
    ("home_year", "US"),
)
_NAMES: Final = {
    "flight_paris_london": "flights from Paris to London",
    "flight_new_york_san_francisco": "flights from New York to San Francisco",
}
_LARGE: Final = 0.1
_SMALL: Final = 0.001


def equivalence_lines(g: float) -> list[str]:
    """Return one line for each thing that `g` grams of CO2e are like.

    Parameters
    ----------
    g : float
        [g CO2e]. Nothing is like emissions of zero or less, which the marginal basis knows.

    Examples
    --------
    >>> equivalence_lines(1240.0)[0][:52]
    '100 x smartphone charge (US, 2024: 12.4 g each; US E'
    """
    if not g > 0.0:
        return []
    large = [e for e in _found(_WHEN_LARGE) if g >= _LARGE * e.g_per_unit]
    return [_line(g, e) for e in [*_found(_ALWAYS), *large]]


def _found(wanted: tuple[tuple[str, str], ...]) -> list[Equivalence]:
    return [equivalence(key, region=region) for key, region in wanted]


def _line(g: float, thing: Equivalence) -> str:
    number = g / thing.g_per_unit
    times = plain_number(number) if number >= _SMALL else f"less than {_SMALL:g}"
    unit = f"{_NAMES[thing.key]}, {thing.unit}" if thing.key in _NAMES else thing.unit
    each = f"{thing.region}, {thing.year}: {grams(thing.g_per_unit)} each"
    return f"{times} x {unit} ({each}; {thing.source})"
