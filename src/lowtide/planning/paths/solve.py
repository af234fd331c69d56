"""Relax, guess, rule out, label: the exact cheapest path of an exact length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowtide.planning.paths.compiling import worth_compiling
from lowtide.planning.paths.graph import Graph
from lowtide.planning.paths.labels import Join, Ledger, Limits, best_join, label
from lowtide.planning.paths.relax import Relaxation, Sweeper, Tree, cheapest_path, relax
from lowtide.planning.window import BoolArray
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Path", "solve"]

_PASSES = 30
"""Passes over all arcs of one solution, for the decision to compile."""
_GUESSES = 5
"""Prices, nearest to the best one, whose trees are joined to guess a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path that does exactly the work.

    Attributes
    ----------
    cost : float
    bound : float
        No path costs less; equal to `cost` where the path is proved optimal.
    before, after : tuple of int
        Plain arcs in order of time, on either side of the flexible one.
    flexible : int or None
    work : int
        Work done on the flexible arc [ns].
    """

    cost: float
    bound: float
    before: tuple[int, ...]
    flexible: int | None
    work: int
    after: tuple[int, ...]


def solve(graph: Graph, work_ns: int, *, most_at_node: int = 20_000, fast: bool | None = None) -> Path | int:
    """Return the cheapest path that does exactly `work_ns`, or the most work that can be done.

    Parameters
    ----------
    graph : Graph
    work_ns : int
        W [ns at throughput 1].
    most_at_node : int
        Labels kept at a node; beyond it the answer may be inexact, which its bound then says.
    fast : bool, optional
        Whether to compile the loops; None compiles where the work is large. The answer is the same.

    Returns
    -------
    Path or int
        The work that can be done at most [ns], where that is less than `work_ns`.
    """
    if fast is None:
        fast = worth_compiling(_PASSES * len(graph.plain.tail))
    sweeper = Sweeper(graph, fast=fast)
    relaxation = relax(sweeper, work_ns)
    if isinstance(relaxation, int):
        return relaxation
    tolerance = 2e-13 * float(np.abs(graph.plain.cost).max(initial=0.0)) * len(graph.plain.cost) ** 0.5
    tolerance = max(tolerance, 1e-14 * abs(relaxation.bound))
    guess = _guess(sweeper, relaxation, work_ns)
    ceiling = guess.cost + 4 * tolerance if guess else np.inf
    limits = Limits(most_at_node)
    found = _label(graph, relaxation, work_ns, ceiling, tolerance, limits)
    if found is None or (guess is not None and guess.cost < found.cost - tolerance):
        assert guess is not None, "a path exists, so the labels or the guess hold one"
        found = guess
    bound = min(found.cost, max(relaxation.bound, min(limits.least_dropped, found.cost)))
    return Path(
        cost=found.cost, bound=bound, before=found.before, flexible=found.flexible,
        work=found.work, after=found.after,
    )  # fmt: skip


def _arc_bounds(
    relaxation: Relaxation, tail: IntArray, head: IntArray, work_ns: int, cost_at: list[FloatArray]
) -> FloatArray:
    """Return, for each arc, the best lower bound over all prices of any path through it."""
    bound = np.full(len(tail), -np.inf)
    for i, price in enumerate(relaxation.price):
        ways = relaxation.to_node[i].value[tail] + relaxation.from_node[i].value[head]
        bound = np.maximum(bound, ways + cost_at[i] + price * work_ns)
    return bound


def _open_arcs(
    graph: Graph, relaxation: Relaxation, work_ns: int, ceiling: float
) -> tuple[BoolArray, BoolArray]:
    """Return which plain and which flexible arcs a path under the ceiling may use."""
    plain, flexible = graph.plain, graph.flexible
    costs = [plain.cost - price * plain.work for price in relaxation.price]
    least = [
        flexible.cost + np.minimum((flexible.rate - p) * flexible.low, (flexible.rate - p) * flexible.high)
        for p in relaxation.price
    ]
    of_plain = _arc_bounds(relaxation, plain.tail, plain.head, work_ns, costs)
    of_flexible = _arc_bounds(relaxation, flexible.tail, flexible.head, work_ns, least)
    return plain.usable & (of_plain <= ceiling), of_flexible <= ceiling


def _groups(nodes: IntArray, arcs: IntArray) -> list[tuple[int, list[int]]]:
    """Return (node, its arcs) in the order of sorted `nodes`."""
    if not len(nodes):
        return []
    starts = np.flatnonzero(np.concatenate(([True], nodes[1:] != nodes[:-1])))
    pieces = np.split(arcs, starts[1:])
    return [(int(nodes[s]), piece.tolist()) for s, piece in zip(starts, pieces, strict=True)]


def _label(
    graph: Graph, relaxation: Relaxation, work_ns: int, ceiling: float, tolerance: float, limits: Limits
) -> Path | None:
    """Return the best path under the ceiling by labels from both ends, None where there is none."""
    plain, flexible = graph.plain, graph.flexible
    open_plain, open_flexible = _open_arcs(graph, relaxation, work_ns, ceiling)
    arcs = np.flatnonzero(open_plain)
    back = arcs[np.argsort(-plain.tail[arcs], kind="stable")]
    price = relaxation.price[:, None]
    to_node = np.stack([tree.value for tree in relaxation.to_node])
    from_node = np.stack([tree.value for tree in relaxation.from_node])

    def from_source(node: int, work: IntArray, cost: FloatArray) -> FloatArray:
        rest = from_node[:, node, None] + price * (work_ns - work)
        return np.asarray(rest.max(axis=0) + cost)

    def from_sink(node: int, work: IntArray, cost: FloatArray) -> FloatArray:
        rest = to_node[:, node, None] + price * (work_ns - work)
        return np.asarray(rest.max(axis=0) + cost)

    sink = graph.n_nodes - 1
    backwards = label(
        plain, _groups(plain.tail[back], back), plain.head, sink, from_sink,
        ceiling=ceiling, tolerance=tolerance, limits=limits,
    )  # fmt: skip
    forwards = label(
        plain, _groups(plain.head[arcs], arcs), plain.tail, 0, from_source,
        ceiling=ceiling, tolerance=tolerance, limits=limits,
    )  # fmt: skip
    kept = np.flatnonzero(open_flexible)
    join = best_join(forwards, backwards, flexible, kept, sink=sink, work_ns=work_ns, tolerance=tolerance)
    return None if join is None else _path(graph, forwards, backwards, join)


def _path(graph: Graph, forwards: Ledger, backwards: Ledger, join: Join) -> Path:
    sink = graph.n_nodes - 1
    tail = sink if join.flexible is None else int(graph.flexible.tail[join.flexible])
    before = forwards.path(tail, join.before)[::-1]
    after: list[int] = []
    if join.flexible is not None:
        after = backwards.path(int(graph.flexible.head[join.flexible]), join.after)
    return Path(
        cost=join.cost, bound=-np.inf, before=tuple(before), flexible=join.flexible,
        work=join.work, after=tuple(after),
    )  # fmt: skip


def _guess(sweeper: Sweeper, relaxation: Relaxation, work_ns: int) -> Path | None:
    """Return the best path that joins, by one arc, a tree's way to its tail and a tree's way from its head."""
    graph = sweeper.graph
    near = range(max(0, len(relaxation.price) - _GUESSES), len(relaxation.price))
    price = [float(relaxation.price[i]) for i in near]
    to_node = [relaxation.to_node[i] for i in near]
    from_node = [relaxation.from_node[i] for i in near]
    if (~graph.plain.usable).sum() > 1:
        to_node = [sweeper.to_node(sweeper.weight(p, usable=True)) for p in price]
        from_node = [sweeper.from_node(sweeper.weight(p, usable=True)) for p in price]
    best: tuple[float, Tree, int, int, Tree] | None = None
    ways_to = [tree.value + p * tree.work for tree, p in zip(to_node, price, strict=True)]
    ways_from = [tree.value + p * tree.work for tree, p in zip(from_node, price, strict=True)]
    for to, cost_to in zip(to_node, ways_to, strict=True):
        for onward, cost_from in zip(from_node, ways_from, strict=True):
            cost, arc, work = _cheapest_join(graph, to, cost_to, onward, cost_from, work_ns)
            if np.isfinite(cost) and (best is None or cost < best[0]):
                best = cost, to, arc, work, onward
    return None if best is None else _guessed(graph, *best)


def _guessed(graph: Graph, cost: float, to: Tree, arc: int, work: int, onward: Tree) -> Path:
    """Return the path of a join; `arc` counts the plain arcs first and then the flexible ones."""
    n_plain = len(graph.plain.tail)
    arcs, i = (graph.plain, arc) if arc < n_plain else (graph.flexible, arc - n_plain)
    before = cheapest_path(to, int(arcs.tail[i]), ends=graph.plain.tail)[::-1]
    after = cheapest_path(onward, int(arcs.head[i]), ends=graph.plain.head)
    flexible = None if arc < n_plain else i
    if flexible is None:
        before.append(i)
    return Path(
        cost=cost, bound=-np.inf, before=tuple(before), flexible=flexible, work=work, after=tuple(after)
    )


def _cheapest_join(
    graph: Graph, to: Tree, cost_to: FloatArray, onward: Tree, cost_from: FloatArray, work_ns: int
) -> tuple[float, int, int]:
    """Return (cost, arc, work on it) of the cheapest join of two trees by one arc; inf where none fits."""
    plain, flexible = graph.plain, graph.flexible
    missing = work_ns - to.work[plain.tail] - onward.work[plain.head] - plain.work
    fits = np.flatnonzero((missing == 0) & plain.usable)
    cost = cost_to[plain.tail[fits]] + cost_from[plain.head[fits]] + plain.cost[fits]
    missing = work_ns - to.work[flexible.tail] - onward.work[flexible.head]
    bends = np.flatnonzero((missing > flexible.low) & (missing < flexible.high))
    bent = cost_to[flexible.tail[bends]] + cost_from[flexible.head[bends]]
    bent = bent + flexible.cost[bends] + flexible.rate[bends] * missing[bends]
    costs = np.concatenate((cost, bent))
    if not len(costs):
        return np.inf, 0, 0
    i = int(np.argmin(costs))
    if i < len(fits):
        return float(costs[i]), int(fits[i]), 0
    f = int(bends[i - len(fits)])
    return float(costs[i]), len(plain.tail) + f, int(missing[f])
