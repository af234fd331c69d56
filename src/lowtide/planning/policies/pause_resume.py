"""Pause & Resume: run in the cheapest parts of the window (Dodge et al. 2022), with what pausing costs.

Dodge et al. and Wiesner et al. (2021) take the cheapest slots and let pauses cost nothing. Without costs that
is :func:`~lowtide.planning.fill.fill`; with energy or time to resume, power while paused or a limit on
pauses it is the exact search of :mod:`~lowtide.planning.search`, whose lower bound stands beside the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.alone import plan_alone
from lowtide.planning.sites import SiteOption
from lowtide.planning.work_profile import pause_profile

__all__ = ["joint", "name", "plan"]

name = "pause-resume"
joint = False


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan of least emissions that may pause, at the baseline's operating point.

    Ties go to the earliest start, then the fewest pauses. Exact, but for a recorded profile off the grid of
    the intensity, where its lower bound tells. Cost: O(n log n) without costs of pausing; see
    :mod:`lowtide.planning.paths` with them.
    """
    site = sites[0]
    if job.profile is not None:
        return pause_profile(name, job, site, window, slot_s=slot_s)
    return plan_alone(name, job, site, window, site.menu(job)[:1], slot_s=slot_s)
