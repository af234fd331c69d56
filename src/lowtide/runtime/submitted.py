"""A run inside a job that ``lowtide submit`` gave to Slurm: held against what was promised then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import LowtideError
from lowtide.model.run_plan import Promise, RunPlan

if TYPE_CHECKING:
    from lowtide.model.record import RunEnd
    from lowtide.runtime.submitting_promise import Promise as Submission
    from lowtide.runtime.submitting_promise import StartPlan
    from lowtide.stores.ledger import Ledger

__all__ = ["plan_of_submission", "with_submission"]


def with_submission(
    end: RunEnd, ledger: Ledger, env: Mapping[str, str], say: Callable[[str], None]
) -> RunEnd:
    """Return the end of a run with the plan of the Slurm job it ran in, where that has one and the run has none.

    What cannot be read costs the comparison, never the bill.
    """
    if end.plan is not None:
        return end
    from lowtide.runtime.submitting_promise import promise_of_job

    try:
        found = promise_of_job(ledger, env)
    except LowtideError as error:
        say(f"lowtide: what was promised of this job cannot be read: {error}")
        return end
    return end if found is None else replace(end, plan=plan_of_submission(found, end))


def plan_of_submission(submission: Submission, end: RunEnd) -> RunPlan:
    """Return a run in a job of Slurm as a run that was asked for when the job was submitted.

    Parameters
    ----------
    submission : Promise
        Of the job, as :mod:`lowtide.runtime.submitting_promise` keeps it.
    end : RunEnd
        Of the run.
    """
    only_start = submission.bound == "start_within"
    work_s = submission.task.work_s if submission.duration_from else None
    return RunPlan(
        bound=f"submit --{submission.bound.replace('_', '-')}",
        asked_ns=submission.submitted_ns,
        deadline_ns=None if only_start else submission.deadline_ns,
        start_by_ns=submission.latest_start_ns if only_start else None,
        pause=submission.pause,
        work_s=work_s,
        runs_ns=((end.started_ns, end.ended_ns),),
        waited_s=max(0, end.started_ns - submission.submitted_ns) / 1e9,
        first=_promise(submission, submission.first),
        last=_promise(submission, submission.last),
        n_decisions=1 + submission.n_moves,
    )


def _promise(submission: Submission, start: StartPlan) -> Promise:
    """Return one start plan as a promise: the intensity it was made on was not kept, but what it said was.

    What was said of an array is of all its tasks, so of one task nothing was.
    """
    known = submission.power_known
    return Promise(
        made_ns=start.made_ns,
        runs_ns=((start.start_ns, start.end_ns),),
        power_w=submission.task.points[0].power_w if known else None,
        paused_w=submission.task.idle_power_w if known else None,
        work_s=submission.task.work_s if submission.duration_from else None,
        resume_kwh=submission.task.resume_energy_kwh,
        resume_s=submission.task.resume_time_s,
        stated_g=start.emissions_g if known and submission.n_tasks == 1 else None,
    )
