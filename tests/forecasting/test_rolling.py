"""Rolling origins: the same as issuing one by one, and fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from forecast_cases import DAY, START, H, history_of, noisy

from lowtide.errors import InputError
from lowtide.forecasting.choose import METHODS
from lowtide.forecasting.history import history_until
from lowtide.forecasting.issue import Method, issue
from lowtide.forecasting.rolling import origins_every, roll


@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_row_is_the_forecast_issued_then(method: Method, gaps: float) -> None:
    series = history_of(noisy(150, seed=9, gaps=gaps))
    history = history_until(series)
    origins = np.array([30 * 24, 99 * 24 + 5, 120 * 24 + 17, 149 * 24])
    found = roll(method, history, origins, 30)
    for i, origin in enumerate(origins.tolist()):
        one = issue(method, series, now_ns=START + origin * H, horizon_s=30 * 3600.0)
        assert found.points[i] == pytest.approx(one.intensity.intensity_g_per_kwh, nan_ok=True)
        assert found.quantiles[i] == pytest.approx(one.quantiles, nan_ok=True)


def test_quarter_hours_too() -> None:
    series = history_of(noisy(80, seed=10, per_day=96), step_ns=H // 4)
    history = history_until(series)
    for method in METHODS:
        found = roll(method, history, np.array([70 * 96 + 13]), 40)
        one = issue(method, series, now_ns=START + 70 * DAY + 13 * H // 4, horizon_s=36000.0)
        assert found.quantiles[0] == pytest.approx(one.quantiles, nan_ok=True)


def test_truth_is_beside_the_forecast() -> None:
    history = history_until(history_of(np.arange(24.0 * 5)))
    found = roll(METHODS[0], history, np.array([72, 96]), 24)
    assert (found.actual - found.points == 24.0).all()  # every hour is 24 more than a day before


def test_origins_leave_room_for_the_whole_forecast() -> None:
    history = history_until(history_of(np.arange(24.0 * 5)))
    assert origins_every(history, 86400.0, n_leads=24).tolist() == [48, 72, 96]
    assert origins_every(history, 6 * 3600.0, n_leads=48, first_ns=START + 60 * H).tolist() == [60, 66, 72]


def test_history_too_short_to_judge_is_said() -> None:
    history = history_until(history_of(np.arange(24.0 * 2)))
    with pytest.raises(
        InputError, match="a history of 2d is too short to judge forecasts of 1d; give a longer"
    ):
        origins_every(history, 86400.0, n_leads=24)


def test_origins_between_steps_are_refused() -> None:
    history = history_until(history_of(np.arange(24.0 * 5)))
    with pytest.raises(InputError, match="do not fall on steps of 1h; give a multiple of it"):
        origins_every(history, 5400.0, n_leads=24)


@pytest.mark.slow
def test_a_year_takes_less_than_two_seconds() -> None:
    history = history_until(history_of(noisy(366, seed=11)))
    origins = origins_every(history, 86400.0, n_leads=24)
    for method in METHODS:
        begin = time.perf_counter()
        roll(method, history, origins, 24)
        assert time.perf_counter() - begin < 2.0, method.name
