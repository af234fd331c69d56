"""Jetson: volts times amperes, the input rail standing for the node."""

from __future__ import annotations

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.jetson import JetsonSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_sysfs import make_jetson_tree, write_file


def test_rails_are_read_by_what_they_feed(tmp_path):
    make_jetson_tree(str(tmp_path))
    sensor = JetsonSensor(str(tmp_path))
    found = {c.component: value * c.scale for c, value in zip(sensor.channels, sensor.read(), strict=True)}
    assert found == pytest.approx(
        {"node": 10.0, "cpu": 1.5, "gpu": 2.5}
    )  # 5 V x 2 A, 1 V x 1.5 A, 1 V x 2.5 A
    sensor.close()


def test_rail_that_several_share_is_evidence(tmp_path):
    make_jetson_tree(str(tmp_path), {"VDD_CPU_GPU_CV": (1000, 1000)})
    assert [c.component for c in JetsonSensor(str(tmp_path)).channels] == ["other"]


def test_garbage_in_one_file_costs_that_rail_alone(tmp_path):
    make_jetson_tree(str(tmp_path))
    sensor = JetsonSensor(str(tmp_path))
    write_file(str(tmp_path / "hwmon0/curr2_input"), "?")
    outcomes = sensor.read()
    assert [isinstance(outcome, Retry) for outcome in outcomes] == [False, True, False]
    sensor.close()


def test_other_board_says_so(tmp_path):
    with pytest.raises(SensorError, match="not an NVIDIA Jetson"):
        JetsonSensor(str(tmp_path))


def test_jetson_keeps_the_door_s_promises(tmp_path):
    make_jetson_tree(str(tmp_path))
    check_sensor(lambda: JetsonSensor(str(tmp_path)))
