"""Making one forecast: its steps, its quantiles, what it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from forecast_cases import DAY, NAN, START, H, history_of, noisy
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.errors import InputError, SeriesError
from lowtide.forecasting.choose import METHODS
from lowtide.forecasting.forecast import LEVELS, Forecast
from lowtide.forecasting.issue import Method, issue
from lowtide.forecasting.methods import blend, persistence_day
from lowtide.series.types import IntensitySeries

HISTORY = history_of(noisy(130, seed=7))
EVERY_METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


@EVERY_METHOD
def test_forecast_begins_with_the_step_that_holds_now(method: Method) -> None:
    now = START + 100 * DAY + 90 * H // 60
    found = issue(method, HISTORY, now_ns=now, horizon_s=6 * 3600)
    assert found.start_ns == START + 100 * DAY + H
    assert found.end_ns == START + 100 * DAY + 8 * H  # 07:30 is inside the last step
    assert found.intensity.status.tolist() == [2] * 7
    assert found.lead_ns.tolist() == [i * H for i in range(7)]
    assert (found.method, found.issued_ns, found.n_errors) == (method.name, now, 56)
    assert found.source == f"{method.name} forecast of made up"
    assert found.intensity.signal.zone == "X"


@EVERY_METHOD
def test_median_is_the_middle_of_quantiles_that_increase(method: Method) -> None:
    found = issue(method, HISTORY, now_ns=START + 110 * DAY, horizon_s=2 * 86400)
    assert np.array_equal(found.quantiles[LEVELS.index(0.5)], found.intensity.intensity_g_per_kwh)
    assert (np.diff(found.quantiles, axis=0) >= 0.0).all()
    assert (found.quantiles[-1] > found.quantiles[0]).all()


def changed_after(series: IntensitySeries, now_ns: int, seed: int) -> IntensitySeries:
    """Return a series that is another one from the step that holds an instant on."""
    values = series.intensity_g_per_kwh.copy()
    after = series.edges_ns[1:] > now_ns
    values[after] = np.random.default_rng(seed).uniform(0.0, 5000.0, int(after.sum()))
    values[np.flatnonzero(after)[::3]] = NAN
    return replace(series, intensity_g_per_kwh=values)


@given(
    st.sampled_from(METHODS),
    st.integers(20 * 24 * 60, 125 * 24 * 60),
    st.integers(1, 60),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_nothing_stamped_after_now_is_read(method: Method, minutes: int, hours: int, seed: int) -> None:
    now = START + minutes * 60 * 10**9
    a = issue(method, HISTORY, now_ns=now, horizon_s=hours * 3600.0)
    b = issue(method, changed_after(HISTORY, now, seed), now_ns=now, horizon_s=hours * 3600.0)
    assert np.array_equal(a.intensity.intensity_g_per_kwh, b.intensity.intensity_g_per_kwh, equal_nan=True)
    assert np.array_equal(a.quantiles, b.quantiles, equal_nan=True)
    assert (a.intensity.edges_ns[-1], a.notes) == (b.intensity.edges_ns[-1], b.notes)


@EVERY_METHOD
def test_cutting_the_series_at_now_changes_nothing(method: Method) -> None:
    now = START + 101 * DAY + 5 * H
    whole = issue(method, HISTORY, now_ns=now, horizon_s=86400)
    cut = issue(method, HISTORY.clip(start_ns=START, end_ns=now), now_ns=now, horizon_s=86400)
    assert np.array_equal(whole.quantiles, cut.quantiles)


def test_short_history_gives_a_median_without_quantiles_and_says_so() -> None:
    found = issue(persistence_day, history_of(np.arange(24.0 * 10)), now_ns=START + 10 * DAY, horizon_s=86400)
    assert np.isfinite(found.intensity.intensity_g_per_kwh).all()
    assert np.isnan(found.quantiles[LEVELS.index(0.05)]).all()
    assert found.n_errors == 9  # issues at the start of days 2 to 10; the first day has no yesterday
    assert "no quantiles where fewer than 19 past errors are known" in found.notes[0]


def test_gaps_of_the_history_are_told() -> None:
    values = noisy(60, seed=8)
    values[-30:-20] = NAN
    found = issue(blend, history_of(values), now_ns=START + 60 * DAY, horizon_s=86400)
    assert found.notes[0] == "10 of the last 672 steps of the history are unknown"


def test_steps_that_cannot_be_told_are_nan_and_counted() -> None:
    values = np.full(24 * 8, 5.0)
    values[3::24] = NAN
    found = issue(persistence_day, history_of(values), now_ns=START + 8 * DAY, horizon_s=86400)
    assert np.isnan(found.intensity.intensity_g_per_kwh).tolist() == [i == 3 for i in range(24)]
    assert any(note.startswith("1 of 24 steps ahead cannot be told") for note in found.notes)


def test_average_intensity_is_not_forecast_below_zero_and_marginal_may_be() -> None:
    values = np.tile([-50.0, 20.0], 24 * 40)
    average = issue(persistence_day, history_of(values), now_ns=START + 70 * DAY, horizon_s=7200)
    marginal = issue(
        persistence_day, history_of(values, basis="marginal"), now_ns=START + 70 * DAY, horizon_s=7200
    )
    assert average.intensity.intensity_g_per_kwh.tolist() == [0.0, 20.0]
    assert marginal.intensity.intensity_g_per_kwh.tolist() == [-50.0, 20.0]


def test_spread_of_longer_windows_is_learnt_from_windows() -> None:
    # days of 100, 200, 100 ... : repeating yesterday is off by a factor of 2 or 1/2, whatever the window
    values = np.repeat(np.where(np.arange(100) % 2, 200.0, 100.0), 24)
    spread = issue(
        persistence_day, history_of(values), now_ns=START + 100 * DAY, horizon_s=86400
    ).intensity.signal.spread
    assert spread is not None
    assert spread.hours == (1.0, 3.0, 6.0, 12.0, 24.0)
    assert set(spread.low_fraction) == {0.5}
    assert set(spread.high_fraction) == {2.0}


def test_quantile_between_levels_is_linear() -> None:
    found = issue(persistence_day, HISTORY, now_ns=START + 100 * DAY, horizon_s=3600)
    q75, q90 = found.quantiles[LEVELS.index(0.75), 0], found.quantiles[LEVELS.index(0.9), 0]
    assert found.quantile(0.9).intensity_g_per_kwh[0] == q90
    # 0.8 is a third of the way from 0.75 to 0.9
    assert found.quantile(0.8).intensity_g_per_kwh[0] == pytest.approx(q75 + (q90 - q75) / 3)
    assert "80% quantile" in found.quantile(0.8).signal.source


@pytest.mark.parametrize("q", [0.0, 0.01, 0.99])
def test_quantiles_outside_what_was_learnt_are_refused(q: float) -> None:
    found = issue(persistence_day, HISTORY, now_ns=START + 100 * DAY, horizon_s=3600)
    with pytest.raises(InputError, match=r"outside what was learnt; give one from 0\.05 to 0\.95"):
        found.quantile(q)


@pytest.mark.parametrize("horizon_s", [0.0, -1.0, float("inf"), float("nan")])
def test_horizon_must_reach_somewhere(horizon_s: float) -> None:
    with pytest.raises(InputError, match="reaches nowhere; give one like 48h"):
        issue(persistence_day, HISTORY, now_ns=START + DAY, horizon_s=horizon_s)


def test_horizon_beyond_a_year_is_refused() -> None:
    with pytest.raises(InputError, match="a horizon of 400d is longer than any forecast; give 366d or less"):
        issue(persistence_day, HISTORY, now_ns=START + DAY, horizon_s=400 * 86400.0)


def test_quantiles_of_another_shape_are_refused() -> None:
    with pytest.raises(
        SeriesError, match=r"quantiles have the shape \(2, 3\); levels and steps need \(1, 2\)"
    ):
        Forecast(
            issued_ns=0, intensity=history_of([1.0, 2.0]), levels=(0.5,), quantiles=np.zeros((2, 3)),
            method="x", n_errors=0,
        )  # fmt: skip
