"""``lowtide submit --on`` and ``lowtide agent --kubernetes``, ``--ray``: jobs behind the executors' door."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from lowtide.cli.options import config_with, emit_json, table
from lowtide.errors import ExecutorError, InputError

if TYPE_CHECKING:
    from lowtide.doors import Executor
    from lowtide.runtime.submitting_elsewhere import Held

__all__ = [
    "ELSEWHERE_OPTIONS",
    "Elsewhere",
    "elsewhere_of",
    "elsewhere_options",
    "serve_elsewhere",
    "submit_elsewhere",
]

F = TypeVar("F", bound=Callable[..., Any])
ELSEWHERE_OPTIONS: Final = ("on", "namespace", "url", "resume_time")
_RESUME_S: Final = 60.0
_RESUME_FRACTION: Final = 0.01
_FLAGS: Final = ("zone", "intensity", "provider", "basis", "factors", "pue", "ledger")
_REQUEST: Final = (
    "within", "deadline", "slack", "start_within", "duration", "power", "gpus", "load", "like", "past_runs",
    "idle_power", "history", "margin", "min_saving", "pause",
)  # fmt: skip


def elsewhere_options(function: F) -> F:
    """Add the options of jobs that are not Slurm's."""
    for option in reversed(
        (
            click.option("--on", metavar="NAME", help="Instead of Slurm: kubernetes, ray or another executor."),
            click.option("--namespace", metavar="NS", help="With --on kubernetes (default: the context's)."),
            click.option("--url", metavar="URL", help="With --on: the Ray dashboard, or an API server without login."),
            click.option("--resume-time", metavar="D", help="With --on: what a start after a pause takes (1m)."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Which executor is meant, and where."""

    on: str
    namespace: str | None
    url: str | None
    resume_time: str | None = None

    @property
    def label(self) -> str:
        """What names its agent's files: one agent works on one place."""
        import re

        where = "-".join(filter(None, (self.namespace, (self.url or "").partition("://")[2])))
        return "-".join(filter(None, (self.on, re.sub(r"[^A-Za-z0-9.]+", "-", where).strip("-"))))

    @property
    def agent(self) -> str:
        """The command that must be running for its jobs."""
        if self.on == "ray":
            return f"lowtide agent --ray {self.url or ''}".strip()
        named = "--kubernetes" if self.on == "kubernetes" else f"--on {self.on}"
        more = [f"--namespace {self.namespace}"] if self.namespace else []
        return " ".join(["lowtide agent", named, *more, *([f"--url {self.url}"] if self.url else [])])


def elsewhere_of(options: dict[str, Any]) -> Elsewhere | None:
    """Take the options of this page out of all; return what they say, None without ``--on``.

    Raises
    ------
    InputError
        If one of them is given without ``--on``.
    """
    given = {name: options.pop(name) for name in ELSEWHERE_OPTIONS}
    if given["on"] is not None:
        return Elsewhere(**given)
    loose = [name for name, value in given.items() if value is not None]
    if loose:
        raise InputError(f"--{loose[0].replace('_', '-')} goes with --on; jobs for Slurm have none")
    return None


def submit_elsewhere(
    there: Elsewhere, options: dict[str, Any], words: tuple[str, ...], *, as_json: bool, listing: bool, replanning: bool
) -> int:  # fmt: skip
    """Submit a job to an executor, held, or list its jobs."""
    from lowtide.runtime.prepare import ledger_of
    from lowtide.runtime.submitting_elsewhere import executor_of, held_line, plan_elsewhere, submit_held

    _refuse(options, replanning)
    config = config_with(**{name: options[name] for name in _FLAGS})
    if options["sites"]:
        config = config.with_flags({"site": options["sites"][0]})
    ledger = ledger_of(config)
    executor = executor_of(there.on, ledger=ledger, url=there.url, namespace=there.namespace)
    try:
        if listing:
            return _list(executor, as_json)
        spec, script = _spec(there.on, words)
        request = _request(options, options["name"] or _name(spec, script), script)
        held = _slowed(
            plan_elsewhere(request, config, ledger=ledger, executor=executor, now_ns=time.time_ns()), there
        )
        if as_json:
            emit_json(_plain(held))
            return 0
        for note in held.notes:
            _say(f"lowtide: {note}")
        if options["dry_run"]:
            click.echo(held_line("not submitted", held.promise, there.agent))
            return 0
        job = submit_held(executor, held, spec)
        click.echo(job.tag)
        _say(held_line(job.job_id, held.promise, there.agent))
        return 0
    finally:
        executor.close()


def _refuse(options: dict[str, Any], replanning: bool) -> None:
    """Refuse what only means something to Slurm."""
    if replanning:
        raise InputError("--replan is for Slurm: `lowtide agent` plans these jobs anew by itself")
    for name in ("pause_signal", "grace"):
        if options.get(name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} is for Slurm; an executor ends its jobs in its own way"
            )
    if len(options["sites"]) > 1 or "best" in options["sites"]:
        raise InputError("a choice among several sites is there for Slurm alone; give one --site")


def _spec(on: str, words: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Return what is to run, and the file that says it."""
    from lowtide.runtime.submitting_elsewhere import read_spec

    is_file = len(words) == 1 and words[0].endswith((".json", ".yaml", ".yml"))
    if is_file:
        return read_spec(words[0]), words[0]
    if on == "ray" and words:
        return {"entrypoint": shlex.join(words)}, shlex.join(words)
    command = " or `-- python train.py`" if on == "ray" else ""
    raise InputError(f"which job? give one file, job.yaml or job.json{command}")


def _name(spec: dict[str, Any], script: str) -> str:
    """Return what a job is called where nobody says it: its own name, else that of what it runs."""
    import os

    meta = spec.get("metadata")
    named = meta.get("name") or meta.get("generateName") if isinstance(meta, dict) else None
    words = [os.path.basename(word) for word in script.split() if not word.startswith("-")]
    return str(named or next((word for word in words if "." in word), words[0] if words else "job"))


def _request(options: dict[str, Any], name: str, script: str) -> Any:
    from lowtide.runtime.submitting import SubmitRequest

    return SubmitRequest(script=script, name=name, **{key: options[key] for key in _REQUEST})


def _slowed(held: Held, there: Elsewhere) -> Held:
    """Return a job whose every start after a pause takes the time that was given, else a minute or 1 %."""
    from dataclasses import replace

    from lowtide.quantities import parse_duration_s

    job = held.promise.job
    if held.promise.pause == "none":
        if there.resume_time is not None:
            raise InputError("--resume-time is what a start after a pause takes; give --pause checkpoint too")
        return held
    # never nothing: among plans as good as each other the one with fewer pauses is then the better
    resume_s = min(_RESUME_S, _RESUME_FRACTION * job.work_s)
    if there.resume_time is not None:
        resume_s = parse_duration_s(there.resume_time)
    job = replace(job, resume_time_s=resume_s)
    return replace(held, promise=replace(held.promise, job=job))


def _plain(held: Held) -> dict[str, Any]:
    from lowtide.runtime.submitting_text import promise_plain

    return {"tag": held.tag, **promise_plain(held.promise, held.notes)}


def _list(executor: Executor, as_json: bool) -> int:
    from lowtide.quantities import format_instant
    from lowtide.runtime.submitting_elsewhere import promise_of
    from lowtide.runtime.submitting_text import short_instant

    found = []
    for job in executor.jobs():
        try:
            found.append((job, promise_of(job)))
        except ExecutorError as error:
            _say(f"lowtide: {error}")
    if as_json:
        emit_json(
            [
                {
                    "tag": job.tag, "job_id": job.job_id, "state": job.state, "name": promise.name, "why": job.why,
                    "deadline": format_instant(promise.deadline_ns), "zone": promise.zone, "pause": promise.pause,
                }
                for job, promise in found
            ]
        )  # fmt: skip
        return 0
    rows = [
        [job.tag, job.job_id, job.state, short_instant(promise.deadline_ns), promise.zone, job.why]
        for job, promise in found
    ]
    click.echo(table(("tag", "job", "state", "deadline", "zone", "why"), rows))
    return 0


def serve_elsewhere(
    there: Elsewhere, *, once: bool, every_s: float, ledger: str | None, say: Callable[[str], None]
) -> int:
    """Run the agent over an executor's jobs until it is told to end."""
    from lowtide.runtime.agent_jobs import JobsAgent
    from lowtide.runtime.prepare import ledger_of
    from lowtide.runtime.submitting_elsewhere import executor_of, executors_dir

    its = ledger_of(config_with(ledger=ledger))
    executor = executor_of(there.on, ledger=its, url=there.url, namespace=there.namespace)
    try:
        with JobsAgent(executor, executors_dir(its), say=say, every_s=every_s, name=there.label) as agent:
            if once:
                agent.round()
                return 1 if agent.n_failed else 0
            agent.serve()
    finally:
        executor.close()
    return 0


def _say(line: str) -> None:
    click.echo(line, err=True)
