"""Ranges that say where they come from.

Every source of error is a 90 % interval of its own part; the parts are taken as independent and their
deviations add in quadrature, below and above apart because models err more upwards than downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Deviation", "combine", "scale_to"]


class Deviation(NamedTuple):
    """How far one source alone moves a figure, both numbers not negative, in the figure's unit."""

    source: str
    below: float
    above: float


def combine(value: float, deviations: Iterable[Deviation]) -> tuple[float, float]:
    """Return (low, high) around `value`; low never passes below 0.

    >>> combine(10.0, [Deviation("a", 3.0, 3.0), Deviation("b", 4.0, 4.0)])
    (5.0, 15.0)
    """
    parts = list(deviations)
    below = math.sqrt(sum(d.below**2 for d in parts))
    above = math.sqrt(sum(d.above**2 for d in parts))
    return (max(0.0, value - below) if value >= 0.0 else value - below), value + above


def scale_to(deviations: Iterable[Deviation], factor: float) -> list[Deviation]:
    """Return the deviations times a factor of any sign (energy to grams at a mean intensity)."""
    scaled = []
    for source, below, above in deviations:
        low, high = below * abs(factor), above * abs(factor)
        scaled.append(Deviation(source, low, high) if factor >= 0.0 else Deviation(source, high, low))
    return scaled
