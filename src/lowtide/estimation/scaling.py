"""What a smaller error costs, and which runs were worth it.

``compute = constant x error ^ -k``: a straight line in logarithms, fitted by least squares with its interval; an
exponential would fit some of these data as well (Thompson et al. 2020), so nothing far outside them is promised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lowtide.errors import InputError
from lowtide.estimation.footprint import check_positive

__all__ = [
    "BudgetPoint",
    "ScalingFit",
    "Trained",
    "affordable_runs",
    "budget_curve",
    "compute_factor",
    "fit_scaling",
    "pareto_front",
]

_T_95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
         1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711,
         1.708, 1.706, 1.703, 1.701, 1.699, 1.697)  # fmt: skip
"""Student's t at 0.95 for 1 to 30 degrees of freedom: a 90 % interval on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingFit:
    """A fit of compute against error.

    Attributes
    ----------
    exponent : float
        k of ``compute ~ error ^ -k``.
    low, high : float or None
        90 % interval; high is None where the runs do not rule out that compute does not help at all.
    r_squared : float
        Of the logarithms.
    n : int
    """

    exponent: float
    low: float
    high: float | None
    r_squared: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A run with what it reached and what it emitted."""

    name: str
    score: float
    emissions_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPoint:
    """The best score to expect from so many runs, and what they emit on average [g]."""

    n_runs: int
    expected_best: float
    emissions_g: float


def compute_factor(error: float, target: float, *, exponent: float) -> float:
    """Return how many times the compute a smaller error takes: ``(error / target) ^ exponent``.

    Raises
    ------
    InputError
        If an error is not positive, or the exponent is not.

    Examples
    --------
    >>> round(compute_factor(0.10, 0.05, exponent=12.29))  # halving the error on ImageNet, preprint of 2020
    5008
    """
    check_positive("error", error)
    check_positive("target error", target)
    return float((error / target) ** check_positive("exponent", exponent))


def fit_scaling(compute: npt.ArrayLike, error: npt.ArrayLike) -> ScalingFit:
    """Return the exponent of compute (or energy) against error, with its 90 % interval.

    The error is regressed on compute, as compute is what one sets; the exponent is minus one over that slope.

    Parameters
    ----------
    compute, error : array_like, shape (n,)
        Both above 0, at least 3 runs of different compute.

    Raises
    ------
    InputError
        If shapes differ, values are not positive, runs are too few or alike, or more compute gave more error.

    Examples
    --------
    >>> fit = fit_scaling([1.0, 16.0, 256.0, 4096.0], [0.8, 0.4, 0.2, 0.1])  # 16 times for a halving
    >>> round(fit.exponent, 6), round(2**fit.exponent, 6)
    (4.0, 16.0)
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (compute, error))
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"compute and error must match, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0.0).all() and (y > 0.0).all()):
        raise InputError("compute and error must be known and above 0 in every run; an error is 1 - accuracy")
    if len(x) < 3 or len(np.unique(x)) < 2:
        raise InputError(f"a fit needs at least 3 runs of different compute, got {len(x)}; add smaller ones")
    slope, error_of_slope, r_squared = _regress(np.log(x), np.log(y))
    if slope >= 0.0:
        raise InputError("more compute did not lower the error in these runs; there is no exponent to state")
    half = _t_95(len(x) - 2) * error_of_slope
    flattest = slope + half
    return ScalingFit(
        exponent=-1.0 / slope,
        low=-1.0 / (slope - half),
        high=None if flattest >= 0.0 else -1.0 / flattest,
        r_squared=r_squared,
        n=len(x),
    )


def _regress(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Return slope, its standard error and R squared of a straight line."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    residual = dy - slope * dx
    total, rest = float(dy @ dy), float(residual @ residual)
    return slope, math.sqrt(rest / (len(x) - 2) / float(dx @ dx)), 1.0 - rest / total if total else 0.0


def _t_95(degrees: int) -> float:
    """Return Student's t at 0.95; above the table by its first term, right to 0.001."""
    return _T_95[degrees - 1] if degrees <= len(_T_95) else 1.6449 + 1.524 / degrees


def pareto_front(runs: Sequence[Trained]) -> list[Trained]:
    """Return the runs that no other beats on both score and grams, by grams.

    Examples
    --------
    >>> runs = [Trained(name=n, score=s, emissions_g=g) for n, s, g in
    ...         [("small", 0.8, 1.0), ("waste", 0.79, 5.0), ("large", 0.9, 10.0)]]
    >>> [run.name for run in pareto_front(runs)]
    ['small', 'large']
    """
    front: list[Trained] = []
    for run in sorted(runs, key=lambda run: (run.emissions_g, -run.score)):
        if not front or run.score > front[-1].score:
            front.append(run)
    return front


def budget_curve(runs: Sequence[Trained]) -> list[BudgetPoint]:
    """Return the expected best score of 1 to n runs drawn with replacement, against what they emit.

    The expectation of the largest of n draws from the runs' own distribution (Dodge et al. 2019, arXiv
    1909.03004): never above the best that was seen.

    Raises
    ------
    InputError
        Without runs.

    Examples
    --------
    >>> runs = [Trained(name="a", score=0.5, emissions_g=1.0), Trained(name="b", score=0.9, emissions_g=3.0)]
    >>> [(p.n_runs, round(p.expected_best, 3), p.emissions_g) for p in budget_curve(runs)]
    [(1, 0.7, 2.0), (2, 0.8, 4.0)]
    """
    if not runs:
        raise InputError("there are no runs to draw from")
    scores = np.sort(np.array([run.score for run in runs], dtype=np.float64))
    mean_g = float(np.mean([run.emissions_g for run in runs]))
    at_most = np.arange(len(scores) + 1) / len(scores)
    points = []
    for n in range(1, len(scores) + 1):
        weights = np.diff(at_most**n)
        points.append(BudgetPoint(n_runs=n, expected_best=float(scores @ weights), emissions_g=n * mean_g))
    return points


def affordable_runs(runs: Sequence[Trained], budget_g: float) -> int:
    """Return how many more runs like these fit in what is left of a carbon budget; 0 is: stop the sweep.

    The next run is taken to emit what the mean run did.

    Examples
    --------
    >>> done = [Trained(name="a", score=0.5, emissions_g=2.0), Trained(name="b", score=0.9, emissions_g=4.0)]
    >>> affordable_runs(done, 12.5), affordable_runs(done, 6.0)
    (2, 0)
    """
    check_positive("budget_g", budget_g)
    if not runs:
        raise InputError("without a run nobody knows what one emits; finish one first")
    spent = sum(run.emissions_g for run in runs)
    mean_g = spent / len(runs)
    if mean_g <= 0.0:
        raise InputError("the runs emit nothing on average, so a budget cannot end; check their intensity")
    return max(0, math.floor((budget_g - spent) / mean_g))
