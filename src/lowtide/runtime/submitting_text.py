"""Submitted jobs in words: the one line of a promise, the list of what waits, and both as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lowtide.executors.slurm import SlurmJob
from lowtide.quantities import format_duration, format_instant
from lowtide.runtime.submitting_promise import Promise, Tag
from lowtide.units import NS_PER_S

__all__ = ["listed_plain", "promise_line", "promise_plain", "remarks", "short_instant"]

_CHANGE = {"average": "allocated", "marginal": "avoided"}


def short_instant(t_ns: int, after: str = "") -> str:
    """Return an instant to the minute, without the day where that is the same as of a text before.

    >>> short_instant(3_600_000_000_000), short_instant(3_600_000_000_000, "1970-01-01T00:00Z")
    ('1970-01-01T01:00Z', '01:00Z')
    """
    text = format_instant(t_ns)[:16] + "Z"
    return text[11:] if after[:11] == text[:11] else text


def promise_line(promise: Promise) -> str:
    """Return a promise in one line: when it starts, what that changes, when it is done, until when it must."""
    plan, who = promise.first, f"job {promise.job_id}" if promise.job_id else "not submitted"
    start = short_instant(plan.start_ns)
    if plan.start_ns > promise.submitted_ns:
        begins = f"starts {start}, {_change(promise)} against now"
    else:
        begins = f"starts now ({plan.why})"
    if promise.bound == "start_within":
        latest = f"latest start {short_instant(promise.latest_start_ns, start)}"
        done = f"done by {short_instant(plan.end_ns, start)}; " if promise.duration_from else ""
        return f"{who}: {begins}{', ' if done else '; '}{done}{latest}"
    deadline = short_instant(promise.deadline_ns, start)
    return f"{who}: {begins}, done by {short_instant(plan.end_ns, start)}; deadline {deadline}"


def _change(promise: Promise) -> str:
    saving = promise.first.saving_fraction
    if saving is None:
        return "change unknown"
    return f"{-saving * 100.0:+.0f} % ({_CHANGE[promise.basis]})"


def promise_plain(promise: Promise, notes: Sequence[str]) -> dict[str, Any]:
    """Return a promise as plain data, instants as text and null for unknown."""
    plan = promise.first
    return {
        "job_id": promise.job_id or None,
        "name": promise.name,
        "start": format_instant(plan.start_ns),
        "end": format_instant(plan.end_ns) if promise.duration_from else None,
        "deadline": None if promise.bound == "start_within" else format_instant(promise.deadline_ns),
        "latest_start": format_instant(promise.latest_start_ns),
        "bound": promise.bound,
        "duration_s": promise.job.work_s if promise.duration_from else None,
        "duration_from": promise.duration_from or None,
        "power_w": promise.job.points[0].power_w if promise.power_known else None,
        "margin_fraction": promise.margin_fraction,
        "min_saving_fraction": promise.min_saving_fraction,
        "pause": promise.pause,
        "zone": promise.zone,
        "basis": promise.basis,
        "emissions_g": plan.emissions_g,
        "at_once_g": plan.at_once_g,
        "saving_fraction": plan.saving_fraction,
        "why": plan.why,
        "notes": list(notes),
    }


def listed_plain(found: Sequence[tuple[SlurmJob, Tag]]) -> list[dict[str, Any]]:
    """Return tagged jobs as plain data."""
    return [
        {
            "job_id": job.submitted_id,
            "array_tasks": job.array_tasks or None,
            "name": job.name,
            "state": job.state,
            "reason": job.reason,
            "start": None if job.start_ns is None else format_instant(job.start_ns),
            "promised_start": format_instant(tag.start_ns),
            "deadline": None if tag.deadline_ns is None else format_instant(tag.deadline_ns),
            "latest_start": None if tag.latest_start_ns is None else format_instant(tag.latest_start_ns),
            "zone": tag.zone,
            "emissions_g": tag.emissions_g,
        }
        for job, tag in found
    ]


def remarks(promise: Promise, limit_s: float | None) -> tuple[str, ...]:
    """Return what the user should know of the duration, the deadline and the time limit."""
    job, said = promise.job, []
    if not promise.duration_from:
        said.append("the duration is not known: starts are compared over the job's first hour")
    elif promise.duration_from != "given":
        said.append(f"duration {format_duration(job.work_s)}: {promise.duration_from}")
    late_ns = promise.submitted_ns + job.work_ns - promise.deadline_ns
    if promise.bound != "start_within" and late_ns > 0:
        said.append(
            f"the deadline {format_instant(promise.deadline_ns)[:16]}Z cannot be met: started now the job ends "
            f"{format_duration(late_ns / NS_PER_S)} after it"
        )
    if promise.n_waves > 1:
        said.append(
            f"{promise.n_tasks} tasks, {promise.n_at_once} at once, take {format_duration(job.work_s)}; `lowtide "
            "agent --slurm` puts off those that have not begun"
        )
    if promise.pause == "freeze":
        said.append(_room_for_pauses(promise.task.work_s * (1.0 + promise.margin_fraction), limit_s))
    return tuple(said)


def _room_for_pauses(needed_s: float, limit_s: float | None) -> str:
    """Return how long a job may stand still: Slurm counts that time too, and the request stays the user's."""
    if limit_s is None:
        return "`lowtide agent --slurm` pauses this job only as far as its time limit leaves room"
    room_s = limit_s - needed_s
    if room_s <= 0.0:
        return (
            "the time limit leaves no room for pauses; ask for a longer one with --time, and give --duration"
        )
    return f"the time limit leaves {format_duration(room_s)} for pauses, which `lowtide agent --slurm` makes"
