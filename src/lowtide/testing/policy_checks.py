"""Checks that an object is a policy; each raises AssertionError saying which promise it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from lowtide.doors import Policy
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Window
from lowtide.model.signal import Signal
from lowtide.planning.promise import emissions_g
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import decision_instants
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

__all__ = ["check_plan", "check_policy", "sample_problems"]

Problem = tuple[Job, tuple[SiteOption, ...], Window]
_START_NS: Final = 1_767_225_600 * 10**9 + 17 * 60 * 10**9
"""2026-01-01T00:17Z: not on an edge of any intensity."""


def check_policy(policy: Policy, problems: Sequence[Problem] | None = None) -> None:
    """Check a policy on some problems: its plans keep to the window and their promises, and it is pure.

    Parameters
    ----------
    policy : Policy
    problems : sequence of (Job, sites, Window), optional
        Without it :func:`sample_problems`.

    Examples
    --------
    >>> from lowtide.planning.policies import flexible_start
    >>> check_policy(flexible_start)
    """
    assert policy.name, "a policy has a name"
    assert policy.name == policy.name.strip(), f"{policy.name!r} has space around it"
    assert isinstance(policy.joint, bool), f"{policy.name}: joint says whether it chooses among all sites"
    for job, sites, window in sample_problems() if problems is None else problems:
        for group in [sites] if policy.joint else [(site,) for site in sites]:
            found = policy.plan(job, group, window)
            again = policy.plan(job, group, window)
            assert found == again, f"{policy.name} is not pure: two calls with the same arguments differ"
            if isinstance(found, Infeasible):
                assert found.policy == policy.name, f"{policy.name} names {found.policy!r} infeasible"
                assert found.reason, f"{policy.name} must say why it has no plan"
            else:
                assert found.policy == policy.name, f"{policy.name} returned a plan by {found.policy!r}"
                check_plan(found, job, group, window)


def check_plan(
    plan: Plan, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> None:
    """Check a plan: it does the work inside the window, starts where it may, and promises what it is billed.

    Parameters
    ----------
    plan : Plan
    job, sites, window, slot_s
        What it was made for.
    """
    who = f"{plan.policy} in {plan.zone}"
    zones = {site.zone: site for site in sites}
    assert {segment.zone for segment in plan.segments} <= set(zones), f"{who} uses a zone it was not offered"
    assert plan.start_ns >= window.start_ns, f"{who} starts before its window"
    assert plan.end_ns <= window.deadline_ns, f"{who} passes its deadline"
    is_done = abs(plan.work_s - job.work_s) <= 1e-6 + 1e-9 * job.work_s
    assert is_done, f"{who} does {plan.work_s:g} s of {job.work_s:g} s"
    starts = [s.start_ns for s in plan.segments]
    assert starts == sorted(starts), f"{who}: segments are not in order of time"
    _check_starts(plan, zones, window, slot_s)
    g = emissions_g(plan.segments, sites, profile=plan.profile)
    assert (g is None) == (plan.emissions_g is None), f"{who} promises {plan.emissions_g}, its bill is {g}"
    if g is not None and plan.emissions_g is not None:
        slack = 1e-9 * abs(g)
        assert abs(g - plan.emissions_g) <= slack, f"{who} promises {plan.emissions_g} g, its bill is {g} g"
        if plan.lower_bound_g is not None:
            assert plan.lower_bound_g <= g + slack, f"{who}: {g} g is below its own lower bound"


def _check_starts(plan: Plan, zones: dict[str, SiteOption], window: Window, slot_s: float | None) -> None:
    working = [segment for segment in plan.segments if segment.kind in ("run", "resume")]
    for before, segment in zip([None, *working], working, strict=False):
        goes_on = before is not None and before.zone == segment.zone and before.end_ns == segment.start_ns
        if not goes_on or segment.impulse_kwh:
            allowed = decision_instants(zones[segment.zone], window, slot_s=slot_s)
            assert segment.start_ns in allowed, (
                f"{plan.policy} starts at {segment.start_ns}, no decision instant"
            )
        if before is not None:
            assert before.end_ns <= segment.start_ns, f"{plan.policy} does two things at once"


def sample_problems() -> tuple[Problem, ...]:
    """Return problems that have caught policies out: gaps, mixed steps, no slack, too little data, menus."""
    hourly = _site("hourly", [430, 380, 300, 250, 240, 260, 320, 410, 450, 440, 390, 310], 1.0)
    half = _site("half-hourly", [300, 310, 290, np.nan, 120, 130, 140, 150] * 3, 0.5, pue=1.2)
    flat = _site("flat", [200.0] * 12, 1.0)
    negative = _site("negative", [50, 20, -10, -30, -5, 40, 60, 80, 70, 60, 40, 20], 1.0)
    plain = Job.constant(duration_s=3.5 * 3600, power_w=1200.0)
    menu = (
        OperatingPoint(throughput=1.0, power_w=1200.0),
        OperatingPoint(throughput=0.8, power_w=800.0, label="cap"),
        OperatingPoint(throughput=1.7, power_w=2300.0, label="two"),
    )
    costly = Job(
        work_s=3.5 * 3600, points=menu[:1], resume_energy_kwh=0.2, resume_time_s=600.0, idle_power_w=100.0,
        migrate_energy_kwh=0.5, migrate_time_s=1800.0, max_pauses=2,
    )  # fmt: skip
    scaled = Job(work_s=3.5 * 3600, points=menu)
    wide, tight, short = (
        Window(start_ns=_START_NS, deadline_ns=_START_NS + round(h * NS_PER_H)) for h in (10, 3.5, 2)
    )
    return tuple(
        (job, sites, window)
        for job in (plain, costly, scaled)
        for sites in ((hourly, half), (flat,), (negative,))
        for window in (wide, tight, short)
    )


def _site(zone: str, values: Sequence[float], step_h: float, *, pue: float | None = None) -> SiteOption:
    first_ns = _START_NS - 17 * 60 * 10**9
    edges = first_ns + np.arange(len(values) + 1, dtype=np.int64) * round(step_h * NS_PER_H)
    signal = Signal(zone=zone, source="example")
    return SiteOption(zone=zone, intensity=IntensitySeries.of(edges, values, signal=signal), pue=pue)
