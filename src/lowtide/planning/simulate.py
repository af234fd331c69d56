"""A job carried out on a virtual clock: the controller's decisions, what came of them, and what that emitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lowtide.model.planning import Job, Plan, Segment
from lowtide.planning.control import Decision, View, decide
from lowtide.planning.promise import promise
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.units import J_PER_KWH, ns_from_s

__all__ = ["Executed", "simulate"]

_MOST_DECISIONS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What a simulated job did.

    Attributes
    ----------
    plan : Plan
        What was carried out, priced on the true intensity.
    first : Plan or None
        The first plan that was followed, priced on the intensity it was made on.
    decisions : tuple of Decision
        All of them, in order.
    deadline_met : bool
    """

    plan: Plan
    first: Plan | None
    decisions: tuple[Decision, ...]
    deadline_met: bool


@dataclass(slots=True)
class _Job:
    """Where a simulated job stands."""

    t_ns: int
    done_ns: int = 0
    begun: Literal["running", "paused"] | None = None
    since_ns: int | None = None


def simulate(
    job: Job,
    site: SiteOption,
    *,
    start_ns: int,
    deadline_ns: int,
    known_at: Callable[[int], IntensitySeries],
    true_work_s: float | None = None,
    may_pause: bool = False,
    margin_fraction: float = 0.1,
    min_saving_fraction: float = 0.03,
    issues_ns: Sequence[int] = (),
    least_s: float = 0.0,
) -> Executed:
    """Carry a job out on a virtual clock.

    Parameters
    ----------
    job : Job
        As it is expected to be.
    site : SiteOption
        With the true intensity.
    start_ns, deadline_ns : int
    known_at : callable
        Takes an instant [ns]; returns the intensity as known then: its past, and a forecast.
    true_work_s : float, optional
        How long it takes in truth [s at throughput 1]; as expected without it.
    may_pause, margin_fraction, min_saving_fraction, least_s
        See :class:`~lowtide.planning.control.View`.
    issues_ns : sequence of int, increasing
        When new forecasts come, at which it is decided anew.

    Raises
    ------
    RuntimeError
        If it has not ended after 100,000 decisions.
    """
    work_ns = job.work_ns if true_work_s is None else ns_from_s(true_work_s)
    issues = np.asarray(issues_ns, dtype=np.int64)
    state, segments, decisions = _Job(start_ns), list[Segment](), list[Decision]()
    first: Plan | None = None
    plan: Plan | None = None
    while state.done_ns < work_ns:
        if len(decisions) >= _MOST_DECISIONS:
            raise RuntimeError(f"no end after {_MOST_DECISIONS} decisions")
        decision = decide(
            View(
                now_ns=state.t_ns, job=job, site=replace(site, intensity=known_at(state.t_ns)),
                deadline_ns=deadline_ns, begun=state.begun, done_s=state.done_ns / 1e9, may_pause=may_pause,
                margin_fraction=margin_fraction, min_saving_fraction=min_saving_fraction, plan=plan, least_s=least_s,
                since_ns=state.since_ns,
            )
        )  # fmt: skip
        decisions.append(decision)
        plan = decision.plan
        before, t_ns = state.begun, state.t_ns
        first = first or plan
        segments += _carry_out(state, decision, job, site.zone, work_ns, _next_issue(issues, state.t_ns))
        state.since_ns = state.since_ns if state.begun == before else t_ns
    done = promise("executed", _joined(segments), [site])
    return Executed(
        plan=done, first=first, decisions=tuple(decisions), deadline_met=done.end_ns <= deadline_ns
    )


def _next_issue(issues: np.ndarray, t_ns: int) -> int | None:
    i = int(np.searchsorted(issues, t_ns, side="right"))
    return int(issues[i]) if i < len(issues) else None


def _carry_out(
    state: _Job, decision: Decision, job: Job, zone: str, work_ns: int, issue_ns: int | None
) -> list[Segment]:
    """Let time pass until the next decision; return what was drawn."""
    until_ns = decision.until_ns if issue_ns is None else min(decision.until_ns, issue_ns)
    if decision.act == "hold":
        start_ns, state.t_ns = state.t_ns, until_ns
        if state.begun is None:
            return []
        state.begun = "paused"
        return [_segment("idle", zone, start_ns, until_ns, job.idle_power_w)] if job.idle_power_w else []
    found, impulse_kwh = _resumed(state, job, zone) if state.begun == "paused" else ([], 0.0)
    state.begun = "running"
    end_ns = min(max(until_ns, state.t_ns), state.t_ns + work_ns - state.done_ns)
    if end_ns > state.t_ns:
        point = job.points[0]
        run = _segment("run", zone, state.t_ns, end_ns, point.power_w, throughput=1.0)
        found.append(replace(run, impulse_kwh=impulse_kwh))
        state.done_ns += end_ns - state.t_ns
        state.t_ns = end_ns
    return found


def _resumed(state: _Job, job: Job, zone: str) -> tuple[list[Segment], float]:
    """Return the resume of a paused job, or what an instant one draws [kWh]; lets its time pass."""
    if not job.resume_time_s:
        return [], job.resume_energy_kwh
    start_ns = state.t_ns
    power_w = job.points[0].power_w + job.resume_energy_kwh * J_PER_KWH / job.resume_time_s
    state.t_ns += ns_from_s(job.resume_time_s)
    return [_segment("resume", zone, start_ns, state.t_ns, power_w)], 0.0


def _segment(
    kind: Literal["run", "resume", "idle"],
    zone: str,
    start_ns: int,
    end_ns: int,
    power_w: float,
    *,
    throughput: float = 0.0,
) -> Segment:
    return Segment(
        zone=zone, start_ns=start_ns, end_ns=end_ns, throughput=throughput, power_w=power_w, kind=kind
    )


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments with those that go on unchanged as one."""
    found: list[Segment] = []
    for segment in segments:
        last = found[-1] if found else None
        if last is not None and _goes_on(last, segment):
            found[-1] = replace(last, end_ns=segment.end_ns)
        else:
            found.append(segment)
    return found


def _goes_on(last: Segment, segment: Segment) -> bool:
    """Return whether a segment is the one before, continued."""
    same = replace(last, start_ns=last.end_ns, end_ns=segment.end_ns, impulse_kwh=0.0)
    return segment == same and last.kind != "resume"
