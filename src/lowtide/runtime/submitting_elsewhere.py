"""Jobs handed to an executor behind the door: planned as for Slurm, held, and all of it kept with the job.

What an agent needs travels with the job as its data, so that one on another machine, or in the cluster, can work:

* ``promise``: the :class:`~lowtide.runtime.submitting_promise.Promise` as JSON;
* ``deadline``: the same, for people;
* ``plan``: when it is to run, ``START/END`` joined by commas;
* ``runs``: when it has run, in the same form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from lowtide.errors import DataFileError, ExecutorError, InputError, MissingExtraError, QuantityError
from lowtide.executors.tags import new_tag
from lowtide.plugins import find_plugins
from lowtide.quantities import format_duration, format_instant, parse_instant_ns
from lowtide.runtime.submitting import SubmitRequest, plan_submission
from lowtide.runtime.submitting_promise import Promise
from lowtide.runtime.submitting_text import short_instant
from lowtide.stores.codec import from_plain, to_plain

if TYPE_CHECKING:
    from lowtide.doors import Executor, TaggedJob
    from lowtide.runtime.config import Config
    from lowtide.stores.ledger import Ledger

__all__ = [
    "BUILT_IN",
    "Held",
    "data_of",
    "executor_of",
    "executors_dir",
    "held_line",
    "merged_spans",
    "plan_elsewhere",
    "promise_of",
    "read_spec",
    "spans_text",
    "submit_held",
    "text_spans",
]

Span = tuple[int, int]
BUILT_IN: Final[dict[str, str]] = {
    "kubernetes": "lowtide.executors.kubernetes:open_kubernetes",
    "ray": "lowtide.executors.ray_jobs:open_ray",
}
"""lowtide's own executors and where each lives."""
_GROUP: Final = "lowtide.executors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A job planned for an executor, with what the user should know.

    Attributes
    ----------
    tag : str
    promise : Promise
        Its `job_id` is 0: there the tag names it.
    notes : tuple of str
    """

    tag: str
    promise: Promise
    notes: tuple[str, ...]


def executors_dir(ledger: Ledger) -> str:
    """Return the folder of what executors and their agents keep."""
    return os.path.join(ledger.path, "executors")


def executor_of(name: str, *, ledger: Ledger, url: str | None, namespace: str | None) -> Executor:
    """Return an executor by its entry point.

    Raises
    ------
    InputError
        If there is none of that name.
    ExecutorError, MissingExtraError
        If it cannot be opened.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        make = getattr(import_module(module), attribute)
    else:
        points = find_plugins(_GROUP)
        if name not in points:
            known = ", ".join(sorted({*points, *BUILT_IN}))
            raise InputError(f"no executor {name!r}; known are {known}, and jobs for Slurm need no --on")
        make = points[name].load()
    folder = os.path.join(executors_dir(ledger), name)
    return cast("Executor", make(folder=folder, url=url, namespace=namespace))


def read_spec(path: str) -> dict[str, Any]:
    """Return the one object in a JSON or YAML file.

    Raises
    ------
    InputError
        If it cannot be read, or holds anything else than one object.
    MissingExtraError
        If it is YAML and pyyaml is not installed.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise InputError(f"cannot read the job {path}: {error.strerror}") from error
    try:
        found = [json.loads(text)]
    except ValueError:
        found = _yaml(text, path)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise InputError(f"{path} must hold one object, the job; it holds {len(found)} documents")
    return found[0]


def _yaml(text: str, path: str) -> list[Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("a job in YAML", extra="yaml") from error
    try:
        return [one for one in yaml.safe_load_all(text) if one is not None]
    except yaml.YAMLError as error:
        raise InputError(f"{path} is neither JSON nor YAML: {error}") from error


def plan_elsewhere(
    request: SubmitRequest, config: Config, *, ledger: Ledger, executor: Executor, now_ns: int
) -> Held:
    """Return what is promised of a job for an executor; nothing is submitted.

    Parameters
    ----------
    request : SubmitRequest
        With its name; its script is not read.
    config : Config
    ledger : Ledger
        Where past runs of that name are.
    executor : Executor
    now_ns : int

    Raises
    ------
    InputError
        If a value is wrong or missing, or the executor cannot pause as asked.
    """
    pause = request.pause
    if pause not in ("none", executor.pause_kind):
        can = f"none or {executor.pause_kind}" if executor.pause_kind != "none" else "none"
        raise InputError(f"--pause {pause!r} is nothing that {executor.name} can do; use {can}")
    if pause != "none" and request.start_within is not None and request.duration is None:
        raise InputError(f"--pause {pause} needs to know when the job would be done: give --duration")
    plain = replace(request, script=os.devnull, pause="none")
    planned = plan_submission(plain, config, ledger=ledger, env={}, now_ns=now_ns)
    promise = replace(planned.promise, script=request.script, pause=cast("Any", pause))
    return Held(tag=new_tag(promise.name), promise=promise, notes=planned.notes)


def submit_held(executor: Executor, held: Held, spec: Mapping[str, object]) -> TaggedJob:
    """Submit a planned job, held.

    Raises
    ------
    InputError
        If the executor cannot take the spec.
    ExecutorError
        If it refuses.
    """
    start = held.promise.first
    plan = [(start.start_ns, start.end_ns)]
    return executor.submit(held.tag, spec, data=data_of(held.promise, plan=plan))


def data_of(promise: Promise, *, plan: Iterable[Span]) -> dict[str, str]:
    """Return what is kept with a job."""
    return {
        "promise": json.dumps(to_plain(promise), separators=(",", ":")),
        "deadline": format_instant(promise.deadline_ns),
        "plan": spans_text(plan),
    }


def promise_of(job: TaggedJob) -> Promise:
    """Return the promise that is kept with a job.

    Raises
    ------
    ExecutorError
        If there is none that can be read.
    """
    try:
        return from_plain(Promise, json.loads(job.data["promise"]), path=job.job_id)
    except (KeyError, ValueError, DataFileError) as error:
        raise ExecutorError(f"{job.job_id} says nothing of what was promised ({error})") from error


def spans_text(spans: Iterable[Span]) -> str:
    """Return stretches of time as text, to the millisecond.

    >>> spans_text([(0, 1_500_000_000)])
    '1970-01-01T00:00:00.000Z/1970-01-01T00:00:01.500Z'
    """
    return ",".join(f"{_stamp(a)}/{_stamp(b)}" for a, b in spans)


def _stamp(t_ns: int) -> str:
    return f"{format_instant(t_ns)[:19]}.{t_ns // 10**6 % 1000:03d}Z"


def text_spans(text: str) -> list[Span]:
    """Return stretches of time; what is no stretch is left out, for others can change data too.

    >>> text_spans("1970-01-01T00:00:00.000Z/1970-01-01T00:00:01.500Z,nonsense")
    [(0, 1500000000)]
    """
    found = []
    for part in filter(None, text.split(",")):
        a, _, b = part.partition("/")
        try:
            found.append((parse_instant_ns(a), parse_instant_ns(b)))
        except QuantityError:
            continue
    return [(a, b) for a, b in found if b > a]


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """Return stretches in order, those that overlap as one, so that no time counts twice.

    >>> merged_spans([(5, 9), (0, 2), (1, 3)])
    [(0, 3), (5, 9)]
    """
    found: list[Span] = []
    for a, b in sorted(spans):
        if found and a <= found[-1][1]:
            found[-1] = found[-1][0], max(b, found[-1][1])
        else:
            found.append((a, b))
    return found


def held_line(job_id: str, promise: Promise, agent: str) -> str:
    """Return a promise in one line, and who has to be running for it to come true."""
    plan, start = promise.first, short_instant(promise.first.start_ns)
    saving = plan.saving_fraction
    change = "change unknown" if saving is None else f"{-saving * 100.0:+.0f} %"
    begins = f"starts {start}, {change} against now" if plan.start_ns > promise.submitted_ns else "starts now"
    lasts = f"; takes {format_duration(promise.job.work_s)}" if promise.duration_from else ""
    deadline = short_instant(promise.deadline_ns, start)
    return f"{job_id}: held; {begins}{lasts}; deadline {deadline}. `{agent}` must be running: it alone starts jobs"
