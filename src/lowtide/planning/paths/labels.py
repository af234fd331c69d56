"""The exact answer: dynamic programming over the work done, within what the lower bounds leave open.

A label is a way to a node: (work, cost, tie). Two ways to one node with the same work differ only in what
they cost, and whatever follows one may follow the other, so only the better is kept; ways with different
work cannot be compared, because the total must be W exactly. The number of labels is therefore the number
of reachable amounts of work, which the bounds keep small: a label is dropped where, at any price that was
tried, its cost and the cheapest rest exceed the best plan known.

Labels run from the source forwards and, on the graph turned round, from the sink backwards; a flexible arc
joins one of each, doing exactly the work that both leave undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.paths import loops
from lowtide.planning.paths.compiling import compiled
from lowtide.planning.paths.graph import Flexible

__all__ = ["Join", "Labels", "Task", "best_join", "label"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One direction of the dynamic programme; node 0 is where it begins.

    Attributes
    ----------
    n_nodes : int
    tail, work, cost, tie : arrays, shape (n_arcs,)
        Sorted by head.
    first : int64 array, shape (n_nodes + 1,)
        Where the arcs into each node begin.
    arc : int64 array, shape (n_arcs,)
        What each arc is called outside.
    price : float64 array, shape (n_prices,)
    rest : float64 array, shape (n_nodes, n_prices)
        Cost less price times work of the cheapest rest from each node.
    work_ns : int
    ceiling, tolerance : float
        Labels bounded above the ceiling are dropped; costs within the tolerance are equal.
    most_at_node : int
        Beyond it the labels of highest bound are dropped.
    """

    n_nodes: int
    tail: IntArray
    work: IntArray
    cost: FloatArray
    tie: IntArray
    first: IntArray
    arc: IntArray
    price: FloatArray
    rest: FloatArray
    work_ns: int
    ceiling: float
    tolerance: float
    most_at_node: int


class Labels(NamedTuple):
    """All labels of one direction, node after node, by increasing work at each.

    Attributes
    ----------
    start : int64 array, shape (n_nodes + 1,)
        Where the labels of each node begin.
    work, cost, tie : arrays, shape (n_labels,)
    arc, before : int64 arrays, shape (n_labels,)
        The task's arc each came by and the label at its tail; -1 where it began.
    least_dropped : float
        The lowest bound of any label dropped for want of room; answers up to it are exact.
    """

    start: IntArray
    work: IntArray
    cost: FloatArray
    tie: IntArray
    arc: IntArray
    before: IntArray
    least_dropped: float

    def path(self, i: int) -> list[int]:
        """Return the task's arcs of one label, from its node back to where it began."""
        found = []
        while (arc := int(self.arc[i])) >= 0:
            found.append(arc)
            i = int(self.before[i])
        return found


def label(task: Task, *, fast: bool) -> Labels:
    """Return all labels of a task. Cost: O(labels * arcs into a node) compiled, as much and sorting otherwise."""
    if fast:
        columns: tuple[Any, ...] = compiled(loops.label)(
            task.tail, task.work, task.cost, task.tie, task.first, task.price, task.rest, task.work_ns,
            task.ceiling, task.tolerance, task.most_at_node,
        )  # fmt: skip
        return Labels(*columns)
    at = [_root()]
    n_before, least_dropped = [0, 1], np.inf
    for node in range(1, task.n_nodes):
        merged = _merge(task, at, n_before, int(task.first[node]), int(task.first[node + 1]))
        merged, dropped = _admit(task, node, merged)
        least_dropped = min(least_dropped, dropped)
        at.append(merged)
        n_before.append(n_before[-1] + len(merged.work))
    return Labels(np.array(n_before), *_Node.of(at), least_dropped)


class _Node(NamedTuple):
    """The labels of one node."""

    work: IntArray
    cost: FloatArray
    tie: IntArray
    arc: IntArray
    before: IntArray

    def at(self, index: IntArray) -> _Node:
        return _Node(self.work[index], self.cost[index], self.tie[index], self.arc[index], self.before[index])

    @classmethod
    def of(cls, parts: list[_Node]) -> _Node:
        work, cost, tie, arc, before = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return cls(work, cost, tie, arc, before)


def _root() -> _Node:
    zero, none = np.zeros(1, dtype=np.int64), np.full(1, -1, dtype=np.int64)
    return _Node(zero, np.zeros(1), zero, none, none)


def _merge(task: Task, at: list[_Node], n_before: list[int], first: int, last: int) -> _Node:
    """Return the best label of each amount of work over the arcs into one node."""
    parts = []
    for a in range(first, last):
        tail = int(task.tail[a])
        from_ = at[tail]
        n = len(from_.work)
        if n:
            parts.append(
                _Node(
                    from_.work + task.work[a],
                    from_.cost + task.cost[a],
                    from_.tie + task.tie[a],
                    np.full(n, a, dtype=np.int64),
                    np.arange(n_before[tail], n_before[tail] + n, dtype=np.int64),
                )
            )
    if len(parts) == 1:
        return parts[0]
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return _Node(empty, np.empty(0), empty, empty, empty)
    both = _Node.of(parts)
    return both.at(_best_of_each(both, task.tolerance))


def _best_of_each(labels: _Node, tolerance: float) -> IntArray:
    """Return the index of the cheapest label of each amount of work, of least tie among equal costs."""
    order = np.argsort(labels.work, kind="stable")
    work = labels.work[order]
    new = np.concatenate(([True], work[1:] != work[:-1]))
    if new.all():
        return order
    starts, group = np.flatnonzero(new), np.cumsum(new) - 1
    cost = labels.cost[order]
    equal = cost <= np.minimum.reduceat(cost, starts)[group] + tolerance
    ties = np.where(equal, labels.tie[order], np.iinfo(np.int64).max)
    chosen = ties == np.minimum.reduceat(ties, starts)[group]
    position = np.where(chosen, np.arange(len(order)), len(order))
    return np.asarray(order[np.minimum.reduceat(position, starts)])


def _admit(task: Task, node: int, labels: _Node) -> tuple[_Node, float]:
    """Return the labels under the ceiling, the best of them where there are too many, and what was dropped."""
    if not len(labels.work):
        return labels, np.inf
    rest = task.rest[node][:, None] + task.price[:, None] * (task.work_ns - labels.work)
    bound = rest.max(axis=0) + labels.cost
    keep = np.flatnonzero(bound <= task.ceiling)
    dropped = np.inf
    if len(keep) > task.most_at_node:
        by_bound = keep[np.argsort(bound[keep], kind="stable")]
        dropped = float(bound[by_bound[task.most_at_node]])
        keep = np.sort(by_bound[: task.most_at_node])
    return (labels if len(keep) == len(bound) else labels.at(keep)), dropped


class Join(NamedTuple):
    """A whole path: a label forwards and one backwards, with a flexible arc between them or none.

    Attributes
    ----------
    cost : float
    tie : int
    flexible : int
        The flexible arc; -1 where the forward label is a whole path.
    work : int
        Work done on it [ns].
    before, after : int
        The labels at its tail and head.
    """

    cost: float
    tie: int
    flexible: int
    work: int
    before: int
    after: int


def best_join(
    forwards: Labels, backwards: Labels, flexible: Flexible, *, n_nodes: int, work_ns: int, tolerance: float,
    fast: bool,
) -> Join | None:  # fmt: skip
    """Return the best path that does exactly `work_ns`, or None.

    Cost: O(labels at its tail * log labels at its head) for each flexible arc, and the pairs that fit.
    """
    if fast:
        found = compiled(loops.join)(
            *forwards[:4], *backwards[:4], flexible.tail, flexible.head, flexible.low, flexible.high,
            flexible.cost, flexible.rate, flexible.tie, n_nodes, work_ns, tolerance,
        )  # fmt: skip
        return Join(*found) if np.isfinite(found[0]) else None
    best = _whole(forwards, n_nodes, work_ns)
    for f in range(len(flexible.tail)):
        found = _bent(forwards, backwards, flexible, f, n_nodes, work_ns, tolerance)
        if found is not None and (best is None or _beats(found, best, tolerance)):
            best = found
    return best


def _beats(a: Join, b: Join, tolerance: float) -> bool:
    return a.cost < b.cost - tolerance or (a.cost <= b.cost + tolerance and a.tie < b.tie)


def _whole(forwards: Labels, n_nodes: int, work_ns: int) -> Join | None:
    """Return the forward label that reaches the sink with all the work done."""
    first, last = int(forwards.start[n_nodes - 1]), int(forwards.start[n_nodes])
    i = first + int(np.searchsorted(forwards.work[first:last], work_ns))
    if i == last or int(forwards.work[i]) != work_ns:
        return None
    return Join(float(forwards.cost[i]), int(forwards.tie[i]), -1, 0, i, 0)


def _bent(
    forwards: Labels, backwards: Labels, flexible: Flexible, f: int, n_nodes: int, work_ns: int,
    tolerance: float,
) -> Join | None:  # fmt: skip
    """Return the best pair of labels whose missing work a flexible arc can do."""
    tail, head = int(flexible.tail[f]), n_nodes - 1 - int(flexible.head[f])
    b0, b1 = int(forwards.start[tail]), int(forwards.start[tail + 1])
    a0, a1 = int(backwards.start[head]), int(backwards.start[head + 1])
    missing = work_ns - forwards.work[b0:b1]
    after = backwards.work[a0:a1]
    first = np.searchsorted(after, missing - flexible.high[f], side="right")
    n = np.maximum(np.searchsorted(after, missing - flexible.low[f], side="left") - first, 0)
    if not n.any():
        return None
    i = np.repeat(np.arange(len(n)), n)
    k = np.arange(len(i)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    amount = missing[i] - after[k]
    cost = forwards.cost[b0 + i] + backwards.cost[a0 + k] + (flexible.cost[f] + flexible.rate[f] * amount)
    tie = forwards.tie[b0 + i] + backwards.tie[a0 + k]
    equal = np.flatnonzero(cost <= cost.min() + tolerance)
    p = int(equal[np.argmin(tie[equal])])
    return Join(
        float(cost[p]), int(tie[p] + flexible.tie[f]), f, int(amount[p]), b0 + int(i[p]), a0 + int(k[p])
    )
