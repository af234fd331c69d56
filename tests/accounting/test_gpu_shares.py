"""A GPU that others use as well: by SM utilisation, labelled, and never more than the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.accounting.attribution import attribute
from lowtide.accounting.shares import sm_share
from lowtide.model.hardware import Channel
from lowtide.power.sensors.gpu_users import user_channels
from lowtide.testing.builders import make_header, make_readings, make_record, regular_edges

T_NS = regular_edges(2, step_s=1.0)


def gpu(*, sm_run=None, sm_others=(0, 0, 0), others=(0, 0, 0), claims=None, header=None):
    record = make_record(
        header, t_ns=T_NS, machine_cpu_s=[0, 1, 2], run_cpu_s=[0, 1, 2], gpu_j={"GPU-a": [0, 300, 600]},
        claims=None if claims is None else {"GPU-a": claims},
    )  # fmt: skip
    name, part = "nvml.GPU-a.energy", "gpu/nvidia/GPU-a"
    readings = dict(record.readings)
    readings[name] = replace(readings[name], channel=replace(readings[name].channel, part=part))
    if sm_run is not None:
        for channel, percent in zip(
            user_channels("nvml", "GPU-a", part), (sm_run, sm_others, others), strict=True
        ):
            values = np.array(percent, float) * channel.scale
            readings[channel.name] = make_readings(channel, T_NS, values)
    return next(p for p in attribute(replace(record, readings=readings)) if p.component == "gpu")


def test_gpu_is_billed_whole_while_nobody_else_is_on_it():
    part = gpu(sm_run=[50, 50, 50])
    assert part.power.power_w.tolist() == [300.0, 300.0]
    assert "allocation rule" not in part.note


def test_other_process_takes_its_part_by_sm_utilisation_and_the_bill_says_so():
    part = gpu(sm_run=[60, 60, 60], sm_others=[20, 0, 0], others=[1, 0, 0])
    assert part.power.power_w.tolist() == pytest.approx([225.0, 300.0])  # 60 of 80 while it is there
    assert "by SM utilisation (an allocation rule)" in part.note
    assert part.whole.power_w.tolist() == [300.0, 300.0]


def test_idle_gpu_with_another_process_is_divided_evenly():
    assert gpu(sm_run=[0, 0, 0], others=[1, 1, 1]).power.power_w.tolist() == [150.0, 150.0]


def test_claims_bound_what_utilisation_gives():
    # two runs claim it: the busy one takes no more than a half, the other no more than its utilisation
    assert (
        gpu(sm_run=[90] * 3, sm_others=[10] * 3, others=[1] * 3, claims=[2.0] * 3).power.energy_j() == 300.0
    )
    assert gpu(
        sm_run=[10] * 3, sm_others=[90] * 3, others=[1] * 3, claims=[2.0] * 3
    ).power.energy_j() == pytest.approx(60.0)


def test_whole_machine_takes_the_whole_gpu():
    header = make_header(attribution="machine")
    assert gpu(sm_run=[1] * 3, sm_others=[99] * 3, others=[1] * 3, header=header).power.energy_j() == 600.0
    assert gpu(claims=[2.0] * 3, header=header).power.energy_j() == 600.0
    assert gpu(claims=[2.0] * 3).power.energy_j() == 300.0


@pytest.mark.parametrize(("part", "w"), [("gpu/amd/a", 150.0), ("gpu/amd/b", 300.0), ("gpu/amd", 300.0)])
def test_claims_are_of_the_gpu_whose_part_they_name(part, w):
    record = make_record(t_ns=T_NS, machine_cpu_s=[0, 1, 2], run_cpu_s=[0, 1, 2])
    board = Channel(name="amd.0.energy", sensor="amd", component="gpu", quantity="energy", kind="counter",
                    part="gpu/amd/a")  # fmt: skip
    claims = Channel(name=f"claims.{part}", sensor="presence", component="gpu", quantity="claims", kind="gauge",
                     part=part)  # fmt: skip
    readings = {board.name: make_readings(board, T_NS, [0, 300, 600]),
                claims.name: make_readings(claims, T_NS, [2.0] * 3)}  # fmt: skip
    found = attribute(replace(record, readings={**record.readings, **readings}))
    assert [p.power.power_w.tolist() for p in found if p.component == "gpu"] == [[w, w]]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 4)), min_size=1, max_size=5),
)
def test_shares_of_all_runs_by_utilisation_are_never_more_than_the_gpu(runs):
    total = sum(sm for sm, _ in runs)
    n_processes = sum(n for _, n in runs)
    shares = [
        sm_share(np.array([sm / 100]), np.array([(total - sm) / 100]), np.array([float(n_processes - n)]))[0]
        for sm, n in runs
    ]
    capped = [min(share, 1.0 / len(runs)) for share in shares]
    assert sum(capped) <= 1.0 + 1e-9
