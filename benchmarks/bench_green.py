"""What minding a run that may be paused costs: CPU time of its supervisor.

    python benchmarks/bench_green.py [--seconds 60] [--pause checkpoint]

runs ``sleep`` under ``lowtide run --pause freeze`` (or another) with an intensity that changes every 5 minutes, and
prints the supervisor's CPU seconds over wall seconds once the command runs, in per cent of one core. Deciding is done
in children (about half a second of CPU time every half hour and at each change), which are not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

_SETTLED_S = 8.0


def _scheduled_s(pid: int) -> float:
    """Return the CPU time of a process of one thread, without its children [s]."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    """Run the benchmark and print it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pause", default="freeze", choices=["none", "freeze", "checkpoint"])
    args = parser.parse_args()
    sleep_s = str(args.seconds + 2 * _SETTLED_S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "i.csv")
        now_s = time.time()
        stamps = [datetime.fromtimestamp(now_s - 60 + 300 * i, UTC).isoformat() for i in range(300)]
        rows = [f"{stamp},{100 + 10 * (i % 7)}" for i, stamp in enumerate(stamps)]
        path.write_text("\n".join(["timestamp,intensity_g_per_kwh", *rows]) + "\n")
        env = {**os.environ, "LOWTIDE_LEDGER": f"{folder}/ledger", "LOWTIDE_JOURNAL": f"{folder}/journal"}
        command = [sys.executable, "-m", "lowtide", "run", "--quiet", "--intensity", str(path), "--within", "12h",
                   "--duration", "11h", "--pause", args.pause, "--", "sleep", sleep_s]  # fmt: skip
        run = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        time.sleep(_SETTLED_S)
        before_s, began = _scheduled_s(run.pid), time.monotonic()
        time.sleep(args.seconds)
        wall_s = time.monotonic() - began
        own_s = _scheduled_s(run.pid) - before_s
        start_s = before_s
        run.wait()
    print(json.dumps({"wall_s": round(wall_s, 1), "supervisor_cpu_s": round(own_s, 4),
                      "supervisor_percent_of_a_core": round(100.0 * own_s / wall_s, 4),
                      "until_started_cpu_s": round(start_s, 3)}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
