"""A recorder that is kept at work beside a command: started again when it dies, told what is not the command's."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Final

from lowtide.model.record import RunHeader
from lowtide.runtime.signals import send
from lowtide.runtime.spawn import SEALED_WITHIN_S, RecorderHandle, ready_within_s, spawn_recorder

__all__ = ["KeptRecorder"]

_RESTARTS_AT_ONCE: Final = 5
_RESTART_PAUSE_S: Final = 1.0


class KeptRecorder:
    """The recorder of a run, and the one that follows it when it has died.

    Parameters
    ----------
    header : RunHeader
    segments_dir : str
        Where it seals to; empty when the ledger is out of reach.
    sensors, scope : str
        Passed to it.
    say : callable
        Takes one line for standard error.
    """

    def __init__(
        self, header: RunHeader, *, segments_dir: str, sensors: str, scope: str, say: Callable[[str], None]
    ) -> None:
        self._header, self._segments_dir = header, segments_dir
        self._sensors, self._scope, self._say = sensors, scope, say
        self._handle: RecorderHandle | None = None
        self._writer = 0
        self._reaper = False
        self._reaped_ns = 0
        self._next_start = 0.0
        self._told: dict[int, int] = {}  # whom a recorder was told to spare, and which recorder

    @property
    def pid(self) -> int:
        """Its process; -1 while there is none."""
        return -1 if self._handle is None else self._handle.pid

    @property
    def is_due(self) -> bool:
        """Whether there is none and another is to be started now."""
        return self._handle is None and time.monotonic() >= self._next_start

    def wait_s(self) -> float | None:
        """Return how long until another is to be started [s]; None while one is at work."""
        return None if self._handle is not None else max(0.01, self._next_start - time.monotonic())

    def begin(self, *, reaper: bool) -> None:
        """Start the first one; `reaper` says whether the orphans of the command are given to this process."""
        self._reaper, self._writer = reaper, _writers_before(self._header.journal_dir)
        self.start()

    def start(self, job_pid: int = -1) -> None:
        """Start one, beside a job that runs already where its process is given.

        One that cannot be started is said, and tried again later.
        """
        self._writer += 1
        try:
            self._handle = spawn_recorder(
                self._header,
                writer=f"w{self._writer}",
                segments_dir=self._segments_dir,
                root_pid=os.getpid(),
                reaper=self._reaper,
                sensors=self._sensors,
                scope=self._scope,
                job_pid=job_pid,
                reaped_ns=self._reaped_ns,
            )
        except OSError as error:
            self._say(
                f"lowtide: the recorder cannot be started ({error.strerror}); the command runs unmeasured"
            )
            self._plan_next()
            return
        if job_pid < 0 and not self._handle.wait_for("ready", timeout_s=ready_within_s(self._header)):
            self._say(
                "lowtide: the recorder is not ready; the command starts all the same "
                f"(see {self._header.journal_dir}/w{self._writer}.log)"
            )

    def _plan_next(self) -> None:
        """At once the first few times, then every second, so that a recorder that cannot live is no storm."""
        self._next_start = time.monotonic() + (0.0 if self._writer <= _RESTARTS_AT_ONCE else _RESTART_PAUSE_S)

    def tell(self, word: str) -> None:
        """Tell it something, where there is one."""
        if self._handle is not None:
            self._handle.tell(word)

    def spare(self, pid: int) -> None:
        """Tell it, and each that follows it, that a child is not the command's."""
        if pid > 0 and self._handle is not None and self._told.get(pid) != self._writer:
            self._told[pid] = self._writer
            self.tell(f"spare {pid}")

    def leave_out(self, pid: int, usage: resource.struct_rusage) -> None:
        """Keep the CPU time of a child that was to be spared out of the run's: we have waited for it."""
        self._told.pop(pid, None)
        cpu_ns = _cpu_ns(usage)
        self._reaped_ns += cpu_ns
        self.tell(f"reaped {cpu_ns}")

    def reaped(self, pid: int, usage: resource.struct_rusage) -> bool:
        """Return whether a child that has ended was this one; another is planned then."""
        if self._handle is None or pid != self._handle.pid:
            return False
        self._reaped_ns += _cpu_ns(usage)
        self._hang_up()
        self._plan_next()
        return True

    def finish(self) -> None:
        """Let it read once more and seal; where it died just before the job, another reads the counters' end."""
        if self._handle is None:
            self.start()
        if self._handle is None:
            return
        self._handle.tell("end")
        if not self._handle.wait_for("sealed", timeout_s=SEALED_WITHIN_S):
            self._say(
                "lowtide: the recorder has not sealed its journal; `lowtide show last` closes the run later"
            )
        self._hang_up()

    def abandon(self) -> None:
        """End the recorder of a command that never started."""
        if self._handle is not None:
            send(self._handle.pid, signal.SIGKILL)
            self._hang_up()

    def _hang_up(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def _cpu_ns(usage: resource.struct_rusage) -> int:
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def _writers_before(journal_dir: str) -> int:
    """Return how many recorders a run has had: the next one's journal is to be another's."""
    return sum(name.startswith("w") and name.endswith(".log") for name in os.listdir(journal_dir))
