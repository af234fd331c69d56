"""Chase: follow the intensity with the power limit (Yang et al. 2023, "Chasing Low-Carbon Electricity").

"Chasing Low-Carbon Electricity for Practical and Sustainable DNN Training", from the ICLR 2023 workshop on
climate change. The job runs at once and without a pause; in each slot it takes the operating point of least
cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lowtide.errors import InputError
from lowtide.model.planning import Infeasible, Job, OperatingPoint, Plan, Segment, Window
from lowtide.planning.policies.literature.carried_out import bounded, filling_g
from lowtide.planning.policies.literature.slots import Slots, slots_of
from lowtide.planning.promise import promise
from lowtide.planning.segments import joined
from lowtide.planning.sites import SiteOption

__all__ = ["Chase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """Per slot the point that minimises [eta P c + (1 - eta) Pmax cmax] / throughput.

    P and the throughput are the point's, c is the intensity of the slot, which the paper forecasts and a plan
    knows; Pmax is the greatest power of the menu and cmax the greatest known intensity of the window, or 0
    where that is negative. Of equally cheap points the quickest is taken.

    Attributes
    ----------
    eta : float
        From 0, the quickest point always, to 1, the least carbon for the work whatever the time.

    Raises
    ------
    InputError
        If `eta` is not between 0 and 1.
    """

    eta: float = 0.5
    name: str = "chase"
    joint: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise InputError(f"eta of Chase weighs carbon against time and is from 0 to 1, got {self.eta:g}")

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the plan that starts with the window and changes its point from slot to slot.

        Its lower bound is that of any plan with this menu. Cost: O(k n) for k points.
        """
        site = sites[0]
        menu, slots = site.menu(job), slots_of(site, window, slot_s=slot_s)
        reason = "a recorded power profile has one operating point; give a menu of points instead"
        if job.profile is None:
            reason = "there is one operating point and nothing to choose; give a menu of points"
        if job.profile is not None or len(menu) == 1:
            return Infeasible(policy=self.name, zone=site.zone, reason=reason)
        segments = self._segments(job, site, slots)
        if isinstance(segments, str):
            return Infeasible(policy=self.name, zone=site.zone, reason=segments)
        found = promise(self.name, segments, [site], executable=False, window=window)
        return bounded(found, filling_g(job, site, window, slot_s=slot_s, menu=menu))

    def _segments(self, job: Job, site: SiteOption, slots: Slots) -> list[Segment] | str:
        """Return the runs, or why there are none."""
        points, left = self._points(site.menu(job), slots), float(job.work_ns)
        edges, found = slots.edges_ns.tolist(), list[Segment]()
        for j, point in enumerate(points):
            if np.isnan(slots.intensity[j]):
                return "it runs without a pause, and through unknown intensity"
            stop_ns = edges[j] + max(1, round(left / point.throughput))
            end_ns = min(stop_ns, edges[j + 1])
            run = Segment(
                zone=site.zone, start_ns=edges[j], end_ns=end_ns, throughput=point.throughput,
                power_w=point.power_w,
            )  # fmt: skip
            found.append(run)
            left -= point.throughput * (end_ns - edges[j])
            if stop_ns <= edges[j + 1]:
                return joined(found)
        return f"it does {1.0 - left / job.work_ns:.0%} of its work by the deadline at the points it takes"

    def _points(self, menu: tuple[OperatingPoint, ...], slots: Slots) -> list[OperatingPoint]:
        """Return the point of each slot."""
        extremes = slots.extremes
        if extremes is None:
            return [menu[0]] * slots.n
        quickest_first = sorted(menu, key=lambda point: -point.throughput)
        power_w = np.array([point.power_w for point in quickest_first])
        throughput = np.array([point.throughput for point in quickest_first])
        time_cost = (1.0 - self.eta) * power_w.max() * max(extremes[1], 0.0)
        costs = (self.eta * np.outer(np.nan_to_num(slots.intensity), power_w) + time_cost) / throughput
        return [quickest_first[i] for i in np.argmin(costs, axis=1).tolist()]
