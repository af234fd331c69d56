"""Estimates: from what is known of a training to energy, carbon, and what would lower it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lowtide.accounting.bills import emissions_bill
from lowtide.accounting.operational import check_covers
from lowtide.data.levers import Lever
from lowtide.errors import CoverageError, InputError
from lowtide.estimation.footprint import grams_of
from lowtide.estimation.levers import Waterfall, bigger_levers, parse_pull, waterfall
from lowtide.estimation.ranged import Factor, Ranged, parse_ranged
from lowtide.estimation.request import parse_count, parse_gpus, parse_hours, parse_power_per_gpu
from lowtide.estimation.serving import Serving
from lowtide.estimation.training import TrainingEstimate, TrainingInputs, estimate_training
from lowtide.model.ledger import EmissionsSet, SciScore
from lowtide.quantities import parse_asked_ns, parse_energy_kwh
from lowtide.runtime.estimating_extras import billed_energy, embodied_of, sci_of, serving_of
from lowtide.runtime.estimating_inputs import CONFIG_KEYS, EstimateRequest, merged
from lowtide.runtime.pue import pue_number
from lowtide.series.types import PowerSeries
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.accounting.intensities import Intensities
    from lowtide.runtime.config import Config

__all__ = ["EstimateResult", "estimate", "estimate_request"]

_YEAR_H = 8760.0
_MOST_DRAWS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateResult:
    """What a training would take.

    Attributes
    ----------
    training : TrainingEstimate
    emissions : EmissionsSet
        Of the facility where a PUE is known, else of the node; all None without an intensity.
    embodied_range_g : Ranged or None
        The embodied share under the assumptions that are published.
    sci : SciScore or None
    serving : Serving or None
    pulled : Waterfall or None
        What the levers that were named would leave.
    levers : tuple of Lever
        The bigger ones that were not.
    drawn_kwh : Ranged or None
        Median and 90 % interval of random draws of the factors.
    n_draws, seed : int
    remarks : tuple of str
    """

    training: TrainingEstimate
    emissions: EmissionsSet
    embodied_range_g: Ranged | None
    sci: SciScore | None
    serving: Serving | None
    pulled: Waterfall | None
    levers: tuple[Lever, ...]
    drawn_kwh: Ranged | None
    n_draws: int
    seed: int
    remarks: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON of ``lowtide estimate``: unknown is null, units are in the keys."""
        from lowtide.reporting.estimates import estimate_plain

        return estimate_plain(self)


def estimate(
    *, config: Config | None = None, levers: tuple[str, ...] | list[str] = (), **inputs: Any
) -> EstimateResult:
    """Return what a training would take, from the same inputs as ``lowtide estimate`` has options.

    Parameters
    ----------
    config : Config, optional
        Settings below the inputs; none are read when left out.
    levers : sequence of str
        ``"fp16"`` or ``"less-data=2"``.
    **inputs
        Options with underscores: ``gpus="8xV100"``, ``duration="36h"``, ``params=7e9``, ``tokens=1e12``,
        ``zone="DE"``, ``intensity=429``, ``pue=1.1`` ... Numbers may be numbers: hours, watts, kWh.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.

    Examples
    --------
    >>> found = estimate(gpus="10000xV100", duration="14.8d", power_per_gpu=330, pue=1.1, intensity=429)
    >>> round(found.training.facility_kwh.value), round(found.emissions.location.g / 1e6, 1)
    (1289376, 553.1)
    """
    from lowtide.runtime.config import Config

    given = {name: _text(name, value) for name, value in inputs.items() if value is not None}
    flags: dict[str, str | None] = {name: str(given.pop(name)) for name in CONFIG_KEYS if name in given}
    base = Config(settings={}, sites={}) if config is None else config
    return estimate_request(
        merged(EstimateRequest(), {**given, "levers": tuple(levers)}), base.with_flags(flags)
    )


def _text(name: str, value: Any) -> Any:
    if name in ("bits", "draws", "seed") or isinstance(value, bool | str):
        return value
    return repr(float(value)) if isinstance(value, float) else str(value)  # a NumPy float is a float too


def estimate_request(request: EstimateRequest, config: Config) -> EstimateResult:
    """Return what a training would take.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.prepare import grid_choice

    if request.bits not in (32, 16, 8):
        raise InputError(f"--bits {request.bits} is no precision of the catalogue; use 32, 16 or 8")
    inputs = _inputs(request, config)
    training = estimate_training(inputs)
    start_ns = time.time_ns() if request.start is None else parse_asked_ns(request.start)
    hours = _YEAR_H if training.hours is None else training.hours
    power = _power(training, hours, start_ns)
    found = intensities_for(grid_choice(config), start_ns=power.start_ns, end_ns=power.end_ns)
    power, remark = _within(power, found, given=request.start is not None)
    embodied, embodied_range = embodied_of(request, config, inputs, training)
    emissions = replace(_emissions(training, power, found), embodied=embodied)
    return EstimateResult(
        training=training,
        emissions=emissions,
        embodied_range_g=embodied_range,
        sci=sci_of(request, inputs, emissions),
        serving=serving_of(request, training, emissions),
        pulled=waterfall([parse_pull(text) for text in request.levers]) if request.levers else None,
        levers=tuple(_levers(request, training)),
        drawn_kwh=_drawn(request, training),
        n_draws=request.draws,
        seed=request.seed,
        remarks=(*training.remarks, *remark, *_lever_remarks(request)),
    )


def _lever_remarks(request: EstimateRequest) -> list[str]:
    """Return which levers were asked for that the training has pulled already."""
    names = {parse_pull(text).lever.name for text in request.levers}
    pulled = names & {"fp16", "algorithmic"} if request.bits < 32 else set()
    return [
        f"lever {name} is for 32 bit arithmetic and this training has {request.bits}; with --bits 32 it applies"
        for name in sorted(pulled)
    ]


def _inputs(request: EstimateRequest, config: Config) -> TrainingInputs:
    n, name = (None, None) if request.gpus is None else parse_gpus(request.gpus)

    def count(key: str) -> float | None:
        text = getattr(request, key)
        return None if text is None else parse_count(text, name=f"--{key.replace('_', '-')}")

    pue = config.get("pue")
    return TrainingInputs(
        n_processors=n,
        accelerator=name,
        hours=None if request.duration is None else parse_hours(request.duration),
        power_w=None if request.power_per_gpu is None else parse_power_per_gpu(request.power_per_gpu),
        pue=None if pue is None else parse_ranged(pue_number(pue.value, what="an estimate"), name="--pue"),
        n_parameters=count("params"),
        n_active_parameters=count("active_params"),
        n_tokens=count("tokens"),
        flops=count("flops"),
        mfu=None if request.mfu is None else parse_ranged(request.mfu, name="--mfu"),
        bits=request.bits,
        node_kwh=None if request.node_energy is None else parse_energy_kwh(request.node_energy),
        facility_kwh=None if request.facility_energy is None else parse_energy_kwh(request.facility_energy),
    )


def _power(training: TrainingEstimate, hours: float, start_ns: int) -> PowerSeries:
    kwh = billed_energy(training).value
    end_ns = start_ns + max(1, ns_from_s(hours * 3600.0))
    boundary = "node" if training.facility_kwh is None else "facility"
    return PowerSeries.constant(
        kwh * 3.6e6 / ((end_ns - start_ns) / 1e9),
        start_ns=start_ns,
        end_ns=end_ns,
        boundary="facility" if boundary == "facility" else "node",
    )


def _within(power: PowerSeries, found: Intensities, *, given: bool) -> tuple[PowerSeries, tuple[str, ...]]:
    """Return the power where the intensity knows it: without a start, over all of a file that ends earlier."""
    series = found.location or found.marginal
    if series is None:
        return power, ()
    grams_of(0.0, float(np.nanmax(np.abs(series.intensity_g_per_kwh), initial=0.0)))  # kg typed as g
    try:
        check_covers(power, series)
    except CoverageError as error:
        if given:
            raise CoverageError(f"{error}; or leave out --start to take the mean of the file") from error
        start_ns, end_ns = series.start_ns, series.end_ns
        spread = PowerSeries.constant(
            power.energy_j() / ((end_ns - start_ns) / 1e9),
            start_ns=start_ns,
            end_ns=end_ns,
            boundary=power.boundary,
        )
        return spread, (
            "the intensity does not reach the time of the training: its mean over all it knows was taken; "
            "give --start for a time within it",
        )
    return power, ()


def _emissions(training: TrainingEstimate, power: PowerSeries, found: Intensities) -> EmissionsSet:
    deviations = training.deviations()

    def bill(name: str) -> Any:
        series = getattr(found, name)
        if series is None:
            return None
        direct = found.direct if name == "location" else None
        return emissions_bill(power, series, energy_deviations=deviations, direct=direct)

    return EmissionsSet(location=bill("location"), marginal=bill("marginal"), market=bill("market"))


def _levers(request: EstimateRequest, training: TrainingEstimate) -> list[Lever]:
    done = [parse_pull(text).lever.name for text in request.levers]
    if request.gpus is not None:
        done.append("gpu-for-cpu")
    if request.bits < 32:
        done += ["fp16", "algorithmic"]
    pue = None if training.pue is None else training.pue.amount.value
    return bigger_levers(phase="training", pulled=done, pue=pue)


def _drawn(request: EstimateRequest, training: TrainingEstimate) -> Ranged | None:
    if not request.draws:
        return None
    if not 0 < request.draws <= _MOST_DRAWS:
        raise InputError(f"--draws {request.draws} must lie between 1 and {_MOST_DRAWS}; 100000 are plenty")
    if request.seed < 0:
        raise InputError(f"--seed {request.seed} is no seed; give a whole number from 0 on")
    from lowtide.estimation.draws import drawn_range

    factors: tuple[Factor, ...] = training.all_factors
    return drawn_range(factors, n=request.draws, rng=np.random.default_rng(request.seed))
