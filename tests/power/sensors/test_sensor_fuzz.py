"""Garbage in the kernel's files and on the wire: an outcome each time, never a traceback and never a made-up number."""

from __future__ import annotations

import os
import re
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from lowtide.doors import Broken, Retry
from lowtide.errors import SensorError
from lowtide.power.sensors.cray import CraySensor
from lowtide.power.sensors.dcgm import parse_metrics
from lowtide.power.sensors.grace import GraceSensor
from lowtide.power.sensors.intel_gpu import IntelGpuSensor
from lowtide.power.sensors.ipmi import parse_reading
from lowtide.power.sensors.jetson import JetsonSensor
from lowtide.power.sensors.perf import PerfSensor
from lowtide.power.sensors.rapl import RaplSensor
from lowtide.testing.fake_sysfs import (
    make_grace_tree,
    make_intel_gpu_tree,
    make_jetson_tree,
    make_perf_tree,
    make_pm_counters,
)
from lowtide.testing.fakes import make_powercap_tree

garbage = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b"\n",
        b"nan",
        b"inf",
        b"-1",
        b"1e400",
        b"9" * 40,
        b"0x10",
        b"1 2",
        b"1_000",
        "١٢".encode(),
        b"12\x00",
    ]
)
TREES = {
    "rapl": (lambda root: make_powercap_tree(root, packages=2, dies=2), RaplSensor),
    "grace": (make_grace_tree, GraceSensor),
    "cray": (make_pm_counters, CraySensor),
    "intel_gpu": (make_intel_gpu_tree, IntelGpuSensor),
    "jetson": (make_jetson_tree, JetsonSensor),
    "perf": (
        make_perf_tree,
        lambda root: PerfSensor(root, open_event=lambda *_: os.open("/dev/null", os.O_RDONLY)),
    ),
}


def files_below(root):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)


def read_or_refused(make, root):
    """Return the outcomes, or None where there was nothing to open; anything else fails the test."""
    try:
        sensor = make(root)
    except SensorError:
        return None
    outcomes = list(sensor.read())
    assert len(outcomes) == len(sensor.channels)
    sensor.close()
    return outcomes


@given(st.sampled_from(sorted(TREES)), st.data())
def test_garbage_in_any_file_of_a_tree_before_opening(name, data):
    build, make = TREES[name]
    with tempfile.TemporaryDirectory() as root:
        build(root)
        for path in data.draw(st.lists(st.sampled_from(files_below(root)), min_size=1, max_size=3)):
            with open(path, "wb") as file:
                file.write(data.draw(garbage))
        for outcome in read_or_refused(make, root) or []:
            assert isinstance(outcome, Retry | Broken) or 0 <= outcome <= 2**62


@given(st.sampled_from(["rapl", "grace", "cray", "intel_gpu"]), garbage)
def test_number_is_read_only_from_what_is_one(name, content):
    build, make = TREES[name]
    with tempfile.TemporaryDirectory() as root:
        build(root)
        sensor = make(root)
        wanted = re.compile(r"energy_uj|power1_average$|energy$|_energy|energy1_input")
        for path in files_below(root):
            if wanted.search(os.path.basename(path)):
                with open(path, "r+b") as file:
                    file.truncate()
                    file.write(content)
        for outcome in sensor.read():
            if not isinstance(outcome, Retry | Broken):
                said = content.split()[0] if name == "cray" else content.strip()
                assert float(said) == float(outcome)  # what the file says, and nothing else
        sensor.close()


@given(st.text(max_size=300) | st.text(alphabet='DCGM_FI{}="0123456789.eE+- \nUID,', max_size=300))
def test_any_text_of_an_exporter_is_read_to_its_end(text):
    for sample in parse_metrics(text):
        assert sample.value - sample.value == 0.0


METRICS = 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a"} 123456\n' * 3


@given(st.integers(0, len(METRICS)))
def test_metrics_that_are_cut_give_whole_lines_only(n):
    assert [s.value for s in parse_metrics(METRICS[:n])] == [123456.0] * METRICS[:n].count("\n")


@given(st.text(max_size=200) | st.from_regex(r"Instantaneous power reading: .{0,20} Watts.*", fullmatch=True))
def test_any_words_of_a_controller_are_a_reading_or_refused(text):
    try:
        assert 0.0 < parse_reading(text) < 100_000.0
    except SensorError:
        return
