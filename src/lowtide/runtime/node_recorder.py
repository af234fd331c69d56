"""``lowtide record``: a whole machine, continuously, and which process used its CPUs.

The machine's channels go through the recorder of every run into a ledger of the node's own,
``LEDGER/nodes/HOST``; a scan of the processes is added every few seconds. A part of both is made a run afterwards
by :mod:`~lowtide.runtime.cutting`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from lowtide.errors import InputError, LowtideError
from lowtide.model.record import RunEnd
from lowtide.power.sensors.cpu_time import CpuTimeSensor
from lowtide.power.tree import NS_PER_TICK
from lowtide.quantities import format_instant
from lowtide.runtime.clock import SystemClock
from lowtide.runtime.config import Config
from lowtide.runtime.prepare import RunOptions, ledger_of, make_header
from lowtide.stores.ledger import Ledger
from lowtide.stores.use import Seen, UseWriter
from lowtide.units import NS_PER_S

__all__ = ["describe_process", "node_ledger", "record_node", "recording_plain", "scan_processes"]

_JOB: Final = re.compile(r"(?:^|/)job_(\d+)(?:/|$)")
_STOP_CHECK_S: Final = 0.5


def node_ledger(ledger: Ledger, host: str | None = None) -> Ledger:
    """Return where the recordings of a node are kept, beside the runs."""
    return Ledger(os.path.join(ledger.path, "nodes", host or socket.gethostname()))


def scan_processes(proc: str = "/proc") -> list[Seen]:
    """Return every process with the CPU time of itself and of the children it has waited for [ns]."""
    found = []
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            with open(f"{proc}/{name}/stat", "rb") as file:
                data = file.read()
            f = data[data.rindex(b")") + 2 :].split(None, 20)
        except (OSError, ValueError):
            continue  # it ended while we looked
        ticks = int(f[11]) + int(f[12]) + int(f[13]) + int(f[14])
        found.append(Seen(int(name), int(f[19]), int(f[1]), ticks * NS_PER_TICK))
    return found


def describe_process(pid: int, proc: str = "/proc") -> tuple[str, str]:
    """Return the control group and the batch job of a process, each empty where it cannot be read."""
    try:
        with open(f"{proc}/{pid}/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2)[2] for line in file]
    except (OSError, IndexError):
        groups = []
    group = max(groups, key=len, default="")
    found = _JOB.search(group)
    return group, found[1] if found else _job_in_environment(pid, proc)


def _job_in_environment(pid: int, proc: str) -> str:
    try:
        with open(f"{proc}/{pid}/environ", "rb") as file:
            for item in file.read().split(b"\0"):
                if item.startswith(b"SLURM_JOB_ID="):
                    return item.partition(b"=")[2].decode("ascii", "replace")
    except OSError:
        pass  # another user's
    return ""


def record_node(
    config: Config,
    *,
    say: Callable[[str], None],
    lasting_s: float | None = None,
    scan_every_s: float = 5.0,
) -> str:
    """Record this machine until Ctrl-C, SIGTERM, or `lasting_s` [s] are over; return the recording's id.

    Raises
    ------
    InputError
        If another `lowtide record` of this user is at work here, or an option is wrong.
    StoreError
        If there is no place for a journal, or the ledger cannot be written.
    """
    from lowtide.runtime.closing import close_run, open_journal_dir
    from lowtide.runtime.electing import Nobody, NodeLock
    from lowtide.runtime.recorder import begin_recorder
    from lowtide.runtime.sensing import open_sensors
    from lowtide.stores.ledger import journal_root

    header, remarks = make_header(RunOptions(name="node"), config, check_intensity=lambda choice: None)
    for remark in remarks:
        say(f"lowtide: {remark}")
    header = replace(header, attribution="machine", parent_run_id=None)
    own = NodeLock(os.path.join(journal_root(), "record.lock"))
    if not own.try_take():
        raise InputError("another `lowtide record` of yours is at work on this machine; one is enough")
    ledger = node_ledger(ledger_of(config))
    lock = open_journal_dir(header, ledger)
    ledger.create(header)
    clock, sensors_asked = SystemClock(), config.get("sensors")
    sensors, notes = open_sensors(sensors_asked.value if sensors_asked is not None else "auto")
    options = {
        "journal_dir": header.journal_dir,
        "segments_dir": ledger.segments_dir(header.run_id),
        "interval_ns": round(header.interval_s * 1e9),
    }
    recorder = begin_recorder([CpuTimeSensor(Nobody()), *sensors], "w1", notes, options=options, clock=clock)
    use = UseWriter(os.path.join(header.journal_dir, "use-0001.jsonl"), describe_process)
    say(f"lowtide: recording {header.host} as {header.run_id} in {ledger.path}; Ctrl-C ends it")
    started_ns = time.time_ns()
    stop = _Stop()
    until = time.monotonic() + (float("inf") if lasting_s is None else lasting_s)
    next_scan = 0.0
    try:
        while not stop.wanted and time.monotonic() < until:
            if recorder.wait_s() <= 0.0:
                recorder.tick()
            if time.monotonic() >= next_scan:
                next_scan = time.monotonic() + scan_every_s
                _scan(use, clock, say)
            time.sleep(min(recorder.wait_s(), _STOP_CHECK_S))
        _scan(use, clock, say)
    finally:
        stop.restore()
    recorder.finish()
    use.close()
    lock.close()
    end = RunEnd(started_ns=started_ns, ended_ns=max(time.time_ns(), started_ns + 1), exit_code=0)
    try:
        close_run(header.journal_dir, wait_s=2.0, end=end)
    except LowtideError as error:
        say(f"lowtide: {header.run_id} is not closed yet: {error}; the next command tries again")
    own.release()
    return header.run_id


def recording_plain(config: Config, run_id: str) -> dict[str, Any]:
    """Return the JSON of ``lowtide record start``: what was recorded, when, and where it is."""
    ledger = node_ledger(ledger_of(config))
    header, end = ledger.header(run_id), ledger.end(run_id)
    return {
        "run_id": run_id,
        "host": header.host,
        "ledger": ledger.path,
        "started": None if end is None else format_instant(end.started_ns),
        "ended": None if end is None else format_instant(end.ended_ns),
        "duration_s": None if end is None else (end.ended_ns - end.started_ns) / NS_PER_S,
        "interval_s": header.interval_s,
        "problems": list(header.unread_sensors),
    }


class _Stop:
    """Turns signals that end a daemon into a flag."""

    def __init__(self) -> None:
        self.wanted = False
        self._before = {
            n: signal.signal(n, self._on_signal) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }

    def _on_signal(self, number: int, frame: object) -> None:
        self.wanted = True

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _scan(use: UseWriter, clock: SystemClock, say: Callable[[str], None]) -> None:
    try:
        use.append(clock.now().boot_ns, scan_processes())
    except OSError as error:
        say(f"lowtide: a scan of the processes could not be kept ({error.strerror})")
