"""The rows of one zone: exact plans of all its arrivals, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_FAR_APART: Final = 8
"""Arrivals that are on average more slots apart are few enough to plan all settings at once."""


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
    """Return the rows of each job in a zone; settings of one duration and slack share their plans."""
    chooser = Chooser(Slots.of(grid.values), step_ns=grid.step_ns, fast=fast)
    durations = dict.fromkeys(ns_from_s(job.duration_s) for job in task.jobs)
    settings = list(dict.fromkeys((d, slack.ns_of(d)) for d in durations for slack in task.slacks))
    if len(arrivals) * _FAR_APART < grid.n:
        found = _means(task, chooser, grid, arrivals, settings)
    else:
        found = [means for setting in settings for means in _means(task, chooser, grid, arrivals, [setting])]
    known = dict(zip(settings, found, strict=True))
    return [
        [_row(zone, job, *how, known) for how in product(task.policies, task.slacks)] for job in task.jobs
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


_NOTHING: Final = _Means(0, None, None, None, None, 0, 0)


def _means(
    task: Task, chooser: Chooser, grid: SlotGrid, arrivals: IntArray, settings: Sequence[tuple[int, int]]
) -> list[dict[SweepPolicy, _Means]]:
    """Return the means of each policy for each duration and slack [ns]; the plans of all are made at once."""
    firsts = [that_fit(grid, arrivals, duration_ns=d, slack_ns=s, edge=task.edge) for d, s in settings]
    windows = _together(grid, firsts, settings)
    if len(windows.first) == 0:
        return [dict.fromkeys(task.policies, _NOTHING) for _ in settings]
    now = run_now(chooser, windows)
    plans = {policy: _planned(chooser, windows, now, policy, task) for policy in task.policies}
    ends = np.cumsum([len(first) for first in firsts]).tolist()
    parts = [slice(end - len(first), end) for end, first in zip(ends, firsts, strict=True)]
    return [
        {
            policy: _mean_of(
                now[part], cost[part], None if n is None else n[part], step=grid.step_ns / duration_ns
            )
            for policy, (cost, n) in plans.items()
        }
        for part, (duration_ns, _) in zip(parts, settings, strict=True)
    ]


def _together(grid: SlotGrid, firsts: Sequence[IntArray], settings: Sequence[tuple[int, int]]) -> Arrivals:
    """Return the arrivals of all settings, one after the other."""
    duration_ns: int | IntArray
    slack_ns: int | IntArray
    (duration_ns, slack_ns), first = settings[0], firsts[0]
    if len(settings) > 1:
        first, lengths = np.concatenate(firsts), [len(first) for first in firsts]
        duration_ns, slack_ns = (np.repeat(values, lengths) for values in np.array(settings).T)
    return Arrivals(
        first=first, step_ns=grid.step_ns, duration_ns=duration_ns, slack_ns=slack_ns, n_slots=grid.n
    )


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
    if n == 0:
        return _NOTHING
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
