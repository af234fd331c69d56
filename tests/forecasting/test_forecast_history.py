"""What is known at an instant, on an even grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from forecast_cases import DAY, NAN, START, H, history_of

from lowtide.errors import CoverageError, InputError
from lowtide.forecasting.history import history_until, same_phase
from lowtide.model.signal import Signal
from lowtide.series.types import IntensitySeries


def test_step_that_holds_now_is_not_known_yet() -> None:
    history = history_until(history_of([1.0, 2.0, 3.0]), START + 2 * H + H // 2)
    assert history.values.tolist() == [1.0, 2.0]
    assert history.end_ns == START + 2 * H


def test_time_after_the_data_is_unknown() -> None:
    history = history_until(history_of([1.0, 2.0]), START + 4 * H + 1)
    assert history.values[:2].tolist() == [1.0, 2.0]
    assert np.isnan(history.values[2:]).tolist() == [True, True]


def test_hole_in_the_data_is_unknown_on_the_grid() -> None:
    edges = START + np.array([0, 1, 2, 5, 6]) * H  # three hours without a value are one step
    series = IntensitySeries.of(edges, [1.0, 2.0, NAN, 3.0], signal=Signal(zone="X", source="made up"))
    history = history_until(series)
    assert history.step_ns == H
    assert np.array_equal(history.values, [1.0, 2.0, NAN, NAN, NAN, 3.0], equal_nan=True)


def test_most_frequent_recent_step_counts() -> None:
    # an hour, then quarter hours: the first is repeated, the last are as they are
    edges = START + np.array([0, 4, 5, 6, 7, 8]) * H // 4
    series = IntensitySeries.of(edges, [8.0, 1.0, 2.0, 3.0, 4.0], signal=Signal(zone="X", source="made up"))
    history = history_until(series)
    assert history.step_ns == H // 4
    assert history.values.tolist() == [8.0] * 4 + [1.0, 2.0, 3.0, 4.0]
    assert history.per_day == 96


def test_part_of_a_step_at_the_start_is_left_out() -> None:
    series = history_of([1.0, 2.0, 3.0]).clip(start_ns=START + H // 2, end_ns=START + 3 * H)
    history = history_until(series)
    assert history.start_ns == START + H
    assert history.values.tolist() == [2.0, 3.0]


def test_nothing_known_yet_is_said() -> None:
    with pytest.raises(
        CoverageError, match=r"no history at 2024-01-01T00:30.*first step ends at 2024-01-01T01:00"
    ):
        history_until(history_of([1.0]), START + H // 2)


@pytest.mark.parametrize(("hours", "said"), [(7, "7h"), (48, "2d")])
def test_steps_that_do_not_divide_a_day_are_refused(hours: int, said: str) -> None:
    with pytest.raises(InputError, match=f"steps of {said} cannot be forecast; give steps that divide a day"):
        history_until(history_of([1.0, 2.0, 3.0], step_ns=hours * H))


def test_same_phase_never_looks_ahead() -> None:
    origins = np.array([24, 100])
    for period in (24, 168):
        found = same_phase(origins, 60, period)
        targets = origins[:, None] + np.arange(60)
        assert (found < origins[:, None]).all()
        assert (found >= origins[:, None] - period).all()
        assert ((targets - found) % period == 0).all()


def test_targets_are_what_came() -> None:
    history = history_until(history_of([1.0, 2.0, 3.0]))
    found = history.targets(np.array([0, 2]), 2)
    assert np.array_equal(found, [[1.0, 2.0], [3.0, NAN]], equal_nan=True)


def test_status_of_the_series_does_not_matter() -> None:
    series = history_of(np.arange(24.0))
    typical = replace(series, status=np.full(24, 3, dtype=np.uint8))
    assert history_until(typical, START + DAY).values.tolist() == list(range(24))
