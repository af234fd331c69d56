"""pm_counters: joules of the node and of its parts."""

from __future__ import annotations

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.cray import CraySensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_sysfs import make_pm_counters, write_file


def test_counters_of_node_processor_memory_and_accelerators(tmp_path):
    make_pm_counters(
        str(tmp_path), {"energy": 900, "cpu_energy": 300, "memory_energy": 50, "accel0_energy": 400}
    )
    sensor = CraySensor(str(tmp_path))
    found = {c.part: (c.component, value) for c, value in zip(sensor.channels, sensor.read(), strict=True)}
    assert found == {
        "gpu/0": ("gpu", 400), "cpu": ("cpu", 300), "node": ("node", 900), "memory": ("memory", 50)
    }  # fmt: skip
    sensor.close()


def test_counter_in_another_unit_is_not_taken_for_joules(tmp_path):
    make_pm_counters(str(tmp_path), {"energy": 900})
    sensor = CraySensor(str(tmp_path))
    write_file(str(tmp_path / "energy"), "900 kJ 0 us")
    assert isinstance(sensor.read()[0], Retry)
    sensor.close()


def test_other_machine_says_so(tmp_path):
    with pytest.raises(SensorError, match="not an HPE Cray node"):
        CraySensor(str(tmp_path))


@pytest.mark.parametrize(
    ("environ", "n_devices", "accelerators"),
    [
        ({}, 0, [0, 1, 2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "2"}, 0, [2]),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "3"}, 0, [3]),
        ({"ROCR_VISIBLE_DEVICES": "4,5"}, 8, [2]),  # two devices each: 0 and 1 are the first accelerator's
        ({"ROCR_VISIBLE_DEVICES": "1,6", "HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "1"}, 8, [3]),
        ({"ROCR_VISIBLE_DEVICES": "0"}, 7, [0, 1, 2, 3]),  # not as many for each: nobody can tell
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, 0, [0, 1, 2, 3]),
    ],
)
def test_accelerators_of_others_are_not_billed(tmp_path, environ, n_devices, accelerators):
    make_pm_counters(str(tmp_path / "pm"), {f"accel{i}_energy": 0 for i in range(4)} | {"energy": 0})
    for i in range(n_devices + 1):  # the first node is the processor
        write_file(str(tmp_path / f"kfd/{i}/properties"), f"cpu_cores_count 64\nsimd_count {440 * (i > 0)}")
    sensor = CraySensor(str(tmp_path / "pm"), environ=environ, kfd_root=str(tmp_path / "kfd"))
    found = [c.part for c in sensor.channels if c.in_scope]
    sensor.close()
    assert found == [*(f"gpu/{i}" for i in accelerators), "node"]


def test_cray_keeps_the_door_s_promises(tmp_path):
    make_pm_counters(str(tmp_path))
    check_sensor(lambda: CraySensor(str(tmp_path)))
