"""Submitted jobs that have not ended, and where the starts of those that wait should be by what is known now."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lowtide.errors import LowtideError
from lowtide.executors.slurm import Slurm, SlurmJob
from lowtide.planning.sites import SiteOption
from lowtide.runtime.config import Config, load_config
from lowtide.runtime.submitting_promise import Promise, StartPlan, kept_ids, read_comment, read_promise
from lowtide.runtime.submitting_start import choose_start, site_of
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["Move", "Sites", "Submitted", "begin_ahead_ns", "moves", "submitted_jobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job as Slurm knows it, with its promise."""

    job: SlurmJob
    promise: Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A start that should be elsewhere.

    Attributes
    ----------
    submitted : Submitted
    from_ns : int
    plan : StartPlan
        Its start is the new one.
    """

    submitted: Submitted
    from_ns: int
    plan: StartPlan


def submitted_jobs(slurm: Slurm, ledger: Ledger, *, say: Callable[[str], None]) -> list[Submitted]:
    """Return the jobs with a promise in a ledger that have not ended; Slurm is asked once, or not at all.

    Raises
    ------
    ExecutorError
        If Slurm does not answer.
    """
    kept = kept_ids(ledger)
    if not kept:
        return []
    found: list[Submitted] = []
    promises: dict[int, Promise] = {}
    for job in slurm.jobs():
        number = job.submitted_id
        if number not in kept or read_comment(job.comment) is None:  # numbers begin anew in a new cluster
            continue
        try:
            promise = promises.get(number) or read_promise(ledger, number)
        except LowtideError as error:
            say(f"lowtide: job {number} is left as it is: {error}")
            kept.discard(number)
            continue
        promises[number] = promise
        found.append(Submitted(job=job, promise=promise))
    return found


class Sites:
    """The places of promises, read once for all jobs that ask for the same intensity.

    Parameters
    ----------
    now_ns : int
    submitted : sequence of Submitted
        All that will be asked for: what they share is read as far as the last of them needs.
    """

    def __init__(self, now_ns: int, submitted: Sequence[Submitted]) -> None:
        self._now_ns = now_ns
        self._longest: dict[str, Promise] = {}
        self._found: dict[str, SiteOption] = {}
        for one in submitted:
            key = _key(one.promise)
            last = self._longest.get(key)
            if last is None or _until_ns(one.promise, now_ns) > _until_ns(last, now_ns):
                self._longest[key] = one.promise

    def of(self, promise: Promise) -> SiteOption:
        """Return the place of a promise with its intensity as known now.

        Raises
        ------
        LowtideError
            If it is not there any more.
        """
        key = _key(promise)
        if key not in self._found:
            longest = self._longest[key]
            until_ns = _until_ns(longest, self._now_ns)
            self._found[key] = site_of(
                _config(longest), longest.history, longest.job, now_ns=self._now_ns, until_ns=until_ns
            )[0]
        return self._found[key]


def _key(promise: Promise) -> str:
    return json.dumps([sorted(promise.settings.items()), promise.history])


def _until_ns(promise: Promise, now_ns: int) -> int:
    return max(promise.deadline_ns, now_ns + 2 * promise.job.work_ns)


def _config(promise: Promise) -> Config:
    """Return the settings a promise was made with; keys of providers are found where they always are."""
    return load_config().with_flags(dict(promise.settings))


def begin_ahead_ns(submitted: Submitted, now_ns: int) -> int | None:
    """Return the begin time of a job that waits for it; None where it waits for anything else, or not at all.

    A job whose time has come stays in Slurm's queue with its place in it; a held one is its user's business.
    """
    job = submitted.job
    if job.state != "PENDING" or job.start_ns is None or job.start_ns <= now_ns + NS_PER_S:
        return None
    if job.reason == "BeginTime":
        return job.start_ns
    # not looked at yet since its time was set, or waiting for another job too: the time may be Slurm's guess
    waits = job.reason in ("None", "", "Dependency") and submitted.promise.last.start_ns > now_ns + NS_PER_S
    return submitted.promise.last.start_ns if waits else None


def moves(
    submitted: Sequence[Submitted], sites: Sites, *, now_ns: int, say: Callable[[str], None]
) -> list[Move]:
    """Return the starts that should be moved by what is known now."""
    found = []
    for one in submitted:
        from_ns = begin_ahead_ns(one, now_ns)
        if from_ns is None:
            continue
        try:
            site = sites.of(one.promise)
        except LowtideError as error:
            say(f"lowtide: job {one.job.submitted_id} keeps its start: {error}")
            continue
        plan = _decided(one.promise, site, now_ns, from_ns)
        if abs(plan.start_ns - from_ns) >= NS_PER_S:
            found.append(Move(submitted=one, from_ns=from_ns, plan=plan))
    return found


def _decided(promise: Promise, site: SiteOption, now_ns: int, from_ns: int) -> StartPlan:
    plan = choose_start(
        promise.job,
        site,
        now_ns=now_ns,
        deadline_ns=promise.deadline_ns,
        margin_fraction=promise.margin_fraction,
        min_saving_fraction=promise.min_saving_fraction,
        keep_ns=from_ns,
    )
    return plan if promise.power_known else replace(plan, emissions_g=None, at_once_g=None)
