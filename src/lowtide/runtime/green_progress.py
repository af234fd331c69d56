"""How far a job is, by what it tells: a fraction of its work, and from when it told it the rate.

Told in the file of ``LOWTIDE_PROGRESS_FILE``, or in a log that is searched with a pattern.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Final

from lowtide.errors import InputError

__all__ = ["Progress", "ProgressSource", "checked_pattern", "parse_progress"]

_TAIL_BYTES: Final = 65536
_LEAST_GAIN: Final = 0.02
"""Less progress than this says nothing of the rate."""
_ALL: Final = 1.0 - 1e-9


def parse_progress(text: str, pattern: str | None = None, *, units: float | None = None) -> float | None:
    """Return the fraction a text tells; None where it tells none.

    Examples
    --------
    >>> parse_progress("420/1000"), parse_progress("0.42"), parse_progress("soon")
    (0.42, 0.42, None)
    >>> parse_progress("step 1 of 8\\nstep 2 of 8\\n", r"step (\\d+) of (\\d+)")
    0.25
    >>> parse_progress("epoch 3", r"epoch (\\d+)", units=4)
    0.75
    """
    if pattern is None:
        done, _, whole = text.strip().partition("/")
        groups: tuple[str | None, ...] = (done, whole or "1")
    else:
        found = list(re.finditer(pattern, text))
        if not found:
            return None
        groups = (*found[-1].groups(), str(units))[:2]
    try:
        done_units, all_units = (float(str(group).replace(",", "").replace("_", "")) for group in groups)
        fraction = done_units / all_units
    except (ValueError, ZeroDivisionError):
        return None
    return min(fraction, 1.0) if fraction >= 0.0 else None


def checked_pattern(pattern: str, units: float | None) -> str:
    """Return a pattern that has the groups it needs.

    Raises
    ------
    InputError
        If it is no regular expression, or its groups do not tell a fraction.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise InputError(f"--progress-pattern {pattern!r} is no regular expression: {error}") from error
    if groups == 1 and units is None:
        raise InputError(f"--progress-pattern {pattern!r} has one group, units done: say --work-units N, or give "
                         "a second group for all of them")  # fmt: skip
    if groups not in (1, 2):
        raise InputError(
            f"--progress-pattern {pattern!r} has {groups} groups; one for units done, and one for all"
        )
    if groups == 2 and units is not None:
        raise InputError(f"--work-units and the second group of {pattern!r} say the same; leave one out")
    return pattern


class ProgressSource:
    """A file that tells progress, read when it has changed.

    Parameters
    ----------
    path : str
    pattern : str, optional
        Searched in its end, the last match counts; without it the whole file is one word.
    units : float, optional
        All the units, where the pattern tells only those done.
    """

    def __init__(self, path: str, pattern: str | None = None, *, units: float | None = None) -> None:
        self._path, self._pattern, self._units = path, pattern, units
        self._seen = (-1, -1)

    def look(self) -> tuple[float, float] | None:
        """Return the fraction and when it was told [s since 1970]; None where nothing new is told."""
        try:
            stat = os.stat(self._path)
            seen = stat.st_mtime_ns, stat.st_size
            if seen == self._seen:
                return None
            with open(self._path, "rb") as file:
                file.seek(max(0, stat.st_size - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode(errors="replace")
        except OSError:
            return None  # not yet, or just being replaced
        self._seen = seen
        fraction = parse_progress(text, self._pattern, units=self._units)
        return None if fraction is None else (fraction, stat.st_mtime)


@dataclass(slots=True)
class Progress:
    """What was told so far, over the time the job has run.

    Attributes
    ----------
    fraction : float
        As told last.
    told_s : float
        When, in running time [s].
    start : int
        Which start of the job told it.
    gained, over_s : float
        Progress between two words of one start, and the running time it took [s]: the rate, resumes left out.
    gap_s : float
        Between the last two words [s].
    lost : float
        Progress told before a pause and not after it: work that was done again.
    """

    fraction: float
    told_s: float
    start: int
    gained: float = 0.0
    over_s: float = 0.0
    gap_s: float = 0.0
    lost: float = 0.0

    def tell(self, fraction: float, ran_s: float, start: int) -> None:
        """Take in a word.

        Examples
        --------
        >>> one = Progress(0.0, 0.0, 1)
        >>> one.tell(0.5, 30.0, 1)
        >>> one.tell(0.4, 35.0, 2)  # started again from what was saved at 0.4
        >>> one.work_s(100.0), one.done_s(35.0, 100.0), round(one.lost, 3)
        (60.0, 24.0, 0.1)
        """
        if start == self.start and fraction > self.fraction:
            self.gained += fraction - self.fraction
            self.over_s += ran_s - self.told_s
            self.gap_s = ran_s - self.told_s
        elif start != self.start:
            self.lost += max(0.0, self.fraction - fraction)
            self.gap_s = 0.0
        self.fraction, self.told_s, self.start = fraction, ran_s, start

    def work_s(self, expected_s: float) -> float:
        """Return how long all the work takes at the measured rate [s]; as expected while too little is measured."""
        return self.over_s / self.gained if self.gained >= _LEAST_GAIN and self.over_s > 0.0 else expected_s

    def done_s(self, ran_s: float, expected_s: float) -> float:
        """Return the work done [s]: as told, and since then as much as lay between the last two words at most."""
        work_s = self.work_s(expected_s)
        return min(work_s, self.fraction * work_s + min(max(0.0, ran_s - self.told_s), self.gap_s))

    @property
    def all_done(self) -> bool:
        """Whether it has told that nothing is left."""
        return self.fraction >= _ALL

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}
