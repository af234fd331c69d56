"""What forecasts are worth to a plan."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import NAN, S, intensity_of

from lowtide.errors import InputError
from lowtide.forecasting.choose import METHODS
from lowtide.forecasting.history import history_until
from lowtide.planning.regret import regret, regret_of_windows
from lowtide.planning.shifting import Asked

H = 3600
WEEK_H = 168
ONE_H = Asked(duration_s=H, slack_s=2 * H)


def windows(n_weeks: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return three-hour windows an hour apart over some weeks, and their starts."""
    rng = np.random.default_rng(seed)
    starts = np.arange(n_weeks * WEEK_H) * H * S
    return rng.uniform(100, 300, (len(starts), 3)), starts


def test_savings_by_hand() -> None:
    actual = np.array([[300.0, 100.0, 200.0], [100.0, 200.0, 50.0]])
    expected = {"persistence-day": actual[:, ::-1], "shy": np.array([[1.0, 2.0, 3.0]] * 2)}
    found = regret_of_windows(expected, actual, ONE_H, starts_ns=np.array([0, H * S]), step_ns=H * S)
    # hindsight: 100 of 300 and 50 of 100; reversed: 100 of 300, then 100 (its first slot looks like 50) of 100
    oracle, usual, shy, now = found.rows
    assert [row.method for row in found.rows] == ["oracle", "persistence-day", "shy", "run-now"]
    assert oracle.mean_saving_fraction == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert oracle.ratio_saving_fraction == pytest.approx(250 / 400)
    assert usual.ratio_saving_fraction == pytest.approx(200 / 400)
    assert usual.regret_fraction == pytest.approx(50 / 400)
    assert (shy.ratio_saving_fraction, now.ratio_saving_fraction) == (0.0, 0.0)
    assert shy.margin_fraction == pytest.approx(-0.5)
    assert shy.beats_persistence is None  # a single week


def test_worst_start_is_said() -> None:
    actual, expected = np.array([[100.0, 300.0], [100.0, 50.0]]), np.array([[9.0, 1.0]] * 2)
    asked = Asked(duration_s=H, slack_s=H)
    row = regret_of_windows(
        {"x": expected}, actual, asked, starts_ns=np.arange(2) * H * S, step_ns=H * S
    ).row("x")
    assert (row.worst_start_fraction, row.worst_start_g_per_kwh) == (2.0, 200.0)


def test_starts_that_a_method_cannot_tell_count_for_none() -> None:
    actual = np.full((4, 3), 100.0)
    expected = actual.copy()
    actual[0, 2], expected[1, 0] = NAN, NAN
    found = regret_of_windows({"x": expected}, actual, ONE_H, starts_ns=np.arange(4), step_ns=H * S)
    assert (found.n_starts, found.n_unknown) == (2, 2)
    assert found.starts_ns.tolist() == [2, 3]


def test_a_clearly_better_forecast_earns_its_place_and_an_equal_one_does_not() -> None:
    actual, starts = windows(20)
    rng = np.random.default_rng(2)
    noise = actual + rng.normal(0, 60, actual.shape)
    expected = {
        "persistence-day": noise,
        "better": actual + rng.normal(0, 20, actual.shape),
        "as good": actual + rng.normal(0, 60, actual.shape),
        "worse": rng.uniform(0, 1, actual.shape),
    }
    found = regret_of_windows(expected, actual, ONE_H, starts_ns=starts, step_ns=H * S)
    assert found.row("better").beats_persistence == "yes"
    assert found.row("as good").beats_persistence == "too close to call"
    assert found.row("worse").beats_persistence == "no"
    for name in ("oracle", "persistence-day", "run-now"):
        assert found.row(name).beats_persistence is None


def test_oracle_saves_at_least_what_any_method_does() -> None:
    rng = np.random.default_rng(3)
    series = intensity_of((200 + 80 * np.sin(np.arange(24 * 60) / 4) + rng.normal(0, 40, 24 * 60)).tolist())
    found = regret(history_until(series), METHODS, Asked(duration_s=3 * H, slack_s=9 * H))
    assert [row.method for row in found.rows] == [
        "oracle", "persistence-day", "persistence-week", "climatology", "blend", "run-now",
    ]  # fmt: skip
    for row in found.rows:
        assert row.regret_fraction is not None
        assert row.regret_fraction >= 0.0
    for one in found.shifted.values():
        assert (one.plan >= found.shifted["oracle"].plan - 1e-9).all()


def test_persistence_is_added_where_it_is_missing() -> None:
    series = intensity_of(np.tile(np.arange(1.0, 25.0), 30).tolist())
    found = regret(history_until(series), [METHODS[3]], Asked(duration_s=H, slack_s=H))
    # every day is the same, so that both know what comes
    assert found.row("persistence-day").regret_fraction == pytest.approx(0.0)
    assert found.row("blend").regret_fraction == pytest.approx(0.0)


def test_negative_run_now_has_no_fraction() -> None:
    actual = np.array([[-5.0, -9.0, 1.0]])
    row = regret_of_windows({}, actual, ONE_H, starts_ns=np.array([0]), step_ns=H * S).row("oracle")
    assert (row.mean_saving_fraction, row.ratio_saving_fraction) == (None, None)


def test_history_of_two_days_is_too_short() -> None:
    series = intensity_of([1.0] * 48)
    with pytest.raises(InputError, match="too short to judge forecasts"):
        regret(history_until(series), METHODS, ONE_H)
