"""Laws of a node with a meter: parts and rest are the node, nothing is negative, runs never exceed it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_attribution_laws import N_TICKS, REL, machines

from lowtide.accounting.attribution import attribute, unattributed
from lowtide.accounting.bills import node_energy
from lowtide.model.hardware import Channel
from lowtide.testing.builders import make_readings

METER = Channel(
    name="meter",
    sensor="meter",
    component="node",
    quantity="energy",
    kind="counter",
    part="node",
    method="meter",
)
meters = st.lists(st.integers(0, 3000), min_size=N_TICKS - 1, max_size=N_TICKS - 1).map(
    lambda watts: np.array(watts, float)
)


def with_meter(machine, record, node_w):
    """Return a record to which the node's meter was recorded as well, and every GPU that is out of its scope."""
    joules = np.concatenate(([0.0], np.cumsum(node_w * np.diff(machine.t_ns) / 1e9)))
    first = int(np.searchsorted(machine.t_ns, record.start_ns))
    seen = slice(first, first + record.n_readings)
    added = {METER.name: make_readings(METER, machine.t_ns[seen], joules[seen])}
    for uuid, watts in machine.gpu_w.items():
        gpu = Channel(name=f"nvml.{uuid}.energy", sensor="nvml", component="gpu", quantity="energy", kind="counter",
                      scale=1e-3, part=f"gpu/nvidia/{uuid}", in_scope=False, method="outside")  # fmt: skip
        total = np.concatenate(([0.0], np.cumsum(watts * np.diff(machine.t_ns) / 1e9)))
        if gpu.name not in record.readings:
            added[gpu.name] = make_readings(gpu, machine.t_ns[seen], total[seen])
    return replace(record, readings={**record.readings, **added})


@given(machines(), meters)
def test_parts_and_rest_are_the_node_and_never_negative(machine, node_w):
    whole = node_energy(with_meter(machine, machine.whole(), node_w))
    bill = whole.bill
    total = sum(bill.by_component.values()) + bill.rest_kwh
    assert abs(total - bill.total_kwh) <= REL * (bill.total_kwh + 1e-9)
    assert bill.rest_kwh >= 0.0
    assert min(bill.by_component.values()) >= 0.0
    measured = [p.power for p in attribute(machine.whole()) if p.kind != "modelled"]
    inside_j = sum(p.energy_j() for p in measured)
    meter_j = float(node_w.sum())
    assert whole.power.energy_j() >= max(meter_j, inside_j) * (1 - REL) - 1e-6
    steps = np.maximum(node_w, sum((p.power_w for p in measured), np.zeros(N_TICKS - 1)))
    assert abs(whole.power.energy_j() - float(steps.sum())) <= REL * (float(steps.sum()) + 1.0)


@given(machines(), meters)
def test_runs_and_unattributed_are_the_metered_node(machine, node_w):
    whole = node_energy(with_meter(machine, machine.whole(), node_w)).power
    parts = [node_energy(with_meter(machine, record, node_w)).power for record in machine.records()]
    left = unattributed(whole, parts)
    scale = float(np.nanmax(whole.power_w)) + 1.0
    assert (left.power_w >= -1e-6 * scale).all()
    total = left.energy_j() + sum(part.energy_j() for part in parts)
    assert abs(total - whole.energy_j()) <= 1e-6 * scale * N_TICKS
