"""Killing job, recorder or supervisor at random moments: one trial a seed, and what was lost.

    python tests/runtime/kill_trials.py --n 200 --out benchmarks/results/kill-trials.json

is the long run; the tests try some seeds. A trial starts ``lowtide run`` on a job of a second or two, sends SIGKILL
to one of its processes (or two) at a random moment, lets the next command close the run, and looks at what is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VICTIMS = ("job", "recorder", "supervisor", "recorder+supervisor", "job+recorder")
INTERVAL_S = 0.1


def _children(pid: int) -> dict[str, int]:
    """Return the recorder's and the job's pid among a supervisor's children."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            ppid = int(Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
            command = Path(f"/proc/{name}/cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if ppid == pid and b"lowtide.runtime.recorder" in command:
            found["recorder"] = int(name)
        elif ppid == pid and b"time.sleep" in command and b"lowtide" not in command:
            found["job"] = int(name)
    return found


def _kill(pid: int | None) -> None:
    if pid is not None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has just ended by itself


def trial(seed: int, folder: Path) -> dict[str, object]:
    """Run one trial; return what happened as plain data, ``ok`` telling whether all held."""
    rng = random.Random(seed)
    victim, wait_s = rng.choice(VICTIMS), rng.uniform(0.25, 1.6)
    job_s = rng.uniform(0.8, 2.0)
    env = {
        **os.environ,
        "LOWTIDE_LEDGER": str(folder / "ledger"),
        "LOWTIDE_JOURNAL": str(folder / "journal"),
        "LOWTIDE_NODE_DIR": str(folder / "node"),
    }
    lowtide = [sys.executable, "-m", "lowtide"]
    job = [sys.executable, "-S", "-c", f"import time; time.sleep({job_s})"]
    command = [*lowtide, "run", "--quiet", "--intensity", "400", "--interval", f"{INTERVAL_S}s", "--", *job]
    supervisor = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    pids: dict[str, int] = {}
    deadline = time.monotonic() + 10.0
    while "job" not in pids and supervisor.poll() is None and time.monotonic() < deadline:
        pids = _children(supervisor.pid)
        time.sleep(0.01)
    seen_at = time.time()
    time.sleep(wait_s)
    pids = {**pids, **_children(supervisor.pid), "supervisor": supervisor.pid}
    killed_at = time.time()
    ended_before = supervisor.poll() is not None
    for name in victim.split("+"):
        _kill(pids.get(name) if not ended_before else None)
    _, messages = supervisor.communicate(timeout=30)
    _wait_gone(pids.get("job"))
    status = _closed_status(lowtide, env)
    return {
        "seed": seed,
        "victim": victim,
        "wait_s": wait_s,
        **_judge(status, seen_at, killed_at, victim, messages),
    }


def _wait_gone(pid: int | None) -> None:
    """Wait for a job that outlived its supervisor, and a moment for its recorder to seal."""
    for _ in range(500):
        if pid is None or not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.01)
    time.sleep(0.1)


def _closed_status(lowtide: list[str], env: dict[str, str]) -> dict[str, object]:
    """Return ``show --json`` once a command has closed the run."""
    for _ in range(100):
        shown = subprocess.run([*lowtide, "show", "last", "--json"], env=env, capture_output=True, text=True)
        if shown.returncode == 0:
            document = json.loads(shown.stdout)
            if document["status"] != "running":
                verified = subprocess.run(
                    [*lowtide, "verify", "last", "--json"], env=env, capture_output=True, text=True
                )
                return {**document, "verified": verified.returncode == 0}
        time.sleep(0.1)
    return {"status": "never closed", "stderr": shown.stderr}


def _judge(shown: dict, seen_at: float, killed_at: float, victim: str, messages: str) -> dict[str, object]:
    from datetime import datetime

    if shown.get("ended") is None:
        return {
            "ok": False,
            "why": "never closed",
            "status": shown["status"],
            "stderr": shown.get("stderr", messages),
        }
    started = datetime.fromisoformat(shown["started"]).timestamp()
    if shown["energy"] is None:  # killed before the second reading: all of its life is lost
        lost_s = killed_at - seen_at
        return {
            "ok": lost_s <= 1.0,
            "status": shown["status"],
            "lost_s": round(lost_s, 3),
            "stderr": messages,
        }
    ended = datetime.fromisoformat(shown["ended"]).timestamp()
    should_last_until = min(ended, killed_at) if "supervisor" not in victim else killed_at
    lost_s = max(0.0, should_last_until - ended) if shown["status"] == "incomplete" else 0.0
    unknown_s = (1.0 - shown["energy"]["known_time_fraction"]) * (ended - started)
    lost_s += unknown_s
    ok = lost_s <= 1.0 and shown["verified"] and "Traceback" not in messages
    return {"ok": ok, "status": shown["status"], "lost_s": round(lost_s, 3), "verified": shown["verified"],
            "n_readings": shown["n_readings"], "stderr": messages}  # fmt: skip


def main() -> int:
    """Run many trials; return 1 when one lost more than a second or left something unreadable."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = []
    for seed in range(args.first_seed, args.first_seed + args.n):
        with tempfile.TemporaryDirectory() as folder:
            results.append(trial(seed, Path(folder)))
        if not results[-1]["ok"]:
            print(results[-1], file=sys.stderr)
    lost = sorted(float(r.get("lost_s", 99.0)) for r in results)  # type: ignore[arg-type]
    by_victim = {v: sum(r["victim"] == v for r in results) for v in VICTIMS}
    statuses = [str(r["status"]) for r in results]
    summary = {
        "n": len(results),
        "n_ok": sum(bool(r["ok"]) for r in results),
        "by_victim": by_victim,
        "by_status": {s: statuses.count(s) for s in sorted(set(statuses))},
        "lost_s_median": lost[len(lost) // 2],
        "lost_s_max": lost[-1],
        "interval_s": INTERVAL_S,
    }
    print(json.dumps(summary, indent=1))
    if args.out:
        args.out.write_text(json.dumps(summary, indent=1) + "\n")
    return 0 if summary["n_ok"] == summary["n"] else 1


if __name__ == "__main__":
    sys.exit(main())
