"""The energy of a training before it starts: from hours and hardware, or from the model's arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.accounting.overhead import check_pue
from lowtide.accounting.uncertainty import Deviation
from lowtide.data.accelerator_training import find_accelerator, peak_of, peaks
from lowtide.data.board_power import Accelerator
from lowtide.errors import BoundaryError, HardwareError, InputError
from lowtide.estimation.flops import mfu_range, training_flops
from lowtide.estimation.footprint import check_fraction, check_positive
from lowtide.estimation.hardware_power import power_factor
from lowtide.estimation.ranged import Factor, FactorKind, Named, Ranged, product, product_deviations

__all__ = ["TrainingEstimate", "TrainingInputs", "estimate_training"]

_LONGEST_H = 20 * 8760.0
_S_PER_H = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInputs:
    """What is known of a training; None is unknown.

    Attributes
    ----------
    n_processors : float or None
    accelerator : str or None
        As typed; a name the catalogue lacks needs `power_w`.
    hours : Ranged or None
        Elapsed time [h].
    power_w : Ranged or None
        For each processor at the node [W].
    pue : Ranged or None
        None leaves the estimate at the node.
    n_parameters, n_active_parameters, n_tokens, flops : float or None
        The model; `flops` instead of parameters and tokens.
    mfu : Ranged or None
        Share of the peak that is useful arithmetic.
    bits : {32, 16, 8}
        Precision of the arithmetic.
    node_kwh, facility_kwh : float or None
        Energy that is known already, before or after PUE.
    """

    n_processors: float | None = None
    accelerator: str | None = None
    hours: Ranged | None = None
    power_w: Ranged | None = None
    pue: Ranged | None = None
    n_parameters: float | None = None
    n_active_parameters: float | None = None
    n_tokens: float | None = None
    flops: float | None = None
    mfu: Ranged | None = None
    bits: int = 16
    node_kwh: float | None = None
    facility_kwh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEstimate:
    """Energy of a training with its factors.

    Attributes
    ----------
    factors : tuple of Factor
        Their product is the energy at the node [kWh] (of the facility, where that was given).
    pue : Factor or None
    node_kwh, facility_kwh : Ranged or None
    hours : float or None
        Elapsed time [h].
    gpu_hours : float or None
    flops : float or None
    mfu : float or None
        Given, looked up, or implied by hours and arithmetic.
    remarks : tuple of str
    """

    factors: tuple[Factor, ...]
    pue: Factor | None
    node_kwh: Ranged | None
    facility_kwh: Ranged | None
    hours: float | None
    gpu_hours: float | None
    flops: float | None
    mfu: float | None
    remarks: tuple[str, ...] = ()

    @property
    def all_factors(self) -> tuple[Factor, ...]:
        """The factors of the energy, PUE included."""
        return self.factors if self.pue is None else (*self.factors, self.pue)

    def deviations(self) -> list[Deviation]:
        """Return how far each factor alone moves the energy that emissions are of [kWh]."""
        return product_deviations(self.all_factors)[1]


def estimate_training(inputs: TrainingInputs) -> TrainingEstimate:
    """Return the energy of a training, with ranges.

    The energy is `node_kwh` or `facility_kwh` where given; else processors x hours x power where the hours are
    known; else arithmetic / (peak x utilisation) x power.

    Raises
    ------
    InputError, HardwareError, BoundaryError
        If a value cannot be or is missing; says what would work.

    Examples
    --------
    >>> gpt3 = TrainingInputs(n_processors=10_000, accelerator="V100", hours=Ranged.exact(14.8 * 24),
    ...                       power_w=Ranged.exact(330.0), pue=Ranged.exact(1.1))
    >>> found = estimate_training(gpt3)
    >>> round(found.node_kwh.value), round(found.facility_kwh.value)
    (1172160, 1289376)
    """
    _check(inputs)
    pue = None if inputs.pue is None else _pue_factor(inputs.pue)
    flops = _flops(inputs)
    if inputs.facility_kwh is not None or inputs.node_kwh is not None:
        return _from_energy(inputs, pue, flops)
    if inputs.hours is not None:
        return _from_hours(inputs, inputs.hours, pue, flops)
    if flops is not None:
        return _from_flops(inputs, flops, pue)
    raise InputError(
        "how much work? give --gpus 8xV100 with --duration 36h, or --params 7e9 --tokens 1e12 with --gpus, "
        "or an energy: --node-energy 1172MWh or --facility-energy 1287MWh"
    )


def _check(inputs: TrainingInputs) -> None:
    if inputs.facility_kwh is not None and inputs.pue is not None:
        raise BoundaryError(
            f"{inputs.facility_kwh:g} kWh of the facility contain its PUE already; drop --pue, or give the "
            "energy of the nodes with --node-energy"
        )
    if inputs.facility_kwh is not None and inputs.node_kwh is not None:
        raise BoundaryError("give --node-energy (before PUE) or --facility-energy (after), not both")
    for name in ("n_processors", "n_parameters", "n_tokens", "flops", "node_kwh", "facility_kwh"):
        value = getattr(inputs, name)
        if value is not None:
            check_positive(name, value)
    if inputs.hours is not None:
        check_positive("duration", inputs.hours.low)
        if inputs.hours.high > _LONGEST_H:
            raise InputError(
                f"a training of {inputs.hours.high / 8760:.3g} years cannot be; durations are elapsed time, not "
                "GPU time: divide by the number of GPUs"
            )
    if inputs.mfu is not None:
        check_fraction("mfu", inputs.mfu.low)
        check_fraction("mfu", inputs.mfu.high)


def _pue_factor(pue: Ranged) -> Factor:
    check_pue(pue.low)
    check_pue(pue.high)
    return Factor(name="PUE", named="data centre", amount=pue, unit="1", kind="given", source="as given")


def _flops(inputs: TrainingInputs) -> float | None:
    if inputs.flops is not None:
        return inputs.flops
    if inputs.n_parameters is None and inputs.n_tokens is None:
        return None
    if inputs.n_parameters is None or inputs.n_tokens is None:
        known = "--params" if inputs.n_tokens is None else "--tokens"
        other = "--tokens" if inputs.n_tokens is None else "--params"
        raise InputError(f"{known} without {other} says nothing of the work; give both, or --flops")
    return training_flops(
        inputs.n_parameters, inputs.n_tokens, n_active_parameters=inputs.n_active_parameters
    )


def _from_energy(inputs: TrainingInputs, pue: Factor | None, flops: float | None) -> TrainingEstimate:
    at_node = inputs.facility_kwh is None
    kwh = inputs.node_kwh if inputs.facility_kwh is None else inputs.facility_kwh
    assert kwh is not None
    where = "at the node" if at_node else "of the facility, PUE included"
    factor = Factor(
        name=f"energy {where}",
        named="program",
        amount=Ranged.exact(kwh),
        unit="kWh",
        kind="given",
        source="as given",
    )
    hours = None if inputs.hours is None else inputs.hours.value
    gpu_hours = None if hours is None or inputs.n_processors is None else hours * inputs.n_processors
    factors = (factor,)
    facility = product(factors) if not at_node else None if pue is None else product((*factors, pue))
    return TrainingEstimate(
        factors=factors,
        pue=pue,
        node_kwh=product(factors) if at_node else None,
        facility_kwh=facility,
        hours=hours,
        gpu_hours=gpu_hours,
        flops=flops,
        mfu=None,
    )


def _from_hours(
    inputs: TrainingInputs, hours: Ranged, pue: Factor | None, flops: float | None
) -> TrainingEstimate:
    if inputs.n_processors is None:
        raise HardwareError("on how many accelerators? give --gpus 8xV100")
    power, remarks = power_factor(inputs.accelerator, inputs.power_w, n_processors=inputs.n_processors)
    factors = (
        _plain("accelerators", "processors", Ranged.exact(inputs.n_processors), "1"),
        _plain("duration", "program", hours, "h"),
        power,
        _KILO,
    )
    gpu_hours = inputs.n_processors * hours.value
    implied, warned = _implied_mfu(inputs, flops, gpu_hours)
    return _energy(factors, pue, hours.value, gpu_hours, flops, implied, (*remarks, *warned))


def _from_flops(inputs: TrainingInputs, flops: float, pue: Factor | None) -> TrainingEstimate:
    accelerator = None if inputs.accelerator is None else find_accelerator(inputs.accelerator)
    power, remarks = power_factor(inputs.accelerator, inputs.power_w, n_processors=inputs.n_processors)
    peak = None if accelerator is None else peak_of(accelerator.name, inputs.bits)
    if accelerator is None or peak is None:
        what = inputs.accelerator or "the hardware"
        raise HardwareError(
            f"no {inputs.bits} bit peak is known of {what}, so arithmetic cannot be turned into time; give "
            "--duration, or --gpus with an accelerator of the catalogue"
        )
    mfu = _mfu_factor(inputs, accelerator)
    factors = (
        _plain("arithmetic", "program", Ranged.exact(flops), "FLOP"),
        Factor(name="peak", named="speed and power", amount=Ranged.exact(peak), unit="FLOP/s",
               kind="published", source=f"{accelerator.name}: {peaks()[accelerator.name].source}", exponent=-1),
        mfu,
        Factor(name="seconds an hour", named="program", amount=Ranged.exact(_S_PER_H), unit="s/h",
               kind="given", source="unit", exponent=-1),
        power,
        _KILO,
    )  # fmt: skip
    gpu_hours = flops / peak / mfu.amount.value / _S_PER_H
    hours = None if inputs.n_processors is None else gpu_hours / inputs.n_processors
    return _energy(factors, pue, hours, gpu_hours, flops, mfu.amount.value, remarks)


_KILO = Factor(
    name="watts a kilowatt",
    named="speed and power",
    amount=Ranged.exact(1000.0),
    unit="W/kW",
    kind="given",
    source="unit",
    exponent=-1,
)


def _plain(name: str, named: Named, amount: Ranged, unit: str) -> Factor:
    return Factor(name=name, named=named, amount=amount, unit=unit, kind="given", source="as given")


def _mfu_factor(inputs: TrainingInputs, accelerator: Accelerator) -> Factor:
    kind: FactorKind = "given"
    amount, source = inputs.mfu, "as given"
    if amount is None:
        amount, which = mfu_range(accelerator, bits=inputs.bits, n_parameters=inputs.n_parameters)
        source, kind = f"used by {which}", "published"
    return Factor(
        name="utilisation of the peak",
        named="speed and power",
        amount=amount,
        unit="1",
        kind=kind,
        source=source,
        exponent=-1,
    )


def _implied_mfu(
    inputs: TrainingInputs, flops: float | None, gpu_hours: float
) -> tuple[float | None, tuple[str, ...]]:
    accelerator = None if inputs.accelerator is None else find_accelerator(inputs.accelerator)
    peak = None if accelerator is None else peak_of(accelerator.name, inputs.bits)
    if flops is None or peak is None or accelerator is None:
        return None, ()
    implied = flops / (gpu_hours * _S_PER_H * peak)
    if implied > 1.0:
        raise InputError(
            f"{flops:.3g} FLOP in {gpu_hours:.3g} GPU-hours would be {implied:.3g} times the peak of "
            f"{accelerator.name}; check hours, parameters and tokens"
        )
    known, which = mfu_range(accelerator, bits=inputs.bits, n_parameters=inputs.n_parameters)
    if known.low * 0.5 <= implied <= known.high * 1.15:
        return implied, ()
    seen = f"{known.low:.2f} to {known.high:.2f}" if not known.is_exact else f"{known.value:.2f}"
    return implied, (
        f"hours and arithmetic imply a utilisation of {implied:.3g}; known are {seen} ({which})",
    )


def _energy(
    factors: tuple[Factor, ...],
    pue: Factor | None,
    hours: float | None,
    gpu_hours: float,
    flops: float | None,
    mfu: float | None,
    remarks: tuple[str, ...],
) -> TrainingEstimate:
    return TrainingEstimate(
        factors=factors,
        pue=pue,
        node_kwh=product(factors),
        facility_kwh=None if pue is None else product((*factors, pue)),
        hours=hours,
        gpu_hours=gpu_hours,
        flops=flops,
        mfu=mfu,
        remarks=remarks,
    )
