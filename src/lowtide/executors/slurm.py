"""Slurm through its own commands: submitting later, holding, moving a start, stopping and continuing.

All of it works for the owner of a job, without privileges and without a daemon. ``scontrol suspend`` is left out:
it is for operators, and it frees the CPUs for others.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.errors import ExecutorError, InputError, QuantityError

__all__ = ["Slurm", "SlurmJob", "directives", "parse_time_limit_s", "sbatch_options"]

_TIMEOUT_S: Final = 60.0
_MARK: Final = "#LOWTIDE"
_SBATCH: Final = "#SBATCH"
_ENDED: Final = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
)


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
        None is without limit.
    n_restarts : int
    exit_code, exit_signal : int
    nodes : str
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

    @property
    def has_ended(self) -> bool:
        """Whether it will do no more by itself."""
        return self.state in _ENDED


class Slurm:
    """Talks to Slurm's commands.

    Parameters
    ----------
    env : mapping, optional
        Environment of the commands, by default this process's.
    timeout_s : float
        How long a command may take.
    """

    def __init__(self, *, env: Mapping[str, str] | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._env = {**(os.environ if env is None else env), "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}
        self._timeout_s = timeout_s

    def submit(
        self,
        script: str,
        arguments: Sequence[str] = (),
        *,
        options: Sequence[str] = (),
        begin_ns: int | None = None,
        comment: str = "",
        hold: bool = False,
    ) -> int:
        """Submit a job script and return the job's number.

        Parameters
        ----------
        script : str
            Its path.
        arguments : sequence of str
            Handed to the script.
        options : sequence of str
            Of sbatch, as the user gave them; before ours, which win.
        begin_ns : int, optional
            Not before that instant [ns]; Slurm counts in whole seconds, so it is the next one.
        comment : str
        hold : bool
            Submitted on hold until :meth:`release`.

        Raises
        ------
        ExecutorError
            If sbatch refuses, with what it says.
        """
        own = ["--parsable"]
        if begin_ns is not None:
            own.append(f"--begin={self._time(begin_ns)}")
        if comment:
            own.append(f"--comment={comment}")
        if hold:
            own.append("--hold")
        said = self._run(["sbatch", *options, *own, script, *arguments])
        number = said.strip().splitlines()[-1].partition(";")[0] if said.strip() else ""
        if not number.isdigit():
            raise ExecutorError(f"sbatch did not name the job it made: {said.strip()!r}")
        return int(number)

    def job(self, job_id: int) -> SlurmJob | None:
        """Return a job, None when the controller has forgotten it or never knew it."""
        try:
            said = self._run(["scontrol", "--oneliner", "show", "job", str(job_id)])
        except ExecutorError as error:
            if "Invalid job id" in str(error):
                return None
            raise
        return _job(said.splitlines()[0]) if said.strip() else None

    def set_begin(self, job_id: int, begin_ns: int) -> None:
        """Let a pending job start not before an instant [ns]."""
        self._run(["scontrol", "update", f"jobid={job_id}", f"StartTime={self._time(begin_ns)}"])

    def hold(self, job_id: int) -> None:
        """Keep a pending job from starting."""
        self._run(["scontrol", "hold", str(job_id)])

    def release(self, job_id: int) -> None:
        """Let a held job start."""
        self._run(["scontrol", "release", str(job_id)])

    def requeue(self, job_id: int, *, hold: bool = False) -> None:
        """End a running job with SIGTERM and put it back into the queue, on hold if asked."""
        self._run(["scontrol", "requeuehold" if hold else "requeue", str(job_id)])

    def stop(self, job_id: int) -> None:
        """Stop all processes of a running job where they are; Slurm still counts its time."""
        self.signal(job_id, "STOP")

    def go_on(self, job_id: int) -> None:
        """Let a stopped job go on."""
        self.signal(job_id, "CONT")

    def signal(self, job_id: int, name: str, *, script_too: bool = True) -> None:
        """Send a signal to the steps of a running job, and to its script."""
        self._run(["scancel", f"--signal={name}", *(["--full"] if script_too else []), str(job_id)])

    def cancel(self, job_id: int) -> None:
        """End a job for good."""
        self._run(["scancel", str(job_id)])

    def _time(self, t_ns: int) -> str:
        """Return an instant as Slurm reads it: local time without offset, rounded up to a second."""
        return datetime.fromtimestamp(-(-t_ns // 10**9)).strftime("%Y-%m-%dT%H:%M:%S")

    def _run(self, command: list[str]) -> str:
        what = " ".join(command[:2])
        try:
            done = subprocess.run(
                command,
                env=self._env,
                capture_output=True,
                text=True,
                timeout=self._timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError as error:
            raise ExecutorError(f"{command[0]} is not here; is Slurm installed on this machine?") from error
        except subprocess.TimeoutExpired as error:
            raise ExecutorError(
                f"{what} did not answer within {self._timeout_s:g} s; is slurmctld up?"
            ) from error
        if done.returncode:
            raise ExecutorError(f"{what} failed: {(done.stderr or done.stdout).strip() or done.returncode}")
        return done.stdout


def _job(line: str) -> SlurmJob:
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
        time_limit_s=parse_time_limit_s(fields.get("TimeLimit", "UNLIMITED")),
        n_restarts=int(fields.get("Restarts", "0")),
        exit_code=int(code),
        exit_signal=int(number or 0),
        nodes=fields.get("NodeList", "").replace("(null)", ""),
    )


def _instant_ns(text: str | None) -> int | None:
    """Return an instant: seconds since 1970, or local time where SLURM_TIME_FORMAT was not heeded."""
    if text is None or text in ("Unknown", "N/A", "None"):
        return None
    if text.isdigit():
        return int(text) * 10**9 if int(text) else None
    return round(datetime.fromisoformat(text).timestamp()) * 10**9


def parse_time_limit_s(text: str) -> float | None:
    """Return a time limit as Slurm writes it [s]; None is without limit.

    ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``, ``days-hours:minutes`` and
    ``days-hours:minutes:seconds``, as in the manual of sbatch.

    Raises
    ------
    QuantityError
        If it is none of these.

    Examples
    --------
    >>> parse_time_limit_s("1-06:30"), parse_time_limit_s("90"), parse_time_limit_s("UNLIMITED")
    (109800.0, 5400.0, None)
    """
    if text.upper() in ("UNLIMITED", "INFINITE", "NONE", "-1", "0"):
        return None
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 3 or (dash and not days.isdigit()):
        raise QuantityError(f"cannot read {text!r} as a time limit of Slurm; write it like 1-06:30 or 90")
    numbers = [int(part) for part in parts]
    scales = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    return float(int(days or 0) * 86_400 + sum(n * s for n, s in zip(numbers, scales, strict=False)))


def directives(script: str) -> list[str]:
    """Return the words of a script's ``#LOWTIDE`` lines, as if given on the command line.

    As with ``#SBATCH``, they count only above the first command.

    Raises
    ------
    InputError
        If a line's quotes do not match.

    Examples
    --------
    >>> directives("#!/bin/sh\\n#SBATCH -t 60\\n#LOWTIDE --within 48h  # patience\\necho hi\\n#LOWTIDE --no")
    ['--within', '48h']
    """
    return _words(script, _MARK)


def sbatch_options(script: str) -> list[str]:
    """Return the words of a script's ``#SBATCH`` lines.

    Raises
    ------
    InputError
        If a line's quotes do not match.
    """
    return _words(script, _SBATCH)


def _words(script: str, mark: str) -> list[str]:
    words: list[str] = []
    for number, line in enumerate(script.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.startswith(mark) and line[len(mark) : len(mark) + 1].isspace():
            try:
                words += shlex.split(line[len(mark) :], comments=True)
            except ValueError as error:
                raise InputError(f"line {number}: {line!r} cannot be read ({error})") from error
    return words
