"""Scheduling rules of the literature, as policies: what ours are compared with.

They are heuristics: each follows its published rule and knows nothing of what a pause costs, which its plan
is charged all the same. Their `lower_bound_g` is that of the best plan of the same freedom, so that a plan's
`gap_fraction` says what the rule gives away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lowtide.planning.policies.literature.calendar import RULES
from lowtide.planning.policies.literature.chase import Chase
from lowtide.planning.policies.literature.gaia import (
    CarbonTime,
    CheapestSlots,
    Ecovisor,
    LowestSlot,
    LowestWindow,
)
from lowtide.planning.policies.literature.threshold import KMinThreshold, OnlinePauseResume
from lowtide.planning.policies.literature.wait_awhile import WaitAwhile

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = [
    "LITERATURE",
    "CarbonTime",
    "Chase",
    "CheapestSlots",
    "Ecovisor",
    "KMinThreshold",
    "LowestSlot",
    "LowestWindow",
    "OnlinePauseResume",
    "WaitAwhile",
]

LITERATURE: Final[tuple[Policy, ...]] = (
    *(WaitAwhile(rule=rule) for rule in RULES),
    *(WaitAwhile(rule=rule, interrupting=True) for rule in RULES),
    LowestSlot(),
    LowestWindow(),
    CarbonTime(),
    CheapestSlots(),
    Ecovisor(),
    KMinThreshold(),
    OnlinePauseResume(),
    Chase(),
)
"""Every rule with its published settings, calendars in UTC."""
