"""The range of a saving."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.difference import saving_deviations
from lowtide.accounting.uncertainty import Deviation
from lowtide.model.signal import Signal, Spread
from lowtide.series.types import IntensitySeries, PowerSeries

H = 3600 * 10**9
SPREAD = Spread(hours=(1.0, 24.0), low_fraction=(0.8, 0.9), high_fraction=(1.4, 1.2), note="by hand")


def grid(*values: float, spread: Spread | None = SPREAD) -> IntensitySeries:
    signal = Signal(zone="X", source="by hand", spread=spread)
    return IntensitySeries.of(np.arange(len(values) + 1) * H, list(values), signal=signal)


def kw(*hours: int) -> PowerSeries:
    """1 kW in consecutive hours."""
    return PowerSeries.constant(1000.0, start_ns=hours[0] * H, end_ns=(hours[-1] + 1) * H)


def test_hour_that_both_use_cancels():
    found = saving_deviations(
        kw(0, 1), kw(1, 2), grid(400.0, 300.0, 100.0, spread=None), energy=[Deviation("m", 0.2, 0.4)]
    )
    # 300 g of saving; 2 kWh 0.2 too high or 0.4 too low: 10 and 20 % of it
    assert found == [Deviation("m", pytest.approx(30.0), pytest.approx(60.0))]


def test_what_is_left_on_each_side_errs_as_its_bill_does():
    _, now, done = saving_deviations(
        kw(0, 1), kw(1, 2), grid(400.0, 300.0, 100.0), energy=[Deviation("m", 0.0, 0.0)]
    )
    low, high = SPREAD.at_hours(2.0)
    assert now == Deviation(
        "intensity, at once", pytest.approx(400.0 * (1 - low)), pytest.approx(400.0 * (high - 1))
    )
    # what was executed may have emitted more, which makes the saving smaller
    assert done == Deviation(
        "intensity, executed", pytest.approx(100.0 * (high - 1)), pytest.approx(100.0 * (1 - low))
    )


def test_same_run_at_the_same_time_has_no_range():
    found = saving_deviations(kw(0, 1), kw(0, 1), grid(400.0, 300.0), energy=[Deviation("m", 0.2, 0.4)])
    assert all(d.below == d.above == 0.0 for d in found)


def test_negative_saving_swaps_the_sides():
    (found,) = saving_deviations(
        kw(1), kw(0), grid(400.0, 100.0, spread=None), energy=[Deviation("m", 0.1, 0.2)]
    )
    # -300 g: 20 % more energy makes it -360, 10 % less -270
    assert (found.below, found.above) == (pytest.approx(60.0), pytest.approx(30.0))
