"""Relax, guess, rule out, label: the exact cheapest path of an exact length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.paths import loops
from lowtide.planning.paths.compiling import compiled, worth_compiling
from lowtide.planning.paths.graph import Graph, Plain
from lowtide.planning.paths.labels import Join, Labels, Task, best_join, label
from lowtide.planning.paths.reduce import Open, Reduced, open_arcs, reduce
from lowtide.planning.paths.relax import Relaxation, Sweeper, Tree, relax

__all__ = ["Path", "solve"]

_PASSES: Final = 30
"""Passes over all arcs of one solution, for the decision to compile."""
_MOST_COMPILED: Final = 20_000
_MOST_INTERPRETED: Final = 3_000
"""Labels kept at a node."""
_NEAR: Final = 2
"""Prices, the last ones tried, whose trees are joined over all arcs."""
_WIDE_GAP: Final = 1e-4
"""Share of the bound; a guess further above it is worth more prices."""
_SPREAD: Final = (0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 1.025, 1.05, 1.075, 1.1, 1.15, 1.2, 1.3)
"""Those further prices, as multiples of the best one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path that does exactly the work.

    Attributes
    ----------
    cost : float
    bound : float
        No path costs less; equal to `cost` where the path is proved optimal. Where unusable arcs may be
        cheaper than usable ones (see :class:`~lowtide.planning.paths.graph.Graph`) it is the relaxation's.
    before, after : tuple of int
        Plain arcs in order of time, on either side of the flexible one.
    flexible : int
        -1 for none.
    work : int
        Work done on the flexible arc [ns].
    """

    cost: float
    bound: float = -np.inf
    before: tuple[int, ...]
    flexible: int = -1
    work: int = 0
    after: tuple[int, ...] = ()


def solve(
    graph: Graph, work_ns: int, *, most_at_node: int | None = None, fast: bool | None = None
) -> Path | int:
    """Return the cheapest path that does exactly `work_ns`, or the most work that can be done.

    Parameters
    ----------
    graph : Graph
    work_ns : int
        W [ns at throughput 1].
    most_at_node : int, optional
        Labels kept at a node, by default 20,000 compiled and 3,000 otherwise; beyond it the answer may be
        inexact, which its bound then says.
    fast : bool, optional
        Whether to compile the loops; None compiles where the work is large. The answer is the same.

    Returns
    -------
    Path or int
        The most work any path does [ns], where that is less than `work_ns`; -1 without any path.
    """
    if fast is None:
        fast = worth_compiling(_PASSES * len(graph.plain.tail))
    if most_at_node is None:
        most_at_node = _MOST_COMPILED if fast else _MOST_INTERPRETED
    sweeper = Sweeper(graph, fast=fast)
    relaxation = relax(sweeper, work_ns)
    if isinstance(relaxation, int):
        return relaxation
    largest = float(np.abs(graph.plain.cost).max(initial=0.0))
    tolerance = max(2e-13 * largest * len(graph.plain.cost) ** 0.5, 1e-14 * abs(relaxation.bound))
    guess, kept, relaxation = _guess(sweeper, relaxation, work_ns, tolerance)
    found, exact_to = _label(graph, relaxation, kept, work_ns, guess, tolerance, most_at_node, fast)
    bound = min(found.cost, max(relaxation.bound, exact_to if graph.dominated else relaxation.bound))
    return Path(
        cost=found.cost, bound=bound, before=found.before, flexible=found.flexible,
        work=found.work, after=found.after,
    )  # fmt: skip


class _Guess(NamedTuple):
    """A path that two trees and one arc make; `arc` counts the plain arcs first and then the flexible ones."""

    cost: float
    to: Tree
    arc: int
    work: int
    onward: Tree

    def path(self, graph: Graph) -> Path:
        plain, flexible = graph.plain, self.arc - len(graph.plain.tail)
        joint = plain if flexible < 0 else graph.flexible
        i = self.arc if flexible < 0 else flexible
        before = self.to.path(int(joint.tail[i]))[::-1]
        if flexible < 0:
            before.append(i)
        after = self.onward.path(int(joint.head[i]))
        return Path(
            cost=self.cost, before=tuple(before), flexible=max(flexible, -1), work=self.work,
            after=tuple(after),
        )  # fmt: skip


def _guess(
    sweeper: Sweeper, relaxation: Relaxation, work_ns: int, tolerance: float
) -> tuple[_Guess | None, Open, Relaxation]:
    """Return the best path that two trees and an arc make, and the arcs that might be on a better one."""
    graph = sweeper.graph
    kept = Open(plain=np.flatnonzero(graph.plain.usable), flexible=np.arange(len(graph.flexible.tail)))
    trees = _usable_trees(sweeper, relaxation)
    best = _joined_trees(graph, (trees[0][-_NEAR:], trees[1][-_NEAR:]), kept, work_ns, sweeper.fast)
    kept = open_arcs(graph, relaxation, work_ns, _ceiling(best, tolerance), among=kept)
    best = _better(best, _joined_trees(graph, trees, kept, work_ns, sweeper.fast))
    if best is None or best.cost - relaxation.bound > _WIDE_GAP * abs(relaxation.bound):
        last = relaxation.to_node[-1].price
        relaxation = relaxation.with_prices(sweeper, [last * share for share in _SPREAD])
        trees = _usable_trees(sweeper, relaxation)
        best = _better(best, _joined_trees(graph, trees, kept, work_ns, sweeper.fast))
    kept = open_arcs(graph, relaxation, work_ns, _ceiling(best, tolerance), among=kept)
    return best, kept, relaxation


def _ceiling(best: _Guess | None, tolerance: float) -> float:
    return np.inf if best is None else best.cost + 4 * tolerance


def _better(a: _Guess | None, b: _Guess | None) -> _Guess | None:
    return b if a is None or (b is not None and b.cost < a.cost) else a


Trees = tuple[Sequence[Tree], Sequence[Tree]]


def _usable_trees(sweeper: Sweeper, relaxation: Relaxation) -> Trees:
    """Return the trees of a relaxation, made anew where they may use what a path may not."""
    if sweeper.graph.dominated:
        return relaxation.to_node, relaxation.from_node
    prices = [tree.price for tree in relaxation.to_node]
    return (
        [sweeper.to_node(price, usable=True) for price in prices],
        [sweeper.from_node(price, usable=True) for price in prices],
    )


def _joined_trees(graph: Graph, trees: Trees, among: Open, work_ns: int, fast: bool) -> _Guess | None:
    """Return the best path that joins, by one arc, a tree's way to its tail and a tree's way from its head."""
    best: _Guess | None = None
    cheapest_join = compiled(loops.cheapest_join) if fast else _cheapest_join
    plain, flexible = graph.plain, graph.flexible
    columns = (
        plain.tail, plain.head, plain.work, plain.cost, flexible.tail, flexible.head, flexible.low,
        flexible.high, flexible.cost, flexible.rate, among.plain, among.flexible,
    )  # fmt: skip
    costs_from = [tree.cost for tree in trees[1]]
    for to in trees[0]:
        cost_to = to.cost
        for onward, cost_from in zip(trees[1], costs_from, strict=True):
            cost, arc, work = cheapest_join(*columns, to.work, cost_to, onward.work, cost_from, work_ns)
            if np.isfinite(cost) and (best is None or cost < best.cost):
                best = _Guess(cost, to, arc, work, onward)
    return best


def _cheapest_join(
    tail: IntArray, head: IntArray, work: IntArray, cost: FloatArray, f_tail: IntArray, f_head: IntArray,
    low: IntArray, high: IntArray, f_cost: FloatArray, rate: FloatArray, a: IntArray, f: IntArray,
    done: IntArray, cost_to: FloatArray, to_do: IntArray, cost_from: FloatArray, work_ns: int,
) -> tuple[float, int, int]:  # fmt: skip
    """Return (cost, arc, work on it) of the cheapest join of two trees by one arc; inf where none fits."""
    a = a[done[tail[a]] + to_do[head[a]] + work[a] == work_ns]
    straight = cost_to[tail[a]] + cost_from[head[a]] + cost[a]
    missing = work_ns - done[f_tail[f]] - to_do[f_head[f]]
    fits = np.flatnonzero((missing > low[f]) & (missing < high[f]))
    f, missing = f[fits], missing[fits]
    bent = cost_to[f_tail[f]] + cost_from[f_head[f]] + (f_cost[f] + rate[f] * missing)
    costs = np.concatenate((straight, bent))
    if not len(costs):
        return np.inf, 0, 0
    i = int(np.argmin(costs))
    if i < len(a):
        return float(costs[i]), int(a[i]), 0
    return float(costs[i]), len(tail) + int(f[i - len(a)]), int(missing[i - len(a)])


def _label(
    graph: Graph, relaxation: Relaxation, kept: Open, work_ns: int, guess: _Guess | None, tolerance: float,
    most_at_node: int, fast: bool,
) -> tuple[Path, float]:  # fmt: skip
    """Return the best path, and the cost up to which it is proved to be."""
    reduced = reduce(graph, kept)
    ceiling = _ceiling(guess, tolerance)
    tasks = [
        _task(reduced, relaxation, work_ns, ceiling, tolerance, most_at_node, back=back)
        for back in (False, True)
    ]
    forwards, backwards = (label(task, fast=fast) for task in tasks)
    join = best_join(
        forwards, backwards, reduced.flexible, n_nodes=reduced.n_nodes, work_ns=work_ns,
        tolerance=tolerance, fast=fast,
    )  # fmt: skip
    exact_to = min(forwards.least_dropped, backwards.least_dropped)
    if join is None or (guess is not None and guess.cost < join.cost - tolerance):
        assert guess is not None, "a path exists, so the labels or the guess hold one"
        return guess.path(graph), exact_to
    return _whole_path(reduced, tasks, forwards, backwards, join), exact_to


def _task(
    reduced: Reduced, relaxation: Relaxation, work_ns: int, ceiling: float, tolerance: float,
    most_at_node: int, *, back: bool,
) -> Task:  # fmt: skip
    """Return the dynamic programme forwards, or backwards as one forwards on the graph turned round."""
    plain: Plain = reduced.plain
    arc = np.arange(len(plain.tail))
    tail, head, node = plain.tail, plain.head, reduced.node
    rests = relaxation.from_node
    if back:
        tail, head = reduced.n_nodes - 1 - head, reduced.n_nodes - 1 - tail
        arc = np.argsort(head, kind="stable")
        node, rests = node[::-1], relaxation.to_node
    return Task(
        n_nodes=reduced.n_nodes,
        tail=tail[arc],
        work=plain.work[arc],
        cost=plain.cost[arc],
        tie=plain.tie[arc],
        first=np.searchsorted(head[arc], np.arange(reduced.n_nodes + 1)),
        arc=arc,
        price=np.array([tree.price for tree in reversed(rests)]),
        rest=np.stack([tree.value[node] for tree in reversed(rests)], axis=1),
        work_ns=work_ns,
        ceiling=ceiling,
        tolerance=tolerance,
        most_at_node=most_at_node,
    )


def _whole_path(
    reduced: Reduced, tasks: Sequence[Task], forwards: Labels, backwards: Labels, join: Join
) -> Path:
    """Return the path of a join, its chains made arcs of the graph again."""
    there = [int(tasks[0].arc[a]) for a in reversed(forwards.path(join.before))]
    onward = [int(tasks[1].arc[a]) for a in backwards.path(join.after)] if join.flexible >= 0 else []
    return Path(
        cost=join.cost,
        before=tuple(arc for chain in there for arc in reduced.expanded(chain)),
        flexible=int(reduced.bend[join.flexible]) if join.flexible >= 0 else -1,
        work=join.work,
        after=tuple(arc for chain in onward for arc in reduced.expanded(chain)),
    )
