"""NVML through the real binding on the stand-in: what is read, how it fails, who else is there."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from sampled import energy_of, sample

from lowtide.accounting.attribution import attribute
from lowtide.doors import Broken, Outcome, Retry, Stopped
from lowtide.errors import SensorError
from lowtide.power.sensors import nvml as nvml_module
from lowtide.power.sensors.nvml import NvmlSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_nvml import A100, H100, P100, V100

CODES = [*range(1, 31), 999]


def steady(board, watts=300.0, **changes):
    return replace(board, t_s=[0.0], power_w=[watts], **changes)


@pytest.mark.parametrize(
    ("board", "method", "window_s"),
    [
        (steady(V100), "NVML total-energy counter", 0.0),
        (steady(A100), "NVML total-energy counter", 0.0),
        (steady(P100), "NVML power usage", 0.01),
        (steady(A100, counter_s=0.0), "NVML power usage", 0.025),
        (steady(H100, counter_s=0.0), "NVML average power field", 1.0),
        (steady(H100, counter_s=0.0, fields=6), "NVML instant power field", 0.025),
        (steady(H100, counter_s=0.0, fields=4), "NVML power usage", 1.0),
    ],
)
def test_best_way_to_read_a_board_is_chosen_and_named(driver, board, method, window_s):
    driver([board]).at(10.0)
    sensor = NvmlSensor(environ={})
    channel = sensor.channels[0]
    assert (channel.method, channel.window_s) == (method, window_s)
    assert sensor.read()[0] * channel.scale == pytest.approx(3000.0 if channel.kind == "counter" else 300.0)
    sensor.close()


def test_gpu_that_falls_off_the_bus_is_a_gap_with_its_reason_and_the_others_go_on(driver):
    fake = driver([steady(A100), steady(A100)])

    def set_time(t_s):
        fake.at(t_s)
        if t_s >= 5.0:
            fake.lose(1)

    record = sample([NvmlSensor(environ={})], np.arange(0.0, 11.0), set_time=set_time)
    healthy, lost = (p for p in attribute(record) if p.component == "gpu")
    assert healthy.power.energy_j() == 3000.0
    assert lost.power.energy_j() == 1200.0  # until the last reading that answered, at 4 s
    (gap,) = lost.gaps
    assert (gap.end_ns - gap.start_ns) / 1e9 == 6.0
    assert gap.reason.startswith("GPU lost")
    assert [e.kind for e in record.events] == ["broken"]


def test_gpu_that_is_lost_already_keeps_its_place_and_is_broken(driver):
    fake = driver([steady(A100), steady(A100)])
    fake.fail(0, 15, "handle")
    sensor = NvmlSensor(environ={})
    assert sensor.channels[0].name == "nvml.index-0.energy"
    assert isinstance(sensor.read()[0], Broken)
    sensor.close()


def test_counter_that_is_reset_is_a_gap_and_never_negative(driver):
    fake = driver([steady(A100)])

    def set_time(t_s):
        fake.at(t_s)
        if t_s >= 6.0:
            fake.reset_counter(0, 5.5)

    record = sample([NvmlSensor(environ={})], np.arange(0.0, 11.0), set_time=set_time)
    (part,) = (p for p in attribute(record) if p.component == "gpu")
    assert part.power.energy_j() == pytest.approx(300.0 * 9, rel=0.01)  # all but the second of the reset
    assert [gap.reason for gap in part.gaps] == ["counter reset"]


def test_error_that_passes_costs_no_energy(driver):
    fake = driver([steady(A100)])

    def set_time(t_s):
        fake.at(t_s)
        fake.fail(0, 999 if t_s == 5.0 else 0, "energy")

    record = sample([NvmlSensor(environ={})], np.arange(0.0, 11.0), set_time=set_time)
    assert energy_of(record, "gpu")[0] == 3000.0


@pytest.mark.parametrize("code", CODES)
def test_any_error_of_any_call_is_an_outcome(driver, code):
    fake = driver([steady(H100), steady(P100)])
    for calls in (["energy"], ["power"], ["handle"], ["processes"], []):
        for when in ("before", "after"):
            fake.fail(0, 0)
            if when == "before":
                fake.fail(0, code, *calls)
            try:
                sensor = NvmlSensor(environ={}, members=lambda: [os.getpid()])
            except SensorError:
                continue
            fake.fail(0, code, *calls)
            outcomes: list[Outcome] = list(sensor.read())
            assert len(outcomes) == len(sensor.channels)
            assert all(isinstance(o, int | float | Retry | Stopped | Broken) for o in outcomes)
            sensor.close()


@pytest.mark.parametrize("code", CODES)
def test_any_error_at_the_start_says_what_to_look_at(driver, code):
    driver([steady(A100)]).refuse(code)
    with pytest.raises(SensorError, match="is the NVIDIA driver loaded"):
        NvmlSensor(environ={})


def test_board_that_answers_nothing_invents_no_joule(driver):
    fake = driver([steady(A100)])
    fake.fail(0, 999)
    record = sample([NvmlSensor(environ={})], np.arange(0.0, 5.0), set_time=fake.at)
    assert energy_of(record, "gpu") == (0, 0, 0)


def test_others_on_the_gpu_are_seen_and_it_is_shared(driver, monkeypatch):
    monkeypatch.setattr(nvml_module, "pids_are_the_hosts", lambda: True)
    fake = driver([steady(A100)])
    fake.processes(0, {10: 60, 99: 20})
    record = sample([NvmlSensor(environ={}, members=lambda: [10])], np.arange(0.0, 11.0), set_time=fake.at)
    (part,) = (p for p in attribute(record) if p.component == "gpu")
    assert part.power.energy_j() == pytest.approx(3000.0 * 60 / 80)
    assert "allocation rule" in part.note


def test_in_a_pid_namespace_nobody_can_be_told_apart_so_the_gpu_is_billed_whole(driver, monkeypatch):
    monkeypatch.setattr(nvml_module, "pids_are_the_hosts", lambda: False)
    driver([steady(A100)]).processes(0, {10: 60, 99: 20})
    sensor = NvmlSensor(environ={}, members=lambda: [10])
    assert [c.quantity for c in sensor.channels] == ["energy"]
    sensor.close()


def test_gpus_out_of_scope_are_read_for_a_node_meter(driver):
    driver([steady(A100)] * 3)
    sensor = NvmlSensor(environ={"CUDA_VISIBLE_DEVICES": "1"}, outside=True)
    assert [c.in_scope for c in sensor.channels] == [True, False, False]
    assert sensor.uuids == ("GPU-00000001-0000-0000-0000-000000000000",)
    sensor.close()


def test_stand_in_keeps_the_door_s_promises(driver):
    driver([steady(A100), steady(P100)])
    check_sensor(lambda: NvmlSensor(environ={}))


def test_replay_in_real_time(driver):
    driver([steady(A100)], start_wall_ns=time.time_ns() - 10_000_000_000)
    sensor = NvmlSensor(environ={})
    (first,) = sensor.read()
    assert 3000.0 <= first * 1e-3 <= 3060.0  # 10 s and a little at 300 W
    sensor.close()


def test_shared_gpus_keep_the_door_s_promises(driver, monkeypatch):
    monkeypatch.setattr(nvml_module, "pids_are_the_hosts", lambda: True)
    driver([steady(A100)]).processes(0, {10: 60, 99: 20})
    check_sensor(lambda: NvmlSensor(environ={}, members=lambda: [10]))


@pytest.mark.parametrize(
    ("environ", "doubtful"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, True),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, False),
        ({"CUDA_VISIBLE_DEVICES": "GPU-00000001"}, False),
        ({}, False),
    ],
)
def test_unlike_gpus_by_number_are_doubtful_unless_their_order_is_fixed(driver, environ, doubtful):
    driver([steady(A100), steady(V100)])
    sensor = NvmlSensor(environ=environ)
    assert ("CUDA_DEVICE_ORDER" in sensor.channels[0].method) == doubtful
    sensor.close()


def test_like_gpus_stay_alike_when_one_is_lost(driver):
    driver([steady(A100)] * 4).lose(2)
    sensor = NvmlSensor(environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert sensor.channels[0].method == "NVML total-energy counter"
    sensor.close()


@pytest.mark.parametrize(("minor", "found"), [(3, True), (5, False), (-1, True)])
def test_gpu_is_found_by_its_device_file_whatever_its_index(driver, monkeypatch, minor, found):
    # the job was given the GPU of /dev/nvidia3: that one may be opened, and is the only one to show
    monkeypatch.setattr(nvml_module, "may_open_gpu", lambda minor: minor == 3)
    driver([steady(A100, minor=minor)])
    environ = {"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "3"}
    sensor = NvmlSensor(environ=environ, outside=True)
    assert sensor.channels[0].in_scope == found
    sensor.close()


def test_gpu_that_is_kept_from_the_process_is_not_counted(driver):
    fake = driver([steady(A100)] * 3)
    fake.fail(0, 4, "handle")
    sensor = NvmlSensor(environ={"CUDA_VISIBLE_DEVICES": "0"})
    assert sensor.uuids == ("GPU-00000001-0000-0000-0000-000000000000",)
    sensor.close()
