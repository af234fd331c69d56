"""A comparison of calculators from what a user typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lowtide.accounting.overhead import check_pue
from lowtide.data.accelerator_training import find_accelerator
from lowtide.data.board_power import accelerators
from lowtide.errors import HardwareError, InputError, near_matches
from lowtide.estimation.calculators import Compared, Machine, compare
from lowtide.estimation.ranged import parse_ranged
from lowtide.estimation.request import parse_gpus, parse_hours
from lowtide.quantities import parse_fraction, parse_power_w
from lowtide.runtime.pue import pue_number

__all__ = ["compare_request", "mean_intensity"]


def compare_request(
    gpus: str,
    duration: str,
    *,
    load: str = "1",
    cpu_power: str = "0",
    memory: str = "0",
    pue: str | None = None,
    zone: str | None = None,
    intensity: str | None = None,
    signal: Mapping[str, Any] | None = None,
) -> list[Compared]:
    """Return every calculator's answer; texts as typed on the command line.

    `signal` holds ``provider``, ``basis`` and ``factors`` where they are asked for.

    Raises
    ------
    InputError
        If a value is wrong; says what would work.

    Examples
    --------
    >>> rows = compare_request("8xV100", "100h", intensity="400")
    >>> rows[0].name, round(rows[0].emissions_g)
    ('lowtide', 104000)
    """
    n, name = parse_gpus(gpus)
    if name is None:
        raise InputError(
            f"--gpus {gpus}: which? the design power is looked up by name, write it like {gpus}xV100"
        )
    if find_accelerator(name) is None:
        raise HardwareError(_unknown_words(name))
    hours = parse_hours(duration).value
    return compare(
        Machine(
            n_gpus=n,
            gpu=name,
            hours=hours,
            gpu_load=parse_fraction(load),
            cpu_tdp_w=parse_power_w(cpu_power),
            memory_gb=parse_ranged(memory.upper().removesuffix("GB"), name="--memory").value,
            pue=None
            if pue is None
            else check_pue(parse_ranged(pue_number(pue, what="a comparison"), name="--pue").value),
            g_per_kwh=mean_intensity(zone, intensity, hours=hours, signal=signal),
        )
    )


def _unknown_words(name: str) -> str:
    names = [one.name for one in accelerators()]
    return (
        f"unknown accelerator {name!r}{near_matches(name, names)}; calculators start from its design power, so "
        "name one with about the same: there are " + ", ".join(names)
    )


def mean_intensity(
    zone: str | None,
    intensity: str | None,
    *,
    hours: float,
    signal: Mapping[str, Any] | None = None,
) -> float | None:
    """Return the mean intensity over the coming `hours` [g/kWh], None where nothing says where.

    `signal` holds ``provider``, ``basis`` and ``factors`` where they are asked for.

    Raises
    ------
    InputError
        If the zone or file is wrong.
    """
    if zone is None and intensity is None:
        return None
    from lowtide.runtime.estimating import estimate

    found = estimate(
        node_energy="1kWh", duration=f"{hours}h", zone=zone, intensity=intensity, **(signal or {})
    )
    bill = found.emissions.location or found.emissions.marginal
    return None if bill is None else bill.intensity.mean_g_per_kwh
