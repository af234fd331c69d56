"""What tracking costs: lowtide beside CodeCarbon, carbontracker, Zeus, Eco2AI and perun, each in its own environment.

    python benchmarks/bench_trackers.py [--seconds 60] [--tools lowtide,codecarbon] [--folder DIR] [--out FILE]

Every tool measures the same process that sleeps, once on an idle machine and once beside a process that keeps a core
busy, at 1 s between readings and at its own default. CPU time is of all processes the tool needs, whoever their parent
is: *steady* from the end of start to the beginning of stop, *all* from the interpreter's begin to its end. Memory is
the sum of resident sets before stop. After ``kill -9`` in the middle of a run: processes left behind, and whether the
energy until then can still be had. A peer that does not install or start is listed with its reason; peers that read
nothing while they run, and bytes written, are listed and not ranked. Environments stay in DIR and are used again.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
PR_SET_CHILD_SUBREAPER = 36
BAR = 5.0
"""How many times less CPU time than CodeCarbon at 1 s lowtide has to take."""
SETTLE_S = 2.0


class Tool(NamedTuple):
    """How a tool is installed, imported, started and stopped; ``{interval}`` is None for its default."""

    package: str
    imports: str
    start: str
    stop: str
    default_s: float | None
    samples: bool
    command: tuple[str, ...] = ()


TOOLS = {
    "nothing": Tool("", "pass", "pass", "pass", None, False),
    "lowtide": Tool(
        str(ROOT),
        "import lowtide",
        "tracker = lowtide.measure(name='bench', **({'interval': f'{interval}s'} if interval else {}))\n"
        "tracker.__enter__()",
        "tracker.__exit__(None, None, None)",
        1.0,
        True,
    ),
    "codecarbon": Tool(
        "codecarbon",
        "import codecarbon",
        "tracker = codecarbon.OfflineEmissionsTracker(country_iso_code='DEU', log_level='error', output_dir='.', "
        "allow_multiple_runs=True, **({'measure_power_secs': interval} if interval else {})); tracker.start()",
        "tracker.stop()",
        15.0,
        True,
    ),
    "carbontracker": Tool(
        "carbontracker",
        "from carbontracker.tracker import CarbonTracker",
        "tracker = CarbonTracker(epochs=2, epochs_before_pred=0, log_dir='.', verbose=0, "
        "**({'update_interval': interval} if interval else {})); tracker.epoch_start()",
        "tracker.epoch_end(); tracker.stop()",
        1.0,
        True,
    ),
    "zeus": Tool(
        "zeus",
        "from zeus.monitor import ZeusMonitor",
        "tracker = ZeusMonitor(gpu_indices=[]); tracker.begin_window('bench')",
        "tracker.end_window('bench')",
        None,
        False,
    ),
    "eco2ai": Tool(
        "eco2ai pandas<3",  # with pandas 3 it stops at its first row
        "import eco2ai",
        "tracker = eco2ai.Tracker(project_name='bench', experiment_description='bench', file_name='emission.csv', "
        "alpha_2_code='DE', ignore_warnings=True, **({'measure_period': interval} if interval else {}))\n"
        "tracker.start()",
        "tracker.stop()",
        10.0,
        True,
    ),
    "perun": Tool(
        "perun", "import perun", "pass", "pass", 1.0, True, ("-m", "perun", "-c", "{config}", "monitor")
    ),
}

WORKER = """
import sys, time
sys.argv = sys.argv[:1] + ARGV
seconds, interval = float(sys.argv[1]), float(sys.argv[2]) or None
marks = sys.argv[3]
def mark(name):
    with open(marks, "a") as file:
        file.write(f"{{name}} {{time.time()}}\\n")
mark("begun")
{imports}
mark("imported")
{start}
mark("started")
time.sleep(seconds)
mark("stopping")
{stop}
mark("stopped")
"""


def environment(folder: Path, name: str, tool: Tool) -> Path:
    """Return the interpreter of a tool's environment, made when it is not there.

    Raises
    ------
    RuntimeError
        With the last line of pip, if it does not install.
    """
    home = folder / name
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    if tool.package and not (home / "installed").exists():
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *tool.package.split(),
        ]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        (home / "installed").write_text(tool.package)
    return python


def size_mb(python: Path) -> float:
    """Return the size of what is installed beside pip, without bytecode [MB]."""
    total = 0
    for site in python.parents[1].glob("lib/python3*/site-packages"):
        for path in site.rglob("*"):
            is_pip = path.relative_to(site).parts[0].startswith(("pip", "setuptools"))
            if path.is_file() and path.suffix != ".pyc" and not is_pip:
                total += path.stat().st_size
    return total / 1e6


def import_s(python: Path, statement: str) -> float:
    """Return what a statement adds to the start of an interpreter, the median of 5 after one for the bytecode [s]."""

    def once(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([str(python), "-W", "ignore", "-c", code], check=True, capture_output=True)
        return time.perf_counter() - began

    once(statement)
    return statistics.median(once(statement) - once("pass") for _ in range(5))


def descendants(apart: set[int]) -> list[psutil.Process]:
    """Return all living processes below this one that belong to the tool."""
    return [p for p in psutil.Process().children(recursive=True) if p.pid not in apart]


def living_cpu_s(apart: set[int]) -> float:
    """Return the CPU time of the tool's processes, those they have waited for included [s]."""
    total = 0.0
    for process in descendants(apart):
        try:
            # the process's own clock has nanoseconds; what it waited for is known to 10 ms
            total += time.clock_gettime_ns((~process.pid << 3) | 2) / 1e9 + sum(process.cpu_times()[2:4])
        except (psutil.Error, OSError):
            continue
    return total


def rss_mb(apart: set[int]) -> float:
    """Return the resident memory of the tool's processes [MB]."""
    total = 0
    for process in descendants(apart):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / 1e6


def bytes_in(folder: Path) -> int:
    """Return how much has been written below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def marks_of(path: Path) -> dict[str, float]:
    """Return the instants a worker has marked."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: float(t) for name, t in (line.split() for line in lines)}


def wait_for(path: Path, name: str, worker: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Wait until a worker has marked an instant; False if it ended or the time is up."""
    until = time.monotonic() + limit_s
    while name not in marks_of(path):
        if worker.poll() is not None or time.monotonic() > until:
            return name in marks_of(path)
        time.sleep(0.02)
    return True


def start_worker(
    python: Path, tool: Tool, place: Path, *, seconds: float, interval: float
) -> subprocess.Popen[bytes]:
    """Start the process that is measured, in a folder of its own."""
    arguments = [str(seconds), str(interval), str(place / "marks")]
    code = WORKER.format(imports=tool.imports, start=tool.start, stop=tool.stop)
    (place / "worker.py").write_text(code.replace("ARGV", repr(arguments)))
    out = place / "out"
    out.mkdir()
    (place / "perun.ini").write_text(
        f"[monitor]\nsampling_period = {interval or 1}\n[output]\ndata_out = {out}\nformat = json\n"
    )
    command = [part.format(config=place / "perun.ini") for part in tool.command]
    environ = {**os.environ, "LOWTIDE_LEDGER": str(out / "ledger"), "LOWTIDE_JOURNAL": str(out / "journal"),
               "LOWTIDE_NODE_DIR": str(place / "node"), "LOWTIDE_CONFIG": str(place / "none.toml")}  # fmt: skip
    with open(place / "log", "wb") as log:
        return subprocess.Popen(
            [str(python), "-W", "ignore", *command, str(place / "worker.py")],
            cwd=out,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def reap(apart: set[int], limit_s: float) -> list[str]:
    """Wait for all processes of the tool; return the names of those that had to be ended."""
    until = time.monotonic() + limit_s
    while descendants(apart) and time.monotonic() < until:
        for process in descendants(apart):
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                continue
        time.sleep(0.05)
    left = descendants(apart)
    names = []
    for process in left:
        try:
            names.append(process.name())
            process.kill()
        except psutil.Error:
            continue
    for process in left:
        try:
            os.waitpid(process.pid, 0)
        except ChildProcessError:
            continue
    return names


def why(place: Path) -> str:
    """Return the last line a worker has said."""
    lines = [line for line in (place / "log").read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "ended without a word"


def children_cpu_s() -> float:
    """Return the CPU time of all processes this one has waited for [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def track(
    python: Path, tool: Tool, place: Path, *, seconds: float, interval: float, apart: set[int]
) -> dict[str, Any]:
    """Return what one run costs."""
    before_s = children_cpu_s()
    worker = start_worker(python, tool, place, seconds=seconds, interval=interval)
    marks = place / "marks"
    if not wait_for(marks, "started", worker, 120.0):
        reap(apart, 5.0)
        return {"failed": why(place)}
    time.sleep(min(SETTLE_S, seconds / 4))
    steady_from, begun = living_cpu_s(apart), time.monotonic()
    written_from = bytes_in(place / "out")
    until = time.monotonic() + seconds * 0.9 - min(SETTLE_S, seconds / 4)
    time.sleep(max(0.0, until - time.monotonic()))
    steady_s, lasted_s = living_cpu_s(apart) - steady_from, time.monotonic() - begun
    memory_mb, written = rss_mb(apart), bytes_in(place / "out") - written_from
    wait_for(marks, "stopped", worker, seconds + 60.0)
    status = worker.wait()
    left = reap(apart, 20.0)
    at = marks_of(marks)
    if status or "stopped" not in at:
        return {"failed": why(place)}
    return {
        "steady_cpu_s_per_h": steady_s / lasted_s * 3600,
        "all_cpu_s": children_cpu_s() - before_s,
        "rss_mb": memory_mb,
        "start_s": at["started"] - at["imported"],
        "stop_s": at["stopped"] - at["stopping"],
        "bytes_per_h": written / lasted_s * 3600,
        "bytes_at_end": bytes_in(place / "out"),
        "left_running": left,
    }


def kill(python: Path, tool: Tool, place: Path, *, seconds: float, apart: set[int]) -> dict[str, Any]:
    """Return what is left when the measured process is killed in the middle."""
    worker = start_worker(python, tool, place, seconds=60.0 + seconds, interval=1.0)
    if not wait_for(place / "marks", "started", worker, 120.0):
        reap(apart, 5.0)
        return {"failed": why(place)}
    time.sleep(seconds)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    left = reap(apart, 5.0)
    return {"energy_kept": energy_kept(python, tool, place), "left_running": left,
            "bytes": bytes_in(place / "out")}  # fmt: skip


def energy_kept(python: Path, tool: Tool, place: Path) -> bool:
    """Return whether the energy until the kill can still be had from what is on disk."""
    out = place / "out"
    if tool.imports == "import lowtide":
        environ = {
            **os.environ,
            "LOWTIDE_LEDGER": str(out / "ledger"),
            "LOWTIDE_JOURNAL": str(out / "journal"),
        }
        shown = subprocess.run([str(python), "-m", "lowtide", "show", "last", "--json"], env=environ,
                               capture_output=True, text=True, check=False)  # fmt: skip
        return (
            shown.returncode == 0 and (json.loads(shown.stdout)["energy"] or {}).get("total_kwh", 0.0) > 0.0
        )
    tables = [
        path
        for path in out.rglob("*")
        if path.suffix in (".csv", ".json", ".h5", ".hdf5") and path.stat().st_size
    ]
    return any(len(path.read_bytes().splitlines()) > 1 or path.suffix != ".csv" for path in tables)


def measure(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Return all that is measured of one tool."""
    tool = TOOLS[name]
    try:
        python = environment(folder, name, tool)
    except RuntimeError as error:
        return {"failed": f"does not install: {error}"}
    found: dict[str, Any] = {
        "samples": tool.samples,
        "installed_mb": size_mb(python),
        "import_s": import_s(python, tool.imports),
        "cases": {},
    }
    for load in ("idle", "busy"):
        for interval in (1.0, 0.0):
            if interval == 0.0 and tool.default_s in (1.0, None):
                continue
            found["cases"][
                f"{load}, {f'{interval:g} s' if interval else f'{tool.default_s:g} s (default)'}"
            ] = loaded(python, tool, load, seconds, interval)
    with tempfile.TemporaryDirectory() as place:
        found["kill_9"] = kill(python, tool, Path(place), seconds=min(15.0, seconds), apart=set())
    return found


def loaded(python: Path, tool: Tool, load: str, seconds: float, interval: float) -> dict[str, Any]:
    """Return what one run costs, with or without another process that keeps a core busy."""
    apart: set[int] = set()
    busy = None
    if load == "busy":
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        apart = {busy.pid}
    try:
        with tempfile.TemporaryDirectory() as place:
            return track(python, tool, Path(place), seconds=seconds, interval=interval, apart=apart)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()


def table(results: dict[str, Any]) -> str:
    """Return the results as text."""
    head = (
        "tool",
        "case",
        "steady CPU s/h",
        "all CPU s",
        "RSS MB",
        "start s",
        "stop s",
        "B/h",
        "import s",
        "MB",
    )
    rows = [head]
    for name, found in results.items():
        if "failed" in found:
            rows.append((name, found["failed"][:60], *[""] * 8))
            continue
        for case, cost in found["cases"].items():
            if "failed" in cost:
                rows.append((name, f"{case}: {cost['failed']}"[:60], *[""] * 8))
                continue
            keys = ("steady_cpu_s_per_h", "all_cpu_s", "rss_mb", "start_s", "stop_s", "bytes_per_h")
            shown = [f"{cost[key]:.2f}" if key != "bytes_per_h" else f"{cost[key]:.0f}" for key in keys]
            rows.append((name, case, *shown, f"{found['import_s']:.3f}", f"{found['installed_mb']:.0f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    for name, found in results.items():
        after = found.get("kill_9")
        if after is not None:
            kept = after.get("failed") or ("energy kept" if after["energy_kept"] else "nothing kept")
            left = f", left running: {', '.join(after['left_running'])}" if after.get("left_running") else ""
            lines.append(f"kill -9 {name}: {kept}{left}")
    return "\n".join(lines)


def ratio(results: dict[str, Any]) -> dict[str, float]:
    """Return how many times lowtide's CPU time CodeCarbon takes, at 1 s."""
    found = {}
    for load in ("idle", "busy"):
        costs = [
            results.get(name, {}).get("cases", {}).get(f"{load}, 1 s", {})
            for name in ("lowtide", "codecarbon")
        ]
        for key in ("steady_cpu_s_per_h", "all_cpu_s"):
            if all(key in cost for cost in costs) and costs[0][key] > 0.0:
                found[f"{load}, {key}"] = costs[1][key] / costs[0][key]
    return found


def main() -> int:
    """Run all, print the table, keep the figures; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run [s]")
    parser.add_argument("--tools", default=",".join(TOOLS), help="which, separated by commas")
    parser.add_argument("--folder", type=Path, help="where the environments are made and kept")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "trackers.json")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(
        PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0
    )  # orphans of a tool come to us, with their CPU time
    folder = options.folder or Path(tempfile.mkdtemp(prefix="trackers-"))
    folder.mkdir(parents=True, exist_ok=True)
    results = {name: measure(name, folder, options.seconds) for name in options.tools.split(",")}
    ratios = ratio(results)
    print(table(results))
    for case, times in ratios.items():
        print(f"codecarbon / lowtide, {case}: {times:.1f}")
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "n_cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps(
            {"seconds": options.seconds, "machine": machine, "ratios": ratios, "tools": results}, indent=1
        )
        + "\n"
    )
    steady = [times for case, times in ratios.items() if "steady" in case]
    return 1 if steady and min(steady) < BAR else 0


if __name__ == "__main__":
    sys.exit(main())
