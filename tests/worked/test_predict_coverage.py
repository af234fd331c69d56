"""Predictions after a tenth of recorded MLPerf Training runs: how often the 90 % range holds the truth.

The drift in :mod:`lowtide.estimation.predict` was learnt from every second group (benchmark and system); here it
is learnt again, and tried on the others. The logs have no steps, so steps are taken as even in time.
"""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest

from lowtide.estimation.predict import DRIFT, DRIFT_POWER, predict
from shared_data import data_path

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
N = 1000


def cumulative(t_ms, power_w, grid_ms):
    """Return the energy at the instants of a grid [J], trapezoids between the readings."""
    t_ms, first = np.unique(t_ms, return_index=True)
    power_w = power_w[first]
    joules = np.concatenate(([0.0], np.cumsum((power_w[1:] + power_w[:-1]) / 2.0 * np.diff(t_ms) / 1e3)))
    return np.interp(grid_ms, t_ms, joules)


@pytest.fixture(scope="module")
def traces():
    """Return (group, duration [s], energy at N + 1 even instants [J]) of every run."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = data_path("mlperf_training_power_series.parquet")
    table = parquet.read_table(path)
    with open(data_path("mlperf_training_power_runs.csv"), newline="") as file:
        rows = {tuple(r[k] for k in ("submitter", "system", "benchmark", "run", "round")): r
                for r in csv.DictReader(file)}  # fmt: skip
    names = {k: np.array(table[k].to_pylist()) for k in ("submitter", "system", "benchmark", "run", "round")}
    node, t_ms, power_w = (table[k].to_numpy() for k in ("node", "time_ms", "power_w"))
    where = defaultdict(list)
    for i, key in enumerate(zip(*names.values(), strict=True)):
        where[key].append(i)
    found = []
    for key, places in where.items():
        run = rows.get(key)
        if run is None:
            continue
        inside, grid = np.array(places), np.linspace(int(run["run_start_ms"]), int(run["run_stop_ms"]), N + 1)
        joules = np.zeros(N + 1)
        for each in np.unique(node[inside]):
            of = inside[node[inside] == each]
            if len(of) >= 20:
                order = of[np.argsort(t_ms[of], kind="stable")]
                joules += cumulative(t_ms[order].astype(float), power_w[order].astype(float), grid)
        joules -= joules[0]
        if joules[-1] > 0.0:
            found.append((f"{key[2]} on {key[1]}", (grid[-1] - grid[0]) / 1e3, joules))
    return found


def halves(traces):
    """Return the groups to learn from and those to try: every second one by name."""
    groups = sorted({group for group, _, _ in traces})
    return set(groups[::2]), set(groups[1::2])


def log_errors(duration_s, joules):
    """Yield (time seen [s], log of true over predicted rest) at several fractions of a run."""
    for fraction in FRACTIONS:
        k = round(fraction * N)
        rate = (joules[k] - joules[k // 2]) / (k - k // 2)
        yield fraction * duration_s, abs(np.log((joules[-1] - joules[k]) / ((N - k) * rate)))


def learnt_drift(traces, groups):
    """Return the drift that holds 95 % of the errors, every group counting the same."""
    scores, weights = [], []
    for group in sorted(groups):
        own = [
            e * s**DRIFT_POWER for g, d, j in traces if g == group for s, e in log_errors(d, j) if s >= 2.0
        ]
        scores += own
        weights += [1.0 / len(own)] * len(own)
    order = np.argsort(scores)
    held = np.cumsum(np.array(weights)[order]) / sum(weights)
    return np.array(scores)[order][np.searchsorted(held, 0.95)]


def test_shipped_drift_is_the_one_learnt_from_the_learning_half(traces):
    assert round(learnt_drift(traces, halves(traces)[0]), 1) == DRIFT


def test_90_percent_range_after_a_tenth_holds_the_truth_of_held_out_runs(traces, capsys):
    _, held_out = halves(traces)
    k, inside, widths = N // 10, [], []
    for group, duration_s, joules in traces:
        if group in held_out:
            kwh = joules / 3.6e6
            t_s = np.linspace(0.0, duration_s, N + 1)
            made = predict(np.arange(k + 1), t_s[: k + 1], kwh[: k + 1], total_steps=N).energy_kwh
            inside.append(made.low <= kwh[-1] <= made.high)
            widths.append(made.half_width)
    with capsys.disabled():
        print(
            f"\npredict after 10 %: {np.mean(inside):.1%} of {len(inside)} held-out runs "
            f"({len(held_out)} groups) inside the 90 % range, median half-width {np.median(widths):.1%}"
        )
    assert len(inside) >= 100
    assert np.mean(inside) >= 0.85
