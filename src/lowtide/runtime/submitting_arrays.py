"""Arrays and chains of jobs: how many tasks run at once, how long all of them take, and after whom a job begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError, LowtideError
from lowtide.executors.job_scripts import option_value

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["ArraySize", "array_size", "parents_end_ns", "parents_of", "tasks_in"]

_PART: Final = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_AFTER: Final = re.compile(r"\b(after(?:any|ok|notok|corr|burstbuffer)?):([\d:+_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySize:
    """How many tasks an array has, and how many of them may run at once; one of one without an array."""

    n_tasks: int = 1
    n_at_once: int = 1


def array_size(words: Sequence[str], in_script: Sequence[str], env: Mapping[str, str]) -> ArraySize:
    """Return the size of the array a job asks for, as sbatch looks for it.

    Raises
    ------
    InputError
        If its tasks cannot be read.

    Examples
    --------
    >>> array_size(["--array=0-99%4"], [], {})
    ArraySize(n_tasks=100, n_at_once=4)
    """
    text = option_value(words, "--array", "-a") or env.get("SBATCH_ARRAY_INX")
    text = text or option_value(in_script, "--array", "-a")
    if text is None:
        return ArraySize()
    tasks, _, throttle = text.partition("%")
    n_tasks = tasks_in(tasks)
    at_once = int(throttle) if throttle.isdigit() else 0
    return ArraySize(n_tasks=n_tasks, n_at_once=min(at_once, n_tasks) if at_once else n_tasks)


def tasks_in(text: str) -> int:
    """Return how many tasks Slurm's words name: ``0-9``, ``1,5,7-11:2``; what follows a ``%`` is left out.

    Raises
    ------
    InputError
        If they cannot be read.

    Examples
    --------
    >>> tasks_in("1,5,7-11:2"), tasks_in("0-3%2")
    (5, 4)
    """
    found: set[int] = set()
    for part in text.partition("%")[0].split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise InputError(f"cannot read the tasks of --array={text}; write them like 0-99%4 or 1,5,7-11:2")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step < 1 or last < first:
            raise InputError(f"--array={text} names no task: {part} goes from {first} to {last} by {step}")
        found.update(range(first, last + 1, step))
    return len(found)


def parents_of(words: Sequence[str], in_script: Sequence[str]) -> tuple[int, ...]:
    """Return the jobs that must have ended, or begun, before one may begin.

    >>> parents_of(["--dependency=afterok:12:13,afterany:20_4"], [])
    (12, 13, 20)
    """
    text = option_value(words, "--dependency", "-d") or option_value(in_script, "--dependency", "-d") or ""
    numbers = [one for _, ids in _AFTER.findall(text) for one in ids.split(":")]
    found = [int(re.split(r"[+_]", one)[0]) for one in numbers if one[:1].isdigit()]
    return tuple(dict.fromkeys(found))


def parents_end_ns(ledger: Ledger, parents: Sequence[int], now_ns: int) -> int:
    """Return when the jobs of a ledger that one waits for should have ended [ns]; now where none of them is known."""
    from lowtide.runtime.submitting_promise import read_promise

    ends = [now_ns]
    for number in parents:
        try:
            ends.append(read_promise(ledger, number).last.end_ns)
        except LowtideError:
            continue  # not ours: Slurm knows when it has ended
    return max(ends)
