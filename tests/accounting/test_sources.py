"""Of several channels that measure the same watts, one is billed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lowtide.accounting.bills import node_energy
from lowtide.accounting.sources import choose_sources
from lowtide.model.hardware import Channel
from lowtide.model.record import Event, Gap
from lowtide.testing.builders import make_readings, make_record, regular_edges

T_NS = regular_edges(2, step_s=1.0)
NAN = float("nan")


def channel(name, component, part, **options):
    given = {"quantity": "energy", "kind": "counter", "method": "test", **options}
    return Channel(name=name, sensor=name.split(".")[0], component=component, part=part, **given)


def chosen(*channels, values=None):
    record = make_record(t_ns=T_NS, machine_cpu_s=[0, 1, 2], run_cpu_s=[0, 1, 2])
    given = {c.name: make_readings(c, T_NS, (values or {}).get(c.name, [0.0, 1.0, 2.0])) for c in channels}
    sources = choose_sources({**record.readings, **given}.values())
    return {
        field: [r.channel.name for r in ([found] if field == "node" and found else found or ())]
        for field, found in sources._asdict().items()
    }


def test_package_in_rapl_and_perf_counts_once():
    found = chosen(channel("rapl.a", "cpu", "cpu/0"), channel("perf.a", "cpu", "cpu/0"))
    assert found["cpu"] == ["rapl.a"]


def test_sensor_that_reads_more_packages_is_preferred():
    found = chosen(
        channel("one.a", "cpu", "cpu"), channel("two.a", "cpu", "cpu/0"), channel("two.b", "cpu", "cpu/1")
    )
    assert found["cpu"] == ["two.a", "two.b"]


def test_counter_comes_before_gauge_and_narrow_before_wide():
    gauge = {"quantity": "power", "kind": "gauge"}
    wide = {"low_fraction": 0.5, "high_fraction": 1.5}
    found = chosen(
        channel("g.a", "cpu", "cpu/0", **gauge),
        channel("w.a", "cpu", "cpu/0", **wide),
        channel("c.a", "cpu", "cpu/0"),
    )
    assert found["cpu"] == ["c.a"]


def test_sensor_that_fails_all_the_time_gives_way():
    found = chosen(
        channel("rapl.a", "cpu", "cpu/0"),
        channel("perf.a", "cpu", "cpu/0"),
        values={"rapl.a": [NAN, NAN, 5.0]},
    )
    assert found["cpu"] == ["perf.a"]


def test_processor_of_one_sensor_and_memory_of_another():
    found = chosen(channel("perf.a", "cpu", "cpu/0"), channel("cray.m", "memory", "memory"))
    assert (found["cpu"], found["memory"]) == (["perf.a"], ["cray.m"])


def test_gpu_in_nvml_and_in_an_exporter_counts_once():
    found = chosen(
        channel("dcgm.1", "gpu", "gpu/nvidia/GPU-1", high_fraction=1.5),
        channel("nvml.1", "gpu", "gpu/nvidia/GPU-1"),
        channel("dcgm.2", "gpu", "gpu/nvidia/GPU-2"),
    )
    assert found["gpus"] == ["nvml.1", "dcgm.2"]


def test_accelerators_without_a_maker_give_way_to_the_maker_s_own():
    cray = [channel(f"cray.{i}", "gpu", f"gpu/{i}") for i in range(2)]
    assert chosen(*cray)["gpus"] == ["cray.0", "cray.1"]
    assert chosen(*cray, channel("nvml.1", "gpu", "gpu/nvidia/GPU-1"))["gpus"] == ["nvml.1"]


def test_gpus_of_two_makers_are_both_billed():
    found = chosen(channel("nvml.1", "gpu", "gpu/nvidia/GPU-1"), channel("amd.1", "gpu", "gpu/amd/GPU-1"))
    assert found["gpus"] == ["nvml.1", "amd.1"]


def test_module_is_evidence_and_the_node_meter_stands_apart():
    found = chosen(
        channel("grace.m", "other", "module/0"),
        channel("ipmi.n", "node", "node", quantity="power", kind="gauge"),
        channel("cray.n", "node", "node"),
    )
    assert found == {
        "cpu": [], "memory": [], "gpus": [], "gpus_outside": [], "node": ["cray.n"], "lost": []
    }  # fmt: skip


@pytest.mark.parametrize("consumer", ["run"])
def test_channel_of_the_run_alone_is_no_source_of_the_machine(consumer):
    assert chosen(channel("x.a", "cpu", "cpu/0", consumer=consumer))["cpu"] == []


def test_gpu_out_of_scope_is_kept_apart():
    found = chosen(
        channel("nvml.1", "gpu", "gpu/nvidia/GPU-1"),
        channel("nvml.2", "gpu", "gpu/nvidia/GPU-2", in_scope=False),
    )
    assert (found["gpus"], found["gpus_outside"]) == (["nvml.1"], ["nvml.2"])


DEAD = [NAN, NAN, NAN]
GPU_1, GPU_2 = (channel(f"nvml.{i}", "gpu", f"gpu/nvidia/GPU-{i}") for i in (1, 2))


@pytest.mark.parametrize("values", [DEAD, [0.0, NAN, NAN], [NAN, NAN, 7.0]], ids=["none", "first", "last"])
def test_gpu_of_which_fewer_than_two_readings_are_good_is_a_gap_with_what_its_sensor_said(values):
    record = make_record(t_ns=T_NS, machine_cpu_s=[0, 1, 2], run_cpu_s=[0, 1, 2], gpu_j={"GPU-a": [0, 1, 2]})
    readings = {**record.readings, GPU_2.name: make_readings(GPU_2, T_NS, values)}
    said = (Event(t_ns=int(T_NS[0]), kind="broken", channel=GPU_2.name, detail="GPU is lost"),)
    whole, short = node_energy(record), node_energy(replace(record, readings=readings, events=said))
    assert short.gaps == (
        Gap(start_ns=int(T_NS[0]), end_ns=int(T_NS[-1]), channel="nvml.2", reason="GPU is lost"),
    )
    assert (whole.gaps, whole.bill) == ((), short.bill)


def test_part_that_another_sensor_reads_is_not_lost():
    dcgm = channel("dcgm.2", "gpu", "gpu/nvidia/GPU-2")
    assert chosen(GPU_1, GPU_2, dcgm, values={"nvml.2": DEAD})["lost"] == []
    outside = replace(dcgm, in_scope=False)
    assert chosen(GPU_1, GPU_2, outside, values={"nvml.2": DEAD})["lost"] == ["nvml.2"]


def test_gpu_that_is_not_the_run_s_or_has_another_name_is_not_lost():
    outside = replace(GPU_2, in_scope=False)
    assert chosen(GPU_1, outside, values={"nvml.2": DEAD})["lost"] == []
    by_number = channel("cray.0", "gpu", "gpu/0")
    assert chosen(GPU_1, by_number, values={"cray.0": DEAD})["lost"] == []
    assert chosen(GPU_1, by_number, values={"nvml.1": DEAD})["lost"] == []
    assert chosen(GPU_1, by_number, values={"nvml.1": DEAD, "cray.0": DEAD})["lost"] == ["nvml.1"]


@pytest.mark.parametrize("component", ["cpu", "memory"])
def test_package_that_cannot_be_read_beside_one_that_can_is_lost(component):
    parts = [channel(f"rapl.{i}", component, f"{component}/{i}") for i in (0, 1)]
    found = chosen(*parts, values={"rapl.1": DEAD})
    assert (found[component], found["lost"]) == (["rapl.0"], ["rapl.1"])
    whole = channel("cray.a", component, component, low_fraction=0.9)
    found = chosen(*parts, whole, values={"rapl.0": DEAD, "rapl.1": DEAD})
    assert (found[component], found["lost"]) == (["cray.a"], [])
