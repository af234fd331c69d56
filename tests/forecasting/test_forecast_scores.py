"""Scores, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from forecast_cases import NAN, H

from lowtide.errors import InputError
from lowtide.forecasting.rolling import Rolled
from lowtide.forecasting.scores import (
    coverage,
    mean_absolute_error,
    mean_absolute_percentage_error,
    pinball,
    rank_correlation,
    ranks,
    score,
)


def rolled(points: np.ndarray, actual: np.ndarray, *, width: float = 10.0) -> Rolled:
    levels = (0.05, 0.5, 0.95)
    quantiles = np.stack([points - width, points, points + width], axis=1)
    return Rolled(
        method="x", origins=np.arange(len(points)), step_ns=H, points=points, actual=actual, levels=levels,
        quantiles=quantiles,
    )  # fmt: skip


def test_percentage_error_needs_positive_truth() -> None:
    assert mean_absolute_percentage_error(np.array([1.0, 2.0]), np.array([0.0, 2.0])) is None
    assert mean_absolute_percentage_error(np.array([1.0, 2.0]), np.array([-5.0, 2.0])) is None
    # a truth of 0 that no forecast was made for does not count: |3 - 2| / 2
    assert mean_absolute_percentage_error(np.array([NAN, 3.0]), np.array([0.0, 2.0])) == 0.5


def test_nothing_known_has_no_score() -> None:
    nothing = np.array([NAN, 1.0]), np.array([1.0, NAN])
    assert mean_absolute_error(*nothing) is None
    assert mean_absolute_percentage_error(*nothing) is None
    assert pinball(*nothing, 0.5) is None
    assert coverage(nothing[0], nothing[0], nothing[1]) is None
    assert rank_correlation(np.array([nothing[0]]), np.array([nothing[1]])) is None


def test_ranks_share_ties_row_by_row() -> None:
    found = ranks(np.array([[2.0, 2.0, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0]]))
    assert found.tolist() == [[2.0, 2.0, 0.0, 2.0], [3.0, 2.0, 1.0, 0.0], [1.5] * 4]


def test_order_right_is_one_and_reversed_minus_one() -> None:
    up = np.array([[1.0, 2.0, 5.0, 9.0]])
    assert rank_correlation(up, up**3) == pytest.approx(1.0)
    assert rank_correlation(up, -up) == pytest.approx(-1.0)


def test_rank_correlation_is_the_mean_over_forecasts_that_have_an_order() -> None:
    points = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [7.0, 7.0, 7.0], [1.0, NAN, 3.0]])
    actual = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert rank_correlation(points, actual) == pytest.approx(0.0)  # 1 and -1; flat and unknown ones have none


def test_scores_by_band_of_leads() -> None:
    # leads 0..5 off by 1, leads 6 and 7 off by 20: outside the interval of 10
    actual = np.tile(np.arange(100.0, 108.0), (3, 1))
    points = actual + np.array([1.0] * 6 + [20.0] * 2)
    whole, near, far = score(rolled(points, actual))
    assert [(s.from_h, s.to_h) for s in (whole, near, far)] == [(0.0, 8.0), (0.0, 6.0), (6.0, 8.0)]
    assert whole.mean_absolute_error_g_per_kwh == pytest.approx((6 * 1 + 2 * 20) / 8)
    assert (near.mean_absolute_error_g_per_kwh, far.mean_absolute_error_g_per_kwh) == pytest.approx(
        (1.0, 20.0)
    )
    assert whole.bias_g_per_kwh == pytest.approx(5.75)
    assert (whole.coverage_90, near.coverage_90, far.coverage_90) == (0.75, 1.0, 0.0)
    assert (whole.n_origins, whole.n_steps) == (3, 24)
    # the median is 20 above the truth in the far band: (1 - 0.5) * 20
    assert dict(far.pinball_g_per_kwh)[0.5] == pytest.approx(10.0)


def test_one_band_is_not_repeated() -> None:
    values = np.ones((2, 4))
    assert len(score(rolled(values, values))) == 1


def test_bands_must_end_later_and_later() -> None:
    values = np.ones((2, 4))
    with pytest.raises(InputError, match="bands of leads must end later and later, got 6 h, 3 h"):
        score(rolled(values, values), bands_h=(6, 3))
