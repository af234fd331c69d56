"""What a plan promises: its own power, accounted by the same function as any run's.

This is the objective's truth: policies find segments by whatever algebra is fast, and the grams of a plan
are :func:`lowtide.accounting.operational` of its power, so that a promise and a bill agree to the digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from lowtide.accounting.operational import operational
from lowtide.accounting.overhead import to_facility
from lowtide.model.planning import Job, Plan, Segment
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH, NS_PER_S, kwh_from_j

__all__ = ["count_moves", "count_pauses", "emissions_g", "plan_power", "profiled", "promise"]

_IMPULSE_NS = 1
"""An energy drawn at an instant is drawn within one nanosecond, the shortest step time knows."""


def plan_power(plan: Plan | Sequence[Segment], zone: str) -> PowerSeries | None:
    """Return the power of a plan in one zone, at the node; None where it draws nothing there.

    Parameters
    ----------
    plan : Plan or sequence of Segment
    zone : str

    Returns
    -------
    PowerSeries or None
        From the first segment in the zone to the last; 0 W in between where nothing is drawn. Energy of
        instant resumes and moves is one step of 1 ns.

    Examples
    --------
    >>> hour = 3600 * NS_PER_S
    >>> run = Segment(zone="DE", start_ns=0, end_ns=hour, throughput=1.0, power_w=300.0)
    >>> plan_power([run], "DE").energy_kwh()
    0.3
    """
    segments = plan.segments if isinstance(plan, Plan) else plan
    edges: list[int] = []
    powers: list[float] = []
    for segment in segments:
        if segment.zone != zone or segment.end_ns <= segment.start_ns:
            continue
        if not edges:
            edges.append(segment.start_ns)
        elif segment.start_ns > edges[-1]:
            edges.append(segment.start_ns)
            powers.append(0.0)
        if segment.impulse_kwh:
            edges.append(segment.start_ns + _IMPULSE_NS)
            powers.append(segment.power_w + segment.impulse_kwh * J_PER_KWH * NS_PER_S / _IMPULSE_NS)
        if segment.end_ns > edges[-1]:
            edges.append(segment.end_ns)
            powers.append(segment.power_w)
    if not edges:
        return None
    at = np.array(edges, dtype=np.int64)
    return PowerSeries(edges_ns=at, power_w=np.array(powers), boundary="node")


def emissions_g(
    segments: Sequence[Segment],
    sites: Iterable[SiteOption],
    *,
    on: Literal["intensity", "marginal"] = "intensity",
) -> float | None:
    """Return the grams of segments, PUE included; None where any of their energy meets unknown intensity.

    Parameters
    ----------
    segments : sequence of Segment
    sites : iterable of SiteOption
        At least those whose zones occur.
    on : {"intensity", "marginal"}
        Which of the sites' two series.
    """
    total_g = 0.0
    for site in sites:
        power = plan_power(segments, site.zone)
        if power is None:
            continue
        series: IntensitySeries | None = getattr(site, on)
        if series is None:
            return None
        account = operational(power if site.pue is None else to_facility(power, site.pue), series)
        if not account.covered_kwh >= account.energy_kwh * (1.0 - 1e-9) or not np.isfinite(account.g):
            return None
        total_g += account.g
    return total_g


def promise(
    policy: str,
    segments: Sequence[Segment],
    sites: Sequence[SiteOption],
    *,
    lower_bound_g: float | None = None,
    executable: bool = True,
) -> Plan:
    """Return the plan that these segments are, priced.

    Parameters
    ----------
    policy : str
    segments : sequence of Segment
        In order of time.
    sites : sequence of SiteOption
        All that the segments use.
    lower_bound_g : float, optional
        What a proof says, in grams; None says that the segments are optimal for their policy. A bound
        within rounding (1e-9) of the promise is the promise.
    executable : bool
    """
    g = emissions_g(segments, sites)
    first = next(segment for segment in segments if segment.kind in ("run", "resume"))
    home = next(site for site in sites if site.zone == first.zone)
    powers = [plan_power(segments, site.zone) for site in sites]
    if lower_bound_g is None or (g is not None and lower_bound_g > g - 1e-9 * abs(g)):
        lower_bound_g = g
    return Plan(
        policy=policy,
        zone=home.zone,
        segments=tuple(segments),
        energy_kwh=kwh_from_j(sum(power.energy_j() for power in powers if power is not None)),
        emissions_g=g,
        marginal_g=_marginal_g(segments, sites, g),
        signal=home.intensity.signal,
        n_pauses=count_pauses(segments),
        n_migrations=count_moves(segments),
        lower_bound_g=lower_bound_g,
        executable=executable,
    )


def _marginal_g(segments: Sequence[Segment], sites: Sequence[SiteOption], g: float | None) -> float | None:
    used = {segment.zone for segment in segments}
    if all(site.intensity.signal.basis == "marginal" for site in sites if site.zone in used):
        return g
    return emissions_g(segments, sites, on="marginal")


def _working(segments: Sequence[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.kind in ("run", "resume")]


def count_pauses(segments: Sequence[Segment]) -> int:
    """Return how often a job is interrupted: it stops and later, or elsewhere, goes on."""
    working = _working(segments)
    return sum(
        after.start_ns > before.end_ns
        or after.zone != before.zone
        or (after.kind == "resume" and before.kind == "run")
        or after.impulse_kwh > 0.0
        for before, after in pairwise(working)
    )


def count_moves(segments: Sequence[Segment]) -> int:
    """Return how often a job goes on in another zone."""
    working = _working(segments)
    return sum(a.zone != b.zone for a, b in pairwise(working))


def profiled(segments: Sequence[Segment], job: Job) -> list[Segment]:
    """Return running segments with the power of the job's recorded profile, cut where that changes.

    The segments' throughput must be 1; without a profile they are returned as they are.
    """
    if job.profile is None:
        return list(segments)
    edges_ns = [round(edge_s * NS_PER_S) for edge_s in job.profile.edges_s]
    edges_ns[-1] = max(edges_ns[-1], job.work_ns)
    done_ns, found = 0, []
    i = 0
    for segment in segments:
        if segment.kind != "run":
            found.append(segment)
            continue
        t_ns = segment.start_ns
        while t_ns < segment.end_ns:
            while edges_ns[i + 1] <= done_ns and i + 2 < len(edges_ns):
                i += 1
            left_ns = edges_ns[i + 1] - done_ns
            stop_ns = segment.end_ns if left_ns <= 0 else min(segment.end_ns, t_ns + left_ns)
            impulse_kwh = segment.impulse_kwh if t_ns == segment.start_ns else 0.0
            piece = replace(segment, start_ns=t_ns, end_ns=stop_ns, impulse_kwh=impulse_kwh)
            found.append(replace(piece, power_w=job.profile.power_w[i]))
            done_ns += stop_ns - t_ns
            t_ns = stop_ns
    return found
