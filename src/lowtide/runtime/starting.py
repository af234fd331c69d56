"""Starting a command once, whoever tries: the process that becomes it makes a file that only one can make.

A command that may leave and be started again has a *keeper* between it and the supervisor: a process that only waits
for it and writes down how it left. So that is known whoever was killed meanwhile.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from lowtide.runtime.clock import boot_id

__all__ = [
    "BEGUN",
    "CannotStartError",
    "Keeping",
    "Started",
    "TakenOverError",
    "Used",
    "spawn_job",
    "start_once",
    "write_left",
]

BEGUN: Final = "begun"
"""File beside the journal that is there exactly when the command has been started."""

_DEFAULTS: Final = ("SIGPIPE", "SIGXFSZ")
_FIRST_FD, _LAST_FD = 3, 4096
_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class CannotStartError(Exception):
    """The command cannot be started; carries the exit status a shell would give."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TakenOverError(Exception):
    """Another controller has started the command of a run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"{run_id} has been started by another controller, which minds it")


@dataclass(frozen=True, slots=True)
class Used:
    """What a command used: CPU time [s], its peak memory in the kernel's unit, blocks read and written."""

    cpu_s: float = 0.0
    maxrss: int = 0
    inblock: int = 0
    oublock: int = 0

    @classmethod
    def of(cls, usage: Any) -> Used:
        """Return it from what the kernel says of a child."""
        return cls(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, usage.ru_inblock, usage.ru_oublock)

    @classmethod
    def sum(cls, parts: Iterable[Used]) -> Used:
        """Return that of several starts together."""
        found = cls()
        for part in parts:
            found = cls(
                found.cpu_s + part.cpu_s, max(found.maxrss, part.maxrss),
                found.inblock + part.inblock, found.oublock + part.oublock,
            )  # fmt: skip
        return found


def spawn_job(command: Sequence[str], env: dict[str, str], mask: Iterable[int]) -> int:
    """Start a command at once and return its pid.

    Raises
    ------
    CannotStartError
        If there is no such command, or it may not be executed.
    """
    defaults = [getattr(signal, name) for name in _DEFAULTS]
    argv = list(command)
    try:
        try:
            return os.posix_spawnp(argv[0], argv, env, setsigmask=mask, setsigdef=defaults)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            argv = ["/bin/sh", _which(argv[0]), *argv[1:]]  # a script without #!, as shells do
            return os.posix_spawn(argv[0], argv, env, setsigmask=mask, setsigdef=defaults)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        what = "not found" if missing else f"cannot be executed ({error.strerror})"
        raise CannotStartError(f"{command[0]}: {what}", 127 if missing else 126) from error


def _which(command: str, path: str | None = None) -> str:
    import shutil

    return shutil.which(command, path=path) or command


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a keeper writes how the command left, and the lock of the run that it shares until then."""

    left: str
    lock: str


@dataclass(frozen=True, slots=True)
class Started:
    """A command that runs, and its keeper; -1 where it has none."""

    pid: int
    keeper: int = -1


def start_once(
    command: Sequence[str],
    env: dict[str, str],
    mask: Iterable[int],
    begun: str,
    *,
    keeping: Keeping | None = None,
    group: str | None = None,
) -> Started:
    """Start a command unless that has been done.

    Who starts it may be killed at any moment: the file is made by the new process itself, just before it becomes
    the command, so there is a file exactly when there is a command.

    Parameters
    ----------
    command : sequence of str
    env : dict
    mask : iterable of int
        Signals that are blocked in it.
    begun : str
        The file; made with the pid in it.
    keeping : Keeping, optional
        Start it under a keeper.
    group : str, optional
        Folder of a control group it joins first, where it may.

    Raises
    ------
    OSError
        If it has been started before (FileExistsError), or cannot be executed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if keeping is not None:
            _keep(command, env, mask, begun, writing, keeping, group)
        _become(command, env, mask, begun, writing, group)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        failure = pipe.read()  # ends when the command has begun: the pipe closes with it
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        if number == errno.EEXIST:
            raise FileExistsError(number, "has been started by another controller already")
        raise OSError(number, f"cannot be executed ({os.strerror(number)})")
    if keeping is None:
        return Started(pid)
    with open(begun, encoding="ascii") as file:
        return Started(int(file.read()), pid)


def _keep(
    command: Sequence[str],
    env: dict[str, str],
    mask: Iterable[int],
    begun: str,
    writing: int,
    keeping: Keeping,
    group: str | None,
) -> NoReturn:
    """Wait for the command and write down how it left; hears no signal and holds nothing of the job's open.

    It leaves with the command's own status, which its parent goes by where that cannot be written: the disk is full.
    """
    code = 0
    try:
        lock = _share(keeping.lock)
        started_ns = time.clock_gettime_ns(_BOOT)
        pid = os.fork()
        if pid == 0:
            _become(command, env, mask, begun, writing, group)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        _let_go(lock)
        _, status, usage = os.wait4(pid, 0)
        code = _shell_code(status)
        with open(begun, encoding="ascii") as file:
            is_ours = file.read().strip() == str(pid)
        if is_ours:
            write_left(keeping.left, started_ns=started_ns, status=status, usage=usage)
    finally:
        os._exit(code)


def _shell_code(status: int) -> int:
    """Return the exit code that a shell gives for a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _share(path: str) -> int:
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _let_go(lock: int) -> None:
    """Close all that was inherited but the lock: a pipe of the job's would seem open, and the recorder's too."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(_FIRST_FD, lock)
    os.closerange(lock + 1, _LAST_FD)


def write_left(path: str, *, started_ns: int, status: int, usage: Any) -> None:
    """Write down how a command left: when it was started and left, by the clock of this boot, and what it used.

    What that clock is to the wall clock is written too, for who reads it after the machine was started again.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    left_ns = time.clock_gettime_ns(_BOOT)
    plain = {
        "started_ns": started_ns, "left_ns": left_ns, "status": status,
        "boot": boot_id(), "wall_offset_ns": time.time_ns() - left_ns,
        "cpu_s": usage.ru_utime + usage.ru_stime, "maxrss": usage.ru_maxrss,
        "inblock": usage.ru_inblock, "oublock": usage.ru_oublock,
    }  # fmt: skip
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = json.dumps(plain).encode()
        while data:  # a disk that fills up takes a part of it
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
    os.replace(f"{path}.new", path)


def _become(
    command: Sequence[str],
    env: dict[str, str],
    mask: Iterable[int],
    begun: str,
    writing: int,
    group: str | None,
) -> NoReturn:
    """Become the command, in the new process."""
    try:
        for name in _DEFAULTS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        fd = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(fd, f"{os.getpid()}\n".encode())
        os.close(fd)
        if group is not None:
            _join(group)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _execute(command, env)
    except OSError as error:
        os.write(writing, str(error.errno or errno.EIO).encode())
    finally:
        os._exit(127)


def _join(group: str) -> None:
    """Join a control group; who could not is found outside it, and its process tree is frozen instead."""
    try:
        fd = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"0")
        finally:
            os.close(fd)
    except OSError:
        return


def _execute(command: Sequence[str], env: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], list(command), env)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execve(
            "/bin/sh", ["/bin/sh", _which(command[0], env.get("PATH")), *command[1:]], env
        )  # a script without #!, as shells do
