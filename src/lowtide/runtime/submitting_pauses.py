"""How a job may be paused: what its user said, and the script that Slurm gets for it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from lowtide.errors import InputError
from lowtide.quantities import parse_duration_s
from lowtide.runtime.submitting_promise import submissions_dir

if TYPE_CHECKING:
    from lowtide.runtime.submitting import SubmitRequest
    from lowtide.runtime.submitting_job import JobKnown
    from lowtide.runtime.submitting_promise import Promise
    from lowtide.stores.ledger import Ledger

__all__ = ["Pausing", "pausing_of", "script_for"]

_KINDS: Final = ("none", "freeze", "checkpoint")
_DEADLY: Final = ("KILL", "STOP", "CONT")
_GRACE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausing:
    """How a job may be paused.

    Attributes
    ----------
    pause : {"none", "freeze", "checkpoint"}
    signal : str
        Of ``--pause-signal``, without ``SIG``; empty where none was named.
    grace_s : float
    """

    pause: Literal["none", "freeze", "checkpoint"]
    signal: str = ""
    grace_s: float = _GRACE_S


def pausing_of(request: SubmitRequest, known: JobKnown) -> Pausing:
    """Return how a job may be paused.

    Raises
    ------
    InputError
        If a value is wrong, or the job's duration is not known.
    """
    if request.pause not in _KINDS:
        raise InputError(f"--pause {request.pause!r} is unknown; use none, freeze or checkpoint")
    kind = cast(Literal["none", "freeze", "checkpoint"], request.pause)
    for name in ("pause_signal", "grace"):
        if kind != "checkpoint" and getattr(request, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is for --pause checkpoint")
    if kind != "none" and not known.duration_from:
        raise InputError(f"--pause {kind} needs to know when the job would be done: give --duration")
    grace_s = _GRACE_S if request.grace is None else parse_duration_s(request.grace)
    if not grace_s > 0.0:
        raise InputError(f"--grace {request.grace} must be longer than nothing: the job has to save in it")
    return Pausing(pause=kind, signal=_signal(request.pause_signal), grace_s=grace_s)


def _signal(text: str | None) -> str:
    """Return a signal as scancel takes it; ``B:`` before it is for the batch script alone, as with sbatch."""
    if text is None:
        return ""
    before, colon, name = text.upper().rpartition(":")
    name = name.removeprefix("SIG")
    if (colon and before != "B") or not hasattr(signal, f"SIG{name}") or name in _DEADLY:
        raise InputError(
            f"--pause-signal {text} cannot ask a job to save; write it like USR1 for the job's steps, or B:USR1 for "
            "the batch script alone"
        )
    return f"B:{name}" if colon else name


@contextmanager
def script_for(promise: Promise, ledger: Ledger) -> Iterator[tuple[str, list[str]]]:
    """Yield the script to submit and the options of sbatch that go with it.

    A job that may leave gets its own script inside another one; sbatch copies it, so it is not kept.
    """
    if promise.pause != "checkpoint":
        yield promise.script, []
        return
    from lowtide.executors.batch_wrapper import wrapped

    with open(promise.script, encoding="utf-8", errors="surrogateescape") as file:
        own = file.read()
    text = wrapped(
        own, path=promise.script, folder=submissions_dir(ledger), ledger=ledger.path, python=sys.executable
    )
    with tempfile.TemporaryDirectory(prefix="lowtide-") as folder:
        path = os.path.join(
            folder, os.path.basename(promise.script)
        )  # its name is the job's, without another
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        yield path, ["--requeue", "--open-mode=append"]
