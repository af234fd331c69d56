"""From a path through a network to the segments of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.model.planning import Job, OperatingPoint, Segment, SegmentKind
from lowtide.planning.deeds import Deed, Deeds, Network
from lowtide.planning.window import Cells
from lowtide.units import J_PER_KWH, NS_PER_S

if TYPE_CHECKING:
    from lowtide.planning.paths.solve import Path

__all__ = ["joined", "segments_of"]

_THEN_OFF: Final = -1


def segments_of(
    network: Network,
    path: Path,
    job: Job,
    cells: Cells,
    zones: Sequence[str],
    menus: Sequence[tuple[OperatingPoint, ...]],
) -> list[Segment]:
    """Return the segments of a path, in order of time, equal neighbours joined.

    Being off without idle power is no segment.
    """
    writer = _Writer(job, cells.edges_ns.tolist(), zones, menus, [], 0.0)
    writer.write_all(network.plain, path.before)
    if path.flexible >= 0:
        writer.write(network.flexible, path.flexible, path.work)
    writer.write_all(network.plain, path.after)
    return joined(sorted(writer.found, key=lambda segment: segment.start_ns))


@dataclass(slots=True)
class _Writer:
    """Turns one deed after the other into segments; `impulse_kwh` waits for the next run."""

    job: Job
    edges: list[int]
    zones: Sequence[str]
    menus: Sequence[tuple[OperatingPoint, ...]]
    found: list[Segment]
    impulse_kwh: float

    def write_all(self, deeds: Deeds, arcs: Sequence[int]) -> None:
        """Append what plain arcs stand for; runs of one kind at one point are one segment."""
        if not arcs:
            return
        a = deeds.row[np.array(arcs)]
        what = np.stack([deeds.kind[a], deeds.site[a], deeds.point[a]])
        new = np.flatnonzero(np.concatenate(([True], (what[:, 1:] != what[:, :-1]).any(axis=0))))
        for first, after in zip(new.tolist(), [*new[1:].tolist(), len(a)], strict=True):
            kind, z, point = what[:, first].tolist()
            start, end = int(deeds.cell[a[first]]), int(deeds.cell[a[after - 1]]) + 1
            if kind == Deed.RUN:
                self.run(z, point, self.edges[start], self.edges[end])
            elif kind == Deed.IDLE:
                self.idle(z, self.edges[start], self.edges[end])
            else:
                for arc in arcs[first:after]:
                    self.write(deeds, arc, 0)

    def write(self, deeds: Deeds, arc: int, work_ns: int) -> None:
        """Append what one arc stands for."""
        arc = int(deeds.row[arc])
        kind, cell, z = int(deeds.kind[arc]), int(deeds.cell[arc]), int(deeds.site[arc])
        point, other = int(deeds.point[arc]), int(deeds.other_point[arc])
        if kind == Deed.RESUME:
            self.resume(z, self.edges[cell])
        elif kind == Deed.MOVE:
            self.move(z, int(deeds.to_site[arc]), self.edges[cell])
        elif kind == Deed.STOP:
            self.stop(z, point, cell, work_ns, then_off=other == _THEN_OFF)
        elif kind == Deed.SHARE:
            self.share(z, point, other, cell, work_ns)

    def run(self, z: int, point: int, start_ns: int, end_ns: int) -> None:
        if end_ns > start_ns:
            chosen = self.menus[z][point]
            self.append(z, start_ns, end_ns, "run", chosen.power_w, chosen.throughput, self.impulse_kwh)
            self.impulse_kwh = 0.0

    def append(
        self, z: int, start_ns: int, end_ns: int, kind: SegmentKind, power_w: float,
        throughput: float = 0.0, impulse_kwh: float = 0.0,
    ) -> None:  # fmt: skip
        self.found.append(
            Segment(
                zone=self.zones[z], start_ns=start_ns, end_ns=end_ns, throughput=throughput,
                power_w=power_w, kind=kind, impulse_kwh=impulse_kwh,
            )
        )  # fmt: skip

    def idle(self, z: int, start_ns: int, end_ns: int) -> None:
        if self.job.idle_power_w and end_ns > start_ns:
            self.append(z, start_ns, end_ns, "idle", self.job.idle_power_w)

    def resume(self, z: int, start_ns: int) -> None:
        job = self.job
        time_ns = round(job.resume_time_s * NS_PER_S)
        if time_ns == 0:
            self.impulse_kwh += job.resume_energy_kwh
            return
        power_w = self.menus[z][0].power_w + job.resume_energy_kwh * J_PER_KWH / job.resume_time_s
        self.append(z, start_ns, start_ns + time_ns, "resume", power_w, 0.0, self.impulse_kwh)
        self.impulse_kwh = 0.0

    def move(self, origin: int, z: int, arrive_ns: int) -> None:
        job = self.job
        leave_ns = arrive_ns - round(job.migrate_time_s * NS_PER_S)
        self.idle(origin, leave_ns, arrive_ns)
        if leave_ns == arrive_ns:
            self.impulse_kwh += job.migrate_energy_kwh
        elif job.migrate_energy_kwh:
            self.append(
                z, leave_ns, arrive_ns, "migrate", job.migrate_energy_kwh * J_PER_KWH / job.migrate_time_s
            )
        self.resume(z, arrive_ns)

    def stop(self, z: int, point: int, cell: int, work_ns: int, *, then_off: bool) -> None:
        start_ns, end_ns = self.edges[cell], self.edges[cell + 1]
        ran_ns = max(1, round(work_ns / self.menus[z][point].throughput))
        stop_ns = min(start_ns + ran_ns, end_ns)
        self.run(z, point, start_ns, stop_ns)
        if then_off:
            self.idle(z, stop_ns, end_ns)

    def share(self, z: int, slow: int, quick: int, cell: int, work_ns: int) -> None:
        start_ns, end_ns = self.edges[cell], self.edges[cell + 1]
        low, high = self.menus[z][slow].throughput, self.menus[z][quick].throughput
        quick_ns = round((work_ns - low * (end_ns - start_ns)) / (high - low))
        change_ns = start_ns + min(max(quick_ns, 0), end_ns - start_ns)
        self.run(z, quick, start_ns, change_ns)
        self.run(z, slow, change_ns, end_ns)


def joined(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments with neighbours that do the same at the same place made one."""
    found: list[Segment] = []
    for segment in segments:
        if found and _continues(found[-1], segment):
            found[-1] = replace(found[-1], end_ns=segment.end_ns)
        else:
            found.append(segment)
    return found


def _continues(before: Segment, after: Segment) -> bool:
    return (
        before.end_ns == after.start_ns
        and before.zone == after.zone
        and before.kind == after.kind != "resume"
        and before.power_w == after.power_w
        and before.throughput == after.throughput
        and not after.impulse_kwh
    )
