"""AMD GPUs: the accumulator, else power; scope; and a library that fails in its own ways."""

from __future__ import annotations

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.amd import AmdSensor
from lowtide.testing.checks import check_sensor


class FakeAmdsmi:
    """The calls of amdsmi that lowtide uses."""

    def __init__(self, n=2, *, energy=True, power=None):
        self.n, self.energy, self.power, self.count = (
            n,
            energy,
            power or {"current_socket_power": 300},
            1_000_000,
        )

    def amdsmi_init(self):
        pass

    def amdsmi_shut_down(self):
        pass

    def amdsmi_get_processor_handles(self):
        return list(range(self.n))

    def amdsmi_get_gpu_device_uuid(self, handle):
        return f"GPU-{handle}"

    def amdsmi_get_energy_count(self, handle):
        if not self.energy:
            raise RuntimeError("AMDSMI_STATUS_NOT_SUPPORTED")
        return {"energy_accumulator": self.count, "counter_resolution": 15.3, "timestamp": 1}

    def amdsmi_get_power_info(self, handle):
        return self.power


def test_accumulator_is_counted_in_its_own_resolution():
    sensor = AmdSensor(FakeAmdsmi(1), environ={})
    assert sensor.read()[0] * sensor.channels[0].scale == pytest.approx(15.3)  # 1e6 x 15.3 uJ
    assert sensor.channels[0].kind == "counter"


def test_without_an_accumulator_power_is_read():
    sensor = AmdSensor(FakeAmdsmi(1, energy=False), environ={})
    assert list(sensor.read()) == [300.0]


def test_power_that_is_not_said_is_a_gap():
    power = {"current_socket_power": "N/A", "average_socket_power": "N/A"}
    assert isinstance(AmdSensor(FakeAmdsmi(1, energy=False, power=power), environ={}).read()[0], Retry)


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({}, ["gpu/amd/GPU-0", "gpu/amd/GPU-1", "gpu/amd/GPU-2"]),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}, ["gpu/amd/GPU-2"]),
        ({"HIP_VISIBLE_DEVICES": "0"}, ["gpu/amd/GPU-0"]),
        ({"HIP_VISIBLE_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "2"}, ["gpu/amd/GPU-2"]),
        ({"HIP_VISIBLE_DEVICES": "1,0", "CUDA_VISIBLE_DEVICES": "1"}, ["gpu/amd/GPU-1", "gpu/amd/GPU-0"]),
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "1"}, ["gpu/amd/GPU-1"]),
    ],
)
def test_scope_narrows_step_by_step(environ, parts):
    assert [c.part for c in AmdSensor(FakeAmdsmi(3), environ=environ).channels] == parts


def test_no_gpu_in_scope_of_amd_is_said():
    with pytest.raises(SensorError, match="no AMD GPU in the run's scope"):
        AmdSensor(FakeAmdsmi(1), environ={"HIP_VISIBLE_DEVICES": "-1"})


def test_amd_keeps_the_door_s_promises():
    check_sensor(lambda: AmdSensor(FakeAmdsmi(), environ={}))
