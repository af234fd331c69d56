"""Running a command beside its recorder: deliberately little, because the user's job depends on it.

The supervisor spawns the command, passes signals on, restarts a recorder that has died and waits. It holds
no readings and computes nothing. Whatever fails here that is not the command itself is said in one line and
the command goes on.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import StoreError
from lowtide.model.record import RunEnd, RunHeader, Telemetry
from lowtide.runtime.spawn import SEALED_WITHIN_S, RecorderHandle, ready_within_s, spawn_recorder
from lowtide.runtime.starting import BEGUN, start_once
from lowtide.stores.codec import to_plain, write_json
from lowtide.stores.marks import counts_of

if TYPE_CHECKING:
    from lowtide.runtime.green_control import Control

__all__ = ["CannotStartError", "InterruptedWaitError", "Supervisor"]

_FORWARDED: Final = (
    "SIGTERM",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGCONT",
    "SIGWINCH",
)
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_FROM_TERMINAL: Final = ("SIGINT", "SIGQUIT", "SIGWINCH", "SIGHUP")
_RESTARTS_AT_ONCE: Final = 5
_RESTART_PAUSE_S: Final = 1.0
_PR_SET_CHILD_SUBREAPER: Final = 36
_RU_MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024


class InterruptedWaitError(Exception):
    """Somebody wants a run to end that is still waiting to start; carries the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class CannotStartError(Exception):
    """The command cannot be started; carries the exit status a shell would give."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class _Job:
    pid: int
    started_ns: int
    status: int | None = None
    ended_ns: int = 0
    usage: Any = None


class Supervisor:
    """Runs one command with a recorder beside it.

    Parameters
    ----------
    header : RunHeader
    segments_dir : str
        Where the recorder seals to; empty when the ledger is out of reach.
    sensors, scope : str
        Passed to the recorder.
    say : callable
        Takes one line for standard error.
    control : Control, optional
        Says when to start the command and when to pause it.
    """

    def __init__(
        self,
        header: RunHeader,
        *,
        segments_dir: str,
        sensors: str,
        scope: str,
        say: Callable[[str], None],
        control: Control | None = None,
    ) -> None:
        self._header, self._segments_dir = header, segments_dir
        self._control = control
        self._sensors, self._scope, self._say = sensors, scope, say
        self._recorder: RecorderHandle | None = None
        self._writer = 0
        self._reaped_ns = 0
        self._next_restart = 0.0
        self._signals = {getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)}

    def run(self, command: Sequence[str], env: dict[str, str]) -> RunEnd:
        """Run the command to its end and return how it ended.

        Raises
        ------
        CannotStartError
            If there is no such command, or it may not be executed.
        InterruptedWaitError
            If a signal came while it waited to start.
        """
        ignored = {s for s in self._signals if signal.getsignal(s) is signal.SIG_IGN}
        self._signals -= ignored  # nohup ignored SIGHUP for us and for the job
        waited: set[int] = {*self._signals, signal.SIGCHLD, signal.SIGALRM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        try:
            reaper = _become_reaper()
            self._await_start(waited)
            self._start_recorder(reaper=reaper)
            job = self._spawn(command, env, before)
            self._tell(f"job {job.pid}")
            self._wait(job, waited)
            end = self._end(job)
            self._note_end(end)
            self._finish_recorder()
        finally:
            _drop_pending(waited)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return end

    def _await_start(self, waited: set[int]) -> None:
        """Wait until the controller wants the command to start; at once without one."""
        control = self._control
        while control is not None:
            control.poll()
            if control.wants_to_run:
                control.starting()
                return
            signal.setitimer(signal.ITIMER_REAL, control.wait_s() or 0.0)
            number, _ = _next_signal(waited)
            if signal.Signals(number).name in _ENDING:
                control.finish()
                raise InterruptedWaitError(number)
            if number == signal.SIGCHLD:
                _reap_children(control.reaped)

    def _spawn(self, command: Sequence[str], env: dict[str, str], mask: Iterable[int]) -> _Job:
        if self._control is None:
            return self._spawn_job(command, env, mask)
        try:
            started_ns = time.time_ns()
            pid = start_once(command, env, mask, os.path.join(self._header.journal_dir, BEGUN))
        except OSError as error:
            self._abandon()
            raise CannotStartError(f"{command[0]}: {error.strerror or error}", 126) from error
        self._control.started(pid, self._spared())
        return _Job(pid, started_ns)

    def _spared(self) -> list[int]:
        return [] if self._recorder is None else [self._recorder.pid]

    def _spawn_job(self, command: Sequence[str], env: dict[str, str], mask: Iterable[int]) -> _Job:
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        started_ns = time.time_ns()
        argv = list(command)
        try:
            try:
                pid = os.posix_spawnp(argv[0], argv, env, setsigmask=mask, setsigdef=defaults)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                argv = ["/bin/sh", _which(argv[0]), *argv[1:]]  # a script without #!, as shells do
                pid = os.posix_spawn(argv[0], argv, env, setsigmask=mask, setsigdef=defaults)
        except OSError as error:
            self._abandon()
            missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
            what = "not found" if missing else f"cannot be executed ({error.strerror})"
            raise CannotStartError(f"{command[0]}: {what}", 127 if missing else 126) from error
        return _Job(pid, started_ns)

    def _wait(self, job: _Job, waited: set[int]) -> None:
        """Wait for the job to end, passing signals on and keeping a recorder alive."""
        if self._control is not None:
            self._steer(self._control, job)
        while job.status is None:
            number, from_terminal = _next_signal(waited)
            if number == signal.SIGCHLD:
                self._reap(job)
            elif number == signal.SIGALRM:
                pass  # time to try a recorder again, or to decide
            else:
                self._pass_on(job, number, from_terminal)
            if self._recorder is None and job.status is None and time.monotonic() >= self._next_restart:
                self._start_recorder(reaper=True, job_pid=job.pid)
            if self._control is not None:
                self._steer(self._control, job)

    def _pass_on(self, job: _Job, number: int, from_terminal: bool) -> None:
        """Send a signal to the job; one that is frozen is thawed first, so that it hears it."""
        name = signal.Signals(number).name
        if self._control is not None and self._control.is_frozen:
            if name in ("SIGCONT", "SIGWINCH"):
                return  # neither wakes half a job
            self._control.release()
        elif self._control is not None and name in _ENDING:
            self._control.release()  # who is to end is not to be paused any more
        if not (from_terminal and name in _FROM_TERMINAL):
            _send(job.pid, number)  # the terminal's own go to the job without us

    def _steer(self, control: Control, job: _Job) -> None:
        """Let the controller do what is due, and be woken when it wants to be."""
        if job.status is not None:
            return
        control.spare(job.pid, self._spared())
        control.poll()
        waits_s = [wait_s for wait_s in (control.wait_s(),) if wait_s is not None]
        if self._recorder is None:
            waits_s.append(max(0.01, self._next_restart - time.monotonic()))
        signal.setitimer(signal.ITIMER_REAL, min(waits_s, default=0.0))

    def _reap(self, job: _Job) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == job.pid:
                job.status, job.usage, job.ended_ns = status, usage, time.time_ns()
            elif self._recorder is not None and pid == self._recorder.pid:
                self._reaped_ns += round((usage.ru_utime + usage.ru_stime) * 1e9)
                self._recorder.close()
                self._recorder = None
                self._plan_restart()
            elif self._control is not None:
                self._control.reaped(pid)

    def _plan_restart(self) -> None:
        """At once the first few times, then every second, so that a recorder that cannot live is no storm."""
        pause_s = 0.0 if self._writer <= _RESTARTS_AT_ONCE else _RESTART_PAUSE_S
        self._next_restart = time.monotonic() + pause_s
        if pause_s:
            signal.setitimer(signal.ITIMER_REAL, pause_s)

    def _start_recorder(self, *, reaper: bool, job_pid: int = -1) -> None:
        self._writer += 1
        try:
            self._recorder = spawn_recorder(
                self._header,
                writer=f"w{self._writer}",
                segments_dir=self._segments_dir,
                root_pid=os.getpid(),
                reaper=reaper,
                sensors=self._sensors,
                scope=self._scope,
                job_pid=job_pid,
                reaped_ns=self._reaped_ns,
            )
        except OSError as error:
            self._say(
                f"lowtide: the recorder cannot be started ({error.strerror}); the command runs unmeasured"
            )
            self._plan_restart()
            return
        if job_pid < 0 and not self._recorder.wait_for("ready", timeout_s=ready_within_s(self._header)):
            self._say(
                "lowtide: the recorder is not ready; the command starts all the same "
                f"(see {self._header.journal_dir}/w{self._writer}.log)"
            )

    def _tell(self, word: str) -> None:
        if self._recorder is not None:
            self._recorder.tell(word)

    def _end(self, job: _Job) -> RunEnd:
        if self._control is not None:
            self._control.finish()
        code = os.waitstatus_to_exitcode(job.status or 0)
        usage = job.usage
        own = resource.getrusage(resource.RUSAGE_SELF)
        # The kernel hands our own peak down to a spawned child, so only a larger one is the command's.
        is_own = usage.ru_maxrss <= own.ru_maxrss
        telemetry = Telemetry(
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_memory_bytes=None if is_own else usage.ru_maxrss * _RU_MAXRSS_BYTES,
            disk_read_bytes=usage.ru_inblock * 512,
            disk_write_bytes=usage.ru_oublock * 512,
        )
        return RunEnd(
            started_ns=job.started_ns,
            ended_ns=(ended_ns := max(job.ended_ns, job.started_ns + 1)),
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            telemetry=telemetry,
            counts=counts_of(self._header.journal_dir),
            plan=None
            if self._control is None
            else self._control.plan(started_ns=job.started_ns, ended_ns=ended_ns),
        )

    def _note_end(self, end: RunEnd) -> None:
        """Write how the job ended beside its journal before anything else is done."""
        try:
            write_json(os.path.join(self._header.journal_dir, "end.json"), to_plain(end))
        except StoreError as error:
            self._say(f"lowtide: {error}")

    def _finish_recorder(self) -> None:
        if self._recorder is None:  # it died just before the job did: one more reads the counters' end
            self._start_recorder(reaper=True)
        if self._recorder is None:
            return
        self._recorder.tell("end")
        if not self._recorder.wait_for("sealed", timeout_s=SEALED_WITHIN_S):
            self._say(
                "lowtide: the recorder has not sealed its journal; `lowtide show last` closes the run later"
            )
        self._recorder.close()
        self._recorder = None

    def _abandon(self) -> None:
        """End the recorder of a command that never started."""
        if self._recorder is not None:
            _send(self._recorder.pid, signal.SIGKILL)
            self._recorder.close()
            self._recorder = None


def _reap_children(tell: Callable[[int], None]) -> None:
    """Wait for all children that have ended, before there is a job."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        tell(pid)


def _next_signal(waited: set[int]) -> tuple[int, bool]:
    """Wait for a signal; return its number and whether the kernel sent it (a key, a closed terminal)."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(waited)
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(waited)
    return number, signal.Signals(number).name in _FROM_TERMINAL and sys.stdin.isatty()


def _drop_pending(waited: set[int]) -> None:
    """Forget signals meant for a command that has ended, and the alarm for a recorder nobody needs now."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    while pending := signal.sigpending() & waited:
        signal.sigwait(pending)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended meanwhile; its end is about to be reaped


def _become_reaper() -> bool:
    """Adopt orphans of the job's tree, so that their CPU time is seen; Linux only."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _which(command: str) -> str:
    import shutil

    return shutil.which(command) or command
