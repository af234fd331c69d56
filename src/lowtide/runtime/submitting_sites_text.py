"""Jobs at sites in words: the one line of where and when, and what sites offer as plain data."""

from __future__ import annotations

from typing import Any

from lowtide.quantities import format_instant
from lowtide.runtime.submitting_promise import Promise
from lowtide.runtime.submitting_sites_found import Listed
from lowtide.runtime.submitting_sites_offers import Candidate
from lowtide.runtime.submitting_sites_plan import SitesPlan
from lowtide.runtime.submitting_text import promise_plain, short_instant

__all__ = ["listed_row", "listed_site_plain", "site_line", "sites_plain"]

_CHANGE = {"average": "allocated", "marginal": "avoided"}


def site_line(planned: SitesPlan, label: str = "not submitted") -> str:
    """Return where a job goes, when it starts, what that changes, when it is done, until when it must."""
    promise, plan = planned.promise, planned.promise.first
    start = short_instant(plan.start_ns)
    begins = "starts now" if planned.begin_ns is None else f"starts {start}"
    if planned.begin_ns is None and planned.site == planned.home:
        begins += f" (no site and no hour saves {promise.min_saving_fraction:.0%})"
    done = f"done by {short_instant(plan.end_ns, start)}"
    until = short_instant(promise.deadline_ns, start)
    bound = f"latest start {short_instant(promise.latest_start_ns, start)}"
    end = bound if promise.bound == "start_within" else f"deadline {until}"
    return f"{label}: {planned.site}, {begins}, {_change(promise, planned.home)}, {done}; {end}"


def _change(promise: Promise, home: str) -> str:
    against = f"against running at once at {home}"
    saving = promise.first.saving_fraction
    if saving is None:
        return f"change unknown {against}"
    return f"{0.0 - saving * 100.0:+.0f} % ({_CHANGE[promise.basis]}) {against}"


def sites_plain(planned: SitesPlan) -> dict[str, Any]:
    """Return a plan for sites as plain data, with what every site offers."""
    plain = promise_plain(planned.promise, planned.notes)
    return {
        **plain,
        "site": planned.site,
        "home": planned.home,
        "submit": planned.command.text,
        "data_ready": None if planned.ready_ns is None else format_instant(planned.ready_ns),
        "candidates": [_candidate(one, planned.promise.power_known) for one in planned.candidates],
    }


def _candidate(one: Candidate, power_known: bool) -> dict[str, Any]:
    plan = one.plan
    return {
        "site": one.site,
        "zone": one.zone,
        "policy": None if plan is None else plan.policy,
        "start": None if plan is None else format_instant(plan.start_ns),
        "end": None if plan is None else format_instant(plan.end_ns),
        "emissions_g": plan.emissions_g if plan is not None and power_known else None,
        "cost_usd": plan.cost_usd if plan is not None and power_known else None,
        "saving_fraction": None if plan is None else plan.saving_fraction,
        "saving_same_zone_fraction": None if plan is None else plan.saving_same_zone_fraction,
        "executable": plan is not None and plan.executable,
        "reason": one.reason or None,
    }


def listed_row(one: Listed) -> list[str]:
    """Return a job at a site as a row of ``lowtide submit --list``."""
    kept, found = one.kept, one.found
    promise = kept.promise
    start_ns = promise.last.start_ns if found is None or found.start_ns is None else found.start_ns
    only_start = promise.bound == "start_within"
    g = promise.first.emissions_g
    return [
        kept.label,
        promise.name,
        kept.state.upper() if found is None else found.state,
        "" if found is None or found.reason in ("", "None") else found.reason,
        short_instant(start_ns),
        "-" if only_start else short_instant(promise.deadline_ns),
        promise.zone,
        "-" if g is None else f"{g:.4g} g",
        kept.site,
    ]


def listed_site_plain(one: Listed) -> dict[str, Any]:
    """Return a job at a site as plain data."""
    kept, found, promise = one.kept, one.found, one.kept.promise
    only_start = promise.bound == "start_within"
    return {
        "job_id": promise.job_id or None,
        "array_tasks": None if found is None else found.array_tasks or None,
        "name": promise.name,
        "state": None if found is None else found.state,
        "reason": None if found is None else found.reason,
        "start": None if found is None or found.start_ns is None else format_instant(found.start_ns),
        "promised_start": format_instant(promise.first.start_ns),
        "deadline": None if only_start else format_instant(promise.deadline_ns),
        "latest_start": format_instant(promise.latest_start_ns) if only_start else None,
        "zone": promise.zone,
        "emissions_g": promise.first.emissions_g,
        "site": kept.site,
        "tag": kept.tag,
        "kept_state": kept.state,
    }
