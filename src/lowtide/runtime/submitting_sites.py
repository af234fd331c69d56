"""A job handed to a site: journaled, submitted once, found again in the site's queue whatever became of us."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from lowtide.errors import ExecutorError, InputError
from lowtide.executors.job_scripts import option_value, sbatch_options
from lowtide.executors.site_commands import (
    CommandNotFoundError,
    SiteCommand,
    parse_command,
    run_words,
)
from lowtide.model.pausing import PAUSE_FILE, PROGRESS_FILE, RESUME
from lowtide.quantities import format_instant
from lowtide.runtime.submitting import SubmitRequest, read_script
from lowtide.runtime.submitting_promise import make_comment
from lowtide.runtime.submitting_sites_found import keep_submitted, number_in_queue, settle
from lowtide.runtime.submitting_sites_kept import (
    SiteJob,
    drop_site_job,
    job_folder,
    keep_site_job,
    locked,
    new_tag,
)
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.runtime.submitting_sites_plan import SitesPlan
    from lowtide.stores.ledger import Ledger

__all__ = ["request_of", "send", "submit_to_site"]

_NUMBER: Final = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S+)?")
_OURS: Final = ("-Q", "--quiet", "--parsable")


def submit_to_site(
    request: SubmitRequest,
    planned: SitesPlan,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    say: Callable[[str], None],
    now_ns: int,
) -> SiteJob:
    """Submit a planned job and return it as kept.

    An attempt of the same job that was cut short is looked for first: where it reached the queue, that job is it.

    Raises
    ------
    InputError
        If promises cannot be kept in the ledger, or the site's command takes no flags and some are given.
    ExecutorError
        If the site refuses, or it cannot be told whether an earlier attempt reached it.
    """
    job = request_of(request, planned, now_ns=now_ns)
    for found in settle(ledger, env=env, say=say, now_ns=now_ns):
        if _same(found, job):
            say("lowtide: an earlier attempt of this job had reached the queue: nothing is submitted again")
            return found
    return send(job, planned.theirs, ledger=ledger, env=env, say=say, now_ns=now_ns)


def request_of(request: SubmitRequest, planned: SitesPlan, *, now_ns: int) -> SiteJob:
    """Return the job as it is kept before anybody is asked.

    Raises
    ------
    InputError
        If the site's command takes no flags and some are given.
    """
    words = tuple(word for word in request.words if word not in _OURS)
    if words and not planned.command.has("args"):
        raise InputError(
            f"[site.{planned.site}] submit = {planned.command.text!r} has no {{args}}: leave out {' '.join(words)}"
        )
    return SiteJob(
        tag=new_tag(now_ns),
        site=planned.site,
        submit=planned.command.text,
        queue=planned.queue,
        words=words,
        arguments=request.arguments,
        job=None,
        state="asked",
        promise=planned.promise,
        ready_ns=planned.ready_ns,
    )


def _same(one: SiteJob, other: SiteJob) -> bool:
    fields = ("words", "arguments", "resume", "from_tag")
    return one.promise.script == other.promise.script and all(
        getattr(one, f) == getattr(other, f) for f in fields
    )


def send(
    job: SiteJob,
    theirs: str | None,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    say: Callable[[str], None],
    now_ns: int,
) -> SiteJob:
    """Submit a job: keep it, ask its site, keep its number.

    Raises
    ------
    ExecutorError
        If the site refuses; nothing is kept then. Where it is not known what became of it, it stays kept.
    """
    command = parse_command(job.submit, f"[site.{job.site}] submit")
    words, text = _words(job, command, theirs, ledger=ledger, env=env, now_ns=now_ns)
    keep_site_job(ledger, job)
    with locked(ledger, job.tag) as fd:
        try:
            done = run_words(
                words, what=f"site {job.site}", env=_env(job, ledger, env), stdin=text, keep_fds=[fd]
            )
        except CommandNotFoundError:
            drop_site_job(ledger, job.tag)
            raise
        except ExecutorError as error:
            return _after_failure(job, error, ledger=ledger, env=env, say=say)
        for line in done.stderr.splitlines():
            say(line)
        number = _job_of(done.stdout)
        if number is None:
            say(f"lowtide: {job.site} did not name the job it made: {done.stdout.strip()!r}")
        return keep_submitted(job, number, ledger)


def _after_failure(
    job: SiteJob, error: ExecutorError, *, ledger: Ledger, env: Mapping[str, str], say: Callable[[str], None]
) -> SiteJob:
    """Return the job if it is in the queue all the same (a connection that broke); else forget it and fail."""
    try:
        number = number_in_queue(job, env)
    except ExecutorError as unknown:
        raise ExecutorError(
            f"{error}; and whether the job was made cannot be told: {unknown}. It is kept as {job.tag}"
        ) from error
    if number is None:
        drop_site_job(ledger, job.tag)
        raise error
    say(f"lowtide: {error}; but the job is in the queue")
    return keep_submitted(job, number, ledger)


def _job_of(said: str) -> str | None:
    """Return what names a job in what a site's command wrote: its number, else its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in reversed(lines):
        number = _NUMBER.fullmatch(line)
        if number:
            return number[1]
    return lines[-1] if lines else None


def _words(
    job: SiteJob,
    command: SiteCommand,
    theirs: str | None,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    now_ns: int,
) -> tuple[list[str], str | None]:
    """Return the command of a submission, and what it reads where it does not name the script."""
    script, start_ns = job.promise.script, job.promise.first.start_ns
    text = read_script(script)
    args = [*job.words, "--parsable", f"--comment={_comment(job, theirs)}"]
    if start_ns > now_ns:
        # counted from its own now: its clock may be in another time zone
        args.append(f"--begin=now+{-(-(start_ns - now_ns) // NS_PER_S)}")
    args.append(_export(job, text, ledger, env))
    if command.is_remote and option_value(job.words, "--chdir", "-D") is None:
        args.append(f"--chdir={os.getcwd()}")
    values = {
        "script": script,
        "tag": job.tag,
        "begin": format_instant(start_ns)[:19] + "Z",
        "name": job.promise.name,
    }
    filled = command.filled(values, {"args": args, "arguments": job.arguments})
    return filled, None if command.has("script") else text


def _comment(job: SiteJob, theirs: str | None) -> str:
    text = f"{make_comment(job.promise)};site={job.site};tag={job.tag}"
    return f"{text} | {theirs}" if theirs else text


def _protocol(job: SiteJob, ledger: Ledger) -> dict[str, str]:
    """Return what a job finds in its environment (decision 0006)."""
    folder = job_folder(ledger, job.tag)
    found = {PAUSE_FILE: os.path.join(folder, "pause"), PROGRESS_FILE: os.path.join(folder, "progress")}
    return found | ({RESUME: "1"} if job.resume else {})


def _env(job: SiteJob, ledger: Ledger, env: Mapping[str, str]) -> dict[str, str]:
    return {**env, **_protocol(job, ledger)}


def _export(job: SiteJob, script: str, ledger: Ledger, env: Mapping[str, str]) -> str:
    """Return sbatch's ``--export`` with ours beside what was asked for.

    Raises
    ------
    InputError
        If a path has a comma, which no ``--export`` can say.
    """
    ours = [f"{name}={value}" for name, value in _protocol(job, ledger).items()]
    if any("," in pair for pair in ours):
        raise InputError(
            f"the ledger {ledger.path} has a comma in its path, which sbatch --export cannot say"
        )
    asked = option_value(job.words, "--export") or env.get("SBATCH_EXPORT")
    asked = asked or option_value(sbatch_options(script), "--export") or "ALL"
    kept = [] if asked.upper() in ("NONE", "NIL") else [asked]
    return f"--export={','.join([*kept, *ours])}"
