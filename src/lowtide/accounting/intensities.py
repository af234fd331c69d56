"""The signals that energy is billed with."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.series.types import IntensitySeries

__all__ = ["Intensities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensities:
    """The signals a run is billed with, each None where there is none."""

    location: IntensitySeries | None = None
    direct: IntensitySeries | None = None
    marginal: IntensitySeries | None = None
    market: IntensitySeries | None = None
