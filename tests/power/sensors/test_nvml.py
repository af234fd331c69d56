"""NVML: counter first, the right GPUs, a lost GPU is a gap."""

import pytest

from lowtide.doors import Broken, Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.nvml import NvmlSensor, visible_gpus
from lowtide.testing.checks import check_sensor
from lowtide.testing.fakes import FakeNvml, FakeNvmlError

UUIDS = [f"GPU-{i}{i}{i}{i}" for i in range(8)]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, list(range(8))),
        ("2,3", [2, 3]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("GPU-5555", [5]),
        ("GPU-5", [5]),
        ("3,3", [3]),
        ("9", []),
        ("MIG-GPU-4444/1/0", [4]),
        ("7,nonsense,1", [7]),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible, chosen):
    assert visible_gpus(visible, UUIDS) == chosen


def test_energy_counter_comes_first():
    sensor = NvmlSensor(FakeNvml(UUIDS[:1], energy_mj=lambda _: 1234), visible=None)
    assert sensor.channels[0].kind == "counter"
    assert list(sensor.read()) == [1234]


def test_without_a_counter_power_is_read():
    sensor = NvmlSensor(FakeNvml(UUIDS[:1], power_mw=lambda _: 250_000), visible="0")
    assert sensor.channels[0].kind == "gauge"
    assert list(sensor.read()) == [250_000.0]
    assert sensor.channels[0].scale == 1e-3


def test_only_gpus_in_scope_are_read():
    sensor = NvmlSensor(FakeNvml(UUIDS, energy_mj=lambda i: i), visible="2,3")
    assert list(sensor.read()) == [2, 3]
    assert sensor.uuids == ("GPU-2222", "GPU-3333")


def test_no_gpu_in_scope_is_said():
    with pytest.raises(SensorError, match="no NVIDIA GPU in the run's scope"):
        NvmlSensor(FakeNvml(UUIDS), visible="")


def test_lost_gpu_is_broken_and_a_passing_fault_is_retry():
    faults = iter([0, 999, 15])

    def energy(_):
        fault = next(faults)
        if fault:
            raise FakeNvmlError(fault)
        return 1

    sensor = NvmlSensor(FakeNvml(UUIDS[:1], energy_mj=energy), visible="0")
    assert isinstance(sensor.read()[0], Retry)
    assert isinstance(sensor.read()[0], Broken)


def test_it_keeps_the_door_s_promises():
    check_sensor(lambda: NvmlSensor(FakeNvml(UUIDS, energy_mj=lambda i: 5), visible="0,1"))
