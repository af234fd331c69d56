"""Intel GPUs: the counter of the whole card."""

from __future__ import annotations

import os

import pytest

from lowtide.errors import SensorError
from lowtide.power.sensors.intel_gpu import IntelGpuSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_sysfs import make_intel_gpu_tree, write_file


@pytest.mark.parametrize("driver", ["i915", "xe"])
def test_card_is_read_once_by_its_address(tmp_path, driver):
    counters = make_intel_gpu_tree(str(tmp_path), cards=2, driver=driver)
    sensor = IntelGpuSensor(str(tmp_path))
    assert [c.part for c in sensor.channels] == ["gpu/intel/0000:03:00.0", "gpu/intel/0000:04:00.0"]
    write_file(counters[1], 5_000_000)
    assert [value * 1e-6 for value in sensor.read()] == [0.0, 5.0]
    sensor.close()


def test_card_without_a_counter_of_its_own_is_read_by_its_package(tmp_path):
    make_intel_gpu_tree(str(tmp_path))
    os.unlink(tmp_path / "hwmon0/energy1_input")
    write_file(str(tmp_path / "hwmon0/energy2_input"), 7)
    sensor = IntelGpuSensor(str(tmp_path))
    assert list(sensor.read()) == [7]
    sensor.close()


def test_machine_without_an_intel_gpu_says_so(tmp_path):
    write_file(str(tmp_path / "hwmon0/name"), "coretemp")
    with pytest.raises(SensorError, match="no Intel GPU"):
        IntelGpuSensor(str(tmp_path))


@pytest.mark.parametrize(
    ("environ", "cards"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ZE_AFFINITY_MASK": ""}, [0, 1, 2, 3]),
        ({"ZE_AFFINITY_MASK": "0"}, [0]),
        ({"ZE_AFFINITY_MASK": "3, 1.0,9"}, [1, 3]),
        ({"ZE_AFFINITY_MASK": "9"}, []),
    ],
)
def test_affinity_mask_says_which_cards_are_billed(tmp_path, environ, cards):
    make_intel_gpu_tree(str(tmp_path), cards=4)
    sensor = IntelGpuSensor(str(tmp_path), environ=environ)
    assert [i for i, channel in enumerate(sensor.channels) if channel.in_scope] == cards
    sensor.close()


def test_cards_are_counted_by_their_address_not_by_their_folder(tmp_path):
    make_intel_gpu_tree(str(tmp_path), cards=11)  # hwmon10, at 0000:0d:00.0, comes before hwmon2 by name
    sensor = IntelGpuSensor(str(tmp_path), environ={"ZE_AFFINITY_MASK": "2"})
    assert [c.part for c in sensor.channels if c.in_scope] == ["gpu/intel/0000:05:00.0"]
    sensor.close()


@pytest.mark.parametrize("tile", ["tile{}", "drm/card1/gt/gt{}"])
@pytest.mark.parametrize(
    ("hierarchy", "address"), [({}, "03"), ({"ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}, "04")]
)
def test_tiles_count_as_devices_unless_told_otherwise(tmp_path, tile, hierarchy, address):
    make_intel_gpu_tree(str(tmp_path), cards=2)
    for card in ("03", "04"):
        for i in range(2):
            os.makedirs(tmp_path / f"devices/0000:{card}:00.0" / tile.format(i))
    sensor = IntelGpuSensor(str(tmp_path), environ={"ZE_AFFINITY_MASK": "1", **hierarchy})
    assert [c.part for c in sensor.channels if c.in_scope] == [f"gpu/intel/0000:{address}:00.0"]
    sensor.close()


def test_intel_gpu_keeps_the_door_s_promises(tmp_path):
    make_intel_gpu_tree(str(tmp_path))
    check_sensor(lambda: IntelGpuSensor(str(tmp_path)))
