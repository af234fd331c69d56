"""Scores and forecasts as tables, sentences and JSON."""

from __future__ import annotations

import json

import numpy as np

from lowtide.forecasting.history import History
from lowtide.forecasting.issue import issue
from lowtide.forecasting.methods import persistence_day
from lowtide.forecasting.rolling import roll
from lowtide.forecasting.scores import score
from lowtide.model.signal import Signal
from lowtide.planning.regret import Regret, regret_of_windows
from lowtide.planning.robust import gate_from
from lowtide.planning.shifting import Asked
from lowtide.reporting.scores import (
    SCORE_HEADER,
    forecast_cells,
    forecast_plain,
    history_words,
    scores_cells,
    scores_plain,
    scores_words,
)
from lowtide.testing.builders import START_NS, intensity_series

H_NS = 3600 * 10**9
SIGNAL = Signal(zone="DE", source="made\x1b up", basis="average", factors="direct")
HISTORY = History(start_ns=START_NS, step_ns=H_NS, values=np.tile([1.0, np.nan], 24), signal=SIGNAL)
ASKED = Asked(duration_s=3600.0, slack_s=3600.0)


def judged(n_weeks: int, *, good: bool = True, policy: str = "flexible-start") -> Regret:
    """Return windows of two hours, the second at half, that yesterday gets wrong every other time."""
    n = n_weeks * 168
    actual = np.tile([[100.0, 50.0]], (n, 1))
    usual = np.where(np.arange(n)[:, None] % 2, actual, actual[:, ::-1])
    asked = Asked(duration_s=3600.0, slack_s=3600.0, policy=policy)
    return regret_of_windows(
        {"persistence-day": usual, "other": actual if good else actual[:, ::-1]}, actual, asked,
        starts_ns=START_NS + np.arange(n) * H_NS, step_ns=H_NS,
    )  # fmt: skip


def gates_of(found: Regret) -> list:
    gate = gate_from(found.shifted["other"], found.starts_ns)
    return [("other", gate, gate.record)]


def test_truth_is_named_with_its_gaps() -> None:
    assert history_words(HISTORY) == (
        "DE: average intensity, direct factors; 2026-03-01T00:00Z to 2026-03-03T00:00Z in steps of 1h, "
        "24 of 48 unknown; made? up"
    )


def test_rows_stand_between_hindsight_and_run_now() -> None:
    cells = scores_cells(judged(10), [])
    assert all(len(row) == len(SCORE_HEADER) for row in cells)
    assert [row[0] for row in cells] == ["oracle", "other", "persistence-day", "run-now"]
    assert cells[1][1:7] == ("50.0 %", "50.0 %", "0.0 %", "+0 g/kWh", "+25.0 ± 0.0", "yes")
    assert cells[2][1:7] == ("25.0 %", "25.0 %", "25.0 %", "+0 g/kWh", "", "")


def test_sentences_say_who_earns_a_place() -> None:
    def first(found: Regret) -> str:
        return scores_words(found, gates_of(found), basis="average")[0]

    assert first(judged(10)) == "other earns its place: planning with it saves more than repeating yesterday."
    assert first(judged(10, good=False)) == "No forecast here beats repeating yesterday by more than chance."
    assert first(judged(2)).startswith("Fewer than eight weeks of starts")


def test_sentences_name_the_kind_of_grams_and_the_gate() -> None:
    found = judged(10)
    words = scores_words(found, gates_of(found), basis="average")
    assert words[1].startswith("Savings against run-now, allocated (average intensity), over 1680 starts")
    assert words[2].startswith("Robust, with other: shift where at least 0% is promised")
    paused = judged(10, policy="pause-resume")
    marginal = scores_words(paused, [], basis="marginal")
    assert "avoided (marginal intensity)" in marginal[1]
    assert marginal[2] == "Pausing costs nothing here."


def test_starts_that_emit_next_to_nothing_are_warned_of() -> None:
    actual = np.array([[1.0, 100.0]])
    found = regret_of_windows({"x": actual[:, ::-1]}, actual, ASKED, starts_ns=np.array([0]), step_ns=H_NS)
    assert any("trust the sum, not the mean" in line for line in scores_words(found, [], basis="average"))


def test_json_has_null_for_unknown_and_never_shift() -> None:
    actual = np.tile([[50.0, 100.0]], (1680, 1))  # waiting always loses, and the other forecast always waits
    starts_ns = START_NS + np.arange(1680) * H_NS
    found = regret_of_windows({"other": actual[:, ::-1]}, actual, ASKED, starts_ns=starts_ns, step_ns=H_NS)
    history = History(start_ns=START_NS, step_ns=H_NS, values=np.arange(24.0 * 10), signal=SIGNAL)
    scores = [score(roll(persistence_day, history, np.array([48, 72]), 24))]
    plain = json.loads(json.dumps(scores_plain(found, scores, gates_of(found), HISTORY), allow_nan=False))
    assert plain["gates"][0]["least_promise_fraction"] is None
    assert plain["scores"][0]["coverage_90"] is None
    assert plain["scores"][0]["mean_absolute_error_g_per_kwh"] == 24.0
    assert plain["starts"] == {
        "from": "2026-03-01T00:00:00.000000Z", "to": "2026-05-09T23:00:00.000000Z", "n_starts": 1680, "n_unknown": 0,
    }  # fmt: skip


def test_quarter_hours_are_shown_by_the_hour() -> None:
    series = intensity_series([100.0, 200.0, 300.0, 400.0] * 24 * 30, step_s=900.0)
    forecast = issue(persistence_day, series, now_ns=series.end_ns, horizon_s=2 * 3600.0)
    cells = forecast_cells(forecast)
    assert [row[1] for row in cells] == ["250", "250"]
    assert cells[0][3] == "#" * 40
    plain = forecast_plain(forecast, "words", {"x": None})
    assert len(plain["steps"]) == 8
    assert plain["steps"][0]["intensity_g_per_kwh"] == 100.0
    assert plain["method_errors_g_per_kwh"] == {"x": None}
