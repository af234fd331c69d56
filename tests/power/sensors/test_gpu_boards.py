"""What a board's power sensor sees of the time, by architecture (Yang, Adamek, Armour, SC'24, table 2)."""

from __future__ import annotations

import pytest

from lowtide.power.sensors.gpu_boards import counter_timing, gauge_timing


@pytest.mark.parametrize(
    ("architecture", "name", "field", "timing_ms"),
    [
        (4, "Tesla P100", "usage", (20, 10)),
        (5, "Tesla V100", "usage", (20, 10)),
        (6, "Tesla T4", "usage", (100, 100)),
        (7, "NVIDIA A100-SXM4-80GB", "usage", (100, 25)),
        (7, "NVIDIA A100-SXM4-80GB", "instant", (100, 25)),
        (7, "NVIDIA GeForce RTX 3090", "instant", (100, 100)),
        (7, "NVIDIA GeForce RTX 3090", "usage", (100, 1000)),
        (9, "NVIDIA H100 PCIe", "instant", (100, 25)),
        (9, "NVIDIA H100 PCIe", "average", (100, 1000)),
        (9, "NVIDIA GH200 480GB", "instant", (100, 20)),
        (2**32 - 1, "unheard of", "usage", (100, 1000)),
        (2**32 - 1, "unheard of", "instant", (100, 25)),
    ],
)
def test_update_period_and_window(architecture, name, field, timing_ms):
    found = gauge_timing(architecture, name, field)
    assert (round(found.update_s * 1e3), round(found.window_s * 1e3)) == timing_ms


def test_counter_misses_nothing():
    assert counter_timing(9).window_s == 0.0
