"""Doing heavy or risky work in a forked child, so that the process that minds the user's job stays small.

The child may import numpy, read any file and crash; the parent gets a plain value, or an error of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from lowtide.errors import InputError, LowtideError, ZoneError

__all__ = ["CannotForkError", "in_child", "is_light", "keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_FROM_HEAP = 32 * 2**20
_KEPT_BYTES = 2**30


class CannotForkError(LowtideError):
    """No child can be made: no memory, or too many processes."""


def keep_freed_memory() -> None:
    """Let this process keep the memory of arrays it has freed, for the next ones; for a process of our own only.

    Accounting a month makes and frees arrays of 20 MB by the dozen, and a third of its time was the kernel's, clearing
    the same pages again and again. Where the C library has no such setting, nothing changes.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # not glibc
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def is_light() -> bool:
    """Return whether this process may be forked: it has one thread, and nothing large that a child would share.

    False outside Linux, where a child that runs on without another program is not safe.
    """
    if "numpy" in sys.modules or not sys.platform.startswith("linux"):
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _one_thread() -> None:
    """Let numpy's library of linear algebra start no threads, which spin for a tenth of a second before they sleep."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def in_child(work: Callable[[], Any]) -> Any:
    """Return what `work` returns (plain data), computed in a forked child.

    Call it from a process with one thread only. Signals have their plain effect in the child, none of the caller's
    handlers runs there, and nothing but `work` does: whatever happens the child ends here.

    Raises
    ------
    InputError
        If `work` raised one, with the same message; a :class:`ZoneError` stays one.
    CannotForkError
        If there is no child to be had.
    LowtideError
        If it raised another error of ours, or the child died.
    """
    reading, writing = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # there may be none, or one of the caller's own making
            stream.flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _answer(work, writing, mask)
    except OSError as error:
        os.close(reading)
        raise CannotForkError(f"cannot make a child: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            data = pipe.read()
    except BaseException:  # somebody wants this process to end
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _wait_for(pid)
        raise
    return _value_of(data, _wait_for(pid))


def _wait_for(pid: int) -> int:
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:  # of a caller that ignores its children's ends
        return 0


def _answer(work: Callable[[], Any], writing: int, mask: Iterable[int]) -> NoReturn:
    """Work, answer, and end, whatever happens: what comes after the fork is the caller's, who does it itself."""
    try:
        _forget_handlers()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        answer = json.dumps(_outcome(work)).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _forget_handlers() -> None:
    """Give signals their plain effect: a caller's handler would save a checkpoint beside the caller's own."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _outcome(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        keep_freed_memory()
        _one_thread()
        return {"value": work()}
    except ZoneError as error:
        return {"zone_error": str(error)}
    except InputError as error:
        return {"input_error": str(error)}
    except LowtideError as error:
        return {"error": str(error)}
    except KeyboardInterrupt:
        return {"error": "interrupted"}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _value_of(data: bytes, status: int) -> Any:
    if not data:
        code = os.waitstatus_to_exitcode(status)
        raise LowtideError(f"the work ended without an answer (status {code})")
    answer = json.loads(data)
    if "zone_error" in answer:
        raise ZoneError(answer["zone_error"])
    if "input_error" in answer:
        raise InputError(answer["input_error"])
    if "error" in answer:
        raise LowtideError(answer["error"])
    return answer["value"]
