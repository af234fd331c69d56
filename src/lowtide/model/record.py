"""What was recorded of a run: who, where, with which channels, what was read and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lowtide.model.budget import Budget, BudgetReached
from lowtide.model.grid_choice import GridChoice
from lowtide.model.hardware import Channel
from lowtide.model.machine import CpuPowerModel, Machine, MemoryPowerModel, RestModel
from lowtide.model.pue import PueSteps
from lowtide.model.run_plan import RunPlan

if TYPE_CHECKING:
    from lowtide.arrays import FloatArray, IntArray

__all__ = [
    "Attribution",
    "Event",
    "Gap",
    "GaugeSummary",
    "Marks",
    "PhaseMark",
    "RankPlace",
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
class RankPlace:
    """Which of the processes of a launch (torchrun, mpirun, srun) a recording is of.

    Attributes
    ----------
    key : str
        What the launcher's environment says that is the same for all its processes and for no other launch.
    launcher : str
        ``torchrun``, ``mpi``, ``slurm`` or ``environment``.
    rank, n_ranks : int
    attempt : int
        How often the launcher had started its processes again.
    cpus : tuple of int
        CPUs it is bound to.
    """

    key: str
    launcher: str
    rank: int
    n_ranks: int
    attempt: int = 0
    cpus: tuple[int, ...] = ()


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
    pue : float, PueSteps or None
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
    rank : RankPlace or None
        For one process of a launch; `run_id` is then the path of its folder, ``RUN_ID/ranks/r0003-0``.
    n_ranks : int or None
        For a run of several processes, how many the launcher starts.
    unread_sensors : tuple of str
        Sensors that were asked for by name and could not be read when it began, each with the reason.
    budget : Budget or None
        What it may emit or draw.
    resumed : bool
        Whether it went on from what an earlier run had saved (``LOWTIDE_RESUME=1``): it is a part of its job.
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
    pue: float | PueSteps | None = None
    functional_unit: str | None = None
    embodied_kg: float | None = None
    lifetime_years: float | None = None
    utilization: float | None = None
    parent_run_id: str | None = None
    version: str = ""
    journal_dir: str = ""
    rank: RankPlace | None = None
    n_ranks: int | None = None
    unread_sensors: tuple[str, ...] = ()
    budget: Budget | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeSummary:
    """A gauge over a run, in the SI unit of its quantity."""

    quantity: str
    device: str
    mean: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What the operating system says the run used, beside power; null is unknown.

    Peak memory is the kernel's for the largest process of the command; where that is not known, the largest
    sum over its processes that was read.

    Attributes
    ----------
    cpu_seconds : float or None
    peak_memory_bytes, disk_read_bytes, disk_write_bytes : int or None
    network_received_bytes, network_sent_bytes : int or None
        Of the run's network namespace, where that is not the machine's own.
    cpu_utilization : float or None
        CPU time over duration and the CPUs the run may use.
    gauges : mapping of channel to GaugeSummary
        What sensors said beside power: utilisation, memory, clocks, temperature.
    software : mapping of name to version
        Python, the machine-learning libraries that are installed, the GPU driver.
    """

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    network_received_bytes: int | None = None
    network_sent_bytes: int | None = None
    cpu_utilization: float | None = None
    gauges: Mapping[str, GaugeSummary] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)


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
    plan : RunPlan or None
        For a run that was to run when green.
    budget : BudgetReached or None
        For a run that was seen to reach its budget.
    """

    started_ns: int
    ended_ns: int
    exit_code: int | None = None
    signal: int | None = None
    observed: bool = True
    telemetry: Telemetry = field(default_factory=Telemetry)
    counts: tuple[tuple[str, float], ...] = ()
    note: str = ""
    plan: RunPlan | None = None
    budget: BudgetReached | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMark:
    """Where a phase begins or ends; each process, and each thread of one, nests its phases by itself."""

    t_ns: int
    begins: bool
    process: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """What a job said about its own progress.

    ``step_t_ns`` int64 (n,) with ``step_n`` float64 (n,): so many steps were done by then, since the mark
    before; ``counts`` the same as (name, t_ns, number).
    """

    phases: tuple[PhaseMark, ...]
    step_t_ns: IntArray
    step_n: FloatArray
    counts: tuple[tuple[str, int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """A run as recorded, whether measured, executed or simulated: what accounting accounts.

    `parts` are the nodes of a run of many processes, each a record of its own; `readings` are then empty.
    """

    header: RunHeader
    readings: Mapping[str, Readings]
    events: tuple[Event, ...]
    gaps: tuple[Gap, ...]
    n_readings: int
    start_ns: int
    end_ns: int
    end: RunEnd | None
    marks: Marks | None = None
    parts: tuple[Record, ...] = ()
