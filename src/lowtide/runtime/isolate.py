"""Doing heavy or risky work in a forked child, so that the process that minds the user's job stays small.

The child may import numpy, read any file and crash; the parent gets a plain value, or an error of ours.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from lowtide.errors import InputError, LowtideError, ZoneError

__all__ = ["in_child", "is_light", "keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_FROM_HEAP = 32 * 2**20
_KEPT_BYTES = 2**30


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

    Call it from a process with one thread only.

    Raises
    ------
    InputError
        If `work` raised one, with the same message; a :class:`ZoneError` stays one.
    LowtideError
        If it raised another error of ours, or the child died.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _answer(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # of a caller that ignores its children's ends
        status = 0
    return _value_of(data, status)


def _answer(work: Callable[[], Any], writing: int) -> None:
    answer: dict[str, Any]
    try:
        keep_freed_memory()
        _one_thread()
        answer = {"value": work()}
    except ZoneError as error:
        answer = {"zone_error": str(error)}
    except InputError as error:
        answer = {"input_error": str(error)}
    except LowtideError as error:
        answer = {"error": str(error)}
    except KeyboardInterrupt:
        answer = {"error": "interrupted"}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
    os._exit(0)


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
