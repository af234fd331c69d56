"""Plans on forecasts: how much of the upper quantile to plan on, and what hindsight says of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lowtide.errors import InputError
from lowtide.forecasting.extend import extended
from lowtide.forecasting.forecast import Forecast
from lowtide.forecasting.issue import issue
from lowtide.forecasting.methods import persistence_day
from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import emissions_g, promise
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["AtRisk", "PlanRegret", "at_risk", "plan_at_risk", "regret_of_plan"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AtRisk:
    """A policy that plans on other intensities than its plans are priced on.

    It is a policy like any other: :func:`lowtide.planning.plan.plan` given the medians as sites compares its
    plans with a run-now on the medians.

    Attributes
    ----------
    policy : Policy
    wary : mapping of str to IntensitySeries
        By zone: what to plan on, such as :func:`lowtide.forecasting.extend.extended` with a risk.
    """

    policy: Policy
    wary: Mapping[str, IntensitySeries]

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self.policy.name

    @property
    def joint(self) -> bool:
        """Whether it takes all sites at once."""
        return self.policy.joint

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the policy's plan on the wary intensities, priced on those of the sites.

        Its lower bound is None: it is the best for what it was planned on, not for what it is priced on.

        Raises
        ------
        InputError
            If a site has no wary intensity.
        """
        missing = [site.zone for site in sites if site.zone not in self.wary]
        if missing:
            raise InputError(
                f"nothing to plan on for {missing[0]}; there are {', '.join(self.wary) or 'none'}"
            )
        wary = [replace(site, intensity=self.wary[site.zone]) for site in sites]
        found = self.policy.plan(job, wary, window, slot_s=slot_s)
        if isinstance(found, Infeasible):
            return found
        priced = promise(
            found.policy,
            found.segments,
            sites,
            profile=job.profile,
            executable=found.executable,
            window=window,
        )
        return replace(priced, lower_bound_g=None)


def at_risk(site: SiteOption, forecast: Forecast, risk: float) -> SiteOption:
    """Return a site whose intensity is known up to a forecast and blended from there.

    See :func:`lowtide.forecasting.extend.blended` for what a risk is.
    """
    return replace(site, intensity=extended(site.intensity, forecast, risk=risk))


def plan_at_risk(
    policy: Policy,
    job: Job,
    sites: Sequence[SiteOption],
    window: Window,
    *,
    forecasts: Mapping[str, Forecast],
    risk: float = 0.0,
    slot_s: float | None = None,
) -> Plan | Infeasible:
    """Return a policy's plan on a blend of median and upper quantile, priced on the median.

    Parameters
    ----------
    policy : Policy
    job : Job
    sites : sequence of SiteOption
        As for the policy; each intensity is what is known. Nothing after the forecast is taken from it.
    window : Window
    forecasts : mapping of str to Forecast
        By zone, one for each site.
    risk : float
        0 plans on the median, 1 on the 90 % quantile: ``(1 - risk) * median + risk * quantile(0.9)``.
    slot_s : float, optional

    Returns
    -------
    Plan or Infeasible
        With a risk above 0 the lower bound is None: the plan is the best for the blend, not for the median
        its emissions are stated on.

    Raises
    ------
    InputError
        If a site has no forecast, or the risk is not from 0 to 1.
    """
    missing = [site.zone for site in sites if site.zone not in forecasts]
    if missing:
        raise InputError(f"no forecast for {missing[0]}; there are {', '.join(forecasts) or 'none'}")
    medians = [at_risk(site, forecasts[site.zone], 0.0) for site in sites]
    if risk == 0.0:
        return policy.plan(job, medians, window, slot_s=slot_s)
    wary = {site.zone: at_risk(site, forecasts[site.zone], risk).intensity for site in sites}
    return AtRisk(policy=policy, wary=wary).plan(job, medians, window, slot_s=slot_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRegret:
    """One plan in hindsight: grams on the true intensity, None where that is not known.

    Attributes
    ----------
    policy : str
    oracle_g, forecast_g, persistence_g, now_g : float or None
        Planned on the truth, on the forecast, on yesterday repeated, and not at all [g].
    """

    policy: str
    oracle_g: float | None
    forecast_g: float | None
    persistence_g: float | None
    now_g: float | None

    def saving_fraction(self, g: float | None) -> float | None:
        """Return 1 - `g` over run-now; None where unknown or run-now is not positive."""
        if g is None or self.now_g is None or not self.now_g > 0.0:
            return None
        return 1.0 - g / self.now_g

    @property
    def words(self) -> str:
        """One line: what each way of planning saved."""
        if self.now_g is None or not self.now_g > 0.0:
            return f"{self.policy} in hindsight: not known, run-now meets unknown intensity or emits nothing"
        parts = {
            "with hindsight": self.oracle_g,
            "forecast": self.forecast_g,
            "repeating yesterday": self.persistence_g,
        }
        said = [f"{name} {_percent(self.saving_fraction(g))}" for name, g in parts.items()]
        return f"{self.policy} saved against run-now: {', '.join(said)}"


def regret_of_plan(
    policy: Policy,
    job: Job,
    site: SiteOption,
    window: Window,
    *,
    planned_on: IntensitySeries,
    slot_s: float | None = None,
) -> PlanRegret:
    """Return what planning on an intensity cost against hindsight, where the truth is known by now.

    Parameters
    ----------
    policy : Policy
    job : Job
    site : SiteOption
        Its intensity is the truth: a history before the window's start, and what came after.
    window : Window
    planned_on : IntensitySeries
        What the plan was made on: known values up to the window's start, then a forecast.
    slot_s : float, optional

    Notes
    -----
    Yesterday repeated is a persistence forecast made at the window's start from the site's own history; None
    where there is none.
    """
    horizon_s = max(window.deadline_ns - window.start_ns, job.work_ns) / NS_PER_S
    repeated: IntensitySeries | None = None
    if site.intensity.start_ns + 1 < window.start_ns:
        repeated = _repeated(site.intensity, window.start_ns, horizon_s)
    seen = (site.intensity, planned_on, repeated)
    grams = [_billed(policy, job, site, window, series, slot_s) for series in seen]
    now = run_through(job, site, window.start_ns)
    return PlanRegret(
        policy=policy.name,
        oracle_g=grams[0],
        forecast_g=grams[1],
        persistence_g=grams[2],
        now_g=emissions_g(now, [site], profile=job.profile),
    )


def _repeated(truth: IntensitySeries, now_ns: int, horizon_s: float) -> IntensitySeries | None:
    """Return the history continued by yesterday, None where there is no history."""
    try:
        return extended(truth, issue(persistence_day, truth, now_ns=now_ns, horizon_s=horizon_s))
    except InputError:
        return None


def _billed(
    policy: Policy,
    job: Job,
    site: SiteOption,
    window: Window,
    series: IntensitySeries | None,
    slot_s: float | None,
) -> float | None:
    """Return what a plan made on one series emits on the site's own."""
    if series is None:
        return None
    found = policy.plan(job, [replace(site, intensity=series)], window, slot_s=slot_s)
    if isinstance(found, Infeasible):
        return None
    return emissions_g(found.segments, [site], profile=job.profile)


def _percent(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{100.0 * fraction:.1f} %"
