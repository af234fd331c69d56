"""What forecasts are worth to a job, from a history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowtide.errors import InputError
from lowtide.runtime.issued import read_forecasts
from lowtide.runtime.scoring import gate_for, score_history
from lowtide.series.types import IntensitySeries
from lowtide.testing.builders import START_NS, intensity_series

H = 3600 * 10**9
DAY = 24 * H


def days(n: int, *, seed: int = 1) -> IntensitySeries:
    """Return days of 20 dear hours and four cheap ones at noon, with noise."""
    rng = np.random.default_rng(seed)
    day = np.where((np.arange(24) >= 10) & (np.arange(24) < 14), 100.0, 300.0)
    return intensity_series(list(np.tile(day, n) + rng.normal(0.0, 10.0, 24 * n)))


def test_scores_of_a_history() -> None:
    report = score_history(days(200), duration="4h", slack="50%", methods=["persistence-day", "blend"])
    assert report.regret.asked.slack_s == 2 * 3600.0
    assert [row.method for row in report.regret.rows] == ["oracle", "persistence-day", "blend", "run-now"]
    assert [of_method[0].method for of_method in report.scores] == ["persistence-day", "blend"]
    assert [name for name, _, _ in report.gates] == ["persistence-day", "blend"]
    assert report.from_ns == START_NS + 50 * DAY  # a quarter is for learning alone
    later = score_history(days(200), start=START_NS + 100 * DAY, end=START_NS + 150 * DAY)
    assert (later.from_ns, later.to_ns) == (START_NS + 100 * DAY, START_NS + 150 * DAY - 30 * H)


def test_provider_is_judged_where_it_tells(tmp_path: Path) -> None:
    series = days(120)
    path = tmp_path / "issued.csv"
    lines = ["issue_utc,ts_utc,zone,forecast_lca"]
    values = series.intensity_g_per_kwh
    for day in range(60, 100):
        lines += [
            f"{np.datetime64(START_NS + day * DAY, 'ns')}Z,{np.datetime64(START_NS + day * DAY + h * H, 'ns')}Z,DE,"
            f"{values[day * 24 + h]:.3f}"
            for h in range(48)
        ]
    path.write_text("\n".join(lines))
    provider = read_forecasts(path, zone="DE")
    report = score_history(series, duration="4h", slack="8h", methods=["persistence-day"], provider=provider)
    assert report.from_ns == START_NS + 60 * DAY
    row = report.regret.row("provider")
    assert row.regret_fraction == pytest.approx(0.0, abs=1e-6)  # it tells the truth
    assert report.scores[1][0].mean_absolute_error_g_per_kwh == pytest.approx(0.0, abs=1e-3)


def test_gate_of_a_dependable_day_is_open_and_of_chance_closed() -> None:
    gate = gate_for(days(200), duration_s=4 * 3600.0, slack_s=24 * 3600.0)
    assert gate.least_promise_fraction < 0.2
    assert gate.record.total_change_fraction < -0.4
    rng = np.random.default_rng(5)
    chance = intensity_series(list(rng.uniform(1.0, 1000.0, 24 * 200)))
    closed = gate_for(
        chance, duration_s=3600.0, slack_s=6 * 3600.0, policy="elastic", method="persistence-day"
    )
    assert closed.record.worst_group_fraction <= 0.01


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"policy": "wait"}, "no policy 'wait'; there are run-now, flexible-start, pause-resume"),
        ({"duration": "0s"}, "give a duration above 0"),
        ({"methods": ["x"]}, "no forecaster 'x'"),
        ({"slack": "500d"}, "too short to judge forecasts"),
    ],
)
def test_mistakes_are_told(how: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_history(days(30), **how)
