"""Starting a command once, whoever tries: the process that becomes it makes a file that only one can make."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["BEGUN", "start_once"]

BEGUN: Final = "begun"
"""File beside the journal that is there exactly when the command has been started."""

_DEFAULTS: Final = ("SIGPIPE", "SIGXFSZ")


def start_once(command: Sequence[str], env: dict[str, str], mask: Iterable[int], begun: str) -> int:
    """Start a command unless that has been done, and return its pid.

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

    Raises
    ------
    OSError
        If it has been started before (FileExistsError), or cannot be executed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(command, env, mask, begun, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        failure = pipe.read()  # ends when the command has begun: the pipe closes with it
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        if number == errno.EEXIST:
            raise FileExistsError(number, "has been started by another controller already")
        raise OSError(number, f"cannot be executed ({os.strerror(number)})")
    return pid


def _become(
    command: Sequence[str], env: dict[str, str], mask: Iterable[int], begun: str, writing: int
) -> None:
    """Become the command, in the new process."""
    try:
        for name in _DEFAULTS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        fd = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(fd, f"{os.getpid()}\n".encode())
        os.close(fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _execute(command, env)
    except OSError as error:
        os.write(writing, str(error.errno or errno.EIO).encode())
    finally:
        os._exit(127)


def _execute(command: Sequence[str], env: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], list(command), env)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        import shutil

        script = shutil.which(command[0], path=env.get("PATH")) or command[0]
        os.execve("/bin/sh", ["/bin/sh", script, *command[1:]], env)  # a script without #!, as shells do
