"""What a job says about its progress: ``lowtide.phase``, ``lowtide.step`` and ``lowtide.count``.

They speak to the block of :func:`lowtide.measure` they are called in, and to the ``lowtide run`` around the process if
there is one (it names its file in ``LOWTIDE_MARKS``); where there is neither they do nothing. Nothing here raises.
"""

from __future__ import annotations

import os
import warnings
from contextvars import ContextVar
from types import TracebackType
from typing import Final

from lowtide.stores.marks import MarkWriter

__all__ = ["Phase", "Progress", "count", "phase", "step"]

_MARKS: Final = "LOWTIDE_MARKS"
_COUNTS: Final = "LOWTIDE_COUNTS"


class Progress:
    """Writes the marks of one run.

    Parameters
    ----------
    path : str
        The run's file of marks.
    """

    def __init__(self, path: str) -> None:
        self._writer = MarkWriter(path)
        self._warned = False
        self.step = self._writer.step
        """Note that so many steps have been done (one by default)."""

    def begin(self, name: str) -> None:
        """Note that a phase begins."""
        self._writer.begin(name)
        self._warn()

    def end(self, name: str) -> None:
        """Note that a phase ends."""
        self._writer.end(name)
        self._warn()

    def count(self, name: str, n: float = 1.0) -> None:
        """Note that `n` things have been done."""
        self._writer.count(name, n)
        self._warn()

    def flush(self) -> None:
        """Write steps that wait for the next line."""
        self._writer.flush()
        self._warn()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._writer.close()
        self._warn()

    def _warn(self) -> None:
        if self._writer.problem and not self._warned:
            self._warned = True
            warnings.warn(
                f"lowtide: {self._writer.problem}; phases and steps are lost, energy is not",
                RuntimeWarning,
                stacklevel=4,
            )


class Phase:
    """A phase of a run as a context manager; can be entered again and again."""

    def __init__(self, name: str, runs: tuple[Progress, ...]) -> None:
        self._name, self._runs = name, runs

    def __enter__(self) -> None:
        for run in self._runs:
            run.begin(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.end(self._name)


_blocks: list[Progress] = []
_mine: ContextVar[tuple[Progress, ...]] = ContextVar("_mine", default=())
"""The blocks of the process in the order they were entered, and those of this thread or task."""
_runs: tuple[Progress, ...] = ()
"""Who is spoken to where no block was entered: the last one of anybody's, and the run around the process."""
_around: tuple[Progress, ...] = ()


def _find_around() -> None:
    """Look for a ``lowtide run`` around this process, once: nobody is put into one later."""
    global _around, _runs
    path = os.environ.get(_MARKS)
    if path:
        import atexit

        _around = (Progress(path),)
        atexit.register(_around[0].flush)
    _runs = _around


def entered(progress: Progress) -> None:
    """Make a block the one that is spoken to, by this thread or task and those that have none of their own."""
    _blocks.append(progress)
    _mine.set((*_mine.get(), progress))
    _look()


def left(progress: Progress) -> None:
    """Speak to a block no more."""
    if progress in _blocks:
        _blocks.remove(progress)
    _mine.set(tuple(one for one in _mine.get() if one is not progress))
    _look()


def _look() -> None:
    global _runs
    _runs = (*_blocks[-1:], *_around)


def _spoken_to() -> tuple[Progress, ...]:
    mine = _mine.get()
    return (mine[-1], *_around) if len(_blocks) > 1 and mine else _runs


_find_around()


def phase(name: str) -> Phase:
    """Return a context manager that tells the run when a phase of it begins and ends.

    Phases may lie in one another; each thread and each process nests its own.

    Examples
    --------
    >>> import lowtide
    >>> with lowtide.phase("train"):
    ...     lowtide.step()
    """
    return Phase(name, _spoken_to())


def step(n: float = 1.0) -> None:
    """Tell the run that `n` steps have been done."""
    for run in _spoken_to():
        run.step(n)


def count(name: str, n: float = 1.0) -> None:
    """Tell the run that `n` things (tokens, images) have been done, the denominator of the SCI.

    Under a ``lowtide run`` of an older version, which names no file of marks, its file of counts is used.
    """
    for run in _spoken_to():
        run.count(name, n)
    path = os.environ.get(_COUNTS)
    if path and _MARKS not in os.environ:
        _append_count(path, name, n)


def _append_count(path: str, name: str, n: float) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, f"{name}\t{n!r}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        warnings.warn(f"lowtide: cannot count {name}: {error.strerror}", RuntimeWarning, stacklevel=3)
