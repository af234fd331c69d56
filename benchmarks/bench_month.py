"""A month of 8 GPUs at 1 Hz: how long it takes to account it again, and to show it.

    python benchmarks/bench_month.py [--days 30] [--repeat 5] [--json benchmarks/results/month.json]

The journal is synthetic: energy counters of 8 GPUs and two packages, CPU time, memory, shares and claims, as the
sealed segments that a closed run has. Accounting is reading, billing and hashing, in this process, which keeps freed
memory as `lowtide reprice` and `lowtide verify` do; `first` is the same in a process of its own, whose memory the
kernel has to clear first (700 MB). CPU time is beside wall time, as a machine may be shared.
Exits 1 when accounting takes more than 2 s or showing more than 1 s (medians).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import numpy as np

from lowtide.model.grid_choice import GridChoice
from lowtide.model.hardware import Channel
from lowtide.model.record import RunEnd
from lowtide.runtime.billing import bill, make_entry
from lowtide.runtime.isolate import keep_freed_memory
from lowtide.stores.codec import to_plain, write_bytes
from lowtide.stores.compacting import ROWS, encode_columns
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record
from lowtide.stores.segments import Segment
from lowtide.testing.builders import START_NS, make_header

BOUND_ACCOUNT_S, BOUND_SHOW_S = 2.0, 1.0
N_GPUS = 8


def channels() -> list[Channel]:
    """Return the channels of such a run."""
    cpu = {"component": "cpu", "quantity": "cpu_time", "kind": "counter"}
    return [
        Channel(name="cpu.busy", sensor="cpu_time", scale=0.01, device="all CPUs", **cpu),
        Channel(name="run.cpu", sensor="cpu_time", scale=1e-9, consumer="run", device="all CPUs", **cpu),
        Channel(name="run.rss", sensor="cpu_time", component="memory", quantity="memory_bytes", kind="gauge",
                consumer="run"),
        *(Channel(name=f"rapl.package-{i}", sensor="rapl", component="cpu", quantity="energy", kind="counter",
                  scale=1e-6, device=f"package-{i}", modulus=262_143_328_850, max_power_w=1000.0, update_s=0.001)
          for i in (0, 1)),
        *(Channel(name=f"nvml.GPU-{i}.energy", sensor="nvml", component="gpu", quantity="energy", kind="counter",
                  scale=1e-3, boundary="gpu", device=f"GPU-{i}", max_power_w=2000.0, update_s=0.1)
          for i in range(N_GPUS)),
        Channel(name="node.cpu_shares", sensor="presence", component="cpu", quantity="shares", kind="gauge"),
        Channel(name="node.memory_shares", sensor="presence", component="memory", quantity="shares", kind="gauge"),
        *(Channel(name=f"claims.GPU-{i}", sensor="presence", component="gpu", quantity="claims", kind="gauge")
          for i in range(N_GPUS)),
    ]  # fmt: skip


def columns(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the raw columns of `n` seconds."""

    def counter(mean: float, spread: float) -> np.ndarray:
        return np.cumsum(np.maximum(0.0, rng.normal(mean, spread, n))).astype(np.int64)

    one = np.ones(n).view(np.int64)
    return [
        counter(1600, 100), counter(15.5e9, 1e9), (1e11 + 1e6 * rng.integers(0, 50, n)).view(np.int64),
        *(counter(180e6, 10e6) % 262_143_328_850 for _ in range(2)),
        *(counter(400e3, 60e3) for _ in range(N_GPUS)),
        one, one, *(one for _ in range(N_GPUS)),
    ]  # fmt: skip


def write_run(ledger: Ledger, days: float) -> str:
    """Write the sealed segments of a run and its end; return its id."""
    n = round(days * 86_400)
    rng = np.random.default_rng(1)
    header = replace(make_header(grid=GridChoice(zone="DE"), journal_dir="/no/such/folder"), name="month")
    ledger.create(header)
    plain = [to_plain(channel) for channel in channels()]
    table = columns(n, rng)
    jitter = rng.integers(0, 60_000, n)
    monotonic = 10**9 * np.arange(n, dtype=np.int64) + 5 * 10**9 + jitter
    for first in range(0, n, ROWS):
        rows = slice(first, min(n, first + ROWS))
        segment = Segment(
            writer="w1", first_seq=first + 1, channels=plain, events=[], monotonic_ns=monotonic[rows],
            boot_offset_ns=np.zeros(len(monotonic[rows]), dtype=np.int64),
            wall_offset_ns=np.full(len(monotonic[rows]), START_NS - 5 * 10**9, dtype=np.int64),
            columns=[column[rows] for column in table],
        )  # fmt: skip
        path = os.path.join(ledger.segments_dir(header.run_id), f"w1-rows{first + 1:09d}.seg")
        write_bytes(path, encode_columns([segment]))
    end = RunEnd(started_ns=START_NS, ended_ns=START_NS + (n - 1) * 10**9, exit_code=0)
    ledger.write_end(header.run_id, end)
    return header.run_id


def seconds(work, repeat: int) -> dict[str, list[float]]:
    """Return how long some work takes, each time: wall time, and CPU time of this process and its children [s]."""
    found: dict[str, list[float]] = {"wall_s": [], "cpu_s": []}
    for _ in range(repeat):
        began, used = time.perf_counter(), cpu_s()
        work()
        found["wall_s"].append(time.perf_counter() - began)
        found["cpu_s"].append(cpu_s() - used)
    return found


def cpu_s() -> float:
    """Return the CPU time of this process and of its children that have ended [s]."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


ACCOUNT = """
import sys
from lowtide.runtime.billing import make_entry
from lowtide.runtime.isolate import keep_freed_memory
keep_freed_memory()
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record
ledger = Ledger(sys.argv[1])
make_entry(read_record(ledger, sys.argv[2]), ledger)
"""


def measure(days: float, repeat: int) -> tuple[int, dict[str, dict[str, list[float]]]]:
    """Return the size of the sealed segments [bytes], and the seconds of each kind of work."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder)
        run_id = write_run(ledger, days)
        size = sum(e.stat().st_size for e in os.scandir(ledger.segments_dir(run_id)))
        first = [sys.executable, "-c", ACCOUNT, folder, run_id]
        show = [sys.executable, "-m", "lowtide", "show", run_id, "--json", "--ledger", folder]
        found = {
            "read": seconds(lambda: read_record(ledger, run_id), repeat),
            "account again": seconds(lambda: make_entry(read_record(ledger, run_id), ledger), repeat),
            "first": seconds(lambda: subprocess.run(first, check=True), repeat),
        }
        bill(ledger, run_id)
        found["show"] = seconds(lambda: subprocess.run(show, check=True, capture_output=True), repeat)
    return size, found


def main() -> int:
    """Measure and print; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", help="write the figures here as well")
    args = parser.parse_args()
    keep_freed_memory()
    size, found = measure(args.days, args.repeat)
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, numpy {np.__version__}"
    print(machine)
    print(
        f"{args.days:g} days, {N_GPUS} GPUs, 1 Hz, {size / 1e6:.1f} MB sealed, {size / 1e6 / args.days / 24:.3f} MB/h"
    )
    for name, times in found.items():
        wall, cpu = times["wall_s"], times["cpu_s"]
        print(
            f"{name:<14} {statistics.median(wall):.2f} s ({min(wall):.2f} to {max(wall):.2f}, n {len(wall)}), "
            f"CPU {statistics.median(cpu):.2f} s"
        )
    if args.json:
        result = {
            "machine": machine,
            "days": args.days,
            "n_gpus": N_GPUS,
            "load_average": list(os.getloadavg()),
            "sealed_bytes": size,
            "seconds": found,
        }
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")
    account, show = (statistics.median(found[name]["wall_s"]) for name in ("account again", "show"))
    return 1 if account > BOUND_ACCOUNT_S or show > BOUND_SHOW_S else 0


if __name__ == "__main__":
    sys.exit(main())
