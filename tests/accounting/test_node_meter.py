"""The rest of a node is its meter minus what is known inside it; parts and rest are the node.

The default machine: 4 CPUs, 40 W idle and 140 W full; 16 GB of memory at 0.5 W/GB, so 8 W.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.bills import node_energy
from lowtide.model.hardware import Channel
from lowtide.testing.builders import make_header, make_readings, make_record, regular_edges

T_NS = regular_edges(4, step_s=1.0)
NAN = float("nan")
KWH = 3.6e6
METER = Channel(
    name="ipmi.node", sensor="ipmi", component="node", quantity="power", kind="gauge", part="node",
    boundary="node", low_fraction=0.9, high_fraction=1.1, method="IPMI DCMI power reading",
)  # fmt: skip
OUTSIDE = Channel(
    name="nvml.GPU-9.energy", sensor="nvml", component="gpu", quantity="energy", kind="counter", scale=1e-3,
    part="gpu/nvidia/GPU-9", in_scope=False, method="NVML total-energy counter",
)  # fmt: skip


def metered(node_w, *, package_w=100.0, run=1.0, outside_w=None, header=None, **given):
    """Return the energy of a run with `run` of the machine's 4 busy CPUs, on a node with a meter."""
    s = np.arange(5.0)
    record = make_record(
        header or make_header(), t_ns=T_NS, machine_cpu_s=4 * s, run_cpu_s=4 * run * s,
        package_j=None if package_w is None else package_w * s, **given,
    )  # fmt: skip
    extra = {METER.name: make_readings(METER, T_NS, np.broadcast_to(node_w, 5))}
    if outside_w is not None:
        extra[OUTSIDE.name] = make_readings(OUTSIDE, T_NS, outside_w * s)
    return node_energy(replace(record, readings={**record.readings, **extra}))


def joules(energy):
    bill = energy.bill
    parts = {name.removesuffix("_kwh"): kwh * KWH for name, kwh in bill.by_component.items()}
    return {**parts, "rest": bill.rest_kwh * KWH, "total": bill.total_kwh * KWH}


def test_rest_is_the_meter_minus_what_is_inside():
    # 4 s: 400 J of processor, 32 J of modelled memory, and the meter says 800 J
    found = joules(metered(200.0))
    assert found == pytest.approx({"cpu": 400.0, "memory": 32.0, "rest": 368.0, "total": 800.0})


def test_parts_and_rest_are_the_total():
    found = joules(metered(200.0, run=0.5))
    assert found["cpu"] + found["memory"] + found["rest"] == pytest.approx(found["total"])
    # idle 40 W, of 60 W dynamic the half: 70 W of 100; with 8 W of memory 78 of 108; so of the rest of 92 W
    assert found["rest"] == pytest.approx(4 * 92.0 * 78 / 108)


def test_two_runs_and_what_is_nobody_s_are_the_meter():
    halves = [
        joules(metered(200.0, run=0.5, header=make_header(cpu_share=0.5, memory_share=0.5))) for _ in range(2)
    ]
    assert sum(found["total"] for found in halves) == pytest.approx(800.0)


def test_meter_that_lags_never_makes_a_negative_rest_and_the_bill_says_so():
    energy = metered(
        [60.0, 60.0, 200.0, 200.0, 200.0]
    )  # the processor alone draws 100 W from the first second
    found = joules(energy)
    # first step: meter 60 W, so 100 W of processor stand for the node and the model of memory gives way (fit 0);
    # second: (60 + 200) / 2 = 130 W: 100 + 8 + 22; then 200 W twice: 100 + 8 + 92
    assert found["rest"] == pytest.approx(0.0 + 22.0 + 92.0 + 92.0)
    assert found["memory"] == pytest.approx(0.0 + 8.0 + 8.0 + 8.0)
    assert found["total"] == pytest.approx(100.0 + 130.0 + 200.0 + 200.0)
    assert "lagged behind its parts for 25% of the time" in energy.bill.method_notes["rest"]


def test_models_give_way_to_the_meter():
    # modelled: 140 W of processor and 8 W of memory, while the meter says 74 W: both are halved, nothing is left
    found = joules(metered(74.0, package_w=None))
    assert found == pytest.approx({"cpu": 280.0, "memory": 16.0, "rest": 0.0, "total": 296.0})


def test_silent_meter_is_modelled_and_said():
    energy = metered(
        [200.0, NAN, NAN, NAN, 200.0]
    )  # 4 s without a reading: farther apart than a gauge may be
    found = joules(energy)
    assert found["rest"] == pytest.approx((400.0 + 32.0) * 0.25)  # the builders' rest of a quarter
    assert "modelled for the 100% of the time" in energy.bill.method_notes["rest"]
    assert energy.bill.measured_fraction == 0.0
    assert [gap.channel for gap in energy.gaps] == ["ipmi.node"]


def test_gpu_of_somebody_else_is_in_the_meter_and_not_in_the_bill():
    alone = joules(metered(200.0))
    beside = joules(metered(500.0, outside_w=300.0))
    assert set(beside) == set(alone)
    # rest 92 W as before; the run has 108 W of 408 W known
    assert beside["rest"] == pytest.approx(4 * 92.0 * 108 / 408)
    assert beside["total"] < alone["total"]


def test_meter_makes_the_bill_measured_and_its_range_the_meter_s():
    bill = metered(200.0).bill
    assert (bill.method["rest"], bill.measured_fraction) == ("gauge", 1.0)
    # the run takes all of the machine, so only the meter moves it: 800 J +-10 %
    assert (bill.low_kwh * KWH, bill.high_kwh * KWH) == pytest.approx((720.0, 880.0))


def test_part_of_the_machine_carries_the_error_of_the_models_that_split_it():
    whole, part = metered(200.0, package_w=None).bill, metered(200.0, package_w=None, run=0.25).bill

    def width(bill):
        return (bill.high_kwh - bill.low_kwh) / bill.total_kwh

    assert width(part) > width(whole)


def test_node_counter_is_exact():
    counter = replace(METER, name="cray.energy", quantity="energy", kind="counter")
    s = np.arange(5.0)
    record = make_record(t_ns=T_NS, machine_cpu_s=4 * s, run_cpu_s=4 * s, package_j=100 * s)
    readings = {**record.readings, counter.name: make_readings(counter, T_NS, 250 * s)}
    bill = node_energy(replace(record, readings=readings)).bill
    assert (bill.total_kwh * KWH, bill.method["rest"]) == (pytest.approx(1000.0), "counter")
