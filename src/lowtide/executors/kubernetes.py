"""Kubernetes Jobs, held and paused by ``spec.suspend``, and by Kueue's Workloads where Kueue owns them.

A suspended Job has its pods ended with SIGTERM and their grace, so a pause is *checkpoint and restart*, never a
freeze: a Job must look for what it saved when it begins. Everything that must survive us is in the Job itself, in
labels and annotations ``lowtide.dev/...``, changed in one patch with its suspension.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, TypeVar

from lowtide.doors import TaggedJob
from lowtide.errors import ExecutorError
from lowtide.executors.kubernetes_api import CONFIG_MAP, JOB, WORKLOAD, Api, ApiError, connect
from lowtide.executors.kubernetes_jobs import (
    ASKED,
    QUEUE_LABEL,
    QUEUE_NAME,
    TAG,
    annotated,
    annotations_of,
    has_ended,
    is_busy,
    manifest,
    seen,
)
from lowtide.executors.tags import check_tag
from lowtide.model.pausing import RESUME
from lowtide.model.run_plan import PauseKind

__all__ = ["KubernetesExecutor", "open_kubernetes"]

_MOST_TRIES: Final = 8
_AGAIN_S: Final = 2.0
Json = dict[str, Any]
T = TypeVar("T")
Change = Callable[[Json], Json | None]


def open_kubernetes(
    *, folder: str = "", url: str | None = None, namespace: str | None = None
) -> KubernetesExecutor:
    """Return the executor of the cluster that is meant; see :func:`~lowtide.executors.kubernetes_api.connect`.

    Parameters
    ----------
    folder : str
        Not used: all is kept in the Jobs themselves.
    url, namespace : str, optional

    Raises
    ------
    ExecutorError, MissingExtraError
        If no cluster is known, or the library that reads its configuration is missing.
    """
    return KubernetesExecutor(connect(url=url, namespace=namespace))


class KubernetesExecutor:
    """Jobs of one namespace.

    Parameters
    ----------
    api : Api
        From :func:`~lowtide.executors.kubernetes_api.connect`.
    """

    def __init__(self, api: Api) -> None:
        self.name = "kubernetes"
        self.pause_kind: PauseKind = "checkpoint"
        self._api = api
        self._changed, self._closed = threading.Event(), threading.Event()
        self._version = ""
        self._watcher: threading.Thread | None = None

    def jobs(self) -> Sequence[TaggedJob]:
        """Return the namespace's Jobs that have a tag."""
        found, version = self._told(lambda: self._api.listed(JOB, TAG))
        self._version = self._version or version
        return [seen(job) for job in found]

    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        """Create a Job that is suspended, or return the one of that tag.

        `spec` is a manifest of a ``batch/v1`` Job. A queue name of Kueue is kept aside until :meth:`start`, so that
        Kueue cannot admit what is held.
        """
        check_tag(tag)
        new = manifest(tag, spec, data, namespace=self._api.namespace)
        had = self._found(tag)
        if had is not None:
            return seen(had)
        try:
            return seen(self._api.create(JOB, new))
        except ApiError as fault:
            if fault.status != 409:
                raise self._error(fault, f"the Job {new['metadata']['name']} was not created") from fault
        name = new["metadata"]["name"]
        there = self._told(lambda: self._api.get(JOB, name))
        if (there["metadata"].get("labels") or {}).get(TAG) != tag:
            raise ExecutorError(
                f"a Job {self._api.namespace}/{name} is there already; delete it, or choose another metadata.name"
            )
        return seen(there)

    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a held Job begin, or hand it to its queue."""

        def change(job: Json) -> Json | None:
            if annotations_of(job).get(ASKED) != "held" or has_ended(job):
                return None
            queue = annotations_of(job).get(QUEUE_NAME)
            noted = annotated(ASKED, "run", data)
            if queue is not None:
                return {"metadata": {"labels": {QUEUE_LABEL: queue}, "annotations": noted}}
            return {"metadata": {"annotations": noted}, "spec": {"suspend": False}}

        self._change(tag, change)

    def pause(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Suspend a Job: its pods get SIGTERM, and their grace to save."""

        def change(job: Json) -> Json | None:
            if has_ended(job) or annotations_of(job).get(ASKED) == "held":
                return None
            noted = {"metadata": {"annotations": annotated(ASKED, "paused", data)}}
            if _is_queued(job):
                return None if annotations_of(job).get(ASKED) == "paused" else noted
            return None if job["spec"].get("suspend") else {**noted, "spec": {"suspend": True}}

        job = self._change(tag, change)
        if _is_queued(job) and not has_ended(
            job
        ):  # after the note: one that is not done is seen and repeated
            self._activate(job, active=False)

    def resume(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a suspended Job go on; its new pods find ``LOWTIDE_RESUME=1``.

        Raises
        ------
        ExecutorError
            Also while its pods are still ending: two of them must not run at once.
        """
        job = self._of(tag)
        if annotations_of(job).get(ASKED) == "held" or has_ended(job):
            return
        if not _is_queued(job) and not job["spec"].get("suspend"):
            return
        if _is_queued(job) and annotations_of(job).get(ASKED) != "paused":
            return
        if is_busy(job):
            raise ExecutorError(f"{tag} cannot go on yet: its pods are still ending")
        self._say_resume(job)
        if _is_queued(job):  # before the note, for the same reason
            self._activate(job, active=True)

        def change(job: Json) -> Json | None:
            noted = {"metadata": {"annotations": annotated(ASKED, "run", data)}}
            if _is_queued(job):
                return noted
            return {**noted, "spec": {"suspend": False}} if job["spec"].get("suspend") else None

        self._change(tag, change)

    def wait(self, timeout_s: float) -> bool:
        """Return True when a Job has changed, as a watch tells it."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True, name="lowtide-watch")
            self._watcher.start()
        changed = self._changed.wait(timeout_s)
        self._changed.clear()
        return changed

    def close(self) -> None:
        """Close connections; the watch ends with the next word of the server."""
        self._closed.set()
        self._api.close()

    def _watch(self) -> None:
        """Follow changes from version to version; where that has expired, from now on."""
        while not self._closed.is_set():
            try:
                if not self._version:
                    _, self._version = self._api.listed(JOB, TAG)
                    self._changed.set()
                with closing(self._api.watch(JOB, TAG, self._version)) as versions:
                    self._follow(versions)
            except ApiError as fault:
                if fault.status in (400, 410):  # too old: what happened meanwhile is found by looking
                    self._version = ""
                else:  # no connection: whoever waits looks by itself, and says what is wrong
                    self._closed.wait(_AGAIN_S)
            except RuntimeError:  # httpx's word for a client that was closed meanwhile
                if not self._closed.is_set():
                    raise

    def _follow(self, versions: Iterator[str]) -> None:
        for version in versions:
            self._version = version.lstrip("-")
            if not version.startswith("-"):
                self._changed.set()
            if self._closed.is_set():
                return

    def _found(self, tag: str) -> Json | None:
        jobs, _ = self._told(lambda: self._api.listed(JOB, f"{TAG}={tag}"))
        if len(jobs) > 1:
            names = ", ".join(str(job["metadata"]["name"]) for job in jobs)
            raise ExecutorError(f"{tag} is the tag of several Jobs ({names}); nothing is done to them")
        return dict(jobs[0]) if jobs else None

    def _of(self, tag: str) -> Json:
        job = self._found(tag)
        if job is None:
            raise ExecutorError(f"there is no Job with the label {TAG}={tag} in {self._api.namespace}")
        return job

    def _change(self, tag: str, change: Change) -> Json:
        """Patch a Job as it is at that moment, again where somebody else changed it meanwhile; return it."""
        for _ in range(_MOST_TRIES):
            job = self._of(tag)
            patch = change(job)
            if patch is None:
                return job
            meta = job["metadata"]
            patch["metadata"]["resourceVersion"] = meta["resourceVersion"]
            try:
                return self._api.patch(JOB, str(meta["name"]), patch)
            except ApiError as fault:
                if fault.status != 409:
                    raise self._error(fault, f"the Job {meta['name']} was not changed") from fault
        raise ExecutorError(f"{tag} was changed by others {_MOST_TRIES} times in a row; it is left as it is")

    def _activate(self, job: Json, *, active: bool) -> None:
        """Let Kueue admit a Job's Workload, or evict it. Kueue owns the suspension: it would undo ours."""
        name = job["metadata"]["name"]
        found, _ = self._told(
            lambda: self._api.listed(WORKLOAD, f"kueue.x-k8s.io/job-uid={job['metadata']['uid']}")
        )
        if not found:
            raise ExecutorError(f"Kueue has made no Workload of the Job {name} yet")
        load = found[0]
        if bool(load["spec"].get("active", True)) != active:
            self._told(
                lambda: self._api.patch(WORKLOAD, str(load["metadata"]["name"]), {"spec": {"active": active}})
            )

    def _say_resume(self, job: Json) -> None:
        """Make the ConfigMap that new pods take ``LOWTIDE_RESUME`` from: their template cannot change any more."""
        meta = job["metadata"]
        tag = meta["labels"][TAG]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        new = {
            "apiVersion": "v1", "kind": "ConfigMap", "data": {RESUME: "1"},
            "metadata": {"name": f"{tag}-resume", "labels": {TAG: tag}, "ownerReferences": [owner]},
        }  # fmt: skip
        try:
            self._api.create(CONFIG_MAP, new)
        except ApiError as fault:
            # There already, or not allowed here: the Job goes on without, for a deadline is worth more than a hint.
            if fault.status not in (403, 409):
                raise self._error(fault, f"{tag} cannot go on") from fault

    def _told(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except ApiError as fault:
            raise self._error(fault, f"Jobs of {self._api.namespace} cannot be read or changed") from fault

    def _error(self, fault: ApiError, what: str) -> ExecutorError:
        if fault.status in (401, 403):
            return ExecutorError(
                f"{what}: {fault}; is the agent allowed to list, watch, create and patch them?"
            )
        return ExecutorError(f"{what}: {fault}")


def _is_queued(job: Json) -> bool:
    """Return whether Kueue owns a Job's suspension."""
    return bool((job["metadata"].get("labels") or {}).get(QUEUE_LABEL))
