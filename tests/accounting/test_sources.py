"""Of several channels that measure the same watts, one is billed."""

from __future__ import annotations

import pytest

from lowtide.accounting.sources import choose_sources
from lowtide.model.hardware import Channel
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
    assert found == {"cpu": [], "memory": [], "gpus": [], "gpus_outside": [], "node": ["cray.n"]}


@pytest.mark.parametrize("consumer", ["run"])
def test_channel_of_the_run_alone_is_no_source_of_the_machine(consumer):
    assert chosen(channel("x.a", "cpu", "cpu/0", consumer=consumer))["cpu"] == []


def test_gpu_out_of_scope_is_kept_apart():
    found = chosen(
        channel("nvml.1", "gpu", "gpu/nvidia/GPU-1"),
        channel("nvml.2", "gpu", "gpu/nvidia/GPU-2", in_scope=False),
    )
    assert (found["gpus"], found["gpus_outside"]) == (["nvml.1"], ["nvml.2"])
