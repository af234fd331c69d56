"""What recording costs: CPU and memory of the recorder, steady, and of all lowtide processes of a run.

    python benchmarks/bench_recorder.py [--seconds 300] [--interval 1s] [--processes 8] [--busy]

The job is a process tree of the given size that mostly sleeps (or, with ``--busy``, keeps one core busy), so
that what is measured is the recorder and not the job. CPU time is read from the scheduler's own nanosecond
account (/proc/PID/schedstat), start-up apart. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND_CPU = {1.0: 0.0006, 0.1: 0.006}
BOUND_RECORDER_MB, BOUND_ALL_MB = 20.0, 45.0

JOB = """
import subprocess, sys, time
n, seconds, busy = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "busy"
children = [subprocess.Popen(["sleep", str(seconds)]) for _ in range(n - 1)]
end = time.monotonic() + seconds
while time.monotonic() < end:
    if not busy:
        time.sleep(0.2)
for child in children:
    child.wait()
"""


def children_of(pid: int) -> list[int]:
    """Return the living children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(name))
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU time of all threads of a process [s]."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process [MB = 1e6 bytes]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> int:
    """Measure and print; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--interval", default="1s")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = measure(args.seconds, args.interval, args.processes, args.busy)
    print(json.dumps(result, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if result["within_bounds"] else 1


def measure(seconds: float, interval: str, n_processes: int, busy: bool) -> dict[str, object]:
    """Run one job under lowtide and return what the recorder cost."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "LOWTIDE_LEDGER": f"{folder}/ledger", "LOWTIDE_JOURNAL": f"{folder}/journal",
               "LOWTIDE_NODE_DIR": f"{folder}/node"}  # fmt: skip
        job = [sys.executable, "-c", JOB, str(n_processes), str(seconds + 6.0), "busy" if busy else "idle"]
        command = [sys.executable, "-m", "lowtide", "run", "--quiet", "--interval", interval, "--", *job]
        supervisor = subprocess.Popen(command, env=env)
        time.sleep(3.0)
        recorder = next(
            pid
            for pid in children_of(supervisor.pid)
            if b"recorder" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        start_up_s = cpu_s(recorder)
        start = time.monotonic()
        supervisor_start_s = cpu_s(supervisor.pid)
        time.sleep(seconds)
        elapsed_s = time.monotonic() - start
        used_s = cpu_s(recorder) - start_up_s
        supervisor_used_s = cpu_s(supervisor.pid) - supervisor_start_s
        recorder_mb, supervisor_mb = rss_mb(recorder), rss_mb(supervisor.pid)
        supervisor.wait()
    interval_s = 0.1 if interval in ("100ms", "0.1s", "0.1") else 1.0
    fraction = used_s / elapsed_s
    return {
        "machine": platform.processor() or platform.machine(),
        "n_cpus": os.cpu_count(),
        "python": platform.python_version(),
        "seconds": round(elapsed_s, 1),
        "interval": interval,
        "n_processes": n_processes,
        "busy": busy,
        "recorder_cpu_fraction_of_a_core": round(fraction, 6),
        "recorder_cpu_us_per_reading": round(used_s / elapsed_s * interval_s * 1e6, 1),
        "supervisor_cpu_fraction_of_a_core": round(supervisor_used_s / elapsed_s, 6),
        "recorder_start_up_cpu_s": round(start_up_s, 3),
        "supervisor_start_up_cpu_s": round(supervisor_start_s, 3),
        "recorder_rss_mb": round(recorder_mb, 1),
        "supervisor_rss_mb": round(supervisor_mb, 1),
        "all_lowtide_rss_mb": round(recorder_mb + supervisor_mb, 1),
        "bound_cpu_fraction": BOUND_CPU[interval_s],
        "within_bounds": fraction <= BOUND_CPU[interval_s]
        and recorder_mb <= BOUND_RECORDER_MB
        and recorder_mb + supervisor_mb <= BOUND_ALL_MB,
    }


if __name__ == "__main__":
    sys.exit(main())
