"""The controller on real forecasts: does it ever miss a deadline, and what do its plans lose to hindsight?

    python benchmarks/bench_control.py [runs] [starts]

Truth and CarbonCast's forecasts are those of 13 zones in the second half of 2021; actuals are known up to two hours
before each issue. (1) 10,000 simulated runs over CarbonCast's daily forecasts and hourly ones of the blend, of
random zones, starts, jobs, costs of pausing and true durations up to the margin of 10 %; in half of them the provider
fails for some hours: nothing, one value frozen, zeros, or another zone's values. No deadline may be missed. (2) 6 h
jobs in windows of 24 h from every hour, planned once: the regret to the oracle, pooled over zones, is at most 20 % of
the possible saving, and below that of repeating yesterday in at least 10 zones. The same for 12 h in 36 h and 24 h in
48 h, without a bar; and on a sample of starts what the controller saves when it plans once, each day or each hour
anew, without a margin and however small the saving. Writes ``benchmarks/results/control.json``; exits 1 when a bound
is missed, 2 where the data are not there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from carboncast import KNOWN_BEFORE_H, Zone, read_zones
from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.methods import blend, persistence_day
from lowtide.forecasting.rolling import points_from
from lowtide.model.planning import Job, OperatingPoint
from lowtide.planning.regret import regret_of_windows
from lowtide.planning.shifting import Asked
from lowtide.planning.simulate import Executed, simulate
from lowtide.planning.sites import SiteOption
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

DATA = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULT = Path(__file__).parent / "results" / "control.json"
FIRST_NS, AFTER_NS = parse_instant_ns("2021-07-01T00:00Z"), parse_instant_ns("2021-12-29T00:00Z")
N_LEADS = 48 + 2 * KNOWN_BEFORE_H
JOBS_H = ((6, 24), (12, 36), (24, 48))
POLICIES = ("flexible-start", "pause-resume")
FAULTS = ("missing", "frozen", "zeros", "another zone")
METHODS = (blend, persistence_day)
EVERY_H = (0, 24, 1)
MOST_REGRET, LEAST_ZONES = 0.20, 10
MARGIN = 0.1
POINT = OperatingPoint(throughput=1.0, power_w=1000.0)


@dataclass
class Told:
    """A zone's truth and what was said of it: by method the medians from each issue on, as known two hours before."""

    zone: Zone
    first_ns: int
    said: dict[str, FloatArray]
    every_h: int = 1
    cache: dict[tuple[str, int], IntensitySeries] = field(default_factory=dict)

    @property
    def truth(self) -> IntensitySeries:
        key = ("truth", 0)
        if key not in self.cache:
            history = self.zone.history
            self.cache[key] = IntensitySeries.of(
                history.edges_ns(0, history.n), history.values, signal=history.signal
            )
        return self.cache[key]

    def known_at(self, method: str, t_ns: int) -> IntensitySeries:
        """Return what a method says at an instant, from two hours before its latest issue on."""
        hour = (t_ns - self.first_ns) // NS_PER_H
        hour -= hour % self.every_h
        if (method, hour) not in self.cache:
            if len(self.cache) > 5000:
                self.cache.clear()
            start_ns = self.first_ns + (hour - KNOWN_BEFORE_H) * NS_PER_H
            theirs = method == "carboncast"
            values = self.of_carboncast(start_ns, t_ns) if theirs else self.said[method][hour // self.every_h]
            edges = start_ns + np.arange(len(values) + 1) * NS_PER_H
            signal = self.zone.history.signal
            self.cache[method, hour] = IntensitySeries.of(edges, values, signal=signal, status="forecast")
        return self.cache[method, hour]

    def of_carboncast(self, start_ns: int, t_ns: int) -> FloatArray:
        """Return their latest forecast; before its first hour that of the day before."""
        found = np.full(N_LEADS + self.every_h - 1, np.nan)
        issues = self.zone.issues_ns
        latest = int(np.searchsorted(issues, t_ns, side="right"))
        for i in range(max(0, latest - 2), latest):
            place = (start_ns - int(issues[i])) // NS_PER_H + np.arange(len(found))
            inside = (place >= 0) & (place < self.zone.theirs.shape[1])
            found[inside] = self.zone.theirs[i, place[inside]]
        return found


TOLD: dict[str, Told] = {}


def tell(zone: Zone, every_h: int = 1) -> Told:
    """Return a zone with both methods' medians, issued so often."""
    history = zone.history
    hours = np.arange(
        (FIRST_NS - history.start_ns) // NS_PER_H, (AFTER_NS - history.start_ns) // NS_PER_H + 48
    )
    origins = hours[hours < history.n][::every_h] - KNOWN_BEFORE_H
    said = {m.name: points_from(m, history, origins, N_LEADS + every_h - 1) for m in METHODS}
    return Told(zone, FIRST_NS, said, every_h)


def faulty(
    rng: np.random.Generator, sound: Callable[[int], IntensitySeries], other: Callable[[int], IntensitySeries],
    start_ns: int, window_h: int,
) -> tuple[str, Callable[[int], IntensitySeries]]:  # fmt: skip
    """Return a provider that fails for some hours of a window, and how."""
    how = str(rng.choice(FAULTS))
    from_ns = start_ns + int(rng.integers(0, window_h)) * NS_PER_H * int(rng.integers(0, 2))
    to_ns = from_ns + int(rng.integers(1, window_h + 1)) * NS_PER_H

    def known_at(t_ns: int) -> IntensitySeries:
        series = sound(t_ns)
        if not from_ns <= t_ns < to_ns:
            return series
        if how == "another zone":
            return other(t_ns)
        values = {"missing": np.nan, "zeros": 0.0, "frozen": float(series.intensity_g_per_kwh[0])}[how]
        told = np.full(len(series.intensity_g_per_kwh), values)
        return IntensitySeries.of(series.edges_ns, told, signal=series.signal, status="forecast")

    return how, known_at


def one_run(seed: int) -> tuple[str, bool, str]:
    """Carry out one random run; return its fault, whether its deadline was met, and what it was."""
    rng = np.random.default_rng([2021, seed])
    name, other = (str(z) for z in rng.choice(sorted(TOLD), 2, replace=False))
    told, source = TOLD[name], str(rng.choice(["carboncast", "blend"]))
    work_h, window_h = (
        JOBS_H[int(rng.integers(3))] if rng.random() < 0.75 else (float(rng.uniform(0.5, 20)), 0)
    )
    window_h = window_h or int(rng.integers(int(1.1 * work_h) + 1, 49))
    start_ns = FIRST_NS + int(rng.integers(0, AFTER_NS - FIRST_NS - 50 * NS_PER_H))
    start_ns -= start_ns % NS_PER_H if rng.random() < 0.5 else 0
    job = Job(
        work_s=work_h * 3600.0, points=(POINT,), resume_time_s=float(rng.choice([0.0, 0.0, 300.0])),
        resume_energy_kwh=float(rng.choice([0.0, 0.0, 0.1])),
    )  # fmt: skip
    every_h = int(rng.choice([1, 3, 24])) if source == "blend" else 24
    known_at, how = (lambda t_ns: told.known_at(source, t_ns)), "none"
    if seed % 2:
        how, known_at = faulty(rng, known_at, lambda t: TOLD[other].known_at(source, t), start_ns, window_h)
    true_s, may_pause = job.work_s * float(rng.uniform(0.6, 1.0 + MARGIN)), bool(rng.integers(2))
    done = simulate(
        job, SiteOption(zone=name, intensity=told.truth), start_ns=start_ns,
        deadline_ns=start_ns + window_h * NS_PER_H, known_at=known_at, true_work_s=true_s, may_pause=may_pause,
        margin_fraction=MARGIN, issues_ns=new_from(start_ns, window_h, every_h),
    )  # fmt: skip
    return how, done.deadline_met, f"seed {seed}: {name}, {work_h:g} h in {window_h} h by {source}, {how}"


def new_from(start_ns: int, window_h: int, every_h: int) -> IntArray:
    """Return when new forecasts come inside a window: at whole hours, or 00 UTC each day, or never."""
    if not every_h:
        return np.empty(0, dtype=np.int64)
    step = every_h * NS_PER_H
    return np.asarray(np.arange((start_ns // step + 1) * step, start_ns + window_h * NS_PER_H, step))


def asked(work_h: int, window_h: int, policy: str) -> Asked:
    return Asked(duration_s=work_h * 3600.0, slack_s=(window_h - work_h) * 3600.0, policy=policy)  # type: ignore[arg-type]


def planned_once(name: str) -> dict[str, dict[str, float]]:
    """Return the mean intensity of jobs from every hour, by job and policy, then by method [g/kWh]."""
    told, found = TOLD[name], {}
    n = (AFTER_NS - FIRST_NS) // NS_PER_H - 48
    starts_ns = FIRST_NS + np.arange(n) * NS_PER_H
    actual = told.zone.history.targets((starts_ns - told.zone.history.start_ns) // NS_PER_H, 48)
    points = {method: said[:n, KNOWN_BEFORE_H:] for method, said in told.said.items()}
    for work_h, window_h in JOBS_H:
        for policy in POLICIES:
            kept = regret_of_windows(
                points, actual, asked(work_h, window_h, policy), starts_ns=starts_ns, step_ns=NS_PER_H
            )
            means = {method: float(one.plan.mean()) for method, one in kept.shifted.items()}
            found[f"{work_h} h in {window_h} h, {policy}"] = means
    return found


def replanned(work: tuple[str, int]) -> dict[str, dict[str, float]]:
    """Return what the controller's jobs emit when it plans once, each day, each hour anew [g/kWh], and the oracle's."""
    name, n_starts = work
    told, found = TOLD[name], {}
    rng = np.random.default_rng([7, sorted(TOLD).index(name)])
    last = (AFTER_NS - FIRST_NS) // NS_PER_H - 50
    for work_h, window_h in JOBS_H:
        n = n_starts if work_h == JOBS_H[0][0] else max(4, n_starts // 3)
        starts = (FIRST_NS + rng.choice(last, n, replace=False) * NS_PER_H).tolist()
        for policy in POLICIES:
            row = {
                f"every {h} h" if h else "once": mean_g(told, starts, work_h, window_h, policy, h)
                for h in EVERY_H
            }
            row["oracle"] = mean_g(told, starts, work_h, window_h, policy, None)
            row["run-now"] = mean_g(told, starts, work_h, work_h, policy, 0)
            found[f"{work_h} h in {window_h} h, {policy}"] = row
    return found


def mean_g(
    told: Told, starts: list[int], work_h: int, window_h: int, policy: str, every_h: int | None
) -> float:
    """Return the mean intensity of some starts; without a time between plans as known afterwards."""
    total_g = 0.0
    for start_ns in starts:
        done = carried_out(told, start_ns, work_h, window_h, policy, every_h)
        assert done.plan.emissions_g is not None
        total_g += done.plan.emissions_g / work_h  # 1 kW
    return total_g / len(starts)


def carried_out(
    told: Told, start_ns: int, work_h: int, window_h: int, policy: str, every_h: int | None
) -> Executed:  # fmt: skip
    def known_at(t_ns: int) -> IntensitySeries:
        if every_h is None:
            return told.truth
        issued_ns = t_ns - t_ns % (every_h * NS_PER_H) if every_h else start_ns
        return told.known_at("blend", max(start_ns, issued_ns))

    return simulate(
        Job(work_s=work_h * 3600.0, points=(POINT,)),
        SiteOption(zone=told.zone.history.signal.zone or "", intensity=told.truth),
        start_ns=start_ns, deadline_ns=start_ns + window_h * NS_PER_H, known_at=known_at,
        may_pause=policy == "pause-resume", margin_fraction=0.0, min_saving_fraction=0.0,
        issues_ns=new_from(start_ns, window_h, every_h or 0),
    )  # fmt: skip


def regret_share(means: dict[str, float], method: str) -> float:
    """Return what a method loses to the oracle, as a share of the possible saving."""
    possible = means["run-now"] - means["oracle"]
    return (means[method] - means["oracle"]) / possible if possible > 0.0 else 0.0


def pooled(by_zone: dict[str, dict[str, dict[str, float]]], job: str) -> dict[str, float]:
    """Return the sum over zones: a job of the same energy in each."""
    rows = [zone[job] for zone in by_zone.values()]
    return {method: sum(row[method] for row in rows) for method in rows[0]}


def show(title: str, by_zone: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Print and return regrets by job: each zone's, and pooled."""
    print(f"== {title}: regret to the oracle as a share of the possible saving [%]")
    found: dict[str, Any] = {}
    for job in next(iter(by_zone.values())):
        total = pooled(by_zone, job)
        methods = [m for m in total if m not in ("oracle", "run-now")]
        shares = {m: regret_share(total, m) for m in methods}
        zones = {z: {m: regret_share(row[job], m) for m in methods} for z, row in by_zone.items()}
        possible = 1.0 - total["oracle"] / total["run-now"]
        print(f"{job}: possible {100 * possible:.1f} % of run-now; pooled "
              + ", ".join(f"{m} {100 * s:.1f}" for m, s in shares.items()))  # fmt: skip
        print(
            "   "
            + "; ".join(
                f"{z} " + "/".join(f"{100 * s:.0f}" for s in row.values()) for z, row in zones.items()
            )
        )
        found[job] = {
            "possible_fraction": possible,
            "pooled": shares,
            "zones": zones,
            "g_per_kwh": by_zone_of(by_zone, job),
        }
    return found


def by_zone_of(by_zone: dict[str, dict[str, dict[str, float]]], job: str) -> dict[str, dict[str, float]]:
    return {zone: row[job] for zone, row in by_zone.items()}


def judge(once: dict[str, Any]) -> list[str]:
    """Return the bounds on regret that are missed, in words."""
    found = []
    for policy in POLICIES:
        row = once[f"6 h in 24 h, {policy}"]
        if row["pooled"]["blend"] > MOST_REGRET:
            found.append(
                f"{policy}: pooled regret {100 * row['pooled']['blend']:.1f} % of the possible saving"
            )
        better = sum(zone["blend"] < zone["persistence-day"] for zone in row["zones"].values())
        if better < LEAST_ZONES:
            found.append(f"{policy}: less regret than repeating yesterday in {better} zones only")
    return found


def prepare(folder: Path) -> None:
    """Read the zones and make their forecasts, for this process and those it starts."""
    zones = read_zones(folder)
    with get_context("fork").Pool() as pool:
        TOLD.update(zip(zones, pool.map(tell, zones.values(), chunksize=1), strict=True))


def main() -> None:
    if not DATA.is_dir():
        print(f"no data in {DATA}; set LOWTIDE_TEST_DATA")
        sys.exit(2)
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    n_starts = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    begin = time.perf_counter()
    prepare(DATA)
    print(f"{len(TOLD)} zones told in {time.perf_counter() - begin:.0f} s", flush=True)
    with get_context("fork").Pool() as pool:
        runs = pool.map(one_run, range(n_runs), chunksize=50)
        late = [what for _, met, what in runs if not met]
        by_fault = {how: sum(h == how for h, _, _ in runs) for how in ("none", *FAULTS)}
        faults = ", ".join(f"{n} {how}" for how, n in by_fault.items())
        faults = ", ".join(f"{n} {how}" for how, n in by_fault.items())
        took_s = time.perf_counter() - begin
        print(f"{n_runs} runs ({faults}): {len(late)} missed deadlines, after {took_s:.0f} s", flush=True)
        once = show(
            "planned once, from every hour",
            dict(zip(TOLD, pool.map(planned_once, TOLD, chunksize=1), strict=True)),
        )
        again = show(
            f"the controller by the blend, {n_starts} starts a zone (a third for longer jobs)",
            dict(zip(TOLD, pool.map(replanned, [(z, n_starts) for z in TOLD], chunksize=1), strict=True)),
        )
    failures = late[:10] + judge(once)
    took_s = time.perf_counter() - begin
    print(f"bounds missed: {'; '.join(failures) or 'none'}; {took_s:.0f} s")
    result = {"runs": n_runs, "by_fault": by_fault, "missed_deadlines": late, "planned_once": once, "replanned": again,
              "missed": failures, "took_s": took_s}  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
