"""The map lever computed: what the user's own zones and hours would save, by the planner that plans runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowtide.data.levers import get_lever
from lowtide.errors import InputError
from lowtide.estimation.levers import Pull
from lowtide.estimation.ranged import Ranged
from lowtide.model.jobs import Job, Window
from lowtide.model.planning import Plan
from lowtide.planning.plan import plan
from lowtide.planning.policies import flexible_start, pause_resume, run_now
from lowtide.planning.sites import SiteOption
from lowtide.quantities import check_end_ns, format_duration, parse_asked_ns, parse_duration_s
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.runtime.config import Config

__all__ = ["MapLever", "map_lever"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLever:
    """What place and time are worth for one job.

    Attributes
    ----------
    zones : tuple of str
        The first is where it would run.
    baseline_g : float
        Run now in the first zone [g for each kW of the job].
    best_zone : str
    region : Pull
        Moving to the best zone, with its computed factor.
    hours : Pull or None
        Then waiting or pausing there; None where only a yearly mean of it is known.
    hours_policy : str
        Empty without `hours`.
    hours_unknown : str
        Why `hours` is None.
    caveat : str
    """

    zones: tuple[str, ...]
    baseline_g: float
    best_zone: str
    region: Pull
    hours: Pull | None
    hours_policy: str
    hours_unknown: str
    caveat: str


def map_lever(
    zones: Sequence[str], config: Config, *, duration: str, slack: str = "24h", start: str | None = None
) -> MapLever:
    """Return what the user's zones and hours would save.

    Parameters
    ----------
    zones : sequence of str
        The first is where the job would run.
    config : Config
        Intensity inputs.
    duration, slack : str
        How long it runs, and how much later it may end.
    start : str, optional
        Not before (default now).

    Raises
    ------
    InputError
        If a value is wrong, or an intensity is unknown there.
    """
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.prepare import grid_choice

    duration_s, slack_s = parse_duration_s(duration), parse_duration_s(slack)
    start_ns = time.time_ns() if start is None else parse_asked_ns(start)
    window = Window(start_ns=start_ns, deadline_ns=check_end_ns(start_ns + ns_from_s(duration_s + slack_s)))
    sites = []
    for zone in zones:
        choice = grid_choice(config.with_flags({"zone": zone}))
        found = intensities_for(choice, start_ns=window.start_ns, end_ns=window.deadline_ns)
        intensity = found.location or found.marginal
        if intensity is None:
            raise InputError(f"no intensity for {zone}; give --intensity FILE")
        sites.append(SiteOption(zone=choice.zone or zone, intensity=intensity))
    job = Job.constant(duration_s=duration_s, power_w=1000.0)
    plans = plan(job, sites, window, policies=[run_now, flexible_start, pause_resume])
    base_g = _grams(plans.baseline)
    there = min((p for p in plans.plans if p.policy == "run-now"), key=_grams)
    best = min((p for p in plans.plans if p.zone == there.zone), key=_grams)
    is_resolved = next(site for site in sites if site.zone == there.zone).intensity.signal.time_resolved
    told = f"computed for {format_duration(duration_s)} in {', '.join(site.zone for site in sites)}"
    caveat = (
        "allocated grams on average intensity: load that moves to clean supply can push other load off it"
    )
    if sites[0].intensity.signal.basis == "marginal":
        caveat = "avoided grams on marginal intensity"
    return MapLever(
        zones=tuple(site.zone for site in sites),
        baseline_g=base_g,
        best_zone=there.zone,
        region=_pull("clean-region", base_g, _grams(there), f"{told}: run in {there.zone}"),
        hours=_pull("clean-hours", _grams(there), _grams(best), f"{told}: {best.policy} within {slack} more")
        if is_resolved
        else None,
        hours_policy=best.policy if is_resolved else "",
        hours_unknown="" if is_resolved else f"only a yearly mean of {there.zone} is known",
        caveat=caveat,
    )


def _grams(found: Plan) -> float:
    if found.emissions_g is None or found.emissions_g <= 0.0:
        raise InputError(
            f"no saving can be stated for {found.zone}: its emissions are unknown or not positive in that window"
        )
    return found.emissions_g


def _pull(name: str, before_g: float, after_g: float, source: str) -> Pull:
    factor = Ranged.exact(max(1.0, before_g / after_g))
    return Pull(lever=get_lever(name), factor=factor, source=source, computed=True)
