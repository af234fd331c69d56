"""PUE: from the energy of nodes to the energy of their facility, once."""

from __future__ import annotations

import math

from lowtide.errors import BoundaryError, InputError
from lowtide.series.types import PowerSeries

__all__ = ["check_pue", "to_facility"]


def check_pue(pue: float) -> float:
    """Return `pue`, refusing what no facility can have.

    Raises
    ------
    InputError
        If it is below 1 (a facility draws at least what its nodes draw) or above 5.
    """
    if not (math.isfinite(pue) and 1.0 <= pue <= 5.0):
        raise InputError(
            f"pue {pue:g} cannot be: facility energy over node energy is 1.0 to 3, usually 1.05 to 1.6"
        )
    return pue


def to_facility(power: PowerSeries, pue: float) -> PowerSeries:
    """Return the facility's power for a node's [W].

    Raises
    ------
    BoundaryError
        If the series is not at the node: PUE would be applied twice, or to a part of a node.
    """
    if power.boundary == "facility":
        raise BoundaryError("this power is the facility's already; PUE applies to a node, once")
    if power.boundary != "node":
        raise BoundaryError(
            f"PUE applies to a node, this power is at boundary {power.boundary!r}; add the rest of the node first"
        )
    return power.scaled(check_pue(pue), boundary="facility")
