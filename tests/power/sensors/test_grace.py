"""Grace: the processor is billed, the module with the GPU in it is not."""

from __future__ import annotations

import pytest

from lowtide.errors import SensorError
from lowtide.power.sensors.grace import GraceSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_sysfs import make_grace_tree, write_file


def test_processor_rail_is_the_cpu_and_the_others_are_evidence(tmp_path):
    processors = make_grace_tree(str(tmp_path), sockets=2)
    sensor = GraceSensor(str(tmp_path))
    assert [c.part for c in sensor.channels if c.component == "cpu"] == ["cpu/0", "cpu/1"]
    assert {c.component for c in sensor.channels if not c.part.startswith("cpu")} == {"other"}
    write_file(processors[1], 250_000_000)
    values = dict(zip((c.part for c in sensor.channels), sensor.read(), strict=True))
    assert values["cpu/1"] * 1e-6 == 250.0
    assert sensor.channels[0].window_s == 0.05
    sensor.close()


def test_other_power_meters_are_none(tmp_path):
    write_file(str(tmp_path / "hwmon0/device/power1_oem_info"), "Chassis Power 0")
    with pytest.raises(SensorError, match="no NVIDIA Grace power rail"):
        GraceSensor(str(tmp_path))


def test_grace_keeps_the_door_s_promises(tmp_path):
    make_grace_tree(str(tmp_path))
    check_sensor(lambda: GraceSensor(str(tmp_path)))
