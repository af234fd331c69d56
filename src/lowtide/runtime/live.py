"""The energy of a run while it is going on, read piece by piece: what was read before is not read again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from lowtide.accounting.booking import node_energy
from lowtide.accounting.operational import operational
from lowtide.accounting.pue import overhead
from lowtide.errors import LowtideError, NothingRecordedError, StoreError
from lowtide.model.record import Record, RunHeader
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.stores.journal import iter_files, read_journal
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import record_from, wall_offset_of, while_merging
from lowtide.stores.segments import PackedSegment, Segment, decode_segment, encode_segment, open_segment
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = ["LiveEnergy", "SoFar"]

_AHEAD_NS = 6 * NS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """A run up to its last reading; emissions are None without an intensity."""

    t_ns: int
    duration_s: float
    energy_kwh: float
    power_w: float
    emissions_g: float | None


class LiveEnergy:
    """Follows the journals of one run, or of one rank, on this node.

    The figure is of the run's own node and processes; for a rank it lacks what another rank reads for all.

    Parameters
    ----------
    ledger : Ledger
    header : RunHeader
    """

    def __init__(self, ledger: Ledger, header: RunHeader) -> None:
        self._ledger, self._header = ledger, header
        self._read: set[str] = set()
        self._last: dict[str, Segment] = {}
        self._seen: dict[str, int] = {}
        self._start_ns, self._until_ns = -1, -1  # of the clock that no step of the wall clock moves
        self._kwh, self._g = 0.0, 0.0
        self._intensity: IntensitySeries | None = None
        self._has_intensity = header.grid.zone is not None or header.grid.intensity is not None

    def update(self) -> SoFar | None:
        """Read what is new; None before there are two readings, or when nothing is new.

        Raises
        ------
        LowtideError
            If it cannot be read.
        """
        segments = self._new_segments()
        if not segments:
            return None
        try:
            power = node_energy(self._record(segments)).power
        except NothingRecordedError:
            return None
        offset_ns = wall_offset_of(segments)
        if self._until_ns < 0:
            self._start_ns = self._until_ns = power.start_ns - offset_ns
        if power.end_ns <= self._until_ns + offset_ns:
            return None
        new = power.clip(start_ns=self._until_ns + offset_ns, end_ns=power.end_ns)
        self._kwh += new.energy_kwh()
        self._g += self._grams(new)
        self._until_ns = power.end_ns - offset_ns
        return SoFar(
            t_ns=power.end_ns,
            duration_s=(self._until_ns - self._start_ns) / NS_PER_S,
            energy_kwh=self._kwh,
            power_w=new.energy_j() / new.duration_s,
            emissions_g=self._g if self._has_intensity and not np.isnan(self._g) else None,
        )

    def _record(self, segments: list[Segment]) -> Record:
        header = replace(self._header, rank=None)
        return record_from(header, None, segments, [], self._header.journal_dir)

    def _grams(self, power: PowerSeries) -> float:
        if not self._has_intensity:
            return 0.0
        known = self._intensity
        if known is None or known.end_ns < power.end_ns or known.start_ns > power.start_ns:
            self._intensity = self._read_intensity(power)
        if self._intensity is None:
            return float("nan")
        pue = self._header.pue
        emitting = power if power.boundary != "node" else overhead(power, power.energy_kwh(), pue).power
        return operational(emitting, self._intensity).g

    def _read_intensity(self, power: PowerSeries) -> IntensitySeries | None:
        from lowtide.runtime.billing import intensities_for
        from lowtide.runtime.grid_access import at_run_end

        start_ns, end_ns = power.start_ns, power.end_ns + _AHEAD_NS
        try:
            with at_run_end() as access:  # the job that looks does not wait for the network
                given = intensities_for(self._header.grid, start_ns=start_ns, end_ns=end_ns, access=access)
        except LowtideError:
            return None
        return given.location or given.marginal

    def _new_segments(self) -> list[Segment]:
        """Return what was recorded since the last time, and what was before it: a step has two ends."""
        before, sealed = list(self._last.values()), while_merging(self._sealed)
        self._read.update(name for name, _ in sealed)
        new = [
            segment.unpacked() for _, segment in sealed if _end(segment) > self._seen.get(segment.writer, 0)
        ]
        for segment in sorted(new, key=lambda segment: segment.first_seq + segment.n_rows):
            self._last[segment.writer] = segment
            self._seen[segment.writer] = segment.first_seq + segment.n_rows
        return [*before, *new, *self._journaled()]

    def _sealed(self) -> list[tuple[str, PackedSegment]]:
        """Return the files that have not been looked at, an hour's that were merged among them."""
        folder = self._ledger.segments_dir(self._header.run_id)
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith(".seg") and name not in self._read:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found.append((name, open_segment(file.read(), path=path)))
        return found

    def _journaled(self) -> list[Segment]:
        """Return the journals' rows; those of the last minute or two, as older ones have been sealed."""
        segments = []
        for path in iter_files(self._header.journal_dir):
            try:
                channels, rows, events = read_journal(path)
            except StoreError:
                continue  # it is just being made
            if rows:
                writer = os.path.basename(path).removesuffix(".sqlite")
                data = encode_segment(writer=writer, channels=channels, rows=rows, events=events)
                segments.append(decode_segment(data, path=path))
        return segments


def _end(segment: PackedSegment) -> int:
    return segment.first_seq + segment.n_rows
