"""An exporter's text: counters first, boards before their MIG devices, cut lines passed over."""

from __future__ import annotations

import time

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.dcgm import DcgmSensor, parse_metrics
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_servers import FakeExporter


@pytest.fixture
def exporter():
    server = FakeExporter()
    server.show(DCGM_FI_DEV_POWER_USAGE={"GPU-a": 71.5, "GPU-b": 300.0},
                DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION={"GPU-a": 5000.0})  # fmt: skip
    yield server
    server.close()


def wait_for(sensor, expected):
    """Read until the background has asked again."""
    until = time.monotonic() + 5.0
    while list(sensor.read()) != expected and time.monotonic() < until:
        time.sleep(0.01)
    assert list(sensor.read()) == expected


def test_counter_is_read_where_there_is_one_and_power_elsewhere(exporter):
    sensor = DcgmSensor(f"{exporter.url}/metrics", period_s=0.01)
    assert [(c.name, c.kind) for c in sensor.channels] == [
        ("dcgm.GPU-a.energy", "counter"), ("dcgm.GPU-b.power", "gauge")
    ]  # fmt: skip
    assert list(sensor.read()) == [5000, 300.0]
    exporter.show(DCGM_FI_DEV_POWER_USAGE={"GPU-a": 1.0, "GPU-b": 200.0},
                  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION={"GPU-a": 6000.0})  # fmt: skip
    wait_for(sensor, [6000, 200.0])
    sensor.close()


def test_gpu_that_vanishes_is_a_gap(exporter):
    sensor = DcgmSensor(exporter.url, period_s=0.01)
    exporter.show(DCGM_FI_DEV_POWER_USAGE={"GPU-b": 300.0})
    wait_for(sensor, [Retry("the exporter does not show this GPU any more"), 300.0])
    sensor.close()


def test_only_gpus_in_scope_are_billed(exporter):
    sensor = DcgmSensor(exporter.url, environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert [(c.part, c.in_scope) for c in sensor.channels] == [
        ("gpu/nvidia/GPU-a", False), ("gpu/nvidia/GPU-b", True)
    ]  # fmt: skip
    sensor.close()


def test_numbers_of_cuda_are_within_what_the_batch_system_left(exporter):
    sensor = DcgmSensor(exporter.url, environ={"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "1"})
    assert [c.in_scope for c in sensor.channels] == [False, True]
    sensor.close()


def test_mig_device_is_on_the_only_board_that_has_some(exporter):
    exporter.text = (
        'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a"} 100\n'
        'DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-b",GPU_I_ID="1"} 300\n'
    )
    sensor = DcgmSensor(exporter.url, environ={"CUDA_VISIBLE_DEVICES": "MIG-x"})
    in_scope = [c.in_scope for c in sensor.channels]
    sensor.close()
    assert in_scope == [False, True]


def test_mig_device_that_may_be_on_any_board_is_said(exporter):
    sensor = DcgmSensor(exporter.url, environ={"CUDA_VISIBLE_DEVICES": "MIG-x"})
    assert [c.in_scope for c in sensor.channels] == [False, False]
    assert "none is known to be the run's (CUDA_VISIBLE_DEVICES=MIG-x)" in sensor.channels[0].method
    sensor.close()


def test_mig_devices_count_their_board_once():
    server = FakeExporter(
        'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="1"} 300\n'
        'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="2"} 300\n'
    )
    sensor = DcgmSensor(server.url)
    assert list(sensor.read()) == [300.0]
    sensor.close()
    server.close()


def test_joules_of_other_exporters_are_kept_to_the_millijoule():
    server = FakeExporter('x_gpu_energy_joules_total{uuid="GPU-a"} 12.3456\n')
    sensor = DcgmSensor(server.url)
    assert sensor.read()[0] * sensor.channels[0].scale == pytest.approx(12.346)
    sensor.close()
    server.close()


def test_line_that_was_cut_is_no_sample():
    whole = 'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a"} 300.25\n'
    assert [s.value for s in parse_metrics(whole)] == [300.25]
    for n in range(len(whole)):
        assert list(parse_metrics(whole[:n])) == []


def test_host_without_gpus_is_said():
    server = FakeExporter('up{job="x"} 1\n')
    with pytest.raises(SensorError, match="shows no GPU's energy or power"):
        DcgmSensor(server.url)
    server.close()


@pytest.mark.parametrize(
    ("url", "message"), [("", "LOWTIDE_DCGM_URL"), ("http://127.0.0.1:1/m", "does not answer")]
)
def test_address_that_does_not_answer_is_said(url, message):
    with pytest.raises(SensorError, match=message):
        DcgmSensor(url)


def test_dcgm_keeps_the_door_s_promises(exporter):
    check_sensor(lambda: DcgmSensor(exporter.url))


def test_without_an_address_it_is_not_configured():
    with pytest.raises(SensorError, match=r"^not configured; set LOWTIDE_DCGM_URL="):
        DcgmSensor("")
