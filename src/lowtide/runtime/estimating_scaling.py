"""Runs with scores, from a file or the ledger, and what they say of compute, carbon and error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.data.scaling import Exponent, exponents, get_exponent
from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.estimation.claims import parse_grams
from lowtide.estimation.ranged import Ranged, parse_ranged
from lowtide.estimation.scaling import (
    BudgetPoint,
    ScalingFit,
    Trained,
    affordable_runs,
    budget_curve,
    compute_factor,
    fit_scaling,
    pareto_front,
)
from lowtide.runtime.user_table import read_user_table

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["ScalingResult", "ScoredRun", "read_runs", "runs_of_ledger", "scaling_request"]

_COLUMNS: Final = ("name", "score", "error", "energy_kwh", "flops", "emissions_g")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """A run with its score (1 - error), compute (energy or FLOPs) and grams; None is unknown."""

    name: str
    score: float
    compute: float
    emissions_g: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingResult:
    """What runs or a published exponent say.

    Attributes
    ----------
    fit : ScalingFit or None
        Of the user's own runs.
    published : tuple of Exponent
    factor : Ranged or None
        Times the compute from error to target.
    error, target : float or None
    emissions_g : Ranged or None
        Of reaching the target, from given emissions.
    runs : tuple of ScoredRun
    trained : tuple of Trained
        Those with grams.
    front : tuple of Trained
    curve : tuple of BudgetPoint
    budget_g : float or None
    more_runs : int or None
        That fit in the budget; 0 is stop.
    """

    fit: ScalingFit | None
    published: tuple[Exponent, ...]
    factor: Ranged | None
    error: float | None
    target: float | None
    emissions_g: Ranged | None
    runs: tuple[ScoredRun, ...]
    trained: tuple[Trained, ...]
    front: tuple[Trained, ...]
    curve: tuple[BudgetPoint, ...]
    budget_g: float | None
    more_runs: int | None


def scaling_request(
    runs: list[ScoredRun],
    *,
    published: str | None = None,
    error: str | None = None,
    target: str | None = None,
    emissions: str | None = None,
    budget: str | None = None,
) -> ScalingResult:
    """Return what a smaller error costs and which runs were worth it; texts as typed.

    Raises
    ------
    InputError
        If a value is wrong or missing.

    Examples
    --------
    >>> found = scaling_request([], published="imagenet-2020", error="10%", target="5%", emissions="1kg")
    >>> round(found.factor.low), round(found.factor.value), round(found.factor.high)
    (1698, 5008, 17560)
    """
    fit = (
        fit_scaling([run.compute for run in runs], [1.0 - run.score for run in runs])
        if len(runs) > 2
        else None
    )
    rows = exponents() if published is None else (get_exponent(published),)
    if (error is None) != (target is None):
        raise InputError("a smaller error is from one to another: give --error and --target")
    factor = None
    if error is not None and target is not None:
        factor = _factor(error, target, fit, rows[0] if published is not None or fit is None else None)
    trained = [
        Trained(name=run.name, score=run.score, emissions_g=run.emissions_g)
        for run in runs
        if run.emissions_g is not None
    ]
    budget_g = None if budget is None else parse_grams(budget)
    return ScalingResult(
        fit=fit,
        published=rows,
        factor=factor,
        error=None if error is None else _fraction(error, "--error"),
        target=None if target is None else _fraction(target, "--target"),
        emissions_g=_emitted(emissions, factor),
        runs=tuple(runs),
        trained=tuple(trained),
        front=tuple(pareto_front(trained)),
        curve=tuple(budget_curve(trained)) if trained else (),
        budget_g=budget_g,
        more_runs=None if budget_g is None else affordable_runs(trained, budget_g),
    )


def _fraction(text: str, name: str) -> float:
    value = parse_ranged(text, name=name).value
    if not 0.0 < value < 1.0:
        meant = f"; {value:g} % is {value / 100:g}" if 1.0 < value < 100.0 else ""
        raise QuantityError(f"{name} {text}: an error lies between 0 and 1{meant}")
    return value


def _factor(error: str, target: str, fit: ScalingFit | None, row: Exponent | None) -> Ranged:
    first, last = _fraction(error, "--error"), _fraction(target, "--target")
    if last > first:
        raise InputError(f"the target {last:g} is a larger error than {first:g}; swap --error and --target")
    if row is not None:
        ends = (row.low or row.exponent, row.exponent, row.high or row.exponent)
    else:
        assert fit is not None
        if fit.high is None:
            raise InputError(
                "these runs do not rule out that compute does not help; add runs, or name --published"
            )
        ends = (fit.low, fit.exponent, fit.high)
    low, middle, high = (compute_factor(first, last, exponent=k) for k in ends)
    return Ranged(low=low, value=middle, high=high)


def _emitted(emissions: str | None, factor: Ranged | None) -> Ranged | None:
    if emissions is None:
        return None
    if factor is None:
        raise InputError("--emissions needs --error and --target: from which error to which?")
    g = parse_grams(emissions)
    return Ranged(low=g * factor.low, value=g * factor.value, high=g * factor.high)


def read_runs(path: str) -> list[ScoredRun]:
    """Return the runs of a CSV file: ``name``, ``score`` or ``error``, ``energy_kwh`` or ``flops``, ``emissions_g``.

    Raises
    ------
    DataFileError
        With the line.
    """
    found = []
    for line, row in read_user_table(path, _COLUMNS):
        try:
            found.append(_scored(row, f"line {line}"))
        except InputError as error:
            raise DataFileError(str(error), path=path, line=line) from error
    return found


def _scored(row: Mapping[str, str], fallback: str) -> ScoredRun:
    def number(name: str) -> float | None:
        text = row[name]
        if not text:
            return None
        try:
            return float(text)
        except ValueError as error:
            raise QuantityError(f"{name} is {text!r}, which is no number") from error

    score, error = number("score"), number("error")
    if (score is None) == (error is None):
        raise InputError("give score or error of every run, one of the two")
    kwh, flops = number("energy_kwh"), number("flops")
    compute = flops if flops is not None else kwh
    if compute is None:
        raise InputError("give energy_kwh or flops of every run")
    reached = score if score is not None else 1.0 - float(error or 0.0)
    if not 0.0 <= reached < 1.0:
        raise QuantityError(f"a score lies from 0 to below 1, got {reached:g}; 93 % is 0.93")
    return ScoredRun(
        name=row["name"] or fallback,
        score=reached,
        compute=compute,
        emissions_g=number("emissions_g"),
    )


def runs_of_ledger(ledger: Ledger, *, metric: str, name: str | None = None) -> list[ScoredRun]:
    """Return the runs of the ledger that have a tag ``METRIC=0.93``, with their energy and grams.

    Raises
    ------
    InputError
        If there is none, or a tag is no score.
    """
    from lowtide.runtime.views import read_view

    found = []
    for run_id, run_name in ledger.names():
        if name is not None and run_name != name:
            continue
        view = read_view(ledger, run_id)
        text = dict(view.header.tags).get(metric)
        if text is None or view.entry is None:
            continue
        bill = view.entry.emissions.location or view.entry.emissions.marginal
        score = parse_ranged(text, name=f"tag {metric} of {run_id}").value
        if not (math.isfinite(score) and 0.0 <= score < 1.0):
            raise QuantityError(
                f"tag {metric}={text} of {run_id} is no score from 0 to below 1; 93 % is 0.93"
            )
        found.append(
            ScoredRun(
                name=f"{run_name} {run_id}",
                score=score,
                compute=view.entry.energy.total_kwh,
                emissions_g=None if bill is None else bill.g,
            )
        )
    if not found:
        raise InputError(f"no run of the ledger has a tag {metric}; record them with --tag {metric}=0.93")
    return found
