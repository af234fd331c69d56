"""Opening sensors: what auto tries, what it leaves out, and what is said of the rest."""

from __future__ import annotations

import pytest

from lowtide.doors import Sensor
from lowtide.errors import InputError, SensorError
from lowtide.power.sensors.facts import FACTS, method
from lowtide.runtime import sensing
from lowtide.runtime.sensing import BUILT_IN, check_names, open_sensors, unread_sensors
from lowtide.testing.fake_sysfs import make_intel_gpu_tree, make_jetson_tree, make_pm_counters
from lowtide.testing.fakes import make_powercap_tree


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    """Hide the sensors of the machine that runs the tests."""
    for variable in ("POWERCAP", "HWMON", "SYSFS", "PM_COUNTERS"):
        monkeypatch.setenv(f"LOWTIDE_{variable}_ROOT", str(tmp_path / "none"))
    monkeypatch.setitem(BUILT_IN, "nvml", absent)
    monkeypatch.setitem(BUILT_IN, "ipmi", absent)


def absent() -> Sensor:
    raise SensorError("not here")


def names(asked):
    sensors, notes = open_sensors(asked)
    for sensor in sensors:
        sensor.close()
    return [sensor.name for sensor in sensors], notes


def test_every_built_in_sensor_has_its_facts():
    assert set(FACTS) == set(BUILT_IN)
    assert {name for name, facts in FACTS.items() if facts.evidence == "measured"} == {"rapl", "nvml"}


def test_method_of_a_sensor_without_hardware_at_hand_says_so():
    assert method("rapl", "counter") == "counter"
    assert method("redfish", "power") == "power [contract-tested]"


def test_auto_says_nothing_of_hardware_of_another_kind():
    opened, notes = names("auto")
    assert opened == []
    assert [note.split(":")[0] for note in notes] == ["rapl", "nvml"]


def test_auto_opens_what_is_there(tmp_path, monkeypatch):
    make_powercap_tree(str(tmp_path / "powercap"))
    make_pm_counters(str(tmp_path / "pm"))
    make_intel_gpu_tree(str(tmp_path / "hwmon"))
    monkeypatch.setenv("LOWTIDE_POWERCAP_ROOT", str(tmp_path / "powercap"))
    monkeypatch.setenv("LOWTIDE_PM_COUNTERS_ROOT", str(tmp_path / "pm"))
    monkeypatch.setenv("LOWTIDE_HWMON_ROOT", str(tmp_path / "hwmon"))
    assert names("auto")[0] == ["rapl", "intel_gpu", "cray"]


def test_named_sensors_are_opened_in_the_order_of_their_names(tmp_path, monkeypatch):
    make_jetson_tree(str(tmp_path / "hwmon"))
    monkeypatch.setenv("LOWTIDE_HWMON_ROOT", str(tmp_path / "hwmon"))
    opened, notes = names("jetson, rapl,jetson")
    assert opened == ["jetson"]
    assert notes[0].startswith("rapl: no RAPL domain")


def test_auto_may_be_one_of_several(tmp_path, monkeypatch):
    make_powercap_tree(str(tmp_path / "powercap"))
    monkeypatch.setenv("LOWTIDE_POWERCAP_ROOT", str(tmp_path / "powercap"))
    opened, notes = names("auto,dcgm")
    assert opened == ["rapl"]
    assert [note.split(":")[0] for note in notes] == ["dcgm", "nvml"]


def test_none_opens_none():
    assert names("none") == ([], [])


def test_unknown_sensor_names_those_there_are():
    assert "did you mean" in names("rapi")[1][0] or "there are rapl" in names("rapi")[1][0]


@pytest.mark.parametrize("asked", ["nope", "auto,nope", "rapl, nope"])
def test_name_that_no_sensor_has_is_refused_with_those_there_are(asked):
    with pytest.raises(
        InputError, match=r"no sensor named 'nope'; there are auto, none, rapl, perf, nvml,.* dcgm"
    ):
        check_names(asked)


@pytest.mark.parametrize("asked", ["auto", "none", "auto,rapl", "redfish,nvml"])
def test_names_there_are_may_be_asked_for_wherever_they_work(asked):
    check_names(asked)


def test_sensor_that_was_asked_for_and_cannot_be_read_is_said_and_what_auto_tries_is_not(
    tmp_path, monkeypatch
):
    assert unread_sensors("auto") == []
    assert [why.split(":")[0] for why in unread_sensors("auto,rapl")] == ["rapl"]
    make_powercap_tree(str(tmp_path / "powercap"))
    monkeypatch.setenv("LOWTIDE_POWERCAP_ROOT", str(tmp_path / "powercap"))
    assert unread_sensors("rapl") == []


def test_perf_is_left_out_by_auto_where_rapl_works(tmp_path, monkeypatch):
    make_powercap_tree(str(tmp_path / "powercap"))
    monkeypatch.setenv("LOWTIDE_POWERCAP_ROOT", str(tmp_path / "powercap"))
    monkeypatch.setattr(sensing, "_may_be_here", lambda name: name in ("rapl", "perf"))
    opened, notes = names("auto")
    assert (opened, notes) == (["rapl"], [])


def test_plug_in_that_fails_stops_no_other(monkeypatch, tmp_path):
    def broken():
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(BUILT_IN, "rapl", broken)
    assert names("rapl,cray")[1][0] == "rapl: ZeroDivisionError: oops"


def test_recorder_s_way_to_the_sensors_brings_no_numpy():
    import subprocess
    import sys

    code = "import sys, lowtide.runtime.sensing as s; s.open_sensors('auto'); print('numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
