"""Starting the recorder, and talking to it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from typing import Any, Final

from lowtide.model.record import RunHeader
from lowtide.power.sensors.presence import DEFAULT_FOLDER

__all__ = ["RecorderHandle", "ready_within_s", "spawn_recorder"]

READY_WITHIN_S: Final = 3.0
SEALED_WITHIN_S: Final = 12.0


class RecorderHandle:
    """A running recorder as its parent sees it."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control
        self._buffer = b""

    def tell(self, word: str) -> None:
        """Send a word; a recorder that has died does not hear it, which its parent learns otherwise."""
        try:
            self._control.sendall(word.encode() + b"\n")
        except OSError:
            return

    def wait_for(self, word: str, *, timeout_s: float) -> bool:
        """Return whether the recorder says `word` within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        wanted = word.encode() + b"\n"
        poll = select.poll()  # takes any descriptor, however many a program has open
        poll.register(self._control, select.POLLIN)
        while wanted not in self._buffer:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poll.poll(1000.0 * left_s):
                return False
            try:
                data = self._control.recv(4096)
            except OSError:
                return False
            if not data:
                return False
            self._buffer += data
        return True

    def close(self) -> None:
        """Hang up; the recorder then goes by the job alone."""
        self._control.close()


def spawn_recorder(
    header: RunHeader,
    *,
    writer: str,
    segments_dir: str,
    root_pid: int,
    reaper: bool,
    sensors: str,
    scope: str = "tree",
    job_pid: int = -1,
    reaped_ns: int = 0,
    detach: bool = False,
) -> RecorderHandle:
    """Start a recorder for a run.

    Parameters
    ----------
    header : RunHeader
    writer : str
        Name of its journal, not used before in this run.
    segments_dir : str
        Where sealed segments go; empty for nowhere.
    root_pid, reaper, scope : int, bool, str
        What belongs to the run, see :mod:`lowtide.power.scope`.
    sensors : str
        ``auto`` or names.
    job_pid : int
        The job when it is already running.
    reaped_ns : int
        CPU time of earlier recorders that the reaper has waited for [ns].
    detach : bool
        Make it nobody's child (for a process whose children are not ours to wait for).

    Raises
    ------
    OSError
        If no process can be made.
    """
    ours, theirs = socket.socketpair()
    options = {
        "run_id": header.run_id,
        "parent_run_id": header.parent_run_id,
        "journal_dir": header.journal_dir,
        "writer": writer,
        "segments_dir": segments_dir,
        "presence_dir": os.environ.get("LOWTIDE_NODE_DIR", DEFAULT_FOLDER),
        "cpu_share": header.cpu_share,
        "memory_share": header.memory_share,
        "interval_ns": round(header.interval_s * 1e9),
        "root_pid": root_pid,
        "reaper": reaper,
        "scope": scope,
        "sensors": sensors,
        "job_pid": job_pid,
        "reaped_ns": reaped_ns,
        "control_fd": theirs.fileno(),
        "elect_dir": _elect_dir(header),
    }
    theirs.set_inheritable(True)
    try:
        pid = _spawn(options, detach=detach)
    finally:
        theirs.close()
    return RecorderHandle(pid, ours)


def _elect_dir(header: RunHeader) -> str:
    """Return where the ranks of a launch elect who reads what they share; empty for a run of its own."""
    if header.rank is None:
        return ""
    from lowtide.runtime.ranks import node_folder

    return node_folder(header.rank)


def ready_within_s(header: RunHeader) -> float:
    """Return how long a recorder may take to its first reading [s]: many ranks start at once."""
    return READY_WITHIN_S + 0.25 * (header.n_ranks or 0)


def _spawn(options: dict[str, Any], *, detach: bool) -> int:
    """Start python without site and environment, so that the user's set-up is not the recorder's."""
    boot = (
        f"import os,sys;sys.path[:]={sys.path!r}\n"
        f"if {detach!r} and os.fork():os._exit(0)\n"
        "os.setsid()\n"
        "from lowtide.runtime.recorder import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    log = os.path.join(options["journal_dir"], f"{options['writer']}.log")
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = [sys.executable, "-I", "-S", "-c", boot, json.dumps(options)]
    pid = os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=actions, setsigmask=[])
    if detach:
        with contextlib.suppress(ChildProcessError):  # of a program that ignores its children's ends
            os.waitpid(pid, 0)
        return -1
    return pid
