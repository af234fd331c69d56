"""Jobs at sites found again: in the queue of their site, by their tag, whatever became of whoever submitted them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import ExecutorError
from lowtide.executors.site_commands import SiteSlurm, parse_command, run_words, site_slurm
from lowtide.executors.slurm_jobs import SlurmJob
from lowtide.model.pausing import EX_TEMPFAIL
from lowtide.quantities import format_instant
from lowtide.runtime.submitting_sites_kept import (
    SiteJob,
    drop_site_job,
    job_folder,
    keep_site_job,
    locked,
    site_jobs,
)
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["SAVED", "Listed", "keep_submitted", "listed", "number_in_queue", "settle", "slurm_of"]

SAVED: Final = f"left with status {EX_TEMPFAIL}"
"""The note of a job that has said with its status that it saved."""
_REMEMBERED_S: Final = 240.0
"""Slurm lists a job for at least MinJobAge after its end (300 s unless a site shortened it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A job at a site with what its Slurm says of it; None where it does not list it, or is none."""

    kept: SiteJob
    found: SlurmJob | None


def settle(
    ledger: Ledger, *, env: Mapping[str, str], say: Callable[[str], None], now_ns: int
) -> list[SiteJob]:
    """Look for all jobs whose submission was cut short; return those that their sites have.

    Raises
    ------
    ExecutorError
        If a site cannot be asked, or has forgotten what it would have to tell.
    """
    found = []
    for one in site_jobs(ledger):
        if one.state != "asked":
            continue
        with locked(ledger, one.tag):  # a submission under way, or its command, ends first
            settled = _settled(one, ledger, env, now_ns)
        if settled is not None:
            say(f"lowtide: job {settled.label} was submitted by a command that was cut short")
            found.append(settled)
    return found


def _settled(one: SiteJob, ledger: Ledger, env: Mapping[str, str], now_ns: int) -> SiteJob | None:
    kept = next((job for job in site_jobs(ledger) if job.tag == one.tag), None)
    if kept is None or kept.state != "asked":
        return None
    number = number_in_queue(kept, env)
    if number is not None:
        return keep_submitted(kept, number, ledger)
    waits = kept.promise.last.start_ns > now_ns
    if not waits and now_ns - kept.promise.submitted_ns > _REMEMBERED_S * NS_PER_S:
        raise ExecutorError(
            f"{kept.promise.script} was being submitted to {kept.site} at "
            f"{format_instant(kept.promise.submitted_ns)[:16]}Z when it was cut short, and the queue there may have "
            f"forgotten it. If no job with {kept.tag} in its comment has run, remove "
            f"{job_folder(ledger, kept.tag)}.json"
        )
    drop_site_job(ledger, kept.tag)
    return None


def keep_submitted(job: SiteJob, number: str | None, ledger: Ledger) -> SiteJob:
    """Keep a job as submitted, with the number its site gave it."""
    job_id = int(number) if number is not None and number.isdigit() else 0
    kept = replace(job, state="submitted", job=number, promise=replace(job.promise, job_id=job_id))
    keep_site_job(ledger, kept)
    return kept


def number_in_queue(job: SiteJob, env: Mapping[str, str]) -> str | None:
    """Return the number of a job in its site's queue, None where it is not there.

    Raises
    ------
    ExecutorError
        If the site cannot be asked.
    """
    if job.queue is not None:
        asked = parse_command(job.queue, f"[site.{job.site}] queue", allowed=("tag", "name"))
        words = asked.filled({"tag": job.tag, "name": job.promise.name})
        said = run_words(words, what=f"site {job.site}", env=env).stdout
        line = next((line for line in said.splitlines() if job.tag in line), None)
        return None if line is None else _first_word(line, job.tag)
    slurm = slurm_of(job, env)
    if slurm is None:
        raise ExecutorError(
            f"the queue of {job.site} cannot be asked: write queue = ... into [site.{job.site}], a command that "
            "prints a line with the tag of each job"
        )
    found = next((one for one in slurm.jobs(ended_too=True) if job.tag in one.comment), None)
    return None if found is None else str(found.submitted_id)


def _first_word(line: str, tag: str) -> str:
    number = re.search(r"\b\d+\b", line.replace(tag, ""))
    return number[0] if number else line.split()[0]


def slurm_of(job: SiteJob, env: Mapping[str, str]) -> SiteSlurm | None:
    """Return the Slurm a job was handed to, None where it was none."""
    return site_slurm(job.site, parse_command(job.submit, f"[site.{job.site}] submit"), env=env)


def listed(
    ledger: Ledger, *, env: Mapping[str, str], say: Callable[[str], None], ended_too: bool = False
) -> list[Listed]:
    """Return the jobs at sites that have not ended, with what their Slurms say; each site is asked once."""
    found: list[Listed] = []
    queues: dict[str, Sequence[SlurmJob] | None] = {}
    for kept in site_jobs(ledger):
        if kept.state in ("ended", "moved"):
            continue
        if kept.submit not in queues:
            queues[kept.submit] = _queue(kept, env, say)
        queue = queues[kept.submit]
        job = next((one for one in queue or () if kept.tag in one.comment), None)
        is_gone = queue is not None and (job is None or job.has_ended)
        if is_gone and kept.state == "submitted" and not ended_too:
            kept = _gone(kept, job, ledger, env, say)
        if kept.state != "ended":
            found.append(Listed(kept=kept, found=None if kept.state == "left" else job))
    return found


def _gone(
    kept: SiteJob, job: SlurmJob | None, ledger: Ledger, env: Mapping[str, str], say: Callable[[str], None]
) -> SiteJob:
    """Keep that a job has ended, or that it has left: then it is to go on, and nobody has put it back."""
    try:
        has_saved = job is not None and _has_saved(kept, job, env)
    except ExecutorError as error:
        say(f"lowtide: how job {kept.label} ended cannot be told now: {error}")
        return kept
    if not has_saved:
        gone = replace(kept, state="ended", note=job.state if job else "")
    else:
        gone = replace(kept, state="left", to_site=None, note=SAVED, resume=True)
        say(
            f"lowtide: job {kept.label} has saved and {SAVED}; it goes on with `lowtide submit --move {kept.label} "
            "--site NAME`"
        )
    keep_site_job(ledger, gone)
    return gone


def _has_saved(kept: SiteJob, job: SlurmJob, env: Mapping[str, str]) -> bool:
    """Return whether a job that has ended left with 75; squeue does not tell. Tasks of an array cannot be moved."""
    slurm = slurm_of(kept, env)
    exact = None if slurm is None or job.array_tasks else slurm.job(job.job_id)
    return exact is not None and exact.exit_code == EX_TEMPFAIL


def _queue(kept: SiteJob, env: Mapping[str, str], say: Callable[[str], None]) -> Sequence[SlurmJob] | None:
    """Return all jobs at a site, None where it cannot be asked."""
    slurm = slurm_of(kept, env)
    if slurm is None:
        return None
    try:
        return slurm.jobs(ended_too=True)
    except ExecutorError as error:
        say(f"lowtide: {error}")
        return None
