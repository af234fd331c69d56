"""A job that goes on at another site: asked to save and leave, awaited, submitted there with what it saved.

Each step is kept before it is done, so the same command takes up a move that was cut short where it stopped.
What was saved must lie in a folder that both sites see; so must the ledger, which holds the pause file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import ExecutorError, InputError
from lowtide.executors.site_commands import SiteSlurm
from lowtide.executors.slurm_jobs import SlurmJob
from lowtide.model.pausing import EX_TEMPFAIL, PAUSE_FILE, WATCHED
from lowtide.runtime.submitting_promise import StartPlan
from lowtide.runtime.submitting_sites import send
from lowtide.runtime.submitting_sites_found import SAVED, settle, slurm_of
from lowtide.runtime.submitting_sites_kept import (
    SiteJob,
    find_site_job,
    job_folder,
    keep_site_job,
    locked,
    new_tag,
    site_jobs,
)
from lowtide.runtime.submitting_sites_offers import settings_at
from lowtide.runtime.submitting_sites_plan import submit_command

if TYPE_CHECKING:
    from lowtide.runtime.config import Config
    from lowtide.stores.ledger import Ledger

__all__ = ["move_job"]

_EVERY_S: Final = 0.5
_RUNS: Final = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "CONFIGURING")


def move_job(
    query: str,
    to_site: str,
    config: Config,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    say: Callable[[str], None],
    grace_s: float = 60.0,
) -> SiteJob | None:
    """Move a job to another site and return it as submitted there.

    A waiting job is cancelled there and submitted here. A running one is asked to save by its pause file, gets
    `grace_s`, and is submitted with ``LOWTIDE_RESUME=1`` once it has left with status 75 (or 0).

    Returns
    -------
    SiteJob or None
        None where it had done all its work, and nothing was left to move.

    Raises
    ------
    InputError
        If there is no such job or site, it is there already, has ended, or does not look at its pause file.
    ExecutorError
        If it did not leave within its grace (it runs on then), or failed instead of saving.
    """
    command = submit_command(config.site(to_site))
    if command is None:
        raise InputError(f"jobs cannot be handed to {to_site}: write submit = ... into [site.{to_site}]")
    settle(ledger, env=env, say=say, now_ns=time.time_ns())
    job = find_site_job(ledger, query)
    with locked(ledger, job.tag):
        job = find_site_job(ledger, job.tag)
        _check_movable(job, to_site)
        if job.state == "left":
            job = replace(job, to_site=to_site)
            keep_site_job(ledger, job)
        else:
            left = _leave(job, to_site, ledger=ledger, env=env, say=say, grace_s=grace_s)
            if left is None:
                return None
            job = left
        return _arrive(job, config, ledger=ledger, env=env, say=say)


def _check_movable(job: SiteJob, to_site: str) -> None:
    if job.state in ("moved", "ended"):
        what = (
            f"went on at {job.to_site}"
            if job.state == "moved"
            else f"has ended ({job.note or 'no reason told'})"
        )
        raise InputError(f"job {job.label} {what}; it cannot be moved")
    if job.site == to_site and job.state != "left":
        raise InputError(f"job {job.label} is at {to_site} already")
    if job.to_site not in (None, to_site) and job.state == "left":
        raise InputError(f"job {job.label} has left for {job.to_site}: finish with --site {job.to_site}")


def _leave(
    job: SiteJob,
    to_site: str,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    say: Callable[[str], None],
    grace_s: float,
) -> SiteJob | None:
    """Return the job once it has left its site; None where it had done all its work."""
    slurm = slurm_of(job, env)
    if slurm is None:
        raise InputError(f"{job.site} is no Slurm, and no other queue can be asked how a job ended")
    job = replace(job, state="leaving", to_site=to_site)
    keep_site_job(ledger, job)
    found = _found(job, slurm)
    if found.state == "PENDING":
        slurm.cancel_waiting(found.submitted_id)
        found = _found(job, slurm)
        if found.state == "CANCELLED":
            return _left(job, ledger, "had not begun", resume=job.resume)
    was_asked = os.path.exists(_pause_file(job, ledger))  # by a move that was cut short
    if not found.has_ended:
        found, was_asked = _asked(job, slurm, found, ledger=ledger, say=say, grace_s=grace_s), True
    return _judged(job, found, ledger, was_asked=was_asked)


def _pause_file(job: SiteJob, ledger: Ledger) -> str:
    return os.path.join(job_folder(ledger, job.tag), "pause")


def _found(job: SiteJob, slurm: SiteSlurm) -> SlurmJob:
    """Return what a job's site says of it now, its exit status too."""
    found = next((one for one in slurm.jobs(ended_too=True) if job.tag in one.comment), None)
    exact = None if found is None else slurm.job(found.job_id)
    if found is None or exact is None:
        raise ExecutorError(
            f"{job.site} does not list job {job.label} any more: how it ended cannot be told, and it is not submitted "
            "again"
        )
    if found.array_tasks:
        raise InputError(f"job {job.label} is an array; its tasks cannot be moved")
    return exact


def _asked(
    job: SiteJob,
    slurm: SiteSlurm,
    found: SlurmJob,
    *,
    ledger: Ledger,
    say: Callable[[str], None],
    grace_s: float,
) -> SlurmJob:
    """Ask a running job to save and leave; return it once it has ended."""
    path = _pause_file(job, ledger)
    if not os.path.exists(path + WATCHED):
        keep_site_job(ledger, replace(job, state="submitted", to_site=None))
        raise InputError(
            f"job {job.label} does not look at ${PAUSE_FILE} (there is no {path}{WATCHED}): it would have to be ended "
            "unsaved, and is left running"
        )
    with open(path, "w", encoding="utf-8") as file:
        file.write("move\n")
    say(f"lowtide: job {job.label} is asked to save and leave")
    until_s = time.monotonic() + grace_s
    while not found.has_ended and time.monotonic() < until_s:
        time.sleep(_EVERY_S)
        found = _found(job, slurm)
    if found.has_ended:
        return found
    os.remove(path)
    found = _found(job, slurm)  # it may have seen the file until now
    if found.has_ended:
        return found
    keep_site_job(ledger, replace(job, state="submitted", to_site=None))
    raise ExecutorError(
        f"job {job.label} did not leave within {grace_s:g} s: it is left running at {job.site}; give it longer with "
        "--grace"
    )


def _judged(job: SiteJob, found: SlurmJob, ledger: Ledger, *, was_asked: bool) -> SiteJob | None:
    """Return the job as left where it has saved; None where it had done its work (decision 0006, 4)."""
    if found.exit_code == EX_TEMPFAIL:
        return _left(job, ledger, SAVED, resume=True)
    may_have_saved = was_asked and not _says_saved(job, ledger)
    if found.state == "COMPLETED" and may_have_saved and not _all_done(job, ledger):
        return _left(job, ledger, "left with status 0", resume=True)
    how = f"{found.state}, status {found.exit_code}"
    keep_site_job(ledger, replace(job, state="ended", to_site=None, note=how))
    if found.state == "COMPLETED":
        return None
    raise ExecutorError(f"job {job.label} ended by itself ({how}); it is not submitted again")


def _says_saved(job: SiteJob, ledger: Ledger) -> bool:
    """Return whether a job has left an earlier site with 75: then it has finished where it leaves with 0."""
    kept = {one.tag: one for one in site_jobs(ledger)}
    before = kept.get(job.from_tag or "")
    while before is not None:
        if before.note == SAVED:
            return True
        before = kept.get(before.from_tag or "")
    return False


def _all_done(job: SiteJob, ledger: Ledger) -> bool:
    """Return whether a job's progress says that all work is done."""
    try:
        with open(os.path.join(job_folder(ledger, job.tag), "progress"), encoding="utf-8") as file:
            done, slash, whole = file.read().strip().partition("/")
    except FileNotFoundError:
        return False
    try:
        return float(done) >= (float(whole) if slash else 1.0)
    except ValueError:
        return False


def _left(job: SiteJob, ledger: Ledger, note: str, *, resume: bool) -> SiteJob:
    kept = replace(job, state="left", note=note, resume=resume)
    keep_site_job(ledger, kept)
    return kept


def _arrive(
    job: SiteJob, config: Config, *, ledger: Ledger, env: Mapping[str, str], say: Callable[[str], None]
) -> SiteJob:
    """Submit a job that has left at the site it goes to, once."""
    assert job.to_site is not None
    there = next((one for one in site_jobs(ledger) if one.from_tag == job.tag), None)
    if there is None:
        site = config.site(job.to_site)
        command, now_ns = submit_command(site), time.time_ns()
        assert command is not None
        start = _at_once(job, now_ns)
        there = replace(
            job,
            tag=new_tag(now_ns),
            site=site.name,
            submit=command.text,
            queue=site.queue,
            job=None,
            state="asked",
            promise=replace(job.promise, job_id=0, zone=site.zone or site.name, submitted_ns=now_ns,
                            first=start, last=start, settings=_settings(job, config)),
            ready_ns=None,
            from_tag=job.tag,
            to_site=None,
            note="",
        )  # fmt: skip
        there = send(there, None, ledger=ledger, env=env, say=say, now_ns=now_ns)
    keep_site_job(ledger, replace(job, state="moved", to_tag=there.tag))
    return there


def _settings(job: SiteJob, config: Config) -> dict[str, str]:
    """Return the settings of a job where it goes; an intensity that its site's table does not say goes with it."""
    assert job.to_site is not None
    kept, left = job.promise.settings, config.sites.get(job.site)
    own = None if left is None else left.intensity
    is_own = left is None or (own is not None and kept.get("intensity") in (own, os.path.abspath(own)))
    everywhere = config.with_flags({"intensity": None if is_own else kept.get("intensity")})
    return settings_at(kept, everywhere, job.to_site)


def _at_once(job: SiteJob, now_ns: int) -> StartPlan:
    """Return a start now, of which no grams are told: how much work is left is not known here."""
    return StartPlan(
        made_ns=now_ns,
        start_ns=now_ns,
        end_ns=now_ns + job.promise.job.work_ns,
        emissions_g=None,
        at_once_g=None,
        saving_fraction=None,
        why=f"moved from {job.site}",
    )
