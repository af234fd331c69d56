"""A site's own commands: the template that submits a job there, and Slurm's other commands said the same way.

Templates are split into words as a shell would, and no shell ever sees them. ``{script}`` is the path of the job
script (a template without it gets the script's text on standard input), ``{args}`` stands alone for all flags of
sbatch, ``{arguments}`` for those of the script (by default they follow ``{script}``), ``{tag}`` is a text that only
this job has, ``{begin}`` the start in UTC, ``{name}`` the job's name. Other braces stay as they are.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.errors import ExecutorError, InputError, near_matches
from lowtide.executors.slurm import Slurm
from lowtide.executors.slurm_jobs import SQUEUE_FORMAT, SlurmJob, listed_job

__all__ = [
    "PLACEHOLDERS",
    "CommandNotFoundError",
    "SiteCommand",
    "SiteSlurm",
    "parse_command",
    "run_words",
    "site_slurm",
]

PLACEHOLDERS: Final = ("script", "args", "arguments", "tag", "begin", "name")
_ALONE: Final = ("args", "arguments")
_PLACE: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_REMOTE: Final = ("ssh", "autossh")
"""Programs that hand their words to a shell elsewhere: what is filled in is quoted once more for them."""


class CommandNotFoundError(ExecutorError):
    """A site's command is not on this machine: nothing has run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCommand:
    """A command template that was read.

    Attributes
    ----------
    text : str
        As written.
    words : tuple of str
        With their placeholders.
    """

    text: str
    words: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Return whether a placeholder is in it."""
        return any(f"{{{name}}}" in word for word in self.words)

    @property
    def is_remote(self) -> bool:
        """Whether a shell elsewhere reads its words."""
        return os.path.basename(self.words[0]) in _REMOTE

    def filled(
        self, values: Mapping[str, str], lists: Mapping[str, Sequence[str]] | None = None
    ) -> list[str]:
        """Return the words to run.

        Parameters
        ----------
        values : mapping of placeholder to str
        lists : mapping of placeholder to words, optional
            Of ``args`` and ``arguments``.

        Examples
        --------
        >>> command = parse_command("ssh west sbatch {args} {script}", "submit")
        >>> command.filled({"script": "/my jobs/a.sh"}, {"args": ["--comment=a b"], "arguments": ["3"]})
        ['ssh', 'west', 'sbatch', "'--comment=a b'", "'/my jobs/a.sh'", '3']
        """
        lists = lists or {}
        found: list[str] = []
        for word in self.words:
            alone = word[1:-1] if word in [f"{{{name}}}" for name in _ALONE] else None
            if alone is not None:
                found += [self._quoted(text) for text in lists.get(alone, ())]
                continue
            found.append(_PLACE.sub(lambda place: self._quoted(values[place[1]]), word))
            if word == "{script}" and not self.has("arguments"):
                found += [self._quoted(text) for text in lists.get("arguments", ())]
        return found

    def _quoted(self, text: str) -> str:
        return shlex.quote(text) if self.is_remote else text


def parse_command(text: str, where: str, *, allowed: Sequence[str] = PLACEHOLDERS) -> SiteCommand:
    """Return a command template.

    Parameters
    ----------
    text : str
    where : str
        What it is, for messages: ``[site.west] submit``.
    allowed : sequence of str
        Placeholders it may hold.

    Raises
    ------
    InputError
        If its quotes do not match, it is empty, or it holds a placeholder that is none.

    Examples
    --------
    >>> parse_command("sbatch -M west {args} {script}", "submit").has("args")
    True
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{where} = {text!r} cannot be read: {error}") from error
    if not words:
        raise InputError(f"{where} is empty; write a command like 'sbatch -M west {{args}} {{script}}'")
    for word in words:
        for name in _PLACE.findall(word):
            if name not in allowed:
                raise InputError(
                    f"{where} = {text!r}: unknown placeholder {{{name}}}{near_matches(name, allowed)}; there are "
                    f"{', '.join(f'{{{one}}}' for one in allowed)}, and no shell fills in others"
                )
            if name in _ALONE and word != f"{{{name}}}":
                raise InputError(f"{where} = {text!r}: {{{name}}} is several words and must stand alone")
    return SiteCommand(text=text, words=words)


def run_words(
    words: Sequence[str],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float = 60.0,
    keep_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it wrote.

    Parameters
    ----------
    words : sequence of str
    what : str
        Whose command it is, for messages: ``site west``.
    env : mapping, optional
    stdin : str, optional
        Handed to it; without it there is nothing to read.
    timeout_s : float
    keep_fds : sequence of int
        Open files it keeps: a lock is then held for as long as it runs, whatever becomes of us.

    Raises
    ------
    ExecutorError
        If it is not found, does not end in time, or fails; with its exit status and what it wrote.
    """
    shown, run = shlex.join(words), list(words)
    if keep_fds:
        if shutil.which(words[0]) is None:
            raise CommandNotFoundError(f"{what}: {words[0]} is not found on this machine (command: {shown})")
        # ssh closes what it was not told of: this parent keeps it, and hands the words on as they are
        run = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *run]
    try:
        done = subprocess.run(
            run,
            env=None if env is None else dict(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            pass_fds=tuple(keep_fds),
            start_new_session=True,  # Ctrl-C is for us; a submission cut short could be half done
        )
    except FileNotFoundError as error:
        raise CommandNotFoundError(
            f"{what}: {words[0]} is not found on this machine (command: {shown})"
        ) from error
    except PermissionError as error:
        raise ExecutorError(f"{what}: {words[0]} may not be run (command: {shown})") from error
    except subprocess.TimeoutExpired as error:
        raise ExecutorError(f"{what}: no answer within {timeout_s:g} s (command: {shown})") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or "nothing"
        raise ExecutorError(f"{what}: exit status {done.returncode} (command: {shown}); it wrote: {said}")
    return done


class SiteSlurm(Slurm):
    """Slurm's commands, each said through the words that a site's template has before and after ``sbatch``.

    Parameters
    ----------
    site : str
        Its name, for messages.
    before : sequence of str
        Words before the command: ``ssh west``, ``env SLURM_CONF=/west/slurm.conf``.
    folder : str
        Where the commands are; empty is on the path.
    clusters : sequence of str
        ``-M west``, or nothing.
    remote : bool
        Whether a shell elsewhere reads the words.
    """

    def __init__(
        self,
        site: str,
        *,
        before: Sequence[str] = (),
        folder: str = "",
        clusters: Sequence[str] = (),
        remote: bool = False,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__(env=env, timeout_s=timeout_s)
        self._site = site
        self._before = list(before)
        self._folder = folder
        self._clusters = list(clusters)
        self._remote = remote

    def jobs(self, *, uid: int | None = None, ended_too: bool = False) -> list[SlurmJob]:
        """Return my jobs there; those that ended lately too, if asked (Slurm forgets them in minutes)."""
        which = ["--states=all"] if ended_too else []
        # a user's number may be another one there
        said = self._run(["squeue", "--noheader", "--me", *which, f"--format={SQUEUE_FORMAT}"])
        return [listed_job(line) for line in said.splitlines() if "\x1f" in line]

    def cancel_waiting(self, job_id: int) -> None:
        """End a job for good unless it has begun."""
        self._run(["scancel", "--state=PENDING", str(job_id)])

    def _time(self, t_ns: int) -> str:
        """Return an instant as so many seconds from now: its clock may be in another time zone."""
        return f"now+{max(0, -(-(t_ns - time.time_ns()) // 10**9))}"

    def _done(
        self, command: list[str], timeout_s: float, *, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        tool = os.path.join(self._folder, command[0]) if self._folder else command[0]
        said = [tool, *self._clusters, *command[1:]]
        if self._remote:
            said = [shlex.quote(word) for word in ["env", "SLURM_TIME_FORMAT=%s", "LC_ALL=C", *said]]
        return run_words(
            [*self._before, *said], what=f"site {self._site}", env=env or self._env, timeout_s=timeout_s
        )


def site_slurm(site: str, command: SiteCommand, *, env: Mapping[str, str] | None = None) -> SiteSlurm | None:
    """Return the Slurm that a template submits to; None where it does not call sbatch with ``{args}``.

    Examples
    --------
    >>> site_slurm("west", parse_command("kubectl create -f {script}", "submit")) is None
    True
    """
    names = [os.path.basename(word) for word in command.words]
    if "sbatch" not in names or not command.has("args"):
        return None
    at = names.index("sbatch")
    return SiteSlurm(
        site,
        before=command.words[:at],
        folder=os.path.dirname(command.words[at]),
        clusters=_clusters(command.words[at + 1 :]),
        remote=command.is_remote,
        env=env,
    )


def _clusters(words: Sequence[str]) -> list[str]:
    """Return the words that name a cluster among sbatch's."""
    for i, word in enumerate(words):
        if word in ("-M", "--clusters", "--cluster") and i + 1 < len(words):
            return [word, words[i + 1]]
        if word.startswith(("--clusters=", "--cluster=")) or (word.startswith("-M") and len(word) > 2):
            return [word]
    return []
