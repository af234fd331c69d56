"""Pausing inside a job: ``gate = lowtide.gate()``, asked at every step whether to save and to leave.

Decision 0006 has the protocol. Outside lowtide a gate does nothing. Nothing here raises into a training, but for a
wrong argument of :func:`gate` and the exit that :meth:`Gate.leave` is for.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from lowtide.errors import InputError
from lowtide.model.pausing import EX_TEMPFAIL, PAUSE_FILE, PROGRESS_FILE, RESUME, WATCHED

if TYPE_CHECKING:
    from lowtide.runtime.gate_ranks import Ranks

__all__ = ["Gate", "gate"]

LOOK_EVERY_S: Final = 0.05
"""A process of its own looks at the file at most this often: on a network disk a look can take a millisecond."""
_TELL_EVERY_S: Final = 1.0
_LAUNCHERS: Final = ("TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION")
"""Set by launchers (torchrun, accelerate launch) that make every status but 0 into one of their own."""


class Gate:
    """What a training asks at the end of every step; made by :func:`gate`.

    Attributes
    ----------
    resuming : bool
        Whether this process is to go on from what an earlier one saved.
    """

    def __init__(
        self, env: Mapping[str, str], *, signals: Sequence[str] = (), every: int | None = None
    ) -> None:
        self.resuming = env.get(RESUME) == "1"
        self._pause_file = env.get(PAUSE_FILE) or None
        self._progress_file = env.get(PROGRESS_FILE) or None
        self._launched = any(name in env for name in _LAUNCHERS)
        self._env, self._every = env, every
        self._listens, self._signalled, self._there = bool(signals), False, False
        self._next_look = self._next_tell = 0.0
        self._done: tuple[float, float] | None = None
        self._ranks: Ranks | None = None
        self._ask = self._first
        _listen(signals, self._hear)
        if self._pause_file is not None:
            _announce(self._pause_file)

    def should_pause(self) -> bool:
        """Return whether to save and to leave now; the ranks of a training all get the same answer.

        Call it at the end of every step, on every rank.
        """
        return self._ask()

    def _first(self) -> bool:
        """Find out who has to agree; only now, as torch.distributed is set up after the gate is made."""
        from lowtide.runtime.gate_ranks import find_ranks

        watches = self._pause_file is not None or self._listens
        self._ranks = find_ranks(
            self._env, self._asked, watches=watches, pause_file=self._pause_file, every=self._every
        )
        if self._ranks is not None:
            self._ask = self._ranks.should_pause
        else:
            self._ask = self._alone if watches else _never
        return self._ask()

    def _alone(self) -> bool:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._there = self._pause_file is not None and os.access(self._pause_file, os.F_OK)
        return self._there or self._signalled

    def _asked(self) -> bool:
        """Return whether this rank has been asked, by the file or by a signal."""
        return self._signalled or (self._pause_file is not None and os.access(self._pause_file, os.F_OK))

    def _hear(self) -> None:
        self._signalled = True

    def progress(self, done: float, total: float) -> None:
        """Tell how far the work is, `done` of `total` units; written by rank zero, at most once a second.

        `done` counts from the beginning of the training, not from where this process went on.
        """
        if self._progress_file is None:
            return
        self._done = (done, total)
        if time.monotonic() >= self._next_tell or done >= total:
            self._tell()

    def _tell(self) -> None:
        if self._progress_file is None or self._done is None:
            return
        from lowtide.runtime.gate_ranks import rank_of

        self._next_tell = time.monotonic() + _TELL_EVERY_S
        if rank_of(self._env) == 0:
            try:
                _replace(self._progress_file, "{}/{}".format(*self._done))
            except OSError as error:
                _warn(f"progress is told no more: cannot write {self._progress_file}: {error.strerror}")
                self._progress_file = None

    def leave(self, *, status: int | None = None) -> NoReturn:
        """Leave the process once all ranks are here; call it on every rank, after saving.

        Parameters
        ----------
        status : int, optional
            75 (``EX_TEMPFAIL``) by default; 0 under torchrun and ``accelerate launch``, which take any other status of
            a worker for a failure.

        Raises
        ------
        SystemExit
        """
        if self._ranks is not None:
            self._ranks.wait_for_all()
        self._tell()
        sys.stdout.flush()
        sys.stderr.flush()
        raise SystemExit((0 if self._launched else EX_TEMPFAIL) if status is None else status)


def gate(*, signals: Sequence[str] = (), every: int | None = None) -> Gate:
    """Return what tells a training when to save and to leave, so that it can be paused.

    Make it first thing in the program: from then on lowtide knows that the job looks at its pause file.

    Parameters
    ----------
    signals : sequence of str, optional
        Signals that ask for a pause as well, such as ``("SIGTERM",)``. A handler that is there already is called after
        ours. None is listened to by default.
    every : int, optional
        With torch.distributed, ranks agree every so many steps; as seldom as every half second by default.

    Raises
    ------
    InputError
        If a signal is unknown, is one that cannot be caught, is SIGUSR1 beside Lightning or torchrun, which take it for
        themselves, or if this is not the main thread.

    Examples
    --------
    >>> import lowtide
    >>> gate = lowtide.gate()
    >>> for step in range(0, 3):
    ...     gate.progress(step + 1, 3)
    ...     if gate.should_pause():
    ...         gate.leave()  # after saving
    >>> gate.resuming
    False
    """
    if every is not None and every < 1:
        raise InputError(f"every={every} is no number of steps; give 1 or more")
    return Gate(os.environ, signals=signals, every=every)


def _never() -> bool:
    return False


def _listen(signals: Sequence[str], hear: Callable[[], None]) -> None:
    if not signals:
        return
    from lowtide.runtime.gate_signals import listen

    for name in signals:
        listen(name, hear)


def _announce(pause_file: str) -> None:
    """Say that this job looks at its file; it is then sent no signal."""
    try:
        _replace(pause_file + WATCHED, f"{os.getpid()}\n")
    except OSError as error:
        _warn(f"lowtide does not learn that this job can pause: {pause_file + WATCHED}: {error.strerror}")


def _replace(path: str, text: str) -> None:
    unfinished = f"{path}.{os.getpid()}.tmp"
    with open(unfinished, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(unfinished, path)


def _warn(message: str) -> None:
    warnings.warn(f"lowtide: {message}", RuntimeWarning, stacklevel=4)
