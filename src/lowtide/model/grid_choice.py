"""Which intensity something is to be billed or planned with, as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["GridChoice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChoice:
    """Which intensity a run is to be billed with, as asked for when it started.

    Attributes
    ----------
    zone : str or None
        None: energy is measured, emissions are unknown.
    zone_from : str or None
        Where the zone came from: ``flag``, ``LOWTIDE_ZONE``, a file's path.
    provider : str or None
        A named provider; None for the best there is.
    provider_from : str or None
        Where it was named. One that a flag names is not replaced by another provider.
    intensity : str or None
        A file's path or a constant [g/kWh], as given.
    basis, factors : str or None
        None: what the source says, average and lifecycle where it leaves the choice.
    market : str or None
        A file or constant for the market-based account.
    """

    zone: str | None = None
    zone_from: str | None = None
    provider: str | None = None
    provider_from: str | None = None
    intensity: str | None = None
    basis: Literal["average", "marginal"] | None = None
    factors: Literal["lifecycle", "direct"] | None = None
    market: str | None = None
