"""How long sweeps of a year take: the settings of two studies, and every 5-minute start of 16 zones.

    python benchmarks/bench_sweep.py [repeats] [engine]

Beside each stands the simplest thing that could work: for each start a cumulative sum with ``argmin``, and
``numpy.partition``, on a sample of the same starts in the same run. The intensities come from the public test
data (``LOWTIDE_TEST_DATA`` or ``../shared/data``) when they are there, else they are made up with the same shape.
Exits 1 when a bound is missed by the slowest repeat; the first one compiles, where that is worth it.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowtide.grid.files import read_intensity_table
from lowtide.model.signal import Signal
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume
from lowtide.planning.kernels.slots import Arrivals, Slots
from lowtide.planning.sweep import sweep
from lowtide.planning.swept import SweepJob, SweepResult
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

DATA = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
HOURLY, FINE = DATA / "ci_hourly_2022_123zones.parquet", DATA / "moer_5min_sgip_caiso_2019_2021.parquet"
N_THREADS = os.cpu_count() or 1

SUKPRASERT_JOBS = [SweepJob(name=f"{h}h", duration_s=h * 3600.0) for h in (1, 6, 12, 24, 48, 96, 168)]
SUKPRASERT_SLACKS = ("24h", "7d", "20d", "30d", "365d")
DODGE_H = {"BERT-ft": 6, "BERT-LM": 36, "6B": 192, "D121": 0.3, "D169": 0.3, "D201": 0.4, "ViT-Ti": 19,
           "ViT-S": 19, "ViT-B": 21, "ViT-L": 90, "ViT-H": 216}  # fmt: skip
DODGE_JOBS = [SweepJob(name=name, duration_s=hours * 3600.0) for name, hours in DODGE_H.items()]
DODGE_SLACKS = ("6h", "12h", "18h", "24h", "25%", "50%", "75%", "100%")
N_SAMPLE = 1500


@dataclass(frozen=True)
class Timed:
    """A benchmark: its plans, its times [s] and the bound [s] they must keep."""

    name: str
    n_plans: int
    times_s: list[float]
    bound_s: float

    @property
    def plans_per_s(self) -> float:
        return self.n_plans / statistics.median(self.times_s)

    def print(self) -> None:
        times = self.times_s
        verdict = "met" if max(times) <= self.bound_s else "MISSED"
        print(
            f"{self.name}: {self.n_plans / 1e6:.2f} M plans, n={len(times)}, first {times[0]:.2f} s, "
            f"median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s, "
            f"{self.plans_per_s / 1e6:.2f} M plans/s; bound {self.bound_s:g} s: {verdict}"
        )


def made_up(n: int, step_s: int, zone: str, seed: int) -> IntensitySeries:
    """Return a daily wave with noise."""
    rng, day = np.random.default_rng(seed), np.arange(n) * step_s / 86400
    values = np.round(300 + 80 * np.sin(2 * np.pi * day) + rng.normal(0, 40, n), 2)
    edges_ns = parse_instant_ns("2022-01-01T00:00Z") + np.arange(n + 1) * step_s * NS_PER_S
    return IntensitySeries.of(edges_ns, values, signal=Signal(zone=zone, source="made up"))


def hourly_zones() -> dict[str, IntensitySeries]:
    """Return 123 zones of a year by the hour."""
    if HOURLY.exists():
        return dict(read_intensity_table(HOURLY).series)
    return {f"Z{i}": made_up(8760, 3600, f"Z{i}", i) for i in range(123)}


def fine_zones() -> dict[str, IntensitySeries]:
    """Return a year of two marginal series by 5 minutes, and of 14 hourly zones that are held."""
    if FINE.exists():
        start_ns, end_ns = (parse_instant_ns(f"{year}-01-01T00:00Z") for year in (2020, 2021))
        series = dict(read_intensity_table(FINE).series)
        fine = {zone: one.clip(start_ns=start_ns, end_ns=end_ns) for zone, one in series.items()}
    else:
        fine = {f"M{i}": made_up(105_120, 300, f"M{i}", i) for i in range(2)}
    held = list(hourly_zones().items())[:: 123 // 14][:14]
    return fine | {f"{zone}, each hour 12 times": one for zone, one in held}


def sukprasert(engine: str) -> SweepResult:
    """Sweep all job lengths and slacks of Sukprasert et al. 2024, reading the file included."""
    return sweep(SUKPRASERT_JOBS, hourly_zones(), slacks=SUKPRASERT_SLACKS, edge="cut", with_pauses=False,
                 engine=engine, n_threads=N_THREADS)  # fmt: skip


def dodge(engine: str) -> SweepResult:
    """Sweep the jobs and windows of Dodge et al. 2022 from 60 starts, reading the file included."""
    return sweep(DODGE_JOBS, hourly_zones(), slacks=DODGE_SLACKS, slot_s=300.0, starts_per_month=5,
                 rng=np.random.default_rng(1), with_pauses=False, engine=engine, n_threads=N_THREADS)  # fmt: skip


def every_five_minutes(engine: str) -> SweepResult:
    """Sweep the same from every 5-minute start of a year."""
    return sweep(DODGE_JOBS, fine_zones(), slacks=DODGE_SLACKS, slot_s=300.0, with_pauses=False,
                 engine=engine, n_threads=N_THREADS)  # fmt: skip


def timed(name: str, work: Callable[[str], SweepResult], engine: str, repeats: int, bound_s: float) -> Timed:
    """Return the times of some repeats."""
    times_s, n_plans = [], 0
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work(engine)
        times_s.append(time.perf_counter() - begin)
        n_plans = sum(row.n_starts for row in result.rows)
    return Timed(name, n_plans, times_s, bound_s)


def simplest(values: np.ndarray, start: int, length: int, slack: int) -> tuple[float, float]:
    """Return the least of both policies from one start, in the simplest way."""
    window = values[start : start + length + slack]
    sums = np.concatenate(([0.0], np.cumsum(window)))
    runs = sums[length:] - sums[:-length]
    return float(runs[np.argmin(runs)]), float(np.partition(window, length - 1)[:length].sum())


def simplest_plans_per_s(values: np.ndarray, settings: list[tuple[int, int]]) -> float:
    """Return how many plans a second the simplest way makes, over settings and starts drawn at random."""
    rng = np.random.default_rng(2)
    drawn = rng.integers(0, len(settings), N_SAMPLE)
    starts = [int(rng.integers(0, len(values) - sum(settings[i]) + 1)) if sum(settings[i]) < len(values)
              else int(rng.integers(0, len(values) - settings[i][0])) for i in drawn]  # fmt: skip
    begin = time.perf_counter()
    for i, start in zip(drawn, starts, strict=True):
        simplest(values, start, *settings[i])
    return 2 * N_SAMPLE / (time.perf_counter() - begin)


def settings_of(jobs: list[SweepJob], slacks: tuple[str, ...], step_s: float) -> list[tuple[int, int]]:
    """Return length and slack of every setting in slots, rounded up."""
    from lowtide.planning.swept import Slack

    return [
        (
            int(np.ceil(job.duration_s / step_s)),
            int(Slack.of(slack).ns_of(int(job.duration_s * 1e9)) / 1e9 / step_s),
        )
        for job in jobs
        for slack in slacks
    ]


def jobs_with_their_own_windows(repeats: int) -> Timed:
    """Plan 3,387 jobs of 4 to 90 h, each with a slack of its own, on a year of half hours: both policies."""
    rng = np.random.default_rng(0)
    slots = Slots.of(made_up(17_568, 1800, "half hours", 0).intensity_g_per_kwh)
    half_hour_ns = NS_PER_H // 2
    arrivals = Arrivals(
        first=np.sort(rng.integers(0, 17_000, 3387)),
        step_ns=half_hour_ns,
        duration_ns=rng.integers(8, 180, 3387) * half_hour_ns,
        slack_ns=rng.integers(0, 240, 3387) * half_hour_ns,
        n_slots=slots.n,
    )
    times_s = []
    for _ in range(repeats):
        begin = time.perf_counter()
        chooser = Chooser(slots, step_ns=half_hour_ns)
        flexible_start(chooser, arrivals)
        pause_resume(chooser, arrivals)
        times_s.append(time.perf_counter() - begin)
    return Timed("3,387 jobs with their own windows", 2 * 3387, times_s, 2 * 3387 / 10_000)


def main(repeats: int, engine: str) -> int:
    """Run all; the exit code is 1 when a bound is missed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"numpy {np.__version__}, engine {engine}; data {'public' if HOURLY.exists() else 'made up'}")  # fmt: skip
    hourly = next(iter(hourly_zones().values())).intensity_g_per_kwh
    work = (
        ("Sukprasert: 7 jobs x 5 slacks x 123 zones, every hour", sukprasert, 30.0,
         hourly, settings_of(SUKPRASERT_JOBS, SUKPRASERT_SLACKS, 3600.0)),
        ("Dodge: 11 jobs x 8 windows x 123 zones, 60 starts", dodge, 5.0,
         np.repeat(hourly, 12), settings_of(DODGE_JOBS, DODGE_SLACKS, 300.0)),
        ("every 5 minutes: 11 jobs x 8 windows x 16 zones", every_five_minutes, 60.0,
         np.repeat(hourly, 12), settings_of(DODGE_JOBS, DODGE_SLACKS, 300.0)),
    )  # fmt: skip
    results = []
    for name, one, bound_s, values, settings in work:
        result = timed(name, one, engine, repeats, bound_s)
        result.print()
        simple = simplest_plans_per_s(values, settings)
        print(f"    {result.plans_per_s / simple:.0f} times the simplest way ({simple / 1e3:.1f} k plans/s)")
        results.append(result)
    alone = jobs_with_their_own_windows(max(3, repeats))
    alone.print()
    return int(any(max(result.times_s) > result.bound_s for result in [*results, alone]))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else "auto"))
