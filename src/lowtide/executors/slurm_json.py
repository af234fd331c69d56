"""Jobs as ``squeue --json`` and ``sacct --json`` write them, from 22.05 to the shapes of 24.11.

The older ones write ``"time_limit": 60`` and ``"job_state": "PENDING"``, the newer ones
``"time_limit": {"set": true, "infinite": false, "number": 60}`` and ``"job_state": ["PENDING"]``; in between both are
found. Each value is read by what it is, so that no version has to be asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from lowtide.errors import ExecutorError
from lowtide.executors.slurm_jobs import SlurmJob

__all__ = ["PastGo", "json_jobs", "past_goes"]

_UNSET: Final = (0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF)
"""What Slurm keeps for "no value" and "without limit"; older versions let them through."""
_FLAGS: Final = ("COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "STOPPED", "SPECIAL_EXIT", "RESIZING",
                 "SIGNALING", "STAGE_OUT", "POWER_UP_NODE", "EXPEDITING")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGo:
    """One start of a job as the accounting keeps it.

    Attributes
    ----------
    job_id : int
    state : str
    start_ns, end_ns : int or None
    suspended_s : float
    exit_code : int
    consumed_j : float or None
        ``ConsumedEnergy`` of its steps [J]; None where no step has any.
    """

    job_id: int
    state: str
    start_ns: int | None
    end_ns: int | None
    suspended_s: float
    exit_code: int
    consumed_j: float | None


def json_jobs(text: str, *, uid: int | None = None) -> list[SlurmJob]:
    """Return the jobs of ``squeue --json``, those of one user where `uid` is given.

    22.05 writes all jobs it still knows, whatever it was asked for: other users' ones, and such as have ended.

    Raises
    ------
    ExecutorError
        If it is no such document, or says what went wrong.
    """
    found = _jobs(text, "squeue")
    return [_listed(job) for job in found if uid is None or _number(job.get("user_id")) in (None, uid)]


def past_goes(text: str) -> list[PastGo]:
    """Return the starts of ``sacct --json --duplicates``, oldest first.

    Raises
    ------
    ExecutorError
        If it is no such document, or says what went wrong.
    """
    found = [_past(job) for job in _jobs(text, "sacct")]
    return sorted(found, key=lambda go: go.start_ns or 0)


def _jobs(text: str, command: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
        jobs = document["jobs"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExecutorError(f"{command} --json wrote no list of jobs: {text.strip()[:80]!r}") from error
    said = [str(one.get("error") or one.get("description") or one) for one in document.get("errors") or ()]
    if said:
        raise ExecutorError(f"{command} --json failed: {'; '.join(said)}")
    return list(jobs)


def _listed(job: dict[str, Any]) -> SlurmJob:
    array, task = _number(job.get("array_job_id")), _number(job.get("array_task_id"))
    tasks = str(job.get("array_task_string") or "") or ("" if task is None else f"{task:.0f}")
    limit_min = _number(job.get("time_limit"))
    code, signal = _exit(job.get("exit_code"))
    return SlurmJob(
        job_id=int(job["job_id"]),
        name=str(job.get("name") or ""),
        state=_state(job.get("job_state")),
        reason=str(job.get("state_reason") or ""),
        comment=_comment(job.get("comment")),
        submit_ns=_instant_ns(job.get("submit_time")),
        eligible_ns=_instant_ns(job.get("eligible_time")),
        start_ns=_instant_ns(job.get("start_time")),
        end_ns=_instant_ns(job.get("end_time")),
        time_limit_s=None if limit_min is None else limit_min * 60.0,
        n_restarts=int(_number(job.get("restart_cnt")) or 0),
        exit_code=code,
        exit_signal=signal,
        nodes=str(job.get("nodes") or ""),
        array_job_id=int(array) if array and tasks else None,
        array_tasks=tasks if array else "",
    )


def _past(job: dict[str, Any]) -> PastGo:
    time, state = job.get("time") or {}, job.get("state") or {}
    energies = [_number(((step.get("statistics") or {}).get("energy") or {}).get("consumed"))
                for step in job.get("steps") or ()]  # fmt: skip
    known = [joules for joules in energies if joules is not None]
    return PastGo(
        job_id=int(job["job_id"]),
        state=_state(state.get("current") if isinstance(state, dict) else state),
        start_ns=_instant_ns(time.get("start")),
        end_ns=_instant_ns(time.get("end")),
        suspended_s=_number(time.get("suspended")) or 0.0,
        exit_code=_exit(job.get("exit_code"))[0],
        consumed_j=sum(known) if known else None,
    )


def _number(value: Any) -> float | None:
    """Return a number in either shape; None for one that is not set, or without limit."""
    if isinstance(value, dict):
        if not value.get("set", True) or value.get("infinite"):
            return None
        value = value.get("number")
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if number in _UNSET else number


def _instant_ns(value: Any) -> int | None:
    seconds = _number(value)
    return int(seconds) * 10**9 if seconds else None  # 0: not yet


def _state(value: Any) -> str:
    """Return the state as the plain commands write it: one that is passing goes before what it passes from."""
    states = [str(one) for one in value] if isinstance(value, list) else [str(value or "")]
    passing = [state for state in states if state in _FLAGS]
    return passing[0] if passing else (states[0] if states else "")


def _exit(value: Any) -> tuple[int, int]:
    """Return exit status and signal: of a wait status, as older versions write it, or of an object."""
    if isinstance(value, dict):
        signal = value.get("signal") or {}
        number = _number(signal.get("id", signal.get("signal_id"))) if isinstance(signal, dict) else None
        return int(_number(value.get("return_code")) or 0), int(number or 0)
    status = int(_number(value) or 0)
    return status >> 8 & 0xFF, status & 0x7F


def _comment(value: Any) -> str:
    return str(value.get("job") or "") if isinstance(value, dict) else str(value or "")
