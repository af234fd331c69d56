"""Builders of series, headers, readings and records with sensible defaults, and of machines that runs share.

The default machine has round numbers: 4 CPUs that draw 40 W idle and 140 W at full load, 16 GB of memory
at 0.5 W/GB, and a rest of the node of a quarter of both. Times begin at :data:`START_NS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lowtide.model.energy import Boundary
from lowtide.model.grid_choice import GridChoice
from lowtide.model.hardware import Channel
from lowtide.model.machine import CpuPowerModel, Machine, MemoryPowerModel, RestModel
from lowtide.model.record import Gap, Readings, Record, RunEnd, RunHeader
from lowtide.model.signal import Basis, Factors, Signal, Spread, Status
from lowtide.series.readings import MISSING
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import NS_PER_S

__all__ = [
    "START_NS",
    "SharedMachine",
    "SharedRun",
    "intensity_series",
    "make_header",
    "make_readings",
    "make_record",
    "power_series",
    "regular_edges",
]

START_NS: Final = 1_772_323_200 * NS_PER_S
"""2026-03-01T00:00Z."""
_CPU_TICK_S: Final = 0.01


def regular_edges(n_steps: int, *, step_s: float, start_ns: int = START_NS) -> IntArray:
    """Return the n + 1 edges [ns] of steps of equal length.

    >>> regular_edges(2, step_s=0.5, start_ns=0).tolist()
    [0, 500000000, 1000000000]
    """
    return start_ns + np.arange(n_steps + 1, dtype=np.int64) * round(step_s * NS_PER_S)


def power_series(
    power_w: npt.ArrayLike, *, step_s: float = 1.0, start_ns: int = START_NS, boundary: Boundary = "node"
) -> PowerSeries:
    """Return power in steps of equal length.

    >>> power_series([100.0, 300.0]).energy_j()
    400.0
    """
    values = np.asarray(power_w, dtype=np.float64)
    edges = regular_edges(len(values), step_s=step_s, start_ns=start_ns)
    return PowerSeries(edges_ns=edges, power_w=values, boundary=boundary)


def intensity_series(
    intensity_g_per_kwh: npt.ArrayLike,
    *,
    step_s: float = 3600.0,
    start_ns: int = START_NS,
    zone: str | None = "XX",
    basis: Basis = "average",
    factors: Factors = "lifecycle",
    status: Status = "measured",
    spread: Spread | None = None,
) -> IntensitySeries:
    """Return intensity in steps of equal length.

    >>> intensity_series([100.0, 300.0]).mean_g_per_kwh()
    200.0
    """
    values = np.asarray(intensity_g_per_kwh, dtype=np.float64)
    edges = regular_edges(len(values), step_s=step_s, start_ns=start_ns)
    signal = Signal(zone=zone, basis=basis, factors=factors, source="builder", spread=spread)
    return IntensitySeries.of(edges, values, signal=signal, status=status)


def make_header(**changes: Any) -> RunHeader:
    """Return a header on the default machine, with `changes` to its fields.

    >>> make_header(cpu_share=0.5).cpu_share
    0.5
    """
    header = RunHeader(
        run_id="20260301T000000Z-000000",
        name="run",
        command=("python", "train.py"),
        host="host",
        boot_id="boot",
        created_ns=START_NS,
        interval_s=1.0,
        cpu_share=1.0,
        memory_share=1.0,
        machine=Machine(cpu_brand="Example CPU", n_logical_cpus=4, memory_bytes=16 * 2**30),
        cpu_model=CpuPowerModel(idle_w=40.0, full_w=140.0, low_fraction=0.5, high_fraction=1.5,
                                method="example model", source="builder"),
        memory_model=MemoryPowerModel(w_per_gb=0.5, installed_gb=16.0, low_fraction=0.5, high_fraction=1.5,
                                      source="builder"),
        rest_model=RestModel(fraction=0.25, low_fraction=0.5, high_fraction=2.0, source="builder"),
        grid=GridChoice(),
    )  # fmt: skip
    return replace(header, **changes)


def make_readings(channel: Channel, t_ns: IntArray, values: npt.ArrayLike) -> Readings:
    """Return readings of a channel from values in SI units (J, W, s, bytes, 1), NaN where one failed.

    >>> energy = Channel(name="e", sensor="s", component="cpu", quantity="energy", kind="counter", scale=0.5)
    >>> make_readings(energy, np.array([0, 1]), [1.0, 2.0]).raw.tolist()
    [2, 4]
    """
    si = np.asarray(values, dtype=np.float64)
    if channel.kind == "gauge":
        return Readings(channel=channel, t_ns=t_ns, raw=si / channel.scale)
    counts = np.rint(np.nan_to_num(si) / channel.scale).astype(np.int64)
    if channel.modulus is not None:
        counts %= channel.modulus
    return Readings(channel=channel, t_ns=t_ns, raw=np.where(np.isnan(si), MISSING, counts))


def make_record(
    header: RunHeader | None = None,
    *,
    t_ns: IntArray,
    machine_cpu_s: npt.ArrayLike,
    run_cpu_s: npt.ArrayLike,
    package_j: npt.ArrayLike | None = None,
    dram_j: npt.ArrayLike | None = None,
    gpu_j: Mapping[str, npt.ArrayLike] | None = None,
    gpu_w: Mapping[str, npt.ArrayLike] | None = None,
    cpu_shares: npt.ArrayLike | None = None,
    memory_shares: npt.ArrayLike | None = None,
    claims: Mapping[str, npt.ArrayLike] | None = None,
    gaps: tuple[Gap, ...] = (),
    end: RunEnd | None = None,
) -> Record:
    """Return a record whose channels are named as the sensors of lowtide name theirs.

    Parameters
    ----------
    header : RunHeader, optional
    t_ns : int64 array, shape (n,)
        Instants of the readings [ns].
    machine_cpu_s, run_cpu_s : array_like, shape (n,)
        CPU time of the machine and of the run so far [s].
    package_j, dram_j : array_like, shape (n,), optional
        Energy counters so far [J]; without them models stand in.
    gpu_j, gpu_w : mapping of UUID to array_like, optional
        Energy counter so far [J], or power now [W], of each GPU in scope.
    cpu_shares, memory_shares : array_like, shape (n,), optional
        Sum of all runs' shares, as announced on the node.
    claims : mapping of UUID to array_like, optional
        Number of runs that have the GPU in scope.
    """
    given: list[tuple[Channel, npt.ArrayLike | None]] = [
        (_counter("cpu.busy", "cpu", "cpu_time", _CPU_TICK_S), machine_cpu_s),
        (replace(_counter("run.cpu", "cpu", "cpu_time", _CPU_TICK_S), consumer="run"), run_cpu_s),
        (_counter("rapl.package-0", "cpu", "energy", 1e-6), package_j),
        (_counter("rapl.package-0.dram", "memory", "energy", 1e-6), dram_j),
        (_gauge("node.cpu_shares", "cpu", "shares"), cpu_shares),
        (_gauge("node.memory_shares", "memory", "shares"), memory_shares),
    ]
    given += [(_counter(f"nvml.{u}.energy", "gpu", "energy", 1e-3), v) for u, v in (gpu_j or {}).items()]
    given += [(_gauge(f"nvml.{u}.power", "gpu", "power", 1e-3), v) for u, v in (gpu_w or {}).items()]
    given += [(_gauge(f"claims.{u}", "gpu", "claims"), v) for u, v in (claims or {}).items()]
    readings = {c.name: make_readings(c, t_ns, v) for c, v in given if v is not None}
    return Record(
        header=header or make_header(),
        readings=readings,
        events=(),
        gaps=gaps,
        n_readings=len(t_ns),
        start_ns=int(t_ns[0]),
        end_ns=max(int(t_ns[-1]), int(t_ns[0]) + 1),
        end=end,
    )


def _counter(name: str, component: Any, quantity: Any, scale: float) -> Channel:
    sensor = name.split(".", 1)[0]
    return Channel(name=name, sensor=sensor, component=component, quantity=quantity, kind="counter",
                   scale=scale, device=name.split(".")[1])  # fmt: skip


def _gauge(name: str, component: Any, quantity: Any, scale: float = 1.0) -> Channel:
    return replace(_counter(name, component, quantity, scale), kind="gauge")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedRun:
    """A run on a machine that others use as well.

    Attributes
    ----------
    first, last : int
        Ticks of the machine at which it is first and last read, ``first < last``.
    cpu_load : float64 array, shape (n_ticks - 1,)
        CPUs it keeps busy in each step of the machine; what lies outside its own time is ignored.
    cpu_share, memory_share : float
        Share of the machine it may use.
    gpus : tuple of str
        UUIDs in its scope.
    """

    first: int
    last: int
    cpu_load: FloatArray
    cpu_share: float = 1.0
    memory_share: float = 1.0
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedMachine:
    """A machine, its counters at every tick, and the runs on it.

    Attributes
    ----------
    t_ns : int64 array, shape (n_ticks,)
        Instants at which every recorder on it reads [ns].
    runs : tuple of SharedRun
    other_load : float64 array, shape (n_ticks - 1,)
        CPUs kept busy by what is no run.
    package_w, dram_w : float64 arrays, shape (n_ticks - 1,), or None
        Power of its counters in each step [W]; None: there is no such counter.
    gpu_w : mapping of UUID to float64 array
        Power of each GPU in each step [W].
    header : RunHeader
        What all records share.
    """

    t_ns: IntArray
    runs: tuple[SharedRun, ...]
    other_load: FloatArray
    package_w: FloatArray | None = None
    dram_w: FloatArray | None = None
    gpu_w: Mapping[str, FloatArray] = field(default_factory=dict)
    header: RunHeader = field(default_factory=make_header)

    def records(self) -> tuple[Record, ...]:
        """Return what each run's recorder wrote."""
        return tuple(self._record(run, run.cpu_load) for run in self.runs)

    def whole(self) -> Record:
        """Return the record of a run that takes the machine as a whole."""
        n = len(self.t_ns)
        run = SharedRun(first=0, last=n - 1, cpu_load=np.zeros(n - 1), gpus=tuple(self.gpu_w))
        record = self._record(run, run.cpu_load)
        readings = {
            n: r for n, r in record.readings.items() if r.channel.quantity not in ("shares", "claims")
        }
        header = replace(record.header, attribution="machine")
        return replace(record, header=header, readings=readings)

    def _record(self, run: SharedRun, cpu_load: FloatArray) -> Record:
        seen = slice(run.first, run.last + 1)
        busy = self.other_load + sum(
            (self._load(other) for other in self.runs), np.zeros(len(self.other_load))
        )

        def so_far(rate: FloatArray | None) -> FloatArray | None:
            return None if rate is None else self._integral(rate)[seen]

        here = [self._present(other) for other in self.runs]
        return make_record(
            replace(self.header, cpu_share=run.cpu_share, memory_share=run.memory_share),
            t_ns=self.t_ns[seen],
            machine_cpu_s=self._integral(busy)[seen],
            run_cpu_s=self._integral(cpu_load)[seen],
            package_j=so_far(self.package_w),
            dram_j=so_far(self.dram_w),
            gpu_j={uuid: self._integral(self.gpu_w[uuid])[seen] for uuid in run.gpus},
            cpu_shares=_total(here, [other.cpu_share for other in self.runs], len(self.t_ns))[seen],
            memory_shares=_total(here, [other.memory_share for other in self.runs], len(self.t_ns))[seen],
            claims={
                uuid: _total(here, [float(uuid in other.gpus) for other in self.runs], len(self.t_ns))[seen]
                for uuid in run.gpus
            },
        )

    def _load(self, run: SharedRun) -> FloatArray:
        steps = np.arange(len(run.cpu_load))
        return np.where((steps >= run.first) & (steps < run.last), run.cpu_load, 0.0)

    def _present(self, run: SharedRun) -> FloatArray:
        ticks = np.arange(len(self.t_ns))
        return ((ticks >= run.first) & (ticks <= run.last)).astype(np.float64)

    def _integral(self, rate: FloatArray) -> FloatArray:
        return np.concatenate(([0.0], np.cumsum(rate * np.diff(self.t_ns) / NS_PER_S)))


def _total(here: Sequence[FloatArray], weights: Sequence[float], n: int) -> FloatArray:
    return sum((h * w for h, w in zip(here, weights, strict=True)), np.zeros(n))
