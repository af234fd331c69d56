"""From a job and its sites to a graph in time.

At every edge of the cells a job is, for each site and each number of interruptions so far,

* *on*: it was running here until now;
* *off*: paused, having run here last;
* *warm*: a resume here is over now, so that it must run on;

or it has not begun (the source) or is done (the sink). That, with the work done, is all the future depends
on: the state space of the exact dynamic programme.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.planning import Job, OperatingPoint
from lowtide.planning.deeds import DEEDS, FLEXIBLE, PLAIN, Deed, Deeds, Network, Rows, State
from lowtide.planning.menu import Corner, corners, prefix_point
from lowtide.planning.paths.graph import TIE_MOVE, TIE_PAUSE, TIE_START, Flexible, Graph, Plain
from lowtide.planning.window import BoolArray, Cells
from lowtide.units import J_PER_KWH, NS_PER_S, S_PER_H

__all__ = ["build"]

Begun = Literal["running", "paused"] | None
"""What a job is doing at the first edge; None has not begun."""


class _Builder:
    """Writes the arcs of every site; cost is in [g/kWh * J], so that nice numbers stay exact."""

    def __init__(
        self, job: Job, cells: Cells, menus: Sequence[tuple[OperatingPoint, ...]], max_pauses: int | None,
        hour_cost: float, begun: Begun,
    ) -> None:  # fmt: skip
        self.job, self.cells, self.menus = job, cells, menus
        self.n_sites = len(menus)
        self.n_layers, self.counted = (1, 0) if max_pauses is None else (max_pauses + 1, 1)
        self.n_nodes = 3 * (cells.n + 1) * self.n_sites * self.n_layers + 2
        self.plain, self.flexible = Rows(), Rows()
        self.begun = begun
        least_w = min(point.power_w for menu in menus for point in menu)
        negative = bool(np.nanmin(cells.intensity, initial=0.0) < 0.0)
        self.dominated = not negative and job.idle_power_w <= least_w
        self.second_cost = hour_cost * J_PER_KWH / S_PER_H
        self.late = self.second_cost * ((cells.edges_ns - cells.edges_ns[0]) / NS_PER_S)
        """What being done at each edge costs, shape (n + 1,)."""

    def node(self, edge: IntArray, state: int, site: int, layer: int) -> IntArray:
        """Return the nodes of one state at some edges, numbered in order of time."""
        return 1 + ((edge * 3 + state) * self.n_sites + site) * self.n_layers + layer

    @property
    def sink(self) -> int:
        return self.n_nodes - 1

    def site(self, z: int) -> None:
        """Write all arcs of one site but its moves."""
        cells = self.cells
        positive = cells.intensity[z] >= 0.0
        for sign, mask in ((1, positive), (-1, cells.intensity[z] < 0.0)):
            where = np.flatnonzero(mask)
            if len(where):
                menu = corners(self.menus[z], sign=sign)
                for layer in range(self.n_layers):
                    self._run(z, layer, where, menu)
                    self._share(z, layer, where, menu)
                    self._stop(z, layer, where, sign)
        for layer in range(self.n_layers):
            self._off(z, layer)
            self._limits(z, layer)
            self._finish(z, layer)

    def _sources(
        self, z: int, layer: int, where: IntArray
    ) -> list[tuple[IntArray, IntArray | int, IntArray]]:
        """Return (cells, tails, ties) of every way to be running at the start of a cell."""
        ways: list[tuple[IntArray, IntArray | int, IntArray]] = []
        for state in (State.ON, State.WARM):
            resumed_at_once = state == State.WARM and self.begun == "paused"
            later = where if resumed_at_once else where[where >= 1]
            ways.append((later, self.node(later, state, z, layer), np.zeros(len(later), dtype=np.int64)))
        if layer == 0 and self.begun is None:
            first = where[self.cells.may_start[z, where]]
            ways.append((first, 0, first * TIE_START))
        elif layer == 0 and z == 0 and self.begun == "running":
            ways.append((where[where == 0], 0, np.zeros(int((where == 0).sum()), dtype=np.int64)))
        return ways

    def _run(self, z: int, layer: int, where: IntArray, menu: tuple[Corner, ...]) -> None:
        for corner in menu:
            for cell, tail, tie in self._sources(z, layer, where):
                self.plain.add(
                    len(cell), tail=tail, head=self.node(cell + 1, State.ON, z, layer),
                    work=self._work(cell, corner), cost=self._area(z, cell) * corner.power_w, tie=tie,
                    usable=1, kind=Deed.RUN, cell=cell, site=z, point=corner.point,
                )  # fmt: skip

    def _work(self, cell: IntArray, corner: Corner) -> IntArray:
        """Return the work of whole cells at a point [ns]."""
        width = self.cells.width_ns[cell]
        return width if corner.throughput == 1.0 else np.rint(width * corner.throughput).astype(np.int64)

    def _area(self, z: int, cell: IntArray) -> FloatArray:
        return np.asarray(self.cells.intensity[z, cell] * self.cells.width_s[cell])

    def _share(self, z: int, layer: int, where: IntArray, menu: tuple[Corner, ...]) -> None:
        for slow, quick in pairwise(menu):
            for cell, tail, tie in self._sources(z, layer, where):
                low, high = self._work(cell, slow), self._work(cell, quick)
                step_w = (quick.power_w - slow.power_w) / (quick.throughput - slow.throughput)
                rate = self.cells.intensity[z, cell] * step_w / NS_PER_S
                self.flexible.add(
                    len(cell), tail=tail, head=self.node(cell + 1, State.ON, z, layer), low=low, high=high,
                    cost=self._area(z, cell) * slow.power_w - rate * low, rate=rate, tie=tie,
                    kind=Deed.SHARE, cell=cell, site=z, point=slow.point, other_point=quick.point,
                )  # fmt: skip

    def _stop(self, z: int, layer: int, where: IntArray, sign: int) -> None:
        """Write the ways to run for part of a cell and then be off, or be done."""
        idle_w = self.job.idle_power_w
        ways = [(prefix_point(self.menus[z], idle_w, sign=sign), idle_w, False)]
        if self.second_cost:  # what time costs may make any point the best to be done at
            ways += [(corner, 0.0, True) for corner in corners(self.menus[z], sign=sign)]
        else:
            ways.append((prefix_point(self.menus[z], 0.0, sign=sign), 0.0, True))
        for corner, then_w, done in ways:
            for cell, tail, tie in self._sources(z, layer, where):
                high, c = self._work(cell, corner), self.cells.intensity[z, cell]
                head: object = self.sink if done else self.node(cell + 1, State.OFF, z, layer)
                cost = self._area(z, cell) * then_w
                rate = c * (corner.power_w - then_w) / corner.throughput / NS_PER_S
                if done and self.second_cost:
                    cost = cost + self.late[cell]
                    rate = rate + self.second_cost / corner.throughput / NS_PER_S
                self.flexible.add(
                    len(cell), tail=tail, head=head, low=0, high=high, cost=cost, rate=rate, tie=tie,
                    kind=Deed.STOP, cell=cell, site=z, point=corner.point, other_point=-2 if done else -1,
                )  # fmt: skip

    def _off(self, z: int, layer: int) -> None:
        """Write stopping at an edge and staying off, each for a whole cell."""
        cell = np.flatnonzero(self._may_idle(z))
        cell = cell[cell >= 1]
        cost = np.nan_to_num(self._area(z, cell)) * self.job.idle_power_w
        for state in (State.OFF, State.ON):
            self.plain.add(
                len(cell), tail=self.node(cell, state, z, layer),
                head=self.node(cell + 1, State.OFF, z, layer), work=0, cost=cost, usable=1, kind=Deed.IDLE,
                cell=cell, site=z,
            )  # fmt: skip
        if self.begun is not None and z == layer == 0 and self._may_idle(z)[0]:
            first = np.zeros(1, dtype=np.int64)
            self.plain.add(
                1, tail=0, head=self.node(first + 1, State.OFF, z, layer), work=0,
                cost=np.nan_to_num(self._area(z, first)) * self.job.idle_power_w, tie=TIE_START, usable=1,
                kind=Deed.IDLE, cell=first, site=z,
            )  # fmt: skip

    def _may_idle(self, z: int) -> BoolArray:
        known = ~np.isnan(self.cells.intensity[z])
        return known if self.job.idle_power_w else np.ones_like(known)

    def _limits(self, z: int, layer: int) -> None:
        """Write, for the relaxation, what flexible stops do at their limits and no plain arc does.

        Those are: to run a cell through, be off and resume at once; and to begin or resume and not run.
        """
        cell = np.flatnonzero(self._may_idle(z))
        idle = np.nan_to_num(self._area(z, cell)) * self.job.idle_power_w
        self._limit(cell, self.node(cell, State.ON, z, layer), self.node(cell, State.OFF, z, layer))
        self._limit(
            cell, self.node(cell, State.WARM, z, layer), self.node(cell + 1, State.OFF, z, layer), idle
        )
        self._limit(cell, self.node(cell, State.WARM, z, layer), self.sink, self.late[cell])
        if layer == 0 and self.begun is None:
            first = self.cells.may_start[z, cell]
            self._limit(cell[first], 0, self.node(cell[first] + 1, State.OFF, z, layer), idle[first])

    def _limit(
        self, cell: IntArray, tail: IntArray | int, head: IntArray | int, cost: FloatArray | float = 0.0
    ) -> None:
        self.plain.add(np.size(cell), tail=tail, head=head, work=0, cost=cost, usable=0, kind=Deed.LIMIT)

    def _finish(self, z: int, layer: int) -> None:
        edge = np.arange(1, self.cells.n + 1, dtype=np.int64)
        tail = self.node(edge, State.ON, z, layer)
        self.plain.add(
            len(edge), tail=tail, head=self.sink, work=0, cost=self.late[edge], usable=1,
            kind=Deed.FINISH, site=z,
        )  # fmt: skip

    def resume(self, z: int) -> None:
        """Write the resumes of one site, and the moves to it."""
        edge, warm, cost = self._resumes(z)
        for layer in range(self.n_layers - self.counted):
            later = layer + self.counted
            here = (edge >= 1) | (layer == 0)
            tail = np.where(edge >= 1, self.node(edge, State.OFF, z, layer), 0)
            self.plain.add(
                int(here.sum()), tail=tail[here], head=self.node(warm[here], State.WARM, z, later), work=0,
                cost=cost[here], tie=TIE_PAUSE, usable=1, kind=Deed.RESUME, cell=edge[here], site=z, to_site=z,
            )  # fmt: skip
            for origin in range(self.n_sites):
                if origin != z:
                    self._move(origin, z, layer, later, edge, warm, cost)

    def _resumes(self, z: int) -> tuple[IntArray, IntArray, FloatArray]:
        """Return (edges where a resume may begin, edges where it is over, cost)."""
        cells, job = self.cells, self.job
        edge = np.flatnonzero(cells.may_start[z])
        if z != 0 or self.begun != "paused":
            edge = edge[edge >= 1]
        time_ns = round(job.resume_time_s * NS_PER_S)
        end_ns = cells.edges_ns[edge] + time_ns
        edge, end_ns = edge[end_ns < cells.edges_ns[-1]], end_ns[end_ns < cells.edges_ns[-1]]
        warm = cells.index_of(end_ns)
        unknown = cells.n_unknown(z)
        known = unknown[np.maximum(warm, edge + 1)] == unknown[edge]
        edge, warm = edge[known], warm[known]
        energy_j = job.resume_energy_kwh * J_PER_KWH
        if time_ns == 0:
            return edge, warm, cells.intensity[z, edge] * energy_j
        areas = cells.areas(z)
        power_w = self.menus[z][0].power_w + energy_j / job.resume_time_s
        return edge, warm, (areas[warm] - areas[edge]) * power_w

    def _move(
        self, origin: int, z: int, layer: int, later: int, edge: IntArray, warm: IntArray, cost: FloatArray
    ) -> None:
        """Write the moves from one site to another: leave, arrive where a resume may begin, resume."""
        cells, job = self.cells, self.job
        time_ns = round(job.migrate_time_s * NS_PER_S)
        leave_ns = cells.edges_ns[edge] - time_ns
        fits = leave_ns > cells.edges_ns[0]
        edge, warm, cost = edge[fits], warm[fits], cost[fits]
        leave = cells.index_of(leave_ns[fits])
        known = np.ones(len(edge), dtype=np.bool_)
        energy_j = job.migrate_energy_kwh * J_PER_KWH
        if time_ns == 0:
            cost = cost + cells.intensity[z, edge] * energy_j
        elif energy_j:
            areas, unknown = cells.areas(z), cells.n_unknown(z)
            cost = cost + (areas[edge] - areas[leave]) * (energy_j / job.migrate_time_s)
            known &= unknown[edge] == unknown[leave]
        if job.idle_power_w:
            areas, unknown = cells.areas(origin), cells.n_unknown(origin)
            cost = cost + (areas[edge] - areas[leave]) * job.idle_power_w
            known &= unknown[edge] == unknown[leave]
        for state in (State.OFF, State.ON):
            self.plain.add(
                int(known.sum()), tail=self.node(leave[known], state, origin, layer),
                head=self.node(warm[known], State.WARM, z, later), work=0, cost=cost[known],
                tie=TIE_PAUSE + TIE_MOVE, usable=1, kind=Deed.MOVE, cell=edge[known], site=origin,
                to_site=z,
            )  # fmt: skip


def build(
    job: Job,
    cells: Cells,
    menus: Sequence[tuple[OperatingPoint, ...]],
    *,
    max_pauses: int | None = None,
    hour_cost: float = 0.0,
    begun: Begun = None,
) -> Network:
    """Return the graph of a job over the cells of some sites.

    Parameters
    ----------
    job : Job
    cells : Cells
        Cut with ``after_ns`` the resume time and ``before_ns`` the time of a move.
    menus : sequence of tuples of OperatingPoint
        One a site, baseline first.
    max_pauses : int, optional
        Count interruptions and allow no more than this; each one more makes the graph that much larger.
    hour_cost : float
        What each hour until the job is done costs, in the unit of the cells' intensity times kWh.
    begun : {"running", "paused"}, optional
        What the job is doing in the first site at the first edge, if it has begun.

    Notes
    -----
    Size: O(n_cells * (n_sites * n_points + n_sites ** 2)) arcs, times ``max_pauses + 1``.
    """
    builder = _Builder(job, cells, menus, max_pauses, hour_cost, begun)
    for z in range(len(menus)):
        builder.site(z)
        builder.resume(z)
    builder.plain.add(1, tail=0, head=builder.sink, work=0, cost=0.0, usable=0, kind=Deed.LIMIT)
    rows = builder.plain
    order = np.argsort(rows.column("head"), kind="stable")
    plain = {name: rows.column(name)[order] for name in PLAIN}
    plain["usable"] = plain["usable"].astype(np.bool_)
    return Network(
        graph=Graph(
            n_nodes=builder.n_nodes,
            dominated=builder.dominated,
            plain=Plain(**plain),
            flexible=Flexible(**{name: builder.flexible.column(name) for name in FLEXIBLE}),
        ),
        plain=Deeds(row=order, **{name: rows.column(name) for name in DEEDS}),
        flexible=Deeds(
            row=np.arange(len(builder.flexible.column("tail"))),
            **{name: builder.flexible.column(name) for name in DEEDS},
        ),
    )
