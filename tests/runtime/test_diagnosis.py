"""What doctor says of a machine, and calibration through its command."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lowtide.cli.doctor import doctor
from lowtide.errors import SensorError
from lowtide.power.sensors.facts import FACTS
from lowtide.runtime.config import load_config
from lowtide.runtime.diagnosis import calibrate_here, diagnose
from lowtide.testing.fake_sysfs import make_pm_counters
from lowtide.testing.fakes import make_powercap_tree


@pytest.fixture(autouse=True)
def other_roots(tmp_path, monkeypatch):
    """Hide the sensors of the machine that runs the tests."""
    for variable in ("POWERCAP", "HWMON", "SYSFS", "PM_COUNTERS"):
        monkeypatch.setenv(f"LOWTIDE_{variable}_ROOT", str(tmp_path / variable))


def rows():
    return {row["name"]: row for row in diagnose(load_config())["sensors"]}


def test_every_sensor_and_model_has_a_row():
    assert set(rows()) == {*FACTS, "cpu model", "memory model", "rest model"}


def test_missing_sensor_says_what_it_would_read_and_how_to_get_it():
    row = rows()["rapl"]
    assert (row["works"], row["covers"], row["quality"]) == (
        False, "(Intel and AMD processors and their memory, through powercap)", "(measured)"
    )  # fmt: skip
    assert row["advice"].startswith("no RAPL domain under")


def test_working_sensors_say_how_they_are_trusted(tmp_path):
    make_powercap_tree(str(tmp_path / "POWERCAP"))
    make_pm_counters(str(tmp_path / "PM_COUNTERS"))
    found = rows()
    assert found["rapl"]["quality"] == "measured (counter), +-5%"
    assert found["cray"]["quality"] == "contract-tested (counter), +-5%"
    assert found["cray"]["works"]


def test_calibrating_without_a_meter_says_why_not(tmp_path, monkeypatch):
    monkeypatch.setenv("LOWTIDE_CALIBRATION", str(tmp_path / "calibration.json"))
    with pytest.raises(SensorError, match="nothing to calibrate against"):
        calibrate_here(seconds=3.0)
    done = CliRunner().invoke(doctor, ["--calibrate", "--seconds", "3"])
    assert isinstance(done.exception, SensorError)
    assert not (tmp_path / "calibration.json").exists()
