"""placeholder"""

from __future__ import annotations
from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.sites import SiteOption


def pause_profile(
    policy: str, job: Job, site: SiteOption, window: Window, *, slot_s: float | None
) -> Plan | Infeasible:
    raise NotImplementedError
