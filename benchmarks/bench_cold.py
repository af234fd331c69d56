"""How long commands take from a cold start: a plan of two days, a published case, the version.

    python benchmarks/bench_cold.py [--repeats 15] [--json FILE]

Each is a process of its own, bytecode cached as an installation has it. Beside them stands what no such command can do
without: Python with numpy and click imported. Bounds are judged on the best of the repeats, since the machine may be
shared. Exits 1 when one is missed, or when numba is imported.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = ["plan", "--duration", "6h", "--power", "300W", "--start", "2026-03-01T00:00Z", "--within", "48h"]
BOUNDS_S = {"plan, 48 h of half hours, all policies": 0.35, "estimate --case gpt-3": 0.4}


def half_hours(folder: Path) -> Path:
    """Return a file of 55 hours of made-up half hours."""
    path = folder / "half-hours.csv"
    rows = [
        f"{START + timedelta(minutes=30 * i):%Y-%m-%dT%H:%M:%SZ},{350 + 120 * math.sin(i / 7.6) + 30 * math.sin(i):.1f}"
        for i in range(110)
    ]
    path.write_text("\n".join(["ts_utc,DE", *rows]))
    return path


def timed(command: list[str], env: dict[str, str], repeats: int) -> list[float]:
    """Return how long a command takes [s], after one call that fills the caches."""
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        subprocess.run(command, env=env, check=True, capture_output=True)
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def imports_numba(command: list[str], env: dict[str, str]) -> bool:
    """Return whether a command of lowtide imports numba."""
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]], env=env, check=True, capture_output=True, text=True
    )
    return any(line.rpartition("|")[2].strip().startswith("numba") for line in done.stderr.splitlines())


def main() -> int:
    """Run all; the exit code is 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LOWTIDE_", "PYTHONDONTWRITE"))}
        env |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "LOWTIDE_LEDGER": str(folder / "ledger")}
        lowtide = [sys.executable, "-m", "lowtide"]
        plan = [*lowtide, *PLAN, "--intensity", str(half_hours(folder))]
        commands = {
            "python, numpy and click": [sys.executable, "-c", "import numpy, click"],
            "plan, 48 h of half hours, all policies": plan,
            "estimate --case gpt-3": [*lowtide, "estimate", "--case", "gpt-3"],
            "--version": [*lowtide, "--version"],
        }
        times = {what: timed(command, env, options.repeats) for what, command in commands.items()}
        with_numba = imports_numba(plan, env)
    load = os.getloadavg()[0]
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f}, n={options.repeats}")
    missed = with_numba
    for what, took in times.items():
        bound = BOUNDS_S.get(what)
        missed |= bound is not None and min(took) > bound
        judged = "" if bound is None else f"; bound {bound:g} s: {'met' if min(took) <= bound else 'MISSED'}"
        print(f"{what}: best {min(took):.3f} s, median {statistics.median(took):.3f}{judged}")
    print(f"numba imported by the plan: {'yes' if with_numba else 'no'}")
    if options.json is not None:
        figures = {w: {"best_s": min(t), "median_s": statistics.median(t)} for w, t in times.items()}
        options.json.write_text(
            json.dumps({"load": load, "n": options.repeats, "times": figures}, indent=1) + "\n"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
