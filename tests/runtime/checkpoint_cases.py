"""Jobs that save when asked and leave with status 75, and go on from what they saved."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SAVES = """
import os, signal, sys, time
work_s, path, how = float(sys.argv[1]), sys.argv[2], sys.argv[3]
resumed = os.environ.get("LOWTIDE_RESUME") == "1"
def note(word):
    with open(path, "a") as file:
        file.write(word + "\\n")
note("resumed" if resumed else "began")
saved = path + ".saved"
done_s = float(open(saved).read()) if resumed and os.path.exists(saved) else 0.0
asked = False
def hear(number, frame):
    global asked
    asked = True
if "signal" in how:
    signal.signal(signal.SIGTERM, hear)
pause = os.environ.get("LOWTIDE_PAUSE_FILE", "")
if "file" in how and pause:
    open(pause + ".watched", "w").close()
def save():
    with open(saved + ".new", "w") as file:
        file.write(repr(done_s))
    os.replace(saved + ".new", saved)
def tell():
    if "tells" in how:
        told = os.environ["LOWTIDE_PROGRESS_FILE"]
        with open(told + ".new", "w") as file:
            file.write(f"{done_s:.3f}/{work_s:.3f}")
        os.replace(told + ".new", told)
last = time.monotonic()
n = 0
while done_s < work_s:
    time.sleep(0.02)
    now = time.monotonic()
    done_s, last = min(work_s, done_s + min(now - last, 0.2)), now
    n += 1
    if n % 10 == 0:
        tell()
    if asked or ("file" in how and os.path.exists(pause)):
        save()
        note("saved")
        sys.exit(0 if "zero" in how else 75)
tell()
note("ended")
"""
"""A job that works for some seconds, whole only if what it saved is what it goes on from."""


def saving(folder: Path, work_s: float, how: str = "file tells") -> list[str]:
    """Return the command of such a job: `how` says whether it looks for the file, or hears the signal, and tells."""
    return [sys.executable, "-S", "-c", SAVES, str(work_s), str(folder / "job"), how]


def saved_s(folder: Path) -> float:
    """Return how far it had saved."""
    return float((folder / "job.saved").read_text())


def living_jobs(folder: Path) -> list[int]:
    """Return the pids of processes that run a job of this folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            words = command.split(b"\0")
            if str(folder / "job").encode() in words and words[1] == b"-S":
                found.append(int(name))
    return found
