"""Jobs handed to sites, kept in the ledger: written before the site is asked, so that none is ever made twice.

::

    LEDGER/submissions/sites/TAG.json    one job
    LEDGER/submissions/sites/TAG.lock    held by whoever submits it, the site's own command included
    LEDGER/submissions/sites/TAG/        its pause file and its progress
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from lowtide.errors import ExecutorError, InputError, StoreError
from lowtide.runtime.submitting_promise import Promise, submissions_dir
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json
from lowtide.stores.ledger import Ledger

__all__ = [
    "SiteJob",
    "drop_site_job",
    "find_site_job",
    "job_folder",
    "keep_site_job",
    "locked",
    "new_tag",
    "site_jobs",
    "sites_dir",
]

State = Literal["asked", "submitted", "leaving", "left", "moved", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteJob:
    """A job handed to a site.

    Attributes
    ----------
    tag : str
        What only this job has in that site's queue.
    site, submit : str
        Where it went, and by which command template.
    queue : str or None
        The site's own command for its queue.
    words, arguments : tuple of str
        For sbatch, and for the script.
    job : str or None
        Its number or name as the site gave it; None while that is unknown.
    state : {"asked", "submitted", "leaving", "left", "moved", "ended"}
        ``asked``: the site's command may have run. ``leaving``: it was asked to save, to go on at `to_site`.
        ``left``: it has ended there, or never began, and is to be submitted at `to_site`.
    promise : Promise
        Its `job_id` is the number where the site gave one.
    ready_ns : int or None
        When its data are there.
    resume : bool
        Whether it goes on from what it saved elsewhere.
    from_tag, to_site, to_tag : str or None
        The job it goes on from, where it is moving to, and what it became there.
    note : str
        How it ended or left.
    """

    tag: str
    site: str
    submit: str
    queue: str | None
    words: tuple[str, ...]
    arguments: tuple[str, ...]
    job: str | None
    state: State
    promise: Promise
    ready_ns: int | None = None
    resume: bool = False
    from_tag: str | None = None
    to_site: str | None = None
    to_tag: str | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """Its number with its site, ``west/12``."""
        return f"{self.site}/{self.job}" if self.job else self.tag


def new_tag(now_ns: int) -> str:
    """Return a text that no other job has; letters, digits and dashes only."""
    stamp = time.strftime("%Y%m%dt%H%M%S", time.gmtime(now_ns // 10**9))
    return f"lowtide-{stamp}-{os.urandom(4).hex()}"


def sites_dir(ledger: Ledger) -> str:
    """Return the folder of a ledger's jobs at sites."""
    return os.path.join(submissions_dir(ledger), "sites")


def job_folder(ledger: Ledger, tag: str) -> str:
    """Return the folder of a job's pause file and progress."""
    return os.path.join(sites_dir(ledger), tag)


def keep_site_job(ledger: Ledger, job: SiteJob) -> None:
    """Keep a job, instead of what was kept of it before.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        os.makedirs(job_folder(ledger, job.tag), exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {sites_dir(ledger)}: {error.strerror}") from error
    write_json(_path(ledger, job.tag), to_plain(job))


def drop_site_job(ledger: Ledger, tag: str) -> None:
    """Forget a job that was never made."""
    for path in (_path(ledger, tag), _lock_path(ledger, tag)):
        if os.path.exists(path):
            os.remove(path)
    folder = job_folder(ledger, tag)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)


def site_jobs(ledger: Ledger) -> list[SiteJob]:
    """Return all jobs handed to sites, the oldest first.

    Raises
    ------
    DataFileError
        If a file is damaged; names it.
    """
    try:
        names = sorted(name for name in os.listdir(sites_dir(ledger)) if name.endswith(".json"))
    except FileNotFoundError:
        return []
    paths = [os.path.join(sites_dir(ledger), name) for name in names]
    return [from_plain(SiteJob, read_json(path), path=path) for path in paths]


def find_site_job(ledger: Ledger, query: str) -> SiteJob:
    """Return the job meant by a tag, ``west/12`` or a number.

    Raises
    ------
    InputError
        If there is none, or there are several; names what would work.
    """
    kept = site_jobs(ledger)
    found = [job for job in kept if query in (job.tag, job.label, job.job)]
    if len(found) == 1:
        return found[0]
    if found:
        labels = ", ".join(job.label for job in found)
        raise InputError(f"job {query} is at several sites; write one of {labels}")
    known = ", ".join(job.label for job in kept if job.state != "ended") or "none"
    raise InputError(
        f"no job {query!r} was handed to a site with `lowtide submit --site`; there are: {known}"
    )


@contextmanager
def locked(ledger: Ledger, tag: str, *, wait_s: float = 30.0) -> Iterator[int]:
    """Hold the lock of a job and yield the open file; a command that keeps it open holds it too.

    Raises
    ------
    ExecutorError
        If somebody else, or a command somebody started, still has it after `wait_s`.
    """
    os.makedirs(sites_dir(ledger), exist_ok=True)
    fd = os.open(_lock_path(ledger, tag), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for(fd, tag, wait_s)
        yield fd
    finally:
        os.close(fd)


_EVERY_S: Final = 0.05


def _wait_for(fd: int, tag: str, wait_s: float) -> None:
    until_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise ExecutorError(
                    f"job {tag} is just being submitted or moved by another command; wait for its end"
                ) from None
            time.sleep(_EVERY_S)
        else:
            return


def _path(ledger: Ledger, tag: str) -> str:
    return os.path.join(sites_dir(ledger), f"{tag}.json")


def _lock_path(ledger: Ledger, tag: str) -> str:
    return os.path.join(sites_dir(ledger), f"{tag}.lock")
