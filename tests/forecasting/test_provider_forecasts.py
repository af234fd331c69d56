"""A provider's own forecasts as a method."""

from __future__ import annotations

import numpy as np
import pytest
from forecast_cases import DAY, NAN, START, H, history_of

from lowtide.errors import SeriesError
from lowtide.forecasting.history import history_until
from lowtide.forecasting.issue import issue
from lowtide.forecasting.methods.provider import IssuedForecasts, ProviderColumn

TRUTH = history_of(np.arange(24.0 * 40))
ISSUED = IssuedForecasts(
    issued_ns=START + np.arange(40) * DAY,
    step_ns=H,
    values=np.arange(40.0)[:, None] * 1000.0 + np.arange(48.0),
)


def test_latest_forecast_before_the_origin_counts() -> None:
    found = ISSUED.predict(history_until(TRUTH), np.array([48, 50, 71]), 2)
    # at 02:00 of the third day the forecast of 00:00 that day is two hours old
    assert found.tolist() == [[2000.0, 2001.0], [2002.0, 2003.0], [2023.0, 2024.0]]


def test_steps_beyond_a_forecast_and_before_the_first_are_unknown() -> None:
    late = IssuedForecasts(issued_ns=ISSUED.issued_ns[5:6], step_ns=H, values=ISSUED.values[5:6])
    found = late.predict(history_until(TRUTH), np.array([0, 5 * 24 + 47]), 2)
    assert np.array_equal(found, [[NAN, NAN], [5047.0, NAN]], equal_nan=True)


def test_column_is_read_at_the_time_it_is_about() -> None:
    column = ProviderColumn(column=history_of(np.arange(24.0 * 40) + 0.5))
    assert column.predict(history_until(TRUTH), np.array([10, 959]), 2).tolist()[0] == [10.5, 11.5]
    assert np.isnan(column.predict(history_until(TRUTH), np.array([959]), 2)[0, 1])


def test_its_past_errors_become_quantiles() -> None:
    # always 5 too high: the truth was 5 below the forecast, every time
    column = ProviderColumn(column=history_of(np.arange(24.0 * 40) + 5.0))
    found = issue(column, TRUTH, now_ns=START + 35 * DAY, horizon_s=3600)
    assert found.intensity.intensity_g_per_kwh.tolist() == [845.0]
    assert found.quantile(0.05).intensity_g_per_kwh.tolist() == pytest.approx(
        [839.85]
    )  # 5, and 3 % of it more
    assert found.quantile(0.95).intensity_g_per_kwh.tolist() == [845.0]
    assert found.method == "provider"


def test_issues_out_of_order_are_refused() -> None:
    with pytest.raises(SeriesError, match="2 forecasts and 2 issues; give one each, in order of time"):
        IssuedForecasts(issued_ns=np.array([5, 5]), step_ns=H, values=np.zeros((2, 3)))
