"""RAPL: which domains are read, wrap and reset, and what a refusal says."""

import os

import pytest

from lowtide.doors import Broken, Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.rapl import RaplSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fakes import make_powercap_tree, set_energy_uj


def names(sensor):
    return [channel.name for channel in sensor.channels]


def test_packages_and_their_dram_are_read_core_inside_is_not(tmp_path):
    make_powercap_tree(str(tmp_path), packages=2)
    sensor = RaplSensor(str(tmp_path))
    assert names(sensor) == ["rapl.package-0", "rapl.package-0.dram", "rapl.package-1", "rapl.package-1.dram"]
    assert [c.component for c in sensor.channels] == ["cpu", "memory", "cpu", "memory"]
    sensor.close()


def test_mirrored_package_is_read_once_and_psys_never(tmp_path):
    make_powercap_tree(str(tmp_path), packages=1, dram=False, mirrored=True, psys=True)
    sensor = RaplSensor(str(tmp_path))
    assert names(sensor) == ["rapl.package-0"]
    sensor.close()


def test_counter_is_read_raw_in_microjoules_with_its_modulus(tmp_path):
    folders = make_powercap_tree(str(tmp_path), dram=False, core=False, max_energy_range_uj=1000)
    sensor = RaplSensor(str(tmp_path))
    set_energy_uj(folders[0], 123)
    assert list(sensor.read()) == [123]
    assert sensor.channels[0].modulus == 1000
    assert sensor.channels[0].scale == 1e-6
    sensor.close()


def test_garbage_in_a_counter_is_retry(tmp_path):
    folders = make_powercap_tree(str(tmp_path), dram=False, core=False)
    sensor = RaplSensor(str(tmp_path))
    with open(os.path.join(folders[0], "energy_uj"), "w") as file:
        file.write("?")
    assert isinstance(sensor.read()[0], Retry | Broken)
    sensor.close()


def test_no_domains_says_why(tmp_path):
    with pytest.raises(SensorError, match=r"no RAPL domain under .*: a virtual machine"):
        RaplSensor(str(tmp_path / "none"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_domains_say_how_to_allow_them(tmp_path):
    for folder in make_powercap_tree(str(tmp_path)):
        os.chmod(os.path.join(folder, "energy_uj"), 0)
    with pytest.raises(SensorError, match="sudo chmod a\\+r"):
        RaplSensor(str(tmp_path))


def test_it_keeps_the_door_s_promises(tmp_path):
    make_powercap_tree(str(tmp_path))
    check_sensor(lambda: RaplSensor(str(tmp_path)))
