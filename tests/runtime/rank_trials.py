"""Many ranks on one machine, some of them killed: what is left of the run, and was anything counted twice.

    python tests/runtime/rank_trials.py --ranks 64 --kills 30

A package counter of 100 W (a file that the trial moves on) stands for the sensor that all ranks share.
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
import threading
import time
from pathlib import Path

from lowtide.stores.joined import joined_record
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_segments, record_from
from lowtide.testing.fakes import make_powercap_tree, set_energy_uj

INTERVAL_S = 0.25
PACKAGE_W = 100.0

RANK = """
import os, sys, time
import lowtide
folder, interval_s, rank = sys.argv[1], float(sys.argv[2]), os.environ["RANK"]
with lowtide.measure(name="ranks", interval=interval_s, attribution="machine", intensity=400) as m:
    open(f"{folder}/ready-{rank}", "w").close()
    while not os.path.exists(f"{folder}/stop"):
        time.sleep(0.05)
        m.step()
        m.count("sample", 1)
open(f"{folder}/billed-{rank}", "w").write(str(m.result is not None))
"""


class Package:
    """A package counter that grows by 100 J/s until it is stopped."""

    def __init__(self, root: Path) -> None:
        (self._folder,) = make_powercap_tree(str(root), dram=False, core=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(0.01):
            set_energy_uj(self._folder, round((time.monotonic() - began) * PACKAGE_W * 1e6))

    def close(self) -> None:
        """Stop growing."""
        self._stop.set()
        self._thread.join()


def recorder_of(rank: int) -> int | None:
    """Return the pid of a rank's recorder."""
    wanted = f"/ranks/r{rank:04d}-0".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if b"lowtide.runtime.recorder" in command and wanted in command:
                return int(name)
    return None


def wait_until(happened, *, within_s: float, what: str) -> None:
    """Wait for something, or say what did not happen."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.05)


def trial(seed: int, folder: Path, *, n_ranks: int, n_kills: int, run_s: float = 3.0) -> dict[str, object]:
    """Run one trial; return what happened as plain data."""
    rng = random.Random(seed)
    package = Package(folder / "powercap")
    env = {
        **os.environ,
        "LOWTIDE_LEDGER": str(folder / "ledger"),
        "LOWTIDE_JOURNAL": str(folder / "journal"),
        "LOWTIDE_NODE_DIR": str(folder / "node"),
        "LOWTIDE_POWERCAP_ROOT": str(folder / "powercap"),
        "WORLD_SIZE": str(n_ranks),
        "LOCAL_WORLD_SIZE": str(n_ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RANK, str(folder), str(INTERVAL_S)],
            env={**env, "RANK": str(r), "LOCAL_RANK": str(r)},
        )
        for r in range(n_ranks)
    ]
    try:
        wait_until(
            lambda: all((folder / f"ready-{r}").exists() for r in range(n_ranks)),
            within_s=30 + 3 * n_ranks,
            what="every rank is ready",
        )
        killed = _kill_some(ranks, rng, n_kills, run_s)
        time.sleep(1.0)
        (folder / "stop").touch()
        for rank in ranks:
            rank.wait(timeout=120)
        shown = json.loads(
            subprocess.run(
                [sys.executable, "-m", "lowtide", "show", "last", "--json"],
                env=env, capture_output=True, text=True, check=True,
            ).stdout
        )  # fmt: skip
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
        package.close()
    return _judge(folder, shown, killed, n_ranks)


def _kill_some(
    ranks: list[subprocess.Popen[bytes]], rng: random.Random, n_kills: int, run_s: float
) -> dict[int, float]:
    """Kill ranks at random moments, every second one with its recorder; return when each died [s]."""
    killed: dict[int, float] = {}
    began = time.monotonic()
    for at_s, victim in sorted((rng.uniform(0.5, run_s), r) for r in rng.sample(range(len(ranks)), n_kills)):
        recorder = recorder_of(victim) if rng.random() < 0.5 else None
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        if recorder is not None:
            os.kill(recorder, signal.SIGKILL)
        ranks[victim].kill()
        killed[victim] = time.time()
    return killed


def _judge(folder: Path, shown: dict, killed: dict[int, float], n_ranks: int) -> dict[str, object]:
    ledger = Ledger(str(folder / "ledger"))
    (run_id,) = ledger.ids()
    record = joined_record(ledger, run_id)
    rapl = record.readings["rapl.package-0"]
    short_s, survivors_short_s, machine_rows = {}, {}, 0
    for rank_id in ledger.rank_ids(run_id):
        header, end = ledger.header(rank_id), ledger.end(rank_id)
        segments, _ = read_segments(ledger, header)
        own = [s for s in segments if s.channels[0]["consumer"] == "run"]
        machine_rows += sum(
            len(s.monotonic_ns) for s in segments if any(c["sensor"] == "rapl" for c in s.channels)
        )
        last_s = record_from(header, None, own, [], "").end_ns / 1e9
        rank = header.rank.rank
        if rank in killed:
            short_s[rank] = killed[rank] - last_s
        else:
            survivors_short_s[rank] = end.ended_ns / 1e9 - last_s if end.observed else float("inf")
    duration_s = (rapl.t_ns[-1] - rapl.t_ns[0]) / 1e9
    return {
        "n_ranks": len(ledger.rank_ids(run_id)),
        "status": shown["status"],
        "cpu_j": shown["energy"]["by_component"]["cpu_kwh"] * 3.6e6,
        "package_j": float(rapl.raw[-1] - rapl.raw[0]) * 1e-6,
        "truth_j": PACKAGE_W * duration_s,
        "run_s": (record.end_ns - record.start_ns) / 1e9,
        "rapl_s": duration_s,
        "machine_rows": machine_rows,
        "machine_rows_of_one": duration_s / INTERVAL_S,
        "killed_short_s": max(short_s.values(), default=0.0),
        "survivors_short_s": max(survivors_short_s.values(), default=0.0),
        "n_survivors": len(survivors_short_s),
        "billed_ranks": [
            int(p.name.split("-")[1]) for p in folder.glob("billed-*") if p.read_text() == "True"
        ],
        "steps": shown["steps"]["n"],
        "samples": shown["units"]["sample"]["n"],
        "left_behind": sorted(p.name for p in (folder / "journal").glob("*")),
        "expected_ranks": n_ranks,
    }


def main() -> None:
    """Run one trial and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = trial(args.seed, Path(folder), n_ranks=args.ranks, n_kills=args.kills, run_s=args.seconds)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
