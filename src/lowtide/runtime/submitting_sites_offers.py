"""What sites offer for a job, which offer is taken, and what is promised of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError
from lowtide.executors.site_commands import SiteCommand
from lowtide.model.planning import Infeasible, Job, Plan, PlanSet
from lowtide.runtime.submitting_promise import Promise, StartPlan
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from lowtide.planning.sites import SiteOption
    from lowtide.runtime.config import Config

__all__ = ["Candidate", "Offers", "choose", "config_at", "length_ns", "promised", "settings_at"]

_OF_A_PLACE: Final = ("zone", "intensity", "pue", "site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a site offers: its best plan, or why it has none."""

    site: str
    zone: str
    plan: Plan | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """All plans for all sites.

    Attributes
    ----------
    names : tuple of str
        Home first.
    options : mapping of name to SiteOption
    commands : mapping of name to SiteCommand or None
        How a job is handed over, where the site says.
    found : PlanSet
        Made for those that say.
    """

    names: tuple[str, ...]
    options: Mapping[str, SiteOption]
    commands: Mapping[str, SiteCommand | None]
    found: PlanSet

    @property
    def home(self) -> str:
        """Where the job runs without a choice."""
        return self.names[0]

    def name_of(self, zone: str) -> str:
        """Return the site that a plan calls `zone`."""
        return next(name for name in self.names if self.options[name].zone == zone)

    def can_wait(self, name: str) -> bool:
        """Return whether a site's command can be told when to begin."""
        command = self.commands[name]
        return command is not None and (command.has("args") or command.has("begin"))

    def candidates(self) -> tuple[Candidate, ...]:
        """Return each site with its best plan, in the order they were named."""
        return tuple(self._candidate(name) for name in self.names)

    def _candidate(self, name: str) -> Candidate:
        zone = self.options[name].zone
        best = next((plan for plan in self.found.plans if plan.zone == zone), None)
        if best is not None:
            return Candidate(site=name, zone=zone, plan=best)
        reason = _why_none(self.found.infeasible, zone)
        if self.commands[name] is None:
            reason = "no submit command in its table"
        return Candidate(site=name, zone=zone, plan=None, reason=reason)


def _why_none(infeasible: Sequence[Infeasible], zone: str) -> str:
    return "; ".join(dict.fromkeys(one.reason for one in infeasible if one.zone == zone))


def choose(offers: Offers, promise: Promise) -> Plan:
    """Return the earliest start whose value is within the least saving of the best; home before others.

    What is less than the least saving, of running at once at home, is worth neither waiting nor going elsewhere.

    Raises
    ------
    InputError
        If home may not be used and nothing is known of the others.
    """
    found = offers.found
    plans = [
        plan
        for plan in found.plans
        if plan.objective is not None
        and (plan.start_ns <= promise.submitted_ns or offers.can_wait(offers.name_of(plan.zone)))
    ]
    if not plans:
        return _at_home(offers)
    least = min(plan.objective or 0.0 for plan in plans)
    at_once = found.baseline.objective
    slack = promise.min_saving_fraction * abs(least if at_once is None else at_once)
    good = [plan for plan in plans if (plan.objective or 0.0) <= least + slack]
    home = offers.options[offers.home].zone
    return min(good, key=lambda plan: (plan.start_ns, plan.zone != home, plan.objective or 0.0))


def _at_home(offers: Offers) -> Plan:
    """Return running at once at home, where no plan can be weighed and home may be used."""
    home = offers.options[offers.home]
    if any(one.policy == "*" and one.zone == home.zone for one in offers.found.infeasible):
        reasons = "; ".join(f"{one.zone}: {one.reason}" for one in offers.found.infeasible)
        raise InputError(f"no site can be used: {reasons}")
    return offers.found.baseline


def promised(offers: Offers, plan: Plan, base: Promise, config: Config) -> Promise:
    """Return the promise of a plan for a site, from that of running at home; its start in whole seconds."""
    name, now_ns = offers.name_of(plan.zone), base.submitted_ns
    option = offers.options[name]
    job = _job_there(base.job, option)
    start_ns = now_ns if plan.start_ns <= now_ns else -(-plan.start_ns // NS_PER_S) * NS_PER_S
    baseline = offers.found.baseline
    start = StartPlan(
        made_ns=now_ns,
        start_ns=start_ns,
        end_ns=start_ns + length_ns(job),
        emissions_g=plan.emissions_g if base.power_known else None,
        at_once_g=baseline.emissions_g if base.power_known else None,
        saving_fraction=_saving(plan, baseline),
        why="nothing better is known" if plan is baseline else "the least of all sites",
    )
    margin_s = job.work_s * (1.0 + base.margin_fraction)
    return replace(
        base,
        job=job,
        zone=option.zone,
        basis=option.intensity.signal.basis,
        settings=settings_at(base.settings, config, name),
        latest_start_ns=max(now_ns, base.deadline_ns - ns_from_s(margin_s)),
        first=start,
        last=start,
    )


def _saving(plan: Plan, baseline: Plan) -> float | None:
    """Return what a plan saves against the baseline, 0 where it is the baseline."""
    if plan.emissions_g is None or baseline.emissions_g is None or not baseline.emissions_g > 0.0:
        return None
    return 1.0 - plan.emissions_g / baseline.emissions_g


def _job_there(job: Job, option: SiteOption) -> Job:
    """Return a job as a site's hardware runs it: its own speed and power at throughput 1."""
    if option.points is None or job.profile is not None:
        return job
    point = option.points[0]
    return replace(job, work_s=job.work_s / point.throughput, points=(replace(point, throughput=1.0),))


def length_ns(job: Job) -> int:
    """Return how long a job takes at its first point [ns]."""
    return round(job.work_ns / job.points[0].throughput)


def config_at(config: Config, name: str) -> Config:
    """Return the configuration as a site has it: its own zone and intensity win over those of everywhere."""
    site = config.site(name)
    pue = None if site.pue is None else str(site.pue)
    return config.with_flags({"site": name, "zone": site.zone, "intensity": site.intensity, "pue": pue})


def settings_at(kept: Mapping[str, str], config: Config, name: str) -> dict[str, str]:
    """Return settings as they are at a site, which find its intensity again; nothing of another site is left."""
    there = config_at(config, name)
    found = {key: value for key, value in kept.items() if key not in _OF_A_PLACE}
    found |= {key: setting.value for key in _OF_A_PLACE if (setting := there.get(key)) is not None}
    for key in ("intensity", "pue"):  # a later plan is made in another folder
        if key in found and os.path.exists(found[key]):
            found[key] = os.path.abspath(found[key])
    return found
