"""How fast Wait Awhile plans a machine-learning project, and how near its published savings come out.

    python benchmarks/bench_wait_awhile.py [repeats]

The second scenario of Wiesner et al. 2021: 3,387 jobs of 4 to 90 h at 2036.6 W that arrive in working hours
of 2020, drawn as its simulator draws them, on the German intensity by half hours of the public test data
(``LOWTIDE_TEST_DATA`` or ``../shared/data``); savings must be within 0.01 points of the published ones. As in the
simulator every job may be half an hour late, the ones started at once too. Without the intensity a made-up year
takes its place and only the speed is judged. Beside it runs the rule as its description reads, job by job. Exits 1
when a bound is missed.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lowtide.model.planning import Job, Plan, Window
from lowtide.model.signal import Signal
from lowtide.planning.policies.literature.calendar import Rule, finish_by_ns
from lowtide.planning.policies.literature.many import ManyJobs, wait_awhile_many
from lowtide.planning.policies.literature.wait_awhile import WaitAwhile
from lowtide.planning.sites import SiteOption
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries
from lowtide.testing.workloads import machine_learning_project
from lowtide.units import NS_PER_H, NS_PER_S

DATA = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
INTENSITY = DATA / "ci_subhourly_letswaitawhile_2020.parquet"
SLOT_NS, POWER_KW, N_SAMPLE, LATE_SLOTS = NS_PER_H // 2, 2.0366, 200, 1
LEAST_JOBS_PER_S, MOST_POINTS = 10_000, 0.01
Jobs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
PUBLISHED: dict[tuple[Rule, bool], float] = {
    ("next-workday", False): 5.93,
    ("next-workday", True): 8.16,
    ("semi-weekly", False): 14.13,
    ("semi-weekly", True): 18.50,
}
"""Savings in Germany without forecast errors [%], by rule and whether it interrupts."""


def half_hours() -> IntensitySeries:
    """Return the intensity of Germany from December 2019 on, or one made up."""
    start_ns = parse_instant_ns("2019-12-20T00:00Z")
    if not INTENSITY.exists():
        values = 300 + 80 * np.sin(2 * np.pi * np.arange(18_528) / 48)
        values += np.random.default_rng(0).normal(0.0, 40.0, 18_528)
        return IntensitySeries.of(
            start_ns + np.arange(18_529) * SLOT_NS, values, signal=Signal(zone="DE", source="made up")
        )
    import pyarrow.parquet as pq

    german = pq.read_table(INTENSITY, filters=[("zone", "=", "DE")])
    t_ns = german["ts"].to_numpy().astype("datetime64[ns]").astype(np.int64)  # without a time zone, and UTC
    at_half = t_ns % SLOT_NS == 0
    halves = np.append(t_ns[at_half], t_ns[at_half][-1] + SLOT_NS)
    values = german["ci_lca"].to_numpy()[at_half]
    return IntensitySeries.of(halves, values, signal=Signal(zone="DE", source="Wiesner et al. 2021"))


def best_start(window: npt.NDArray[np.float64], length: int) -> float:
    """Return the least sum of `length` values in a row."""
    sums = np.concatenate(([0.0], np.cumsum(window)))
    return float(((sums[length:] - sums[:-length]) / length).min()) * length


def as_described(series: IntensitySeries, found: Jobs, rule: Rule, interrupting: bool) -> float:
    """Return the saving, job by job: a rolling mean of the window and its least, or the window sorted.

    The published code counts every slot no dearer than the L-th; here it is L of them.
    """
    values, at_once, waiting = series.intensity_g_per_kwh, 0.0, 0.0
    for start_ns, duration_ns in zip(*(column.tolist() for column in found), strict=True):
        first, length = (start_ns - series.start_ns) // SLOT_NS, duration_ns // SLOT_NS
        by_ns = finish_by_ns(start_ns + duration_ns, rule)
        window = values[first : (by_ns - series.start_ns) // SLOT_NS + LATE_SLOTS]
        at_once += best_start(window[: length + LATE_SLOTS], length)
        least = float(np.sort(window)[:length].sum()) if interrupting else best_start(window, length)
        waiting += least
    return 1.0 - waiting / at_once


def largest_difference(series: IntensitySeries, found: Jobs, many: ManyJobs, policy: WaitAwhile) -> float:
    """Return how far the policy, asked job by job, is from the batch, as a fraction, over a sample."""
    worst, site = 0.0, SiteOption(zone="DE", intensity=series)
    for i in np.random.default_rng(1).choice(len(found[0]), N_SAMPLE, replace=False).tolist():
        start_ns, duration_ns = int(found[0][i]), int(found[1][i])
        near = series.clip(start_ns=start_ns, end_ns=start_ns + duration_ns + 8 * 24 * NS_PER_H)
        window = Window(start_ns=start_ns, deadline_ns=near.end_ns)
        job = Job.constant(duration_s=duration_ns / NS_PER_S, power_w=1000.0)
        plan = policy.plan(job, [SiteOption(zone=site.zone, intensity=near)], window)
        if not isinstance(plan, Plan) or plan.emissions_g is None:
            return float("inf")
        worst = max(worst, abs(plan.emissions_g - many.waiting[i]) / plan.emissions_g)
    return worst


def main(repeats: int) -> int:
    """Run all; the exit code is 1 when a bound is missed."""
    series, found = half_hours(), machine_learning_project()
    n = len(found[0])
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy "
          f"{np.__version__}; intensity {'public' if INTENSITY.exists() else 'made up'}, {n} jobs")  # fmt: skip
    missed = False
    for (rule, interrupting), published in PUBLISHED.items():
        policy, times_s = WaitAwhile(rule=rule, interrupting=interrupting), []
        for _ in range(repeats):
            begin = time.perf_counter()
            many = wait_awhile_many(
                series, *found, rule=rule, interrupting=interrupting, late_slots=LATE_SLOTS
            )
            times_s.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        described = 100.0 * as_described(series, found, rule, interrupting)
        described_s = time.perf_counter() - begin
        saving, baseline_t = 100.0 * many.saving_fraction, float(many.run_now.sum()) * POWER_KW / 1e6
        in_time = wait_awhile_many(series, *found, rule=rule, interrupting=interrupting)
        off = largest_difference(series, found, in_time, policy)
        slowest, median_s = n / max(times_s), statistics.median(times_s)
        wrong = INTENSITY.exists() and abs(saving - published) > MOST_POINTS
        bad = wrong or slowest < LEAST_JOBS_PER_S or off > 1e-9 or abs(saving - described) > 1e-6
        missed |= bad
        print(f"{policy.name}: baseline {baseline_t:.1f} t, saving {saving:.2f} % (published {published:.2f} %, "
              f"as described {described:.2f} %); n={repeats}, median {n / median_s:,.0f} jobs/s, slowest "
              f"{slowest:,.0f} (bound {LEAST_JOBS_PER_S:,}); {described_s / median_s:.1f} times the rule as "
              f"described ({n / described_s:,.0f} jobs/s); policy on {N_SAMPLE} jobs within {off:.0e}: "
              f"{'MISSED' if bad else 'met'}")  # fmt: skip
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
