"""Signals and their spread."""

from __future__ import annotations

import pytest

from lowtide.model.signal import STATUSES, Signal, Spread

SPREAD = Spread(hours=(1.0, 100.0), low_fraction=(0.8, 0.9), high_fraction=(1.4, 1.2), note="example")


def test_statuses_keep_their_codes():
    assert STATUSES == ("measured", "estimated", "forecast", "typical")


@pytest.mark.parametrize(
    ("hours", "fractions"),
    [
        (0.1, (0.8, 1.4)),  # held flat before the table
        (1.0, (0.8, 1.4)),
        (10.0, (0.85, 1.3)),  # half way from 1 to 100 in the logarithm
        (100.0, (0.9, 1.2)),
        (8760.0, (0.9, 1.2)),  # and after it
    ],
)
def test_spread_narrows_with_the_logarithm_of_the_window(hours, fractions):
    assert SPREAD.at_hours(hours) == pytest.approx(fractions, rel=1e-12)


def test_signals_are_equal_by_value():
    assert Signal(zone="DE", source="a") == Signal(zone="DE", source="a")
    assert Signal(zone="DE", source="a") != Signal(zone="DE", source="a", basis="marginal")
