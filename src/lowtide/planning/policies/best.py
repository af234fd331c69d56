"""Best: where, when and how hard, all at once.

One search over sites, operating points, start, pauses and moves. A move pays its energy and time and then a
resume; it is the discrete form of what CASLB and its kin bound online (Lechowicz et al.).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.alone import plan_unmoved
from lowtide.planning.policies import elastic, pause_resume
from lowtide.planning.search import search
from lowtide.planning.sites import SiteOption

__all__ = ["joint", "name", "plan"]

name = "best"
joint = True


def plan(
    job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
) -> Plan | Infeasible:
    """Return the plan of least emissions over everything that can be chosen.

    Exact where its lower bound equals its emissions. Cost: see :mod:`lowtide.planning.paths`, with
    O(n * (k * sites + sites ** 2)) arcs.
    """
    menus = [site.menu(job) for site in sites]
    if job.profile is not None or len(sites) == 1:
        alone = pause_resume.plan if job.profile is not None else elastic.plan
        found = [alone(job, [site], window, slot_s=slot_s) for site in sites]
        plans = [p for p in found if isinstance(p, Plan) and p.emissions_g is not None]
        if not plans:
            return replace(found[0], policy=name)
        return replace(min(plans, key=lambda p: p.emissions_g or 0.0), policy=name)
    one_point = all(len(menu) == 1 for menu in menus)
    if all(menu == menus[0] for menu in menus):
        unmoved = plan_unmoved(name, job, sites, window, menus[0], slot_s=slot_s)
        if unmoved is not None:
            return unmoved
    found_plan = search(name, job, sites, window, menus, slot_s=slot_s, executable=False)
    if isinstance(found_plan, Plan) and one_point and not found_plan.n_migrations:
        return replace(found_plan, executable=True)
    return found_plan
