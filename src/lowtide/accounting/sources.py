"""Which channel stands for which part of the machine, so that no watt is counted twice.

Several sensors may read one part: a processor package shows in RAPL, in perf and in a board's controller, a GPU in
NVML and in an exporter. For every component the best source that does not overlap another is taken:

- processor and memory: one sensor each, since sensors cut a machine differently. Counters come before gauges, then who
  reads more parts, then who states the narrower range;
- GPUs: one channel for each part. Accelerators whose maker a sensor does not know are left out as soon as a maker's own
  sensor reads any: they are the same boards under other names;
- modules (a processor and the GPU on its board) are kept as evidence and never added;
- the node meter is never added: what it shows beyond its parts is the rest of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lowtide.model.hardware import Channel
from lowtide.model.record import Readings
from lowtide.series.blocks import in_blocks
from lowtide.series.readings import MISSING

__all__ = ["Sources", "choose_sources", "n_valid"]


class Sources(NamedTuple):
    """What is billed from: readings of the processor, the memory, the GPUs in scope and out of it, the node."""

    cpu: tuple[Readings, ...]
    memory: tuple[Readings, ...]
    gpus: tuple[Readings, ...]
    gpus_outside: tuple[Readings, ...]
    node: Readings | None


def choose_sources(readings: Iterable[Readings]) -> Sources:
    """Return the sources among all readings of a machine; a channel with fewer than two good ones is none."""
    power = [
        r
        for r in readings
        if r.channel.quantity in ("energy", "power")
        and r.channel.kind in ("counter", "gauge")
        and r.channel.consumer == "machine"
        and n_valid(r) >= 2
    ]
    by = {
        name: [r for r in power if r.channel.component == name] for name in ("cpu", "memory", "gpu", "node")
    }
    gpus = _gpus(by["gpu"])
    node = sorted(by["node"], key=lambda r: _rank(r.channel))
    return Sources(
        cpu=_of_one_sensor(by["cpu"]),
        memory=_of_one_sensor(by["memory"]),
        gpus=tuple(r for r in gpus if r.channel.in_scope),
        gpus_outside=tuple(r for r in gpus if not r.channel.in_scope),
        node=node[0] if node else None,
    )


def n_valid(readings: Readings) -> int:
    """Return how many readings did not fail."""
    raw = np.asarray(readings.raw)
    is_counter = readings.channel.kind == "counter"
    if is_counter and all(int(raw[part].min()) != MISSING for part in in_blocks(len(raw))):
        return len(raw)  # the least of all integers stands for a failure: mostly there is none
    return sum(
        int(np.count_nonzero(raw[part] != MISSING if is_counter else ~np.isnan(raw[part])))
        for part in in_blocks(len(raw))
    )


def _rank(channel: Channel) -> tuple[bool, float]:
    """Return what sorts better channels first."""
    return channel.kind != "counter", channel.high_fraction - channel.low_fraction


def _part(channel: Channel) -> str:
    return channel.part or channel.name


def _of_one_sensor(readings: Sequence[Readings]) -> tuple[Readings, ...]:
    """Return the readings of the best sensor, one for each part."""
    sensors: dict[str, list[Readings]] = {}
    for r in readings:
        sensors.setdefault(r.channel.sensor, []).append(r)
    chosen = [tuple(_best_of_each_part(group)) for group in sensors.values()]

    def rank(group: tuple[Readings, ...]) -> tuple[bool, int, float]:
        ranks = [_rank(r.channel) for r in group]
        return max(r[0] for r in ranks), -len(group), max(r[1] for r in ranks)

    return min(chosen, key=rank, default=())


def _best_of_each_part(readings: Iterable[Readings]) -> Iterable[Readings]:
    best: dict[str, Readings] = {}
    for r in readings:
        part = _part(r.channel)
        if part not in best or _rank(r.channel) < _rank(best[part].channel):
            best[part] = r
    return best.values()


def _gpus(readings: Sequence[Readings]) -> tuple[Readings, ...]:
    chosen = tuple(_best_of_each_part(readings))
    nameless = [r for r in chosen if _is_nameless(r.channel.part)]
    return chosen if len(nameless) == len(chosen) else tuple(r for r in chosen if r not in nameless)


def _is_nameless(part: str) -> bool:
    """Whether a part is ``gpu/N``: an accelerator by number, its maker unknown."""
    return part.startswith("gpu/") and part.count("/") == 1
