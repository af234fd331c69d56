"""From readings to power: how far back a gauge may be moved."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.rates import rates_of
from lowtide.model.hardware import Channel
from lowtide.testing.builders import make_readings, regular_edges

POWER_W = np.where(np.arange(601) < 300, 800.0, 200.0)


def energy_j(timing_s, *, interval_s=1.0):
    gauge = Channel(
        name="g", sensor="g", component="node", quantity="power", kind="gauge",
        update_s=timing_s, window_s=timing_s,
    )  # fmt: skip
    readings = make_readings(gauge, regular_edges(600, step_s=interval_s), POWER_W)
    rates = rates_of(readings, interval_s)
    return float(np.sum(rates.values * np.diff(rates.edges_ns)) / 1e9)


# the trapezoids hold 299 s x 800 W + 500 J + 300 s x 200 W = 299,700 J; moved back by d they lose d at 800 W
# and are held for d at 200 W
@pytest.mark.parametrize(
    ("timing_s", "energy"), [(0.0, 299_700.0), (3.0, 299_700.0 - 3 * 600), (3587.0, 299_700.0 - 5 * 600)]
)
def test_gauge_is_moved_back_by_a_few_intervals_at_most(timing_s, energy):
    assert energy_j(timing_s) == pytest.approx(energy)


def test_slow_readings_may_be_moved_back_further():
    # twice the energy, and 5 intervals of 2 s
    assert energy_j(3587.0, interval_s=2.0) == pytest.approx(2 * 299_700.0 - 10 * 600)
