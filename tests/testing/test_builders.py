"""Builders of series and records."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.attribution import attribute
from lowtide.model.hardware import Channel
from lowtide.series.readings import MISSING
from lowtide.testing.builders import (
    START_NS,
    SharedMachine,
    SharedRun,
    intensity_series,
    make_header,
    make_readings,
    power_series,
    regular_edges,
)

NAN = float("nan")


def test_series_begin_at_the_common_start():
    assert power_series([1.0]).start_ns == intensity_series([1.0]).start_ns == START_NS
    assert intensity_series([1.0]).duration_s == 3600.0


def test_failed_readings_are_told_by_the_kind_of_channel():
    counter = Channel(name="e", sensor="s", component="cpu", quantity="energy", kind="counter", scale=0.5)
    gauge = Channel(name="p", sensor="s", component="gpu", quantity="power", kind="gauge", scale=0.001)
    t_ns = np.array([0, 1])
    assert make_readings(counter, t_ns, [1.0, NAN]).raw.tolist() == [2, MISSING]
    np.testing.assert_array_equal(make_readings(gauge, t_ns, [1.0, NAN]).raw, [1000.0, NAN])


def test_counter_wraps_at_its_modulus():
    counter = Channel(name="e", sensor="s", component="cpu", quantity="energy", kind="counter", modulus=10)
    assert make_readings(counter, np.array([0, 1]), [9.0, 12.0]).raw.tolist() == [9, 2]


def test_header_takes_changes():
    assert make_header(name="x", pue=1.2).pue == 1.2
    with pytest.raises(TypeError):
        make_header(colour="red")


def test_records_of_a_shared_machine_see_who_else_is_there():
    load = np.ones(3)
    machine = SharedMachine(
        t_ns=regular_edges(3, step_s=1.0),
        runs=(
            SharedRun(first=0, last=3, cpu_load=load, gpus=("GPU-a",)),
            SharedRun(first=2, last=3, cpu_load=load, cpu_share=0.5, gpus=("GPU-a",)),
        ),
        other_load=np.zeros(3),
        gpu_w={"GPU-a": np.array([100.0, 100.0, 300.0])},
    )
    first, second = machine.records()
    assert first.readings["node.cpu_shares"].raw.tolist() == [1.0, 1.0, 1.5, 1.5]
    assert first.readings["claims.GPU-a"].raw.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert first.readings["cpu.busy"].raw.tolist() == [0, 100, 200, 400]  # ticks of 10 ms
    assert (second.start_ns, second.end_ns) == (START_NS + 2 * 10**9, START_NS + 3 * 10**9)
    whole = {part.component: part for part in attribute(machine.whole())}
    assert whole["cpu"].power.power_w.tolist() == [65.0, 65.0, 90.0]  # 40 + 25 for each busy CPU
    assert whole["gpu"].power.energy_j() == 500.0
