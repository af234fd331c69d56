"""A known series, continued by a forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from forecast_cases import DAY, NAN, START, H, history_of, noisy

from lowtide.errors import InputError
from lowtide.forecasting.extend import blended, extended
from lowtide.forecasting.issue import issue
from lowtide.forecasting.methods import persistence_day
from lowtide.series.types import IntensitySeries

SERIES = history_of(noisy(100, seed=12))
NOW = START + 90 * DAY
FORECAST = issue(persistence_day, SERIES, now_ns=NOW, horizon_s=86400)


def test_known_values_then_the_forecast_each_with_its_status() -> None:
    found = extended(SERIES, FORECAST)
    assert found.end_ns == NOW + DAY
    assert found.status[: 90 * 24].tolist() == [0] * (90 * 24)
    assert found.status[90 * 24 :].tolist() == [2] * 24
    assert np.array_equal(found.intensity_g_per_kwh[: 90 * 24], SERIES.intensity_g_per_kwh[: 90 * 24])
    # yesterday repeated
    assert np.array_equal(found.intensity_g_per_kwh[-24:], SERIES.intensity_g_per_kwh[89 * 24 : 90 * 24])
    assert found.signal.source == "made up, then persistence-day forecast of made up"


def test_nothing_after_the_issue_is_taken_from_the_series() -> None:
    values = SERIES.intensity_g_per_kwh.copy()
    values[90 * 24 :] = 12345.0
    found = extended(replace(SERIES, intensity_g_per_kwh=values), FORECAST)
    assert not (found.intensity_g_per_kwh == 12345.0).any()


def test_what_a_provider_gives_ahead_can_be_kept() -> None:
    given = SERIES.clip(start_ns=START, end_ns=NOW + 6 * H)
    found = extended(given, FORECAST, keep_given=True)
    assert np.array_equal(found.intensity_g_per_kwh[90 * 24 : 90 * 24 + 6], given.intensity_g_per_kwh[-6:])
    assert np.array_equal(found.intensity_g_per_kwh[-18:], FORECAST.intensity.intensity_g_per_kwh[-18:])
    assert found.end_ns == NOW + DAY


def test_unknown_end_of_a_series_is_continued() -> None:
    values = SERIES.intensity_g_per_kwh[: 91 * 24].copy()
    values[90 * 24 + 6 :] = NAN
    found = extended(history_of(values), FORECAST, keep_given=True)
    assert np.isfinite(found.intensity_g_per_kwh).all()
    assert found.status[-18:].tolist() == [2] * 18


def test_time_between_late_data_and_the_forecast_stays_unknown() -> None:
    late = SERIES.clip(start_ns=START, end_ns=NOW - 2 * H)
    forecast = issue(persistence_day, late, now_ns=NOW, horizon_s=3600)
    found = extended(late, forecast)
    assert found.edges_ns[-3:].tolist() == [NOW - 2 * H, NOW, NOW + H]
    assert np.isnan(found.intensity_g_per_kwh[-2])
    assert np.isfinite(found.intensity_g_per_kwh[-1])


def test_now_inside_a_step_cuts_it() -> None:
    forecast = issue(persistence_day, SERIES, now_ns=NOW + H // 2, horizon_s=3600)
    found = extended(SERIES, forecast)
    assert found.status[-2:].tolist() == [2, 2]
    assert found.edges_ns[-3] == NOW  # the step that holds now is not known yet


def test_series_of_another_kind_is_refused() -> None:
    other = replace(SERIES, signal=replace(SERIES.signal, basis="marginal"))
    with pytest.raises(
        InputError, match="a series of basis marginal cannot be continued by a forecast of basis average"
    ):
        extended(other, FORECAST)


def test_risk_blends_median_and_upper_quantile() -> None:
    median, upper = FORECAST.intensity, FORECAST.quantile(0.9)
    assert blended(FORECAST, 0.0) is median
    assert blended(FORECAST, 1.0).intensity_g_per_kwh == pytest.approx(upper.intensity_g_per_kwh)
    # a quarter of the way
    expected = 0.75 * median.intensity_g_per_kwh + 0.25 * upper.intensity_g_per_kwh
    assert blended(FORECAST, 0.25).intensity_g_per_kwh == pytest.approx(expected)


def test_without_quantiles_risk_changes_nothing() -> None:
    short: IntensitySeries = history_of(np.arange(72.0))
    forecast = issue(persistence_day, short, now_ns=START + 3 * DAY, horizon_s=7200)
    assert (
        blended(forecast, 1.0).intensity_g_per_kwh.tolist() == forecast.intensity.intensity_g_per_kwh.tolist()
    )


@pytest.mark.parametrize("risk", [-0.1, 1.1, NAN])
def test_risk_is_a_share(risk: float) -> None:
    with pytest.raises(InputError, match="is no share; give one from 0"):
        blended(FORECAST, risk)
