"""When a running job is to save and leave, and when it is to begin again: one decision, asked from several places.

The job's own script asks (``lowtide agent --job``), and the agent does where one runs. What one of them has done the
other finds in the job's folder, so that both may be at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lowtide.errors import LowtideError, StoreError
from lowtide.model.run_plan import Promise as KeptPlan
from lowtide.planning.control import Decision, View, decide
from lowtide.runtime.submitting_goes import Goes, Span, keep_plan, merged
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lowtide.model.planning import Job, Plan
    from lowtide.planning.sites import SiteOption
    from lowtide.runtime.submitting_promise import Promise

__all__ = ["Rest", "keep_decision", "next_begin_ns", "next_run_ns", "plan_of", "rest_of", "worth_leaving"]

LAG_S: Final = 2.0
"""From a job's begin time to its first instruction, on a node that is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What is left of a job, and what was decided about it.

    Attributes
    ----------
    view : View
    decision : Decision
    runs_ns : tuple of (start, end)
        When it has run until then [ns].
    """

    view: View
    decision: Decision
    runs_ns: tuple[Span, ...]


def rest_of(
    promise: Promise,
    site: SiteOption,
    *,
    now_ns: int,
    done_s: float,
    runs_ns: Sequence[Span],
    begun: Literal["running", "paused"] | None,
    until_ns: int | None = None,
    job: Job | None = None,
    plan: Plan | None = None,
) -> Rest:
    """Return what a job should be doing, by the work that is left of it.

    Parameters
    ----------
    promise : Promise
    site : SiteOption
    now_ns : int
    done_s : float
        Work done [s].
    runs_ns : sequence of (start, end)
        When it ran.
    begun : {"running", "paused"} or None
    until_ns : int, optional
        An end that comes before its deadline, such as that of its time limit.
    job : Job, optional
        What is left of this one, instead of one task of the promise.
    plan : Plan, optional
        The plan it followed until now.
    """
    deadline_ns = promise.deadline_ns if until_ns is None else min(promise.deadline_ns, until_ns)
    view = View(
        now_ns=now_ns, job=job or promise.task, site=site, deadline_ns=deadline_ns, begun=begun, done_s=done_s,
        may_pause=True, margin_fraction=promise.margin_fraction, min_saving_fraction=promise.min_saving_fraction,
        plan=plan,
    )  # fmt: skip
    return Rest(view=view, decision=decide(view), runs_ns=merged(list(runs_ns)))


def next_run_ns(rest: Rest) -> int:
    """Return when a job that is to hold runs again by its plan [ns]; now where it is to run."""
    now_ns, plan = rest.view.now_ns, rest.decision.plan
    if rest.decision.act == "run" or plan is None:
        return now_ns
    ahead = [s for s in plan.segments if s.kind in ("run", "resume") and s.end_ns > now_ns]
    return max(now_ns, ahead[0].start_ns) if ahead else now_ns


def worth_leaving(rest: Rest, *, delay_s: float, grace_s: float) -> bool:
    """Return whether a job that should hold is to leave: it can be back when its plan wants it, and be in time.

    It saves in `grace_s` at most and waits `delay_s` in the queue at the least; a shorter pause is none.
    """
    if rest.decision.act != "hold":
        return False
    now_ns, wanted_ns = rest.view.now_ns, next_run_ns(rest)
    back_ns = now_ns + ns_from_s(delay_s + LAG_S)
    late_ns = max(wanted_ns, back_ns + ns_from_s(grace_s))
    return wanted_ns >= back_ns and late_ns <= rest.view.latest_ns


def next_begin_ns(rest: Rest, *, delay_s: float) -> int:
    """Return when a job that has left is to begin again, in whole seconds [ns].

    Never before Slurm lets it, and not after the last moment that keeps its deadline, unless that is over.
    """
    back_ns = rest.view.now_ns + ns_from_s(delay_s)
    latest_ns = max(back_ns, rest.view.latest_ns // NS_PER_S * NS_PER_S)
    wanted_ns = -(-next_run_ns(rest) // NS_PER_S) * NS_PER_S
    return -(-max(back_ns, min(wanted_ns, latest_ns)) // NS_PER_S) * NS_PER_S


def plan_of(promise: Promise, rest: Rest, *, begin_ns: int | None = None) -> KeptPlan | None:
    """Return the plan a decision follows, as it is billed later; None where its intensity is not known.

    Parameters
    ----------
    promise : Promise
    rest : Rest
    begin_ns : int, optional
        When it runs again, where that is later than its plan wanted.
    """
    now_ns, plan = rest.view.now_ns, rest.decision.plan
    segments = () if plan is None else plan.segments
    ahead = [
        (max(s.start_ns, now_ns), s.end_ns)
        for s in segments if s.kind in ("run", "resume") and s.end_ns > now_ns
    ]  # fmt: skip
    if rest.decision.act == "run" and not (ahead and ahead[0][0] == now_ns):
        ahead = [(now_ns, now_ns + ns_from_s(rest.view.left_s))]
    if begin_ns is not None and ahead and begin_ns > ahead[0][0]:
        ahead = [(max(a, begin_ns), max(b, begin_ns + 1)) for a, b in ahead if b > begin_ns] or [
            (begin_ns, begin_ns + ns_from_s(rest.view.left_s))
        ]
    runs = merged([*rest.runs_ns, *ahead])
    if not runs:
        return None
    series = rest.view.site.intensity
    try:
        known = series.clip(
            start_ns=min(promise.submitted_ns, runs[0][0]), end_ns=max(runs[-1][1], rest.view.deadline_ns)
        )
    except LowtideError:
        return None
    return KeptPlan(
        made_ns=now_ns, runs_ns=runs, edges_ns=tuple(known.edges_ns.tolist()),
        intensity_g_per_kwh=tuple(known.intensity_g_per_kwh.tolist()),
        power_w=promise.task.points[0].power_w if promise.power_known else None,
        paused_w=0.0 if promise.pause == "checkpoint" else promise.task.idle_power_w or None,
        work_s=promise.task.work_s,
    )  # fmt: skip


def keep_decision(goes: Goes, promise: Promise, rest: Rest, *, begin_ns: int | None = None) -> str:
    """Keep the plan a job follows now; return what went wrong, empty for nothing."""
    plan = plan_of(promise, rest, begin_ns=begin_ns)
    if plan is None:
        return ""
    try:
        keep_plan(goes.folder, plan, before_half=rest.view.done_s < promise.task.work_s / 2.0)
    except StoreError as error:
        return str(error)
    return ""
