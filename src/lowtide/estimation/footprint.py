"""The footprint formula: program, processors, speed and power, data centre, energy mix.

``footprint = (E_train + queries x E_infer) x intensity`` with ``E = hours x processors x mean W x PUE / 1000``
(Patterson et al. 2021, arXiv 2104.10350). Plain numbers in and out; a range comes from
:func:`lowtide.estimation.ranged.product` over the same factors.
"""

from __future__ import annotations

import math

from lowtide.errors import InputError

__all__ = [
    "check_fraction",
    "check_positive",
    "facility_energy_kwh",
    "footprint_g",
    "grams_of",
    "lifetime_footprint_g",
    "node_energy_kwh",
]

_HIGHEST_G_PER_KWH = 3000.0
"""Old lignite plants emit about 1,200; marginal signals have reached twice that for an hour."""


def check_positive(name: str, value: float, *, allow_zero: bool = False) -> float:
    """Return `value`, refusing what is negative, zero (unless allowed) or not finite.

    Raises
    ------
    InputError
    """
    if not math.isfinite(value) or value < 0.0 or (value == 0.0 and not allow_zero):
        bound = "0 or more" if allow_zero else "above 0"
        raise InputError(f"{name} must be {bound}, got {value:g}")
    return value


def check_fraction(name: str, value: float) -> float:
    """Return `value`, refusing what is no fraction above 0 and up to 1.

    Raises
    ------
    InputError
        Says how to write a percentage where one was meant.
    """
    if not (math.isfinite(value) and 0.0 < value <= 1.0):
        meant = f"; {value:g} % is {value / 100:g}" if 1.0 < value <= 100.0 else ""
        raise InputError(f"{name} must be a fraction above 0 and at most 1, got {value:g}{meant}")
    return value


def node_energy_kwh(hours: float, n_processors: float, power_w: float) -> float:
    """Return the energy of a training at the node, before PUE [kWh].

    Parameters
    ----------
    hours : float
        How long it runs [h].
    n_processors : float
    power_w : float
        Mean system power for each of them [W]: with its share of host, memory, network cards and fans.

    Examples
    --------
    >>> round(node_energy_kwh(14.8 * 24, 10_000, 330.0))  # GPT-3
    1172160
    """
    check_positive("hours", hours, allow_zero=True)
    check_positive("the number of processors", n_processors)
    check_positive("power_w", power_w, allow_zero=True)
    return hours * n_processors * power_w / 1000.0


def facility_energy_kwh(node_kwh: float, pue: float) -> float:
    """Return the energy of the facility [kWh]: the node's times PUE, once.

    Patterson's KWh contain PUE already, so do the tables that quote them.

    Raises
    ------
    InputError
        If `pue` is below 1 or above 5.

    Examples
    --------
    >>> round(facility_energy_kwh(1_172_160.0, 1.10))
    1289376
    """
    if not 1.0 <= pue <= 5.0:
        from lowtide.accounting.overhead import (
            check_pue,
        )  # it knows numpy, which a replayed case can do without

        check_pue(pue)
    return check_positive("node_kwh", node_kwh, allow_zero=True) * pue


def grams_of(energy_kwh: float, intensity_g_per_kwh: float) -> float:
    """Return the emissions of an energy [g]; a negative (marginal) intensity is allowed.

    Raises
    ------
    InputError
        If no grid can have that intensity, such as kg/kWh typed as g/kWh times a million.

    Examples
    --------
    >>> grams_of(1.0, 400.0)
    400.0
    """
    check_positive("energy_kwh", energy_kwh, allow_zero=True)
    if not (math.isfinite(intensity_g_per_kwh) and abs(intensity_g_per_kwh) <= _HIGHEST_G_PER_KWH):
        raise InputError(
            f"an intensity of {intensity_g_per_kwh:g} g/kWh cannot be; grids lie between 1 and 1200 g/kWh, "
            "and kg/MWh are the same number"
        )
    return energy_kwh * intensity_g_per_kwh


def footprint_g(
    hours: float, n_processors: float, *, power_w: float, pue: float, intensity_g_per_kwh: float
) -> float:
    """Return the emissions of a training from the five factors [g].

    Examples
    --------
    >>> grams = footprint_g(14.8 * 24, 10_000, power_w=330.0, pue=1.10, intensity_g_per_kwh=429.0)
    >>> round(grams / 1e6, 1)  # t; Patterson prints 552.1 from unrounded rows
    553.1
    """
    node_kwh = node_energy_kwh(hours, n_processors, power_w)
    return grams_of(facility_energy_kwh(node_kwh, pue), intensity_g_per_kwh)


def lifetime_footprint_g(
    training_kwh: float, *, n_queries: float, query_kwh: float, intensity_g_per_kwh: float
) -> float:
    """Return the emissions of a model's training and of its queries [g], both energies at one boundary.

    Examples
    --------
    >>> lifetime_footprint_g(100.0, n_queries=1e6, query_kwh=1e-4, intensity_g_per_kwh=400.0)
    80000.0
    """
    check_positive("n_queries", n_queries, allow_zero=True)
    check_positive("query_kwh", query_kwh, allow_zero=True)
    return grams_of(training_kwh + n_queries * query_kwh, intensity_g_per_kwh)
