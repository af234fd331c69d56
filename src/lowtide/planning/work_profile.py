"""Pause & Resume of a recorded power profile: power depends on the work done, so the order matters.

With constant power the cheapest slots are enough. With a profile the cost of a cell depends on how much work
was done before it, and the state of the exact dynamic programme is the work done itself. In continuous time
the amounts at which an optimal plan stops hang together: moving a group of stops until one of them meets a
change of power, the beginning or the end of the work never costs more in one of the two directions. So where
cells, profile and work are multiples of one step, stopping at its multiples is enough, and the programme
over that grid is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.planning import Infeasible, Job, Plan, Segment, SegmentKind, Window
from lowtide.planning.policies import flexible_start
from lowtide.planning.promise import promise
from lowtide.planning.search import cells_of, search, why_not
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import Cells
from lowtide.series import steps
from lowtide.units import J_PER_KWH, NS_PER_S, S_PER_H

__all__ = ["pause_profile"]

_MOST_STATES: Final = 2_000_000
"""Cells times amounts of work up to which the exact programme is run (about 50 MB)."""
_MOST_CHOICES: Final = 100_000_000
"""The same times stops in a cell (about 1 s)."""
_RAN_ON: Final = -1
_STAYED_OFF: Final = 0


def pause_profile(
    policy: str, job: Job, site: SiteOption, window: Window, *, slot_s: float | None
) -> Plan | Infeasible:
    """Return the best plan that may pause, for a job with a recorded profile.

    On a common grid it is exact. Else it is the better of the best start without a pause and of the pauses
    that are best for the profile's mean power; its lower bound matches the dearest power with the cheapest
    time, whatever the order.
    """
    cells = cells_of(job, [site], window, slot_s=slot_s)
    through = flexible_start.plan(job, [site], window, slot_s=slot_s)
    grid = _grid(job, site, cells, window.hour_cost)
    if grid is not None and job.max_pauses is None:
        found = grid.solve()
        if found is None:
            reason = why_not(job, [site], cells, [site.menu(job)[:1]], -1)
            return Infeasible(policy=policy, zone=site.zone, reason=reason)
        return promise(policy, found, [site], profile=job.profile, window=window)
    plans = [replace(through, policy=policy)] if isinstance(through, Plan) else []
    paused = _by_mean_power(policy, job, site, window, slot_s)
    plans += [paused] if paused is not None else []
    if not plans:
        reason = why_not(job, [site], cells, [site.menu(job)[:1]], -1)
        return Infeasible(policy=policy, zone=site.zone, reason=reason)
    best = min(plans, key=lambda plan: (plan.emissions_g is None, plan.emissions_g or 0.0))
    bound_g = _bound_g(job, site, cells)
    if bound_g is not None:
        bound_g += window.elapsed_cost(window.start_ns + job.work_ns)
    return replace(best, lower_bound_g=bound_g)


def _by_mean_power(
    policy: str, job: Job, site: SiteOption, window: Window, slot_s: float | None
) -> Plan | None:
    assert job.profile is not None
    menu = (replace(site.menu(job)[0], power_w=job.profile.mean_power_w),)
    plain = replace(job, profile=None, points=menu, idle_power_w=min(job.idle_power_w, menu[0].power_w))
    found = search(policy, plain, [site], window, [menu], slot_s=slot_s)
    if not isinstance(found, Plan):
        return None
    return promise(policy, found.segments, [site], profile=job.profile, window=window)


def _bound_g(job: Job, site: SiteOption, cells: Cells) -> float | None:
    """Return a bound below every order of the work (the rearrangement inequality); None where c may be < 0."""
    assert job.profile is not None
    c, width = cells.intensity[0], cells.width_s
    known = ~np.isnan(c)
    if not (c[known] >= 0.0).all():
        return None
    cheap = np.argsort(c[known], kind="stable")
    power = np.array(job.profile.power_w)
    dear = np.argsort(-power, kind="stable")
    time_ns = np.rint(np.cumsum(width[known][cheap]) * NS_PER_S).astype(np.int64)
    work_ns = np.rint(np.cumsum(np.diff(job.profile.edges_s)[dear]) * NS_PER_S).astype(np.int64)
    start = np.zeros(1, dtype=np.int64)
    products = steps.integrate_product(
        *_distinct(np.concatenate((start, time_ns)), c[known][cheap]),
        *_distinct(np.concatenate((start, work_ns)), power[dear]),
    )
    return float(products.sum()) / J_PER_KWH


def _distinct(edges: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    keep = np.diff(edges) > 0
    return np.concatenate((edges[:1], edges[1:][keep])), values[keep]


def _grid(job: Job, site: SiteOption, cells: Cells, hour_cost: float) -> _Grid | None:
    """Return the common grid of cells, profile and work, None where it is too fine."""
    assert job.profile is not None
    if site.menu(job)[0].throughput != 1.0:
        return None
    profile_ns = np.rint(np.array(job.profile.edges_s) * NS_PER_S).astype(np.int64)
    profile_ns[-1] = job.work_ns
    step_ns = int(np.gcd.reduce(np.concatenate((cells.width_ns, profile_ns[1:]))))
    n = job.work_ns // step_ns + 1
    if cells.n * n > _MOST_STATES or cells.n * n * (int(cells.width_ns.max()) // step_ns) > _MOST_CHOICES:
        return None
    at_ns = np.arange(n, dtype=np.int64) * step_ns
    energy_j = steps.cumulative_at(profile_ns, np.array(job.profile.power_w), at_ns)
    return _Grid(
        job=job, site=site, cells=cells, step_ns=step_ns, energy_j=energy_j,
        second_cost=hour_cost * J_PER_KWH / S_PER_H,
    )  # fmt: skip


@dataclass(slots=True)
class _Best:
    """The cheapest way to be done so far: in which cell, and the work done before it."""

    cost: float = np.inf
    cell: int = -1
    done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grid:
    """The programme on a grid of work; `energy_j` is what its points have taken [J], shape (n,).

    `second_cost` is what each second until the end costs [g/kWh * J].
    """

    job: Job
    site: SiteOption
    cells: Cells
    step_ns: int
    energy_j: FloatArray
    second_cost: float

    def solve(self) -> list[Segment] | None:
        """Return the segments of the cheapest plan, None where there is none."""
        cells, shape = self.cells, (self.cells.n + 1, len(self.energy_j))
        way = _Ways(
            on=np.full(shape, np.inf),
            off=np.full(shape, np.inf),
            on_from=np.full(shape, _RAN_ON, dtype=np.int32),
            off_from=np.zeros(shape, dtype=np.int32),
        )
        resumes, best = self._resumes(), _Best()
        for j in range(cells.n):
            for edge, cost in resumes.get(j, ()):
                way.resume(j, edge, cost)
            c, k = float(cells.intensity[0, j]), int(cells.width_ns[j]) // self.step_ns
            idle = c * self.job.idle_power_w * float(cells.width_s[j])
            if not np.isnan(c) or not self.job.idle_power_w:
                way.stay_off(j, 0.0 if np.isnan(c) else idle)
            if not np.isnan(c):
                here = way.on[j].copy()
                here[0] = 0.0 if cells.may_start[0, j] else np.inf
                self._finish(here, j, c, k, best)
                way.run(here, j, c, k, self.energy_j, idle)
        return None if best.cell < 0 else self._segments(way, best)

    def _finish(self, here: FloatArray, j: int, c: float, k: int, best: _Best) -> None:
        """Be done within cell j, from every amount of work that it can complete."""
        n = len(self.energy_j)
        first = max(n - 1 - k, 0)
        costs = here[first : n - 1] + c * (self.energy_j[-1] - self.energy_j[first : n - 1])
        if self.second_cost:
            begun_s = float(self.cells.edges_ns[j] - self.cells.edges_ns[0]) / NS_PER_S
            left_s = np.arange(n - 1 - first, 0, -1) * (self.step_ns / NS_PER_S)
            costs = costs + self.second_cost * (begun_s + left_s)
        if len(costs) and costs.min() < best.cost - 1e-12 * abs(best.cost if best.cell >= 0 else 0.0):
            best.cost, best.cell, best.done = float(costs.min()), j, first + int(np.argmin(costs))

    def _resumes(self) -> dict[int, list[tuple[int, float]]]:
        """Return, by the edge a resume begins at, the edge it is over at and its cost."""
        cells, job = self.cells, self.job
        time_ns, energy_j = round(job.resume_time_s * NS_PER_S), job.resume_energy_kwh * J_PER_KWH
        areas, unknown = cells.areas(0), cells.n_unknown(0)
        found: dict[int, list[tuple[int, float]]] = {}
        for j in np.flatnonzero(cells.may_start[0]).tolist():
            over = int(np.searchsorted(cells.edges_ns, int(cells.edges_ns[j]) + time_ns))
            if over >= cells.n or unknown[max(over, j + 1)] != unknown[j]:
                continue
            cost = float(cells.intensity[0, j]) * energy_j
            if time_ns:
                power_w = self.site.menu(job)[0].power_w + energy_j / job.resume_time_s
                cost = float(areas[over] - areas[j]) * power_w
            found[j] = [(over, cost)]
        return found

    def _segments(self, way: _Ways, best: _Best) -> list[Segment]:
        """Follow the choices back from the end."""
        edges, step_ns = self.cells.edges_ns.tolist(), self.step_ns
        left_ns = (len(self.energy_j) - 1 - best.done) * step_ns
        found = [self._segment("run", edges[best.cell], edges[best.cell] + left_ns)]
        j, done = best.cell, best.done
        while done > 0:
            over, j = j, int(way.on_from[j, done])
            if j == _RAN_ON:
                j = over - 1
                found.append(self._segment("run", edges[j], edges[over]))
                done -= (edges[over] - edges[j]) // step_ns
                continue
            if over > j:
                found.append(self._segment("resume", edges[j], edges[over]))
            elif self.job.resume_energy_kwh:
                found[-1] = replace(found[-1], impulse_kwh=self.job.resume_energy_kwh)
            while (ran := int(way.off_from[j, done])) == _STAYED_OFF:
                j -= 1
                found.append(self._segment("idle", edges[j], edges[j + 1]))
            j -= 1
            ran_ns = max(ran, 0) * step_ns
            found.append(self._segment("idle", edges[j] + ran_ns, edges[j + 1]))
            if ran > 0:
                found.append(self._segment("run", edges[j], edges[j] + ran_ns))
                done -= ran
        kept = [s for s in reversed(found) if s.kind != "idle" or self.job.idle_power_w]
        return joined(kept)

    def _segment(self, kind: SegmentKind, start_ns: int, end_ns: int) -> Segment:
        point, job = self.site.menu(self.job)[0], self.job
        power_w = {"run": point.power_w, "idle": job.idle_power_w}.get(kind, point.power_w)
        if kind == "resume":
            power_w += job.resume_energy_kwh * J_PER_KWH / job.resume_time_s
        throughput = 1.0 if kind == "run" else 0.0
        return Segment(
            zone=self.site.zone, start_ns=start_ns, end_ns=end_ns, throughput=throughput, power_w=power_w,
            kind=kind,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ways:
    """Least costs by edge and work done, running and paused, and how they came about.

    `on_from` is the edge it resumed at or -1 where it ran on; `off_from` the steps it ran in the cell before,
    0 where it was paused through it and -1 where it stopped at its start.
    """

    on: FloatArray
    off: FloatArray
    on_from: npt.NDArray[np.int32]
    off_from: npt.NDArray[np.int32]

    def resume(self, j: int, over: int, cost: float) -> None:
        better = self.off[j] + cost < self.on[over]
        self.on[over, better] = self.off[j, better] + cost
        self.on_from[over, better] = j

    def stay_off(self, j: int, cost: float) -> None:
        stops = self.on[j] < self.off[j]
        self.off[j + 1] = np.where(stops, self.on[j], self.off[j]) + cost
        self.off_from[j + 1] = np.where(stops, -1, _STAYED_OFF)

    def run(self, here: FloatArray, j: int, c: float, k: int, energy_j: FloatArray, idle: float) -> None:
        """Run through cell j of k steps, or stop in it, from every amount of work."""
        n = len(energy_j)
        through = here[: max(n - k, 0)] + c * (energy_j[k:] - energy_j[: max(n - k, 0)])
        better = through < self.on[j + 1, k:]
        self.on[j + 1, k:][better], self.on_from[j + 1, k:][better] = through[better], _RAN_ON
        for s in range(1, min(k, n - 1)):
            stopped = here[: n - s] + c * (energy_j[s:] - energy_j[: n - s]) + idle * (k - s) / k
            better = stopped < self.off[j + 1, s:]
            self.off[j + 1, s:][better], self.off_from[j + 1, s:][better] = stopped[better], s
