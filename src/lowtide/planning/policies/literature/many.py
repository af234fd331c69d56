"""Wait Awhile for many jobs on one intensity, each with a deadline of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, tzinfo
from typing import NamedTuple

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume, run_now
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.policies.literature.calendar import Rule, finish_by_ns
from lowtide.planning.starts import SlotGrid, slot_grid
from lowtide.quantities import format_duration, format_instant
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = ["ManyJobs", "wait_awhile_many"]


class ManyJobs(NamedTuple):
    """What each job emits for every kilowatt it draws [g/kW]; NaN where run-now meets unknown intensity.

    Attributes
    ----------
    run_now, waiting : float64 arrays, shape (q,)
        Started at once, and by the rule.
    """

    run_now: FloatArray
    waiting: FloatArray

    @property
    def saving_fraction(self) -> float:
        """1 - what all jobs emit by the rule over what they emit at once, of jobs of one power.

        NaN where any of them is unknown.
        """
        return 1.0 - float(self.waiting.sum()) / float(self.run_now.sum())


def wait_awhile_many(
    series: IntensitySeries,
    starts_ns: IntArray,
    durations_ns: IntArray,
    *,
    rule: Rule,
    interrupting: bool,
    tz: tzinfo = UTC,
    slot_s: float | None = None,
    late_slots: int = 0,
) -> ManyJobs:
    """Return what :class:`~lowtide.planning.policies.literature.wait_awhile.WaitAwhile` saves over many jobs.

    Parameters
    ----------
    series : IntensitySeries
        On slots of equal length, or on steps that are whole numbers of `slot_s`.
    starts_ns, durations_ns : int64 arrays, shape (q,)
        When each job arrives and how long it runs [ns], in whole slots.
    rule, interrupting, tz
        As of the policy.
    slot_s : float, optional
        Length of a slot [s]; the shortest step without it.
    late_slots : int
        By how many slots every job may be late, those started at once too, which then take the best start among
        them. The published simulator allows 1, since its windows hold the slot that begins at their end.

    Raises
    ------
    InputError
        If a job does not lie on the slots, or its deadline falls inside one.

    Notes
    -----
    Windows end with the data. Cost: O(n) for each different duration, and O(log n) to O(w) for each job with
    a window of w slots.

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> edges_ns = (1577923200 + np.arange(49) * 3600) * NS_PER_S  # from Thursday, 2020-01-02T00:00Z
    >>> values = np.where(np.arange(48) % 24 < 6, 100.0, 300.0)  # clean from 0:00 to 6:00
    >>> series = IntensitySeries.of(edges_ns, values, signal=Signal(zone="DE", source="made up"))
    >>> start_ns, two_hours_ns = edges_ns[[17]], np.array([2 * NS_PER_H])  # 17:00 to 19:00
    >>> wait_awhile_many(
    ...     series, start_ns, two_hours_ns, rule="next-workday", interrupting=False
    ... ).waiting.tolist()
    [200.0]
    """
    grid = slot_grid(series, slot_s=slot_s)
    _check(grid, starts_ns, durations_ns)
    slack_ns = _slack_ns(starts_ns + durations_ns, rule, tz)
    if np.any(slack_ns % grid.step_ns):
        raise InputError(
            f"a deadline at 9:00 in {tz} falls inside a slot of {format_duration(grid.step_ns / NS_PER_S)}; "
            "give a shorter slot_s"
        )
    late_ns = late_slots * grid.step_ns
    order = np.argsort(starts_ns, kind="stable")
    arrivals = Arrivals(
        first=(starts_ns[order] - grid.start_ns) // grid.step_ns,
        step_ns=grid.step_ns,
        duration_ns=durations_ns[order],
        slack_ns=slack_ns[order] + late_ns,
        n_slots=grid.n,
    )
    chooser = Chooser(Slots.of(grid.values), step_ns=grid.step_ns)
    at_once, waiting = np.empty(len(order)), np.empty(len(order))
    soon = replace(arrivals, slack_ns=np.full_like(arrivals.slack_ns, late_ns))
    at_once[order] = flexible_start(chooser, soon) if late_slots else run_now(chooser, arrivals)
    waiting[order] = (
        pause_resume(chooser, arrivals).cost if interrupting else flexible_start(chooser, arrivals)
    )
    hours, known = grid.step_ns / NS_PER_H, np.isfinite(at_once)
    return ManyJobs(np.where(known, at_once * hours, np.nan), np.where(known, waiting * hours, np.nan))


def _check(grid: SlotGrid, starts_ns: IntArray, durations_ns: IntArray) -> None:
    """Refuse jobs that do not lie on the slots."""
    slot = format_duration(grid.step_ns / NS_PER_S)
    if len(starts_ns) == 0 or starts_ns.shape != durations_ns.shape:
        raise InputError(
            f"{len(starts_ns)} starts and {len(durations_ns)} durations; give one or more of each"
        )
    if np.any((starts_ns - grid.start_ns) % grid.step_ns) or np.any(durations_ns % grid.step_ns):
        raise InputError(f"a job does not start and end on slots of {slot}; round it, or give slot_s")
    outside = (
        (starts_ns < grid.start_ns) | (durations_ns <= 0) | (starts_ns + durations_ns > grid.end_ns)
    ).nonzero()[0]
    if len(outside):
        i = int(outside[0])
        raise InputError(
            f"job {i} runs for {durations_ns[i] / NS_PER_H:g} h from {format_instant(int(starts_ns[i]))}; "
            f"the intensity is from {format_instant(grid.start_ns)} to {format_instant(grid.end_ns)}"
        )


def _slack_ns(finish_ns: IntArray, rule: Rule, tz: tzinfo) -> IntArray:
    """Return how much later each job may end; jobs that end together ask the calendar once."""
    ends, which = np.unique(finish_ns, return_inverse=True)
    by_ns = np.array([finish_by_ns(end, rule, tz=tz) for end in ends.tolist()], dtype=np.int64)
    return np.asarray(by_ns[which] - finish_ns)
