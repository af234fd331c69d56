"""The relaxation: with a price on work the problem is a shortest path, and any price gives a lower bound.

For a price ``l`` per unit of work let ``L(l) = min over paths (cost - l * work) + l * W``. No path that does
exactly W costs less (Lagrangian duality; the resource-constrained shortest path of Handler & Zang 1980), and
L is concave, so its maximum is found by intersecting two lines (Kelley's cutting planes in one dimension).
The last prices tried are kept: the cheapest ways *to* each node and *from* each node at a price bound every
path through any arc, which is how :mod:`~lowtide.planning.paths.reduce` rules almost all of them out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.paths.compiling import compiled
from lowtide.planning.paths.graph import Graph, Plain

__all__ = ["Relaxation", "Sweeper", "Tree", "relax"]

_MOST_PRICES: Final = 60
_LAST_PRICES: Final = 4
"""Prices that are kept: the last ones, nearest to the best, bound best."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """Cheapest ways between the source (or the sink) and every node, at one price.

    Attributes
    ----------
    price : float
        Cost per nanosecond of work.
    value : float64 array, shape (n_nodes,)
        Cost less price times work; inf where there is no way.
    work : int64 array, shape (n_nodes,)
        Work along that way [ns].
    step : int64 array, shape (n_nodes,)
        Which of the sweep's arcs is next to the node on it; -1 at the root and where there is no way.
    arc : int64 array
        What the sweep's arcs are called in the graph.
    ends : int64 array
        The other end of every arc of the graph, towards the root.
    """

    price: float
    value: FloatArray
    work: IntArray
    step: IntArray
    arc: IntArray
    ends: IntArray

    @property
    def cost(self) -> FloatArray:
        """Cost of the ways themselves."""
        return self.value + self.price * self.work

    def path(self, node: int) -> list[int]:
        """Return the arcs of the way to (or from) a node, from the node towards the root."""
        steps = self.step.tolist()
        found: list[int] = []
        while (step := steps[node]) >= 0:
            arc = self.arc.item(step)
            found.append(arc)
            node = self.ends.item(arc)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxation:
    """What the prices that were tried prove.

    Attributes
    ----------
    bound : float
        No path that does exactly W costs less.
    to_node, from_node : tuple of Tree, length n_prices
        The last ones are of the prices nearest to the best.
    """

    bound: float
    to_node: tuple[Tree, ...]
    from_node: tuple[Tree, ...]

    def with_prices(self, sweeper: Sweeper, prices: Iterable[float]) -> Relaxation:
        """Return it with further prices in front."""
        more = list(prices)
        return Relaxation(
            bound=self.bound,
            to_node=(*(sweeper.to_node(price) for price in more), *self.to_node),
            from_node=(*(sweeper.from_node(price) for price in more), *self.from_node),
        )


def _sweep(ends: Any, starts: Any, weight: Any, work: Any, value: Any, done: Any, step: Any) -> None:
    """Relax every arc once, in an order in which its start is final. One source for both ways to run it."""
    for a, (start, end, w) in enumerate(zip(starts, ends, weight)):  # noqa: B905 (not known when compiled)
        reached = value[start] + w
        if reached < value[end]:
            value[end] = reached
            done[end] = done[start] + work[a]
            step[end] = a


class _Direction:
    """The arcs of a graph in the order of one direction."""

    def __init__(self, ends: IntArray, starts: IntArray, arcs: Plain, order: IntArray, *, fast: bool) -> None:
        self.arc, self.starts = order, starts
        self.cost, self.work, self.usable = arcs.cost[order], arcs.work[order], arcs.usable[order]
        columns = (ends[order], starts[order], self.work)
        self.columns: list[Any] = [column if fast else column.tolist() for column in columns]


class Sweeper:
    """Finds the cheapest ways through a graph, forwards or backwards, at one price after another.

    Parameters
    ----------
    graph : Graph
    fast : bool
        Whether to compile the loop; else it runs over lists. The values are the same.
    """

    def __init__(self, graph: Graph, *, fast: bool) -> None:
        arcs = graph.plain
        self.graph, self.fast = graph, fast
        forwards, backwards = np.arange(len(arcs.tail)), np.argsort(arcs.tail, kind="stable")[::-1]
        self._forwards = _Direction(arcs.head, arcs.tail, arcs, forwards, fast=fast)
        self._backwards = _Direction(arcs.tail, arcs.head, arcs, backwards, fast=fast)

    def to_node(self, price: float, *, usable: bool = False) -> Tree:
        """Return the cheapest ways from the source to every node, over usable arcs alone if asked."""
        return self._tree(self._forwards, price, 0, usable=usable)

    def from_node(self, price: float, *, usable: bool = False) -> Tree:
        """Return the cheapest ways from every node to the sink, over usable arcs alone if asked."""
        return self._tree(self._backwards, price, self.graph.n_nodes - 1, usable=usable)

    def most_work(self) -> tuple[float, int]:
        """Return (cost, work) of a path that does the most work, cheap or not; work -1 without any path."""
        way = self._forwards
        weight = np.where(way.usable, -way.work.astype(np.float64), np.inf)
        tree = self._swept(way, weight, 0.0, 0)
        if not np.isfinite(tree.value[-1]):
            return 0.0, -1
        path = tree.path(self.graph.n_nodes - 1)
        return float(self.graph.plain.cost[path].sum()), int(tree.work[-1])

    def _tree(self, way: _Direction, price: float, root: int, *, usable: bool) -> Tree:
        weight = way.cost - price * way.work
        return self._swept(way, np.where(way.usable, weight, np.inf) if usable else weight, price, root)

    def _swept(self, way: _Direction, weight: FloatArray, price: float, root: int) -> Tree:
        n = self.graph.n_nodes
        value, done = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
        step = np.full(n, -1, dtype=np.int64)
        value[root] = 0.0
        ends, starts, work = way.columns
        if self.fast:
            compiled(_sweep)(ends, starts, weight, work, value, done, step)
        else:
            lists = [a.tolist() for a in (weight, value, done, step)]
            _sweep(ends, starts, lists[0], work, *lists[1:])
            value, done, step = np.array(lists[1]), np.array(lists[2]), np.array(lists[3])
        return Tree(price=price, value=value, work=done, step=step, arc=way.arc, ends=way.starts)


@dataclass(slots=True)
class _Line:
    """A path as a line in the price: it costs ``cost + price * (W - work)`` relaxed."""

    cost: float
    work: int


def relax(sweeper: Sweeper, work_ns: int) -> Relaxation | int:
    """Return the best lower bound, and the cheapest ways at the last prices that were tried.

    Parameters
    ----------
    sweeper : Sweeper
    work_ns : int
        W [ns at throughput 1].

    Returns
    -------
    Relaxation or int
        The most work any path does [ns], where that is less than `work_ns`; -1 without any path.

    Notes
    -----
    Cost: O(n_arcs) a price; ten to fifteen prices are usual. It ends because L is piecewise linear: every
    price either is optimal or finds a path not seen before.
    """
    little, much = _Line(0.0, 0), _busy(sweeper, work_ns)
    if much.work < work_ns:
        return much.work
    trees: list[Tree] = []
    bound = -np.inf
    for _ in range(_MOST_PRICES):
        price = (much.cost - little.cost) / (much.work - little.work)
        trees.append(tree := sweeper.to_node(price))
        line = _Line(float(tree.value[-1]) + price * int(tree.work[-1]), int(tree.work[-1]))
        at_best = float(tree.value[-1]) + price * work_ns
        bound = max(bound, at_best)
        expected = little.cost + price * (work_ns - little.work)
        if line.work == work_ns or at_best >= expected - 1e-13 * (abs(expected) + abs(price) * work_ns):
            break
        little, much = (line, much) if line.work < work_ns else (little, line)
    last = trees[-_LAST_PRICES:]
    back = tuple(sweeper.from_node(tree.price) for tree in last)
    return Relaxation(bound=bound, to_node=tuple(last), from_node=back)


def _busy(sweeper: Sweeper, work_ns: int) -> _Line:
    """Return the line of a path that does at least `work_ns`, or else the most that can be done."""
    arcs = sweeper.graph.plain
    rates = np.abs(arcs.cost[arcs.work > 0] / arcs.work[arcs.work > 0])
    price = 4.0 * float(rates.max(initial=0.0)) + 1e-12
    tree = sweeper.to_node(price, usable=True)
    if np.isfinite(tree.value[-1]) and tree.work[-1] >= work_ns:
        return _Line(float(tree.value[-1]) + price * int(tree.work[-1]), int(tree.work[-1]))
    return _Line(*sweeper.most_work())
