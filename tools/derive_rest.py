"""Derive the node's rest (supply loss, platform allowance) from public measurements.

    python tools/derive_rest.py --data DIR [--check]

DIR holds ``mlperf_training_power_series.parquet`` and ``mlperf_training_power_runs.csv`` (MLCommons
training results v4.0 and later, Apache-2.0), ``aws_instance_power_teads.csv`` (Teads, through
Cloud Carbon Footprint, Apache-2.0) and ``accelerator_measured_power.csv``. ``--check`` compares the
figures with the packaged ``power_constants.csv`` and exits with 1 when they differ.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lowtide.data.cpu_tables import power_constant

NODE = "1xSMC-H100-SXM-80GB"
IDLE_BELOW_W = 3500.0
TDP_W = {"NVIDIA H100-SXM5-80GB": 700.0, "NVIDIA Blackwell GPU (B200-SXM-180GB)": 1000.0}
"""Vendor's thermal design power of the accelerators in the measured table."""


class Supply(NamedTuple):
    """What two meters, before and after the power supplies of one node, say together."""

    n_runs: int
    dc_per_ac: np.ndarray  # energy ratio, one a run
    dc_per_ac_idle: float
    dc_above_ac: float  # share of readings


def read_runs(data: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Return start and stop [ms] of the single-node runs."""
    with (data / "mlperf_training_power_runs.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["system"] == NODE and r["meter"] == "ac"]
    return {(r["benchmark"], r["run"]): (int(r["run_start_ms"]), int(r["run_stop_ms"])) for r in rows}


def read_series(data: Path) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Return [[time_ms, power_w], ..] by meter ("ac", "dc") of every single-node run."""
    table = pq.read_table(data / "mlperf_training_power_series.parquet")
    table = table.filter(pc.equal(pc.cast(table["system"], "string"), NODE))
    names = ("submitter", "benchmark", "run", "time_ms", "power_w")
    found: dict[tuple[str, str], dict[str, list[tuple[int, int]]]] = {}
    for who, benchmark, run, t_ms, power_w in zip(*(table[n].to_pylist() for n in names), strict=True):
        meter = who.split("-")[1]
        found.setdefault((benchmark, run), {}).setdefault(meter, []).append((t_ms, power_w))
    return {k: {m: np.array(v, float) for m, v in both.items()} for k, both in found.items()}


def supply(data: Path) -> Supply:
    """Compare energy on both sides of the supplies, run by run.

    Single readings are not compared: the meters are not in step, so at a jump of load one may be
    ahead and DC above AC. Over a run that cancels. Runs of several nodes are left out: there the
    nodes of the two logs do not pair.
    """
    runs, series = read_runs(data), read_series(data)
    ratios, above, inside, idle = [], 0, 0, np.zeros(2)
    for key, (start_ms, stop_ms) in runs.items():
        ac, dc = series[key]["ac"], series[key]["dc"]
        during = (ac[:, 0] >= start_ms) & (ac[:, 0] <= stop_ms)
        energy = [np.trapezoid(x[during, 1], x[during, 0]) for x in (ac, dc)]
        ratios.append(energy[1] / energy[0])
        above += int((dc[during, 1] > ac[during, 1]).sum())
        inside += int(during.sum())
        quiet = (ac[:, 1] > 0) & (ac[:, 1] < IDLE_BELOW_W)
        idle += [ac[quiet, 1].sum(), dc[quiet, 1].sum()]
    return Supply(len(ratios), np.array(ratios), float(idle[1] / idle[0]), above / inside)


def platform(data: Path, load: str) -> list[float]:
    """Return "other platform" power over CPU + memory at a load, instances without GPU."""
    with (data / "aws_instance_power_teads.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if not r["gpu"]]
    watts = [
        (float(r["other_platform_w"]), float(r[f"pkg_w_{load}"]), float(r[f"ram_w_{load}"])) for r in rows
    ]
    return [other / (cpu + memory) for other, cpu, memory in watts if cpu + memory > 0]


def all_in_per_tdp(data: Path) -> dict[str, tuple[float, float]]:
    """Return the least and most node power per accelerator over its TDP."""
    with (data / "accelerator_measured_power.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["accelerator"] in TDP_W]
    found: dict[str, list[float]] = {}
    for row in rows:
        ratio = float(row["watts_per_accel"]) / TDP_W[row["accelerator"]]
        found.setdefault(row["accelerator"], []).append(ratio)
    return {name: (min(ratios), max(ratios)) for name, ratios in found.items()}


def derive(data: Path) -> dict[str, float]:
    """Print the figures; return those that are shipped."""
    s = supply(data)
    loaded = float(np.median(s.dc_per_ac))
    low, high = np.quantile(s.dc_per_ac, [0.05, 0.95])
    print(
        f"DC/AC energy of {s.n_runs} runs: median {loaded:.4f}, 5-95 % {low:.4f}-{high:.4f}, "
        f"least {s.dc_per_ac.min():.4f}, most {s.dc_per_ac.max():.4f}; idle {s.dc_per_ac_idle:.4f}"
    )
    print(f"readings with DC above AC: {s.dc_above_ac:.1%} (meters out of step)")
    for load in ("idle", "10", "50", "100"):
        ratios = platform(data, load)
        print(
            f"platform over CPU + memory at {load:>4} % load: "
            f"median {statistics.median(ratios):.3f}, "
            f"least {min(ratios):.3f}, most {max(ratios):.3f}, n {len(ratios)}"
        )
    for name, (least, most) in all_in_per_tdp(data).items():
        print(f"node power per accelerator over TDP, {name}: {least:.3f} to {most:.3f}")
    half = platform(data, "50")
    allowance = statistics.median(half)
    return {
        "supply_ac_per_dc": 1 / loaded,
        "supply_ac_per_dc low": float(1 / high),
        "supply_ac_per_dc high": 1 / s.dc_per_ac_idle,
        "platform_fraction": allowance,
        "platform_fraction low": min(half),
        "platform_fraction high": max(half),
        "rest_fraction": (1 + allowance) / loaded - 1,
    }


def shipped(name: str) -> float:
    """Return a packaged figure: ``NAME``, ``NAME low`` or ``NAME high``."""
    key, _, which = name.partition(" ")
    return float(getattr(power_constant(key), which or "value"))


def main() -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    wrong = 0
    for name, value in derive(args.data).items():
        off = abs(value - shipped(name)) > 0.006
        wrong += off
        print(f"{name:28} derived {value:.4f} shipped {shipped(name):.4f}{' DIFFERS' if off else ''}")
    return 1 if args.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
