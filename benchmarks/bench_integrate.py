"""How long it takes to bill a month of one-second power with a year of hourly intensity.

2.6 million readings, a few milliseconds early or late and one in a thousand unknown, are joined with 8760 hours by
reading the integral of power at the hours' edges, and by the simplest thing that could work: merging the edges of both
and looking both up on each piece. The grams of every hour are compared with exactly rounded sums over its own
readings. Exits 1 when a bound fails.

    python benchmarks/bench_integrate.py [repeats]
"""

from __future__ import annotations

import math
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from lowtide.accounting.operational import operational
from lowtide.arrays import FloatArray
from lowtide.series import IntensitySeries, PowerSeries, steps
from lowtide.testing.builders import START_NS, intensity_series
from lowtide.units import J_PER_KWH, NS_PER_H, NS_PER_S

N_READINGS, N_HOURS = 2_600_000, 8760
MOST_S, LEAST_RATIO, MOST_RELATIVE_ERROR = 0.05, 20.0, 1e-9


def inputs() -> tuple[PowerSeries, IntensitySeries]:
    """Return a month of power, in the middle of the year, and a year of intensity."""
    rng = np.random.default_rng(2026)
    t_ns = np.arange(N_READINGS + 1, dtype=np.int64) * NS_PER_S + rng.integers(0, 5_000_000, N_READINGS + 1)
    power_w = rng.uniform(250.0, 5600.0, N_READINGS)
    power_w[rng.random(N_READINGS) < 1e-3] = np.nan
    power = PowerSeries(edges_ns=START_NS + 4000 * NS_PER_H + 1234 + t_ns, power_w=power_w, boundary="node")
    return power, intensity_series(rng.uniform(20.0, 800.0, N_HOURS))


def by_integral(power: PowerSeries, intensity: IntensitySeries) -> FloatArray:
    """Return the grams of every hour, as lowtide does it."""
    values = intensity.intensity_g_per_kwh
    return steps.integrate_product(power.edges_ns, power.power_w, intensity.edges_ns, values) / J_PER_KWH


def by_merging(power: PowerSeries, intensity: IntensitySeries) -> float:
    """Return the grams of the whole, on the union of both edges."""
    edges = np.union1d(power.edges_ns, intensity.edges_ns)
    power_w = steps.at(power.edges_ns, power.power_w, edges[:-1])
    g_per_kwh = steps.at(intensity.edges_ns, intensity.intensity_g_per_kwh, edges[:-1])
    return float(np.nansum(power_w * g_per_kwh * np.diff(edges))) / NS_PER_S / J_PER_KWH


def exactly(power: PowerSeries, intensity: IntensitySeries) -> list[float]:
    """Return the grams of every hour, each sum rounded once."""
    edges = power.edges_ns
    found = []
    for i, g_per_kwh in enumerate(intensity.intensity_g_per_kwh.tolist()):
        start, end = intensity.edges_ns[i : i + 2]
        a, b = np.searchsorted(edges, start, "right") - 1, np.searchsorted(edges, end, "left")
        a, b = max(a, 0), min(b, len(power.power_w))
        widths = np.minimum(edges[a + 1 : b + 1], end) - np.maximum(edges[a:b], start)
        area = [
            w * int(ns)
            for w, ns in zip(power.power_w[a:b].tolist(), widths, strict=True)
            if w == w and ns > 0
        ]
        found.append(math.fsum(area) / NS_PER_S * g_per_kwh / J_PER_KWH)
    return found


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Return the duration of each call [s]."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return durations


def main(arguments: list[str]) -> int:
    """Print the figures; return 1 when a bound fails."""
    repeats = int(arguments[0]) if arguments else 10
    power, intensity = inputs()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.platform()}, {processor()}")
    print(f"{N_READINGS} readings x {N_HOURS} hours, best of {repeats}, first call not counted")
    by_integral(power, intensity)
    durations = {
        "by integral": timed(lambda: by_integral(power, intensity), repeats),
        "the whole bill": timed(lambda: operational(power, intensity), repeats),
        "by merging": timed(lambda: by_merging(power, intensity), max(3, repeats // 3)),
    }
    for name, seconds in durations.items():
        best, median, worst = min(seconds), statistics.median(seconds), max(seconds)
        print(f"{name:>15}: best {best:.4f} s, median {median:.4f} s, worst {worst:.4f} s, n {len(seconds)}")
    return report(
        durations, by_integral(power, intensity), by_merging(power, intensity), exactly(power, intensity)
    )


def report(durations: dict[str, list[float]], found: FloatArray, merged: float, exact: list[float]) -> int:
    """Print the bounds and whether they hold; return 1 when one does not."""
    best_s = min(durations["by integral"])
    ratio = min(durations["by merging"]) / best_s
    error = max(abs(a - b) / b for a, b in zip(found.tolist(), exact, strict=True) if b)
    whole = math.fsum(exact)
    off, merged_off = abs(found.sum() / whole - 1), abs(merged / whole - 1)
    bounds = {
        f"at most {MOST_S} s: {best_s:.4f} s": best_s <= MOST_S,
        f"at least {LEAST_RATIO:.0f} times as fast as merging: {ratio:.0f}": ratio >= LEAST_RATIO,
        f"worst hour within {MOST_RELATIVE_ERROR} of the exact sum: {error:.1e}": error
        <= MOST_RELATIVE_ERROR,
        f"total within {MOST_RELATIVE_ERROR}: {off:.1e}, merging {merged_off:.1e}": off
        <= MOST_RELATIVE_ERROR,
    }
    for bound, holds in bounds.items():
        print(f"{'holds' if holds else 'FAILS':>15}: {bound}")
    return 0 if all(bounds.values()) else 1


def processor() -> str:
    """Return what the processor is called and how many there are."""
    import os

    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
