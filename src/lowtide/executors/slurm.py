"""Slurm through its own commands: submitting later, holding, moving a start, stopping and continuing.

All of it works for the owner of a job, without privileges and without a daemon. ``scontrol suspend`` is left out:
it is for operators, and it frees the CPUs for others.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from lowtide.errors import ExecutorError
from lowtide.executors.slurm_jobs import SQUEUE_FORMAT, SlurmJob, listed_job, shown_job
from lowtide.executors.slurm_json import PastGo, json_jobs, past_goes

__all__ = ["Slurm", "SlurmJob"]

_TIMEOUT_S: Final = 60.0
_SIGNAL_TIMEOUT_S: Final = 20.0
"""scancel tries for a minute and a half to signal a job that does not run; nobody should wait for that."""
_CRED_EXPIRE_S: Final = 120.0
_AT_ONCE: Final = 100
"""Jobs named in one command."""


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
        self._plain = dict(os.environ if env is None else env)
        self._env = {**self._plain, "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0", "LC_ALL": "C"}
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
        say: Callable[[str], None] | None = None,
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
        say : callable, optional
            Gets each line that sbatch writes on standard error, such as a site's messages to its users.

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
        # sbatch hands its environment on to the job, which must not see what is set for the other commands
        done = self._done(["sbatch", *options, *own, script, *arguments], self._timeout_s, env=self._plain)
        for line in done.stderr.splitlines() if say is not None else ():
            say(line)  # type: ignore[misc]
        said = done.stdout
        number = said.strip().splitlines()[-1].partition(";")[0] if said.strip() else ""
        if not number.isdigit():
            raise ExecutorError(f"sbatch did not name the job it made: {said.strip()!r}")
        return int(number)

    def job(self, job_id: int | str) -> SlurmJob | None:
        """Return a job, None when the controller has forgotten it or never knew it; ``12_3`` is a task of an array."""
        try:
            said = self._run(["scontrol", "--oneliner", "show", "job", str(job_id)])
        except ExecutorError as error:
            if "Invalid job id" in str(error):
                return None
            raise
        return shown_job(said.splitlines()[0]) if said.strip() else None

    def jobs(self, *, uid: int | None = None) -> list[SlurmJob]:
        """Return all jobs of a user that have not ended, with one command however many there are.

        How often they were restarted and their exit codes are not told: 0. Tasks of an array that wait are one
        job, running ones are a job each. `eligible_ns` is None.

        Parameters
        ----------
        uid : int, optional
            The user's number, by default this process's.
        """
        user = os.getuid() if uid is None else uid
        said = self._run(["squeue", "--noheader", f"--user={user}", f"--format={SQUEUE_FORMAT}"])
        return [listed_job(line) for line in said.splitlines() if line.strip()]

    def detailed(self, *, uid: int | None = None) -> list[SlurmJob]:
        """Return the same jobs with their restarts and exit codes, from ``squeue --json``: slower for many."""
        user = os.getuid() if uid is None else uid
        found = json_jobs(self._run(["squeue", "--json", f"--user={user}"]), uid=user)
        return [job for job in found if not job.has_ended]

    def past(self, job_id: int | str) -> list[PastGo]:
        """Return all starts of a job that the accounting knows, requeued ones too; none without accounting."""
        try:
            return past_goes(self._run(["sacct", "--json", "--duplicates", "--jobs", str(job_id)]))
        except ExecutorError as error:
            if "accounting storage is disabled" in str(error).lower():
                return []
            raise

    def set_begin(self, job_id: int | str | Sequence[int | str], begin_ns: int) -> None:
        """Let a pending job, or several, start not before an instant [ns]."""
        ids = [job_id] if isinstance(job_id, int | str) else list(job_id)
        for i in range(0, len(ids), _AT_ONCE):
            named = ",".join(map(str, ids[i : i + _AT_ONCE]))
            self._run(["scontrol", "update", f"jobid={named}", f"StartTime={self._time(begin_ns)}"])

    def hold(self, job_id: int) -> None:
        """Keep a pending job from starting."""
        self._run(["scontrol", "hold", str(job_id)])

    def release(self, job_id: int) -> None:
        """Let a held job start."""
        self._run(["scontrol", "release", str(job_id)])

    def requeue(self, job_id: int | str, *, hold: bool = False) -> None:
        """End a running job with SIGTERM and put it back into the queue, on hold if asked.

        It does not start again before :meth:`requeue_delay_s` are over, whatever its begin time says.
        """
        self._run(["scontrol", "requeuehold" if hold else "requeue", str(job_id)])

    def requeue_delay_s(self) -> float:
        """Return how long a requeued job waits at the least [s]: until the credentials of its last go have expired.

        A second more than ``cred_expire`` of ``AuthInfo``; two minutes where Slurm does not say.
        """
        try:
            said = self._run(["scontrol", "show", "config"])
        except ExecutorError:
            return _CRED_EXPIRE_S + 1.0
        found = re.search(r"^AuthInfo\s*=.*?\bcred_expire=(\d+)", said, flags=re.MULTILINE)
        return (float(found[1]) if found else _CRED_EXPIRE_S) + 1.0

    def stop(self, job_id: int | str) -> None:
        """Stop all processes of a running job where they are; Slurm still counts its time."""
        self.signal(job_id, "STOP")

    def go_on(self, job_id: int | str) -> None:
        """Let a stopped job go on."""
        self.signal(job_id, "CONT")

    def signal(self, job_id: int | str, name: str, *, to: Literal["all", "steps", "script"] = "all") -> None:
        """Send a signal to a running job; ``12_3`` is a task of an array.

        To all of its processes, or to those of its steps, or to the batch script's shell alone.
        """
        which = {"all": ["--full"], "steps": [], "script": ["--batch"]}[to]
        self._run(["scancel", f"--signal={name}", *which, str(job_id)], timeout_s=_SIGNAL_TIMEOUT_S)

    def cancel(self, job_id: int) -> None:
        """End a job for good."""
        self._run(["scancel", str(job_id)])

    def _time(self, t_ns: int) -> str:
        """Return an instant as Slurm reads it: local time without offset, rounded up to a second."""
        second = -(-t_ns // 10**9)
        local = datetime.fromtimestamp(second)
        if local.replace(fold=0).timestamp() != local.replace(fold=1).timestamp():
            return f"now+{max(0, second - int(time.time()))}"  # an hour that the end of summer time repeats
        return local.strftime("%Y-%m-%dT%H:%M:%S")

    def _run(self, command: list[str], *, timeout_s: float | None = None) -> str:
        return self._done(command, min(self._timeout_s, timeout_s or self._timeout_s)).stdout

    def _done(
        self, command: list[str], timeout_s: float, *, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        what = " ".join(command[:2])
        try:
            done = subprocess.run(
                command,
                env=self._env if env is None else env,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; a command cut short would leave things half done
            )
        except FileNotFoundError as error:
            raise ExecutorError(f"{command[0]} is not here; is Slurm installed on this machine?") from error
        except subprocess.TimeoutExpired as error:
            raise ExecutorError(f"{what} did not answer within {timeout_s:g} s; is slurmctld up?") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            if "Could not establish a configuration source" in said:
                raise ExecutorError(
                    f"{command[0]} finds no configuration of Slurm here; set SLURM_CONF, or ask on a login node"
                )
            raise ExecutorError(f"{what} failed: {'; '.join(said.splitlines()) or done.returncode}")
        return done
