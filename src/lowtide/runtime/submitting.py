"""A job script handed to Slurm with the start that emits least: planned first, submitted once, the promise kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError
from lowtide.executors.job_scripts import has_word, option_value, sbatch_options
from lowtide.quantities import (
    parse_duration_s,
    parse_fraction,
    parse_instant_ns,
)
from lowtide.runtime.config import Config
from lowtide.runtime.submitting_arrays import array_size, parents_end_ns, parents_of
from lowtide.runtime.submitting_job import job_known, job_name, time_limit_s
from lowtide.runtime.submitting_pauses import pausing_of, script_for
from lowtide.runtime.submitting_promise import (
    Promise,
    StartPlan,
    make_comment,
    scaled,
    submissions_dir,
    write_promise,
)
from lowtide.runtime.submitting_start import choose_start, site_of
from lowtide.runtime.submitting_text import remarks
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.executors.slurm import Slurm
    from lowtide.stores.ledger import Ledger

__all__ = ["BOUNDS", "Submission", "SubmitRequest", "plan_submission", "submit"]

BOUNDS: Final = ("within", "deadline", "slack", "start_within")
_SETTINGS: Final = ("zone", "intensity", "provider", "basis", "factors", "pue", "site", "offline", "cache")
"""Settings that say which intensity; kept with the promise, so that a later plan asks for the same."""
_OURS: Final = (
    ("--begin", "-b", "lowtide chooses the start; give --start-within or a deadline instead"),
    ("--wait", "-W", "sbatch would wait for hours; ask squeue, or `lowtide submit --list`"),
    ("--test-only", "--test-only", "use --dry-run, which submits nothing either"),
    ("--wrap", "--wrap", "write the command into a script"),
    ("--clusters", "-M", "lowtide speaks to one cluster, the one of slurm.conf"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """A job to be submitted, as typed; texts are read and checked by :func:`plan_submission`.

    Exactly one of `within`, `deadline`, `slack` and `start_within` bounds it. `words` go to sbatch before the
    script, `arguments` to the script.
    """

    script: str
    words: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    within: str | None = None
    deadline: str | None = None
    slack: str | None = None
    start_within: str | None = None
    duration: str | None = None
    power: str | None = None
    gpus: str | None = None
    load: str | None = None
    like: str | None = None
    past_runs: str | None = None
    idle_power: str | None = None
    history: str | None = None
    margin: str | None = None
    min_saving: str | None = None
    pause: str = "none"
    pause_signal: str | None = None
    grace: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A planned submission: the promise, when Slurm is to begin, and what the user should know.

    Attributes
    ----------
    promise : Promise
        Its `job_id` is 0.
    begin_ns : int or None
        None: at once.
    theirs : str or None
        What the user wants in the job's comment.
    notes : tuple of str
    """

    promise: Promise
    begin_ns: int | None
    theirs: str | None
    notes: tuple[str, ...]


def plan_submission(
    request: SubmitRequest, config: Config, *, ledger: Ledger, env: Mapping[str, str], now_ns: int
) -> Submission:
    """Return when a job is to begin and what is promised; nothing is submitted.

    Raises
    ------
    InputError
        If a value is wrong or missing, or an option of sbatch stands against it; says what would work.
    """
    in_script = sbatch_options(read_script(request.script))
    _check_words(request, in_script)
    limit_s = time_limit_s(request.words, in_script, env)
    name = request.name or job_name(request.script, request.words, in_script, env)
    one = job_known(request, ledger, name=name, limit_s=limit_s)
    size = array_size(request.words, in_script, env)
    known = replace(one, job=scaled(one.job, -(-size.n_tasks // size.n_at_once), size.n_at_once))
    after = parents_of(request.words, in_script)
    margin, least = _share(request.margin, 0.1), _share(request.min_saving, 0.03)
    work_s = known.job.work_s
    deadline_ns, bound = _deadline(request, work_s, margin, now_ns)
    site, notes = site_of(config, request.history, known.job, now_ns=now_ns, until_ns=deadline_ns)
    pausing = pausing_of(request, known)
    start = choose_start(
        known.job, site, now_ns=parents_end_ns(ledger, after, now_ns), deadline_ns=deadline_ns,
        margin_fraction=margin, min_saving_fraction=least,
        may_pause=pausing.pause == "checkpoint" and size.n_tasks == 1,
    )  # fmt: skip
    promise = Promise(
        job_id=0,
        name=name,
        script=os.path.abspath(request.script),
        submitted_ns=now_ns,
        deadline_ns=deadline_ns,
        latest_start_ns=max(now_ns, deadline_ns - ns_from_s(work_s * (1.0 + margin))),
        bound=bound,
        job=known.job,
        power_known=known.power_known,
        duration_from=known.duration_from,
        margin_fraction=margin,
        min_saving_fraction=least,
        pause=pausing.pause,
        zone=site.zone,
        basis=site.intensity.signal.basis,
        settings=_settings(config),
        history=None if request.history is None else os.path.abspath(request.history),
        first=start,
        last=start,
        n_tasks=size.n_tasks,
        n_at_once=size.n_at_once,
        after=after,
        pause_signal=pausing.signal,
        grace_s=pausing.grace_s,
    )
    if not known.power_known:
        promise = replace(promise, first=_without_grams(start), last=_without_grams(start))
    theirs = option_value(request.words, "--comment") or option_value(in_script, "--comment")
    said = (*known.notes, *notes, *remarks(promise, limit_s))
    begin_ns = start.start_ns if start.start_ns > now_ns else None
    return Submission(promise=promise, begin_ns=begin_ns, theirs=theirs, notes=said)


def submit(
    request: SubmitRequest,
    planned: Submission,
    *,
    ledger: Ledger,
    slurm: Slurm,
    say: Callable[[str], None],
) -> Promise:
    """Submit a planned job, keep its promise, and return it with the job's number.

    Parameters
    ----------
    request : SubmitRequest
    planned : Submission
    ledger : Ledger
    slurm : Slurm
    say : callable
        Gets what sbatch writes on standard error, and what went wrong after the job was submitted.

    Raises
    ------
    InputError
        If promises cannot be kept in the ledger; nothing has been submitted then.
    ExecutorError
        If Slurm refuses.
    """
    _check_writable(submissions_dir(ledger))
    with script_for(planned.promise, ledger) as (script, more):
        job_id = slurm.submit(
            script,
            request.arguments,
            options=[*(word for word in request.words if word not in ("-Q", "--quiet", "--parsable")), *more],
            begin_ns=planned.begin_ns,
            comment=make_comment(planned.promise, planned.theirs),
            say=say,
        )
    promise = replace(planned.promise, job_id=job_id)
    try:
        write_promise(ledger, promise)
    except OSError as error:  # the job is in the queue: a full disk must not look as if it were not
        say(f"lowtide: job {job_id} is submitted, but its promise is not kept: {error}")
    return promise


def read_script(path: str) -> str:
    """Return the text of a job script.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"cannot read the job script {path}: {error.strerror}") from error


def _check_words(request: SubmitRequest, in_script: list[str]) -> None:
    words = request.words
    for long, short, instead in _OURS:
        for where, found in (("", words), (" in the script", in_script)):
            if has_word(found, long, short):
                raise InputError(f"leave out sbatch's {long}{where}: {instead}")
    if has_word(in_script, "--quiet", "-Q"):
        raise InputError(
            "leave out #SBATCH --quiet: sbatch would not tell the number of the job; use --quiet after the script"
        )
    if request.pause == "checkpoint" and (
        has_word(words, "--no-requeue") or has_word(in_script, "--no-requeue")
    ):
        raise InputError("leave out sbatch's --no-requeue: a job that has saved goes back into the queue")
    loose = [word for word in words[:1] if not word.startswith("-")]
    if loose:
        raise InputError(f"{loose[0]!r} is no flag of sbatch; write arguments of the script after --")


def _share(text: str | None, default: float) -> float:
    return default if text is None else parse_fraction(text)


def _deadline(request: SubmitRequest, work_s: float, margin: float, now_ns: int) -> tuple[int, str]:
    """Return when the job must be done, and what said so."""
    given = [name for name in BOUNDS if getattr(request, name) is not None]
    if len(given) != 1:
        got = f"; got {' and '.join('--' + name.replace('_', '-') for name in given)}" if given else ""
        raise InputError(
            f"say until when with one of --within 24h, --deadline T, --slack 12h or --start-within 6h{got}"
        )
    (bound,) = given
    text = str(getattr(request, bound)).strip()
    if bound == "deadline":
        return parse_instant_ns(text), bound
    if bound == "within":
        return now_ns + ns_from_s(parse_duration_s(text)), bound
    if bound == "start_within":
        return now_ns + ns_from_s(parse_duration_s(text)) + ns_from_s(work_s * (1.0 + margin)), bound
    slack_s = parse_fraction(text) * work_s if text.endswith("%") else parse_duration_s(text)
    return now_ns + ns_from_s(work_s + slack_s), bound


def _settings(config: Config) -> dict[str, str]:
    found = {name: setting.value for name in _SETTINGS if (setting := config.get(name)) is not None}
    for name in ("intensity", "pue"):  # a later plan is made in another folder
        if name in found and os.path.exists(found[name]):
            found[name] = os.path.abspath(found[name])
    return found


def _without_grams(start: StartPlan) -> StartPlan:
    return replace(start, emissions_g=None, at_once_g=None)


def _check_writable(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"promises cannot be kept in {folder}: {error.strerror}; give another --ledger"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"promises cannot be kept in {folder}: it may not be written; give another --ledger")
