"""The nouns of a job to be planned: its operating points, its work, what interrupting it costs, its window."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from lowtide.errors import InputError
from lowtide.quantities import format_instant
from lowtide.units import h_from_ns, ns_from_s

__all__ = ["Job", "OperatingPoint", "Window", "WorkProfile"]


def _check(what: str, value: float, *, above: float = 0.0, strictly: bool = False) -> None:
    """Refuse a number that is not finite or too small."""
    enough = value > above if strictly else value >= above
    if not (isfinite(value) and enough):
        bound = "above" if strictly else "at least"
        raise InputError(f"{what} must be {bound} {above:g}, got {value:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One way to run a job: a number of devices, a power cap, a batch size.

    Attributes
    ----------
    throughput : float
        Work done per second, relative to the baseline point, which has 1.
    power_w : float
        Power at the node while it does so [W].
    label : str
        How people call it (``"250 W"``, ``"8 GPUs"``).

    Examples
    --------
    >>> OperatingPoint(throughput=0.9, power_w=250.0, label="250 W").joules_per_work_s
    277.77777777777777
    """

    throughput: float
    power_w: float
    label: str = ""

    def __post_init__(self) -> None:
        _check("throughput of an operating point", self.throughput, strictly=True)
        _check("power_w of an operating point", self.power_w)

    @property
    def joules_per_work_s(self) -> float:
        """Energy per second of baseline work [J]."""
        return self.power_w / self.throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkProfile:
    """Power over work done, as a step function: what a recorded run drew at each part of its work.

    Attributes
    ----------
    edges_s : tuple of float, length n + 1
        Work done at each change of power [s at throughput 1], from 0, strictly increasing.
    power_w : tuple of float, length n
        Power at the node between them [W].
    """

    edges_s: tuple[float, ...]
    power_w: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges_s) != len(self.power_w) + 1 or not self.power_w:
            raise InputError(
                f"{len(self.edges_s)} edges do not bound {len(self.power_w)} powers of a profile"
            )
        if self.edges_s[0] != 0.0 or any(
            b <= a for a, b in zip(self.edges_s, self.edges_s[1:], strict=False)
        ):
            raise InputError("edges_s of a profile must strictly increase from 0")
        if not all(map(isfinite, self.power_w)) or min(self.power_w) < 0.0:
            raise InputError("power_w of a profile must be finite and at least 0; leave unknown steps out")

    @property
    def work_s(self) -> float:
        """All the work [s at throughput 1]."""
        return self.edges_s[-1]

    @property
    def mean_power_w(self) -> float:
        """Mean over the work [W]."""
        steps = zip(self.edges_s, self.edges_s[1:], self.power_w, strict=False)
        return sum((b - a) * p for a, b, p in steps) / self.work_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work to be done, and what it costs to interrupt or move it.

    Attributes
    ----------
    work_s : float
        Duration at throughput 1 [s].
    points : tuple of OperatingPoint
        The menu; the first is the baseline and has throughput 1. Off is always possible.
    profile : WorkProfile or None
        Power over work done, instead of the baseline's constant power.
    resume_energy_kwh : float
        Energy of each resume on top of its running power [kWh]: writing and reading the checkpoint.
    resume_time_s : float
        Time of each resume [s]: the job draws the baseline's power and makes no progress.
    idle_power_w : float
        Power while paused between first start and end [W].
    max_pauses : int or None
        How often it may be interrupted, moves included; None is without limit.
    migrate_energy_kwh, migrate_time_s : float
        Energy and time of a move to another site, before the resume there.
    """

    work_s: float
    points: tuple[OperatingPoint, ...]
    profile: WorkProfile | None = None
    resume_energy_kwh: float = 0.0
    resume_time_s: float = 0.0
    idle_power_w: float = 0.0
    max_pauses: int | None = None
    migrate_energy_kwh: float = 0.0
    migrate_time_s: float = 0.0

    def __post_init__(self) -> None:
        _check("work_s of a job", self.work_s, above=1e-9)
        if not self.points:
            raise InputError("a job needs at least one operating point, the baseline with throughput 1")
        if self.points[0].throughput != 1.0:
            raise InputError(
                f"the first operating point is the baseline and must have throughput 1, "
                f"got {self.points[0].throughput:g}; put the row with throughput 1 first"
            )
        for name in ("resume_energy_kwh", "resume_time_s", "idle_power_w"):
            _check(f"{name} of a job", getattr(self, name))
        for name in ("migrate_energy_kwh", "migrate_time_s"):
            _check(f"{name} of a job", getattr(self, name))
        least_w = min(point.power_w for point in self.points)
        if self.idle_power_w > least_w:
            raise InputError(
                f"idle_power_w {self.idle_power_w:g} W is above the {least_w:g} W the job draws when it runs"
            )
        if self.max_pauses is not None and self.max_pauses < 0:
            raise InputError(f"max_pauses must be at least 0, got {self.max_pauses}")
        if self.profile is not None and abs(self.profile.work_s - self.work_s) > 1e-9 * self.work_s:
            raise InputError(
                f"the profile holds {self.profile.work_s:g} s of work, the job has {self.work_s:g} s"
            )

    @classmethod
    def constant(cls, *, duration_s: float, power_w: float) -> Job:
        """Return a job of one operating point that costs nothing to interrupt."""
        return cls(work_s=duration_s, points=(OperatingPoint(throughput=1.0, power_w=power_w),))

    @property
    def work_ns(self) -> int:
        """Duration at throughput 1 [ns]: what plans count, so that sums are exact."""
        return ns_from_s(self.work_s)

    @property
    def pauses_cost(self) -> bool:
        """Whether an interruption costs anything or is limited."""
        costs = (self.resume_energy_kwh, self.resume_time_s, self.idle_power_w)
        return any(costs) or self.max_pauses is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a job may run: not before `start_ns`, done by `deadline_ns` [ns since 1970 UTC].

    Attributes
    ----------
    start_ns, deadline_ns : int
    hour_cost : float
        What each hour from the window's start to the end of the job costs, in the unit of the sites'
        intensity times kWh: what makes waiting dear. 0 where only energy counts.
    begun : {"running", "paused"} or None
        What a job is doing at the window's start that has begun before: one that runs goes on for free and pays
        for going on later, a paused one pays for its next run too. None: it has not begun.
    """

    start_ns: int
    deadline_ns: int
    hour_cost: float = 0.0
    begun: Literal["running", "paused"] | None = None

    def __post_init__(self) -> None:
        if self.deadline_ns <= self.start_ns:
            deadline, start = (f"{format_instant(t)[:19]}Z" for t in (self.deadline_ns, self.start_ns))
            raise InputError(
                f"the deadline {deadline} is not after {start}, the start of the window; give a later one"
            )
        _check("hour_cost of a window", self.hour_cost)

    @property
    def length_ns(self) -> int:
        """From start to deadline [ns]."""
        return self.deadline_ns - self.start_ns

    def elapsed_cost(self, end_ns: int) -> float:
        """Return what the time from the window's start to the end of the job costs."""
        return self.hour_cost * h_from_ns(end_ns - self.start_ns) if self.hour_cost else 0.0
