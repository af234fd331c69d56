"""Run at once, without a pause: the baseline of every saving."""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Infeasible, Job, Plan, Segment, Window
from lowtide.planning.promise import promise
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_duration

__all__ = ["choices", "joint", "name", "plan", "run_through"]

name = "run-now"
joint = False


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan that starts with the window and runs through.

    Its emissions are None where it meets unknown intensity. Cost: O(log n) and the steps it runs through.
    """
    site = sites[0]
    (segments,) = choices(job, site, window)
    late_ns = segments[-1].end_ns - window.deadline_ns
    if late_ns > 0:
        late = format_duration(late_ns / 1e9)
        return Infeasible(
            policy=name, zone=site.zone, reason=f"started at once it ends {late} after the deadline"
        )
    return promise(name, segments, [site], profile=job.profile, window=window)


def choices(
    job: Job, site: SiteOption, window: Window, *, slot_s: float | None = None
) -> list[list[Segment]]:
    """Return the one run there is: with the window's start, or when its data have arrived."""
    return [run_through(job, site, max(window.start_ns, site.not_before_ns or window.start_ns))]


def run_through(job: Job, site: SiteOption, start_ns: int, *, point: int = 0) -> list[Segment]:
    """Return the segments of a run without a pause, from an instant on at one point of the site's menu."""
    chosen = site.menu(job)[point]
    end_ns = start_ns + round(job.work_ns / chosen.throughput)
    run = Segment(
        zone=site.zone, start_ns=start_ns, end_ns=end_ns, throughput=chosen.throughput, power_w=chosen.power_w
    )
    return [run]
