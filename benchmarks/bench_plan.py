"""How fast one job is planned exactly, and what that saves against simpler ways.

    python benchmarks/bench_plan.py [--repeats 15] [--json FILE]

Three problems on made-up but lifelike intensities (days, weather, noise; the seed is fixed):

* *pause*: 8 days of work in 16 days of five-minute values (4,608 slots), 0.05 kWh and 10 minutes a resume.
  Against the textbook dynamic programme over (slot, work done, on or off), in numpy and compiled.
* *joint*: the same with 5 sites, 0.2 kWh and half an hour a move.
* *elastic*: 720 hours, 32 workers, half of what all of them could do. Against a greedy by whole workers in the
  manner of CarbonScaler (Hanafy et al. 2023), with and without a host that draws power however many work.

Bounds are judged on the best of the repeats, since the machine may be shared. Exits 1 when one is missed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lowtide.model.planning import Job, OperatingPoint, Plan, Window
from lowtide.model.signal import Signal
from lowtide.planning.fill import fill
from lowtide.planning.menu import corners
from lowtide.planning.network import build
from lowtide.planning.paths.solve import solve
from lowtide.planning.policies import elastic
from lowtide.planning.search import cells_of, search
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import cut
from lowtide.series.types import IntensitySeries
from lowtide.testing.builders import START_NS
from lowtide.units import J_PER_KWH, NS_PER_H

SLOT_NS = NS_PER_H // 12
N_SLOTS = 16 * 24 * 12
POWER_W, RESUME_KWH, RESUME_SLOTS = 300.0, 0.05, 2
BOUNDS_S = {
    "pause, value": 0.025,
    "pause, plan": 0.060,
    "pause, numpy": 0.5,
    "joint, plan": 1.0,
    "elastic": 0.002,
}


def weather(seed: int, n: int, per_day: int) -> np.ndarray:
    """Return intensities [g/kWh]: a daily cycle, drift that returns to its mean, noise; never below 5."""
    rng = np.random.default_rng(seed)
    drift = np.zeros(n)
    for i in range(1, n):
        drift[i] = drift[i - 1] * (1 - 0.5 / per_day) + rng.normal(0.0, 60.0 / per_day**0.5)
    day = 70 * np.sin(2 * np.pi * np.arange(n) / per_day + rng.uniform(0, 6))
    return np.maximum(320 + day + drift + rng.normal(0, 8, n), 5.0)


def site(seed: int, n: int, step_ns: int, *, zone: str = "A", pue: float | None = None) -> SiteOption:
    """Return a site with `n` made-up values from the start of a day on."""
    edges = START_NS + np.arange(n + 1, dtype=np.int64) * step_ns
    values = weather(seed, n, 24 * NS_PER_H // step_ns)
    series = IntensitySeries.of(edges, values, signal=Signal(zone=zone, source="made up"))
    return SiteOption(zone=zone, intensity=series, pue=pue)


def textbook(c: np.ndarray, k: int, resume_j: float, r: int) -> float:
    """Return the least cost of k slots by the plain programme in numpy: O(slots * k), the value alone."""
    n, slot_s = len(c), SLOT_NS / 1e9
    on, off = np.full(k + 1, np.inf), np.full(k + 1, np.inf)
    warm = [np.full(k + 1, np.inf) for _ in range(r + 1)]
    run = c * POWER_W * slot_s
    cumulative = np.concatenate(([0.0], np.cumsum(c))) * slot_s
    for j in range(n):
        on = np.minimum(on, warm[j % (r + 1)])
        if j + r < n:
            cost = (cumulative[j + r] - cumulative[j]) * (POWER_W + resume_j / (r * slot_s))
            warm[(j + r) % (r + 1)] = off + cost
        off_next = np.minimum(off, on)
        on_next = np.full(k + 1, np.inf)
        on_next[1:] = on[:-1] + run[j]
        on_next[1] = min(on_next[1], run[j])
        on, off = on_next, off_next
    return float(on[k] if np.isfinite(on[k]) else off[k]) if on[k] < off[k] else float(off[k])


def textbook_loop(c: np.ndarray, k: int, power_w: float, resume_j: float, r: int, slot_s: float) -> float:
    """Return the same by plain loops, to be compiled."""
    n = len(c)
    on, off = np.full(k + 1, np.inf), np.full(k + 1, np.inf)
    warm = np.full((r + 1, k + 1), np.inf)
    for j in range(n):
        here, later = j % (r + 1), (j + r) % (r + 1)
        cost = np.inf
        if j + r < n:
            cost = 0.0
            for i in range(r):
                cost += c[j + i]
            cost *= slot_s * (power_w + resume_j / (r * slot_s))
        run = c[j] * power_w * slot_s
        for i in range(k, -1, -1):
            a = min(on[i], warm[here, i])
            warm[later, i] = off[i] + cost
            off[i] = min(off[i], a)
            if i < k:
                on[i + 1] = a + run
        on[0] = np.inf
        on[1] = min(on[1], run)
    return min(on[k], off[k])


def greedy(c: np.ndarray, throughput: list[float], power_w: list[float], work: float) -> float:
    """Return the grams of the greedy by whole workers: most work per gram first, one slot in part at the end."""
    heap = []
    steps = [
        (t1 - t0, p1 - p0)
        for t0, t1, p0, p1 in zip([0.0, *throughput], throughput, [0.0, *power_w], power_w, strict=False)
    ]
    for t, value in enumerate(c.tolist()):
        heapq.heappush(heap, (-steps[0][0] / (steps[0][1] * value), t, 0))
    grams = 0.0
    while work > 1e-12:
        _, t, k = heapq.heappop(heap)
        gain, more_w = steps[k]
        share = min(1.0, work / gain)
        grams += share * more_w / 1000.0 * c[t]
        work -= share * gain
        if k + 1 < len(steps):
            gain, more_w = steps[k + 1]
            heapq.heappush(heap, (-gain / (more_w * c[t]), t, k + 1))
    return grams


def timed(call: Callable[[], Any], repeats: int) -> list[float]:
    """Return the duration of each call [s], after two that are not counted."""
    found = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found[2:]


def pause(repeats: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the planning of pauses on one site and check it against the textbook."""
    import numba

    here = site(1, N_SLOTS + 1, SLOT_NS)
    point = OperatingPoint(throughput=1.0, power_w=POWER_W)
    work_s = N_SLOTS // 2 * SLOT_NS / 1e9
    job = Job(work_s=work_s, points=(point,), resume_energy_kwh=RESUME_KWH, resume_time_s=600.0)
    window = Window(start_ns=START_NS, deadline_ns=START_NS + N_SLOTS * SLOT_NS)
    c = here.intensity.intensity_g_per_kwh[:N_SLOTS]

    def value(fast: bool) -> Any:
        cells = cells_of(job, [here], window, slot_s=None)
        return solve(build(job, cells, [job.points]).graph, job.work_ns, fast=fast)

    def planned(fast: bool) -> Any:
        return search("pause-resume", job, [here], window, [job.points], fast=fast)

    compiled = numba.njit(textbook_loop)
    arguments = (c, N_SLOTS // 2, POWER_W, RESUME_KWH * J_PER_KWH, RESUME_SLOTS, SLOT_NS / 1e9)
    seconds = {
        "pause, value": timed(lambda: value(True), repeats),
        "pause, plan": timed(lambda: planned(True), repeats),
        "pause, numpy": timed(lambda: planned(False), max(3, repeats // 3)),
        "pause, textbook compiled, value": timed(lambda: compiled(*arguments), repeats),
        "pause, textbook numpy, value": timed(
            lambda: textbook(c, N_SLOTS // 2, RESUME_KWH * J_PER_KWH, RESUME_SLOTS), 3
        ),
    }
    plan = planned(True)
    assert isinstance(plan, Plan)
    assert plan.emissions_g is not None
    assert plan == planned(False), "compiled and numpy plans differ"
    exact_g = compiled(*arguments) / J_PER_KWH
    through_g = float(c[: N_SLOTS // 2].mean()) * POWER_W / 1000 * work_s / 3600
    facts = {
        "n_pauses": plan.n_pauses,
        "gap_fraction": plan.gap_fraction or 0.0,
        "off_textbook": abs(plan.emissions_g / exact_g - 1),
        "saving_fraction": 1 - plan.emissions_g / through_g,
    }
    return seconds, facts


def joint(repeats: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the planning over five sites with moves."""
    sites = [site(10 + z, N_SLOTS + 1, SLOT_NS, zone=f"Z{z}", pue=1.1 + 0.02 * z) for z in range(5)]
    point = OperatingPoint(throughput=1.0, power_w=POWER_W)
    job = Job(
        work_s=N_SLOTS // 2 * SLOT_NS / 1e9, points=(point,), resume_energy_kwh=RESUME_KWH, resume_time_s=600.0,
        migrate_energy_kwh=0.2, migrate_time_s=1800.0,
    )  # fmt: skip
    window = Window(start_ns=START_NS + 10**11, deadline_ns=START_NS + 10**11 + N_SLOTS * SLOT_NS)
    menus = [job.points] * 5
    seconds = {
        "joint, plan": timed(
            lambda: search("best", job, sites, window, menus, fast=True), max(3, repeats // 3)
        )
    }
    plan = search("best", job, sites, window, menus, fast=True)
    assert isinstance(plan, Plan)
    alone = [search("x", job, [one], window, menus[:1], fast=True) for one in sites]
    best_alone = min(p.emissions_g or np.inf for p in alone if isinstance(p, Plan))
    facts = {
        "n_migrations": plan.n_migrations,
        "gap_fraction": plan.gap_fraction or 0.0,
        "below_best_single_site": 1 - (plan.emissions_g or 0.0) / best_alone,
    }
    return seconds, facts


def scaling(repeats: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time elastic scaling and compare it with the greedy, with and without fixed host power."""
    n, workers = 720, 32
    here = site(30, n, NS_PER_H)
    c = here.intensity.intensity_g_per_kwh
    window = Window(start_ns=START_NS, deadline_ns=START_NS + n * NS_PER_H)
    seconds: dict[str, list[float]] = {}
    facts: dict[str, float] = {}
    for name, host_w in (("", 0.0), (", host 400 W", 400.0)):
        width = np.arange(1, workers + 1)
        throughput = (width**0.85 / 1.0).tolist()
        power_w = (host_w + 250.0 * width).tolist()
        menu = tuple(
            OperatingPoint(throughput=t, power_w=p) for t, p in zip(throughput, power_w, strict=True)
        )
        work_h = 0.25 * n * throughput[-1]
        job = Job(work_s=work_h * 3600, points=menu)
        cells = cut([here], window)
        hulls = corners(menu, off_w=0.0), corners(menu, sign=-1, off_w=0.0)
        intensity, width_ns = cells.intensity[0], cells.width_ns
        seconds[f"elastic{name}"] = timed(
            lambda i=intensity, w=width_ns, h=hulls, j=job: fill(i, w, *h, j.work_ns), repeats
        )
        seconds[f"elastic, plan with segments{name}"] = timed(
            lambda j=job: elastic.plan(j, [here], window), max(3, repeats // 3)
        )
        seconds[f"elastic, greedy{name}"] = timed(
            lambda t=throughput, p=power_w, w=work_h: greedy(c, t, p, w), max(3, repeats // 3)
        )
        plan = elastic.plan(job, [here], window)
        assert isinstance(plan, Plan)
        facts[f"greedy_over_exact{name}"] = (
            greedy(c, throughput, power_w, work_h) / (plan.emissions_g or 1.0) - 1
        )
        for which, over in few_workers(here, window, host_w).items():
            facts[f"1, 2, 4 or 8 workers, greedy_over_exact{name}, {which}"] = over
    return seconds, facts


def few_workers(here: SiteOption, window: Window, host_w: float) -> dict[str, float]:
    """Return by how much the greedy exceeds the exact plan where 1, 2, 4 or 8 workers are possible."""
    widths = (1, 2, 4, 8)
    throughput, power_w = [w**0.7 for w in widths], [host_w + 250.0 * w for w in widths]
    menu = tuple(OperatingPoint(throughput=t, power_w=p) for t, p in zip(throughput, power_w, strict=True))
    c = here.intensity.intensity_g_per_kwh
    over = []
    for share in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9):
        work_h = share * 720 * throughput[-1]
        plan = elastic.plan(Job(work_s=work_h * 3600, points=menu), [here], window)
        assert isinstance(plan, Plan)
        over.append(greedy(c, throughput, power_w, work_h) / (plan.emissions_g or 1.0) - 1)
    return {"mean": statistics.mean(over), "worst": max(over)}


def main(arguments: list[str]) -> int:
    """Print the figures; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    import numba

    machine = f"{os.cpu_count()} x {processor()}, load {os.getloadavg()[0]:.1f}"
    print(f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, {machine}")
    seconds: dict[str, list[float]] = {}
    facts: dict[str, float] = {}
    for part in (pause, joint, scaling):
        took, found = part(options.repeats)
        seconds.update(took)
        facts.update({f"{part.__name__}: {name}": value for name, value in found.items()})
    return report(seconds, facts, options.json, machine)


def report(seconds: dict[str, list[float]], facts: dict[str, float], path: Path | None, machine: str) -> int:
    """Print times, facts and bounds; return 1 when a bound is missed."""
    for name, took in seconds.items():
        print(
            f"{name:>45}: best {min(took) * 1e3:9.3f} ms, median {statistics.median(took) * 1e3:9.3f}, "
            f"worst {max(took) * 1e3:9.3f}, n {len(took)}"
        )
    for name, value in facts.items():
        print(f"{name:>60}: {value:.6g}")
    checks = {
        f"{name} at most {most * 1e3:g} ms": min(seconds[name]) <= most for name, most in BOUNDS_S.items()
    }
    checks["pause equals the textbook to 1e-9"] = facts["pause: off_textbook"] <= 1e-9
    checks["greedy is as good on a concave menu"] = abs(facts["scaling: greedy_over_exact"]) <= 1e-9
    checks["strictly better with fixed host power"] = facts["scaling: greedy_over_exact, host 400 W"] > 1e-6
    for check, holds in checks.items():
        print(f"{'holds' if holds else 'FAILS':>15}: {check}")
    if path is not None:
        figures = {
            n: {"best_s": min(t), "median_s": statistics.median(t), "n": len(t)} for n, t in seconds.items()
        }
        path.write_text(json.dumps({"machine": machine, "seconds": figures, "facts": facts}, indent=1) + "\n")
    return 0 if all(checks.values()) else 1


def processor() -> str:
    """Return what the processor is called."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
