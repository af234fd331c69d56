"""Relax, guess, rule out, label: the exact cheapest path of an exact length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowtide.planning.paths.compiling import worth_compiling
from lowtide.planning.paths.graph import Graph
from lowtide.planning.paths.labels import Join, Ledger, Limits, best_join, label
from lowtide.planning.paths.relax import Relaxation, Tree, cheapest_path, most_work, relax, tree_from, tree_to
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
    most_ns = most_work(graph, fast=fast)
    if most_ns < work_ns:
        return most_ns
    relaxation = relax(graph, work_ns, fast=fast)
    tolerance = 2e-13 * float(np.abs(graph.plain.cost).max(initial=0.0)) * len(graph.plain.cost) ** 0.5
    tolerance = max(tolerance, 1e-14 * abs(relaxation.bound))
    guess = _guess(graph, relaxation, work_ns, fast)
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


def _guess(graph: Graph, relaxation: Relaxation, work_ns: int, fast: bool) -> Path | None:
    """Return the best path that joins a tree's way to a flexible arc and a tree's way from it."""
    n = len(relaxation.price)
    near = list(range(max(0, n - _GUESSES), n))
    to_node = [relaxation.to_node[i] for i in near]
    from_node = [relaxation.from_node[i] for i in near]
    prices = relaxation.price[near]
    if (~graph.plain.usable).sum() > 1:
        to_node = [tree_to(graph, float(p), fast=fast, usable=True) for p in prices]
        from_node = [tree_from(graph, float(p), fast=fast, usable=True) for p in prices]
    best: tuple[float, Tree, int, int, Tree] | None = None
    for to, to_price in zip(to_node, prices, strict=True):
        for onward, price in zip(from_node, prices, strict=True):
            cost, arc, work = _joined(graph, to, float(to_price), onward, float(price), work_ns)
            if arc >= 0 and (best is None or cost < best[0]):
                best = cost, to, arc, work, onward
    if best is None:
        return None
    cost, to, arc, work, onward = best
    return Path(
        cost=cost,
        bound=-np.inf,
        before=tuple(cheapest_path(to, int(graph.flexible.tail[arc]), ends=graph.plain.tail)[::-1]),
        flexible=arc,
        work=work,
        after=tuple(cheapest_path(onward, int(graph.flexible.head[arc]), ends=graph.plain.head)),
    )


def _joined(
    graph: Graph, to: Tree, to_price: float, onward: Tree, price: float, work_ns: int
) -> tuple[float, int, int]:
    """Return (cost, flexible arc, work on it) of the cheapest join of two trees; arc -1 where none fits."""
    flexible = graph.flexible
    missing = work_ns - to.work[flexible.tail] - onward.work[flexible.head]
    fits = np.flatnonzero((missing > flexible.low) & (missing < flexible.high))
    if not len(fits):
        return np.inf, -1, 0
    tail, head, missing = flexible.tail[fits], flexible.head[fits], missing[fits]
    cost = to.value[tail] + to_price * to.work[tail] + onward.value[head] + price * onward.work[head]
    cost = cost + flexible.cost[fits] + flexible.rate[fits] * missing
    i = int(np.argmin(cost))
    return (float(cost[i]), int(fits[i]), int(missing[i])) if np.isfinite(cost[i]) else (np.inf, -1, 0)
