"""Starts that are moved: those that go to one instant together, written down first, kept with their promises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import LowtideError, StoreError
from lowtide.runtime.submitting_promise import write_promise
from lowtide.runtime.submitting_text import short_instant

if TYPE_CHECKING:
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.agent_journal import Journal
    from lowtide.runtime.submitting_replan import Move
    from lowtide.stores.ledger import Ledger

__all__ = ["move_starts"]

Say = Callable[[str], None]


def move_starts(
    wanted: Sequence[Move],
    ledger: Ledger,
    slurm: Slurm,
    journal: Journal,
    *,
    now_ns: int,
    say: Say,
    fail: Say,
) -> None:
    """Move starts.

    Parameters
    ----------
    wanted : sequence of Move
    ledger : Ledger
    slurm : Slurm
    journal : Journal
    now_ns : int
    say, fail : callable
        Get a line for each start that was moved, and for each that was not.
    """
    groups: dict[int, dict[int | str, Move]] = defaultdict(dict)
    for move in wanted:
        groups[move.plan.start_ns][move.submitted.job.target] = move
    for begin_ns, group in sorted(groups.items()):
        ids = list(group)
        try:
            journal.write("begin", [str(n) for n in ids], at_ns=now_ns, begin_ns=begin_ns)
        except LowtideError as error:
            fail(f"starts of {_names(ids)} are not moved: {error}")
            continue
        for number in _moved(ids, begin_ns, slurm, fail):
            say(_words(number, group[number]))
            _keep(ledger, number, group[number], fail)


def _moved(ids: Sequence[int | str], begin_ns: int, slurm: Slurm, fail: Say) -> list[int | str]:
    """Move starts together, where that fails one by one, and return which were moved."""
    try:
        slurm.set_begin(ids, begin_ns)
    except LowtideError as error:
        if len(ids) > 1 and _answers(slurm):  # it has moved the others all the same, and does not say which
            return [moved for one in ids for moved in _moved([one], begin_ns, slurm, fail)]
        # it may have begun meanwhile; the next round looks again
        fail(f"starts of {_names(ids)} may not be moved: {error}")
        return []
    return list(ids)


def _answers(slurm: Slurm) -> bool:
    """Return whether Slurm is up: one that is down takes its time over every single job."""
    try:
        slurm.jobs()
    except LowtideError:
        return False
    return True


def _words(number: int | str, move: Move) -> str:
    to, before = short_instant(move.plan.start_ns), short_instant(move.from_ns)
    return f"job {number}: starts {to} instead of {before} ({move.plan.why})"


def _keep(ledger: Ledger, number: int | str, move: Move, fail: Say) -> None:
    promise = move.submitted.promise
    try:
        write_promise(ledger, replace(promise, last=move.plan, n_moves=promise.n_moves + 1))
    except StoreError as error:
        fail(f"job {number}: its new start is not kept: {error}")


def _names(ids: Sequence[int | str]) -> str:
    shown = ", ".join(map(str, ids[:5]))
    return f"job {shown}" if len(ids) == 1 else f"jobs {shown}{', ...' if len(ids) > 5 else ''}"
