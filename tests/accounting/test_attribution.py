"""From a record to the run's part of every component.

The default machine of the builders: 4 CPUs, 40 W idle and 140 W full, so 25 W for each busy CPU; 16 GB of
memory at 0.5 W/GB, so 8 W.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.attribution import attribute
from lowtide.model.record import Gap
from lowtide.testing.builders import (
    START_NS,
    SharedMachine,
    SharedRun,
    make_header,
    make_record,
    regular_edges,
)

S = 10**9
NAN = float("nan")


def by_component(record):
    return {part.component: part for part in attribute(record)}


def alone(**given):
    """Return a record of 3 readings of a run that keeps 2 CPUs busy, one of them for all 2 s."""
    given = {"machine_cpu_s": [0.0, 2.0, 3.0], "run_cpu_s": [0.0, 2.0, 3.0], **given}
    return make_record(given.pop("header", None), t_ns=regular_edges(2, step_s=1.0), **given)


def test_modelled_cpu_draws_idle_and_a_line_in_cpu_time():
    part = by_component(alone())["cpu"]
    assert part.power.power_w.tolist() == [90.0, 65.0]  # 40 + 2 x 25; 40 + 1 x 25
    assert part.idle.power_w.tolist() == [40.0, 40.0]
    assert (part.kind, part.power.boundary) == ("modelled", "components")


def test_modelled_memory_draws_the_share_of_the_machine():
    part = by_component(alone(header=make_header(memory_share=0.25)))["memory"]
    assert part.power.power_w.tolist() == [2.0]  # 8 W / 4
    assert part.idle.power_w.tolist() == [2.0]  # it refreshes whether used or not


def test_memory_of_unknown_size_is_left_out_not_zero():
    model = replace(make_header().memory_model, installed_gb=NAN)
    assert "memory" not in by_component(alone(header=make_header(memory_model=model)))


def test_measured_cpu_goes_by_the_share_of_cpu_time():
    # the machine draws 100 W and the run has 2 of 4, then 1 of 2 CPU seconds: 40 + 60 / 2
    part = by_component(alone(machine_cpu_s=[0.0, 4.0, 6.0], package_j=[0.0, 100.0, 200.0]))["cpu"]
    assert part.power.power_w.tolist() == [70.0, 70.0]
    assert part.kind == "counter"


def test_machine_that_does_nothing_has_no_dynamic_power_to_give():
    part = by_component(alone(machine_cpu_s=[0, 0, 0], run_cpu_s=[0, 0, 0], package_j=[0.0, 45.0, 90.0]))[
        "cpu"
    ]
    assert part.power.power_w.tolist() == [40.0, 40.0]  # its idle power alone; 5 W are nobody's


def test_unknown_busy_time_of_the_machine_leaves_dynamic_power_unknown():
    # the counter of the machine's CPU time fell: what part of the power is the run's cannot be told
    part = by_component(alone(machine_cpu_s=[9.0, 2.0, 3.0], package_j=[0.0, 100.0, 200.0]))["cpu"]
    np.testing.assert_array_equal(part.power.power_w, [NAN, 100.0])


def test_reset_of_an_energy_counter_is_a_gap_with_its_reason():
    part = by_component(alone(package_j=[500.0, 10.0, 110.0]))["cpu"]
    np.testing.assert_array_equal(part.power.power_w, [NAN, 100.0])
    assert part.gaps == (
        Gap(start_ns=START_NS, end_ns=START_NS + S, channel="rapl.package-0", reason="counter reset"),
    )


def test_memory_counter_is_used_where_there_is_one():
    part = by_component(alone(dram_j=[0.0, 6.0, 12.0]))["memory"]
    assert (part.power.power_w.tolist(), part.kind) == ([6.0, 6.0], "counter")


def test_gpu_counter_is_billed_whole():
    part = by_component(alone(gpu_j={"GPU-a1": [0.0, 300.0, 700.0]}))["gpu"]
    assert (part.power.power_w.tolist(), part.kind) == ([300.0, 400.0], "counter")
    assert part.idle.power_w.tolist() == [0.0, 0.0]


def test_gpu_gauge_is_a_trapezoid():
    part = by_component(alone(gpu_w={"GPU-a1": [100.0, 300.0, 300.0]}))["gpu"]
    assert (part.power.power_w.tolist(), part.kind) == ([200.0, 300.0], "gauge")


def test_gpu_that_two_runs_claim_is_halved():
    claimed = alone(gpu_j={"GPU-a1": [0.0, 300.0, 700.0]}, claims={"GPU-a1": [1.0, 1.0, 2.0]})
    # the second run came during the second step: it counts in all of it
    assert by_component(claimed)["gpu"].power.power_w.tolist() == [300.0, 200.0]


def test_claims_on_one_gpu_do_not_touch_another_whose_name_begins_alike():
    record = alone(
        gpu_j={"GPU-a1": [0, 300, 600], "GPU-a10": [0, 300, 600]}, claims={"GPU-a1": [2.0, 2.0, 2.0]}
    )
    assert [p.power.power_w.tolist() for p in attribute(record) if p.component == "gpu"] == [
        [150.0, 150.0],
        [300.0, 300.0],
    ]


def test_failed_gpu_reading_costs_no_energy():
    part = by_component(alone(gpu_j={"GPU-a1": [0.0, NAN, 700.0]}))["gpu"]
    assert part.power.energy_j() == 700.0


def test_idle_power_is_split_again_when_a_run_comes():
    part = by_component(alone(cpu_shares=[1.0, 1.0, 2.0], run_cpu_s=[0, 0, 0], machine_cpu_s=[0, 0, 0]))[
        "cpu"
    ]
    assert part.power.power_w.tolist() == [40.0, 20.0]  # alone, then with another in (part of) the step


def test_shares_that_fit_on_the_machine_are_not_reduced():
    header = make_header(cpu_share=0.25)
    part = by_component(alone(header=header, cpu_shares=[0.75, 0.75, 0.75], run_cpu_s=[0, 0, 0]))["cpu"]
    assert part.power.power_w.tolist() == [10.0, 10.0]


@pytest.mark.parametrize(
    ("attribution", "cpu_w", "memory_w"),
    [
        ("share", [60.0, 35.0], [4.0]),  # 40 / 4 + 50, 40 / 4 + 25; 8 / 2
        ("dynamic", [50.0, 25.0], [0.0]),
        ("machine", [140.0, 90.0], [8.0]),
    ],
)
def test_ways_to_attribute(attribution, cpu_w, memory_w):
    # the machine has 4, then 2 busy CPUs; the run 2, then 1 of them, a quarter of the CPUs, half the memory
    header = make_header(attribution=attribution, cpu_share=0.25, memory_share=0.5)
    parts = by_component(alone(header=header, machine_cpu_s=[0, 4, 6]))
    assert parts["cpu"].power.power_w.tolist() == cpu_w
    assert parts["memory"].power.power_w.tolist() == memory_w


def test_suspended_machine_draws_an_unknown_power_by_the_models():
    gap = Gap(start_ns=START_NS, end_ns=START_NS + S, channel="all", reason="suspended")
    part = by_component(alone(gaps=(gap,)))["cpu"]
    np.testing.assert_array_equal(part.power.power_w, [NAN, 65.0])


def test_single_reading_says_nothing_of_the_cpu():
    one = make_record(t_ns=regular_edges(0, step_s=1.0), machine_cpu_s=[0.0], run_cpu_s=[0.0])
    assert "cpu" not in by_component(one)


def test_two_runs_that_overlap_take_the_machine_once():
    load = np.array([1.0, 1.0, 1.0, 0.0])
    machine = SharedMachine(
        t_ns=regular_edges(4, step_s=1.0),
        runs=(SharedRun(first=0, last=3, cpu_load=load), SharedRun(first=1, last=4, cpu_load=load[::-1])),
        other_load=np.zeros(4),
    )
    first, second = (by_component(record)["cpu"].power.power_w.tolist() for record in machine.records())
    assert first == [45.0, 45.0, 45.0]  # 40 / 2 + 25; already halved in the step in which the second comes
    assert second == [45.0, 45.0, 45.0]
