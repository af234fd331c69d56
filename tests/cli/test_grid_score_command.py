"""``grid forecast`` and ``grid score`` from the outside: their words and their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from lowtide.cli.grid_score import forecast, score
from lowtide.errors import InputError


def call(command: click.Command, *words: str) -> Result:
    found = CliRunner().invoke(command, list(words))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a file of 120 days: every day has one cheap noon, and weather that lasts."""
    path = tmp_path_factory.mktemp("past") / "past.csv"
    rng, weather, rows = np.random.default_rng(1), 0.0, ["ts_utc,DE"]
    for hour in range(24 * 120):
        weather = 0.95 * weather + rng.normal(0.0, 15.0)
        value = 300 - 100 * np.sin(np.pi * (hour % 24) / 24) + weather
        stamp = np.datetime64("2026-01-01T00:00") + np.timedelta64(hour, "h")
        rows.append(f"{stamp}Z,{value:.2f}")
    path.write_text("\n".join(rows))
    return str(path)


def test_forecast_as_json(past: str) -> None:
    document = json.loads(call(forecast, "--history", past, "--horizon", "6h", "--json").output)
    assert document["issued"] == "2026-05-01T00:00:00.000000Z"
    assert (document["zone"], document["status"], document["n_errors"]) == ("DE", "forecast", 56)
    assert document["levels"] == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    assert len(document["steps"]) == 6
    step = document["steps"][0]
    assert step["start"] == "2026-05-01T00:00:00.000000Z"
    assert step["quantiles_g_per_kwh"][3] == step["intensity_g_per_kwh"]
    assert sorted(step["quantiles_g_per_kwh"]) == step["quantiles_g_per_kwh"]
    errors = document["method_errors_g_per_kwh"]
    assert document["method"] == min(errors, key=errors.get)


def test_forecast_as_a_chart(past: str) -> None:
    done = call(forecast, "--history", past, "--horizon", "24h", "--method", "persistence-day").output
    lines = done.splitlines()
    assert lines[0].startswith("DE: average intensity, unknown factors; made at 2026-05-01T00:00Z")
    assert lines[1] == "Method persistence-day, as asked for."
    bars = [line.count("#") for line in lines[3:27]]
    assert max(bars) == 40
    assert bars.index(min(bars)) in range(8, 17)  # noon


def test_short_history_is_null_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("ts_utc,DE\n2026-01-01T00:00Z,5\n2026-01-01T01:00Z,6\n")
    document = json.loads(call(forecast, "--history", str(path), "--horizon", "2h", "--json").output)
    assert document["steps"][0]["intensity_g_per_kwh"] is None
    assert document["steps"][0]["quantiles_g_per_kwh"] == [None] * 7
    shown = call(forecast, "--history", str(path), "--horizon", "2h").output
    assert "unknown" in shown
    assert "Note: 2 of 2 steps ahead cannot be told: the history is too short." in shown


def test_scores_as_a_table(past: str) -> None:
    done = call(score, "--intensity", past, "--duration", "4h", "--slack", "12h").output
    lines = done.splitlines()
    assert "in steps of 1h" in lines[0]
    assert lines[1] == "4h job, 12h slack, flexible-start"
    names = [line.split()[0] for line in lines[3:9]]
    assert (names[0], names[-1]) == ("oracle", "run-now")
    assert sorted(names[1:-1]) == ["blend", "climatology", "persistence-day", "persistence-week"]
    assert any("repeating yesterday" in line for line in lines[9:])
    assert any(line.startswith("Robust, with ") for line in lines)


def test_scores_as_json(past: str) -> None:
    document = json.loads(call(score, "--intensity", past, "--method", "blend", "--json").output)
    assert document["job"] == {"duration_s": 21600.0, "slack_s": 86400.0, "policy": "flexible-start"}
    assert [row["method"] for row in document["savings"]] == ["oracle", "persistence-day", "blend", "run-now"]
    assert {band["method"] for band in document["scores"]} == {"blend"}
    assert set(document["scores"][0]["pinball_g_per_kwh"]) == {
        "0.05",
        "0.1",
        "0.25",
        "0.5",
        "0.75",
        "0.9",
        "0.95",
    }
    assert document["gates"][0]["chosen_on"]["worst_group_fraction"] <= 0.01
    assert 0.8 < document["scores"][0]["coverage_90"] < 0.98


def test_providers_own_forecast_stands_beside(past: str) -> None:
    text = Path(past).read_text().replace("ts_utc,DE", "ts_utc,forecast")
    path = Path(past).with_name("ahead.csv")
    path.write_text(text)
    document = json.loads(
        call(score, "--intensity", past, "--forecast", str(path), "--method", "blend", "--json").output
    )
    provider = next(row for row in document["savings"] if row["method"] == "provider")
    assert provider["regret_fraction"] == pytest.approx(0.0)


def test_no_past_is_refused() -> None:
    with pytest.raises(InputError, match="no past to judge forecasts on; give --intensity FILE"):
        call(score)


def test_history_is_needed() -> None:
    assert CliRunner().invoke(forecast, []).exit_code == 2


def test_marginal_forecasts_stand_beside_a_marginal_past(past: str) -> None:
    text = Path(past).read_text().replace("ts_utc,DE", "ts_utc,forecast")
    path = Path(past).with_name("marginal.csv")
    path.write_text(text.replace(text.splitlines()[50].split(",")[1], "-50"))
    words = ("--intensity", past, "--basis", "marginal", "--forecast", str(path), "--method", "blend")
    document = json.loads(call(score, *words, "--json").output)
    assert "provider" in {row["method"] for row in document["savings"]}
