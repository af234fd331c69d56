"""Jobs that wait at sites: their starts moved to what is known now, each within its own site."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import LowtideError
from lowtide.runtime.submitting_replan import Move, Sites, Submitted, moves
from lowtide.runtime.submitting_sites_found import Listed, listed, slurm_of
from lowtide.runtime.submitting_sites_kept import SiteJob, keep_site_job
from lowtide.runtime.submitting_text import short_instant
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["replan_sites"]


def replan_sites(ledger: Ledger, *, env: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Move the starts of jobs that wait at sites; return how many could not be moved.

    A start stays within its site, never before its data are there and never past its latest start; another site is
    for ``--move``.
    """
    now_ns, n_failed = time.time_ns(), 0
    waiting = {one.kept.tag: one for one in listed(ledger, env=env, say=say) if one.found is not None}
    submitted = {tag: _submitted(one) for tag, one in waiting.items()}
    tags = {id(one): tag for tag, one in submitted.items()}
    everything = list(submitted.values())
    for move in moves(everything, Sites(now_ns, everything), now_ns=now_ns, say=say):
        kept = waiting[tags[id(move.submitted)]].kept
        try:
            _move(kept, move, ledger, env, say)
        except LowtideError as error:
            say(f"lowtide: job {kept.label} keeps its start: {error}")
            n_failed += 1
    return n_failed


def _submitted(one: Listed) -> Submitted:
    assert one.found is not None
    return Submitted(job=one.found, promise=one.kept.promise)


def _move(
    kept: SiteJob, move: Move, ledger: Ledger, env: Mapping[str, str], say: Callable[[str], None]
) -> None:
    start_ns = max(move.plan.start_ns, kept.ready_ns or 0)
    slurm = slurm_of(kept, env)
    if slurm is None or abs(start_ns - move.from_ns) < NS_PER_S:
        return
    slurm.set_begin(move.submitted.job.submitted_id, start_ns)
    late_ns = start_ns - move.plan.start_ns
    plan = replace(move.plan, start_ns=start_ns, end_ns=move.plan.end_ns + late_ns)
    promise = replace(kept.promise, last=plan, n_moves=kept.promise.n_moves + 1)
    keep_site_job(ledger, replace(kept, promise=promise))
    say(
        f"lowtide: job {kept.label} starts {short_instant(start_ns)} instead of {short_instant(move.from_ns)}"
    )
