"""What each job drew of nodes that several shared, from energies that are each of the whole node.

Slurm gives every job the energy of its whole nodes, so a sum over jobs counts shared time twice. Here the power of a
node is found first, from all rows that saw it, the shortest first: a row's energy, less what shorter rows in it have
told already, is spread evenly over the rest of its time. Then each instant is shared by what is allocated at it.

Rows that lie in one another, or apart, are all kept to the joule. Rows that overlap crosswise leave open how the
power ran within them; it is then taken as even, and the range says how far that may be too much: the rows among them
that do not overlap are energy that was surely drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.units import NS_PER_S

__all__ = ["NodeRow", "Share", "Tenant", "shares"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """The energy of one whole node over some time [J]."""

    start_ns: int
    end_ns: int
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A job's time on one node, and the weight of what it has allocated there."""

    key: str
    start_ns: int
    end_ns: int
    weight: float


class Share(NamedTuple):
    """A job's part of a node's power: ``edges_ns`` (n+1,), ``power_w`` (n,) [W], NaN where no row saw the node.

    `low_fraction` is the least that its energy may be of this, 1 where no rows overlap crosswise.
    """

    edges_ns: IntArray
    power_w: FloatArray
    low_fraction: float


class _Cells(NamedTuple):
    edges_ns: IntArray
    power_w: FloatArray
    low: FloatArray


def shares(rows: Sequence[NodeRow], tenants: Sequence[Tenant]) -> dict[str, Share]:
    """Return each job's part of one node.

    Parameters
    ----------
    rows : sequence of NodeRow
        Energies of that whole node.
    tenants : sequence of Tenant
        All jobs on it, those without any energy of their own too.

    Returns
    -------
    dict of str to Share
        The powers at an instant sum to that of the node.

    Examples
    --------
    >>> rows = [NodeRow(start_ns=0, end_ns=10 * 10**9, energy_j=1000.0)] * 2
    >>> jobs = [Tenant(key=k, start_ns=0, end_ns=10 * 10**9, weight=w) for k, w in (("a", 3.0), ("b", 1.0))]
    >>> {key: share.power_w.tolist() for key, share in shares(rows, jobs).items()}
    {'a': [75.0], 'b': [25.0]}
    """
    ends = [t for row in rows for t in (row.start_ns, row.end_ns)]
    ends += [t for one in tenants for t in (one.start_ns, one.end_ns)]
    if not ends:
        return {}
    edges = np.unique(np.array(ends, dtype=np.int64))
    cells = _node_power(edges, [row for row in rows if row.end_ns > row.start_ns])
    total = np.zeros(len(edges) - 1)
    spans = {}
    for tenant in tenants:
        first, after = np.searchsorted(edges, (tenant.start_ns, tenant.end_ns))
        spans[tenant.key] = slice(int(first), int(after))
        total[first:after] += tenant.weight
    return {one.key: _share(one, spans[one.key], cells, total) for one in tenants}


def _share(tenant: Tenant, span: slice, cells: _Cells, total: FloatArray) -> Share:
    part = cells.power_w[span] * (tenant.weight / total[span])
    edges = cells.edges_ns[span.start : span.stop + 1]
    width_s = np.diff(edges) / NS_PER_S
    energy_j = float(np.nansum(part * width_s))
    sure_j = float(np.nansum(part * cells.low[span] * width_s))
    return Share(edges, part, sure_j / energy_j if energy_j > 0.0 else 1.0)


def _node_power(edges: IntArray, rows: Sequence[NodeRow]) -> _Cells:
    """Return the power of a node between all edges, NaN where no row saw it, and how much of it is sure."""
    width_s = np.diff(edges) / NS_PER_S
    power = np.full(len(width_s), np.nan)
    for row in sorted(rows, key=lambda row: (row.end_ns - row.start_ns, row.start_ns)):
        first, after = np.searchsorted(edges, (row.start_ns, row.end_ns))
        span = slice(int(first), int(after))
        free = np.isnan(power[span])
        told_j = float(np.nansum(power[span] * width_s[span]))
        if told_j > row.energy_j:  # whole seconds and samples: shorter rows told more than there was
            power[span] *= row.energy_j / told_j
            told_j = row.energy_j
        free_s = float(width_s[span][free].sum())
        if free_s > 0.0:
            power[span] = np.where(free, (row.energy_j - told_j) / free_s, power[span])
    return _Cells(edges, power, _sure(edges, width_s, power, rows))


def _sure(edges: IntArray, width_s: FloatArray, power: FloatArray, rows: Sequence[NodeRow]) -> FloatArray:
    """Return, for each stretch of time that rows cover without a break, the share of its energy that is sure."""
    low = np.ones(len(width_s))
    for group in _together(rows):
        first, after = np.searchsorted(edges, (group[0].start_ns, max(row.end_ns for row in group)))
        span = slice(int(first), int(after))
        spread_j = float(np.nansum(power[span] * width_s[span]))
        if spread_j > 0.0:
            low[span] = min(1.0, _heaviest_apart_j(group) / spread_j)
    return low


def _together(rows: Sequence[NodeRow]) -> list[list[NodeRow]]:
    """Return the rows in groups that overlap, each in order of its start."""
    groups: list[list[NodeRow]] = []
    until_ns = 0
    for row in sorted(rows, key=lambda row: row.start_ns):
        if not groups or row.start_ns >= until_ns:
            groups.append([])
            until_ns = row.end_ns
        groups[-1].append(row)
        until_ns = max(until_ns, row.end_ns)
    return groups


def _heaviest_apart_j(rows: Sequence[NodeRow]) -> float:
    """Return the most energy of rows that do not overlap: weighted interval scheduling, O(n log n) [J]."""
    ordered = sorted(rows, key=lambda row: row.end_ns)
    ends = [row.end_ns for row in ordered]
    best = [0.0]
    for i, row in enumerate(ordered):
        best.append(max(best[i], best[bisect_right(ends, row.start_ns, 0, i)] + row.energy_j))
    return best[-1]
