"""Records made by reading real sensors on a clock that the test moves, and known powers to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lowtide.accounting.attribution import attribute
from lowtide.model.record import Event, Readings, Record
from lowtide.power.sampler import Sampler
from lowtide.testing.builders import START_NS, make_header


def sample(sensors, t_s: Sequence[float], *, set_time: Callable[[float], None], **header) -> Record:
    """Return what a recorder with these sensors would have written, read at `t_s` [s]."""
    sampler = Sampler(sensors)
    rows, events = [], []
    for t in t_s:
        set_time(float(t))
        packed, failures = sampler.read()
        rows.append(sampler.packing.unpack(packed))
        t_ns = START_NS + round(t * 1e9)
        events += [
            Event(t_ns=t_ns, kind=type(f).__name__.lower(), channel=c, detail=f.reason) for c, f in failures
        ]
    sampler.close()
    t_ns = START_NS + np.rint(np.asarray(t_s) * 1e9).astype(np.int64)
    readings = {}
    for i, channel in enumerate(sampler.channels):
        dtype = np.int64 if channel.kind == "counter" else np.float64
        readings[channel.name] = Readings(
            channel=channel, t_ns=t_ns, raw=np.array([row[i] for row in rows], dtype=dtype)
        )
    return Record(
        header=make_header(**header), readings=readings, events=tuple(events), gaps=(), n_readings=len(t_ns),
        start_ns=int(t_ns[0]), end_ns=int(t_ns[-1]), end=None,
    )  # fmt: skip


def window(record: Record, first: int, last: int) -> Record:
    """Return the record of a run that saw the readings `first` to `last` alone."""
    cut = slice(first, last + 1)
    readings = {n: replace(r, t_ns=r.t_ns[cut], raw=r.raw[cut]) for n, r in record.readings.items()}
    t_ns = next(iter(readings.values())).t_ns
    return replace(
        record, readings=readings, start_ns=int(t_ns[0]), end_ns=int(t_ns[-1]), n_readings=len(t_ns)
    )


def energy_of(record: Record, component: str) -> tuple[float, float, float]:
    """Return (energy, low, high) of a component [J]."""
    parts = [p for p in attribute(record) if p.component == component]
    energies = [p.power.energy_j() for p in parts]
    low = sum(e * p.low_fraction for e, p in zip(energies, parts, strict=True))
    high = sum(e * p.high_fraction for e, p in zip(energies, parts, strict=True))
    return sum(energies), low, high


class Trace:
    """A power that is constant between instants, and its exact energy."""

    def __init__(self, t_s: Sequence[float], power_w: Sequence[float]) -> None:
        self.t_s, self.power_w = np.asarray(t_s, float), np.asarray(power_w, float)
        self._joules = np.concatenate(([0.0], np.cumsum(self.power_w[:-1] * np.diff(self.t_s))))

    def joules(self, start_s: float, end_s: float) -> float:
        """Return the energy between two instants [J]."""
        return self._until(end_s) - self._until(start_s)

    def _until(self, t_s: float) -> float:
        i = max(0, int(np.searchsorted(self.t_s, t_s, side="right")) - 1)
        return float(self._joules[i] + self.power_w[i] * (t_s - self.t_s[i]))


def square_wave(
    period_s: float, duty: float, *, low_w: float = 100.0, high_w: float = 700.0, until_s: float = 80.0
) -> Trace:
    """Return a power that is high for the first part of every period."""
    begins = np.arange(0.0, until_s, period_s)
    t_s = np.column_stack((begins, begins + duty * period_s)).ravel()
    return Trace(t_s, np.tile([high_w, low_w], len(begins)))


def constant(power_w: float) -> Trace:
    """Return a power that never changes."""
    return Trace([0.0], [power_w])
