"""From what a user typed to a planning problem, and to its plans."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import InputError, QuantityError, near_matches
from lowtide.model.energy import Boundary
from lowtide.model.planning import Job, PlanSet, Window
from lowtide.quantities import (
    check_end_ns,
    format_instant,
    parse_asked_ns,
    parse_duration_s,
    parse_fraction,
    said_of,
)
from lowtide.runtime.config import Config
from lowtide.runtime.planning_job import job_of, read_points
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.doors import Policy
    from lowtide.planning.durations import LikelyStart
    from lowtide.planning.objective import Objective
    from lowtide.planning.sites import SiteOption
    from lowtide.planning.uncertain import PlanRegret
    from lowtide.series.types import IntensitySeries, PriceSeries
    from lowtide.stores.ledger import Ledger

__all__ = ["PlanRequest", "Planned", "plan", "plan_request", "read_points"]

_LITERATURE: Final = "literature"
_G_PER: Final = {"kg": 1e3, "t": 1e6, "mg": 1e-3, "g": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A planning problem as typed; texts are read and checked by :func:`plan_request`.

    Exactly one of `slack`, `within` and `deadline` bounds it; one of `like`, `past_runs`, `points`, `gpus` and
    `power` says what runs.
    """

    zones: tuple[str, ...] = ()
    duration: str | None = None
    power: str | None = None
    gpus: str | None = None
    load: str | None = None
    points: str | None = None
    like: str | None = None
    start: str | None = None
    slack: str | None = None
    within: str | None = None
    deadline: str | None = None
    policies: tuple[str, ...] = ()
    resume_energy: str | None = None
    resume_time: str | None = None
    idle_power: str | None = None
    migrate_energy: str | None = None
    migrate_time: str | None = None
    max_pauses: int | None = None
    slot: str | None = None
    round_up: bool = False
    pues: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    marginal: str | None = None
    sites: str | None = None
    allow: tuple[str, ...] = ()
    transfer_gb: float | None = None
    transfer_kwh_per_gb: float | None = None
    transfer_gbit_per_s: float | None = None
    carbon_price: float | None = None
    time_price: float | None = None
    max_carbon: str | None = None
    max_cost: float | None = None
    pareto: bool = False
    min_saving: str | None = None
    embodied_g_per_h: float | None = None
    history: str | None = None
    forecast: str | None = None
    risk: float | None = None
    robust: bool = False
    past_runs: str | None = None
    boundary: Boundary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What came of a request: its plans, what they were made for, and what hindsight says of the best.

    Attributes
    ----------
    found : PlanSet
    sites : tuple of SiteOption
    window : Window
    hindsight : PlanRegret or None
        Where the history reaches past the window.
    likely : LikelyStart or None
        The best start over all past durations, where the duration was learnt.
    boundary : Boundary
        What energy and grams are of, before PUE.
    """

    found: PlanSet
    sites: tuple[SiteOption, ...]
    window: Window
    hindsight: PlanRegret | None = None
    likely: LikelyStart | None = None
    boundary: Boundary = "node"


def plan_request(request: PlanRequest, config: Config, *, ledger: Ledger | None = None) -> Planned:
    """Return the plans for a request, with the sites and the window they were made for.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    from lowtide.planning.plan import plan as plan_job
    from lowtide.runtime.planning_forecasts import foresee, hindsight
    from lowtide.runtime.planning_sites import sites_of

    ours, published = _policies(request.policies)
    objective = _objective(request)
    job, notes = job_of(request, ledger)
    window = _window(request, job)
    foreseen = foresee(request, config, sites_of(request, config, window, job), window, job, ours)
    slot_s = None if request.slot is None else said_of("--slot", request.slot, parse_duration_s)
    found = plan_job(
        job,
        foreseen.sites,
        window,
        policies=foreseen.policies,
        literature=published,
        slot_s=slot_s,
        min_saving_fraction=0.03
        if request.min_saving is None
        else said_of("--min-saving", request.min_saving, parse_fraction),
        objective=objective,
        allow=request.allow,
        pareto=request.pareto,
        embodied_g_per_h=request.embodied_g_per_h,
    )
    likely = _likely(request, ledger, foreseen.sites[0], window, slot_s)
    learnt = () if likely is None else _learnt(likely, found)
    said = (
        *notes,
        *_boundary_words(request.boundary),
        *learnt,
        *foreseen.notes,
        *found.warnings,
        *_currencies(foreseen.sites),
    )
    return Planned(
        found=replace(found, warnings=said),
        sites=foreseen.sites,
        window=window,
        hindsight=hindsight(found, foreseen, job, window, slot_s) if foreseen.past else None,
        likely=likely,
        boundary=request.boundary or "node",
    )


def _boundary_words(boundary: Boundary | None) -> tuple[str, ...]:
    """Return what a reader must know of power that is not a node's."""
    if boundary in (None, "node"):
        return ()
    if boundary == "facility":
        return ("power, energy and grams are the facility's",)
    return (f"power, energy and grams are at boundary {boundary}: the rest of the node is not in them",)


def _learnt(likely: LikelyStart, found: PlanSet) -> tuple[str, ...]:
    from lowtide.runtime.planning_runs import words_of

    return (words_of(likely, found),)


def _likely(
    request: PlanRequest, ledger: Ledger | None, home: SiteOption, window: Window, slot_s: float | None
) -> LikelyStart | None:
    """Return the best start at home over all past durations, where the duration is learnt."""
    if request.past_runs is None or ledger is None:
        return None
    from lowtide.runtime.planning_runs import likely_of, past_runs

    return likely_of(past_runs(ledger, request.past_runs), home, window, slot_s)


def _policies(names: Sequence[str]) -> tuple[list[Policy] | None, list[Policy]]:
    """Return our policies by name, None for those that apply, and those of the literature."""
    from lowtide.planning.plan import POLICIES

    ours = {policy.name: policy for policy in POLICIES}
    if not names or all(name in ours for name in names):
        return [ours[name] for name in dict.fromkeys(names)] or None, []
    published = {policy.name: policy for policy in _literature()}
    for name in names:
        if name not in ours and name not in published and name != _LITERATURE:
            known = [*ours, *published, _LITERATURE]
            raise InputError(f"no policy {name!r}{near_matches(name, known)}; there are {', '.join(known)}")
    whole = published.values() if _LITERATURE in names else ()
    chosen = dict.fromkeys([*(published[name] for name in names if name in published), *whole])
    own = [ours[name] for name in dict.fromkeys(names) if name in ours]
    return (own or None if _LITERATURE in names else own), list(chosen)


def _literature() -> Sequence[Policy]:
    """Return the policies that others published; none where this version has none."""
    from importlib import import_module
    from importlib.util import find_spec

    name = "lowtide.planning.policies.literature"
    if find_spec(name) is None:
        return ()
    found: Sequence[Policy] = getattr(import_module(name), "LITERATURE", ())
    return found


def _objective(request: PlanRequest) -> Objective:
    from lowtide.planning.objective import Objective

    budget = request.max_carbon is not None or request.max_cost is not None
    return Objective(
        carbon_price_usd_per_t=request.carbon_price,
        time_price_usd_per_h=request.time_price,
        energy_price=bool(request.prices) and not budget,
        max_carbon_g=None if request.max_carbon is None else _grams(request.max_carbon),
        max_cost_usd=request.max_cost,
    )


def _grams(text: str) -> float:
    """Return grams from ``5kg``, ``300g``, ``1.2t``; a bare number is in grams."""
    unit = next((unit for unit in _G_PER if text.strip().endswith(unit)), "")
    try:
        return float(text.strip().removesuffix(unit)) * _G_PER.get(unit, 1.0)
    except ValueError as error:
        raise QuantityError(f"cannot read the carbon {text!r}; write it like 5kg or 300g") from error


def _window(request: PlanRequest, job: Job) -> Window:
    given = [name for name in ("slack", "within", "deadline") if getattr(request, name) is not None]
    if len(given) != 1:
        got = f"; got {' and '.join('--' + name for name in given)}" if given else ""
        raise InputError(f"say until when with one of --slack 12h, --within 24h or --deadline T{got}")
    start_ns = time.time_ns() if request.start is None else said_of("--start", request.start, parse_asked_ns)
    done_ns = check_end_ns(start_ns + job.work_ns)
    return Window(start_ns=start_ns, deadline_ns=check_end_ns(_bound_ns(request, job, start_ns, done_ns)))


def _bound_ns(request: PlanRequest, job: Job, start_ns: int, done_ns: int) -> int:
    """Return the end of the window; `done_ns` is when the job is done that starts at once."""
    if request.deadline is not None:
        return _deadline_ns(request, start_ns)
    if request.within is not None:
        return start_ns + ns_from_s(said_of("--within", request.within, parse_duration_s))
    slack = str(request.slack).strip()
    return done_ns + ns_from_s(said_of("--slack", slack, lambda text: _slack_s(text, job.work_s)))


def _deadline_ns(request: PlanRequest, start_ns: int) -> int:
    """Return the instant of ``--deadline``, refusing one that is over at the start."""
    text = str(request.deadline)
    deadline_ns = said_of("--deadline", text, parse_asked_ns)
    if deadline_ns > start_ns:
        return deadline_ns
    ahead = "give one that is still to come, or say how long from now: --within 24h"
    if request.start is None:
        raise InputError(f"--deadline {text} is past: it is {_minute(start_ns)} now; {ahead}")
    raise InputError(
        f"--deadline {text} is not after --start {request.start}; give a later deadline or an earlier start"
    )


def _minute(t_ns: int) -> str:
    return f"{format_instant(t_ns)[:16]}Z"


def _slack_s(text: str, work_s: float) -> float:
    """Return a slack that is a duration, or a share of the job's."""
    if text.endswith("%"):
        return parse_fraction(text) * work_s
    try:
        return parse_duration_s(text)
    except QuantityError as error:
        raise QuantityError(f"{error}, or as a share of the duration, like 50%") from error


def _currencies(sites: Sequence[SiteOption]) -> tuple[str, ...]:
    """Return what a reader must know of prices that are not in dollars."""
    from lowtide.runtime.planning_series import currency_of

    found = {site.zone: currency_of(site.price) for site in sites if site.price is not None}
    other = sorted(set(found.values()) - {"USD"})
    if not other:
        return ()
    if len(set(found.values())) > 1:
        raise InputError(
            f"prices are in {' and '.join(sorted(set(found.values())))}; give all in one currency"
        )
    return (f"prices are in {other[0]}: read every figure in USD as {other[0]}",)


def plan(
    job: Job | str,
    intensity: IntensitySeries | Mapping[str, Any] | str | float,
    *,
    power: str | float | None = None,
    start: str | None = None,
    within: str | None = None,
    slack: str | None = None,
    deadline: str | None = None,
    price: PriceSeries | Mapping[str, Any] | str | float | None = None,
    pue: float | Mapping[str, Any] | None = None,
    **options: Any,
) -> PlanSet:
    """Return the plans of one job: when, where and how hard to run it.

    Parameters
    ----------
    job : Job or str
        A job, or how long it takes (``"6h"``) with `power`.
    intensity : series, file, number [g/kWh], or mapping
        One site's intensity, or one a zone, the home first. A file of one zone needs no name.
    power : str or float, optional
        At the node (``"300W"``, or watts).
    start : str, optional
        Not before; without it the first instant of a series, else now.
    within, slack, deadline : str, optional
        One of them, as on the command line.
    price : series, file or number [USD/kWh], or mapping of zones to these, optional
    pue : float, :class:`~lowtide.planning.pue.PueSeries` or mapping, optional
    **options
        As for :func:`lowtide.planning.plan.plan`: `objective`, `policies`, `pareto`, `allow`, ...

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.

    Examples
    --------
    >>> plans = plan("2h", 400, power="1kW", start="2026-03-01T00:00Z", within="8h")
    >>> plans.best.policy, plans.best.emissions_g
    ('run-now', 800.0)
    """
    from lowtide.planning.plan import plan as plan_job
    from lowtide.series.types import IntensitySeries

    work = _job_of(job, power)
    given = dict(intensity) if isinstance(intensity, Mapping) else {None: intensity}
    first = next(iter(given.values()), None)
    if start is None and isinstance(first, IntensitySeries):
        start = format_instant(first.start_ns)
    window = _window(PlanRequest(start=start, within=within, slack=slack, deadline=deadline), work)
    span = window.start_ns, max(window.deadline_ns, window.start_ns + work.work_ns)
    sites = [_option(zone, series, price, pue, span) for zone, series in given.items()]
    return plan_job(work, sites, window, **options)


def _job_of(job: Job | str, power: str | float | None) -> Job:
    if isinstance(job, Job):
        if power is not None:
            raise InputError("power is given by the job already; leave it out or give a duration as text")
        return job
    if power is None:
        raise InputError(f"a job of {job} needs its power at the node: power='300W'")
    text = f"{power:g}W" if isinstance(power, int | float) else power
    return job_of(PlanRequest(duration=job, power=text), None)[0]


def _option(zone: str | None, series: Any, price: Any, pue: Any, span: tuple[int, int]) -> SiteOption:
    from lowtide.model.grid_choice import GridChoice
    from lowtide.planning.sites import SiteOption
    from lowtide.runtime.grid_signals import intensities_for
    from lowtide.runtime.planning_series import read_price
    from lowtide.series.types import IntensitySeries, PriceSeries

    marginal = None
    if not isinstance(series, IntensitySeries):
        found = intensities_for(
            GridChoice(zone=zone, intensity=str(series)), start_ns=span[0], end_ns=span[1]
        )
        series, marginal = found.location or found.marginal, found.marginal if found.location else None
    name = zone or series.signal.zone or "given"
    cost = price.get(zone) if isinstance(price, Mapping) else price
    if cost is not None and not isinstance(cost, PriceSeries):
        cost = read_price(str(cost), zone=name, window_ns=span)
    overhead = pue.get(zone) if isinstance(pue, Mapping) else pue
    return SiteOption(zone=name, intensity=series, marginal=marginal, price=cost, pue=overhead)
