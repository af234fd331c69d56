"""The rows of one zone: exact plans of all its arrivals, and their means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from lowtide.planning.kernels.compiled import Compiled
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume, run_now
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.starts import Edge, SlotGrid, that_fit
from lowtide.planning.swept import Slack, SweepJob, SweepPolicy, SweepRow, SweptZone
from lowtide.series.steps import FloatArray, IntArray
from lowtide.units import NS_PER_H, S_PER_H, ns_from_s

__all__ = ["Task", "rows_of_zone"]

_PAUSES_COST: Final = 8
"""As many plans is one whose pauses are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of every zone; see :func:`lowtide.planning.sweep.sweep`."""

    jobs: tuple[SweepJob, ...]
    slacks: tuple[Slack, ...]
    policies: tuple[SweepPolicy, ...]
    edge: Edge
    with_pauses: bool

    def n_plans(self, n_starts: int) -> int:
        """Return how many pause-resume plans that is, one with pauses as several."""
        n = n_starts * len(self.jobs) * len(self.slacks) * ("pause-resume" in self.policies)
        return n * (_PAUSES_COST if self.with_pauses else 1)


def rows_of_zone(
    task: Task, zone: SweptZone, grid: SlotGrid, arrivals: IntArray, fast: Compiled | None
) -> list[list[SweepRow]]:
    """Return the rows of each job in a zone."""
    chooser = Chooser(Slots.of(grid.values), step_ns=grid.step_ns, fast=fast)
    return [_rows_of_job(task, zone, chooser, grid, arrivals, job) for job in task.jobs]


def _rows_of_job(
    task: Task, zone: SweptZone, chooser: Chooser, grid: SlotGrid, arrivals: IntArray, job: SweepJob
) -> list[SweepRow]:
    duration_ns = ns_from_s(job.duration_s)
    rows: dict[tuple[SweepPolicy, Slack], SweepRow] = {}
    for slack in task.slacks:
        slack_ns = slack.ns_of(duration_ns)
        windows = Arrivals(
            first=that_fit(grid, arrivals, duration_ns=duration_ns, slack_ns=slack_ns, edge=task.edge),
            step_ns=grid.step_ns,
            duration_ns=duration_ns,
            slack_ns=slack_ns,
            n_slots=grid.n,
        )
        now = run_now(chooser, windows)
        for policy in task.policies:
            found = _planned(chooser, windows, now, policy, task.with_pauses)
            rows[policy, slack] = _row(zone, job, policy, slack, found, slack_ns / NS_PER_H)
    return [rows[policy, slack] for policy in task.policies for slack in task.slacks]


class _Planned(NamedTuple):
    """Costs of the arrivals whose run-now is known, and what turns them into g/kWh of the job's energy."""

    now: FloatArray
    plan: FloatArray
    per_slot: float
    n_pauses: IntArray | None
    n_unknown: int

    def saved(self) -> FloatArray:
        """Return the saving of each arrival whose run-now emits something, as a fraction of it."""
        positive = self.now > 0.0
        if positive.all():
            return 1.0 - self.plan / self.now
        return np.asarray(1.0 - self.plan[positive] / self.now[positive])


def _planned(
    chooser: Chooser, windows: Arrivals, now: FloatArray, policy: SweepPolicy, with_pauses: bool
) -> _Planned:
    n_pauses: IntArray | None = np.zeros(len(now), dtype=np.int64)
    if policy == "run-now" or len(now) == 0:
        cost = now
    elif policy == "flexible-start":
        cost = flexible_start(chooser, windows)
    else:
        cost, n_pauses = pause_resume(chooser, windows, with_pauses=with_pauses)
    known = np.isfinite(now)
    n_unknown = len(now) - int(np.count_nonzero(known))
    if n_unknown:
        now, cost, n_pauses = now[known], cost[known], None if n_pauses is None else n_pauses[known]
    per_slot = windows.step_ns / int(windows.duration_ns)
    return _Planned(now=now, plan=cost, per_slot=per_slot, n_pauses=n_pauses, n_unknown=n_unknown)


def _row(
    zone: SweptZone, job: SweepJob, policy: SweepPolicy, slack: Slack, found: _Planned, slack_h: float
) -> SweepRow:
    """Return the means over the plans; a yearly mean says nothing about moving in time."""
    judged = policy == "run-now" or zone.time_resolved
    now, plan = _mean(found.now, found.per_slot), _mean(found.plan, found.per_slot) if judged else None
    saved = found.saved()
    duration_h = job.duration_s / S_PER_H
    pauses = None if found.n_pauses is None or plan is None else _mean(found.n_pauses)
    return SweepRow(
        job=job.name,
        zone=zone.zone,
        policy=policy,
        slack=slack.label,
        n_starts=len(found.now),
        mean_saving_fraction=_mean(saved) if judged else None,
        ratio_saving_fraction=None if plan is None or now is None or now <= 0.0 else 1.0 - plan / now,
        mean_emissions_g=None if plan is None else plan * job.energy_kwh,
        mean_baseline_g=None if now is None else now * job.energy_kwh,
        pauses_per_hour=None if pauses is None else pauses / (duration_h + slack_h),
        duration_h=duration_h,
        slack_h=slack_h,
        energy_kwh=job.energy_kwh,
        n_unknown=found.n_unknown,
        n_not_positive=len(found.now) - len(saved),
    )


def _mean(values: FloatArray | IntArray, factor: float = 1.0) -> float | None:
    return float(values.sum()) / len(values) * factor if len(values) else None
