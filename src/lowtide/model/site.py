"""A place where jobs run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where jobs run, as configured in ``[site.NAME]``.

    Attributes
    ----------
    name : str
    zone : str or None
        Zone key as Electricity Maps writes it.
    marginal_region : str or None
        Region key of a marginal signal.
    pue : float or None
        Power usage effectiveness, >= 1; None is unknown.
    hardware : str or None
        What the site offers, in words.
    price_usd_per_kwh : float or None
    residency : str or None
        Legal region of the data kept there, e.g. ``EU``.
    submit : str or None
        Command template that submits a job there.
    embodied_kg, lifetime_years, utilization : float or None
        Embodied emissions of the machine [kg CO2e], its service life [years] and the share of it in use.
    """

    name: str
    zone: str | None = None
    marginal_region: str | None = None
    pue: float | None = None
    hardware: str | None = None
    price_usd_per_kwh: float | None = None
    residency: str | None = None
    submit: str | None = None
    embodied_kg: float | None = None
    lifetime_years: float | None = None
    utilization: float | None = None
