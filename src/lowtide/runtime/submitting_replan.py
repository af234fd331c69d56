"""Submitted jobs that have not ended, and where the starts of those that wait should be by what is known now."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import LowtideError
from lowtide.executors.slurm import Slurm, SlurmJob
from lowtide.planning.sites import SiteOption
from lowtide.runtime.config import Config, load_config
from lowtide.runtime.submitting_arrays import parents_end_ns, tasks_in
from lowtide.runtime.submitting_goes import Goes
from lowtide.runtime.submitting_pacing import next_begin_ns, rest_of
from lowtide.runtime.submitting_promise import Promise, StartPlan, kept_ids, read_comment, read_promise
from lowtide.runtime.submitting_start import choose_start, site_of
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = [
    "Move",
    "Sites",
    "Submitted",
    "begin_ahead_ns",
    "has_begun_in_part",
    "moves",
    "site_now",
    "submitted_jobs",
]

_NODES_AWAY: Final = ("notavail", "down", "drained", "inactive")
"""Parts of Slurm's reasons, with capitals and without, for nodes that nobody can use now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job as Slurm knows it, with its promise.

    Attributes
    ----------
    job : SlurmJob
    promise : Promise
    goes : Goes or None
        What has become of it, where it may leave and come back.
    after_ns : tuple of int
        When the jobs it waits for should end [ns].
    delay_s : float
        How long Slurm keeps a requeued job at the least [s].
    """

    job: SlurmJob
    promise: Promise
    goes: Goes | None = None
    after_ns: tuple[int, ...] = ()
    delay_s: float = 121.0


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
    delay_s: float | None = None
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
        goes = Goes(ledger, job.label) if promise.pause == "checkpoint" else None
        after_ns = (parents_end_ns(ledger, promise.after, 0),) if promise.after else ()
        if delay_s is None and goes is not None:
            delay_s = slurm.requeue_delay_s()
        found.append(
            Submitted(job=job, promise=promise, goes=goes, after_ns=after_ns, delay_s=delay_s or 121.0)
        )
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
        self._since_ns: dict[str, int] = {}
        for one in submitted:
            key = _key(one.promise)
            last = self._longest.get(key)
            if last is None or _until_ns(one.promise, now_ns) > _until_ns(last, now_ns):
                self._longest[key] = one.promise
            if one.promise.pause != "none":
                self._since_ns[key] = min(one.promise.submitted_ns, self._since_ns.get(key, now_ns))

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
            until_ns, since_ns = _until_ns(longest, self._now_ns), self._since_ns.get(key)
            self._found[key] = site_of(
                _config(longest), longest.history, longest.job, now_ns=self._now_ns, until_ns=until_ns,
                since_ns=since_ns,
            )[0]  # fmt: skip
        return self._found[key]


def site_now(promise: Promise, now_ns: int) -> SiteOption:
    """Return the place of one promise, its intensity from when the job was submitted.

    Raises
    ------
    LowtideError
        If it is not there any more.
    """
    site, _ = site_of(
        _config(promise), promise.history, promise.job, now_ns=now_ns, until_ns=_until_ns(promise, now_ns),
        since_ns=promise.submitted_ns,
    )  # fmt: skip
    return site


def _key(promise: Promise) -> str:
    return json.dumps([sorted(promise.settings.items()), promise.history])


def _until_ns(promise: Promise, now_ns: int) -> int:
    return max(promise.deadline_ns, now_ns + 2 * promise.job.work_ns)


def _config(promise: Promise) -> Config:
    """Return the settings a promise was made with; keys of providers are found where they always are."""
    return load_config().with_flags(dict(promise.settings), origin="the promise")


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
        from_ns = None if has_begun_in_part(one) else begin_ahead_ns(one, now_ns)
        if from_ns is None:
            _tell_if_stuck(one, now_ns, say)
            continue
        try:
            site = sites.of(one.promise)
        except LowtideError as error:
            say(f"lowtide: job {one.job.submitted_id} keeps its start: {error}")
            continue
        plan = _decided(one, site, now_ns, from_ns)
        if abs(plan.start_ns - from_ns) >= NS_PER_S:
            found.append(Move(submitted=one, from_ns=from_ns, plan=plan))
    return found


def has_begun_in_part(one: Submitted) -> bool:
    """Whether a job is what still waits of an array of which other tasks have begun."""
    tasks, promise = one.job.array_tasks, one.promise
    if not tasks or promise.n_waves == 1 or (one.goes is not None and one.goes.list):
        return False  # a task that came back has a plan of its own
    return tasks_in(tasks) < promise.n_tasks


def _tell_if_stuck(one: Submitted, now_ns: int, say: Callable[[str], None]) -> None:
    """Say what keeps a job whose time has come and whose nodes have not: no plan can help it."""
    job, promise = one.job, one.promise
    down = any(word in job.reason.lower() for word in _NODES_AWAY)
    if job.state != "PENDING" or not down:
        return
    late = "; its deadline cannot be met any more" if now_ns > promise.latest_start_ns else ""
    say(f"lowtide: job {job.submitted_id} waits for its nodes ({job.reason}){late}")


def _decided(one: Submitted, site: SiteOption, now_ns: int, from_ns: int) -> StartPlan:
    promise = one.promise
    if one.goes is not None and one.goes.list:
        return _back_in_the_queue(one, one.goes, site, now_ns)
    plan = choose_start(
        promise.job,
        site,
        now_ns=max([now_ns, *one.after_ns]),
        deadline_ns=promise.deadline_ns,
        margin_fraction=promise.margin_fraction,
        min_saving_fraction=promise.min_saving_fraction,
        keep_ns=from_ns,
        may_pause=promise.pause == "checkpoint" and promise.n_tasks == 1,
    )
    return plan if promise.power_known else replace(plan, emissions_g=None, at_once_g=None)


def _back_in_the_queue(one: Submitted, goes: Goes, site: SiteOption, now_ns: int) -> StartPlan:
    """Return the next start of a job that has left: of the work that is left, and not before Slurm lets it."""
    promise, last = one.promise, goes.list[-1]
    rest = rest_of(
        promise, site, now_ns=now_ns, done_s=goes.done_s(promise.task.work_s, now_ns),
        runs_ns=goes.runs_ns(now_ns if last.left_ns is None else last.left_ns), begun="paused",
    )  # fmt: skip
    begin_ns = next_begin_ns(rest, delay_s=1.0)
    if last.requeued_ns is not None and last.begin_ns is not None and begin_ns < last.begin_ns:
        begin_ns = max(begin_ns, last.requeued_ns + ns_from_s(one.delay_s))
    left_ns = ns_from_s(max(0.0, promise.task.work_s - rest.view.done_s))
    return replace(
        promise.last, made_ns=now_ns, start_ns=-(-begin_ns // NS_PER_S) * NS_PER_S, end_ns=begin_ns + left_ns,
        why=rest.decision.why,
    )  # fmt: skip
