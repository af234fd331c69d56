"""How long forecasts and their scores take, and what the forecasters are worth on real zones.

    python benchmarks/bench_forecast.py [repeats]

Beside the rolling evaluation of a year stands the simplest thing that could work: issuing one forecast after
the other. The intensities come from the public test data (``LOWTIDE_TEST_DATA`` or ``../shared/data``) when they are
there, else they are made up. Exits 1 when a year by the hour takes any method more than 2 s.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lowtide.forecasting.choose import METHODS
from lowtide.forecasting.history import History, history_until
from lowtide.forecasting.issue import Method, issue
from lowtide.forecasting.rolling import origins_every, roll
from lowtide.forecasting.scores import score
from lowtide.grid.files import read_intensity_table
from lowtide.model.signal import Signal
from lowtide.planning.regret import regret
from lowtide.planning.shifting import Asked
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

DATA = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
HOURLY = DATA / "ci_hourly_electricitymaps_2021_2024.parquet"
ZONES = ("DE", "GB", "US-CAL-CISO", "US-TEX-ERCO", "ES", "SG")
BOUND_S = 2.0
N_ISSUED = 20


def made_up(zone: str, seed: int) -> IntensitySeries:
    """Return three years of a daily wave with weather that lasts."""
    rng, n = np.random.default_rng(seed), 3 * 8760
    weather = np.convolve(rng.normal(0, 12, n + 47), np.exp(-np.arange(48) / 12), mode="valid")
    values = np.maximum(300 - 90 * np.sin(2 * np.pi * np.arange(n) / 24) + weather, 1.0)
    edges_ns = parse_instant_ns("2021-01-01T00:00Z") + np.arange(n + 1) * NS_PER_H
    return IntensitySeries.of(edges_ns, values, signal=Signal(zone=zone, source="made up"))


def zones() -> dict[str, IntensitySeries]:
    """Return some zones by the hour."""
    if HOURLY.exists():
        series = read_intensity_table(HOURLY).series
        return {zone: series[zone] for zone in ZONES}
    return {zone: made_up(zone, i) for i, zone in enumerate(ZONES[:2])}


def times_s(work: Callable[[], object], repeats: int) -> list[float]:
    """Return how long each repeat took [s]."""
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return found


def said(times: list[float]) -> str:
    return f"median {statistics.median(times):.3f} s, {min(times):.3f} to {max(times):.3f} s, n={len(times)}"


def year_of(series: IntensitySeries) -> tuple[History, IntensitySeries]:
    year = series.clip(start_ns=series.start_ns, end_ns=series.start_ns + 8760 * NS_PER_H)
    return history_until(year), year


def timed(method: Method, series: IntensitySeries, repeats: int) -> bool:
    """Print the times of one method over a year, and return whether they keep the bound."""
    history, year = year_of(series)
    origins = origins_every(history, 86400.0, n_leads=24)
    rolling = times_s(lambda: score(roll(method, history, origins, 24)), repeats)
    some = history.start_ns + origins[-N_ISSUED:] * history.step_ns

    def one_by_one() -> None:
        for now in some.tolist():
            issue(method, year, now_ns=now, horizon_s=86400.0)

    single = times_s(one_by_one, repeats)
    each_s = statistics.median(single) / N_ISSUED
    is_kept = max(rolling) <= BOUND_S
    print(f"{method.name}: a year, {len(origins)} forecasts of 24 h with quantiles and scores: {said(rolling)}; "
          f"one by one {each_s * 1e3:.1f} ms each, {each_s * len(origins):.2f} s a year; "
          f"bound {BOUND_S:g} s: {'met' if is_kept else 'MISSED'}")  # fmt: skip
    return is_kept


def worth(zone: str, series: IntensitySeries) -> None:
    """Print what 6 h jobs that may wait a day save with each method, and how far each is off."""
    history = history_until(series)
    first_ns = history.start_ns + 98 * 24 * NS_PER_H
    begin = time.perf_counter()
    found = regret(history, METHODS, Asked(duration_s=6 * 3600.0, slack_s=24 * 3600.0), first_ns=first_ns)
    took_s = time.perf_counter() - begin
    origins = origins_every(history, 86400.0, n_leads=48, first_ns=first_ns)
    print(f"{zone}: {found.n_starts} starts in {took_s:.2f} s")
    for row in found.rows:
        method = next((method for method in METHODS if method.name == row.method), None)
        line = f"  {row.method:17} saves {100 * (row.ratio_saving_fraction or 0.0):5.1f} %"
        if method is not None:
            scores = score(roll(method, history, origins, 48))[0]
            line += (f"; error over 48 h {scores.mean_absolute_error_g_per_kwh:5.1f} g/kWh, rank correlation "
                     f"{scores.rank_correlation:.2f}, in 90 %: {100 * (scores.coverage_90 or 0.0):.1f} %; "
                     f"beats yesterday: {row.beats_persistence or '-'}")  # fmt: skip
        print(line)


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    )
    series = zones()
    first = next(iter(series.values()))
    kept = [timed(method, first, repeats) for method in METHODS]
    for zone, one in series.items():
        worth(zone, one)
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
