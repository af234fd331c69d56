"""What was promised of a job handed to Slurm: kept in the ledger, and in short in the job's comment.

::

    LEDGER/submissions/JOBID.json   one promise
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from lowtide.errors import StoreError
from lowtide.model.planning import Job
from lowtide.quantities import format_instant, parse_instant_ns
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json
from lowtide.stores.ledger import Ledger

__all__ = [
    "Promise",
    "StartPlan",
    "Tag",
    "kept_ids",
    "make_comment",
    "promise_of_job",
    "promise_path",
    "read_comment",
    "read_promise",
    "scaled",
    "submissions_dir",
    "write_promise",
]

_MARK: Final = "lowtide:"
_THEIRS: Final = " | "


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """A start, and what was known of it when it was chosen.

    Attributes
    ----------
    made_ns, start_ns, end_ns : int
        When it was chosen, the start, and the end if the job takes as long as expected.
    emissions_g, at_once_g : float or None
        Of that start and of starting when it was chosen [g]; None where power or intensity is unknown.
    saving_fraction : float or None
        Of that start against starting when it was chosen.
    why : str
    """

    made_ns: int
    start_ns: int
    end_ns: int
    emissions_g: float | None
    at_once_g: float | None
    saving_fraction: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A job handed to Slurm, with what its start was chosen for.

    Attributes
    ----------
    job_id : int
        As sbatch gave it; of an array, the whole array's. 0 while it is not submitted.
    name, script : str
    submitted_ns, deadline_ns, latest_start_ns : int
    bound : str
        ``within``, ``deadline``, ``slack`` or ``start_within``.
    job : Job
        Where `power_known` is false its power is 1 kW, which no gram is told of. Of an array it is the whole array,
        as many tasks at once as may run; :attr:`task` is one of them.
    power_known : bool
    duration_from : str
        Where the duration comes from, in words; empty where it is not known at all.
    margin_fraction, min_saving_fraction : float
    pause : {"none", "freeze", "checkpoint"}
    zone, basis : str
    settings : mapping of str to str
        What the intensity was found by: zone, file, provider and so on.
    history : str or None
        The file a forecast is made from.
    first, last : StartPlan
        The plan it was submitted with and the one it follows now.
    n_moves : int
        How often the start was moved.
    n_tasks, n_at_once : int
        Tasks of an array, and how many of them may run at once.
    after : tuple of int
        Jobs of the same ledger that must end before it begins.
    pause_signal : str
        What tells a job that does not look at its pause file: a name, ``B:`` before it for the script alone.
    grace_s : float
        How long it may take to save [s].
    """

    job_id: int
    name: str
    script: str
    submitted_ns: int
    deadline_ns: int
    latest_start_ns: int
    bound: str
    job: Job
    power_known: bool
    duration_from: str
    margin_fraction: float
    min_saving_fraction: float
    pause: Literal["none", "freeze", "checkpoint"]
    zone: str
    basis: str
    settings: Mapping[str, str]
    history: str | None
    first: StartPlan
    last: StartPlan
    n_moves: int = 0
    n_tasks: int = 1
    n_at_once: int = 1
    after: tuple[int, ...] = ()
    pause_signal: str = ""
    grace_s: float = 60.0

    @property
    def n_waves(self) -> int:
        """How many times over all that may run at once runs."""
        return -(-self.n_tasks // self.n_at_once)

    @property
    def task(self) -> Job:
        """One task of an array, and the job itself where it is none."""
        return self.job if self.n_tasks == 1 else scaled(self.job, 1.0 / self.n_waves, 1.0 / self.n_at_once)


def scaled(job: Job, longer: float, stronger: float) -> Job:
    """Return a job that takes so many times longer at so many times its power.

    >>> found = scaled(Job.constant(duration_s=60.0, power_w=100.0), 3.0, 2.0)
    >>> found.work_s, found.points[0].power_w
    (180.0, 200.0)
    """
    points = tuple(replace(point, power_w=point.power_w * stronger) for point in job.points)
    return replace(
        job,
        work_s=job.work_s * longer,
        points=points,
        profile=job.profile if longer == stronger == 1.0 else None,  # of one task, and no shape of many
        idle_power_w=job.idle_power_w * stronger,
        resume_energy_kwh=job.resume_energy_kwh * stronger,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What a job's comment says: the promise in short; its end is bounded, or only its start."""

    start_ns: int
    deadline_ns: int | None
    latest_start_ns: int | None
    zone: str
    emissions_g: float | None = None


def make_comment(promise: Promise, theirs: str | None = None) -> str:
    """Return the comment of a job; what the user wanted to say follows after a bar.

    A job whose start alone is bounded has no deadline; its comment says ``latest``, when it starts at the latest.
    """
    plan = promise.first
    grams = "" if plan.emissions_g is None else f"g={plan.emissions_g:.6g};"
    only_start = promise.bound == "start_within"
    until = (
        f"latest={_stamp(promise.latest_start_ns)}"
        if only_start
        else f"deadline={_stamp(promise.deadline_ns)}"
    )
    text = f"{_MARK}start={_stamp(plan.start_ns)};{grams}zone={promise.zone};{until}"
    return f"{text}{_THEIRS}{theirs}" if theirs else text


def _stamp(t_ns: int) -> str:
    return format_instant(t_ns)[:19] + "Z"


def read_comment(comment: str) -> Tag | None:
    """Return what a job's comment says; None where it is none of ours.

    Examples
    --------
    >>> text = "lowtide:start=2026-11-22T02:00:00Z;g=310;zone=DE;deadline=2026-11-22T12:00:00Z | mine"
    >>> read_comment(text).emissions_g, read_comment("mine") is None
    (310.0, True)
    """
    if not comment.startswith(_MARK):
        return None
    ours = comment.removeprefix(_MARK).partition(_THEIRS)[0]
    fields = dict(part.partition("=")[::2] for part in ours.split(";"))
    try:
        deadline, latest = (
            parse_instant_ns(fields[n]) if n in fields else None for n in ("deadline", "latest")
        )
        if deadline is None and latest is None:
            return None
        return Tag(
            start_ns=parse_instant_ns(fields["start"]),
            deadline_ns=deadline,
            latest_start_ns=latest,
            zone=fields["zone"],
            emissions_g=float(fields["g"]) if "g" in fields else None,
        )
    except (KeyError, ValueError):
        return None


def submissions_dir(ledger: Ledger) -> str:
    """Return the folder of a ledger's promises."""
    return os.path.join(ledger.path, "submissions")


def promise_path(ledger: Ledger, job_id: int) -> str:
    """Return the file of a promise."""
    return os.path.join(submissions_dir(ledger), f"{job_id}.json")


def kept_ids(ledger: Ledger) -> set[int]:
    """Return the numbers of all jobs with a promise in a ledger, those that ended too."""
    try:
        names = os.listdir(submissions_dir(ledger))
    except FileNotFoundError:
        return set()
    return {int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit()}


def write_promise(ledger: Ledger, promise: Promise) -> None:
    """Keep a promise, instead of what was kept of the same job.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        os.makedirs(submissions_dir(ledger), exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {submissions_dir(ledger)}: {error.strerror}") from error
    write_json(promise_path(ledger, promise.job_id), to_plain(promise))


def read_promise(ledger: Ledger, job_id: int) -> Promise:
    """Return what was promised of a job.

    Raises
    ------
    StoreError
        If nothing was.
    DataFileError
        If the file is damaged.
    """
    path = promise_path(ledger, job_id)
    return from_plain(Promise, read_json(path), path=path)


def promise_of_job(ledger: Ledger, env: Mapping[str, str]) -> Promise | None:
    """Return the promise of the Slurm job that an environment is of; None where there is none.

    Raises
    ------
    DataFileError
        If the file is damaged.
    """
    number = env.get("SLURM_ARRAY_JOB_ID") or env.get("SLURM_JOB_ID") or ""
    if not number.isdigit() or not os.path.exists(promise_path(ledger, int(number))):
        return None
    return read_promise(ledger, int(number))
