"""Energy of real training runs recovered through NVML's binding: by the counter, and by every gauge with its range.

The traces are node power of MLPerf Training, scaled to a GPU; the stand-in replays them with the timing and gain of a
board, on a clock shared with the sampler.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sampled import Trace, energy_of, sample, window

from lowtide.power.sensors.nvml import NvmlSensor
from lowtide.testing.fake_nvml import A100, H100, P100, V100

NODE_W_PER_GPU_W = 10.0  # nodes of these runs draw 5 to 10 kW, a board 500 to 1000 W
GAUGES = (
    replace(P100),
    replace(V100, counter_s=0.0),
    replace(A100, counter_s=0.0),
    replace(H100, counter_s=0.0),  # the averaged field
    replace(H100, counter_s=0.0, fields=2),  # the instantaneous field alone
)
N_WINDOWS = 200
"""Windows of 30 s to 10 min, at 1 s between readings."""


def mlperf_traces(n: int, seed: int) -> list[Trace]:
    """Return the longest trace and `n` more by chance, each at most an hour of one node."""
    import pyarrow.parquet as pq

    from shared_data import data_path

    table = pq.read_table(data_path("mlperf_training_power_series.parquet"))
    keys = [table[c].to_pylist() for c in ("round", "submitter", "system", "benchmark", "run", "node")]
    t_ms, power_w = table["time_ms"].to_numpy(), table["power_w"].to_numpy()
    rows: dict[tuple, list[int]] = {}
    for i, key in enumerate(zip(*keys, strict=True)):
        rows.setdefault(key, []).append(i)
    long_enough = sorted((k for k in rows if len(rows[k]) >= 400), key=str)
    longest = max(long_enough, key=lambda k: len(rows[k]))
    chosen = np.random.default_rng(seed).choice(len(long_enough), size=n, replace=False)
    traces = []
    for key in [longest, *(long_enough[i] for i in chosen)]:
        i = np.array(rows[key])
        t_s, first = np.unique((t_ms[i] - t_ms[i].min()) / 1e3, return_index=True)
        traces.append(Trace(t_s, np.clip(power_w[i][first], 0.0, None) / NODE_W_PER_GPU_W))
    return traces


@pytest.fixture(scope="module")
def traces():
    return mlperf_traces(20, seed=2024)


def replay(driver, boards, trace, *, seed, limit_s=3600.0):
    rng = np.random.default_rng(seed)
    boards = [replace(b, t_s=trace.t_s, power_w=trace.power_w) for b in boards]
    fake = driver(boards)
    end_s = min(float(trace.t_s[-1]), limit_s)
    t_s = rng.uniform(0, 1) + np.arange(2.0, end_s - 2.0)  # a board averages up to a second back
    sensor = NvmlSensor(environ={})
    return sample([sensor], t_s, set_time=fake.at), t_s


@pytest.mark.slow
def test_counter_recovers_every_trace_within_a_five_hundredth(driver, traces):
    errors = []
    for n, trace in enumerate(traces):
        record, t_s = replay(driver, [V100, A100, H100], trace, seed=n)
        truth = 3 * trace.joules(t_s[0], t_s[-1])
        errors.append(energy_of(record, "gpu")[0] / truth - 1.0)
    print(f"\ncounter: {len(errors)} traces, greatest error {max(map(abs, errors)):.4%}")
    assert max(map(abs, errors)) <= 0.002


@pytest.mark.slow
def test_gauges_stay_inside_their_stated_range(driver, traces):
    rng = np.random.default_rng(7)
    windows = []
    for n, trace in enumerate(traces):
        boards = [replace(b, gain=1 + rng.uniform(-0.05, 0.05)) for b in GAUGES]
        record, t_s = replay(driver, boards, trace, seed=n)
        powers = [r for r in record.readings.values() if r.channel.quantity == "power"]
        for _ in range(-(-N_WINDOWS // len(traces))):
            length = int(np.exp(rng.uniform(np.log(30), np.log(min(600, len(t_s) - 2)))))
            first = int(rng.integers(0, len(t_s) - length - 1))
            chosen = powers[int(rng.integers(len(powers)))]
            one = replace(record, readings={chosen.channel.name: chosen})
            energy, low, high = energy_of(window(one, first, first + length), "gpu")
            truth = trace.joules(t_s[first], t_s[first + length])
            windows.append((chosen.channel.method, low <= truth <= high, (high - low) / 2 / energy))
    windows = windows[:N_WINDOWS]
    covered, half_width = np.mean([w[1] for w in windows]), np.median([w[2] for w in windows])
    print(f"\ngauges: {len(windows)} windows, {covered:.1%} inside, median half-width {half_width:.2%}")
    assert len(windows) == N_WINDOWS
    assert covered >= 0.95
    assert half_width <= 0.06
