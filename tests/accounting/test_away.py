"""A run that has saved and left has no part of what idles; the default machine is that of test_attribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowtide.accounting.attribution import attribute
from lowtide.accounting.away import away_edges_ns, present_fraction
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import RunPlan
from lowtide.testing.builders import START_NS, make_header, make_record, regular_edges

S = 10**9


def left_and_back(pause="checkpoint", **changes):
    """Return 4 s of a run that keeps 1 CPU busy, leaves at 1.5 s and is back at 3 s."""
    runs_s = [(0.0, 1.5), (3.0, 4.0)]
    plan = RunPlan(
        bound="--within 1h", asked_ns=START_NS, deadline_ns=START_NS + 3600 * S, start_by_ns=None, pause=pause,
        work_s=2.5, runs_ns=tuple((START_NS + round(a * S), START_NS + round(b * S)) for a, b in runs_s),
    )  # fmt: skip
    busy = [0.0, 1.0, 1.5, 1.5, 2.5]
    record = make_record(
        make_header(**changes), t_ns=regular_edges(4, step_s=1.0), machine_cpu_s=busy, run_cpu_s=busy
    )
    return replace(record, end=RunEnd(started_ns=START_NS, ended_ns=START_NS + 4 * S, exit_code=0, plan=plan))


def parts_of(record):
    return {part.component: part for part in attribute(record)}


def test_processor_idles_for_it_only_while_it_is_there():
    cpu = parts_of(left_and_back())["cpu"]
    # 40 W idle for 1, 0.5, 0 and 1 s of each second; 25 W for 1, 0.5, 0 and 1 busy CPU
    assert cpu.idle.power_w.tolist() == [40.0, 20.0, 0.0, 40.0]
    assert cpu.power.power_w.tolist() == [65.0, 32.5, 0.0, 65.0]
    assert cpu.whole.power_w.tolist() == [65.0, 52.5, 40.0, 65.0]  # the machine idles on


def test_memory_refreshes_for_it_only_while_it_is_there():
    memory = parts_of(left_and_back(memory_share=0.5))["memory"]
    assert memory.power.energy_j() == pytest.approx(8.0 * 0.5 * 2.5)  # 8 W, half of it, for 1.5 and 1 s
    assert memory.power.clip(start_ns=START_NS + 1500 * 10**6, end_ns=START_NS + 3 * S).energy_j() == 0.0


def test_frozen_run_keeps_its_place_and_the_whole_machine_stays_whole():
    stays = parts_of(left_and_back("freeze"))["cpu"]
    assert stays.idle.power_w.tolist() == [40.0] * 4
    whole = parts_of(left_and_back(attribution="machine"))["cpu"]
    assert whole.idle.power_w.tolist() == [40.0] * 4


def test_run_without_an_end_or_a_plan_never_left():
    record = replace(left_and_back(), end=None)
    assert away_edges_ns(record).tolist() == []
    assert present_fraction(record, regular_edges(4, step_s=1.0)).tolist() == 1.0


def test_two_pauses_in_one_step_are_both_left_out():
    runs_s = [(0.0, 1.0), (2.0, 5.0), (6.0, 10.0)]  # away from 1 to 2 and from 5 to 6 of 10 s
    record = left_and_back()
    plan = replace(
        record.end.plan, runs_ns=tuple((START_NS + round(a * S), START_NS + round(b * S)) for a, b in runs_s)
    )
    record = replace(record, end=replace(record.end, plan=plan))
    edges = START_NS + np.array([0, 10]) * S
    assert present_fraction(record, edges).tolist() == pytest.approx([0.8])
