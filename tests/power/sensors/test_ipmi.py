"""IPMI: what ipmitool prints, and that waiting for it holds nothing up."""

from __future__ import annotations

import time

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.ipmi import IpmiSensor, parse_reading
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_servers import make_ipmitool


def test_power_is_read_from_what_the_command_prints(tmp_path):
    sensor = IpmiSensor([make_ipmitool(str(tmp_path), power_w=345)])
    assert list(sensor.read()) == [345.0]
    assert (sensor.channels[0].component, sensor.channels[0].boundary) == ("node", "node")
    sensor.close()


def test_period_of_the_statistics_is_not_taken_for_the_reading_s(tmp_path):
    path = make_ipmitool(str(tmp_path))
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("00000001 Seconds", "02685198 Seconds"))  # a month: since the last reset
    sensor = IpmiSensor([path], period_s=2.0)
    assert (sensor.channels[0].update_s, sensor.channels[0].window_s) == (3.0, 1.0)
    sensor.close()


def test_slow_controller_does_not_hold_up_a_reading(tmp_path):
    sensor = IpmiSensor([make_ipmitool(str(tmp_path), delay_s=0.3)], period_s=0.01)
    began = time.perf_counter()
    for _ in range(100):
        sensor.read()
    assert time.perf_counter() - began < 0.2
    sensor.close()


def test_start_does_not_wait_for_a_controller_that_hangs(tmp_path):
    began = time.perf_counter()
    sensor = IpmiSensor([make_ipmitool(str(tmp_path), delay_s=1.0)])
    assert time.perf_counter() - began < 0.9
    assert sensor.read() == [Retry("no answer yet")]
    sensor.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "measures no power"),
        ("Instantaneous power reading: 0 Watts", "no node draws"),
        ("Instantaneous power reading: 220 Watts\nPower reading state is: deactivated", "measures no power"),
    ],
)
def test_reading_that_is_none_is_refused(text, message):
    with pytest.raises(SensorError, match=message):
        parse_reading(text)


def test_missing_command_is_said():
    with pytest.raises(SensorError, match="is not installed"):
        IpmiSensor(["/nonexistent/ipmitool"])


def test_failing_command_says_how_to_allow_it():
    with pytest.raises(SensorError, match="/dev/ipmi0"):
        IpmiSensor(["/bin/sh", "-c", "echo Could not open device >&2; exit 1"])


def test_ipmi_keeps_the_door_s_promises(tmp_path):
    command = make_ipmitool(str(tmp_path))
    check_sensor(lambda: IpmiSensor([command]))
