"""The controller: from what is known now to what the job should be doing, a pure function.

It says what should be, *run* or *hold*, not what to do about it: whoever carries it out compares that with what
is and acts on the difference. So it can be asked again at any moment, after a crash too, and the answer to the
same view is the same. The runtime asks it by the wall clock, a simulation by a virtual one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lowtide.model.planning import Infeasible, Job, Plan, Segment, Window
from lowtide.planning.policies import flexible_start, pause_resume, run_now
from lowtide.planning.promise import emissions_g
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_duration, format_instant
from lowtide.units import J_PER_KWH, ns_from_s

__all__ = ["Decision", "View", "decide"]

_FRACTION_OF_WORK = 1e-6
"""Work left that is too little to plan for, as a share of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All a decision depends on.

    Attributes
    ----------
    now_ns : int
    job : Job
        As it was expected when it was asked for: all of its work, and what a pause costs.
    site : SiteOption
        Its intensity as known now: the past measured, the future forecast.
    deadline_ns : int
        When it must be done.
    begun : {"running", "paused"} or None
        None: it has not been started yet.
    done_s : float
        Work done [s at throughput 1].
    may_pause : bool
        Whether it may be interrupted; else only its start is chosen.
    margin_fraction : float
        How much longer than expected it may take and still meet its deadline.
    min_saving_fraction : float
        What less than that saves, net of the cost of pauses, is not worth waiting for.
    plan : Plan or None
        The plan followed so far, for when none can be made now.
    least_s : float
        A run or a pause shorter than that is not begun [s], nor ended before, unless the deadline wants it.
    since_ns : int or None
        Since when it has been running, or paused [ns]; None: long ago, or not begun.
    """

    now_ns: int
    job: Job
    site: SiteOption
    deadline_ns: int
    begun: Literal["running", "paused"] | None = None
    done_s: float = 0.0
    may_pause: bool = False
    margin_fraction: float = 0.1
    min_saving_fraction: float = 0.03
    plan: Plan | None = None
    least_s: float = 0.0
    since_ns: int | None = None

    @property
    def left_s(self) -> float:
        """Work left, the margin included [s at throughput 1]; never less than a millionth of the whole."""
        left = self.job.work_s * (1.0 + self.margin_fraction) - self.done_s
        return max(left, self.job.work_s * _FRACTION_OF_WORK)

    @property
    def least_ns(self) -> int:
        """The same [ns]."""
        return ns_from_s(self.least_s)

    @property
    def in_margin(self) -> bool:
        """Whether it has done no more than the work expected of it, its margin included."""
        return self.done_s < self.job.work_s * (1.0 + self.margin_fraction)

    @property
    def latest_ns(self) -> int:
        """When it must be running at the latest to meet its deadline."""
        resume_s = self.job.resume_time_s if self.begun == "paused" else 0.0
        return self.deadline_ns - ns_from_s(self.left_s + resume_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the job should be doing, until when, and why.

    Attributes
    ----------
    act : {"run", "hold"}
        Running, or not running: not started yet, or paused.
    until_ns : int
        When to ask again at the latest.
    why : str
    plan : Plan or None
        The plan this follows, over the work left and its margin; None where nothing is left to choose.
    """

    act: Literal["run", "hold"]
    until_ns: int
    why: str
    plan: Plan | None = None


def decide(view: View) -> Decision:
    """Return what the job should be doing now.

    The deadline goes before everything: when no more slack is left the job runs, whatever the grid says.
    Then a job that may not be interrupted and has begun runs to its end. Else the work left is planned
    exactly on what is known now, and held if that saves enough against going on at once.

    Parameters
    ----------
    view : View

    Examples
    --------
    >>> from lowtide.testing.builders import START_NS, intensity_series
    >>> from lowtide.units import NS_PER_H
    >>> site = SiteOption(zone="DE", intensity=intensity_series([300.0, 100.0, 400.0, 100.0]))
    >>> job = Job.constant(duration_s=3000.0, power_w=1000.0)
    >>> decision = decide(View(now_ns=START_NS, job=job, site=site, deadline_ns=START_NS + 4 * NS_PER_H))
    >>> decision.act, (decision.until_ns - START_NS) // NS_PER_H
    ('hold', 1)
    """
    if not view.in_margin:
        return _run(view, f"it has taken more than {view.margin_fraction:.0%} longer than expected")
    if view.now_ns >= view.latest_ns:
        return _run(view, "no slack is left before the deadline")
    if view.begun == "running" and not view.may_pause:
        return _run(view, "it has begun and is not to be interrupted")
    found = _plan_left(view)
    if isinstance(found, Infeasible) or found.emissions_g is None:
        return _without_a_plan(view, found.reason if isinstance(found, Infeasible) else "unknown intensity")
    at_once_g = _at_once_g(view)
    if at_once_g is None:
        return _follow(view, found, "running at once would meet unknown intensity")
    saving = 1.0 - found.emissions_g / at_once_g if at_once_g > 0.0 else _sign(at_once_g - found.emissions_g)
    if saving < view.min_saving_fraction:
        why = f"waiting would save {saving:.1%}, less than {view.min_saving_fraction:.0%}"
        return Decision(act="run", until_ns=_ask_again(view, found), why=why, plan=found)
    return _follow(view, found, f"saves {saving:.1%} against going on at once")


def _sign(gain_g: float) -> float:
    """Return an infinite saving, or none, where the baseline is nothing or less and has no share."""
    return float("inf") if gain_g > 0.0 else 0.0


def _run(view: View, why: str) -> Decision:
    return Decision(act="run", until_ns=max(view.deadline_ns, view.now_ns + 1), why=why, plan=view.plan)


def _plan_left(view: View) -> Plan | Infeasible:
    """Return the best plan for the work that is left, its margin included."""
    job = replace(view.job, work_s=view.left_s, profile=None)
    window = Window(start_ns=view.now_ns, deadline_ns=view.deadline_ns, begun=view.begun)
    if view.may_pause:
        return pause_resume.plan(job, [view.site], window)
    return flexible_start.plan(job, [view.site], window)


def _at_once_g(view: View) -> float | None:
    """Return the grams of going on at once without another pause; None where intensity is unknown."""
    job, site = view.job, view.site
    resumes = view.begun == "paused"
    before = [_resume(job, site.zone, view.now_ns)] if resumes and job.resume_time_s else []
    t_ns = before[-1].end_ns if before else view.now_ns
    first, *rest = run_now.run_through(replace(job, work_s=view.left_s, profile=None), site, t_ns)
    impulse_kwh = job.resume_energy_kwh if resumes and not before else 0.0
    return emissions_g([*before, replace(first, impulse_kwh=impulse_kwh), *rest], [site])


def _resume(job: Job, zone: str, t_ns: int) -> Segment:
    """Return the resume that begins at an instant and takes time."""
    power_w = job.points[0].power_w + job.resume_energy_kwh * J_PER_KWH / job.resume_time_s
    end_ns = t_ns + ns_from_s(job.resume_time_s)
    return Segment(zone=zone, start_ns=t_ns, end_ns=end_ns, throughput=0.0, power_w=power_w, kind="resume")


def _follow(view: View, plan: Plan, why: str) -> Decision:
    """Return what a plan wants now."""
    runs = plan.start_ns <= view.now_ns and plan.segments[0].kind in ("run", "resume")
    until_ns = _ask_again(view, plan)
    if (changed := _just_changed(view, runs, plan)) is not None:
        return changed
    if runs and view.begun != "running" and (later_ns := _after_a_short_run(view, plan)) is not None:
        why = f"{why}; a run of {format_duration((until_ns - view.now_ns) / 1e9)} is not worth its start"
        return Decision(act="hold", until_ns=min(later_ns, view.latest_ns), why=why, plan=plan)
    if not runs and view.begun == "running" and _next_run_ns(plan, view.now_ns) - view.now_ns < view.least_ns:
        why = f"a pause of less than {format_duration(view.least_s)} is not worth it"
        return Decision(act="run", until_ns=until_ns, why=why, plan=plan)
    act: Literal["run", "hold"] = "run" if runs else "hold"
    if act == "hold":
        why = f"{why}; on at {format_instant(_next_run_ns(plan, view.now_ns))}"
    return Decision(act=act, until_ns=until_ns, why=why, plan=plan)


def _just_changed(view: View, runs: bool, plan: Plan) -> Decision | None:
    """Return that it goes on as it is where a plan would end a run or a pause that has just begun; else None."""
    if view.since_ns is None or view.begun is None or runs == (view.begun == "running"):
        return None
    least_until_ns = view.since_ns + view.least_ns
    if view.now_ns >= least_until_ns:
        return None
    why = f"it has been {view.begun} for less than {format_duration(view.least_s)}"
    act: Literal["run", "hold"] = "run" if view.begun == "running" else "hold"
    return Decision(act=act, until_ns=min(least_until_ns, view.latest_ns), why=why, plan=plan)


def _after_a_short_run(view: View, plan: Plan) -> int | None:
    """Return when a plan runs next after one that is too short to begin; None where it is long enough, or the last.

    The stretch that is left out is done later, so it is only left out where that keeps the deadline.
    """
    end_ns = view.now_ns
    for segment in plan.segments:
        if segment.kind not in ("run", "resume"):
            continue
        if segment.start_ns > end_ns:
            too_short = end_ns - view.now_ns < view.least_ns
            return segment.start_ns if too_short and segment.start_ns <= view.latest_ns else None
        end_ns = max(end_ns, segment.end_ns)
    return None


def _next_run_ns(plan: Plan, now_ns: int) -> int:
    return next(s.start_ns for s in plan.segments if s.kind in ("run", "resume") and s.end_ns > now_ns)


def _ask_again(view: View, plan: Plan) -> int:
    """Return the plan's next change, but not after the last moment that keeps the deadline."""
    changes = [t for s in plan.segments for t in (s.start_ns, s.end_ns) if t > view.now_ns]
    latest_ns = view.latest_ns if view.latest_ns > view.now_ns else view.deadline_ns
    return max(min([*changes, latest_ns]), view.now_ns + 1)


def _without_a_plan(view: View, reason: str) -> Decision:
    """Return what to do while no plan can be made: follow the last one as far as it goes, else run."""
    last = view.plan
    if last is None or last.end_ns <= view.now_ns:
        return _run(view, f"no plan can be made ({reason})")
    runs = any(s.kind in ("run", "resume") and s.start_ns <= view.now_ns < s.end_ns for s in last.segments)
    slack = format_duration((view.latest_ns - view.now_ns) / 1e9)
    why = f"no plan can be made ({reason}); the last one is followed, {slack} before the slack ends"
    return Decision(act="run" if runs else "hold", until_ns=_ask_again(view, last), why=why, plan=last)
