"""Scores of forecasters as a table and as JSON, and a forecast as a chart and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any, Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.forecast import Forecast
from lowtide.forecasting.history import History
from lowtide.forecasting.scores import Scores
from lowtide.planning.regret import Regret, SavingRow
from lowtide.planning.robust import Gate, GateRecord
from lowtide.quantities import format_duration, format_instant
from lowtide.reporting.wording import clean, minute
from lowtide.series.steps import resample
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = [
    "FORECAST_HEADER",
    "SCORE_HEADER",
    "forecast_cells",
    "forecast_plain",
    "history_words",
    "scores_cells",
    "scores_plain",
    "scores_words",
]

SCORE_HEADER: Final = (
    "planned with", "mean saving", "in sum", "regret", "worst start", "against yesterday", "earns its place",
    "error", "MAPE", "rank corr.", "in 90 %",
)  # fmt: skip
FORECAST_HEADER: Final = ("from", "g/kWh", "90 % interval", "")
_BAR: Final = 40
_NEAR_NOTHING: Final = 10.0
"""A start that lost ten times its run-now: run-now was next to nothing."""


def history_words(history: History) -> str:
    """Return what the truth is, in a line."""
    signal, unknown = history.signal, int(np.isnan(history.values).sum())
    gaps = f", {unknown} of {history.n} unknown" if unknown else ""
    return (
        f"{clean(signal.zone or 'unnamed zone')}: {signal.basis} intensity, {signal.factors} factors; "
        f"{minute(history.start_ns)} to {minute(history.end_ns)} in steps of "
        f"{format_duration(history.step_ns / NS_PER_S)}{gaps}; {clean(signal.source)}"
    )


def scores_cells(regret: Regret, scores: Sequence[Sequence[Scores]]) -> list[tuple[str, ...]]:
    """Return the cells under :data:`SCORE_HEADER`, the greatest saving first."""
    whole = {of_method[0].method: of_method[0] for of_method in scores}
    rows = sorted(regret.rows, key=lambda row: -(row.ratio_saving_fraction or 0.0))
    rows.sort(key=lambda row: (row.method != "oracle", row.method == "run-now"))  # they stand at the ends
    return [_cells(row, whole.get(row.method)) for row in rows]


def _cells(row: SavingRow, scores: Scores | None) -> tuple[str, ...]:
    margin, error = row.margin_fraction, row.margin_error_fraction
    against = "" if margin is None else f"{100.0 * margin:+.1f}"
    if error is not None:
        against += f" ± {100.0 * error:.1f}"
    worst = row.worst_start_g_per_kwh
    return (
        row.method,
        _percent(row.mean_saving_fraction),
        _percent(row.ratio_saving_fraction),
        _percent(row.regret_fraction),
        "unknown" if worst is None else f"{max(worst, 0.0):+.0f} g/kWh",
        against,
        row.beats_persistence or "",
        "" if scores is None else _number(scores.mean_absolute_error_g_per_kwh, "g/kWh"),
        "" if scores is None else _percent(scores.mean_absolute_percentage_error),
        "" if scores is None or scores.rank_correlation is None else f"{scores.rank_correlation:.2f}",
        "" if scores is None else _percent(scores.coverage_90),
    )


def scores_words(regret: Regret, gates: Sequence[tuple[str, Gate, GateRecord]], *, basis: str) -> list[str]:
    """Return what the table says and what it leaves out, in sentences."""
    notes = [*_earning_words(regret), *_saving_words(regret, basis)]
    best = max(
        (row for row in regret.rows if any(row.method == name for name, _, _ in gates)),
        key=lambda row: row.ratio_saving_fraction or 0.0,
        default=None,
    )
    for name, gate, tried in gates:
        if best is not None and name == best.method:
            notes.append(f"Robust, with {name}: {gate.words}.")
            notes.append(
                f"Gates chosen on the past alone: {tried.total_change_fraction:+.1%} in total, worst group "
                f"{tried.worst_group_fraction:+.1%}, worst single start {tried.worst_start_fraction:+.1%}."
            )
    return notes


def _earning_words(regret: Regret) -> list[str]:
    judged = [row for row in regret.rows if row.margin_fraction is not None]
    if not judged:
        return []
    if all(row.beats_persistence is None for row in judged):
        return ["Fewer than eight weeks of starts: too few to say which forecast beats repeating yesterday."]
    winners = [row.method for row in judged if row.beats_persistence == "yes"]
    if not winners:
        return ["No forecast here beats repeating yesterday by more than chance."]
    if len(winners) == 1:
        return [f"{winners[0]} earns its place: planning with it saves more than repeating yesterday."]
    return [
        f"{', '.join(winners)} earn their places: planning with them saves more than repeating yesterday."
    ]


def _saving_words(regret: Regret, basis: str) -> list[str]:
    kind = "avoided (marginal intensity)" if basis == "marginal" else "allocated (average intensity)"
    left_out = f"; {regret.n_unknown} with unknown steps left out" if regret.n_unknown else ""
    notes = [
        f"Savings against run-now, {kind}, over {regret.n_starts} starts, each planned with what was known "
        f"then{left_out}."
    ]
    if regret.asked.policy == "pause-resume":
        notes.append("Pausing costs nothing here.")
    if any((row.worst_start_fraction or 0.0) > _NEAR_NOTHING for row in regret.rows):
        notes.append("Some starts would have emitted next to nothing at once: trust the sum, not the mean.")
    return notes


def scores_plain(
    regret: Regret,
    scores: Sequence[Sequence[Scores]],
    gates: Sequence[tuple[str, Gate, GateRecord]],
    history: History,
) -> dict[str, Any]:
    """Return the JSON of ``lowtide grid score``."""
    return {
        "zone": history.signal.zone,
        "basis": history.signal.basis,
        "factors": history.signal.factors,
        "source": history.signal.source,
        "step_s": history.step_ns / NS_PER_S,
        "job": {
            "duration_s": regret.asked.duration_s,
            "slack_s": regret.asked.slack_s,
            "policy": regret.asked.policy,
        },
        "starts": {
            "from": format_instant(int(regret.starts_ns[0])),
            "to": format_instant(int(regret.starts_ns[-1])),
            "n_starts": regret.n_starts,
            "n_unknown": regret.n_unknown,
        },
        "savings": [asdict(row) for row in regret.rows],
        "scores": [_plain_scores(band) for of_method in scores for band in of_method],
        "gates": [_plain_gate(*found) for found in gates],
    }


def _plain_scores(band: Scores) -> dict[str, Any]:
    plain = asdict(band)
    plain["pinball_g_per_kwh"] = {f"{level:g}": loss for level, loss in band.pinball_g_per_kwh}
    return plain


def _plain_gate(name: str, gate: Gate, tried: GateRecord) -> dict[str, Any]:
    least = gate.least_promise_fraction
    return {
        "method": name,
        "least_promise_fraction": least if isfinite(least) else None,
        "tolerance_fraction": gate.tolerance_fraction,
        "chosen_on": asdict(gate.record),
        "tried": asdict(tried),
    }


def forecast_cells(forecast: Forecast) -> list[tuple[str, ...]]:
    """Return a row an hour (a step where steps are longer) under :data:`FORECAST_HEADER`, with a bar."""
    edges = _hours(forecast)
    low, middle, high = (_on(forecast, values, edges) for values in _three(forecast))
    most = float(np.nanmax(middle, initial=0.0))
    rows: list[tuple[str, ...]] = []
    for i, start_ns in enumerate(edges[:-1].tolist()):
        known = not np.isnan(middle[i])
        bar = "#" * round(_BAR * max(0.0, middle[i]) / most) if known and most > 0.0 else ""
        interval = "unknown" if np.isnan(low[i] + high[i]) else f"{low[i]:.0f} to {high[i]:.0f}"
        rows.append((minute(start_ns), f"{middle[i]:.0f}" if known else "unknown", interval, bar))
    return rows


def _three(forecast: Forecast) -> tuple[FloatArray, FloatArray, FloatArray]:
    ends = (forecast.quantile(q).intensity_g_per_kwh for q in (0.05, 0.95))
    low, high = ends
    return low, forecast.intensity.intensity_g_per_kwh, high


def _hours(forecast: Forecast) -> IntArray:
    """Return the edges of the rows: whole hours of a finer forecast, else its own."""
    edges = forecast.intensity.edges_ns
    every = max(1, NS_PER_H // int(edges[1] - edges[0]))
    kept = edges[::every]
    return kept if kept[-1] == edges[-1] else np.append(kept, edges[-1])


def _on(forecast: Forecast, values: FloatArray, edges: IntArray) -> FloatArray:
    return resample(forecast.intensity.edges_ns, values, edges)


def forecast_plain(forecast: Forecast, words: str, errors: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the JSON of ``lowtide grid forecast``; unknown is null."""
    signal = forecast.intensity.signal
    edges = forecast.intensity.edges_ns.tolist()
    return {
        "zone": signal.zone,
        "basis": signal.basis,
        "factors": signal.factors,
        "flow": signal.flow,
        "status": "forecast",
        "source": signal.source,
        "issued": format_instant(forecast.issued_ns),
        "method": forecast.method,
        "method_words": words,
        "method_errors_g_per_kwh": dict(errors),
        "n_errors": forecast.n_errors,
        "notes": list(forecast.notes),
        "levels": list(forecast.levels),
        "steps": [
            {
                "start": format_instant(edges[i]),
                "end": format_instant(edges[i + 1]),
                "intensity_g_per_kwh": _null(value),
                "quantiles_g_per_kwh": [_null(q) for q in forecast.quantiles[:, i].tolist()],
            }
            for i, value in enumerate(forecast.intensity.intensity_g_per_kwh.tolist())
        ],
    }


def _null(value: float) -> float | None:
    return value if isfinite(value) else None


def _percent(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{100.0 * fraction + 0.0:.1f} %"


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.1f} {unit}"
