"""Ten readings a second of 8 gauges, CPU and memory: missed readings, CPU time, and bytes once sealed.

    python benchmarks/bench_ten_hertz.py [--seconds 60] [--json benchmarks/results/ten_hertz.json]

The recorder runs in this process with a synthetic sensor of 8 power gauges, CPU time and memory, in real time;
``--seconds 600`` is the long run. CPU time is of the whole process, sealing included. Exits 1 when more than 1 % of
the readings is missed, more than 2 % of a core is taken, or an hour takes more than 2 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time

from lowtide.model.hardware import Channel
from lowtide.power.sensors.cpu_time import CpuTimeSensor
from lowtide.power.tree import ProcessTree
from lowtide.runtime.clock import SystemClock
from lowtide.runtime.recorder import begin_recorder

INTERVAL_NS = 100_000_000
BOUND_MISSED, BOUND_CPU, BOUND_MB_PER_H = 0.01, 0.02, 2.0


class Gauges:
    """Eight power gauges in whole milliwatts that wander as GPUs at work do, a new value every 100 ms."""

    name = "synthetic"

    def __init__(self) -> None:
        self._rng = random.Random(1)
        self._mw = [300_000.0] * 8
        self.channels = tuple(
            Channel(name=f"synthetic.{i}.power", sensor=self.name, component="gpu", quantity="power",
                    kind="gauge", scale=1e-3, boundary="gpu", device=str(i))
            for i in range(8)
        )  # fmt: skip

    def read(self) -> list[float]:
        """Return milliwatts."""
        self._mw = [float(round(mw + self._rng.gauss(0.0, 2000.0))) for mw in self._mw]
        return self._mw

    def close(self) -> None:
        """Nothing is held."""


def main() -> int:
    """Measure and print; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", help="write the figures here as well")
    args = parser.parse_args()
    result = measure(args.seconds)
    print(result["machine"])
    print(
        f"{result['seconds']:.0f} s at 10 Hz: {result['missed_fraction']:.2%} missed, "
        f"{result['cpu_fraction']:.2%} of a core, {result['mb_per_h']:.2f} MB an hour sealed"
    )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")
    return 0 if result["within_bounds"] else 1


def measure(seconds: float) -> dict[str, object]:
    """Record for some seconds and return what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        segments = os.path.join(folder, "segments")
        os.mkdir(segments)
        options = {"journal_dir": folder, "segments_dir": segments, "interval_ns": INTERVAL_NS}
        sensors = [CpuTimeSensor(ProcessTree(os.getpid())), Gauges()]
        recorder = begin_recorder(sensors, "w1", [], options=options, clock=SystemClock())
        recorder.tick()
        began, cpu_s = time.monotonic(), time.process_time()
        while time.monotonic() - began < seconds:
            time.sleep(recorder.wait_s())
            if recorder.wait_s() <= 0.0:
                recorder.tick()
        elapsed_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
        n_readings, missed = recorder.journal.seq, recorder.overruns
        recorder.finish()
        n_segments, size = 0, 0
        for entry in os.scandir(segments):
            n_segments, size = n_segments + 1, size + entry.stat().st_size
    figures = {
        "missed_fraction": missed / (elapsed_s / (INTERVAL_NS / 1e9)),
        "cpu_fraction": cpu_s / elapsed_s,
        "mb_per_h": size / 1e6 / elapsed_s * 3600.0,
    }
    bounds = {"missed_fraction": BOUND_MISSED, "cpu_fraction": BOUND_CPU, "mb_per_h": BOUND_MB_PER_H}
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "load_average": list(os.getloadavg()),
        "seconds": elapsed_s,
        "n_readings": n_readings,
        "n_missed": missed,
        "n_segments": n_segments,
        "sealed_bytes": size,
        **figures,
        "bounds": bounds,
        "within_bounds": all(figures[name] <= bound for name, bound in bounds.items()),
    }


if __name__ == "__main__":
    sys.exit(main())
