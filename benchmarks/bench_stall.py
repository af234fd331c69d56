"""What a job feels of being recorded: the share of a spin loop's time lost in stalls, beside a control.

    python benchmarks/bench_stall.py [--seconds 45] [--rounds 3]

A loop reads a clock as fast as it can; a gap of more than 0.3 ms is a stall (the loop was not running). The same
loop runs bare and under ``lowtide run --interval 1s`` in turn, on the same CPU. Exits 1 when the medians differ by
more than 0.1 points in lowtide's disfavour.
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

BOUND_POINTS = 0.1

LOOP = """
import sys, time
end = time.perf_counter_ns() + int(float(sys.argv[1]) * 1e9)
clock = time.perf_counter_ns
start = last = clock()
stalled = 0
while last < end:
    now = clock()
    if now - last > 300_000:
        stalled += now - last
    last = now
print(100.0 * stalled / (last - start))
"""


def stall_percent(seconds: float, prefix: list[str], env: dict[str, str]) -> float:
    """Return the share of the loop's time spent in stalls [%]."""
    command = [*prefix, sys.executable, "-S", "-c", LOOP, str(seconds)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Measure and print; return 1 when the bound is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    lowtide = [sys.executable, "-m", "lowtide", "run", "--quiet", "--interval", "1s", "--"]
    control, recorded = [], []
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "LOWTIDE_LEDGER": f"{folder}/l", "LOWTIDE_JOURNAL": f"{folder}/j",
               "LOWTIDE_NODE_DIR": f"{folder}/n"}  # fmt: skip
        for _ in range(args.rounds):
            control.append(stall_percent(args.seconds, [], env))
            recorded.append(stall_percent(args.seconds, lowtide, env))
    more = statistics.median(recorded) - statistics.median(control)
    result = {
        "machine": platform.machine(),
        "n_cpus": os.cpu_count(),
        "seconds": args.seconds,
        "control_stall_percent": [round(x, 3) for x in control],
        "recorded_stall_percent": [round(x, 3) for x in recorded],
        "median_difference_points": round(more, 3),
        "bound_points": BOUND_POINTS,
        "within_bounds": more <= BOUND_POINTS,
    }
    print(json.dumps(result, indent=1))
    return 0 if result["within_bounds"] else 1


if __name__ == "__main__":
    sys.exit(main())
