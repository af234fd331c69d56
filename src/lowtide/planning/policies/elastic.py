"""Elastic: change the operating point with the intensity (after CarbonScaler, Hanafy et al. 2023).

Any menu: widths, power caps, batch sizes. Two points may share a slot by time, so the corners of the menu's
convex hull are enough, and filling the cheapest marginal work first is optimal whatever the menu's shape;
with a fixed host power it beats the greedy by whole points, which is optimal for concave menus alone. Where
pausing costs something the exact search takes over.
"""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.alone import plan_alone
from lowtide.planning.sites import SiteOption

__all__ = ["joint", "name", "plan"]

name = "elastic"
joint = False


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan of least emissions over all points of the menu and off.

    Exact without costs of pausing, in O(n log k) for n cells and k points and a small sort; with them as
    :mod:`lowtide.planning.paths`, its lower bound tells.
    """
    site = sites[0]
    menu = site.menu(job)
    if job.profile is not None:
        reason = "a recorded power profile has one operating point; give a menu of points instead"
        return Infeasible(policy=name, zone=site.zone, reason=reason)
    return plan_alone(name, job, site, window, menu, slot_s=slot_s, executable=len(menu) == 1)
