"""A job that may leave: asked to save in time, left alone where it does not, put back for the next green start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from lowtide.errors import ExecutorError, LowtideError, StoreError
from lowtide.executors.batch_wrapper import GONE
from lowtide.model.pausing import EX_TEMPFAIL
from lowtide.quantities import format_duration
from lowtide.runtime.submitting_goes import Go, Goes
from lowtide.runtime.submitting_pacing import Rest, keep_decision, next_begin_ns, rest_of, worth_leaving
from lowtide.runtime.submitting_promise import Promise, read_promise
from lowtide.runtime.submitting_replan import site_now
from lowtide.runtime.submitting_text import short_instant
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from lowtide.executors.slurm import Slurm, SlurmJob
    from lowtide.stores.ledger import Ledger

__all__ = ["Minded", "leave", "look", "look_to_the_second"]

_LOOK_AGAIN_S: Final = 900.0
_AGAIN_S: Final = 30.0
_LEAST_WAIT_S: Final = 0.2
_LEAD_S: Final = 6.0
"""A look that is due so soon is waited for: starting another process could be late."""
_EARLY_S: Final = 5.0
"""The next process is started so long before it has something to do."""
_BEFORE_LIMIT_S: Final = 30.0
_SOON_FAILED_S: Final = 120.0
_MOST_FAILURES: Final = 3
_PATIENCE_S: Final = 600.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minded:
    """A job that is minded, and with what.

    Attributes
    ----------
    ledger : Ledger
    slurm : Slurm
    label : str
        The job's number, or ``12_3`` for a task of an array.
    say : callable
        Gets a line for each thing that is done.
    clock : callable
        Returns the time [ns since 1970 UTC].
    """

    ledger: Ledger
    slurm: Slurm
    label: str
    say: Callable[[str], None]
    clock: Callable[[], int] = time.time_ns

    def promise(self) -> Promise:
        """Return what was promised of it."""
        return read_promise(self.ledger, int(self.label.partition("_")[0]))


def look(
    minded: Minded, *, at_ns: int | None = None, sleep: Callable[[float], None] = time.sleep
) -> float | None:
    """Ask a running job to save where its plan wants that; return when to look again [s], None for never.

    Parameters
    ----------
    minded : Minded
    at_ns : int, optional
        Decide for that instant, which is near, and wait for it before anything is done; now without it.
    sleep : callable

    Raises
    ------
    LowtideError
        If nothing was promised of it, or it cannot be written down that it was asked.
    """
    promise, goes = minded.promise(), Goes(minded.ledger, minded.label)
    now_ns = minded.clock() if at_ns is None else at_ns
    go = goes.now
    if promise.pause != "checkpoint" or go is None or go.refused:
        return None
    if go.asked_ns is not None:
        return _wait_for_it(minded, goes, go, promise, minded.clock())
    job = _known(minded)
    try:
        rest = _rest(promise, goes, now_ns, is_running=True)
    except LowtideError as error:
        minded.say(f"lowtide: job {minded.label} is not paused: {error}")
        return _LOOK_AGAIN_S
    why = _reason(minded, promise, rest, job)
    problem = "" if why else keep_decision(goes, promise, rest)
    if problem:
        minded.say(f"lowtide: job {minded.label}: its plan is not kept: {problem}")
    sleep(max(0.0, (now_ns - minded.clock()) / NS_PER_S))
    if not why:
        return _wait_s(rest, promise, job, now_ns)
    _ask(minded, goes, promise, why)
    return promise.grace_s


def look_to_the_second(minded: Minded, *, sleep: Callable[[float], None] = time.sleep) -> float | None:
    """Do the same, and decide beforehand what is due in a moment; return when the next look is [s]."""
    wait_s = look(minded, sleep=sleep)
    while wait_s is not None and wait_s <= _LEAD_S:
        goes_on = Goes(minded.ledger, minded.label).now
        if goes_on is not None and goes_on.asked_ns is not None:
            sleep(wait_s)
        wait_s = look(minded, at_ns=minded.clock() + ns_from_s(wait_s), sleep=sleep)
    return None if wait_s is None else max(0.0, wait_s - _EARLY_S)


def _rest(promise: Promise, goes: Goes, now_ns: int, *, is_running: bool) -> Rest:
    site = site_now(promise, now_ns)
    done_s = goes.done_s(promise.task.work_s, now_ns)
    return rest_of(
        promise, site, now_ns=now_ns, done_s=done_s, runs_ns=goes.runs_ns(now_ns),
        begun="running" if is_running else "paused",
    )  # fmt: skip


def _known(minded: Minded) -> SlurmJob | None:
    """Return the job as Slurm knows it; None while Slurm does not answer, which must not keep it from running."""
    try:
        return minded.slurm.job(minded.label)
    except ExecutorError:
        return None


def _reason(minded: Minded, promise: Promise, rest: Rest, job: SlurmJob | None) -> str:
    """Return why the job is to leave now; empty where it is not."""
    limit_ns = _limit_ns(promise, job)
    if limit_ns is not None and rest.view.now_ns >= limit_ns:
        return "its time limit ends; it goes on in its next start"
    if rest.decision.act != "hold":
        return ""
    delay_s = minded.slurm.requeue_delay_s()
    return rest.decision.why if worth_leaving(rest, delay_s=delay_s, grace_s=promise.grace_s) else ""


def _limit_ns(promise: Promise, job: SlurmJob | None) -> int | None:
    """Return when a job must save for its time limit [ns]; None where that is too short to be worth it."""
    if job is None or job.end_ns is None or job.start_ns is None or job.time_limit_s is None:
        return None
    needs_s = promise.grace_s + _BEFORE_LIMIT_S
    return None if job.time_limit_s < 4.0 * needs_s else job.end_ns - ns_from_s(needs_s)


def _wait_s(rest: Rest, promise: Promise, job: SlurmJob | None, now_ns: int) -> float:
    limit_ns = _limit_ns(promise, job)
    until_ns = [rest.decision.until_ns] + ([] if limit_ns is None else [limit_ns])
    return max(_LEAST_WAIT_S, min(_LOOK_AGAIN_S, (min(until_ns) - now_ns) / NS_PER_S))


def _ask(minded: Minded, goes: Goes, promise: Promise, why: str) -> None:
    """Ask the job to save and to leave: by its file, and by the signal the user has named where nobody looks."""
    now_ns = minded.clock()
    goes.note("asked", at_ns=now_ns, why=why)  # first: what was asked must be withdrawn by somebody
    if not goes.ask():
        return
    minded.say(f"lowtide: job {minded.label} is asked to save and to leave ({why})")
    if not promise.pause_signal or goes.is_watched:
        return
    goes.note("signal", at_ns=now_ns, name=promise.pause_signal)  # first: it decides what a status of 0 says
    before, colon, name = promise.pause_signal.rpartition(":")
    try:
        minded.slurm.signal(minded.label, name, to="script" if colon and before == "B" else "steps")
    except ExecutorError as error:
        minded.say(f"lowtide: job {minded.label}: {error}")


def _wait_for_it(minded: Minded, goes: Goes, go: Go, promise: Promise, now_ns: int) -> float | None:
    """Return how long the job may still take to save [s]; after that nobody asks it any more."""
    assert go.asked_ns is not None
    left_s = promise.grace_s - (now_ns - go.asked_ns) / NS_PER_S
    if left_s > 0.0:
        return max(_LEAST_WAIT_S, left_s)
    goes.withdraw()
    goes.note("withdrawn", at_ns=now_ns)
    took = format_duration(promise.grace_s)
    minded.say(f"lowtide: job {minded.label} has not left in {took}: it is left running and not asked again")
    return None


def leave(minded: Minded, status: int, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Put a job that has saved back into the queue, for the next green start; called by its own script.

    Parameters
    ----------
    minded : Minded
    status : int
        How it has left.
    sleep : callable

    Returns
    -------
    int
        0: it is back in the queue; :data:`GONE`: it has ended for good.

    Raises
    ------
    LowtideError
        If Slurm does not answer for ten minutes, or nothing was promised of the job.
    """
    promise, goes = minded.promise(), Goes(minded.ledger, minded.label)
    if not goes.list or not _goes_again(goes, status):
        return GONE
    job = _patiently(lambda: minded.slurm.job(minded.label), sleep)
    if job is None or job.state != "RUNNING":  # cancelled, or over its time limit: Slurm would start it again
        minded.say(f"lowtide: job {minded.label} is ended by Slurm and not started again")
        return GONE
    begin_ns, why = _next_begin(minded, promise, goes, status)
    try:
        goes.note("requeue", at_ns=minded.clock(), begin_ns=begin_ns, why=why)
    except StoreError as error:
        minded.say(f"lowtide: {error}")
    _patiently(lambda: minded.slurm.requeue(minded.label), sleep)
    try:
        minded.slurm.set_begin(minded.label, begin_ns)
    except ExecutorError as error:  # it is in the queue: it starts as soon as Slurm lets it
        minded.say(f"lowtide: job {minded.label} starts earlier than planned: {error}")
        return 0
    minded.say(f"lowtide: job {minded.label} goes on at {short_instant(begin_ns)} ({why})")
    return 0


def _goes_again(goes: Goes, status: int) -> bool:
    go = goes.list[-1]
    if status == EX_TEMPFAIL:
        return True
    if status == 0:
        return go.saved and not goes.is_done()
    took_s = (go.left_ns - go.began_ns) / NS_PER_S if go.left_ns is not None else _SOON_FAILED_S
    return go.number > 0 and took_s < _SOON_FAILED_S and goes.failed_in_a_row() <= _MOST_FAILURES


def _next_begin(minded: Minded, promise: Promise, goes: Goes, status: int) -> tuple[int, str]:
    """Return when a job begins again [ns] and why; as soon as Slurm lets it where no plan can be made."""
    now_ns, delay_s = minded.clock(), minded.slurm.requeue_delay_s()
    n_failed = 0 if status in (0, EX_TEMPFAIL) else goes.failed_in_a_row()
    delay_s = max(delay_s, _AGAIN_S * 2.0**n_failed) if n_failed else delay_s
    try:
        rest = _rest(promise, goes, now_ns, is_running=False)
    except LowtideError as error:
        return -(-(now_ns + ns_from_s(delay_s)) // NS_PER_S) * NS_PER_S, str(error)
    begin_ns = next_begin_ns(rest, delay_s=delay_s)
    problem = keep_decision(goes, promise, rest, begin_ns=begin_ns)
    if problem:
        minded.say(f"lowtide: job {minded.label}: its plan is not kept: {problem}")
    why = f"it left with {status}, try {n_failed} of {_MOST_FAILURES}" if n_failed else rest.decision.why
    return begin_ns, why


def _patiently(ask: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Ask Slurm until it answers: its controller may be started anew just now."""
    waited_s = 0.0
    while True:
        try:
            return ask()
        except ExecutorError:
            if waited_s >= _PATIENCE_S:
                raise
        sleep(5.0)
        waited_s += 5.0
