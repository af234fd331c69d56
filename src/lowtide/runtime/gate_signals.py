"""Signals that ask a job to pause, for those who want that; a file is better (decision 0006)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["listen"]

_LIGHTNING: Final = ("lightning.pytorch", "pytorch_lightning")


def listen(name: str, hear: Callable[[], None]) -> None:
    """Call `hear` when a signal comes, and then the handler that was there before.

    Parameters
    ----------
    name : str
        ``"SIGTERM"``.
    hear : callable
        Runs between two bytecodes of the main thread: it should do no more than set a flag.

    Raises
    ------
    InputError
    """
    signum = _signal(name)
    before = signal.getsignal(signum)

    def handle(number: int, frame: FrameType | None) -> None:
        hear()
        if callable(before) and before is not signal.default_int_handler:
            before(number, frame)

    try:
        signal.signal(signum, handle)
    except ValueError as error:
        raise InputError(f"cannot listen to {name} here; make the gate in the main thread") from error
    except OSError as error:
        raise InputError(f"cannot listen to {name}: no program can catch it; SIGTERM would work") from error


def _signal(name: str) -> signal.Signals:
    try:
        signum = signal.Signals[name]
    except KeyError as error:
        raise InputError(f"no signal is called {name!r}; SIGTERM would work") from error
    if signum == signal.SIGUSR1 and any(module in sys.modules for module in _LIGHTNING):
        raise InputError(
            "SIGUSR1 belongs to Lightning, which requeues Slurm jobs with it; SIGTERM would work"
        )
    if signum == signal.SIGUSR1 and "TORCHELASTIC_RUN_ID" in os.environ:
        raise InputError("SIGUSR1 kills torchrun and leaves its workers behind; SIGTERM would work")
    if threading.current_thread() is not threading.main_thread():
        raise InputError(f"cannot listen to {name} here; make the gate in the main thread")
    return signum
