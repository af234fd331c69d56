"""The method that did best lately."""

from __future__ import annotations

import numpy as np
import pytest
from forecast_cases import DAY, START, H, history_of, noisy

from lowtide.errors import InputError
from lowtide.forecasting.choose import best_method, method_called

NOW = START + 130 * DAY


def test_weekly_pattern_is_best_repeated_weekly() -> None:
    # each day of the week has its own level, the same every week: repeating last week is never off
    values = np.tile(np.repeat([1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 5.0], 24), 20)
    chosen = best_method(history_of(values), now_ns=NOW, horizon_s=86400)
    assert chosen.method.name == "persistence-week"
    assert dict(chosen.errors_g_per_kwh)["persistence-week"] == 0.0
    # of the 28 days: |1-9| + |9-2| + |2-8| + |8-3| + |3-7| + |7-5| + |5-1| = 36 in each week of 7
    assert dict(chosen.errors_g_per_kwh)["persistence-day"] == pytest.approx(36 / 7)
    assert chosen.n_origins == 28


def test_lasting_weather_is_best_blended() -> None:
    chosen = best_method(history_of(noisy(130, seed=13)), now_ns=NOW, horizon_s=86400)
    assert chosen.method.name == "blend"


def test_what_comes_after_now_does_not_matter() -> None:
    values = noisy(130, seed=14)
    changed = values.copy()
    changed[100 * 24 :] = 9999.0
    now = START + 100 * DAY
    a, b = (best_method(history_of(v), now_ns=now, horizon_s=6 * 3600) for v in (values, changed))
    assert a == b


def test_a_method_that_knows_too_little_is_not_taken() -> None:
    chosen = best_method(history_of(noisy(4, seed=15)), now_ns=START + 4 * DAY, horizon_s=86400)
    assert dict(chosen.errors_g_per_kwh)["persistence-week"] is None
    assert chosen.method.name != "persistence-week"


def test_without_a_past_the_first_is_taken() -> None:
    chosen = best_method(history_of([1.0, 2.0]), now_ns=START + 2 * H, horizon_s=3600)
    assert (chosen.method.name, chosen.n_origins) == ("persistence-day", 0)


def test_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no forecaster 'blends'; did you mean blend"):
        method_called("blends")
    assert method_called("climatology").name == "climatology"
