"""What a job script says to sbatch and to lowtide, and what sbatch's words mean."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from lowtide.errors import InputError, QuantityError

__all__ = ["directives", "has_word", "option_value", "parse_time_limit_s", "sbatch_options"]

_MARK: Final = "#LOWTIDE"
_SBATCH: Final = "#SBATCH"


def parse_time_limit_s(text: str) -> float | None:
    """Return a time limit as Slurm writes it [s]; None is without limit.

    ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``, ``days-hours:minutes`` and
    ``days-hours:minutes:seconds``, as in the manual of sbatch.

    Raises
    ------
    QuantityError
        If it is none of these.

    Examples
    --------
    >>> parse_time_limit_s("1-06:30"), parse_time_limit_s("90"), parse_time_limit_s("UNLIMITED")
    (109800.0, 5400.0, None)
    """
    if text.upper() in ("UNLIMITED", "INFINITE", "NONE", "-1", "0"):
        return None
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 3 or (dash and not days.isdigit()):
        raise QuantityError(f"cannot read {text!r} as a time limit of Slurm; write it like 1-06:30 or 90")
    numbers = [int(part) for part in parts]
    scales = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    return float(int(days or 0) * 86_400 + sum(n * s for n, s in zip(numbers, scales, strict=False)))


def directives(script: str) -> list[str]:
    """Return the words of a script's ``#LOWTIDE`` lines, as if given on the command line.

    As with ``#SBATCH``, they count only above the first command.

    Raises
    ------
    InputError
        If a line's quotes do not match.

    Examples
    --------
    >>> directives("#!/bin/sh\\n#SBATCH -t 60\\n#LOWTIDE --within 48h  # patience\\necho hi\\n#LOWTIDE --no")
    ['--within', '48h']
    """
    return _words(script, _MARK)


def sbatch_options(script: str) -> list[str]:
    """Return the words of a script's ``#SBATCH`` lines.

    Raises
    ------
    InputError
        If a line's quotes do not match.
    """
    return _words(script, _SBATCH)


def _words(script: str, mark: str) -> list[str]:
    words: list[str] = []
    for number, line in enumerate(script.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.startswith(mark) and line[len(mark) : len(mark) + 1].isspace():
            try:
                words += shlex.split(line[len(mark) :], comments=True)
            except ValueError as error:
                raise InputError(f"line {number}: {line!r} cannot be read ({error})") from error
    return words


def option_value(words: Sequence[str], long: str, short: str = "") -> str | None:
    """Return the value an option of sbatch has among words, the last one given; None where it is not.

    Examples
    --------
    >>> option_value(["-t", "60", "--time=2:00:00"], "--time", "-t"), option_value(["-t90"], "--time", "-t")
    ('2:00:00', '90')
    """
    found: str | None = None
    for i, word in enumerate(words):
        if word in (long, short) and i + 1 < len(words):
            found = words[i + 1]
        elif word.startswith(f"{long}="):
            found = word[len(long) + 1 :]
        elif short and word.startswith(short) and not word.startswith("--") and word != short:
            found = word[len(short) :]
    return found


def has_word(words: Sequence[str], long: str, short: str = "") -> bool:
    """Return whether an option of sbatch is among words, with a value or without.

    Examples
    --------
    >>> has_word(["--begin=now"], "--begin", "-b"), has_word(["-N1"], "--wait", "-W")
    (True, False)
    """
    return any(
        word == long
        or word.startswith(f"{long}=")
        or (short and word.startswith(short) and not word.startswith("--"))
        for word in words
    )
