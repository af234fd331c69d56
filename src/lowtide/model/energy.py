"""Boundaries: what a watt or a kilowatt-hour contains."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["BOUNDARIES", "Boundary"]

Boundary = Literal["chip", "gpu", "components", "node", "facility"]
"""``chip`` a die; ``gpu`` whole accelerator boards; ``components`` CPU + memory + GPU; ``node`` the
whole machine at its plug; ``facility`` the node with its share of cooling and power distribution."""

BOUNDARIES: Final[tuple[Boundary, ...]] = ("chip", "gpu", "components", "node", "facility")
