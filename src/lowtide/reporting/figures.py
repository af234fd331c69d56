"""Figures as people read them: three digits and a unit that fits."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["data_size", "energy", "grams", "intensity", "percent", "plain_number", "range_of"]

_ENERGY: Final = ((1e6, "GWh"), (1e3, "MWh"), (1.0, "kWh"), (1e-3, "Wh"), (1e-6, "mWh"), (1e-9, "µWh"))
_GRAMS: Final = ((1e9, "kt"), (1e6, "t"), (1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"))
_BYTES: Final = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


def plain_number(value: float) -> str:
    """Return three significant digits without an exponent where that can be read.

    >>> plain_number(0.01234), plain_number(1234.5)
    ('0.0123', '1230')
    """
    if value == 0.0:
        return "0"
    rounded = float(f"{value:.2e}")  # first, because rounding may add a digit: 9.996 is 10.0
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, digits)}f}" if abs(rounded) < 1e6 else f"{rounded:.3g}"


def _scale(value: float, scales: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    rounded = abs(float(f"{value:.2e}"))  # 999.9 g is shown as 1.00 kg, not as 1000 g
    for factor, unit in scales:
        if rounded >= factor:
            return factor, unit
    return scales[-1]


def energy(kwh: float) -> str:
    """Return an energy from kilowatt-hours.

    >>> energy(0.00193)
    '1.93 Wh'
    """
    factor, unit = _scale(kwh, _ENERGY)
    return f"{plain_number(kwh / factor)} {unit}"


def grams(g: float) -> str:
    """Return a mass of CO2e from grams.

    >>> grams(552_100_000), grams(0.0)
    ('552 t', '0 g')
    """
    if g == 0.0:
        return "0 g"
    factor, unit = _scale(g, _GRAMS)
    return f"{plain_number(g / factor)} {unit}"


def intensity(g_per_kwh: float) -> str:
    """Return an intensity in whole grams, or three digits where grams are few.

    >>> intensity(433.12), intensity(4.127)
    ('433 g/kWh', '4.13 g/kWh')
    """
    return f"{g_per_kwh:.0f} g/kWh" if abs(g_per_kwh) >= 99.5 else f"{plain_number(g_per_kwh)} g/kWh"


def data_size(n_bytes: float) -> str:
    """Return an amount of data in binary units.

    >>> data_size(25_274_793_984), data_size(0)
    ('23.5 GiB', '0 B')
    """
    factor, unit = _scale(n_bytes, _BYTES)
    return f"{plain_number(n_bytes / factor)} {unit}"


def range_of(value: float, low: float, high: float, *, of: str) -> str:
    """Return ``value unit (low to high)`` with one unit for all three; `of` is ``energy`` or ``grams``.

    A range without width is none, and is left out.

    >>> range_of(0.0111, 0.0048, 0.0177, of="energy"), range_of(2.0, 2.0, 2.0, of="grams")
    ('11.1 Wh (4.80 to 17.7)', '2.00 g')
    """
    if value == low == high == 0.0:
        return "0 Wh" if of == "energy" else "0 g"
    factor, unit = _scale(value, _ENERGY if of == "energy" else _GRAMS)
    text = f"{plain_number(value / factor)} {unit}"
    if low == high:
        return text
    return f"{text} ({plain_number(low / factor)} to {plain_number(high / factor)})"


def percent(fraction: float, *, signed: bool = False) -> str:
    """Return a fraction as a percentage with a decimal only where it says something.

    >>> percent(0.2731), percent(-0.012, signed=True), percent(-1e-9, signed=True)
    ('27 %', '-1.2 %', '0 %')
    """
    value = fraction * 100.0
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    if abs(value) >= 10.0 or text.endswith(".0"):
        text = f"{value:+.0f}" if signed else f"{value:.0f}"
    return "0 %" if text in ("+0", "-0") else f"{text} %"
