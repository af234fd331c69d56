"""Which channel stands for which part of the machine, so that no watt is counted twice.

Several sensors may read one part: a processor package shows in RAPL, in perf and in a board's controller, a GPU in
NVML and in an exporter. For every component the best source that does not overlap another is taken:

- processor and memory: one sensor each, since sensors cut a machine differently. Counters come before gauges, then who
  reads more parts, then who states the narrower range;
- GPUs: one channel for each part. Accelerators whose maker a sensor does not know are left out as soon as a maker's own
  sensor reads any: they are the same boards under other names;
- modules (a processor and the GPU on its board) are kept as evidence and never added;
- the node meter is never added: what it shows beyond its parts is the rest of the node.

A part that its sensor could never read, and no other one reads, is a gap of the whole record: unknown, not nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from lowtide.model.hardware import Channel
from lowtide.model.record import Gap, Readings, Record
from lowtide.series.blocks import in_blocks
from lowtide.series.readings import MISSING

__all__ = ["Sources", "choose_sources", "lost_gaps", "n_valid"]

_COMPONENTS: Final = ("cpu", "memory", "gpu", "node")


class Sources(NamedTuple):
    """What is billed from: readings of the processor, the memory, the GPUs in scope and out of it, the node.

    `lost` are those of parts in scope that nothing reads, one for each part.
    """

    cpu: tuple[Readings, ...]
    memory: tuple[Readings, ...]
    gpus: tuple[Readings, ...]
    gpus_outside: tuple[Readings, ...]
    node: Readings | None
    lost: tuple[Readings, ...] = ()


def choose_sources(readings: Iterable[Readings]) -> Sources:
    """Return the sources among all readings of a machine; a channel with fewer than two good ones is none."""
    power = [
        r
        for r in readings
        if r.channel.quantity in ("energy", "power")
        and r.channel.kind in ("counter", "gauge")
        and r.channel.consumer == "machine"
    ]
    good: dict[str, list[Readings]] = {name: [] for name in _COMPONENTS}
    dead: dict[str, list[Readings]] = {name: [] for name in _COMPONENTS}
    for r in power:
        if r.channel.component in _COMPONENTS:
            (good if n_valid(r) >= 2 else dead)[r.channel.component].append(r)
    cpu, memory = _of_one_sensor(good["cpu"]), _of_one_sensor(good["memory"])
    chosen = _gpus(good["gpu"])
    node = sorted(good["node"], key=lambda r: _rank(r.channel))
    return Sources(
        cpu=cpu,
        memory=memory,
        gpus=tuple(r for r in chosen if r.channel.in_scope),
        gpus_outside=tuple(r for r in chosen if not r.channel.in_scope),
        node=node[0] if node else None,
        lost=(*_lost(dead["cpu"], cpu), *_lost(dead["memory"], memory), *_lost_gpus(dead["gpu"], chosen)),
    )


def lost_gaps(record: Record, sources: Sources) -> tuple[Gap, ...]:
    """Return a gap of the whole record for each part that nothing reads, with what its sensor said."""
    return tuple(
        Gap(start_ns=record.start_ns, end_ns=record.end_ns, channel=name, reason=_reason(record, name))
        for name in (r.channel.name for r in sources.lost)
    )


def _reason(record: Record, channel: str) -> str:
    said = (event.detail for event in record.events if event.channel == channel and event.detail)
    return next(said, "no reading")


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


def _lost(dead: Sequence[Readings], chosen: Sequence[Readings]) -> Iterable[Readings]:
    """Return the dead channels of parts that the chosen sensor cuts the machine into and nothing reads.

    Another sensor's parts are the same silicon, cut in another way.
    """
    sensors = {r.channel.sensor for r in chosen}
    parts = {_part(r.channel) for r in chosen}
    of_it = [r for r in dead if r.channel.sensor in sensors or not sensors]
    return _best_of_each_part(r for r in of_it if _part(r.channel) not in parts)


def _lost_gpus(dead: Sequence[Readings], chosen: Sequence[Readings]) -> Iterable[Readings]:
    """Return the dead channels of GPUs in scope that nothing reads, under the names that the chosen ones have."""
    is_named = any(not _is_nameless(r.channel.part) for r in chosen or dead)
    parts = {_part(r.channel) for r in chosen if r.channel.in_scope}
    alike = [r for r in dead if _is_nameless(r.channel.part) is not is_named and r.channel.in_scope]
    return _best_of_each_part(r for r in alike if _part(r.channel) not in parts)


def _is_nameless(part: str) -> bool:
    """Whether a part is ``gpu/N``: an accelerator by number, its maker unknown."""
    return part.startswith("gpu/") and part.count("/") == 1
