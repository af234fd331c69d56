"""What telling of a step costs the job: microseconds a call of ``step``, ``count``, a phase, and of a gate.

    python benchmarks/bench_step.py [--n 200000] [--repeat 5]

Exits 1 when a step costs more than 5 microseconds (median of the repeats), or asking a gate more than 2.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time

BOUND_US = 5.0
GATE_BOUND_US = 2.0


def microseconds(call, n: int, repeat: int) -> tuple[float, float]:
    """Return median and spread of the time of a call [us]."""
    found = []
    for _ in range(repeat):
        began = time.perf_counter()
        for _ in range(n):
            call()
        found.append((time.perf_counter() - began) / n * 1e6)
    return statistics.median(found), max(found) - min(found)


def main() -> int:
    """Measure and print; return 1 when the bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "marks")
        os.environ["LOWTIDE_MARKS"] = path  # before the import, as under `lowtide run`
        from lowtide.runtime import phases
        from lowtide.runtime.gate import Gate
        from lowtide.runtime.phases import Phase, Progress

        progress = Progress(path)
        phase = Phase("train", (progress,))

        def enter() -> None:
            with phase:
                pass

        watched = {
            name: os.path.join(folder, name) for name in ("LOWTIDE_PAUSE_FILE", "LOWTIDE_PROGRESS_FILE")
        }
        gate, alone = Gate(watched), Gate({})
        calls = {
            "m.step()": (progress.step, args.n),
            "lowtide.step() under lowtide run": (phases.step, args.n),
            "m.count()": (lambda: progress.count("token", 512.0), args.n // 10),
            "with m.phase()": (enter, args.n // 10),
            "gate.should_pause()": (gate.should_pause, args.n),
            "gate.should_pause() outside lowtide": (alone.should_pause, args.n),
            "gate.progress()": (lambda: gate.progress(420, 1000), args.n),
        }
        print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
        results = {name: microseconds(call, n, args.repeat) for name, (call, n) in calls.items()}
        progress.close()
    for name, (median, spread) in results.items():
        print(f"{name:<36} {median:6.2f} us (spread {spread:.2f}, n {args.repeat})")
    in_time = results["m.step()"][0] <= BOUND_US and results["gate.should_pause()"][0] <= GATE_BOUND_US
    return 0 if in_time else 1


if __name__ == "__main__":
    sys.exit(main())
