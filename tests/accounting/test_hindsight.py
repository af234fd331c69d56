"""What no plan could have gone below."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.hindsight import least_of_parts, least_of_starts
from lowtide.model.signal import Signal
from lowtide.series.types import IntensitySeries, PowerSeries

H = 3600 * 10**9


def grid(*values: float) -> IntensitySeries:
    signal = Signal(zone="X", source="by hand")
    return IntensitySeries.of(np.arange(len(values) + 1) * H, list(values), signal=signal)


def work(*powers_w: float, start_h: float = 0.0, step_h: float = 1.0) -> PowerSeries:
    edges = round(start_h * H) + np.arange(len(powers_w) + 1) * round(step_h * H)
    return PowerSeries(edges_ns=edges, power_w=np.array(powers_w), boundary="node")


def test_start_that_ends_at_an_edge_is_tried_too():
    # 1.5 h: from 0:00 300 + 50, from 1:00 100 + 400, from 0:30 150 + 100, which ends at 2:00
    found = least_of_starts(
        work(1000.0, 1000.0, 1000.0, step_h=0.5), grid(300.0, 100.0, 800.0), start_ns=0, end_ns=3 * H
    )
    assert found == pytest.approx(250.0)


def test_start_that_was_is_tried_though_it_is_at_no_edge():
    # 1 kW, then 0: it was lucky at 0:30, half of it at 100 before the dear hour
    lucky = PowerSeries(
        edges_ns=np.array([1, 2, 4]) * (H // 2), power_w=np.array([1000.0, 0.0]), boundary="node"
    )
    assert least_of_starts(lucky, grid(100.0, 900.0), start_ns=0, end_ns=2 * H) == pytest.approx(50.0)


def test_many_starts_are_looked_up_in_blocks(monkeypatch):
    import lowtide.accounting.hindsight as module

    intensity = grid(*(100.0 + 37 * i % 61 for i in range(50)))
    whole = least_of_starts(work(1000.0, 500.0), intensity, start_ns=0, end_ns=50 * H)
    monkeypatch.setattr(module, "_AT_ONCE", 60)
    assert least_of_starts(work(1000.0, 500.0), intensity, start_ns=0, end_ns=50 * H) == whole


def test_highest_power_is_in_the_greenest_part():
    # 2 kW at 100 and 1 kW at 300
    assert least_of_parts(
        work(1000.0, 2000.0), grid(300.0, 500.0, 100.0), start_ns=0, end_ns=3 * H
    ) == pytest.approx(500.0)


def test_negative_intensity_takes_the_highest_power():
    assert least_of_parts(
        work(1000.0, 2000.0), grid(-50.0, 100.0, 10.0), start_ns=0, end_ns=3 * H
    ) == pytest.approx(-90.0)


@pytest.mark.parametrize("find", [least_of_starts, least_of_parts])
def test_window_that_is_not_all_known_has_no_bound(find):
    job = work(1000.0)
    assert find(job, grid(300.0, float("nan"), 100.0), start_ns=0, end_ns=3 * H) is None
    assert find(job, grid(300.0, 100.0), start_ns=0, end_ns=3 * H) is None
    assert find(job, grid(300.0, 100.0), start_ns=5 * H, end_ns=7 * H) is None
    assert find(work(1.0, 1.0, 1.0), grid(300.0, 100.0), start_ns=0, end_ns=2 * H) is None  # too short
