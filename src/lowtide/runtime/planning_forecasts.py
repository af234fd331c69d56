"""Plans past the end of what is known: sites continued by a forecast, and policies that mistrust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lowtide.errors import InputError
from lowtide.model.planning import Job, Plan, PlanSet, Window
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_instant
from lowtide.runtime.config import Config
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.doors import Policy
    from lowtide.forecasting.issue import Method
    from lowtide.planning.uncertain import PlanRegret
    from lowtide.runtime.forecasting import Extended
    from lowtide.runtime.planning import PlanRequest
    from lowtide.series.types import IntensitySeries

__all__ = ["Foreseen", "foresee", "hindsight"]

_WEIGHTS = ("prices", "carbon_price", "time_price", "max_carbon", "max_cost", "pareto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What is planned with where the future is a forecast.

    Attributes
    ----------
    sites : tuple of SiteOption
        Their intensity known up to now, then the median of a forecast.
    policies : tuple of Policy or None
        None for those that apply.
    notes : tuple of str
    past : dict of str to IntensitySeries
        What is known of each zone, to whenever that reaches.
    """

    sites: tuple[SiteOption, ...]
    policies: Sequence[Policy] | None
    notes: tuple[str, ...]
    past: dict[str, IntensitySeries]


def foresee(
    request: PlanRequest,
    config: Config,
    sites: Sequence[SiteOption],
    window: Window,
    job: Job,
    policies: Sequence[Policy] | None,
) -> Foreseen:
    """Return sites and policies for a request with a history; as they are without one.

    The forecast is made at the window's start from what was known by then. A file given with ``--intensity``
    is kept as far as it reaches; without one nothing of the history after the start is planned on.

    Raises
    ------
    InputError
        If a value is wrong, or something asks for a history that is not given.
    """
    if request.history is None:
        for name in ("forecast", "risk", "robust"):
            if getattr(request, name):
                raise InputError(f"--{name} learns from the past: give --history FILE too")
        return Foreseen(sites=tuple(sites), policies=policies, notes=(), past={})
    risk = _risk(request)
    past = {site.zone: _past(request, site) for site in sites}
    end_ns = max(window.deadline_ns, window.start_ns + job.work_ns)
    calm: list[SiteOption] = []
    wary: dict[str, IntensitySeries] = {}
    notes: dict[str, str] = {}
    methods: dict[str, str | Method] = {}
    for site in sites:
        method = _method(request, site)
        given = None if config.get("intensity") is None else site.intensity
        found = _continued(past[site.zone], given, window, end_ns, method, 0.0)
        calm.append(replace(site, intensity=found.series))
        methods[site.zone] = found.made.forecast.method if found.made and method == "auto" else method
        if found.made is not None:
            notes[f"forecast for {site.zone}: {found.made.words}"] = ""
        if risk:
            chosen = methods[site.zone]
            wary[site.zone] = _continued(past[site.zone], given, window, end_ns, chosen, risk).series
    wrapped = _wrapped(request, calm, window, job, policies, wary, past, methods, notes)
    return Foreseen(sites=tuple(calm), policies=wrapped, notes=tuple(notes), past=past)


def _risk(request: PlanRequest) -> float:
    risk = 0.0 if request.risk is None else request.risk
    if not 0.0 <= risk <= 1.0:
        raise InputError(
            f"--risk {risk:g} must be from 0, the median of the forecast, to 1, its 90 % quantile"
        )
    weights = [name for name in _WEIGHTS if getattr(request, name)]
    if risk and weights:
        flag = "--" + weights[0].replace("_", "-").replace("prices", "price")
        raise InputError(f"--risk plans for carbon alone; leave out {flag}, or the risk")
    return risk


def _past(request: PlanRequest, site: SiteOption) -> IntensitySeries:
    """Return the history of a site's zone, of the same kind as what it is planned on."""
    from lowtide.runtime.forecasting import read_history

    signal = site.intensity.signal
    factors = None if signal.factors == "unknown" else signal.factors
    zone = signal.zone or (None if site.zone == "given" else site.zone)
    return read_history(str(request.history), zone=zone, basis=signal.basis, factors=factors)


def _method(request: PlanRequest, site: SiteOption) -> str | Method:
    from lowtide.runtime.forecasting import METHOD_NAMES

    if request.forecast is None or request.forecast in METHOD_NAMES:
        return request.forecast or "auto"
    from lowtide.runtime.issued import read_forecasts

    signal = site.intensity.signal
    return read_forecasts(request.forecast, zone=signal.zone, basis=signal.basis, factors=signal.factors)


def _continued(
    past: IntensitySeries,
    given: IntensitySeries | None,
    window: Window,
    end_ns: int,
    method: str | Method,
    risk: float,
) -> Extended:
    from lowtide.runtime.forecasting import extend

    now_ns = min(window.start_ns, past.end_ns)
    if now_ns <= past.start_ns:
        raise InputError(
            f"the history begins at {format_instant(past.start_ns)}, after the start "
            f"{format_instant(window.start_ns)}; give an earlier one"
        )
    if given is None:
        return extend(past, end_ns, now_ns=now_ns, method=method, keep_given=False, risk=risk)
    return extend(given, end_ns, now_ns=now_ns, history=past, method=method, risk=risk)


def _wrapped(
    request: PlanRequest,
    sites: Sequence[SiteOption],
    window: Window,
    job: Job,
    policies: Sequence[Policy] | None,
    wary: dict[str, IntensitySeries],
    past: dict[str, IntensitySeries],
    methods: dict[str, str | Method],
    notes: dict[str, str],
) -> Sequence[Policy] | None:
    """Return the policies that plan on quantiles, or only where the past says it pays."""
    if not wary and not request.robust:
        return policies
    from lowtide.planning.plan import policies_for
    from lowtide.planning.uncertain import AtRisk

    found = list(policies_for(job, sites) if policies is None else policies)
    if wary:
        found = [AtRisk(policy=policy, wary=wary) for policy in found]
    if request.robust:
        found = [_gated(policy, sites, window, job, past, methods, notes) for policy in found]
    return found


def _gated(
    policy: Policy,
    sites: Sequence[SiteOption],
    window: Window,
    job: Job,
    past: dict[str, IntensitySeries],
    methods: dict[str, str | Method],
    notes: dict[str, str],
) -> Policy:
    from lowtide.planning.robust import Gated
    from lowtide.runtime.scoring import gate_for

    if policy.name == "run-now":
        return policy
    slack_s = max(0.0, window.length_ns / NS_PER_S - job.work_s)
    gates = {}
    for site in sites:
        known = past[site.zone]
        known = known.clip(start_ns=known.start_ns, end_ns=min(window.start_ns, known.end_ns))
        gates[site.zone] = gate_for(
            known,
            duration_s=job.work_s,
            slack_s=slack_s,
            policy=policy.name,
            method="blend" if methods[site.zone] == "auto" else methods[site.zone],
        )
        notes[f"{policy.name} in {site.zone}: {gates[site.zone].words}"] = ""
    return Gated(policy=policy, gates=gates)


def hindsight(
    found: PlanSet, foreseen: Foreseen, job: Job, window: Window, slot_s: float | None
) -> PlanRegret | None:
    """Return what the best plan of one site would have saved with other knowledge; None until that is known."""
    from lowtide.planning.plan import POLICIES
    from lowtide.planning.uncertain import regret_of_plan

    best: Plan | None = found.best
    if best is None or best.zone not in foreseen.past or best.n_migrations:
        return None
    truth = foreseen.past[best.zone]
    policy = next((one for one in POLICIES if one.name == best.policy and not one.joint), None)
    if policy is None or truth.end_ns < max(window.deadline_ns, window.start_ns + job.work_ns):
        return None
    site = next(site for site in foreseen.sites if site.zone == best.zone)
    return regret_of_plan(
        policy, job, replace(site, intensity=truth), window, planned_on=site.intensity, slot_s=slot_s
    )
