"""Past jobs as Slurm's accounting tells them: asked of ``sacct``, or read from a file of its words.

Traps, each seen on Slurm 22.05: a requeued job has a row for each attempt only with ``-D``; energy stands on the rows
of steps (``12.batch``, ``12.0``), on a job's own row nothing or the sum of its srun steps without the batch step;
``ElapsedRaw`` leaves out the time a job was suspended, its energy does not; ``ConsumedEnergyRaw`` is that of the whole
node, for every job on it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lowtide.errors import DataFileError, ExecutorError
from lowtide.executors.sacct_cells import bytes_of, expand_nodes, gpus_of, instant_ns, seconds_of, tres_of

__all__ = ["FIELDS", "PastJob", "StepRow", "ask_sacct", "energy_plugin", "read_sacct"]

FIELDS: Final = (
    "JobIDRaw", "JobName", "User", "Account", "Partition", "State", "Submit", "Start", "End", "ElapsedRaw",
    "Suspended", "AllocTRES", "NodeList", "ConsumedEnergyRaw", "TRESUsageInTot", "ExitCode", "Comment", "Cluster",
)  # fmt: skip
"""Columns that are asked for; a file may leave out the last."""

_NEEDED: Final = ("JobIDRaw", "State", "Start", "End", "AllocTRES", "NodeList", "ConsumedEnergyRaw")
_BETWEEN: Final = "\x1f"
_MOST_J: Final = 2**62
"""Above it a figure is Slurm's NO_VAL64, no energy."""
_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step of a job, the batch script's included: when, on which nodes, and what the nodes drew meanwhile.

    Attributes
    ----------
    step : str
        ``batch``, ``extern`` or a number.
    start_ns, end_ns : int
    nodes : tuple of str
    energy_j : float or None
        Of all its nodes, whole [J]; None where Slurm has none.
    cpu_s : float or None
        CPU time it used [s].
    """

    step: str
    start_ns: int
    end_ns: int
    nodes: tuple[str, ...]
    energy_j: float | None
    cpu_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """One attempt of a job; a requeued job is several.

    Attributes
    ----------
    job_id, name, user, account, partition, cluster, comment : str
    state : str
        Slurm's first word: ``COMPLETED``, ``CANCELLED`` ...
    submit_ns, start_ns, end_ns : int or None
    suspended_s : float
    cpus, memory_bytes : int
        Allocated, on all nodes.
    gpus : mapping of str to int
        Allocated, by type; the type may be empty.
    nodes : tuple of str
    exit_code, exit_signal : int
    steps : tuple of StepRow
    own_energy_j : float or None
        On its own row, used where no step has any [J].
    """

    job_id: str
    name: str
    user: str
    account: str
    partition: str
    cluster: str
    comment: str
    state: str
    submit_ns: int | None
    start_ns: int | None
    end_ns: int | None
    suspended_s: float
    cpus: int
    memory_bytes: int
    gpus: Mapping[str, int]
    nodes: tuple[str, ...]
    exit_code: int
    exit_signal: int
    steps: tuple[StepRow, ...] = ()
    own_energy_j: float | None = None

    @property
    def key(self) -> str:
        """What names this attempt: cluster, number and start; Slurm's count of restarts depends on the window."""
        start_s = "" if self.start_ns is None else f"{self.start_ns // 10**9}"
        return f"{self.cluster or 'cluster'}/{self.job_id}/{start_s}"


@dataclass(slots=True)
class _Attempt:
    row: Mapping[str, str]
    steps: list[Mapping[str, str]] = field(default_factory=list)


def ask_sacct(*, since: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Return what ``sacct`` says of all users' jobs since a day.

    Parameters
    ----------
    since : str, optional
        As sacct reads it (``2026-11-01``, ``now-7days``); by default today.
    env : mapping, optional

    Raises
    ------
    ExecutorError
        If there is no sacct, or it fails; with its words.
    """
    command = ["sacct", "--parsable2", "-D", "--allusers", f"--delimiter={_BETWEEN}", "-o", ",".join(FIELDS)]
    return _run([*command, *([] if since is None else [f"--starttime={since}"])], env)


def energy_plugin(*, env: Mapping[str, str] | None = None) -> str | None:
    """Return what measures energy on this cluster (``ipmi``, ``rapl`` ...); None where nothing does."""
    said = _run(["scontrol", "show", "config"], env)
    found = re.search(r"AcctGatherEnergyType\s*=\s*(?:acct_gather_energy/)?(\w+)", said)
    return None if found is None or found[1] in ("none", "null") else found[1]


def _run(command: Sequence[str], env: Mapping[str, str] | None) -> str:
    plain = dict(os.environ if env is None else env)
    try:
        done = subprocess.run(
            list(command),
            env={**plain, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise ExecutorError(
            f"{command[0]} is not here: run it where Slurm is, and import its file (lowtide import sacct FILE)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ExecutorError(
            f"{command[0]} did not answer within {_TIMEOUT_S:g} s; ask for less with --since"
        ) from error
    if done.returncode:
        raise ExecutorError(f"{command[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout


def read_sacct(text: str, *, path: str, utc_offset_s: int | None = None) -> tuple[list[PastJob], list[str]]:
    """Return the jobs in what sacct wrote, and what could not be read of it.

    Parameters
    ----------
    text : str
        With its header, or the columns of :data:`FIELDS` in their order.
    path : str
        For messages.
    utc_offset_s : int, optional
        Of stamps without an offset, as sacct writes them by default; not needed with ``SLURM_TIME_FORMAT=%s``.

    Raises
    ------
    DataFileError
        If a column is missing, or nothing of it is sacct's.
    InputError
        If stamps are local and no offset says of where.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return [], []
    between = _BETWEEN if _BETWEEN in lines[0] else "|"
    names = lines[0].split(between)
    has_header = "JobIDRaw" in names
    columns = names if has_header else list(FIELDS[: len(names)])
    missing = [name for name in _NEEDED if name not in columns]
    if missing or (not has_header and len(names) not in (len(FIELDS), len(FIELDS) - 1)):
        raise DataFileError(
            f"has {len(names)} columns and not {', '.join(missing) or 'those of sacct'}; write it with "
            f"SLURM_TIME_FORMAT=%s sacct --parsable2 -D -o {','.join(FIELDS)}",
            path=path,
        )
    rows, problems = _rows(lines, columns, between, has_header)
    return [_job(one, utc_offset_s) for one in _attempts(rows, problems)], problems


def _rows(
    lines: Sequence[str], columns: Sequence[str], between: str, has_header: bool
) -> tuple[list[Mapping[str, str]], list[str]]:
    rows: list[Mapping[str, str]] = []
    problems: list[str] = []
    for number, line in enumerate(lines[1:] if has_header else lines, start=2 if has_header else 1):
        cells = line.split(between)
        if len(cells) != len(columns):
            problems.append(f"line {number} has {len(cells)} columns and not {len(columns)}: left out")
            continue
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows, problems


def _attempts(rows: Sequence[Mapping[str, str]], problems: list[str]) -> Iterator[_Attempt]:
    """Yield jobs with their steps, which follow their own row; a job may come again, requeued."""
    last: _Attempt | None = None
    for row in rows:
        number, dot, _ = row["JobIDRaw"].partition(".")
        if not dot:
            if last is not None:
                yield last
            last = _Attempt(row)
        elif last is not None and last.row["JobIDRaw"] == number:
            last.steps.append(row)
        else:
            problems.append(f"step {row['JobIDRaw']} has no job before it: left out")
    if last is not None:
        yield last


def _job(attempt: _Attempt, utc_offset_s: int | None) -> PastJob:
    row = attempt.row
    tres = tres_of(row["AllocTRES"])
    code, _, number = row.get("ExitCode", "").partition(":")
    steps = [_step(step, utc_offset_s) for step in attempt.steps]
    return PastJob(
        job_id=row["JobIDRaw"],
        name=row.get("JobName", ""),
        user=row.get("User", ""),
        account=row.get("Account", ""),
        partition=row.get("Partition", ""),
        cluster=row.get("Cluster", ""),
        comment=row.get("Comment", ""),
        state=row["State"].split()[0] if row["State"].strip() else "",
        submit_ns=instant_ns(row.get("Submit", ""), utc_offset_s),
        start_ns=instant_ns(row["Start"], utc_offset_s),
        end_ns=instant_ns(row["End"], utc_offset_s),
        suspended_s=seconds_of(row.get("Suspended", "")) or 0.0,
        cpus=int(tres.get("cpu", "0")),
        memory_bytes=bytes_of(tres.get("mem", "0")),
        gpus=gpus_of(tres),
        nodes=expand_nodes(row["NodeList"]),
        exit_code=int(code or 0),
        exit_signal=int(number or 0),
        steps=tuple(step for step in steps if step is not None),
        own_energy_j=_energy_j(row),
    )


def _step(row: Mapping[str, str], utc_offset_s: int | None) -> StepRow | None:
    start_ns, end_ns = instant_ns(row["Start"], utc_offset_s), instant_ns(row["End"], utc_offset_s)
    if start_ns is None or end_ns is None:
        return None
    used = tres_of(row.get("TRESUsageInTot", ""))
    return StepRow(
        step=row["JobIDRaw"].partition(".")[2],
        start_ns=start_ns,
        end_ns=end_ns,
        nodes=expand_nodes(row["NodeList"]),
        energy_j=_energy_j(row),
        cpu_s=seconds_of(used.get("cpu", "")),
    )


def _energy_j(row: Mapping[str, str]) -> float | None:
    """Return the energy of a row [J]; 0 is what Slurm writes where it has none."""
    text = row["ConsumedEnergyRaw"]
    value = int(text) if text.isdigit() else 0
    return float(value) if 0 < value < _MOST_J else None
