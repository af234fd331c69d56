"""What a run's share of a machine draws idle."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.idle import idle_power
from lowtide.model.record import RankPlace
from lowtide.testing.builders import make_header, make_record, regular_edges


def record(header, **channels):
    t_ns = regular_edges(1, step_s=3600.0)
    return make_record(header, t_ns=t_ns, machine_cpu_s=[0.0, 1.0], run_cpu_s=[0.0, 1.0], **channels)


def test_share_of_processor_and_memory_with_the_rest_of_the_node():
    header = make_header(cpu_share=0.5, memory_share=0.25)
    idle = idle_power(record(header))
    assert idle is not None
    cpu, memory, rest = header.cpu_model, header.memory_model, header.rest_model
    components_w = 0.5 * cpu.idle_w + 0.25 * memory.w_per_gb * memory.installed_gb
    assert idle.power_w == pytest.approx(components_w * (1.0 + rest.fraction))
    assert 0.0 < idle.low_fraction <= 1.0 <= idle.high_fraction
    assert idle.note == "modelled: processor and memory of 50% of the processors, with the rest of the node"


def test_whole_machine_where_that_is_billed():
    shared = make_header(cpu_share=0.5, memory_share=0.5)
    whole = idle_power(record(replace(shared, attribution="machine")))
    half = idle_power(record(shared))
    assert whole is not None
    assert half is not None
    assert whole.power_w == pytest.approx(2.0 * half.power_w)
    assert "of the machine" in whole.note


def test_what_is_not_known_is_left_out_and_said():
    header = make_header(memory_model=replace(make_header().memory_model, installed_gb=math.nan))
    idle = idle_power(record(header, gpu_w={"GPU-1": np.array([50.0, 50.0])}))
    assert idle is not None
    assert idle.note.startswith("modelled: processor of")
    assert idle.note.endswith("GPUs not")


def test_one_rank_of_many_has_none():
    place = RankPlace(key="k", launcher="mpi", rank=0, n_ranks=2)
    assert idle_power(record(make_header(rank=place))) is None
    still = replace(make_header().cpu_model, idle_w=0.0)
    empty = replace(make_header().memory_model, w_per_gb=0.0)
    assert idle_power(record(make_header(cpu_model=still, memory_model=empty))) is None
