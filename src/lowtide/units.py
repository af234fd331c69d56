"""Constants and named conversions. Nothing else in lowtide may convert a unit.

Energy inside is joules or kilowatt-hours, power watts, intensity grams of CO2e per kilowatt-hour,
emissions grams of CO2e, time int64 nanoseconds since 1970-01-01T00:00Z.

>>> g_from_j_and_intensity(1000.0 * 3600.0, 400.0)  # 1 kW for an hour at 400 g/kWh
400.0
"""

from __future__ import annotations

from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_H: Final = 3600 * NS_PER_S
S_PER_H: Final = 3600.0
H_PER_YEAR: Final = 8760.0
"""Hours in a common year [h], the denominator of embodied shares (SCI, BLOOM)."""
J_PER_KWH: Final = 3.6e6
G_PER_LB: Final = 453.59237
"""Grams in an avoirdupois pound, exact (1959 agreement)."""


def kwh_from_j(energy_j: float) -> float:
    """Return kilowatt-hours from joules."""
    return energy_j / J_PER_KWH


def j_from_kwh(energy_kwh: float) -> float:
    """Return joules from kilowatt-hours."""
    return energy_kwh * J_PER_KWH


def g_from_j_and_intensity(energy_j: float, intensity_g_per_kwh: float) -> float:
    """Return grams from joules at one intensity [g/kWh]."""
    return energy_j * intensity_g_per_kwh / J_PER_KWH


def g_per_kwh_from_lb_per_mwh(intensity_lb_per_mwh: float) -> float:
    """Return g/kWh from lb/MWh (WattTime, eGRID): one lb/MWh is 0.45359237 g/kWh."""
    return intensity_lb_per_mwh * G_PER_LB / 1000.0


def s_from_ns(duration_ns: int) -> float:
    """Return seconds from a *duration* in nanoseconds (never from an epoch stamp)."""
    return duration_ns / NS_PER_S


def ns_from_s(duration_s: float) -> int:
    """Return whole nanoseconds from seconds."""
    return round(duration_s * NS_PER_S)


def h_from_ns(duration_ns: int) -> float:
    """Return hours from a duration in nanoseconds."""
    return duration_ns / NS_PER_H
