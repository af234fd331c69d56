"""Killing supervisor, recorder, or both, of runs that wait for green or are paused: one trial a seed.

    python tests/runtime/green_kills.py --n 200 --at-once 4 --out benchmarks/results/green-kills.json

is the long run, for freezing and for checkpoints. Each trial begins ``lowtide run --within ... --pause freeze`` (or
``checkpoint``) on an intensity that changes every other second, sends SIGKILL at a random moment, lets the next command
put things right, takes the run over where it had not begun or had left to be started again, and looks: the job has been
done once, whole, and nothing stands still. Checkpoints, and every other freezing trial, follow a list of decisions:
they pause within a second of their start; the others wait for the green of the file and are killed waiting, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checkpoint_cases import saving
from green_cases import LOWTIDE, job, kill, notes, recorder_of, state_of, write_intensity

PAUSES = ("freeze", "checkpoint")
VICTIMS = ("supervisor", "supervisor", "recorder", "recorder+supervisor")
LOST_AFTER_S = 40.0
SCRIPTED = str(Path(__file__).with_name("scripted_run.py"))


def _journal(root: Path) -> Path | None:
    found = [path for path in root.iterdir() if (path / "plan.json").exists()] if root.exists() else []
    return found[0] if found else None


def _wait_until_taken_on(root: Path) -> None:
    """Wait until the run has been taken on: what is killed before that was never asked for."""
    deadline = time.monotonic() + LOST_AFTER_S
    while _journal(root) is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _pid(root: Path) -> int | None:
    folder = _journal(root)
    try:
        return int((folder / "begun").read_text()) if folder is not None else None
    except (OSError, ValueError):
        return None


def _kill(supervisor: subprocess.Popen[str], victim: str) -> None:
    if "recorder" in victim:
        try:
            kill(recorder_of(supervisor.pid))
        except AssertionError:
            pass  # it has not been started yet
    if "supervisor" in victim:
        supervisor.kill()


def trial(seed: int, folder: Path, pause: str = "freeze") -> dict[str, object]:
    """Run one trial; return what happened as plain data, ``ok`` telling whether all held."""
    rng = random.Random(seed)
    victim, kill_after_s, work_s = rng.choice(VICTIMS), rng.uniform(0.0, 11.0), rng.uniform(3.0, 6.0)
    env = {
        **os.environ,
        "LOWTIDE_LEDGER": str(folder / "ledger"),
        "LOWTIDE_JOURNAL": str(folder / "journal"),
        "LOWTIDE_NODE_DIR": str(folder / "node"),
    }
    values = [100.0, 900.0] * 20
    path = write_intensity(folder / "i.csv", values, step_s=2.0, since_s=-rng.uniform(0.0, 4.0))
    kind = LOWTIDE
    scripted = pause == "checkpoint" or seed % 2 == 0
    if scripted:  # decisions from a list, so that every phase is met within seconds
        kind = [sys.executable, SCRIPTED, "hold 0.6 run 1.8 hold 2.4 run 3.2"]
        path, kill_after_s, work_s = "400", kill_after_s / 2.0, work_s / 2.0
    command = [*kind, "run", "--quiet", "--interval", "200ms", "--attribution", "dynamic", "--intensity", path,
               "--within", "25s", "--duration", f"{work_s:.2f}s", "--pause", pause,
               "--", *(job(folder, work_s) if pause == "freeze" else saving(folder, work_s))]  # fmt: skip
    with open(folder / "said", "w") as said:
        supervisor = subprocess.Popen(command, env=env, stderr=said)
    journal = folder / "journal"
    _wait_until_taken_on(journal)
    time.sleep(kill_after_s)
    pid, began = _pid(journal), len(notes(folder))
    frozen = pid is not None and state_of(pid) == "T"
    ended_before = supervisor.poll() is not None
    if not ended_before:
        _kill(supervisor, victim)
        if "supervisor" in victim:
            supervisor.wait()
    continued = _put_right(folder, env)
    if "supervisor" not in victim:
        supervisor.wait(timeout=60)
    left = _pid(journal)
    return {
        "seed": seed, "pause": pause, "scripted": scripted, "victim": victim, "kill_after_s": round(kill_after_s, 2),
        "work_s": round(work_s, 2),
        "began_before": bool(began), "ended_before": ended_before, "frozen_when_killed": frozen,
        "continued": continued, "notes": notes(folder), "left_frozen": left is not None and state_of(left) == "T",
        "ok": _is_done_once(notes(folder)), "said": (folder / "said").read_text(),
    }  # fmt: skip


def _take_over(said: str, env: dict[str, str]) -> bool:
    """Take over a run that waits for nobody, as the line said by the command before tells to."""
    if "--continue" not in said:
        return False
    run_id = said.split("--continue", 1)[1].split()[0]
    done = subprocess.run(
        [*LOWTIDE, "run", "--continue", run_id], env=env, capture_output=True, text=True, timeout=60
    )
    return done.returncode == 0


def _put_right(folder: Path, env: dict[str, str]) -> bool:
    """Give the commands that a user gives until the job has ended; return whether one took the run over."""
    deadline, continued = time.monotonic() + LOST_AFTER_S, False
    while time.monotonic() < deadline and notes(folder)[-1:] != ["ended"]:
        listed = subprocess.run([*LOWTIDE, "runs"], env=env, capture_output=True, text=True, timeout=60)
        continued = _take_over(listed.stderr, env) or continued
        time.sleep(0.2)
    return continued


def _is_done_once(seen: list[str]) -> bool:
    """Return whether a job began once, ended once, and went on as often as it had saved."""
    between = seen[1:-1]
    return (seen[:1], seen[-1:]) == (["began"], ["ended"]) and between == ["saved", "resumed"] * (
        len(between) // 2
    )


def main() -> int:
    """Run many trials; return 1 when a job was lost, done twice, or left frozen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=1, help="trials side by side")
    parser.add_argument("--pause", action="append", choices=PAUSES)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = {pause: _many(args, pause) for pause in args.pause or PAUSES}
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if all(one["n_ok"] == one["n"] for one in found.values()) else 1


def _many(args: argparse.Namespace, pause: str) -> dict[str, object]:
    """Return what came of many trials."""

    def one(seed: int) -> dict[str, object]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            result = trial(seed, Path(folder), pause)
        if not result["ok"]:
            print(result, file=sys.stderr)
        return result

    with ThreadPoolExecutor(args.at_once) as pool:
        results = list(pool.map(one, range(args.first_seed, args.first_seed + args.n)))
    return {
        "n": len(results),
        "n_ok": sum(bool(r["ok"]) for r in results),
        "n_left_frozen": sum(bool(r["left_frozen"]) for r in results),
        "n_twice": sum(r["notes"].count("began") > 1 or r["notes"].count("ended") > 1 for r in results),  # type: ignore[attr-defined]
        "n_lost": sum("ended" not in r["notes"] for r in results),  # type: ignore[operator]
        "n_saved_and_left": sum("saved" in r["notes"] for r in results),  # type: ignore[operator]
        "n_frozen_when_killed": sum(bool(r["frozen_when_killed"]) for r in results),
        "n_continued": sum(bool(r["continued"]) for r in results),
        "n_ended_before": sum(bool(r["ended_before"]) for r in results),
    }


if __name__ == "__main__":
    sys.exit(main())
