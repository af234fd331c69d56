"""Wait Awhile: shift a job until people are back at work (Wiesner et al. 2021, Middleware).

"Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon Emissions in the Cloud". The calendar
says by when a job must be done (:mod:`~lowtide.planning.policies.literature.calendar`); until then it takes
the cheapest run without a pause, or the cheapest slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.policies import flexible_start
from lowtide.planning.policies.literature.calendar import Rule, finish_by_ns
from lowtide.planning.policies.literature.carried_out import (
    TOO_FEW,
    bounded,
    carry_out,
    filling_g,
    late,
    too_little,
    unpaused_g,
)
from lowtide.planning.policies.literature.slots import cheapest, length_ns, slots_of
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import decision_instants

__all__ = ["WaitAwhile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAwhile:
    """One of the three rules, with or without interruptions.

    Attributes
    ----------
    rule : {"next-workday", "semi-weekly", "next-monday"}
    interrupting : bool
        Take the cheapest slots. The published code takes every slot no dearer than the L-th cheapest, which
        ties make more than L; here it is exactly as many as the job needs, the earliest first.
    tz : tzinfo
        Whose clock and calendar count; UTC, the stamps of the paper's data, where none is given.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> WaitAwhile(rule="semi-weekly", interrupting=True, tz=ZoneInfo("Europe/Berlin")).name
    'wait-awhile-semi-weekly-interrupting'
    """

    rule: Rule = "next-workday"
    interrupting: bool = False
    tz: tzinfo = UTC

    @property
    def name(self) -> str:
        """The rule, and whether it interrupts."""
        return f"wait-awhile-{self.rule}" + ("-interrupting" if self.interrupting else "")

    @property
    def joint(self) -> bool:
        """It is asked for each site alone."""
        return False

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the rule's plan; done by its deadline and by that of the window, whichever is earlier.

        Cost: O(n log n).
        """
        site = sites[0]
        refused = late(self.name, job, site, window, slot_s=slot_s)
        if refused is not None:
            return refused
        first_ns = int(decision_instants(site, window, slot_s=slot_s)[0])
        by_ns = finish_by_ns(first_ns + length_ns(job, site), self.rule, tz=self.tz)
        until = replace(window, deadline_ns=min(by_ns, window.deadline_ns))
        if not self.interrupting:
            found = flexible_start.plan(job, [site], until, slot_s=slot_s)
            return bounded(replace(found, policy=self.name), unpaused_g(job, site, window, slot_s=slot_s))
        slots = slots_of(site, until, slot_s=slot_s)
        chosen = cheapest(slots, length_ns(job, site))
        if chosen is None:
            return too_little(self.name, job, site, until, TOO_FEW, slot_s=slot_s)
        found = carry_out(self.name, job, site, until, slots, chosen)
        return bounded(found, filling_g(job, site, window, slot_s=slot_s))
