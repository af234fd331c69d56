"""From the slots a rule chose to a plan that is charged for its pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Segment, Window
from lowtide.planning.alone import Filling
from lowtide.planning.policies import flexible_start
from lowtide.planning.policies.literature.slots import Slots, length_ns
from lowtide.planning.promise import count_pauses, promise
from lowtide.planning.search import why_not
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import BoolArray, cut, decision_instants
from lowtide.quantities import format_duration
from lowtide.units import J_PER_KWH, NS_PER_S

__all__ = [
    "FORCED",
    "TOO_FEW",
    "bounded",
    "carry_out",
    "filling_g",
    "late",
    "run_from",
    "too_little",
    "unpaused_g",
]

_UNKNOWN = "it would draw power through unknown intensity"

TOO_FEW = "too few slots of the window are known from their start to their end"
"""Why the cheapest slots are not enough, where the time known would be."""
FORCED = "its deadline would force it to run through unknown intensity"
"""Why a rule that waits for what comes next does not get there."""


def carry_out(
    policy: str, job: Job, site: SiteOption, window: Window, slots: Slots, chosen: BoolArray
) -> Plan | Infeasible:
    """Return the plan that runs in the chosen slots, resumes and idling included.

    The time that resumes take is made up by running on after the last chosen slot. Chosen slots in a row that
    a resume would fill are left out but the last ones: resuming there would do no work.

    Parameters
    ----------
    policy, job, site
    window : Window
        With the deadline of the rule, if it has one of its own.
    slots : Slots
    chosen : bool array, shape (slots.n,)
    """
    edges = np.diff(chosen.astype(np.int8), prepend=0, append=0)
    starts = slots.edges_ns[:-1][edges[:-1] == 1].tolist()
    ends = slots.edges_ns[np.flatnonzero(edges == -1)].tolist()
    segments = _segments(job, site, list(zip(starts, ends, strict=True)))
    reason = _why_refused(job, window, segments)
    if reason is not None:
        return Infeasible(policy=policy, zone=site.zone, reason=reason)
    plan = promise(policy, segments, [site], profile=job.profile, window=window)
    if plan.emissions_g is None:
        return Infeasible(policy=policy, zone=site.zone, reason=_UNKNOWN)
    return plan


def run_from(policy: str, job: Job, site: SiteOption, window: Window, start_ns: int) -> Plan | Infeasible:
    """Return the plan that runs through from an instant on; none through unknown intensity."""
    point = site.menu(job)[0]
    run = _run(site, point, start_ns, start_ns + length_ns(job, site))
    plan = promise(policy, [run], [site], profile=job.profile, window=window)
    if plan.emissions_g is None:
        return Infeasible(policy=policy, zone=site.zone, reason=_UNKNOWN)
    return plan


def _segments(job: Job, site: SiteOption, blocks: Sequence[tuple[int, int]]) -> list[Segment]:
    point, time_ns = site.menu(job)[0], round(job.resume_time_s * NS_PER_S)
    left_ns, found = length_ns(job, site), list[Segment]()
    for i, (block_ns, end_ns) in enumerate(blocks):
        is_last = i == len(blocks) - 1
        start_ns = block_ns + (time_ns if found else 0)
        if left_ns <= 0 or (start_ns >= end_ns and not is_last):
            continue
        stop_ns = start_ns + left_ns if is_last else min(end_ns, start_ns + left_ns)
        run = _run(site, point, start_ns, stop_ns)
        if found:
            found += _pause(job, site, found[-1].end_ns, block_ns)
            run = run if time_ns else replace(run, impulse_kwh=job.resume_energy_kwh)
        found.append(run)
        left_ns -= stop_ns - start_ns
    return found


def _run(site: SiteOption, point: OperatingPoint, start_ns: int, end_ns: int) -> Segment:
    return Segment(
        zone=site.zone, start_ns=start_ns, end_ns=end_ns, throughput=point.throughput, power_w=point.power_w
    )


def _pause(job: Job, site: SiteOption, stop_ns: int, resume_ns: int) -> list[Segment]:
    """Return what a pause draws: idle power until it is resumed, and a resume that takes time."""
    found = list[Segment]()
    if job.idle_power_w:
        idle = Segment(
            zone=site.zone, start_ns=stop_ns, end_ns=resume_ns, throughput=0.0, power_w=job.idle_power_w,
            kind="idle",
        )  # fmt: skip
        found.append(idle)
    if job.resume_time_s:
        power_w = site.menu(job)[0].power_w + job.resume_energy_kwh * J_PER_KWH / job.resume_time_s
        end_ns = resume_ns + round(job.resume_time_s * NS_PER_S)
        resume = Segment(
            zone=site.zone, start_ns=resume_ns, end_ns=end_ns, throughput=0.0, power_w=power_w, kind="resume"
        )
        found.append(resume)
    return found


def _why_refused(job: Job, window: Window, segments: Sequence[Segment]) -> str | None:
    n_pauses = count_pauses(segments)
    late_ns = segments[-1].end_ns - window.deadline_ns
    if late_ns > 0:
        over = format_duration(late_ns / NS_PER_S)
        return f"resuming takes time, which the rule does not know of: it ends {over} after its deadline"
    if job.max_pauses is not None and n_pauses > job.max_pauses:
        return f"the rule pauses {n_pauses} times and the job may be interrupted {job.max_pauses} times"
    return None


def late(
    policy: str, job: Job, site: SiteOption, window: Window, *, slot_s: float | None = None
) -> Infeasible | None:
    """Return that a job does not fit into its window, None where it does."""
    instants = decision_instants(site, window, slot_s=slot_s)
    first_ns = int(instants[0]) if len(instants) else max(window.deadline_ns, site.not_before_ns or 0)
    short_ns = first_ns + length_ns(job, site) - window.deadline_ns
    if short_ns <= 0:
        return None
    reason = f"started at once it ends {format_duration(short_ns / NS_PER_S)} after the deadline"
    return Infeasible(policy=policy, zone=site.zone, reason=reason)


def too_little(
    policy: str, job: Job, site: SiteOption, window: Window, otherwise: str, *, slot_s: float | None = None
) -> Infeasible:
    """Return that a rule found no slots for the work: for want of time or known intensity, or `otherwise`."""
    known = why_not(job, [site], cut([site], window, slot_s=slot_s), [site.menu(job)[:1]], -1)
    reason = known if known.startswith("it needs") else otherwise
    return Infeasible(policy=policy, zone=site.zone, reason=reason)


def unpaused_g(job: Job, site: SiteOption, window: Window, *, slot_s: float | None) -> float | None:
    """Return what the best plan without a pause emits [g], None where there is none."""
    best = flexible_start.plan(job, [site], window, slot_s=slot_s)
    return best.emissions_g if isinstance(best, Plan) else None


def filling_g(
    job: Job,
    site: SiteOption,
    window: Window,
    *,
    slot_s: float | None,
    menu: tuple[OperatingPoint, ...] | None = None,
) -> float | None:
    """Return grams that no plan goes below, pausing or not; None where none are known.

    It is the cheapest filling, which lets pauses cost nothing, and the hours of the quickest run. That is no
    bound where intensity is negative and pauses draw energy, nor for a recorded profile.
    """
    points = site.menu(job)[:1] if menu is None else menu
    filled = Filling.of(job, site, window, points, slot_s=slot_s) if job.profile is None else None
    if filled is None or (filled.negative and job.pauses_cost):
        return None
    g = promise("filling", filled.segments, [site]).emissions_g
    quickest_ns = round(job.work_ns / max(point.throughput for point in points))
    return None if g is None else g + window.elapsed_cost(window.start_ns + quickest_ns)


def bounded(plan: Plan | Infeasible, bound_g: float | None) -> Plan | Infeasible:
    """Return a plan with a lower bound; one within rounding of what it emits is what it emits."""
    if isinstance(plan, Infeasible) or plan.emissions_g is None or bound_g is None:
        return plan if isinstance(plan, Infeasible) else replace(plan, lower_bound_g=None)
    g = plan.emissions_g
    return replace(plan, lower_bound_g=g if bound_g > g - 1e-9 * abs(g) else bound_g)
