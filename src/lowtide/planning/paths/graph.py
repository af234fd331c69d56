"""A graph in time whose arcs do work at a cost.

Nodes are numbered in order of time: every arc leads from a lower to a higher number, node 0 is the source
and the last node the sink. A *plain* arc does a fixed amount of work; a *flexible* arc does any amount
between two limits at a constant price per unit. The problem is

    the cheapest path from source to sink that does exactly W, using at most one flexible arc,

and among equally cheap ones that of the least `tie`. At most one flexible arc is no restriction: for a
fixed choice of arcs the amounts are a linear program with one equality, which has an optimal solution with
all amounts but one at their limits, and what an arc does at its limits plain arcs do as well or better
(``docs/explanation/planning.md`` says where and why).
"""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.window import BoolArray

__all__ = ["TIE_MOVE", "TIE_PAUSE", "TIE_START", "Flexible", "Graph", "Plain"]

TIE_START = 1 << 40
"""One step later of the first start outweighs every pause."""
TIE_PAUSE = 1 << 20
"""One pause outweighs every move."""
TIE_MOVE = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plain:
    """Arcs that do a fixed amount of work, all arrays of shape (n_arcs,).

    Attributes
    ----------
    tail, head : int64 arrays
        From node, to node; sorted by `head`.
    work : int64 array
        Work done [ns at throughput 1].
    cost : float64 array
        Any unit, the same as in :class:`Flexible`.
    tie : int64 array
        What decides between equal costs: sums of :data:`TIE_START`, :data:`TIE_PAUSE`, :data:`TIE_MOVE`.
    usable : bool array
        False for arcs that only the relaxation may use: what flexible arcs do at their limits, where no
        usable arc does the same. A path with a flexible arc is a mixture of two paths with its limits, so
        the bounds hold for it only because those are there.
    """

    tail: IntArray
    head: IntArray
    work: IntArray
    cost: FloatArray
    tie: IntArray
    usable: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flexible:
    """Arcs that do any amount of work strictly between two limits, all arrays of shape (n_flexible,).

    Attributes
    ----------
    tail, head : int64 arrays
    low, high : int64 arrays
        Limits of the work [ns at throughput 1].
    cost : float64 array
        Cost at no work at all (extrapolated, where `low` is above 0).
    rate : float64 array
        Further cost per nanosecond of work.
    tie : int64 array
    """

    tail: IntArray
    head: IntArray
    low: IntArray
    high: IntArray
    cost: FloatArray
    rate: FloatArray
    tie: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """The problem's graph.

    Attributes
    ----------
    n_nodes : int
    dominated : bool
        Whether no unusable arc ever makes a path cheaper than usable ones can.
    plain : Plain
    flexible : Flexible
    """

    n_nodes: int
    dominated: bool
    plain: Plain
    flexible: Flexible
