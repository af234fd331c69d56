"""Apple silicon: what the library leaves out is left out, and its failures are gaps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.apple import AppleSensor
from lowtide.testing.checks import check_sensor


def monitor(**energy):
    return SimpleNamespace(get_cumulative_energy=lambda: SimpleNamespace(**energy))


def test_parts_that_the_chip_shows_are_read_in_millijoules():
    sensor = AppleSensor(monitor(cpu_total_mj=5000, dram_mj=None, gpu_mj=7000))
    assert [(c.component, c.scale) for c in sensor.channels] == [("cpu", 1e-3), ("gpu", 1e-3)]
    assert list(sensor.read()) == [5000, 7000]


def test_failure_of_the_library_is_retry():
    energies = iter([SimpleNamespace(cpu_total_mj=1)])
    sensor = AppleSensor(SimpleNamespace(get_cumulative_energy=lambda: next(energies)))
    assert isinstance(sensor.read()[0], Retry)


def test_chip_that_shows_nothing_is_an_error():
    with pytest.raises(SensorError, match="no energy"):
        AppleSensor(monitor(cpu_total_mj=None))


def test_apple_keeps_the_door_s_promises():
    check_sensor(lambda: AppleSensor(monitor(cpu_total_mj=1, dram_mj=2, gpu_mj=3, ane_mj=4)))
