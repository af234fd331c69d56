"""What an accelerator draws in training, all-in at the node: given, metered, or modelled from its design power."""

from __future__ import annotations

from functools import cache

from lowtide.data.accelerator_training import (
    MeasuredPower,
    all_measured_power,
    find_accelerator,
    measured_power,
)
from lowtide.data.board_power import Accelerator, accelerator
from lowtide.errors import HardwareError, InputError, QuantityError
from lowtide.estimation.board_power import node_power
from lowtide.estimation.ranged import Factor, FactorKind, Ranged

__all__ = ["check_power_per_accelerator", "power_factor"]

_MOST_OVER_TDP = 2.0
_MOST_UNKNOWN_W = 3000.0


@cache
def _widest_spread() -> tuple[float, float]:
    """Return the widest known range of metered power as fractions of its mean, for those known from one run."""
    rows = [row for row in all_measured_power() if row.low_w is not None and row.high_w is not None]
    return (
        min((row.low_w or row.power_w) / row.power_w for row in rows),
        max((row.high_w or row.power_w) / row.power_w for row in rows),
    )


def check_power_per_accelerator(power_w: float, model: Accelerator | None) -> float:
    """Return `power_w`, refusing what no single accelerator draws with its share of the node.

    Raises
    ------
    QuantityError
        If it is not positive, or so high that it must be the power of a whole node.

    Examples
    --------
    >>> check_power_per_accelerator(330.0, accelerator("V100"))
    330.0
    """
    if not power_w > 0.0:
        raise QuantityError(f"power per GPU must be above 0 W, got {power_w:g}")
    tdp_w = None if model is None else model.tdp_w
    most_w = _MOST_UNKNOWN_W if tdp_w is None else _MOST_OVER_TDP * tdp_w
    if power_w > most_w:
        known = f"its design power is {tdp_w:g} W" if tdp_w else f"none draws above {_MOST_UNKNOWN_W:g} W"
        name = "accelerator" if model is None else model.name
        raise QuantityError(
            f"{power_w:g} W for one {name} looks like the power of a whole node ({known}); divide by the GPUs "
            f"of a node: for 8 of them {power_w / 8:g} W"
        )
    return power_w


def power_factor(
    name: str | None, given: Ranged | None, *, n_processors: float | None = None
) -> tuple[Factor, tuple[str, ...]]:
    """Return the power for each accelerator at the node, and remarks.

    Given power is taken as it is; else the metered power of that accelerator; else the model of
    :func:`lowtide.estimation.board_power.node_power`, which starts from the design power.

    Raises
    ------
    HardwareError
        If the accelerator is unknown and no power is given.
    QuantityError
        As :func:`check_power_per_accelerator`.

    Examples
    --------
    >>> factor, remarks = power_factor("V100", None)
    >>> factor.amount.value, factor.kind
    (325.0, 'measured')
    """
    model = None if name is None else find_accelerator(name)
    if given is not None:
        check_power_per_accelerator(given.value, model)
        return _factor(given, "given", "as given"), _remarks(name, model, given)
    if name is None:
        raise HardwareError("which accelerators? give --gpus 8xV100, or --power-per-gpu W with --gpus 8")
    if model is None:
        model = _known(name)
    metered = measured_power(model.name)
    if metered is not None and metered.boundary == "node":
        return _factor(_metered_range(metered), "measured", f"{model.name}: {metered.source}"), ()
    n = 8 if n_processors is None else max(1, round(n_processors))
    found = node_power(f"{n}x{model.name}")
    amount = Ranged(low=found.low_w / n, value=found.power_w / n, high=found.high_w / n)
    return _factor(amount, "modelled", found.method), ()


def _known(name: str) -> Accelerator:
    try:
        return accelerator(name)
    except InputError as error:
        said = str(error).partition("; give --power")[0]
        raise HardwareError(f"{said}; or give the power of each at the node: --power-per-gpu W") from error


def _metered_range(row: MeasuredPower) -> Ranged:
    low, high = _widest_spread()
    return Ranged(
        value=row.power_w,
        low=row.power_w * low if row.low_w is None else row.low_w,
        high=row.power_w * high if row.high_w is None else row.high_w,
    )


def _factor(amount: Ranged, kind: FactorKind, source: str) -> Factor:
    return Factor(
        name="power per accelerator",
        named="speed and power",
        amount=amount,
        unit="W",
        kind=kind,
        source=source,
    )


def _remarks(name: str | None, model: Accelerator | None, given: Ranged) -> tuple[str, ...]:
    if model is None:
        return () if name is None else (f"{name!r} is not in the catalogue; its power was taken as given",)
    metered = measured_power(model.name)
    notes = []
    if metered is not None and metered.boundary == "node":
        notes.append(f"{model.name} was metered at {metered.power_w:g} W ({metered.source})")
    if given.value > 1.5 * model.tdp_w:
        notes.append(
            f"{given.value:g} W are {given.value / model.tdp_w:.1f} times the design power of {model.name}; "
            "nodes were metered at up to 1.5"
        )
    return tuple(notes)
