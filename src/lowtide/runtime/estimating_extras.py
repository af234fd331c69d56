"""What stands beside an estimate: manufacture, score, queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowtide.accounting.embodied import embodied_share
from lowtide.accounting.sci import parse_functional_unit, sci_score
from lowtide.data.constants import constant
from lowtide.errors import InputError
from lowtide.estimation.flops import training_flops
from lowtide.estimation.footprint import check_fraction, check_positive
from lowtide.estimation.ranged import Ranged, parse_ranged
from lowtide.estimation.request import parse_count
from lowtide.estimation.serving import Serving, query_energy, serving
from lowtide.estimation.training import TrainingEstimate, TrainingInputs
from lowtide.model.ledger import EmbodiedBill, EmissionsSet, SciScore
from lowtide.quantities import parse_duration_s
from lowtide.runtime.estimating_inputs import EstimateRequest

if TYPE_CHECKING:
    from lowtide.runtime.config import Config

__all__ = ["billed_energy", "embodied_of", "sci_of", "serving_of"]


def billed_energy(training: TrainingEstimate) -> Ranged:
    """Return the energy that emissions are of: the facility's where it is known, else the node's."""
    billed = training.facility_kwh or training.node_kwh
    assert billed is not None
    return billed


def embodied_of(
    request: EstimateRequest, config: Config, inputs: TrainingInputs, training: TrainingEstimate
) -> tuple[EmbodiedBill | None, Ranged | None]:
    """Return the share of the manufacture, and its range under published assumptions; None where not asked.

    Raises
    ------
    InputError
        If time or number of accelerators is unknown, or a value cannot be.
    """
    if not (request.embodied or request.embodied_per_gpu):
        return None, None
    if training.hours is None or inputs.n_processors is None:
        raise InputError(
            "embodied emissions need the time and the number of GPUs; give --gpus and --duration"
        )
    reserved_h = 0.0 if request.reserved is None else parse_duration_s(request.reserved) / 3600.0
    kg, years, used = (
        constant(n) for n in ("embodied_gpu_and_server_kg", "lifetime_years", "lifetime_utilization")
    )
    given_kg = None if request.embodied_per_gpu is None else _kg(request.embodied_per_gpu)
    given_years = _setting(request.lifetime_years, config, "lifetime_years")
    given_used = _setting(request.utilization, config, "utilization")
    if given_years is not None:
        check_positive("lifetime_years", given_years)
    if given_used is not None:
        check_fraction("utilization", given_used)

    def share(each_kg: float, lifetime: float, utilization: float) -> EmbodiedBill:
        assert training.hours is not None
        assert inputs.n_processors is not None
        return embodied_share(
            each_kg * inputs.n_processors,
            duration_h=training.hours + reserved_h,
            lifetime_years=lifetime,
            utilization=utilization,
        )

    def else_of(given: float | None, published: float) -> float:
        return published if given is None else given

    middle = share(
        else_of(given_kg, kg.value), else_of(given_years, years.value), else_of(given_used, used.value)
    )
    low = share(else_of(given_kg, kg.low), else_of(given_years, years.high), else_of(given_used, used.high))
    high = share(else_of(given_kg, kg.high), else_of(given_years, years.low), else_of(given_used, used.low))
    return middle, Ranged(low=min(low.g, middle.g), value=middle.g, high=max(high.g, middle.g))


def _kg(text: str) -> float:
    return check_positive(
        "--embodied-per-gpu", parse_count(text.removesuffix("kg"), name="--embodied-per-gpu")
    )


def _setting(text: str | None, config: Config, name: str) -> float | None:
    setting = config.get(name)
    value = text if text is not None else None if setting is None else setting.value
    return None if value is None else parse_ranged(value, name=f"--{name.replace('_', '-')}").value


def sci_of(request: EstimateRequest, inputs: TrainingInputs, emissions: EmissionsSet) -> SciScore | None:
    """Return the SCI score per run, token, parameter or FLOP; None where not asked.

    Raises
    ------
    InputError
        If nothing says how many there are, or there are no grams.
    """
    if request.per is None:
        return None
    _, unit = parse_functional_unit(request.per)
    counts = {
        "token": inputs.n_tokens,
        "parameter": inputs.n_parameters,
        "flop": _flop_count(inputs),
        "run": 1.0,
    }
    count = counts.get(unit.lower())
    if count is None:
        raise InputError(
            f"--per {request.per!r}: nothing says how many {unit} there are; use run, or token with --tokens, "
            "parameter with --params, flop with --flops"
        )
    bill = emissions.location or emissions.marginal
    if bill is None or bill.g is None:
        raise InputError("an SCI score needs grams; give --zone KEY or --intensity G")
    embodied_g = None if emissions.embodied is None else emissions.embodied.g
    return sci_score(bill.g, embodied_g=embodied_g, functional_unit=request.per, count=count)


def _flop_count(inputs: TrainingInputs) -> float | None:
    if inputs.flops is not None or inputs.n_parameters is None or inputs.n_tokens is None:
        return inputs.flops
    return training_flops(
        inputs.n_parameters, inputs.n_tokens, n_active_parameters=inputs.n_active_parameters
    )


def serving_of(
    request: EstimateRequest, training: TrainingEstimate, emissions: EmissionsSet
) -> Serving | None:
    """Return queries beside training; None where not asked.

    Raises
    ------
    InputError
        If the energy of a query is missing or wrong.
    """
    if request.queries is None and request.energy_per_query is None:
        return None
    if request.energy_per_query is None:
        raise InputError(
            "--queries needs --energy-per-query: an energy like 0.05Wh, or a task like text-generation"
        )
    bill = emissions.location or emissions.marginal
    return serving(
        billed_energy(training),
        query_energy(request.energy_per_query),
        n_queries=None if request.queries is None else parse_count(request.queries, name="--queries"),
        intensity_g_per_kwh=None if bill is None else bill.intensity.mean_g_per_kwh,
    )
