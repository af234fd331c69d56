"""Jobs as Slurm's commands write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.errors import ExecutorError
from lowtide.executors.job_scripts import parse_time_limit_s

__all__ = ["SQUEUE_FORMAT", "SlurmJob", "listed_job", "shown_job"]

_COLUMNS: Final = ("%A", "%F", "%K", "%j", "%T", "%r", "%k", "%V", "%S", "%e", "%l", "%N")
_BETWEEN: Final = "\x1f"
SQUEUE_FORMAT: Final = _BETWEEN.join(_COLUMNS)
"""What squeue is asked for; names and comments may hold anything but what stands between the columns."""
_ENDED: Final = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
)


_NOT_YET_KNOWN: Final = frozenset(("NOT_SET", "INVALID", "PARTITION_LIMIT"))
"""Time limits of jobs that asked for none: their partition's, which is told when they begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """A job as the controller knows it.

    Attributes
    ----------
    job_id : int
    name, state, reason, comment : str
        State and reason in Slurm's words (``PENDING``, ``BeginTime``).
    submit_ns, eligible_ns, start_ns, end_ns : int or None
        Instants [ns since 1970 UTC]; a pending job's start is Slurm's guess, None when it has none.
    time_limit_s : float or None
        None is without limit, or not known before it begins.
    n_restarts : int
    exit_code, exit_signal : int
    nodes : str
    array_job_id : int or None
        The job's number as submitted, where this is a task of an array or what is left of one.
    array_tasks : str
        Its task or tasks in Slurm's words: ``3``, ``4-9``; empty without an array.
    """

    job_id: int
    name: str
    state: str
    reason: str
    comment: str
    submit_ns: int | None
    eligible_ns: int | None
    start_ns: int | None
    end_ns: int | None
    time_limit_s: float | None
    n_restarts: int
    exit_code: int
    exit_signal: int
    nodes: str
    array_job_id: int | None = None
    array_tasks: str = ""

    @property
    def submitted_id(self) -> int:
        """The number sbatch gave, the same for all tasks of an array."""
        return self.job_id if self.array_job_id is None else self.array_job_id

    @property
    def label(self) -> str:
        """What names this job alone: the number of an array's last task is that of the whole array."""
        return f"{self.array_job_id}_{self.array_tasks}" if self.array_tasks.isdigit() else str(self.job_id)

    @property
    def target(self) -> int | str:
        """What commands call this job, or this part of an array, and no other part of it."""
        if not self.array_tasks:
            return self.job_id
        tasks = self.array_tasks.partition("%")[0]
        return self.label if tasks.isdigit() else f"{self.array_job_id}_[{tasks}]"

    @property
    def has_ended(self) -> bool:
        """Whether it will do no more by itself."""
        return self.state in _ENDED


def listed_job(line: str) -> SlurmJob:
    """Return the job of a line of squeue."""
    parts = line.split(_BETWEEN)
    if len(parts) != len(_COLUMNS):
        raise ExecutorError(f"squeue wrote {len(parts)} columns and not {len(_COLUMNS)}: {line!r}")
    number, array, tasks, name, state, reason, comment, submit, start, end, limit, nodes = parts
    in_array = tasks not in ("N/A", "")
    return SlurmJob(
        job_id=int(number),
        name=name,
        state=state,
        reason=reason,
        comment="" if comment == "(null)" else comment,
        submit_ns=_instant_ns(submit),
        eligible_ns=None,
        start_ns=_instant_ns(start),
        end_ns=_instant_ns(end),
        time_limit_s=_time_limit_s(limit),
        n_restarts=0,
        exit_code=0,
        exit_signal=0,
        nodes=nodes,
        array_job_id=int(array) if in_array else None,
        array_tasks=tasks if in_array else "",
    )


def shown_job(line: str) -> SlurmJob:
    """Return the job of a line of ``scontrol --oneliner show job``."""
    # values may hold spaces and equals signs (Comment, Command), keys never do
    found = re.findall(r"(?:^|\s)([A-Z][\w:/]*)=(.*?)(?=\s[A-Z][\w:/]*=|\s*$)", line)
    fields = {key: value.strip() for key, value in found}
    code, _, number = fields.get("ExitCode", "0:0").partition(":")
    return SlurmJob(
        job_id=int(fields["JobId"]),
        name=fields.get("JobName", ""),
        state=fields.get("JobState", ""),
        reason=fields.get("Reason", ""),
        comment=fields.get("Comment", ""),
        submit_ns=_instant_ns(fields.get("SubmitTime")),
        eligible_ns=_instant_ns(fields.get("EligibleTime")),
        start_ns=_instant_ns(fields.get("StartTime")),
        end_ns=_instant_ns(fields.get("EndTime")),
        time_limit_s=_time_limit_s(fields.get("TimeLimit", "UNLIMITED")),
        n_restarts=int(fields.get("Restarts", "0")),
        exit_code=int(code),
        exit_signal=int(number or 0),
        nodes=fields.get("NodeList", "").replace("(null)", ""),
        array_job_id=int(fields["ArrayJobId"]) if "ArrayJobId" in fields else None,
        array_tasks=fields.get("ArrayTaskId", ""),
    )


def _time_limit_s(text: str) -> float | None:
    """Return a time limit [s]; None without one, and for that of a partition, which is not told."""
    return None if text.upper() in _NOT_YET_KNOWN else parse_time_limit_s(text)


def _instant_ns(text: str | None) -> int | None:
    """Return an instant: seconds since 1970, or local time where SLURM_TIME_FORMAT was not heeded."""
    if text is None or text in ("Unknown", "N/A", "None"):
        return None
    if text.isdigit():
        return int(text) * 10**9 if int(text) else None
    return round(datetime.fromisoformat(text).timestamp()) * 10**9
