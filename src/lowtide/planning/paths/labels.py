"""The exact answer: dynamic programming over the work done, within what the lower bounds leave open.

A label is a way to a node: (work, cost, tie). Two ways to one node with the same work differ only in what
they cost, and whatever follows one may follow the other, so only the better is kept; ways with different
work cannot be compared, because the total must be W exactly. The number of labels is therefore the number
of reachable amounts of work, which the bounds keep small: a label is dropped where, at any price that was
tried, its cost and the cheapest rest exceed the best plan known.

Labels run from the sink backwards and from the source forwards; a flexible arc joins one of each, doing
exactly the work that both leave undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lowtide.planning.paths.graph import Flexible, Plain
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Join", "Ledger", "Limits", "best_join", "label"]


@dataclass(slots=True)
class Limits:
    """How many labels are kept, and what is known of those that were not.

    Attributes
    ----------
    most_at_node : int
        Beyond it the labels of highest bound are dropped.
    least_dropped : float
        The lowest bound of any label dropped for want of room: an answer up to it is exact.
    """

    most_at_node: int
    least_dropped: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """The labels of one node, by increasing work; arrays are shared along chains of single arcs.

    `arc` and `index` say, for labels merged here, which arc each came by and which label it was at the
    arc's other end; for a chain `arc` is the single arc and `index` None: the same index there.
    """

    work: IntArray
    cost: FloatArray
    tie: IntArray
    arc: IntArray | int
    index: IntArray | None
    more_work: int = 0
    more_cost: float = 0.0
    more_tie: int = 0

    def shifted(self, work: int, cost: float, tie: int, arc: int) -> _Labels:
        return _Labels(
            self.work,
            self.cost,
            self.tie,
            arc,
            None,
            self.more_work + work,
            self.more_cost + cost,
            self.more_tie + tie,
        )


class Ledger(NamedTuple):
    """All labels of one direction, by node."""

    at: dict[int, _Labels]
    other_end: IntArray

    def path(self, node: int, index: int) -> list[int]:
        """Return the plain arcs of one label, from its node towards the root."""
        found: list[int] = []
        while True:
            labels = self.at[node]
            arc = int(labels.arc if isinstance(labels.arc, int) else labels.arc[index])
            if arc == _ROOT:
                return found
            if labels.index is not None:
                index = int(labels.index[index])
            found.append(arc)
            node = int(self.other_end[arc])


_ROOT: int = -1
Bound = Callable[[int, IntArray, FloatArray], FloatArray]


def label(
    arcs: Plain, groups: list[tuple[int, list[int]]], other_end: IntArray, root: int, bound: Bound, *,
    ceiling: float, tolerance: float, limits: Limits,
) -> Ledger:  # fmt: skip
    """Return the labels of all nodes that can be reached from a root within a ceiling.

    Parameters
    ----------
    arcs : Plain
    groups : list of (node, arcs)
        The nodes in an order in which the other ends of their arcs come first.
    other_end : int64 array
        ``arcs.tail`` forwards, ``arcs.head`` backwards.
    root : int
    bound : callable
        (node, work, cost) -> lower bounds of every path through these labels.
    ceiling, tolerance : float
        Labels bounded above the ceiling are dropped; costs within the tolerance are equal.
    limits : Limits
        Updated where labels are dropped for want of room.
    """
    zero = np.zeros(1, dtype=np.int64)
    at = {root: _Labels(zero, np.zeros(1), zero, _ROOT, None)}
    work, cost, tie = arcs.work, arcs.cost, arcs.tie
    for node, group in groups:
        known = [a for a in group if int(other_end[a]) in at]
        if len(known) == 1:
            a = known[0]
            at[node] = at[int(other_end[a])].shifted(int(work[a]), float(cost[a]), int(tie[a]), a)
        elif known:
            merged = _merge(arcs, known, [at[int(other_end[a])] for a in known], tolerance)
            kept = _admit(merged, bound(node, merged.work, merged.cost), ceiling, limits)
            if len(kept.work):
                at[node] = kept
    return Ledger(at, other_end)


def _merge(arcs: Plain, group: list[int], lists: list[_Labels], tolerance: float) -> _Labels:
    """Return the best label of each amount of work over several arcs into one node."""
    work = np.concatenate([x.work + (x.more_work + arcs.work[a]) for a, x in zip(group, lists, strict=True)])
    cost = np.concatenate([x.cost + (x.more_cost + arcs.cost[a]) for a, x in zip(group, lists, strict=True)])
    tie = np.concatenate([x.tie + (x.more_tie + arcs.tie[a]) for a, x in zip(group, lists, strict=True)])
    sizes = [len(x.work) for x in lists]
    arc = np.repeat(np.array(group, dtype=np.int64), sizes)
    index = np.concatenate([np.arange(n, dtype=np.int64) for n in sizes])
    best = _best_of_each(work, cost, tie, tolerance)
    return _Labels(work[best], cost[best], tie[best], arc[best], index[best])


def _best_of_each(work: IntArray, cost: FloatArray, tie: IntArray, tolerance: float) -> IntArray:
    """Return the index of the cheapest label of each amount of work, of least tie among equal costs."""
    order = np.argsort(work, kind="stable")
    sorted_work = work[order]
    new = np.concatenate(([True], sorted_work[1:] != sorted_work[:-1]))
    if new.all():
        return order
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    least = np.minimum.reduceat(cost[order], starts)
    equal = cost[order] <= least[group] + tolerance
    ties = np.where(equal, tie[order], np.iinfo(np.int64).max)
    chosen = ties == np.minimum.reduceat(ties, starts)[group]
    position = np.where(chosen, np.arange(len(order)), len(order))
    return order[np.minimum.reduceat(position, starts)]


def _admit(labels: _Labels, bound: FloatArray, ceiling: float, limits: Limits) -> _Labels:
    """Return the labels under the ceiling, the best of them where there are too many."""
    keep = np.flatnonzero(bound <= ceiling)
    if len(keep) > limits.most_at_node:
        by_bound = keep[np.argsort(bound[keep], kind="stable")]
        limits.least_dropped = min(limits.least_dropped, float(bound[by_bound[limits.most_at_node]]))
        keep = np.sort(by_bound[: limits.most_at_node])
    if len(keep) == len(bound):
        return labels
    assert labels.index is not None
    arc = np.asarray(labels.arc)[keep]
    return _Labels(labels.work[keep], labels.cost[keep], labels.tie[keep], arc, labels.index[keep])


@dataclass(frozen=True, slots=True)
class Join:
    """A whole path: a label forwards and one backwards, with a flexible arc between them or none.

    Attributes
    ----------
    cost : float
    tie : int
    flexible : int or None
        The flexible arc; None joins at the sink.
    work : int
        Work done on it [ns].
    before, after : int
        Indices of the labels at its tail and head.
    """

    cost: float
    tie: int
    flexible: int | None = None
    work: int = 0
    before: int = 0
    after: int = 0

    def beats(self, other: Join | None, tolerance: float) -> bool:
        """Return whether this is cheaper, or as cheap and of less tie."""
        if other is None or self.cost < other.cost - tolerance:
            return True
        return self.cost <= other.cost + tolerance and self.tie < other.tie


def best_join(
    forwards: Ledger, backwards: Ledger, flexible: Flexible, kept: IntArray, *, sink: int, work_ns: int,
    tolerance: float,
) -> Join | None:  # fmt: skip
    """Return the best path that does exactly `work_ns`, or None.

    Cost: O(labels log labels) for each flexible arc kept, and the pairs that fit.
    """
    best = _plain_join(forwards, sink, work_ns)
    for f in kept.tolist():
        before, after = forwards.at.get(int(flexible.tail[f])), backwards.at.get(int(flexible.head[f]))
        if before is None or after is None:
            continue
        found = _join(before, after, flexible, f, work_ns, tolerance)
        if found is not None and found.beats(best, tolerance):
            best = found
    return best


def _plain_join(forwards: Ledger, sink: int, work_ns: int) -> Join | None:
    labels = forwards.at.get(sink)
    if labels is None:
        return None
    i = int(np.searchsorted(labels.work, work_ns - labels.more_work))
    if i == len(labels.work) or int(labels.work[i]) + labels.more_work != work_ns:
        return None
    return Join(float(labels.cost[i]) + labels.more_cost, int(labels.tie[i]) + labels.more_tie, None, 0, i)


def _join(
    before: _Labels, after: _Labels, flexible: Flexible, f: int, work_ns: int, tolerance: float
) -> Join | None:
    """Return the best pair of labels whose missing work a flexible arc can do."""
    missing = work_ns - before.more_work - after.more_work - before.work
    low, high = int(flexible.low[f]), int(flexible.high[f])
    first = np.searchsorted(after.work, missing - high, side="right")
    last = np.searchsorted(after.work, missing - low, side="left")
    n = np.maximum(last - first, 0)
    if not n.any():
        return None
    i = np.repeat(np.arange(len(n)), n)
    k = np.arange(len(i)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    amount = missing[i] - after.work[k]
    cost = before.cost[i] + after.cost[k] + flexible.rate[f] * amount
    tie = before.tie[i] + after.tie[k]
    equal = np.flatnonzero(cost <= cost.min() + tolerance)
    p = equal[np.argmin(tie[equal])]
    return Join(
        cost=float(cost[p]) + before.more_cost + after.more_cost + float(flexible.cost[f]),
        tie=int(tie[p]) + before.more_tie + after.more_tie + int(flexible.tie[f]),
        flexible=f,
        work=int(amount[p]),
        before=int(i[p]),
        after=int(k[p]),
    )
