"""Scaling, fronts and budgets, as JSON and in a terminal."""

from __future__ import annotations

from typing import Any, Protocol

from lowtide.data.scaling import Exponent
from lowtide.estimation.ranged import Ranged
from lowtide.estimation.scaling import BudgetPoint, ScalingFit, Trained
from lowtide.reporting.estimates import ranged_plain
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import grams, plain_number, range_of

__all__ = ["scaling_plain", "scaling_text"]


class Scaled(Protocol):
    """What runs or published exponents say."""

    @property
    def fit(self) -> ScalingFit | None: ...
    @property
    def published(self) -> tuple[Exponent, ...]: ...
    @property
    def factor(self) -> Ranged | None: ...
    @property
    def error(self) -> float | None: ...
    @property
    def target(self) -> float | None: ...
    @property
    def emissions_g(self) -> Ranged | None: ...
    @property
    def front(self) -> tuple[Trained, ...]: ...
    @property
    def curve(self) -> tuple[BudgetPoint, ...]: ...
    @property
    def budget_g(self) -> float | None: ...
    @property
    def more_runs(self) -> int | None: ...


def scaling_plain(result: Scaled) -> dict[str, Any]:
    """Return the JSON of ``lowtide scaling``."""
    return {
        "fit": None
        if result.fit is None
        else {**plain_of(result.fit), "halving_factor": 2.0**result.fit.exponent},
        "published": [{**plain_of(row), "halving_factor": 2.0**row.exponent} for row in result.published],
        "error": result.error,
        "target": result.target,
        **ranged_plain(result.factor, "compute_factor"),
        **ranged_plain(result.emissions_g, "emissions_g"),
        "pareto": [plain_of(run) for run in result.front],
        "budget_curve": [plain_of(point) for point in result.curve],
        "budget_g": result.budget_g,
        "more_runs": result.more_runs,
    }


def scaling_text(result: Scaled) -> str:
    """Return scaling, fronts and budgets in a terminal."""
    lines = _fit_lines(result.fit)
    if result.fit is None:
        for row in result.published:
            lines.append(_published_line(row))
    if result.factor is not None:
        width = result.factor
        ends = "" if width.is_exact else f" ({width.low:.3g} to {width.high:.3g})"
        lines.append(
            f"{'error':<12}{result.error:g} to {result.target:g}: {width.value:.3g} times the compute{ends}"
        )
    if result.emissions_g is not None:
        g = result.emissions_g
        lines.append(
            f"{'carbon':<12}{range_of(g.value, g.low, g.high, of='grams')} on the same hardware and grid"
        )
    for run in result.front:
        lines.append(f"{'front':<12}{grams(run.emissions_g):>9}  score {run.score:.4g}  {run.name}")
    for point in result.curve:
        best = f"best score to expect {point.expected_best:.4g}"
        lines.append(f"{'budget':<12}{grams(point.emissions_g):>9}  {best} from {point.n_runs} runs")
    if result.more_runs is not None and result.budget_g is not None:
        verdict = "stop the sweep" if not result.more_runs else f"{result.more_runs} more runs like these fit"
        lines.append(f"{'left':<12}of {grams(result.budget_g)}: {verdict}")
    return "\n".join(lines)


def _fit_lines(fit: ScalingFit | None) -> list[str]:
    if fit is None:
        return []
    high = "no upper end" if fit.high is None else f"{fit.high:.3g}"
    return [
        f"{'your runs':<12}exponent {fit.exponent:.3g} ({fit.low:.3g} to {high}), R squared {fit.r_squared:.2f}, "
        f"{fit.n} runs",
        f"{'halving':<12}takes {plain_number(2.0**fit.exponent)} times the compute",
    ]


def _published_line(row: Exponent) -> str:
    width = "" if row.low is None or row.high is None else f" ({row.low:g} to {row.high:g})"
    halving = plain_number(2.0**row.exponent)
    found = f"{row.name}: exponent {row.exponent:g}{width}, halving {halving}x"
    return f"{found}: {row.benchmark}, {row.version}. {row.source}"
