"""What was recorded of a run: who, where, with which channels, what was read and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lowtide.model.hardware import Channel
from lowtide.model.machine import CpuPowerModel, Machine, MemoryPowerModel, RestModel

if TYPE_CHECKING:
    from lowtide.arrays import FloatArray, IntArray

__all__ = [
    "Attribution",
    "Event",
    "Gap",
    "GridChoice",
    "Readings",
    "Record",
    "RunEnd",
    "RunHeader",
    "RunStatus",
    "Telemetry",
]

Attribution = Literal["share", "dynamic", "machine"]
RunStatus = Literal["running", "finished", "failed", "killed", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChoice:
    """Which intensity a run is to be billed with, as asked for when it started.

    Attributes
    ----------
    zone : str or None
        None: energy is measured, emissions are unknown.
    zone_from : str or None
        Where the zone came from: ``flag``, ``LOWTIDE_ZONE``, a file's path.
    provider : str or None
        A named provider; None for the best there is.
    intensity : str or None
        A file's path or a constant [g/kWh], as given.
    basis, factors : str or None
        None: what the source says, average and lifecycle where it leaves the choice.
    market : str or None
        A file or constant for the market-based account.
    """

    zone: str | None = None
    zone_from: str | None = None
    provider: str | None = None
    intensity: str | None = None
    basis: Literal["average", "marginal"] | None = None
    factors: Literal["lifecycle", "direct"] | None = None
    market: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """Everything known about a run before it starts; written once, never changed.

    Attributes
    ----------
    run_id, name : str
    command : tuple of str
        Empty for a measured block of Python.
    tags : tuple of (key, value)
    host, boot_id : str
        The node, and the boot it was in.
    created_ns : int
        When lowtide began to prepare the run [ns].
    interval_s : float
        Asked sampling interval [s].
    attribution : {"share", "dynamic", "machine"}
    cpu_share, memory_share : float
        Share of the machine the run may use.
    machine : Machine
    cpu_model, memory_model, rest_model
        What stands in where nothing is measured.
    grid : GridChoice
    pue : float or None
    functional_unit : str or None
        ``"1e9:token"``: the SCI is per that many of them.
    embodied_kg, lifetime_years, utilization : float or None
        For the embodied share; None is unknown.
    parent_run_id : str or None
        The run inside which this one was started.
    version : str
        Version of lowtide.
    journal_dir : str
        Folder of the run's journals on the node.
    """

    run_id: str
    name: str
    command: tuple[str, ...]
    tags: tuple[tuple[str, str], ...] = ()
    host: str
    boot_id: str
    created_ns: int
    interval_s: float
    attribution: Attribution = "share"
    cpu_share: float
    memory_share: float
    machine: Machine
    cpu_model: CpuPowerModel
    memory_model: MemoryPowerModel
    rest_model: RestModel
    grid: GridChoice
    pue: float | None = None
    functional_unit: str | None = None
    embodied_kg: float | None = None
    lifetime_years: float | None = None
    utilization: float | None = None
    parent_run_id: str | None = None
    version: str = ""
    journal_dir: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What the operating system says the run used, beside power; null is unknown.

    Peak memory is the kernel's for the largest process of the command; where that is not known, the largest
    sum over its processes that was read.
    """

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Attributes
    ----------
    started_ns, ended_ns : int
        COMMAND spawned and reaped, or the first and last reading when that was not observed [ns].
    exit_code, signal : int or None
    observed : bool
        False when nobody was there to see the end: the run is ``incomplete``.
    counts : tuple of (name, number)
        Functional units counted by the job.
    """

    started_ns: int
    ended_ns: int
    exit_code: int | None = None
    signal: int | None = None
    observed: bool = True
    telemetry: Telemetry = field(default_factory=Telemetry)
    counts: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened while recording: a failed sensor, a clock step, a restart."""

    t_ns: int
    kind: str
    channel: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of time for which a channel is unknown, or a step of the clock."""

    start_ns: int
    end_ns: int
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """All readings of one channel in order of time.

    ``t_ns`` int64 (n,); ``raw`` int64 (n,) for counters (a sentinel for failures), float64 (n,) for
    gauges (NaN for failures).
    """

    channel: Channel
    t_ns: IntArray
    raw: IntArray | FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """A run as recorded, whether measured, executed or simulated: what accounting accounts."""

    header: RunHeader
    readings: Mapping[str, Readings]
    events: tuple[Event, ...]
    gaps: tuple[Gap, ...]
    n_readings: int
    start_ns: int
    end_ns: int
    end: RunEnd | None
