"""What a dead network costs a run: start and stop beside the same run with a provider that answers.

    python benchmarks/bench_network_down.py [--rounds 10] [--kills 20] [--json benchmarks/results/network_down.json]

A job of 0.2 s under ``lowtide run`` and a block of ``lowtide.measure``, each with a provider that answers at once, one
that accepts and never answers, a refused port, packets that are swallowed, a name service that hangs, and a provider
that has no values for that time. Rounds are interleaved, and what is compared is the median over rounds of the
difference to the healthy run of the same round. With ``--kills`` processes are killed at random moments while the
provider is silent: afterwards nothing may be left running and no lock lie about, the next command closes the run, and
the bill is restated once the provider answers. Exits 1 when a median is above 100 ms or anything is left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowtide.testing.fake_grid import Service, serve
from lowtide.testing.fake_grid.gb import FakeGreatBritain

BOUND_S = 0.1
JOB_S = 0.2
GRID_TIMEOUT_S = 1.0
LEFT_AFTER_S = 8.0
"""By when the process that asks on has ended by itself: its time for the network, its start, and its work."""

BLOCK = """
import json, sys, time, warnings
warnings.simplefilter("error")
import lowtide
began = time.perf_counter()
with lowtide.measure(name="block") as m:
    entered = time.perf_counter()
    time.sleep(float(sys.argv[1]))
    left = time.perf_counter()
ended = time.perf_counter()
print(json.dumps({"s": entered - began + ended - left, "billed": m.result is not None}))
"""
HANGING_NAMES = "import socket, time\nsocket.getaddrinfo = lambda *a, **k: time.sleep(60)\n"


@contextlib.contextmanager
def cases(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Yield the environment of every case, by its name; the healthy one is first."""
    with contextlib.ExitStack() as open_things:
        now_ns = time.time_ns()
        healthy = open_things.enter_context(
            serve(Service(FakeGreatBritain(now_ns=now_ns + 2 * 3600 * 10**9)))
        )
        lacking = open_things.enter_context(
            serve(Service(FakeGreatBritain(now_ns=now_ns - 2 * 3600 * 10**9)))
        )
        silent = open_things.enter_context(
            contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=4096))
        )
        full = open_things.enter_context(contextlib.closing(swallowing(open_things)))
        refused = socket.create_server(("127.0.0.1", 0))
        refused_at = port_of(refused)
        refused.close()
        names = folder / "names"
        names.mkdir()
        (names / "sitecustomize.py").write_text(HANGING_NAMES)
        yield {
            "healthy": {"LOWTIDE_GB_URL": healthy},
            "never answers": {"LOWTIDE_GB_URL": f"http://127.0.0.1:{port_of(silent)}"},
            "refused": {"LOWTIDE_GB_URL": f"http://127.0.0.1:{refused_at}"},
            "packets swallowed": {"LOWTIDE_GB_URL": f"http://127.0.0.1:{port_of(full)}"},
            "names hang": {"LOWTIDE_GB_URL": "http://gb.invalid", "PYTHONPATH": str(names)},
            "lacks the hour": {"LOWTIDE_GB_URL": lacking},
        }


def port_of(server: socket.socket) -> int:
    """Return the port of a server."""
    return int(server.getsockname()[1])


def swallowing(open_things: contextlib.ExitStack) -> socket.socket:
    """Return a server whose queue is full, so that further connections get no answer at all."""
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    for _ in range(4):
        waiting = open_things.enter_context(contextlib.closing(socket.socket()))
        waiting.setblocking(False)
        waiting.connect_ex(server.getsockname())
    return server


def environment(folder: Path, case: dict[str, str]) -> dict[str, str]:
    """Return the environment of a run with a ledger and a cache of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOWTIDE_")}
    own = {
        "LEDGER": "ledger",
        "JOURNAL": "journal",
        "NODE_DIR": "node",
        "CACHE": "cache.sqlite",
        "CONFIG": "none",
    }
    paths = {f"LOWTIDE_{name}": str(folder / place) for name, place in own.items()}
    asked = {"LOWTIDE_PROVIDER": "gb", "LOWTIDE_ZONE": "GB", "LOWTIDE_GRID_TIMEOUT": f"{GRID_TIMEOUT_S}s"}
    return {**kept, **paths, **asked, **case}


def timed_run(folder: Path, case: dict[str, str]) -> float:
    """Return how long a run takes beside its job [s]."""
    command = [sys.executable, "-m", "lowtide", "run", "--quiet", "--", "sleep", str(JOB_S)]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment(folder, case), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"lowtide run: {done.returncode}: {done.stderr}")
    return time.perf_counter() - began - JOB_S


def timed_block(folder: Path, case: dict[str, str]) -> float:
    """Return how long entering and leaving a block takes [s]; a warning there is an error."""
    command = [sys.executable, "-c", BLOCK, str(JOB_S)]
    done = subprocess.run(command, env=environment(folder, case), capture_output=True, text=True, check=False)
    told = json.loads(done.stdout) if done.returncode == 0 else {"billed": False}
    if not told["billed"]:
        raise RuntimeError(f"the block was not billed: {done.stderr}")
    return float(told["s"])


def compare(rounds: int, folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return seconds of every case and its median difference to the healthy one, for runs and for blocks."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with cases(folder) as every:
        for kind, work in (("run", timed_run), ("measure", timed_block)):
            times: dict[str, list[float]] = {name: [] for name in every}
            for i in range(rounds):
                for name, case in every.items():
                    place = folder / f"{kind}-{i}-{name.replace(' ', '-')}"
                    place.mkdir()
                    times[name].append(work(place, case))
                    wait_until_alone(place, LEFT_AFTER_S)  # what asks on must not slow the next one down
            found[kind] = {name: summary(seconds, times["healthy"]) for name, seconds in times.items()}
    return found


def summary(seconds: list[float], healthy: list[float]) -> dict[str, Any]:
    """Return the figures of one case."""
    more = [a - b for a, b in zip(seconds, healthy, strict=True)]
    return {"median_s": statistics.median(seconds), "more_s": statistics.median(more), "seconds": seconds}


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes that work for a ledger, by what they are."""
    mark = f"LOWTIDE_LEDGER={folder / 'ledger'}".encode()
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                    found[int(name)] = b" ".join(words[:2]).decode(errors="replace")
    return found


def wait_until_alone(folder: Path, limit_s: float) -> dict[int, str]:
    """Wait until no process works for a ledger; return those that do when the time is up."""
    until = time.monotonic() + limit_s
    while (left := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def kill_trial(seed: int, folder: Path, silent: dict[str, str], healthy: dict[str, str]) -> list[str]:
    """Kill processes of a run at random moments; return what is wrong afterwards."""
    rng = random.Random(seed)
    env = environment(folder, silent)
    command = [sys.executable, "-m", "lowtide", "run", "--quiet", "--", "sleep", str(JOB_S)]
    started = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    for _ in range(rng.choice((1, 1, 2, 3))):
        time.sleep(rng.uniform(0.0, 2.0))
        victims = sorted(processes_of(folder))
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(victims), signal.SIGKILL)
    started.wait()
    wrong = [f"left running: {name}" for name in wait_until_alone(folder, LEFT_AFTER_S).values()]
    return wrong + after_kill(folder, environment(folder, healthy))


def after_kill(folder: Path, env: dict[str, str]) -> list[str]:
    """Return what is wrong once the next commands have run with a provider that answers."""
    lowtide = [sys.executable, "-m", "lowtide"]
    begun = sorted((folder / "ledger" / "runs").glob("*/run.json"))
    wrong = []
    until = time.monotonic() + 60.0
    while True:  # the next command closes and, when its time has come, restates
        shown = subprocess.run(
            [*lowtide, "runs", "--json"], env=env, capture_output=True, text=True, check=False
        )
        waiting = list((folder / "ledger" / "pending").glob("*.json"))
        if not waiting or time.monotonic() > until:
            break
        time.sleep(2.0)
    left = wait_until_alone(folder, LEFT_AFTER_S)
    wrong += [f"left running: {name}" for name in left.values()]
    runs = json.loads(shown.stdout)["runs"] if shown.returncode == 0 else []
    if len(runs) != len(begun):
        wrong.append(f"{len(begun)} runs begun, {len(runs)} shown: {shown.stderr}")
    wrong += [f"{run['run_id']} is {run['status']}" for run in runs if run["status"] == "running"]
    wrong += [f"bill still waits: {path.name}" for path in waiting]
    wrong += [f"lock left: {path}" for path in folder.rglob("*lock*")]
    for run in runs:
        billed = list((folder / "ledger" / "runs" / run["run_id"] / "entries").glob("*.json"))
        verified = subprocess.run(
            [*lowtide, "verify", run["run_id"]], env=env, capture_output=True, check=False
        )
        if billed and verified.returncode:
            wrong.append(f"{run['run_id']} does not verify")
    return wrong


def kills(n: int, folder: Path, first_seed: int) -> list[str]:
    """Return what went wrong in `n` trials."""
    wrong = []
    with cases(folder) as every:
        for seed in range(first_seed, first_seed + n):
            place = folder / f"kill-{seed}"
            place.mkdir()
            wrong += [f"seed {seed}: {what}" for what in
                      kill_trial(seed, place, every["never answers"], every["healthy"])]  # fmt: skip
    return wrong


def main() -> int:
    """Measure and print; return 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = compare(args.rounds, Path(one)) if args.rounds else {}
        wrong = kills(args.kills, Path(other), args.seed) if args.kills else []
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}; start + stop, {args.rounds} rounds, medians")
    for kind, by_case in found.items():
        for name, cost in by_case.items():
            print(
                f"{kind:<8} {name:<18} {cost['median_s']:.3f} s, {1e3 * cost['more_s']:+.0f} ms beside healthy"
            )
    if args.kills:
        print(f"{args.kills} trials with kills: {len(wrong)} wrong")
        print("\n".join(wrong))
    if args.json:
        result = {"machine": machine, "rounds": args.rounds, "load": os.getloadavg(), "cases": found,
                  "kill_trials": args.kills, "wrong": wrong}  # fmt: skip
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    slow = [
        cost["more_s"] for by_case in found.values() for cost in by_case.values() if cost["more_s"] > BOUND_S
    ]
    return 1 if slow or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
