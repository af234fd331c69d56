"""When a job for Slurm is to start: its place's intensity now, and the controller's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lowtide.model.planning import Job, Plan, Segment, Window
from lowtide.planning.control import View, decide
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import emissions_g, promise
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_instant
from lowtide.runtime.planning import PlanRequest
from lowtide.runtime.submitting_promise import StartPlan
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from lowtide.runtime.config import Config

__all__ = ["choose_start", "site_of", "start_plan"]


def site_of(
    config: Config, history: str | None, job: Job, *, now_ns: int, until_ns: int, since_ns: int | None = None
) -> tuple[SiteOption, tuple[str, ...]]:
    """Return the place a configuration names, its intensity continued by a forecast, and what to know of it.

    With `since_ns` the intensity begins there, for plans that are billed later with what went before.

    Raises
    ------
    InputError
        If the zone, the file or the history is wrong or missing.
    """
    from lowtide.runtime.planning_forecasts import foresee
    from lowtide.runtime.planning_sites import sites_of

    request = PlanRequest(history=history)
    end_ns = max(until_ns, now_ns + 2 * job.work_ns)
    window = Window(start_ns=now_ns, deadline_ns=end_ns)
    known = Window(start_ns=min(now_ns, now_ns if since_ns is None else since_ns), deadline_ns=end_ns)
    foreseen = foresee(request, config, sites_of(request, config, known, job), window, job, None)
    site = foreseen.sites[0]
    return site, (*foreseen.notes, *_ends_early(site, until_ns))


def _ends_early(site: SiteOption, until_ns: int) -> tuple[str, ...]:
    """Return a remark where intensity is not known up to the deadline."""
    known = np.flatnonzero(~np.isnan(site.intensity.intensity_g_per_kwh))
    end_ns = int(site.intensity.edges_ns[known[-1] + 1]) if len(known) else site.intensity.start_ns
    if end_ns >= until_ns:
        return ()
    return (
        f"intensity of {site.zone} is known until {format_instant(end_ns)[:16]}Z, before the deadline; later starts "
        "are not considered (--history FILE makes a forecast)",
    )


def choose_start(
    job: Job,
    site: SiteOption,
    *,
    now_ns: int,
    deadline_ns: int,
    margin_fraction: float,
    min_saving_fraction: float,
    keep_ns: int | None = None,
    may_pause: bool = False,
) -> StartPlan:
    """Return the start the controller decides for a job that has not begun, in whole seconds as Slurm counts.

    Parameters
    ----------
    job : Job
    site : SiteOption
    now_ns, deadline_ns : int
    margin_fraction, min_saving_fraction : float
    keep_ns : int, optional
        The start chosen before, which stays while no plan can be made.
    may_pause : bool
        Whether it will be interrupted: its end and its grams are then those of the plan with its pauses.
    """
    kept: Plan | None = None
    if keep_ns is not None and keep_ns > now_ns:
        kept = promise("kept", run_through(job, site, keep_ns), [site], profile=job.profile)
    view = View(
        now_ns=now_ns,
        job=job,
        site=site,
        deadline_ns=deadline_ns,
        margin_fraction=margin_fraction,
        min_saving_fraction=min_saving_fraction,
        may_pause=may_pause,
        plan=kept,
    )
    decision = decide(view)
    start_ns = now_ns
    if decision.act == "hold":
        wanted_ns = now_ns if decision.plan is None else decision.plan.start_ns
        latest_ns = view.latest_ns // NS_PER_S * NS_PER_S
        start_ns = max(now_ns, min(-(-wanted_ns // NS_PER_S) * NS_PER_S, latest_ns))
    found = start_plan(job, [site], now_ns=now_ns, start_ns=start_ns, why=decision.why)
    if not may_pause or decision.plan is None or decision.plan.start_ns != start_ns:
        return found
    return _with_pauses(found, decision.plan, job, site)


def _with_pauses(start: StartPlan, plan: Plan, job: Job, site: SiteOption) -> StartPlan:
    """Return a start with the end and the grams of a plan that pauses; its margin at the end is left out."""
    kept: list[Segment] = []
    left_s = job.work_s
    for segment in sorted(plan.segments, key=lambda one: one.start_ns):
        if left_s <= 0.0:
            break
        took_s = (
            min(segment.duration_s, left_s / segment.throughput) if segment.throughput else segment.duration_s
        )
        kept.append(replace(segment, end_ns=segment.start_ns + ns_from_s(took_s)))
        left_s -= took_s * segment.throughput
    grams = emissions_g(kept, [site])
    saving = start.saving_fraction
    if grams is not None and start.at_once_g:
        saving = 1.0 - grams / start.at_once_g
    return replace(start, end_ns=kept[-1].end_ns, emissions_g=grams, saving_fraction=saving)


def start_plan(job: Job, sites: Sequence[SiteOption], *, now_ns: int, start_ns: int, why: str) -> StartPlan:
    """Return what a start emits and saves against starting now, as far as intensity is known."""
    at_g, now_g = _grams(job, sites, start_ns), _grams(job, sites, now_ns)
    known = at_g is not None and now_g is not None and now_g > 0.0
    return StartPlan(
        made_ns=now_ns,
        start_ns=start_ns,
        end_ns=start_ns + ns_from_s(job.work_s),
        emissions_g=at_g,
        at_once_g=now_g,
        saving_fraction=1.0 - at_g / now_g if known and at_g is not None and now_g is not None else None,
        why=why,
    )


def _grams(job: Job, sites: Sequence[SiteOption], start_ns: int) -> float | None:
    return emissions_g(run_through(job, sites[0], start_ns), sites, profile=job.profile)
