"""Embodied emissions: the share of a machine's manufacture that falls on a run."""

from __future__ import annotations

from lowtide.errors import InputError
from lowtide.model.ledger import EmbodiedBill
from lowtide.units import H_PER_YEAR

__all__ = ["embodied_share"]


def embodied_share(
    device_kg: float,
    *,
    duration_h: float,
    lifetime_years: float,
    utilization: float = 1.0,
    machine_share: float = 1.0,
) -> EmbodiedBill:
    """Return ``M = kg * (time / lifetime) * (share / utilization)``.

    Parameters
    ----------
    device_kg : float
        Manufacture, transport and end of life of the whole machine [kg CO2e].
    duration_h : float
        Time the run reserved it [h].
    lifetime_years : float
        Service life [years of 8760 h].
    utilization : float
        Share of that life in which the machine works; published figures differ mostly by this
        (BLOOM 0.85, OLMo 1, Wu et al. 0.3 to 0.6).
    machine_share : float
        Share of the machine reserved (RR / ToR in the SCI).

    Raises
    ------
    InputError
        For values that cannot be.

    Source: SCI specification v1.1 (ISO/IEC 21031:2024), Wu et al. 2022 (arXiv 2111.00364).

    Examples
    --------
    >>> round(embodied_share(1000.0, duration_h=1.0, lifetime_years=4.0).g, 1)
    28.5
    """
    for name, value in (("device_kg", device_kg), ("duration_h", duration_h)):
        if not value >= 0.0:
            raise InputError(f"{name} {value:g} must not be negative")
    if not lifetime_years > 0.0:
        raise InputError(f"lifetime_years {lifetime_years:g} must be positive; servers live 3 to 6 years")
    for name, value in (("utilization", utilization), ("machine_share", machine_share)):
        if not 0.0 < value <= 1.0:
            raise InputError(f"{name} {value:g} must be a fraction above 0 and at most 1; write 85% as 0.85")
    share = duration_h / (lifetime_years * H_PER_YEAR) * machine_share / utilization
    return EmbodiedBill(
        g=device_kg * 1000.0 * share,
        device_kg=device_kg,
        lifetime_years=lifetime_years,
        utilization=utilization,
        machine_share=machine_share,
        duration_h=duration_h,
    )
