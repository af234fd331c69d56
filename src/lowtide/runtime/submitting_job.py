"""How long a job for Slurm takes, what it draws, and where both are known from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lowtide.errors import InputError, QuantityError
from lowtide.executors.job_scripts import option_value, parse_time_limit_s
from lowtide.model.planning import Job
from lowtide.planning.durations import N_LEAST
from lowtide.quantities import format_duration, parse_duration_s, parse_power_w
from lowtide.runtime.planning import PlanRequest
from lowtide.runtime.planning_job import job_of
from lowtide.units import NS_PER_H, NS_PER_S

if TYPE_CHECKING:
    from lowtide.runtime.planning_runs import PastRuns
    from lowtide.runtime.submitting import SubmitRequest
    from lowtide.stores.ledger import Ledger

__all__ = ["JobKnown", "job_known", "job_name", "time_limit_s"]

_ANY_POWER: Final = "1kW"
"""Power where none is known: change against now does not depend on it, and no grams are told."""
_FIRST_S: Final = NS_PER_H / NS_PER_S
"""What is compared of jobs of unknown duration: their first hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKnown:
    """A job, and how well it is known.

    Attributes
    ----------
    job : Job
    power_known : bool
    duration_from : str
        Empty where it is not known: the job is then one hour long.
    notes : tuple of str
    """

    job: Job
    power_known: bool
    duration_from: str
    notes: tuple[str, ...] = ()


def job_name(script: str, words: Sequence[str], in_script: Sequence[str], env: Mapping[str, str]) -> str:
    """Return the name Slurm will give a job: its options', else its script's."""
    given = option_value(words, "--job-name", "-J") or env.get("SBATCH_JOB_NAME")
    return given or option_value(in_script, "--job-name", "-J") or os.path.basename(script)


def time_limit_s(words: Sequence[str], in_script: Sequence[str], env: Mapping[str, str]) -> float | None:
    """Return the time limit a job asks for [s], as sbatch looks for it; None where it asks for none."""
    text = option_value(words, "--time", "-t") or env.get("SBATCH_TIMELIMIT")
    text = text or option_value(in_script, "--time", "-t")
    return None if text is None else parse_time_limit_s(text)


def job_known(request: SubmitRequest, ledger: Ledger, *, name: str, limit_s: float | None) -> JobKnown:
    """Return the job of a request.

    Its duration is what is given, else what nine in ten past runs of its name did not exceed, else its time limit.

    Raises
    ------
    InputError
        If a value is wrong, or the duration is not known and the end is bounded.
    """
    found = _known(request, ledger, name, limit_s)
    if request.idle_power is not None:
        if not found.power_known:
            raise InputError("--idle-power is compared with the running power: give --power too")
        found = replace(found, job=replace(found.job, idle_power_w=parse_power_w(request.idle_power)))
    if limit_s is not None and found.duration_from and found.job.work_s > limit_s:
        lasts = f"the duration {format_duration(found.job.work_s)} is longer than"
        what = (
            "it saves before that and goes on in its next start"
            if request.pause == "checkpoint"
            else ("Slurm will end the job before it is done")
        )
        note = f"{lasts} the time limit {format_duration(limit_s)}: {what}"
        found = replace(found, notes=(*found.notes, note))
    return found


def _known(request: SubmitRequest, ledger: Ledger, name: str, limit_s: float | None) -> JobKnown:
    if request.like is not None or request.past_runs is not None:
        return _told(request, ledger)
    told = request.duration is not None and (request.power is not None or request.gpus is not None)
    past = None if told else _learnt(ledger, name)
    if request.duration is not None:
        duration_s, source = parse_duration_s(request.duration), "given"
    elif past is not None:
        duration_s = past.durations.p90_s
        source = f"learnt from {len(past.durations.seconds)} runs named {name!r} (p90)"
    elif limit_s is not None:
        duration_s, source = limit_s, "the time limit, at most"
    elif request.start_within is not None:
        duration_s, source = _FIRST_S, ""
    else:
        raise InputError(
            f"how long does {name!r} take? give --duration 6h or a time limit (--time), finish {N_LEAST} runs of that "
            "name under `lowtide run --name`, or bound only the start with --start-within"
        )
    if not duration_s > 0.0:
        raise QuantityError(f"--duration {request.duration} must be longer than nothing")
    return _powered(request, ledger, duration_s, source, past)


def _told(request: SubmitRequest, ledger: Ledger) -> JobKnown:
    """Return the job that a run, or the past runs of a name, tell of."""
    if request.duration is not None:
        flag = "--like" if request.like is not None else "--past-runs"
        raise InputError(f"{flag} says how long it takes; leave out --duration, or say --power with it")
    job, notes = job_of(
        PlanRequest(like=request.like, past_runs=request.past_runs, power=request.power, gpus=request.gpus),
        ledger,
    )
    told = f"run {request.like!r}" if request.like is not None else f"runs named {request.past_runs!r} (p90)"
    return JobKnown(job=job, power_known=True, duration_from=f"learnt from {told}", notes=notes)


def _learnt(ledger: Ledger, name: str) -> PastRuns | None:
    """Return what past runs of a name tell; None where there are too few."""
    if sum(its == name for _, its in ledger.names()) < N_LEAST:
        return None
    from lowtide.runtime.planning_runs import past_runs

    try:
        return past_runs(ledger, name)
    except InputError:  # enough were begun, too few of them finished
        return None


def _powered(
    request: SubmitRequest, ledger: Ledger, duration_s: float, source: str, past: PastRuns | None
) -> JobKnown:
    """Return a job of known duration with the power that is given, else learnt, else any."""
    if request.power is None and request.gpus is None and past is not None:
        job = Job.constant(duration_s=duration_s, power_w=past.power_w)
        return JobKnown(job=job, power_known=True, duration_from=source)
    known = request.power is not None or request.gpus is not None
    asked = PlanRequest(
        duration=f"{duration_s!r}s",
        power=request.power if known else _ANY_POWER,
        gpus=request.gpus,
        load=request.load,
    )
    job, notes = job_of(asked, ledger)
    return JobKnown(job=job, power_known=known, duration_from=source, notes=notes)
