"""Relax, guess, rule out, label: the exact cheapest path of an exact length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from lowtide.planning.paths.compiling import worth_compiling
from lowtide.planning.paths.graph import Graph, Plain
from lowtide.planning.paths.labels import Join, Labels, Task, best_join, label
from lowtide.planning.paths.reduce import Open, Reduced, open_arcs, reduce
from lowtide.planning.paths.relax import Relaxation, Sweeper, Tree, cheapest_path, relax
from lowtide.series.steps import FloatArray

__all__ = ["Path", "solve"]

_PASSES: Final = 30
"""Passes over all arcs of one solution, for the decision to compile."""
_NEAR: Final = 2
"""Prices, the last ones tried, whose trees are joined over all arcs."""
_NEARER: Final = 4
"""Prices, the last ones tried, whose trees are joined over what those leave."""
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
        The most work any path does [ns], where that is less than `work_ns`; -1 without any path.
    """
    if fast is None:
        fast = worth_compiling(_PASSES * len(graph.plain.tail))
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
        before = cheapest_path(self.to, int(joint.tail[i]), ends=plain.tail)[::-1]
        after = cheapest_path(self.onward, int(joint.head[i]), ends=plain.head)
        if flexible < 0:
            before.append(i)
        return Path(
            cost=self.cost, before=tuple(before), flexible=max(flexible, -1), work=self.work,
            after=tuple(after),
        )  # fmt: skip


def _guess(
    sweeper: Sweeper, relaxation: Relaxation, work_ns: int, tolerance: float
) -> tuple[_Guess | None, Open, Relaxation]:
    """Return the best path that two trees and an arc make, and the arcs that might be on a better one."""
    graph, n = sweeper.graph, len(relaxation.price)
    near, nearer = (relaxation.only(range(max(0, n - few), n)) for few in (_NEAR, _NEARER))
    kept = Open(plain=np.flatnonzero(graph.plain.usable), flexible=np.arange(len(graph.flexible.tail)))
    best = _joined_trees(sweeper, near, kept, work_ns)
    kept = open_arcs(graph, near, work_ns, _ceiling(best, tolerance), among=kept)
    best = _better(best, _joined_trees(sweeper, nearer, kept, work_ns))
    if best is None or best.cost - relaxation.bound > _WIDE_GAP * abs(relaxation.bound):
        kept = open_arcs(graph, relaxation, work_ns, _ceiling(best, tolerance), among=kept)
        relaxation = relaxation.and_prices(sweeper, [float(near.price[-1]) * share for share in _SPREAD])
        best = _better(best, _joined_trees(sweeper, relaxation, kept, work_ns))
    kept = open_arcs(graph, relaxation, work_ns, _ceiling(best, tolerance), among=kept)
    return best, kept, relaxation


def _ceiling(best: _Guess | None, tolerance: float) -> float:
    return np.inf if best is None else best.cost + 4 * tolerance


def _better(a: _Guess | None, b: _Guess | None) -> _Guess | None:
    return b if a is None or (b is not None and b.cost < a.cost) else a


def _joined_trees(sweeper: Sweeper, relaxation: Relaxation, among: Open, work_ns: int) -> _Guess | None:
    """Return the best path that joins, by one arc, a tree's way to its tail and a tree's way from its head."""
    price = relaxation.price.tolist()
    to_node: Sequence[Tree] = relaxation.to_node
    from_node: Sequence[Tree] = relaxation.from_node
    if not sweeper.graph.dominated:  # trees must then be made anew from what a path may use
        to_node = [sweeper.to_node(sweeper.weight(p, usable=True)) for p in price]
        from_node = [sweeper.from_node(sweeper.weight(p, usable=True)) for p in price]
    best: _Guess | None = None
    costs_from = [tree.value + p * tree.work for tree, p in zip(from_node, price, strict=True)]
    for to, p in zip(to_node, price, strict=True):
        cost_to = to.value + p * to.work
        for onward, cost_from in zip(from_node, costs_from, strict=True):
            cost, arc, work = _cheapest_join(sweeper.graph, among, to, cost_to, onward, cost_from, work_ns)
            if np.isfinite(cost) and (best is None or cost < best.cost):
                best = _Guess(cost, to, arc, work, onward)
    return best


def _cheapest_join(
    graph: Graph,
    among: Open,
    to: Tree,
    cost_to: FloatArray,
    onward: Tree,
    cost_from: FloatArray,
    work_ns: int,
) -> tuple[float, int, int]:
    """Return (cost, arc, work on it) of the cheapest join of two trees by one arc; inf where none fits."""
    plain, flexible = graph.plain, graph.flexible
    a = among.plain
    a = a[to.work[plain.tail[a]] + onward.work[plain.head[a]] + plain.work[a] == work_ns]
    cost = cost_to[plain.tail[a]] + cost_from[plain.head[a]] + plain.cost[a]
    f = among.flexible
    missing = work_ns - to.work[flexible.tail[f]] - onward.work[flexible.head[f]]
    fits = np.flatnonzero((missing > flexible.low[f]) & (missing < flexible.high[f]))
    f, missing = f[fits], missing[fits]
    bent = (
        cost_to[flexible.tail[f]]
        + cost_from[flexible.head[f]]
        + flexible.cost[f]
        + flexible.rate[f] * missing
    )
    costs = np.concatenate((cost, bent))
    if not len(costs):
        return np.inf, 0, 0
    i = int(np.argmin(costs))
    if i < len(a):
        return float(costs[i]), int(a[i]), 0
    return float(costs[i]), len(plain.tail) + int(f[i - len(a)]), int(missing[i - len(a)])


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
        price=relaxation.price[::-1].copy(),
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
