"""The relaxation: with a price on work the problem is a shortest path, and any price gives a lower bound.

For a price ``l`` per unit of work let ``L(l) = min over paths (cost - l * work) + l * W``. No path that does
exactly W costs less (Lagrangian duality; the resource-constrained shortest path of Handler & Zang 1980), and
L is concave, so its maximum is found by intersecting two lines (Kelley's cutting planes in one dimension).
Every price that was tried is kept: the cheapest ways *to* each node and *from* each node at that price bound
every path through any arc, which is how :mod:`~lowtide.planning.paths.labels` rules almost all of them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lowtide.planning.paths.compiling import compiled
from lowtide.planning.paths.graph import Graph, Plain
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Relaxation", "Tree", "cheapest_path", "relax", "tree_from", "tree_to"]

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


def _sweep(ends: Any, starts: Any, weight: Any, work: Any, value: Any, done: Any, arc: Any) -> None:
    """Relax every arc once, in an order in which its start is final. One source for both ways to run it."""
    for a, (start, end, w) in enumerate(zip(starts, ends, weight)):  # noqa: B905 (not known when compiled)
        reached = value[start] + w
        if reached < value[end]:
            value[end] = reached
            done[end] = done[start] + work[a]
            arc[end] = a


def _tree(
    arcs: Plain, order: IntArray | None, weight: FloatArray, root: int, n_nodes: int, fast: bool
) -> Tree:
    """Return the tree from `root`; `order` None follows the arcs, else it takes them backwards."""
    starts, ends, work = arcs.tail, arcs.head, arcs.work
    if order is not None:
        starts, ends, work, weight = arcs.head[order], arcs.tail[order], work[order], weight[order]
    value, done = np.full(n_nodes, np.inf), np.zeros(n_nodes, dtype=np.int64)
    arc = np.full(n_nodes, -1, dtype=np.int64)
    value[root] = 0.0
    if fast:
        compiled(_sweep)(ends, starts, weight, work, value, done, arc)
    else:
        lists = [a.tolist() for a in (ends, starts, weight, work, value, done, arc)]
        _sweep(*lists)
        value, done, arc = np.array(lists[4]), np.array(lists[5]), np.array(lists[6])
    if order is not None:
        arc = np.where(arc >= 0, order[arc], -1)
    return Tree(value=value, work=done, arc=arc)


def tree_to(graph: Graph, price: float, *, fast: bool, usable: bool = False) -> Tree:
    """Return the cheapest ways from the source to every node at a price.

    With `usable` only over arcs a path may use. Cost: O(n_arcs).
    """
    return _tree(graph.plain, None, _weight(graph.plain, price, usable), 0, graph.n_nodes, fast)


def tree_from(graph: Graph, price: float, *, fast: bool, usable: bool = False) -> Tree:
    """Return the cheapest ways from every node to the sink at a price. Cost: O(n_arcs log n_arcs)."""
    order = np.argsort(-graph.plain.tail, kind="stable")
    weight = _weight(graph.plain, price, usable)
    return _tree(graph.plain, order, weight, graph.n_nodes - 1, graph.n_nodes, fast)


def _weight(arcs: Plain, price: float, usable: bool) -> FloatArray:
    weight = arcs.cost - price * arcs.work
    return np.where(arcs.usable, weight, np.inf) if usable else weight


def cheapest_path(tree: Tree, node: int, *, ends: IntArray) -> list[int]:
    """Return the arcs of a tree's way to (or from) a node, from the node towards the root.

    Parameters
    ----------
    tree : Tree
    node : int
    ends : int64 array
        ``arcs.tail`` for a tree from the source, ``arcs.head`` for one from the sink.
    """
    found = []
    while (arc := int(tree.arc[node])) >= 0:
        found.append(arc)
        node = int(ends[arc])
    return found


def most_work(graph: Graph, *, fast: bool) -> int:
    """Return the most work any path does [ns]; a job of more is infeasible."""
    weight = np.where(graph.plain.usable, -graph.plain.work.astype(np.float64), np.inf)
    tree = _tree(graph.plain, None, weight, 0, graph.n_nodes, fast)
    return int(tree.work[-1]) if np.isfinite(tree.value[-1]) else -1


@dataclass(slots=True)
class _Line:
    """A path as a line in the price: it costs ``cost + price * (W - work)`` relaxed."""

    cost: float
    work: int


def relax(graph: Graph, work_ns: int, *, fast: bool) -> Relaxation:
    """Return the best lower bound, and the trees at every price that was tried on the way.

    Parameters
    ----------
    graph : Graph
        With a path that does at least `work_ns` (see :func:`most_work`).
    work_ns : int
        W [ns at throughput 1].
    fast : bool
        Whether to compile the loops.

    Notes
    -----
    Cost: O(n_arcs) a price; ten to fifteen prices are usual. It ends because L is piecewise linear: every
    price either is optimal or finds a path not seen before.
    """
    little, much = _Line(0.0, 0), _greatest(graph, fast)
    prices: list[float] = []
    trees: list[Tree] = []
    bound = -np.inf
    for _ in range(_MOST_PRICES):
        price = (much.cost - little.cost) / (much.work - little.work)
        tree = tree_to(graph, price, fast=fast)
        line = _Line(float(tree.value[-1]) + price * int(tree.work[-1]), int(tree.work[-1]))
        at_best = float(tree.value[-1]) + price * work_ns
        prices.append(price)
        trees.append(tree)
        bound = max(bound, at_best)
        expected = little.cost + price * (work_ns - little.work)
        if line.work == work_ns or at_best >= expected - 1e-13 * (abs(expected) + abs(price) * work_ns):
            break
        little, much = (line, much) if line.work < work_ns else (little, line)
    back = [tree_from(graph, price, fast=fast) for price in prices]
    return Relaxation(price=np.array(prices), bound=bound, to_node=tuple(trees), from_node=tuple(back))


def _greatest(graph: Graph, fast: bool) -> _Line:
    """Return the line of a path that does the most work, cheap or not."""
    arcs = graph.plain
    tree = _tree(arcs, None, -arcs.work.astype(np.float64), 0, graph.n_nodes, fast)
    path = cheapest_path(tree, graph.n_nodes - 1, ends=arcs.tail)
    return _Line(float(arcs.cost[path].sum()), int(tree.work[-1]))
