"""What a run's share of its machine draws while nothing runs, by the machine's models."""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

from lowtide.model.record import Record, RunHeader

__all__ = ["IdlePower", "idle_power"]


class IdlePower(NamedTuple):
    """A power at the node [W], its 90 % interval as fractions of it, and what it is of, in words."""

    power_w: float
    low_fraction: float
    high_fraction: float
    note: str


def idle_power(record: Record) -> IdlePower | None:
    """Return what the share of the machine that a run may use draws idle; None for a run of many nodes or a log.

    Processor and memory by the share of each, all of them for a run that is billed the whole machine, and the rest
    of the node on top. What GPUs draw idle no table tells, so they are not in it.
    """
    header: RunHeader = record.header
    if record.parts or header.rank is not None:
        return None
    whole = header.attribution == "machine"
    cpu, memory = header.cpu_model, header.memory_model
    cpu_w = cpu.idle_w * (1.0 if whole else header.cpu_share)
    memory_w = memory.w_per_gb * memory.installed_gb * (1.0 if whole else header.memory_share)
    words = ["processor", "memory"]
    if isnan(memory_w):
        memory_w, words = 0.0, ["processor"]
    components_w = cpu_w + memory_w
    if not components_w > 0.0:
        return None
    low = (cpu_w * cpu.low_fraction + memory_w * memory.low_fraction) / components_w
    high = (cpu_w * cpu.high_fraction + memory_w * memory.high_fraction) / components_w
    missing = ", GPUs not" if _has_gpus(record) else ""
    share = "the machine" if whole else f"{header.cpu_share:.0%} of the processors"
    note = f"modelled: {' and '.join(words)} of {share}, with the rest of the node{missing}"
    return IdlePower(components_w * (1.0 + header.rest_model.fraction), low, high, note)


def _has_gpus(record: Record) -> bool:
    return any(readings.channel.component == "gpu" for readings in record.readings.values())
