"""What a plan promises: its own power, accounted by the same function as any run's.

This is the objective's truth: policies find segments by whatever algebra is fast, and the grams of a plan
are :func:`lowtide.accounting.operational` of its power, so that a promise and a bill agree to the digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from lowtide.accounting.operational import operational
from lowtide.model.planning import Plan, Segment, Window, WorkProfile
from lowtide.planning.pue import facility_power
from lowtide.planning.sites import SiteOption
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries, PriceSeries, total_power
from lowtide.units import J_PER_KWH, NS_PER_S, kwh_from_j

__all__ = ["cost_usd", "count_moves", "count_pauses", "emissions_g", "plan_power", "promise"]

_IMPULSE_NS = 1
"""An energy drawn at an instant is drawn within one nanosecond, the shortest step time knows."""


def plan_power(
    plan: Plan | Sequence[Segment], zone: str, *, profile: WorkProfile | None = None
) -> PowerSeries | None:
    """Return the power of a plan in one zone, at the node; None where it draws nothing there.

    Parameters
    ----------
    plan : Plan or sequence of Segment
    zone : str
    profile : WorkProfile, optional
        Power over work done, for segments alone; a plan brings its own.

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
    segments, profile = (plan.segments, plan.profile) if isinstance(plan, Plan) else (plan, profile)
    carried = [segment for segment in segments if segment.kind == "transfer"]
    if not carried:
        return _power(segments, zone, profile)
    parts = [_power([segment], zone, None) for segment in carried]
    parts.append(_power([segment for segment in segments if segment.kind != "transfer"], zone, profile))
    found = [part for part in parts if part is not None]
    return total_power(found, boundary="node", where_known="any") if found else None


def _power(segments: Sequence[Segment], zone: str, profile: WorkProfile | None) -> PowerSeries | None:
    """Return the power of segments that do not overlap in one zone."""
    edges: list[int] = []
    powers: list[float] = []
    for segment, done_s in _with_work_before(segments):
        if segment.zone != zone or segment.end_ns <= segment.start_ns:
            continue
        if not edges:
            edges.append(segment.start_ns)
        elif segment.start_ns > edges[-1]:
            edges.append(segment.start_ns)
            powers.append(0.0)
        ends, drawn = _pieces(segment, done_s, profile)
        if segment.impulse_kwh:
            edges.append(segment.start_ns + _IMPULSE_NS)
            powers.append(drawn[0] + segment.impulse_kwh * J_PER_KWH * NS_PER_S / _IMPULSE_NS)
        n_before = sum(end <= edges[-1] for end in ends[:2])
        edges += ends[n_before:]
        powers += drawn[n_before:]
    if not edges:
        return None
    at = np.array(edges, dtype=np.int64)
    return PowerSeries(edges_ns=at, power_w=np.array(powers), boundary="node")


def _with_work_before(segments: Sequence[Segment]) -> Iterator[tuple[Segment, float]]:
    """Yield every segment with the work done before it [s at throughput 1]."""
    done_s = 0.0
    for segment in segments:
        yield segment, done_s
        done_s += segment.throughput * segment.duration_s


def _pieces(segment: Segment, done_s: float, profile: WorkProfile | None) -> tuple[list[int], list[float]]:
    """Return the ends [ns] and powers [W] of the steps a segment is made of."""
    if profile is None or segment.kind != "run":
        return [segment.end_ns], [segment.power_w]
    edges_s, power_w = np.array(profile.edges_s), np.array(profile.power_w)
    ends = np.rint((edges_s[1:] - done_s) * (NS_PER_S / segment.throughput)).astype(np.int64)
    ends = np.minimum(ends + segment.start_ns, segment.end_ns)
    ends[-1] = segment.end_ns
    used = np.diff(ends, prepend=segment.start_ns) > 0
    used &= ends > segment.start_ns
    first = int(np.argmax(used))
    last = int(np.searchsorted(ends, segment.end_ns)) + 1
    kept = np.flatnonzero(used[first:last]) + first
    return ends[kept].tolist(), power_w[kept].tolist()


def emissions_g(
    segments: Sequence[Segment],
    sites: Iterable[SiteOption],
    *,
    on: Literal["intensity", "marginal", "market"] = "intensity",
    profile: WorkProfile | None = None,
) -> float | None:
    """Return the grams of segments, PUE included; None where any of their energy meets unknown intensity.

    Parameters
    ----------
    segments : sequence of Segment
    sites : iterable of SiteOption
        At least those whose zones occur.
    on : {"intensity", "marginal", "market"}
        Which of the sites' series.
    profile : WorkProfile, optional
        Power over work done, instead of the running segments' own.
    """
    total_g = 0.0
    for site in sites:
        power = plan_power(segments, site.zone, profile=profile)
        if power is None:
            continue
        series: IntensitySeries | None = getattr(site, on)
        if series is None:
            return None
        grams = _total(power, site, series)
        if grams is None:
            return None
        total_g += grams
    return total_g


def _total(power: PowerSeries, site: SiteOption, series: IntensitySeries) -> float | None:
    """Return energy times a series, PUE included, by the accounting function; None where it is not all known."""
    facility = power if site.pue is None else facility_power(power, site.pue)
    account = operational(facility, series)
    unknown = np.isnan(facility.power_w).any() and not _known_where_drawn(power, facility)
    if unknown or not account.covered_kwh >= account.energy_kwh * (1.0 - 1e-9) or not np.isfinite(account.g):
        return None
    return account.g


def _known_where_drawn(power: PowerSeries, facility: PowerSeries) -> bool:
    """Return whether a PUE is known wherever a node draws anything."""
    at_ns = facility.edges_ns[:-1][np.isnan(facility.power_w)]
    return not np.nan_to_num(steps.at(power.edges_ns, power.power_w, at_ns)).any()


def cost_usd(
    segments: Sequence[Segment], sites: Iterable[SiteOption], *, profile: WorkProfile | None = None
) -> float | None:
    """Return what the electricity of segments costs at the sites' prices, PUE included.

    Returns
    -------
    float or None
        In the currency of the prices; None where a price is not given or not known.
    """
    total = 0.0
    for site in sites:
        power = plan_power(segments, site.zone, profile=profile)
        if power is None:
            continue
        cost = None if site.price is None else _total(power, site, _as_intensity(site, site.price))
        if cost is None:
            return None
        total += cost
    return total


def _as_intensity(site: SiteOption, price: PriceSeries) -> IntensitySeries:
    """Return a price as the series that the accounting function multiplies energy with."""
    return IntensitySeries.of(price.edges_ns, price.price_usd_per_kwh, signal=site.intensity.signal)


def promise(
    policy: str,
    segments: Sequence[Segment],
    sites: Sequence[SiteOption],
    *,
    profile: WorkProfile | None = None,
    lower_bound_g: float | None = None,
    executable: bool = True,
    window: Window | None = None,
) -> Plan:
    """Return the plan that these segments are, priced.

    Parameters
    ----------
    policy : str
    segments : sequence of Segment
        In order of time.
    sites : sequence of SiteOption
        All that the segments use.
    profile : WorkProfile, optional
        Power over work done; running segments then say their mean.
    lower_bound_g : float, optional
        What a proof says, in grams; None says that the segments are optimal for their policy. A bound
        within rounding (1e-9) of the promise is the promise.
    executable : bool
    window : Window, optional
        Where its hours cost something, that is added to the promise.
    """
    g = emissions_g(segments, sites, profile=profile)
    if g is not None and window is not None and window.hour_cost:
        g += window.elapsed_cost(max(segment.end_ns for segment in segments))
    first = next(segment for segment in segments if segment.kind in ("run", "resume"))
    home = next(site for site in sites if site.zone == first.zone)
    powers = [plan_power(segments, site.zone, profile=profile) for site in sites]
    if lower_bound_g is None or (g is not None and lower_bound_g > g - 1e-9 * abs(g)):
        lower_bound_g = g
    return Plan(
        policy=policy,
        zone=home.zone,
        segments=tuple(_with_mean_power(segments, profile)),
        profile=profile,
        energy_kwh=kwh_from_j(sum(power.energy_j() for power in powers if power is not None)),
        emissions_g=g,
        marginal_g=_marginal_g(segments, sites, g, profile),
        market_g=_market_g(segments, sites, profile),
        cost_usd=cost_usd(segments, sites, profile=profile),
        objective=g,
        signal=home.intensity.signal,
        n_pauses=count_pauses(segments),
        n_migrations=count_moves(segments),
        lower_bound_g=lower_bound_g,
        executable=executable,
    )


def _marginal_g(
    segments: Sequence[Segment], sites: Sequence[SiteOption], g: float | None, profile: WorkProfile | None
) -> float | None:
    used = {segment.zone for segment in segments}
    if all(site.intensity.signal.basis == "marginal" for site in sites if site.zone in used):
        return g
    return emissions_g(segments, sites, on="marginal", profile=profile)


def _market_g(
    segments: Sequence[Segment], sites: Sequence[SiteOption], profile: WorkProfile | None
) -> float | None:
    if all(site.market is None for site in sites):
        return None
    return emissions_g(segments, sites, on="market", profile=profile)


def _with_mean_power(segments: Sequence[Segment], profile: WorkProfile | None) -> Iterator[Segment]:
    """Yield segments whose running ones say the mean of what the profile draws in them."""
    for segment, done_s in _with_work_before(segments):
        if profile is None or segment.kind != "run":
            yield segment
            continue
        ends, powers = _pieces(segment, done_s, profile)
        widths = np.diff(np.array([segment.start_ns, *ends]))
        yield replace(segment, power_w=float(widths @ np.array(powers)) / float(widths.sum()))


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
