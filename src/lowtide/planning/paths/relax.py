"""The relaxation: with a price on work the problem is a shortest path, and any price gives a lower bound.

For a price ``l`` per unit of work let ``L(l) = min over paths (cost - l * work) + l * W``. No path that does
exactly W costs less (Lagrangian duality; the resource-constrained shortest path of Handler & Zang 1980), and
L is concave, so its maximum is found by intersecting two lines (Kelley's cutting planes in one dimension).
Every price that was tried is kept: the cheapest ways *to* each node and *from* each node at that price bound
every path through any arc, which is how :mod:`~lowtide.planning.paths.labels` rules almost all of them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowtide.planning.paths.compiling import compiled
from lowtide.planning.paths.graph import Graph
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Relaxation", "Sweeper", "Tree", "cheapest_path", "relax"]

_MOST_PRICES = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """Cheapest ways between the source (or the sink) and every node, at one price.

    Attributes
    ----------
    value : float64 array, shape (n_nodes,)
        Cost less price times work; inf where there is no way.
    work : int64 array, shape (n_nodes,)
        Work along that way [ns].
    arc : int64 array, shape (n_nodes,)
        The arc next to the node on it; -1 at the root and where there is no way.
    """

    value: FloatArray
    work: IntArray
    arc: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxation:
    """What the prices that were tried prove.

    Attributes
    ----------
    price : float64 array, shape (n_prices,)
        Cost per nanosecond of work; the last one gives the best bound.
    bound : float
        No path that does exactly W costs less.
    to_node, from_node : tuple of Tree, length n_prices
    """

    price: FloatArray
    bound: float
    to_node: tuple[Tree, ...]
    from_node: tuple[Tree, ...]

    def only(self, which: Iterable[int]) -> Relaxation:
        """Return some of its prices."""
        kept = list(which)
        return Relaxation(
            price=self.price[kept],
            bound=self.bound,
            to_node=tuple(self.to_node[i] for i in kept),
            from_node=tuple(self.from_node[i] for i in kept),
        )

    def and_prices(self, sweeper: Sweeper, prices: Sequence[float]) -> Relaxation:
        """Return it with further prices in front, the best one still last."""
        weights = [sweeper.weight(price) for price in prices]
        return Relaxation(
            price=np.concatenate((prices, self.price)),
            bound=self.bound,
            to_node=(*(sweeper.to_node(weight) for weight in weights), *self.to_node),
            from_node=(*(sweeper.from_node(weight) for weight in weights), *self.from_node),
        )


def _sweep(ends: Any, starts: Any, weight: Any, work: Any, value: Any, done: Any, arc: Any) -> None:
    """Relax every arc once, in an order in which its start is final. One source for both ways to run it."""
    for a, (start, end, w) in enumerate(zip(starts, ends, weight)):  # noqa: B905 (not known when compiled)
        reached = value[start] + w
        if reached < value[end]:
            value[end] = reached
            done[end] = done[start] + work[a]
            arc[end] = a


class Sweeper:
    """Relaxes all arcs of a graph forwards or backwards, at one price after another.

    Parameters
    ----------
    graph : Graph
    fast : bool
        Whether to compile the loop; else it runs over lists. The values are the same.
    """

    def __init__(self, graph: Graph, *, fast: bool) -> None:
        arcs = graph.plain
        self.graph, self.fast = graph, fast
        self.back = np.argsort(arcs.tail, kind="stable")[::-1]
        forward, back = (arcs.head, arcs.tail, arcs.work), (arcs.tail, arcs.head, arcs.work)
        self.forward = [self._form(a) for a in forward]
        self.backward = [self._form(a[self.back]) for a in back]

    def _form(self, array: Any) -> Any:
        return np.ascontiguousarray(array) if self.fast else array.tolist()

    def to_node(self, weight: FloatArray) -> Tree:
        """Return the cheapest ways from the source to every node. Cost: O(n_arcs)."""
        return self._tree(self.forward, weight, 0)

    def from_node(self, weight: FloatArray) -> Tree:
        """Return the cheapest ways from every node to the sink. Cost: O(n_arcs)."""
        tree = self._tree(self.backward, weight[self.back], self.graph.n_nodes - 1)
        return Tree(value=tree.value, work=tree.work, arc=np.where(tree.arc >= 0, self.back[tree.arc], -1))

    def _tree(self, columns: list[Any], weight: FloatArray, root: int) -> Tree:
        ends, starts, work = columns
        value, done = np.full(self.graph.n_nodes, np.inf), np.zeros(self.graph.n_nodes, dtype=np.int64)
        arc = np.full(self.graph.n_nodes, -1, dtype=np.int64)
        value[root] = 0.0
        if self.fast:
            compiled(_sweep)(ends, starts, weight, work, value, done, arc)
            return Tree(value=value, work=done, arc=arc)
        lists = [a.tolist() for a in (weight, value, done, arc)]
        _sweep(ends, starts, lists[0], work, *lists[1:])
        return Tree(value=np.array(lists[1]), work=np.array(lists[2]), arc=np.array(lists[3]))

    def weight(self, price: float, *, usable: bool = False) -> FloatArray:
        """Return cost less price times work of every arc, inf for unusable ones where that is asked."""
        arcs = self.graph.plain
        weight = arcs.cost - price * arcs.work
        return np.where(arcs.usable, weight, np.inf) if usable else weight

    def least_weight(self) -> FloatArray:
        """Return weights whose cheapest path does the most work."""
        arcs = self.graph.plain
        return np.where(arcs.usable, -arcs.work.astype(np.float64), np.inf)


def cheapest_path(tree: Tree, node: int, *, ends: IntArray) -> list[int]:
    """Return the arcs of a tree's way to (or from) a node, from the node towards the root.

    Parameters
    ----------
    tree : Tree
    node : int
    ends : int64 array
        ``tail`` of the arcs for a tree from the source, ``head`` for one from the sink.
    """
    arcs = tree.arc.tolist()
    found: list[int] = []
    while (arc := arcs[node]) >= 0:
        found.append(arc)
        node = ends.item(arc)
    return found


@dataclass(slots=True)
class _Line:
    """A path as a line in the price: it costs ``cost + price * (W - work)`` relaxed."""

    cost: float
    work: int


def relax(sweeper: Sweeper, work_ns: int) -> Relaxation | int:
    """Return the best lower bound, and the trees at every price that was tried on the way.

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
    little, much = _Line(0.0, 0), _most_work(sweeper)
    if much.work < work_ns:
        return much.work
    prices: list[float] = []
    trees: list[Tree] = []
    bound = -np.inf
    for _ in range(_MOST_PRICES):
        price = (much.cost - little.cost) / (much.work - little.work)
        tree = sweeper.to_node(sweeper.weight(price))
        line = _Line(float(tree.value[-1]) + price * int(tree.work[-1]), int(tree.work[-1]))
        at_best = float(tree.value[-1]) + price * work_ns
        prices.append(price)
        trees.append(tree)
        bound = max(bound, at_best)
        expected = little.cost + price * (work_ns - little.work)
        if line.work == work_ns or at_best >= expected - 1e-13 * (abs(expected) + abs(price) * work_ns):
            break
        little, much = (line, much) if line.work < work_ns else (little, line)
    back = [sweeper.from_node(sweeper.weight(price)) for price in prices]
    return Relaxation(price=np.array(prices), bound=bound, to_node=tuple(trees), from_node=tuple(back))


def _most_work(sweeper: Sweeper) -> _Line:
    """Return the line of a path that does the most work, cheap or not."""
    arcs = sweeper.graph.plain
    tree = sweeper.to_node(sweeper.least_weight())
    if not np.isfinite(tree.value[-1]):
        return _Line(0.0, -1)
    path = cheapest_path(tree, sweeper.graph.n_nodes - 1, ends=arcs.tail)
    return _Line(float(arcs.cost[path].sum()), int(tree.work[-1]))
