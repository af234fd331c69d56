"""What the tests of submitting share: a cluster's environment, compressed days, jobs that tick."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from lowtide.executors.slurm import Slurm

TICKING = """\
#!/bin/sh
#SBATCH --time=10
#SBATCH --output=/dev/null
i=0
while [ $i -lt {n} ]; do i=$((i+1)); date +%s.%N >> {out}; sleep 0.2; done
"""

SAVING = """\
import os, sys, time
work_s, folder, mode, rest_s = float(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
ask, save = os.environ["LOWTIDE_PAUSE_FILE"], folder + "/saved"
done_s = float(open(save).read()) if os.environ.get("LOWTIDE_RESUME") == "1" else 0.0

def note(name, text):
    with open(folder + "/" + name, "a") as file:  # closed by name: a file's end swallows what a handler raises
        file.write(text + "\\n")

def keep(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)

def leave(*_):
    keep(save, repr(done_s))
    sys.exit(75)

note("starts", repr(done_s))
if mode == "file":
    open(ask + ".watched", "w").close()
if mode == "USR1":
    import signal
    signal.signal(signal.SIGUSR1, leave)
last = time.monotonic()
while done_s < work_s:
    now = time.monotonic()
    done_s, last = done_s + min(now - last, 0.05), now  # time in which it was stopped is no work
    if int(done_s * 10) != int((done_s - 0.001) * 10):
        note("ticks", repr(time.time()))
        keep(os.environ["LOWTIDE_PROGRESS_FILE"], f"{done_s / work_s:.6f}")
    if mode == "file" and os.path.exists(ask):
        leave()
    time.sleep(rest_s)
note("ended", "once")
"""
"""A job that works for some seconds, tells how far it is, and saves when its file or a signal asks it to."""

SAVING_SCRIPT = """\
#!/bin/sh
#SBATCH --time=10
#SBATCH --output={folder}/out
exec {python} -m lowtide run --name saving --tag job="$SLURM_JOB_ID" --interval 100ms --attribution dynamic \\
  --intensity {folder}/day.csv --quiet -- {python} -S {folder}/work.py {work_s} {folder} {mode} {rest_s}
"""


def write_saving(folder: Path, *, work_s: float, mode: str = "file", busy: bool = True) -> Path:
    """Write a job that saves when it is asked to, measured by ``lowtide run``; return its script.

    A busy one keeps a core at work, for what is said of its energy; another leaves it to the tests beside it.
    """
    (folder / "work.py").write_text(SAVING)
    path = folder / "job.sbatch"
    words = {"folder": folder, "work_s": work_s, "mode": mode, "rest_s": 0.0 if busy else 0.01}
    path.write_text(SAVING_SCRIPT.format(python=sys.executable, **words))
    return path


def write_day(path: Path, values: Sequence[float], *, start_ns: int, step_s: float) -> None:
    """Write an intensity file whose hours last `step_s`; replaced at once, as a forecast is."""
    rows = [
        f"{datetime.fromtimestamp(start_ns / 1e9 + i * step_s, UTC).isoformat(timespec='milliseconds')},{value:g}"
        for i, value in enumerate(values)
    ]
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")
    os.replace(fresh, path)


def now_s_ns() -> int:
    """Return now in whole seconds [ns]."""
    return time.time_ns() // 10**9 * 10**9


def lowtide(*arguments: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lowtide", *map(str, arguments)],
        env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def cancel_all(env: dict[str, str]) -> None:
    """Cancel all jobs and wait until they are gone."""
    for which in ("--state=PENDING", "--state=RUNNING"):
        subprocess.run(["scancel", which, "--user=root"], env=env, check=False, timeout=60)
    wait_until(lambda: not Slurm(env=env).jobs(), "the end of all jobs")


def start_agent(env: dict[str, str], log: Path, *, every: str = "0.5s") -> subprocess.Popen[str]:
    """Start an agent whose words go to a file."""
    with open(log, "a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "lowtide", "agent", "--slurm", "--every", every],
            env=env, stderr=file, text=True,
        )  # fmt: skip


def wait_until(true: Callable[[], bool], what: str, *, timeout_s: float = 40.0) -> None:
    """Wait for something that becomes true."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"{what} took more than {timeout_s:g} s"
        time.sleep(0.05)


def ticks_of(path: Path) -> list[float]:
    """Return the instants at which a job ticked [s]."""
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def longest_silence_s(ticks: Sequence[float]) -> float:
    """Return the longest time between two ticks [s]."""
    return max((b - a for a, b in pairwise(ticks)), default=0.0)
