"""Laws of attribution: N runs and what is unattributed are the machine, and never more than it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lowtide.accounting.attribution import attribute, unattributed
from lowtide.accounting.bills import node_energy
from lowtide.accounting.shares import part_of
from lowtide.series.steps import at
from lowtide.testing.builders import SharedMachine, SharedRun, make_header, regular_edges

N_TICKS = 9
N_CPUS = 4
REL = 1e-9
fractions = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]) | st.floats(0.0, 1.0)
GPUS = ("GPU-a1", "GPU-a10", "GPU-b")


@st.composite
def runs(draw, loads):
    """Draw a run that starts and stops at any ticks, with any shares."""
    first = draw(st.integers(0, N_TICKS - 2))
    return SharedRun(
        first=first,
        last=draw(st.integers(first + 1, N_TICKS - 1)),
        cpu_load=loads,
        cpu_share=draw(fractions.filter(bool)),
        memory_share=draw(fractions.filter(bool)),
        gpus=tuple(gpu for gpu in GPUS if draw(st.booleans())),
    )


EITHER = st.booleans()


@st.composite
def machines(draw, *, counters=EITHER):
    """Draw a machine with up to 4 runs that keep its CPUs busy between them, whole ticks of 10 ms."""
    n_runs = draw(st.integers(1, 4))
    n_steps = N_TICKS - 1
    busy = np.array(draw(st.lists(st.integers(0, 100 * N_CPUS), min_size=n_steps, max_size=n_steps)))
    keys = np.array(
        draw(st.lists(st.integers(0, 100), min_size=n_runs + 1, max_size=n_runs + 1)), dtype=float
    )
    parts = np.floor(np.outer(keys / max(1.0, keys.sum()), busy)) / 100.0  # [CPUs], rounded down to ticks
    has_counters = draw(counters)
    watts = st.lists(st.integers(1, 600), min_size=n_steps, max_size=n_steps).map(
        lambda w: np.array(w, float)
    )
    gpu_w = {gpu: draw(watts) for gpu in GPUS}
    return SharedMachine(
        t_ns=regular_edges(n_steps, step_s=1.0),
        runs=tuple(draw(runs(parts[i])) for i in range(n_runs)),
        other_load=parts[-1],
        package_w=draw(watts) if has_counters else None,
        dram_w=draw(watts) if has_counters else None,
        gpu_w=gpu_w,
        header=make_header(),
    )


def check_parts(machine, whole, parts):
    """Check that parts never exceed the whole and that they and what is unattributed make it."""
    scale = float(np.nanmax(whole.power_w)) + 1.0
    left = unattributed(whole, parts)
    assert (left.power_w >= -REL * scale).all()
    total = left.energy_j() + sum(part.energy_j() for part in parts)
    assert abs(total - whole.energy_j()) <= REL * scale * N_TICKS


@given(machines())
def test_runs_and_unattributed_are_the_node_for_any_shares_and_any_starts(machine):
    parts = [node_energy(record).power for record in machine.records()]
    check_parts(machine, node_energy(machine.whole()).power, parts)


@given(machines())
def test_the_law_holds_for_every_component(machine):
    whole = attribute(machine.whole())
    records = [attribute(record) for record in machine.records()]
    for component in whole:
        is_gpu = component.component == "gpu"
        mine = [
            part.power
            for parts in records
            for part in parts
            if part.component == component.component and (not is_gpu or part.note == component.note)
        ]
        check_parts(machine, component.power, mine)


@given(machines(counters=st.just(False)), st.data())
def test_idle_power_is_never_given_out_twice_when_runs_come_and_go_between_readings(machine, data):
    """Recorders read at different instants, as long as each looks once between two comings and goings."""
    events = sorted({tick for run in machine.runs for tick in (run.first, run.last)})
    idle = []
    for run, record in zip(machine.runs, machine.records(), strict=True):
        seen = {run.first, run.last} | {t for t in range(run.first, run.last) if data.draw(st.booleans())}
        for e1, e2 in pairwise(e for e in events if run.first < e < run.last):
            if not seen & set(range(e1, e2 + 1)):
                seen.add(e2)
        kept = np.array(sorted(seen)) - run.first
        idle += [part.idle for part in attribute(_thinned(record, kept)) if part.component == "cpu"]
    for t_ns in machine.t_ns[:-1]:
        there = np.array([at(part.edges_ns, part.power_w, [t_ns])[0] for part in idle])
        assert np.nansum(there) <= 40.0 * (1 + REL)  # what the default machine draws idle


def _thinned(record, keep):
    readings = {name: replace(r, t_ns=r.t_ns[keep], raw=r.raw[keep]) for name, r in record.readings.items()}
    return replace(record, readings=readings)


@given(machines())
def test_energy_of_a_run_that_starts_later_is_never_billed_before_it_starts(machine):
    for run, record in zip(machine.runs, machine.records(), strict=True):
        power = node_energy(record).power
        assert power.start_ns == machine.t_ns[run.first]
        assert power.end_ns == machine.t_ns[run.last]


@given(
    st.lists(st.tuples(fractions, st.integers(0, 100)), min_size=1, max_size=6),
    st.floats(0.0, 500.0),
    st.floats(0.0, 500.0),
)
def test_share_rule_gives_out_no_more_than_there_is(runs_, power_w, idle_w):
    power = np.array([power_w])
    total_share = sum(share for share, _ in runs_)
    work = sum(key for _, key in runs_) or 1
    given_out = [
        part_of(power, idle_w, share=share, total_share=total_share, cpu_fraction=key / work)
        for share, key in runs_
    ]
    total = sum(float(part[0][0]) for part in given_out)
    assert -1e-9 <= total <= power_w * (1 + REL) + 1e-9
    assert all(part[1][0] <= part[0][0] + 1e-9 for part in given_out)  # idle is part of the power
    dynamic = [part_of(power, idle_w, share=s, total_share=total_share, cpu_fraction=k / work, attribution="dynamic")
               for s, k in runs_]  # fmt: skip
    for share_part, dynamic_part in zip(given_out, dynamic, strict=True):
        assert dynamic_part[0][0] <= share_part[0][0] + 1e-9
