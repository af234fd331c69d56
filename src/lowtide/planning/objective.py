"""What a plan makes least: grams, a weighed sum of money, or time and grams under a budget.

Carbon and price together are one price of a kilowatt-hour at the node,

    (price + intensity x carbon price) x PUE,

a step function cut where any of the three changes. So every policy plans on it as it plans on intensity, and
what is exact for one is exact for the other. What hours cost goes with the window
(:attr:`lowtide.model.jobs.Window.hour_cost`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from lowtide.errors import InputError
from lowtide.model.planning import Minimised, Plan, Window
from lowtide.planning.pue import PueSeries, with_pue
from lowtide.planning.sites import SiteOption
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PriceSeries
from lowtide.units import NS_PER_S, h_from_ns

__all__ = ["CARBON", "Objective", "Weights", "check_prices", "offered"]

G_PER_T: Final = 1e6


class Weights(NamedTuple):
    """What a gram, a dollar of electricity and an hour until the end count."""

    per_g: float = 1.0
    per_usd: float = 0.0
    per_hour: float = 0.0

    @property
    def carbon_alone(self) -> bool:
        """Whether nothing but grams counts, each once."""
        return self == CARBON


CARBON: Final = Weights()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What to make least; by default grams.

    Attributes
    ----------
    carbon_price_usd_per_t : float or None
        Weighs carbon with money.
    time_price_usd_per_h : float or None
        What an hour from the window's start to the end of the job is worth.
    energy_price : bool
        Whether the electricity at the sites' prices counts.
    max_carbon_g : float or None
        Be done as soon as possible without emitting more than this.
    max_cost_usd : float or None
        Emit as little as possible without paying more than this for electricity.

    Raises
    ------
    InputError
        If a figure is negative or not finite, two budgets are given, or a budget with a weight.

    Examples
    --------
    >>> Objective(carbon_price_usd_per_t=100.0, time_price_usd_per_h=2.0).minimised
    'usd'
    """

    carbon_price_usd_per_t: float | None = None
    time_price_usd_per_h: float | None = None
    energy_price: bool = False
    max_carbon_g: float | None = None
    max_cost_usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("carbon_price_usd_per_t", "time_price_usd_per_h", "max_carbon_g"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0.0):
                raise InputError(f"{name} must be at least 0, got {value:g}")
        if self.max_cost_usd is not None and not isfinite(self.max_cost_usd):
            raise InputError(f"max_cost_usd must be finite, got {self.max_cost_usd:g}")
        budgets = [name for name in ("max_carbon_g", "max_cost_usd") if getattr(self, name) is not None]
        weighed = self.carbon_price_usd_per_t is not None or self.time_price_usd_per_h is not None
        if len(budgets) > 1 or (budgets and weighed):
            raise InputError(
                "give one of: a budget of carbon, a budget of money, or prices of carbon and time to weigh; "
                "two of them leave open which one rules"
            )

    @property
    def weighed(self) -> bool:
        """Whether money is minimised."""
        return self.minimised == "usd"

    @property
    def minimised(self) -> Minimised:
        """What the plans' `objective` is."""
        if self.max_carbon_g is not None:
            return "elapsed_s"
        given = (self.carbon_price_usd_per_t, self.time_price_usd_per_h)
        money = self.energy_price or any(value is not None for value in given)
        return "usd" if money and self.max_cost_usd is None else "emissions_g"

    @property
    def weights(self) -> Weights:
        """What a gram, a dollar and an hour count: in dollars where money is minimised, else in grams."""
        if not self.weighed:
            return CARBON
        per_g = (self.carbon_price_usd_per_t or 0.0) / G_PER_T
        return Weights(per_g, 1.0 if self.energy_price else 0.0, self.time_price_usd_per_h or 0.0)

    @property
    def dollars_per_gram(self) -> float | None:
        """What a gram counts, where money is minimised and nothing else counts; else None."""
        per_g, per_usd, per_hour = self.weights
        return per_g if self.weighed and per_g and not per_usd and not per_hour else None

    @property
    def grams_or_dollars(self) -> Weights:
        """The weights to plan with: grams alone where a price of carbon only scales them."""
        return CARBON if self.dollars_per_gram is not None else self.weights

    def value_of(self, plan: Plan, window: Window) -> float | None:
        """Return what a plan scores by this objective: grams, dollars or seconds; None where it is unknown."""
        if self.minimised == "elapsed_s":
            return (plan.end_ns - window.start_ns) / NS_PER_S
        per_g, per_usd, per_hour = self.weights
        g = plan.emissions_g if per_g else 0.0
        usd = plan.cost_usd if per_usd else 0.0
        if g is None or usd is None:
            return None
        return per_g * g + per_usd * usd + per_hour * h_from_ns(plan.end_ns - window.start_ns)


def offered(site: SiteOption, weights: Weights = CARBON) -> SiteOption:
    """Return a site whose intensity is what a kilowatt-hour counts: what a policy then makes least.

    Parameters
    ----------
    site : SiteOption
    weights : Weights

    Returns
    -------
    SiteOption
        The same object where only grams count and the PUE is a number. Else its intensity is in the unit of
        the weights, and a PUE that varies is in it.

    Raises
    ------
    InputError
        If money counts and the site has no price.
    """
    carbon_alone = weights.per_usd == 0.0 and weights.per_g > 0.0
    series = site.intensity if carbon_alone else _composite(site, weights)
    if carbon_alone and weights.per_g != 1.0:
        series = replace(series, intensity_g_per_kwh=series.intensity_g_per_kwh * weights.per_g)
    pue = site.pue
    if isinstance(pue, PueSeries):
        series, pue = with_pue(series, pue), None
    if series is site.intensity and pue is site.pue:
        return site
    return replace(site, intensity=series, pue=pue, marginal=None, price=None)


def _composite(site: SiteOption, weights: Weights) -> IntensitySeries:
    """Return intensity and price as one series; where only one counts, the other may be unknown."""
    if not weights.per_usd:  # neither counts: time alone does
        return replace(site.intensity, intensity_g_per_kwh=site.intensity.intensity_g_per_kwh * 0.0)
    if site.price is None:
        raise InputError(f"no electricity price for {site.zone}; give one with --price {site.zone}=FILE")
    price = PriceSeries(
        edges_ns=site.price.edges_ns,
        price_usd_per_kwh=site.price.price_usd_per_kwh * weights.per_usd,
        source=site.price.source,
    )
    resolved = site.intensity.signal.time_resolved or len(np.unique(price.price_usd_per_kwh)) > 1
    signal = replace(site.intensity.signal, time_resolved=resolved)
    if not weights.per_g:
        return IntensitySeries.of(price.edges_ns, price.price_usd_per_kwh, signal=signal)
    carbon = site.intensity
    edges, values = steps.add(
        carbon.edges_ns,
        carbon.intensity_g_per_kwh * weights.per_g,
        price.edges_ns,
        price.price_usd_per_kwh,
    )
    return IntensitySeries.of(edges, values, signal=signal)


def check_prices(sites: Sequence[SiteOption], why: str) -> None:
    """Refuse sites without a price where one is needed.

    Raises
    ------
    InputError
        Names the sites and what needs their price.
    """
    missing = [site.zone for site in sites if site.price is None]
    if missing:
        raise InputError(
            f"{why} needs the electricity price of {', '.join(missing)}; "
            "give --price ZONE=FILE or a constant in USD/kWh"
        )
