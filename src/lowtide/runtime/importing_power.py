"""What a past job drew: its part of its nodes where they were metered, else a model of what it had allocated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lowtide.data.accelerator_training import find_accelerator
from lowtide.errors import InputError
from lowtide.estimation.board_power import node_power
from lowtide.estimation.hardware_power import power_factor
from lowtide.estimation.power_models import (
    cpu_power_model,
    cpu_power_w,
    memory_power_model,
    memory_power_w,
    rest_model,
)
from lowtide.executors.sacct import PastJob, StepRow
from lowtide.model.energy import Boundary
from lowtide.model.machine import Machine
from lowtide.runtime.importing_shares import NodeRow, Share, Tenant, shares
from lowtide.series import steps
from lowtide.series.types import PowerSeries

__all__ = ["JobPower", "job_powers", "metered", "modelled"]

_MOST_NODE_W: Final = 50_000.0
"""A node that drew more was not read rightly (a counter that wrapped)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobPower:
    """A job's power with how it is known.

    Attributes
    ----------
    power : PowerSeries
    kind : {"counter", "modelled"}
    low_fraction, high_fraction : float
        90 % interval as fractions of it.
    note : str
        How it came about, the rule of allocation included.
    """

    power: PowerSeries
    kind: Literal["counter", "modelled"]
    low_fraction: float
    high_fraction: float
    note: str


def job_powers(
    jobs: Sequence[PastJob], *, boundary: Boundary, gpu: str | None, now_ns: int
) -> dict[str, JobPower | str]:
    """Return the power of each job that has ended, by its key, or why it cannot be told.

    Parameters
    ----------
    jobs : sequence of PastJob
        All that shared their nodes, those that still run too.
    boundary : Boundary
        What the cluster's meters contain.
    gpu : str, optional
        The model of accelerators whose type Slurm does not say.
    now_ns : int
        Until when a job that still runs has had its part of its nodes.
    """
    found = metered(jobs, boundary=boundary, gpu=gpu, now_ns=now_ns)
    told: dict[str, JobPower | str] = {}
    for job in jobs:
        if job.start_ns is None or job.end_ns is None or job.end_ns <= job.start_ns:
            continue
        if job.key in found:
            told[job.key] = found[job.key]
            continue
        try:
            told[job.key] = modelled(job, gpu=gpu)
        except InputError as error:
            told[job.key] = str(error)
    return told


def metered(
    jobs: Sequence[PastJob], *, boundary: Boundary, gpu: str | None, now_ns: int
) -> dict[str, JobPower]:
    """Return the part of their nodes' energy that jobs had, for those with any energy of their own."""
    rows: dict[str, list[NodeRow]] = {}
    tenants: dict[str, list[Tenant]] = {}
    own: set[str] = set()
    for job in jobs:
        if job.start_ns is None or not job.nodes:
            continue
        end_ns = now_ns if job.end_ns is None else job.end_ns
        if end_ns <= job.start_ns:
            continue
        for node in job.nodes:
            weight = _weight_w(job, gpu) / len(job.nodes)
            tenants.setdefault(node, []).append(
                Tenant(key=job.key, start_ns=job.start_ns, end_ns=end_ns, weight=weight)
            )
        for node, row in _node_rows(job):
            rows.setdefault(node, []).append(row)
            own.add(job.key)
    parts: dict[str, list[Share]] = {}
    for node, its_tenants in tenants.items():
        for key, share in shares(rows.get(node, []), its_tenants).items():
            parts.setdefault(key, []).append(share)
    alone = {job.key: _is_alone(job, tenants) for job in jobs if job.key in own}
    return {
        job.key: power
        for job in jobs
        if job.key in own
        and job.end_ns is not None
        and (power := _joined(parts[job.key], boundary, alone[job.key])) is not None
    }


def _is_alone(job: PastJob, tenants: Mapping[str, Sequence[Tenant]]) -> bool:
    assert job.start_ns is not None
    end_ns = job.end_ns or job.start_ns
    return not any(
        one.key != job.key and one.start_ns < end_ns and one.end_ns > job.start_ns
        for node in job.nodes
        for one in tenants[node]
    )


def _joined(parts: Sequence[Share], boundary: Boundary, alone: bool) -> JobPower | None:
    """Return the sum over a job's nodes, unknown where any of them is; None where it is unknown throughout."""
    edges, power = parts[0].edges_ns, parts[0].power_w
    for part in parts[1:]:
        edges, power = steps.add(edges, power, part.edges_ns, part.power_w)
    if np.isnan(power).all():
        return None
    low = min(part.low_fraction for part in parts)
    how = "whole nodes, no other job on them" if alone else (
        "shared among the jobs on the node at each time by their allocated CPUs and GPUs, weighed by modelled power"
    )  # fmt: skip
    return JobPower(
        power=PowerSeries(edges_ns=edges, power_w=power, boundary=boundary),
        kind="counter",
        low_fraction=low,
        high_fraction=2.0 - low,
        note=f"ConsumedEnergyRaw of sacct, mean power over each step; allocation: {how}",
    )


def _node_rows(job: PastJob) -> list[tuple[str, NodeRow]]:
    """Return what a job's steps tell of each node; of two that saw it at one time the longer one."""
    whole = [step for step in job.steps if step.energy_j is not None and step.end_ns > step.start_ns]
    if not whole and job.own_energy_j is not None and job.start_ns is not None and job.end_ns is not None:
        whole = [
            StepRow(
                step="",
                start_ns=job.start_ns,
                end_ns=job.end_ns,
                nodes=job.nodes,
                energy_j=job.own_energy_j,
                cpu_s=None,
            )
        ]
    found: list[tuple[str, NodeRow]] = []
    for step in sorted(whole, key=lambda step: step.start_ns - step.end_ns):
        for node in step.nodes:
            row = NodeRow(
                start_ns=step.start_ns, end_ns=step.end_ns, energy_j=(step.energy_j or 0.0) / len(step.nodes)
            )
            seen = any(
                name == node and other.start_ns < row.end_ns and row.start_ns < other.end_ns
                for name, other in found
            )
            if not seen and _mean_w(row) <= _MOST_NODE_W:
                found.append((node, row))
    return found


def _mean_w(row: NodeRow) -> float:
    return row.energy_j / ((row.end_ns - row.start_ns) / 1e9)


def _weight_w(job: PastJob, gpu: str | None) -> float:
    """Return what a job's allocation weighs against its neighbours': the design power of its CPUs and GPUs [W]."""
    total = cpu_power_model(Machine(n_logical_cpus=max(1, job.cpus))).full_w
    for kind, n in job.gpus.items():
        model = _accelerator(kind, gpu)
        # a type that nobody knows weighs as much as the commonest there is; every job's is weighed the same way
        total += n * (300.0 if model is None else model[1])
    return total


def _accelerator(kind: str, gpu: str | None) -> tuple[str, float] | None:
    """Return the name and design power of an accelerator as Slurm names it."""
    plain = kind.replace("_", " ").removeprefix("nvidia ").removeprefix("amd ").removeprefix("tesla ")
    for name in (kind, plain, gpu or ""):
        model = find_accelerator(name) if name else None
        if model is not None:
            return model.name, model.tdp_w
    return None


def modelled(job: PastJob, *, gpu: str | None) -> JobPower:
    """Return a job's power from what it had allocated, at the node, with a range that says how little that tells.

    Raises
    ------
    InputError
        If it had accelerators of a type that nobody says.
    """
    assert job.start_ns is not None
    assert job.end_ns is not None
    value, low, high, note = _gpu_power(job, gpu) if job.gpus else _cpu_power(job)
    seconds = (job.end_ns - job.start_ns) / 1e9
    # a suspended job draws less: its processors are idle or another's; its low end is without that time
    low *= 1.0 - min(1.0, job.suspended_s / seconds)
    return JobPower(
        power=PowerSeries.constant(value, start_ns=job.start_ns, end_ns=job.end_ns),
        kind="modelled",
        low_fraction=low / value,
        high_fraction=high / value,
        note=f"no energy in sacct: modelled from AllocTRES, {note}",
    )


def _cpu_power(job: PastJob) -> tuple[float, float, float, str]:
    machine = Machine(n_logical_cpus=max(1, job.cpus), memory_bytes=job.memory_bytes)
    cpu, memory, rest = cpu_power_model(machine), memory_power_model(machine), rest_model()
    busy = _busy(job)
    memory_w = memory_power_w(memory)
    cpu_w = cpu_power_w(cpu, 1.0 if busy is None else busy)
    least_w = cpu_power_w(cpu, 0.0 if busy is None else busy)
    low = least_w * cpu.low_fraction + memory_w * memory.low_fraction
    high = cpu_w * cpu.high_fraction + memory_w * memory.high_fraction
    how = "busy all the time, as nothing tells" if busy is None else f"busy {busy:.0%} of the time"
    return (
        (cpu_w + memory_w) * (1.0 + rest.fraction),
        low * (1.0 + rest.fraction * rest.low_fraction),
        high * (1.0 + rest.fraction * rest.high_fraction),
        f"{job.cpus} CPUs {how} ({cpu.method}), {job.memory_bytes / 2**30:.3g} GB of memory, and the rest of the node",
    )


def _busy(job: PastJob) -> float | None:
    """Return the share of its CPUs' time that a job used; None where Slurm did not see it."""
    assert job.start_ns is not None
    assert job.end_ns is not None
    used = [step.cpu_s for step in job.steps if step.cpu_s is not None]
    seconds = (job.end_ns - job.start_ns) / 1e9 - job.suspended_s
    if not used or not job.cpus or seconds <= 0.0 or not sum(used) > 0.0:
        return None
    return min(1.0, sum(used) / (seconds * job.cpus))


def _gpu_power(job: PastJob, gpu: str | None) -> tuple[float, float, float, str]:
    total, least, most, notes = 0.0, 0.0, 0.0, []
    for kind, n in job.gpus.items():
        model = _accelerator(kind, gpu)
        if model is None:
            what = f"of type {kind!r}" if kind else "of a type that sacct does not tell"
            raise InputError(f"{n} GPUs {what}: say which with --gpu A100")
        watts = power_factor(model[0], None, n_processors=n)[0].amount
        design = node_power(f"{n}x{model[0]}")
        total += n * watts.value
        least += min(n * watts.low, design.low_w)
        most += max(n * watts.high, design.high_w)
        notes.append(f"{n} x {model[0]} in training, with their part of the node ({watts.value:.0f} W each)")
    return total, least, most, "; ".join(notes)
