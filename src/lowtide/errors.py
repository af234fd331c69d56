"""Every error lowtide raises, one class per mistake a caller would treat differently.

::

    LowtideError
    |-- InputError (ValueError)         a value somebody gave is wrong; nothing has been started
    |   |-- QuantityError               a number with a unit, a duration or an instant cannot be read
    |   |-- ZoneError                   no such zone, or no zone where one is needed
    |   |-- SeriesError                 edges and values do not make a step function
    |   |-- CoverageError               a series ends before the one it is joined with
    |   |-- BoundaryError               an energy at one boundary was used as if at another
    |   |-- DataFileError               a file does not hold what it should; carries path, line, column
    |   |-- ConfigError                 a configuration file or variable is wrong
    |   `-- HardwareError               a device or model name is unknown
    |-- NothingRecordedError            a run holds too few readings to say anything
    |-- RunNotFoundError (LookupError)  no run of that id, prefix or name in this ledger
    |-- SensorError (RuntimeError)      a sensor cannot be opened
    |-- ProviderError (RuntimeError)    a source of intensity gave no answer; carries the provider's name
    |   |-- AccessError                 no key, a wrong key, or a plan without access
    |   |-- NotCoveredError             the source does not have that zone, time or signal
    |   |-- ReplyError                  the answer is not what the source promises; nothing of it was used
    |   `-- UnreachableError            no connection, no answer in time, too many requests, or offline
    |-- ExecutorError (RuntimeError)    a job cannot be started, paused or resumed as asked; it is left running
    |-- StoreError (OSError)            a journal or ledger cannot be read or written
    `-- MissingExtraError (ImportError) a part needs a library that is not installed

A message says what failed, the value, and what would work. Foreign errors are translated where they
enter, with ``from``.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AccessError",
    "BoundaryError",
    "ConfigError",
    "CoverageError",
    "DataFileError",
    "ExecutorError",
    "HardwareError",
    "InputError",
    "LowtideError",
    "MissingExtraError",
    "NotCoveredError",
    "NothingRecordedError",
    "ProviderError",
    "QuantityError",
    "ReplyError",
    "RunNotFoundError",
    "SensorError",
    "SeriesError",
    "StoreError",
    "UnreachableError",
    "ZoneError",
    "near_matches",
]


class LowtideError(Exception):
    """Root of all errors raised on purpose by lowtide."""


class InputError(LowtideError, ValueError):
    """A value somebody gave is wrong; nothing has been started."""


class QuantityError(InputError):
    """A number with a unit, a duration or an instant cannot be read."""


class ZoneError(InputError):
    """No such zone, or no zone where one is needed."""


class SeriesError(InputError):
    """Edges and values do not make a step function."""


class CoverageError(InputError):
    """A series ends before the one it is joined with."""


class BoundaryError(InputError):
    """An energy at one boundary was used as if it were at another."""


class DataFileError(InputError):
    """A file does not hold what it should.

    Parameters
    ----------
    message : str
        What is wrong, the value, what would work.
    path : str
        The file.
    line, column : int, optional
        Where in it, counted from 1.
    """

    def __init__(
        self, message: str, *, path: str, line: int | None = None, column: int | None = None
    ) -> None:
        self.path, self.line, self.column = path, line, column
        where = path
        if line is not None:
            where += f", line {line}"
        if column is not None:
            where += f", column {column}"
        super().__init__(f"{where}: {message}")


class ConfigError(InputError):
    """A configuration file or environment variable is wrong."""


class HardwareError(InputError):
    """A device or model name is unknown."""


class NothingRecordedError(LowtideError):
    """A run holds too few readings to say anything."""


class RunNotFoundError(LowtideError, LookupError):
    """No run of that id, prefix or name in this ledger."""


class SensorError(LowtideError, RuntimeError):
    """A sensor cannot be opened; the message says how to make it work."""


class ProviderError(LowtideError, RuntimeError):
    """A source of intensity gave no answer that can be used.

    Parameters
    ----------
    message : str
        What was asked, what went wrong, what would work. Never holds a key.
    provider : str
        Its name, which begins the message.
    """

    def __init__(self, message: str, *, provider: str) -> None:
        self.provider = provider
        super().__init__(f"{provider}: {message}")


class AccessError(ProviderError):
    """The source wants a key that is missing or wrong, or the plan has no access."""


class NotCoveredError(ProviderError):
    """The source does not have that zone, that time or that signal."""


class ReplyError(ProviderError):
    """The answer is not what the source promises; nothing of it was used."""


class UnreachableError(ProviderError):
    """No connection, no answer in time, too many requests, or lowtide is offline."""


class ExecutorError(LowtideError, RuntimeError):
    """A job cannot be started, paused or resumed as asked; a running one is left running."""


class StoreError(LowtideError, OSError):
    """A journal or ledger cannot be read or written."""


class MissingExtraError(LowtideError, ImportError):
    """A part needs a library that is not installed.

    Parameters
    ----------
    what : str
        The part that needs it, as a user would call it.
    extra : str
        The extra of lowtide that brings the library.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs an optional library: pip install 'lowtide[{extra}]'")


def near_matches(word: str, known: Iterable[str], *, n: int = 3) -> str:
    """Return ``"; did you mean A, B?"`` for the closest of `known`, or an empty string."""
    import difflib

    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=n, cutoff=0.6)
    return f"; did you mean {', '.join(folded[c] for c in close)}?" if close else ""
