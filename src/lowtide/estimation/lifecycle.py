"""A model over its life: reuse of training, manufacture with its denominator, water, gross and net by the hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lowtide.accounting.embodied import embodied_share
from lowtide.accounting.overhead import check_pue
from lowtide.data.constants import constant
from lowtide.errors import InputError
from lowtide.estimation.footprint import check_positive

__all__ = [
    "EmbodiedCase",
    "Matched",
    "chip_embodied_kg",
    "embodied_cases",
    "match_hourly",
    "reused_training_kwh",
    "water_l",
]

FloatArray = npt.NDArray[np.float64]


def reused_training_kwh(training_kwh: float, n_uses: float, *, fine_tuning_kwh: float = 0.0) -> float:
    """Return the energy behind one of `n_uses` models that share a pretraining [kWh].

    Parameters
    ----------
    training_kwh : float
        Of the shared training.
    n_uses : float
        Models fine-tuned from it, at least 1.
    fine_tuning_kwh : float
        Of each.

    Examples
    --------
    >>> reused_training_kwh(51_686.0, 1), reused_training_kwh(51_686.0, 100, fine_tuning_kwh=7571.0)
    (51686.0, 8087.86)
    """
    check_positive("training_kwh", training_kwh, allow_zero=True)
    check_positive("fine_tuning_kwh", fine_tuning_kwh, allow_zero=True)
    if not n_uses >= 1.0:
        raise InputError(f"a training is used at least once, got {n_uses:g} uses")
    return training_kwh / n_uses + fine_tuning_kwh


def water_l(
    node_kwh: float, *, pue: float, wue_on_site_l_per_kwh: float = 0.0, wue_off_site_l_per_kwh: float = 0.0
) -> tuple[float, float]:
    """Return the water of a training on site (cooling) and off site (power plants) [L].

    ``water = P x PUE x (WUE_on + WUE_off)`` (Morrison et al. 2025, OLMo). Published WUEs differ in their
    denominator: these are litres for each kWh of the facility.

    Examples
    --------
    >>> water_l(1000.0, pue=1.2, wue_off_site_l_per_kwh=1.29)  # OLMo's Jupiter: no water on site
    (0.0, 1548.0)
    """
    check_positive("node_kwh", node_kwh, allow_zero=True)
    check_positive("wue on site", wue_on_site_l_per_kwh, allow_zero=True)
    check_positive("wue off site", wue_off_site_l_per_kwh, allow_zero=True)
    facility_kwh = node_kwh * check_pue(pue)
    return facility_kwh * wue_on_site_l_per_kwh, facility_kwh * wue_off_site_l_per_kwh


def chip_embodied_kg(die_cm2: float, *, process_nm: int, dram_gb: float = 0.0, ssd_gb: float = 0.0) -> float:
    """Return the manufacture of a chip with its memory and storage [kg CO2e], from area and capacity.

    Parameters
    ----------
    die_cm2 : float
    process_nm : {16, 12, 7, 4}
        Only these have a published figure.
    dram_gb, ssd_gb : float

    Raises
    ------
    InputError
        For another process, or a negative size.

    Source: constants of LLMCarbon (Faiz et al. 2023); board, package and server come on top.

    Examples
    --------
    >>> round(chip_embodied_kg(8.26, process_nm=7, dram_gb=80), 1)  # an A100: 8.26 x 1.6 + 80 x 0.4
    45.2
    """
    if process_nm not in (16, 12, 7, 4):
        raise InputError(f"no figure for {process_nm} nm; there are 16, 12, 7 and 4 nm")
    for name, size in (("die_cm2", die_cm2), ("dram_gb", dram_gb), ("ssd_gb", ssd_gb)):
        check_positive(name, size, allow_zero=True)
    area = die_cm2 * constant(f"chip_kg_per_cm2_{process_nm}nm").value
    return area + dram_gb * constant("dram_kg_per_gb").value + ssd_gb * constant("ssd_kg_per_gb").value


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedCase:
    """Manufacture under one published choice of denominator.

    Attributes
    ----------
    who : str
    kg_per_gpu, lifetime_years, utilization : float
    g_per_gpu_hour, total_g : float
    """

    who: str
    kg_per_gpu: float
    lifetime_years: float
    utilization: float
    g_per_gpu_hour: float
    total_g: float


_CASES = (
    ("BLOOM, board alone, 6 years at 85 %", 150.0, 6.0, 0.85),
    ("BLOOM, board and server, 6 years at 85 %", 462.5, 6.0, 0.85),
    ("OLMo, node of 8 GPUs, 4 years at 100 %", 462.5, 4.0, 1.0),
    ("Wu et al., GPU system of 2000 kg for 8, 3 years at 30 %", 250.0, 3.0, 0.30),
    ("Wu et al., GPU system of 2000 kg for 8, 5 years at 60 %", 250.0, 5.0, 0.60),
)


def embodied_cases(gpu_hours: float) -> list[EmbodiedCase]:
    """Return the embodied share of `gpu_hours` under published denominators: lifetime x utilisation.

    BLOOM's 0.0034 and OLMo's 0.013 kg for a GPU-hour differ mostly by the server's share, not by the GPU.

    Examples
    --------
    >>> [(case.who[:5], round(case.g_per_gpu_hour, 1)) for case in embodied_cases(1.0)][:3]
    [('BLOOM', 3.4), ('BLOOM', 10.4), ('OLMo,', 13.2)]
    """
    check_positive("gpu_hours", gpu_hours)
    cases = []
    for who, kg, years, used in _CASES:
        one = embodied_share(kg, duration_h=1.0, lifetime_years=years, utilization=used)
        cases.append(
            EmbodiedCase(
                who=who,
                kg_per_gpu=kg,
                lifetime_years=years,
                utilization=used,
                g_per_gpu_hour=one.g,
                total_g=one.g * gpu_hours,
            )
        )
    return cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A load against contracted carbon-free energy, interval by interval.

    Attributes
    ----------
    load_kwh, matched_kwh, surplus_kwh : float
        Surplus is contracted energy no load was there for; it counts for nothing.
    gross_g, net_g : float
        Without and with the matched energy.
    matched_fraction : float
        Share of the load that was matched (the 24/7 score).
    annual_g : float
        What matching the sums would claim: for comparison, never a result.
    """

    load_kwh: float
    matched_kwh: float
    surplus_kwh: float
    gross_g: float
    net_g: float
    matched_fraction: float
    annual_g: float


def match_hourly(
    load_kwh: npt.ArrayLike, carbon_free_kwh: npt.ArrayLike, intensity_g_per_kwh: npt.ArrayLike
) -> Matched:
    """Return gross and net emissions of a load with contracted carbon-free energy of the same grid.

    ``net = sum over hours of max(0, load - contracted) x intensity`` (Patterson et al. 2021): what is not used
    in its hour never carries over.

    Parameters
    ----------
    load_kwh, carbon_free_kwh, intensity_g_per_kwh : array_like, shape (n,)
        Energy of each interval [kWh], contracted energy that was generated in it [kWh], intensity [g/kWh].

    Raises
    ------
    InputError
        If shapes differ, an energy is negative, or a value is unknown: an unknown hour cannot be matched.

    Examples
    --------
    >>> found = match_hourly([10.0, 10.0], [20.0, 0.0], [400.0, 400.0])
    >>> found.gross_g, found.net_g, found.surplus_kwh, found.annual_g  # annual matching would claim nothing
    (8000.0, 4000.0, 10.0, 0.0)
    """
    load, free, intensity = (
        np.asarray(values, dtype=np.float64) for values in (load_kwh, carbon_free_kwh, intensity_g_per_kwh)
    )
    if not load.ndim == free.ndim == intensity.ndim == 1 or not load.shape == free.shape == intensity.shape:
        raise InputError(
            f"load, contracts and intensity must match: {load.shape}, {free.shape}, {intensity.shape}"
        )
    for name, values in (("load", load), ("contracted energy", free)):
        if not (np.isfinite(values).all() and (values >= 0.0).all()):
            raise InputError(f"{name} must be known and not negative in every interval; cut or fill it first")
    if not np.isfinite(intensity).all():
        raise InputError("intensity is unknown in some interval; cut or fill it first")
    matched = np.minimum(load, free)
    gross_g, total = float(load @ intensity), float(load.sum())
    missing = max(0.0, total - float(free.sum()))
    return Matched(
        load_kwh=total,
        matched_kwh=float(matched.sum()),
        surplus_kwh=float((free - matched).sum()),
        gross_g=gross_g,
        net_g=float((load - matched) @ intensity),
        matched_fraction=float(matched.sum()) / total if total else 0.0,
        annual_g=missing * gross_g / total if total else 0.0,
    )
