"""Jobs of a Ray cluster through the REST interface of its dashboard; ``ray`` itself is not needed.

Ray can neither hold a job nor suspend one. A held job is kept by us, in a file, and submitted when it starts; a pause
stops the job, and going on submits it again with ``LOWTIDE_RESUME=1``. The n-th go of a job has the submission id
``TAG-n``, and Ray takes each id once: repeating an act cannot make a second copy.

::

    FOLDER/TAG.json   what a job is, what it was asked to be, which go it is at
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from lowtide.doors import JobState, TaggedJob
from lowtide.errors import ExecutorError, InputError
from lowtide.executors.ray_api import NotAnswered, RayApi, address, login
from lowtide.executors.tags import check_tag
from lowtide.model.pausing import EX_TEMPFAIL, RESUME
from lowtide.model.run_plan import PauseKind

__all__ = ["RayExecutor", "open_ray"]

_KEYS: Final = frozenset(
    ("entrypoint", "runtime_env", "metadata", "entrypoint_num_cpus", "entrypoint_num_gpus", "entrypoint_memory",
     "entrypoint_resources", "entrypoint_label_selector")
)  # fmt: skip
_NS_PER_MS: Final = 1_000_000
_STATES: Final[dict[str, JobState]] = {"PENDING": "queued", "RUNNING": "running", "SUCCEEDED": "finished"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One job as its file says.

    `n` counts its goes; `seen` is whether Ray has told of the last one: what it told of and tells no more, it has
    forgotten. `end` is how it ended, for Ray forgets that too.
    """

    tag: str
    spec: Json
    data: dict[str, str]
    submitted_ns: int
    asked: Literal["held", "run", "paused"] = "held"
    n: int = 0
    seen: bool = False
    end: Json = field(default_factory=dict)

    @property
    def submission_id(self) -> str:
        return f"{self.tag}-{self.n}"


def open_ray(*, folder: str, url: str | None = None, namespace: str | None = None) -> RayExecutor:
    """Return the executor of a Ray cluster: the one at `url`, else that of ``RAY_API_SERVER_ADDRESS``.

    Its jobs are kept in a folder of `folder` that is named after the address.

    Raises
    ------
    InputError
        If no address is known, or a namespace is given.
    """
    if namespace is not None:
        raise InputError("--namespace is for Kubernetes; jobs of Ray have none")
    where = address(url, os.environ)
    # a folder for each cluster: what is held for one must never be started on another
    place = re.sub(r"[^A-Za-z0-9.]+", "-", where.partition("://")[2]).strip("-")
    return RayExecutor(RayApi(where, token=login(os.environ)), folder=os.path.join(folder, place))


class RayExecutor:
    """Jobs of one Ray cluster.

    A spec has ``entrypoint``, and may have ``runtime_env``, ``metadata`` and ``entrypoint_num_cpus``, ``_num_gpus``,
    ``_memory`` and ``_resources``, as Ray's interface takes them.

    Parameters
    ----------
    api : RayApi
    folder : str
        Where held jobs are kept; whoever is to start them needs the same one.
    clock : callable
        Returns the time [ns]: when a job was submitted.
    """

    def __init__(self, api: RayApi, *, folder: str, clock: Callable[[], int] = time.time_ns) -> None:
        self.name = "ray"
        self.pause_kind: PauseKind = "checkpoint"
        self._api, self._folder, self._clock = api, folder, clock
        self._never = threading.Event()

    def jobs(self) -> Sequence[TaggedJob]:
        """Return all jobs that are kept; Ray is asked once for all of them."""
        kept = self._all()
        if not kept:
            return []
        theirs = {str(job.get("submission_id")): job for job in self._told(self._api.jobs)}
        return [self._seen(one, theirs.get(one.submission_id)) for one in kept]

    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        """Keep a job, or return the one of that tag; Ray hears of it when it starts."""
        check_tag(tag)
        new = _Kept(tag=tag, spec=_checked(spec), data=dict(data), submitted_ns=self._clock())
        self._write(new, first=True)
        kept = self._of(tag)
        return self._seen(kept, self._told(lambda: self._api.job(kept.submission_id)) if kept.n else None)

    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Submit a held job to Ray."""
        kept = self._of(tag)
        if kept.asked == "held":
            kept = self._noted(kept, data, asked="run", n=1, seen=False)
        if kept.asked == "run" and kept.n == 1:
            self._go(kept)

    def pause(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Stop a job: SIGTERM, and three seconds later SIGKILL, unless the cluster gives more."""
        kept = self._of(tag)
        if kept.asked == "held" or kept.end:
            return
        job = self._look(kept)
        if job is None or _state(kept, job)[0] not in ("queued", "running"):
            return
        if kept.asked == "run":  # before it is done: a go that is stopped unasked has failed
            self._noted(kept, data, asked="paused")
        self._told(lambda: self._api.stop(kept.submission_id))

    def resume(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Submit a paused job again, with ``LOWTIDE_RESUME=1``.

        Raises
        ------
        ExecutorError
            Also while it is still ending: two of them must not run at once.
        """
        kept = self._of(tag)
        if kept.asked == "held" or kept.end:
            return
        job = self._look(kept)
        if job is not None:
            state, _ = _state(kept, job)
            if state in ("queued", "running") and kept.asked == "paused":
                raise ExecutorError(f"{tag} cannot go on yet: Ray is still stopping it")
            if state != "paused":
                return
            kept = self._noted(kept, data, asked="run", n=kept.n + 1, seen=False)
        elif kept.n == 1:
            return  # its first go is start()'s business
        self._go(kept)

    def wait(self, timeout_s: float) -> bool:
        """Wait; Ray tells of changes only when it is asked."""
        return self._never.wait(timeout_s)

    def close(self) -> None:
        """Close connections."""
        self._api.close()

    def _go(self, kept: _Kept) -> None:
        """Submit the go that a job is at, unless Ray has it already."""
        if kept.seen or kept.end or self._look(kept) is not None:
            return
        env = {**((kept.spec.get("runtime_env") or {}).get("env_vars") or {})}
        if kept.n > 1:
            env[RESUME] = "1"
        body = {
            **kept.spec,
            "submission_id": kept.submission_id,
            "metadata": {**(kept.spec.get("metadata") or {}), "lowtide.tag": kept.tag},
            "runtime_env": {**(kept.spec.get("runtime_env") or {}), "env_vars": env},
        }
        try:
            self._told(lambda: self._api.submit(body))
        except ExecutorError:
            if (
                self._look(kept) is None
            ):  # else it was submitted, at the same time or before the answer was lost
                raise

    def _look(self, kept: _Kept) -> Json | None:
        """Return what Ray says of a job's present go."""
        return self._told(lambda: self._api.job(kept.submission_id)) if kept.n else None

    def _seen(self, kept: _Kept, job: Json | None) -> TaggedJob:
        """Return a job as the door shows it, and keep what Ray will forget."""
        if not kept.end:
            state, why = _state(kept, job)
            ended_ns = None
            if state in ("finished", "failed"):
                at_ms = (job or {}).get("end_time")
                ended_ns = self._clock() if at_ms is None else int(at_ms) * _NS_PER_MS
                kept = replace(kept, end={"state": state, "why": why, "ended_ns": ended_ns})
                self._write(kept)
            elif job is not None and not kept.seen:
                kept = replace(kept, seen=True)
                self._write(kept)
        else:
            state, why, ended_ns = kept.end["state"], kept.end["why"], kept.end["ended_ns"]
        running = state == "running" and job is not None and job.get("start_time") is not None
        return TaggedJob(
            tag=kept.tag,
            job_id=kept.submission_id if kept.n else kept.tag,
            state=state,
            submitted_ns=kept.submitted_ns,
            started_ns=int(job["start_time"]) * _NS_PER_MS if running and job is not None else None,
            ended_ns=ended_ns,
            data=dict(kept.data),
            why=why,
        )

    def _told(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except NotAnswered as error:
            raise ExecutorError(str(error)) from error

    def _noted(self, kept: _Kept, data: Mapping[str, str] | None, **changes: Any) -> _Kept:
        """Write what is about to be done, before it is done."""
        new = replace(kept, data={**kept.data, **(data or {})}, **changes)
        self._write(new)
        return new

    def _path(self, tag: str) -> str:
        return os.path.join(self._folder, f"{tag}.json")

    def _of(self, tag: str) -> _Kept:
        try:
            return _read(self._path(check_tag(tag)))
        except FileNotFoundError as error:
            raise ExecutorError(f"no job {tag!r} is kept in {self._folder}") from error

    def _all(self) -> list[_Kept]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return [_read(os.path.join(self._folder, name)) for name in sorted(names) if name.endswith(".json")]

    def _write(self, kept: _Kept, *, first: bool = False) -> None:
        """Keep a job: a file that is whole, or the one before; a first one only where there is none."""
        path, fresh = self._path(kept.tag), f"{self._path(kept.tag)}.{os.getpid()}.tmp"
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(fresh, "w", encoding="utf-8") as file:
                json.dump(asdict(kept), file)
                file.flush()
                os.fsync(file.fileno())
            if first:
                try:
                    os.link(fresh, path)
                except FileExistsError:
                    pass  # the tag is known: submitting it again changes nothing
                os.unlink(fresh)
            else:
                os.replace(fresh, path)
        except OSError as error:
            raise ExecutorError(f"{path} cannot be written: {error.strerror}; nothing was done") from error


def _read(path: str) -> _Kept:
    with open(path, encoding="utf-8") as file:
        try:
            return _Kept(**json.load(file))
        except (ValueError, TypeError) as error:
            raise ExecutorError(f"{path} says nothing of a job ({error}); move it away") from error


def _state(kept: _Kept, job: Json | None) -> tuple[JobState, str]:
    """Return how a job stands, of what is kept and what Ray says of its present go."""
    if kept.asked == "held":
        return "held", ""
    if job is None:
        if kept.seen:
            return "failed", f"Ray knows nothing of {kept.submission_id} any more; was its head started anew?"
        return ("held" if kept.n == 1 else "paused"), "Ray has not got it yet"
    status, said = str(job["status"]), str(job.get("message") or "")
    if status == "STOPPED":
        return ("paused", said) if kept.asked == "paused" else ("failed", f"stopped by somebody else: {said}")
    if status == "FAILED" and job.get("driver_exit_code") == EX_TEMPFAIL:
        return "paused", f"it left with {EX_TEMPFAIL}: saved, and to be started again"
    if status in _STATES:
        return _STATES[status], said
    return "failed", said.partition("\n")[0]


def _checked(spec: Mapping[str, object]) -> Json:
    """Return a spec that Ray can be given."""
    unknown = sorted(set(spec) - _KEYS)
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is nothing that a Ray job has; known are {', '.join(sorted(_KEYS))}"
        )
    entrypoint, env = spec.get("entrypoint"), spec.get("runtime_env") or {}
    if not isinstance(entrypoint, str) or not entrypoint.strip():
        raise InputError(f"entrypoint of a Ray job must be a command line, got {entrypoint!r}")
    if not isinstance(env, Mapping):
        raise InputError(f"runtime_env of a Ray job must be an object, got {env!r}")
    place = env.get("working_dir")
    if place is not None and "://" not in str(place):
        raise InputError(
            f"working_dir {place!r} would have to be uploaded; give a URI that all nodes can read (s3://, gs://, "
            "https://... .zip), or put the code where the nodes see it and cd there in the entrypoint"
        )
    return json.loads(json.dumps(dict(spec)))  # type: ignore[no-any-return]
