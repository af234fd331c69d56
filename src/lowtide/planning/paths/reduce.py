"""What the bounds leave of a graph: the open arcs, with chains of single arcs made one.

An arc is open when, at every price that was tried, the cheapest path through it costs no more than the best
plan known. On real intensities that leaves about one arc a cell, in long chains with few branches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.paths.graph import Flexible, Graph, Plain
from lowtide.planning.paths.relax import Relaxation

__all__ = ["Open", "Reduced", "open_arcs", "reduce"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Open:
    """Positions of the arcs a path under the ceiling may use, increasing."""

    plain: IntArray
    flexible: IntArray


def open_arcs(
    graph: Graph, relaxation: Relaxation, work_ns: int, ceiling: float, *, among: Open | None = None
) -> Open:
    """Return the arcs that some path of at most `ceiling` may use.

    Parameters
    ----------
    graph, relaxation, work_ns
    ceiling : float
    among : Open, optional
        Only these can be open.

    Notes
    -----
    Cost: O(n_arcs) a price, falling as arcs are ruled out.
    """
    plain = np.flatnonzero(graph.plain.usable) if among is None else among.plain
    flexible = np.arange(len(graph.flexible.tail)) if among is None else among.flexible
    arcs, bends = graph.plain, graph.flexible
    for to, onward in zip(reversed(relaxation.to_node), reversed(relaxation.from_node), strict=True):
        price = to.price
        room = ceiling - price * work_ns
        ways = to.value[arcs.tail[plain]] + onward.value[arcs.head[plain]]
        plain = plain[ways + (arcs.cost[plain] - price * arcs.work[plain]) <= room]
        ways = to.value[bends.tail[flexible]] + onward.value[bends.head[flexible]]
        each = bends.rate[flexible] - price
        least = np.minimum(each * bends.low[flexible], each * bends.high[flexible])
        flexible = flexible[ways + bends.cost[flexible] + least <= room]
    return Open(plain=plain, flexible=flexible)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reduced:
    """The open part of a graph, its nodes renumbered from 0 (source) to ``n_nodes - 1`` (sink).

    Attributes
    ----------
    n_nodes : int
    node : int64 array, shape (n_nodes,)
        What each was called in the graph.
    plain : Plain
        Chains, sorted by head.
    first : int64 array
        The first arc of the graph on each chain.
    following : dict of int to int
        The next arc of the graph on its chain.
    flexible : Flexible
    bend : int64 array
        What each flexible arc was called in the graph.
    """

    n_nodes: int
    node: IntArray
    plain: Plain
    first: IntArray
    following: dict[int, int]
    flexible: Flexible
    bend: IntArray

    def expanded(self, chain: int) -> list[int]:
        """Return the arcs of the graph that a chain is made of, in order of time."""
        arc = int(self.first[chain])
        found = [arc]
        while (arc := self.following.get(arc, -1)) >= 0:
            found.append(arc)
        return found


def reduce(graph: Graph, kept: Open) -> Reduced:
    """Return the open part of a graph with its chains contracted. Cost: O(n_open log n_open)."""
    arcs, bends, n = graph.plain, graph.flexible, graph.n_nodes
    tail, head = arcs.tail[kept.plain], arcs.head[kept.plain]
    inner = (np.bincount(tail, minlength=n) == 1) & (np.bincount(head, minlength=n) == 1)
    inner[bends.tail[kept.flexible]] = inner[bends.head[kept.flexible]] = False
    leaving = np.full(n, -1, dtype=np.int64)
    leaving[tail] = np.arange(len(tail))
    onward = np.where(inner[head], leaving[head], -1)
    starts = np.flatnonzero(~inner[tail])
    work, cost, tie, end = _along(onward, arcs, kept.plain)
    chains = starts[np.argsort(end[starts], kind="stable")]
    linked = np.flatnonzero(onward >= 0)
    following = dict(zip(kept.plain[linked].tolist(), kept.plain[onward[linked]].tolist(), strict=True))
    ends = (tail[chains], end[chains], bends.tail[kept.flexible], bends.head[kept.flexible])
    node = np.unique(np.concatenate((*ends, np.array([0, n - 1]))))
    renamed = [np.searchsorted(node, nodes) for nodes in ends]
    return Reduced(
        n_nodes=len(node),
        node=node,
        plain=Plain(
            tail=renamed[0], head=renamed[1], work=work[chains], cost=cost[chains], tie=tie[chains],
            usable=np.ones(len(chains), dtype=np.bool_),
        ),
        first=kept.plain[chains],
        following=following,
        flexible=Flexible(
            tail=renamed[2], head=renamed[3], low=bends.low[kept.flexible], high=bends.high[kept.flexible],
            cost=bends.cost[kept.flexible], rate=bends.rate[kept.flexible], tie=bends.tie[kept.flexible],
        ),
        bend=kept.flexible,
    )  # fmt: skip


def _along(onward: IntArray, arcs: Plain, kept: IntArray) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
    """Return work, cost, tie and last node of the chain that goes on from each arc (by doubling)."""
    work, cost, tie, end = arcs.work[kept], arcs.cost[kept], arcs.tie[kept], arcs.head[kept]
    while len(more := np.flatnonzero(onward >= 0)):
        then = onward[more]
        for column in (work, cost, tie):
            column[more] += column[then]
        end[more] = end[then]
        onward = onward.copy()
        onward[more] = onward[then]
    return work, cost, tie, end
