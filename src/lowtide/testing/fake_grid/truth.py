"""What the fakes tell: intensity and generation as functions of place and time, the same in every run."""

from __future__ import annotations

import math
from zlib import crc32

from lowtide.quantities import format_instant
from lowtide.units import NS_PER_H

__all__ = ["generation_mw", "intensity_g_per_kwh", "naive", "stamp", "steps_ns"]

_LARGEST_MW = {
    "coal": 3000,
    "gas": 9000,
    "hydro": 2500,
    "nuclear": 2200,
    "solar": 11000,
    "storage": 1500,
    "wind": 4000,
}


def intensity_g_per_kwh(place: str, t_ns: int) -> int:
    """Return the intensity of a place at an instant: a day's wave on a level of its own, whole grams."""
    level = 250 + crc32(place.encode()) % 200
    hour = t_ns / NS_PER_H
    return round(level + 120 * math.sin(hour * math.pi / 12) + 30 * math.sin(hour * math.pi / 84))


def generation_mw(place: str, fuel: str, t_ns: int) -> int:
    """Return the generation of a fuel at an instant; storage charges by day, solar uses a little by night."""
    hour = t_ns / NS_PER_H
    wave = math.sin((hour + crc32(f"{place} {fuel}".encode()) % 24) * math.pi / 12)
    if fuel == "nuclear":
        return _LARGEST_MW[fuel]
    if fuel == "solar":
        return round(_LARGEST_MW[fuel] * wave) if wave > 0.0 else -5
    if fuel == "storage":
        return round(_LARGEST_MW[fuel] * wave)
    return round(_LARGEST_MW[fuel] * (0.6 + 0.4 * wave))


def steps_ns(start_ns: int, end_ns: int, step_ns: int) -> range:
    """Return the starts of the steps in ``[start, end)``."""
    return range(-(-start_ns // step_ns) * step_ns, end_ns, step_ns)


def stamp(t_ns: int, style: str = "ms") -> str:
    """Return an instant as services write it: ``ms``, ``s``, ``offset`` or ``minute``."""
    whole = format_instant(t_ns)
    return {
        "ms": f"{whole[:23]}Z",
        "s": f"{whole[:19]}Z",
        "offset": f"{whole[:19]}+00:00",
        "minute": f"{whole[:16]}Z",
    }[style]


def naive(t_ns: int, offset_h: int) -> str:
    """Return an instant as local time of an offset, without saying so."""
    return format_instant(t_ns + offset_h * NS_PER_H)[:19]
