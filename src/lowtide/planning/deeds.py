"""What the arcs of a network stand for, and how they are collected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lowtide.arrays import IntArray

if TYPE_CHECKING:
    from lowtide.planning.paths.graph import Graph

__all__ = ["DEEDS", "FLEXIBLE", "PLAIN", "Deed", "Deeds", "Network", "Rows", "State"]

PLAIN: Final = ("tail", "head", "work", "cost", "tie", "usable")
FLEXIBLE: Final = ("tail", "head", "low", "high", "cost", "rate", "tie")
DEEDS: Final = ("kind", "cell", "site", "to_site", "point", "other_point")
"""Columns of plain arcs, of flexible ones, and of what either stand for."""
_REAL: Final = ("cost", "rate")


class Deed(IntEnum):
    """What one arc stands for.

    ``LIMIT`` is for the relaxation only: what a flexible arc does at a limit, or the empty path. ``STOP`` and
    ``SHARE`` are flexible: run for part of a cell and then be off, or be done; share a cell between two points.
    """

    RUN = 0
    IDLE = 1
    RESUME = 2
    MOVE = 3
    FINISH = 4
    LIMIT = 5
    STOP = 6
    SHARE = 7


class State(IntEnum):
    """What a job is at an edge: running until now, paused, or just resumed; in the order of their nodes."""

    ON = 0
    OFF = 1
    WARM = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deeds:
    """What arcs stand for, all arrays of shape (n_arcs,).

    Attributes
    ----------
    row : int64 array
        Where each arc of the graph is found in the others.
    kind : int64 array
    cell : int64 array
        The cell, or for a resume or move the edge at which it begins to resume.
    site, to_site : int64 arrays
    point, other_point : int64 arrays
        Positions in the site's menu.
    """

    row: IntArray
    kind: IntArray
    cell: IntArray
    site: IntArray
    to_site: IntArray
    point: IntArray
    other_point: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A graph and what its arcs mean."""

    graph: Graph
    plain: Deeds
    flexible: Deeds


class Rows:
    """Collects arcs in blocks; a scalar stands for itself in every row of its block."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, dict[str, Any]]] = []

    def add(self, n: int, **columns: Any) -> None:
        """Add a block of `n` rows."""
        if n:
            self.blocks.append((n, columns))

    def column(self, name: str, default: int = 0) -> npt.NDArray[Any]:
        """Return a whole column; blocks that lack it have `default`."""
        dtype = np.float64 if name in _REAL else np.int64
        if not self.blocks:
            return np.empty(0, dtype=dtype)
        parts = [np.broadcast_to(np.asarray(b.get(name, default), dtype=dtype), n) for n, b in self.blocks]
        return np.concatenate(parts)
