"""Builders of sites and jobs, and random cases of a few cells, for the tests of planning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowtide.model.planning import Job, OperatingPoint, Window
from lowtide.model.signal import Signal
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.units import J_PER_KWH, NS_PER_S

S = NS_PER_S
NAN = float("nan")


def intensity_of(
    values: Sequence[float], *, step_s: Any = 3600, start_ns: int = 0, zone: str = "A", **signal: Any
) -> IntensitySeries:
    widths = np.broadcast_to(np.asarray(step_s), len(values))
    edges = start_ns + np.concatenate(([0], np.cumsum(widths))).astype(np.int64) * S
    return IntensitySeries.of(edges, list(values), signal=Signal(zone=zone, source="made up", **signal))


def site_of(
    values: Sequence[float], *, zone: str = "A", step_s: Any = 3600, start_ns: int = 0, **options: Any
) -> SiteOption:
    series = intensity_of(values, step_s=step_s, start_ns=start_ns, zone=zone)
    return SiteOption(zone=zone, intensity=series, **options)


def points_of(*pairs: tuple[float, float]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(throughput=t, power_w=p) for t, p in pairs)


def job_of(work_s: float, *, power_w: float = 100.0, resume_j: float = 0.0, **options: Any) -> Job:
    return Job(
        work_s=work_s, points=points_of((1.0, power_w)), resume_energy_kwh=resume_j / J_PER_KWH, **options
    )


def window_of(length_s: float, *, start_s: float = 0.0) -> Window:
    return Window(start_ns=round(start_s * S), deadline_ns=round((start_s + length_s) * S))


@dataclass(frozen=True)
class Case:
    """One random problem on one site."""

    intensity: list[float]
    width_s: list[int]
    work_s: float
    resume_j: float
    resume_s: int
    idle_w: float
    max_pauses: int | None
    negative: bool

    @property
    def job(self) -> Job:
        return job_of(
            self.work_s, resume_j=self.resume_j, resume_time_s=self.resume_s, idle_power_w=self.idle_w,
            max_pauses=self.max_pauses,
        )  # fmt: skip

    @property
    def site(self) -> SiteOption:
        return site_of(self.intensity, step_s=self.width_s)

    @property
    def window(self) -> Window:
        return window_of(sum(self.width_s))


def values_of(rng: np.random.Generator, shape: Any) -> tuple[np.ndarray, bool]:
    """Return intensities that tie often, sometimes or never, with gaps; and whether some are negative."""
    kind = rng.integers(0, 5)
    if kind == 0:
        values = rng.integers(1, 4, shape).astype(float)
    elif kind == 1:
        values = rng.integers(0, 50, shape).astype(float)
    elif kind == 2:
        values = rng.integers(-20, 60, shape).astype(float)
    else:
        values = rng.uniform(1.0, 100.0, shape)
    if rng.random() < 0.3:
        values[rng.random(shape) < 0.25] = NAN
    return values, bool((values < 0.0).any())


def random_case(rng: np.random.Generator, *, most_cells: int = 7) -> Case:
    """Return a problem: equal or mixed cells, gaps, ties, zero slack, more work than there is data for."""
    n = int(rng.integers(1, most_cells + 1))
    mixed = rng.random() < 0.5
    width = rng.integers(1, 5, n) * 60 if mixed else np.full(n, 60)
    values, negative = values_of(rng, n)
    total = int(width.sum())
    work = (
        int(rng.integers(1, total + 1)) if rng.random() < 0.7 else int(rng.integers(1, total // 60 + 1)) * 60
    )
    work = total if rng.random() < 0.1 else work
    # ties, and gains from resuming, are judged on cells that resumes fill; elsewhere any time will do
    whole_cells = negative or len(set(values.tolist())) < n
    resume_s = (
        int(rng.choice([0, 60] if not mixed else [0])) if whole_cells else int(rng.choice([0, 0, 30, 60, 90]))
    )
    return Case(
        intensity=values.tolist(),
        width_s=width.tolist(),
        work_s=float(work),
        resume_j=float(rng.choice([0, 0, 600, 3000, 20000])),
        resume_s=resume_s,
        idle_w=float(rng.choice([0, 0, 10, 40])),
        max_pauses=None if rng.random() < 0.6 else int(rng.integers(0, 3)),
        negative=negative,
    )
