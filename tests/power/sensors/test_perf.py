"""Energy events of perf: which are opened, on which CPU, and what a refusal says."""

from __future__ import annotations

import os
import struct

import pytest

from lowtide.doors import Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.perf import PerfSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_sysfs import make_perf_tree


def pipe_with(*counts):
    """Return a descriptor that gives one count for each reading, as an event does."""
    end, begin = os.pipe()
    os.write(begin, b"".join(struct.pack("<q", count) for count in counts))
    os.close(begin)
    return end


def test_package_and_memory_are_opened_on_one_cpu_of_each_package(tmp_path):
    make_perf_tree(str(tmp_path), cpus=(0, 18), packages=(0, 1))
    opened = []

    def open_event(kind, config, cpu):
        opened.append((kind, config, cpu))
        return pipe_with(1 << 32)

    sensor = PerfSensor(str(tmp_path), open_event=open_event)
    assert opened == [(33, 2, 0), (33, 2, 18), (33, 3, 0), (33, 3, 18)]
    assert [c.part for c in sensor.channels] == ["cpu/0", "cpu/1", "memory/0", "memory/1"]
    assert [count * c.scale for count, c in zip(sensor.read(), sensor.channels, strict=True)] == [
        1.0
    ] * 4  # 2^32 / 2^32
    sensor.close()


def test_dies_of_one_package_are_told_apart(tmp_path):
    make_perf_tree(str(tmp_path), cpus=(0, 18), packages=(0, 0), ram=False)
    sensor = PerfSensor(str(tmp_path), open_event=lambda *_: pipe_with(1))
    assert [c.part for c in sensor.channels] == ["cpu/0-die-0", "cpu/0-die-1"]
    sensor.close()


def test_refusal_says_how_to_allow_it(tmp_path):
    make_perf_tree(str(tmp_path))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(SensorError, match="perf_event_paranoid=0"):
        PerfSensor(str(tmp_path), open_event=refuse)


def test_machine_without_events_says_so(tmp_path):
    with pytest.raises(SensorError, match="no energy events under"):
        PerfSensor(str(tmp_path))


def test_event_that_gives_nothing_is_retry(tmp_path):
    make_perf_tree(str(tmp_path), ram=False)
    sensor = PerfSensor(str(tmp_path), open_event=lambda *_: pipe_with())
    assert isinstance(sensor.read()[0], Retry)
    sensor.close()


def test_real_system_call_refuses_an_unknown_event_without_a_crash(tmp_path):
    make_perf_tree(str(tmp_path), ram=False)
    (tmp_path / "bus/event_source/devices/power/type").write_text("4000000")
    with pytest.raises(SensorError, match="energy-pkg may not be opened"):
        PerfSensor(str(tmp_path))


def test_perf_keeps_the_door_s_promises(tmp_path):
    make_perf_tree(str(tmp_path))
    check_sensor(lambda: PerfSensor(str(tmp_path), open_event=lambda *_: pipe_with(*range(3))))
