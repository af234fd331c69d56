"""Real jobs that run when green, in compressed time: intensity that changes every few seconds, jobs of seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

LOWTIDE = [sys.executable, "-m", "lowtide"]

WORK = """
import sys, time
work_s, path = float(sys.argv[1]), sys.argv[2]
open(path, "a").write("began\\n")
done_s, last = 0.0, time.monotonic()
while done_s < work_s:
    now = time.monotonic()
    done_s += min(now - last, 0.05)  # time in which it was stopped is no work
    last = now
    if int(done_s * 20) != int((done_s - 0.001) * 20):
        open(path + ".alive", "w").write(repr(time.time()))
open(path, "a").write("ended\\n")
"""
"""A job that works for some seconds, notes its beginning and end, and shows that it is alive."""


def write_intensity(path: Path, values: list[float], *, step_s: float, since_s: float = 0.0) -> str:
    """Write an intensity that begins so many seconds from now; return the path."""
    first_s = time.time() + since_s
    lines = [f"{_stamp(first_s + i * step_s)},{value}" for i, value in enumerate(values)]
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(["timestamp,intensity_g_per_kwh", *lines]) + "\n")
    temporary.replace(path)
    return str(path)


def _stamp(t_s: float) -> str:
    return datetime.fromtimestamp(t_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job(folder: Path, work_s: float) -> list[str]:
    """Return the command of a job that keeps its notes in a folder."""
    return [sys.executable, "-S", "-c", WORK, str(work_s), str(folder / "job")]


def lowtide(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of lowtide to its end."""
    return subprocess.run(
        [*LOWTIDE, *args], env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=120
    )


def begin(*args: str) -> subprocess.Popen[str]:
    """Begin ``lowtide run`` with these arguments."""
    command = [*LOWTIDE, "run", "--interval", "100ms", "--attribution", "dynamic", *args]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def shown(query: str = "last") -> dict:
    """Return the JSON of a run."""
    found = lowtide("show", query, "--json")
    assert found.returncode == 0, found.stderr
    document: dict = json.loads(found.stdout)
    return document


def wait_until(true: Callable[[], object], *, timeout_s: float = 40.0) -> float:
    """Wait for something to become true; return how long that took [s]."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < timeout_s, "it did not come true in time"
        time.sleep(0.01)
    return time.monotonic() - began


def journal() -> Path | None:
    """Return the folder of the one run that is going on, None while there is none."""
    root = Path(os.environ["LOWTIDE_JOURNAL"])
    found = [path for path in root.iterdir() if (path / "plan.json").exists()] if root.exists() else []
    return found[0] if found else None


def is_frozen() -> bool:
    """Return whether the run that is going on is frozen."""
    folder = journal()
    return folder is not None and (folder / "frozen").exists()


def state_of(pid: int) -> str:
    """Return the state of a process: R, S, T, Z; empty for none."""
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return data[data.rindex(b")") + 2 :].split(None, 1)[0].decode()


def job_pid() -> int:
    """Return the pid of the job of the run that is going on."""
    folder = journal()
    assert folder is not None
    return int((folder / "begun").read_text())


def recorder_of(supervisor: int) -> int:
    """Return the pid of a supervisor's recorder."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if int(stat[1]) == supervisor and b"lowtide.runtime.recorder" in command:
                return int(name)
    raise AssertionError("no recorder")


def notes(folder: Path) -> list[str]:
    """Return what a job noted."""
    path = folder / "job"
    return path.read_text().split() if path.exists() else []


def kill(pid: int) -> None:
    """Send SIGKILL to a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has just ended by itself


def die(run: subprocess.Popen[str]) -> None:
    """Kill a supervisor, and do not wait for its job, which holds the same standard error."""
    run.kill()
    run.wait()
    if run.stderr is not None:
        run.stderr.close()
