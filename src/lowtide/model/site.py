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
    pue : float, str or None
        Power usage effectiveness, >= 1, or a file of one that varies; None is unknown.
    hardware : str or None
        What the site offers, in words.
    price_usd_per_kwh : float or None
    residency : str or None
        Legal region of the data kept there, e.g. ``EU``.
    submit : str or None
        Command that submits a job there, like ``sbatch -M west {args} {script}``; see
        :mod:`lowtide.executors.site_commands` for its placeholders.
    queue : str or None
        Command that lists what waits and runs there, where `submit` is not Slurm's.
    intensity, marginal, price, points : str or None
        Files, or a number: intensity and marginal intensity [g/kWh], price [USD/kWh], a menu of operating points.
    throughput, power : float or None
        Speed and power of the site's hardware over those at home.
    transfer_gb, transfer_kwh_per_gb, transfer_gbit_per_s : float or None
        Data that must travel there [GB], energy of the network [kWh/GB], its bandwidth [Gbit/s].
    embodied_kg, lifetime_years, utilization : float or None
        Embodied emissions of the machine [kg CO2e], its service life [years] and the share of it in use.
    """

    name: str
    zone: str | None = None
    marginal_region: str | None = None
    pue: float | str | None = None
    hardware: str | None = None
    price_usd_per_kwh: float | None = None
    residency: str | None = None
    submit: str | None = None
    queue: str | None = None
    intensity: str | None = None
    marginal: str | None = None
    price: str | None = None
    points: str | None = None
    throughput: float | None = None
    power: float | None = None
    transfer_gb: float | None = None
    transfer_kwh_per_gb: float | None = None
    transfer_gbit_per_s: float | None = None
    embodied_kg: float | None = None
    lifetime_years: float | None = None
    utilization: float | None = None
