"""The rows of one zone: exact plans of all its arrivals, and their means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.planning.kernels.compiled import Compiled
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume, run_now
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.starts import Edge, SlotGrid, that_fit
from lowtide.planning.swept import Slack, SweepJob, SweepPolicy, SweepRow, SweptZone
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
    """Return the rows of each job in a zone; jobs of one duration and slack share their plans."""
    chooser = Chooser(Slots.of(grid.values), step_ns=grid.step_ns, fast=fast)
    known: dict[tuple[int, int], dict[SweepPolicy, _Means]] = {}
    for job in task.jobs:
        duration_ns = ns_from_s(job.duration_s)
        for slack in task.slacks:
            lengths = duration_ns, slack.ns_of(duration_ns)
            if lengths not in known:
                known[lengths] = _means(task, chooser, grid, arrivals, *lengths)
    return [
        [_row(zone, job, *setting, known) for setting in product(task.policies, task.slacks)]
        for job in task.jobs
    ]


class _Means(NamedTuple):
    """Means over the arrivals whose run-now is known, per kWh of the job's energy; None where there is none."""

    n_starts: int
    now: float | None
    plan: float | None
    saving: float | None
    n_pauses: float | None
    n_unknown: int
    n_not_positive: int


def _means(
    task: Task, chooser: Chooser, grid: SlotGrid, arrivals: IntArray, duration_ns: int, slack_ns: int
) -> dict[SweepPolicy, _Means]:
    """Return the means of each policy for one duration and slack."""
    windows = Arrivals(
        first=that_fit(grid, arrivals, duration_ns=duration_ns, slack_ns=slack_ns, edge=task.edge),
        step_ns=grid.step_ns,
        duration_ns=duration_ns,
        slack_ns=slack_ns,
        n_slots=grid.n,
    )
    if len(windows.first) == 0:
        return {policy: _Means(0, None, None, None, None, 0, 0) for policy in task.policies}
    now = run_now(chooser, windows)
    return {
        policy: _mean_of(now, *_planned(chooser, windows, now, policy, task), step=grid.step_ns / duration_ns)
        for policy in task.policies
    }


def _planned(
    chooser: Chooser, windows: Arrivals, now: FloatArray, policy: SweepPolicy, task: Task
) -> tuple[FloatArray, IntArray | None]:
    """Return the cost and the pauses of each plan."""
    if policy == "pause-resume":
        return pause_resume(chooser, windows, with_pauses=task.with_pauses)
    never = np.zeros(len(now), dtype=np.int64)
    return (now if policy == "run-now" else flexible_start(chooser, windows)), never


def _mean_of(now: FloatArray, plan: FloatArray, n_pauses: IntArray | None, *, step: float) -> _Means:
    """Return the means of plans; `step` is a slot over the duration, which makes costs g/kWh."""
    n = len(now)
    known = np.isfinite(now)
    if not known.all():
        now, plan, n_pauses = now[known], plan[known], None if n_pauses is None else n_pauses[known]
    positive = now > 0.0
    fractions = plan / now if positive.all() else plan[positive] / now[positive]
    pauses = None if n_pauses is None else _mean(n_pauses)
    saving = None if len(fractions) == 0 else _mean(1.0 - fractions)
    now_g, plan_g = _mean(now, step), _mean(plan, step)
    return _Means(len(now), now_g, plan_g, saving, pauses, n - len(now), len(now) - len(fractions))


def _mean(values: FloatArray | IntArray, factor: float = 1.0) -> float | None:
    return float(values.sum()) / len(values) * factor if len(values) else None


def _row(
    zone: SweptZone,
    job: SweepJob,
    policy: SweepPolicy,
    slack: Slack,
    known: Mapping[tuple[int, int], Mapping[SweepPolicy, _Means]],
) -> SweepRow:
    """Return a row; a yearly mean says nothing about moving in time."""
    duration_ns = ns_from_s(job.duration_s)
    slack_ns = slack.ns_of(duration_ns)
    means = known[duration_ns, slack_ns][policy]
    now, pauses = means.now, means.n_pauses
    judged = policy == "run-now" or zone.time_resolved
    plan = means.plan if judged else None
    return SweepRow(
        job=job.name,
        zone=zone.zone,
        policy=policy,
        slack=slack.label,
        n_starts=means.n_starts,
        mean_saving_fraction=means.saving if judged else None,
        ratio_saving_fraction=None if plan is None or now is None or now <= 0.0 else 1.0 - plan / now,
        mean_emissions_g=None if plan is None else plan * job.energy_kwh,
        mean_baseline_g=None if now is None else now * job.energy_kwh,
        pauses_per_hour=None
        if pauses is None or plan is None
        else pauses * NS_PER_H / (duration_ns + slack_ns),
        duration_h=job.duration_s / S_PER_H,
        slack_h=slack_ns / NS_PER_H,
        energy_kwh=job.energy_kwh,
        n_unknown=means.n_unknown,
        n_not_positive=means.n_not_positive,
    )
