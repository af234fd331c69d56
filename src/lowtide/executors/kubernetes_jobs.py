"""Jobs of Kubernetes as they are written and read: manifests that are held, states, annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from lowtide.doors import JobState, TaggedJob
from lowtide.errors import InputError
from lowtide.model.pausing import RESUME
from lowtide.quantities import parse_instant_ns

__all__ = [
    "ASKED",
    "DOMAIN",
    "QUEUE_LABEL",
    "QUEUE_NAME",
    "TAG",
    "annotated",
    "annotations_of",
    "has_ended",
    "is_busy",
    "manifest",
    "seen",
]

DOMAIN: Final = "lowtide.dev/"
TAG: Final = f"{DOMAIN}tag"
ASKED: Final = f"{DOMAIN}asked"
"""Annotation: what the Job was last asked to be, ``held``, ``run`` or ``paused``."""
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
QUEUE_NAME: Final = f"{DOMAIN}queue-name"
"""Annotation: the queue a held Job is handed to when it starts."""
_OURS: Final = (TAG, ASKED, QUEUE_NAME)
_KEY: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
Json = dict[str, Any]


def manifest(tag: str, spec: Mapping[str, object], data: Mapping[str, str], *, namespace: str) -> Json:
    """Return a Job that is held, made of a user's.

    Parameters
    ----------
    tag : str
        Also its name where it has none.
    spec : mapping
        The user's manifest.
    data : mapping of str to str
        Kept in annotations.
    namespace : str

    Raises
    ------
    InputError
        If it is no Job, of another namespace, or has no container.
    """
    new: Json = deepcopy(dict(spec))
    what = (new.get("apiVersion"), new.get("kind"))
    if what != ("batch/v1", "Job"):
        raise InputError(f"a manifest of batch/v1 Job is needed, got {what[1]!r} of {what[0]!r}")
    meta, body = _part(new, "metadata"), _part(new, "spec")
    if meta.get("namespace", namespace) != namespace:
        raise InputError(
            f"the Job is of namespace {meta['namespace']!r}; give --namespace {meta['namespace']}"
        )
    meta.pop("generateName", None)
    meta.setdefault("name", tag)
    labels, template = _part(meta, "labels"), _part(body, "template")
    labels[TAG] = tag
    _part(_part(template, "metadata"), "labels")[TAG] = tag
    noted = _part(meta, "annotations")
    noted.update(annotated(ASKED, "held", data))
    if QUEUE_LABEL in labels:
        noted[QUEUE_NAME] = str(labels.pop(QUEUE_LABEL))
    body["suspend"] = True
    # without it new pods begin while old ones are still saving: two copies
    body.setdefault("podReplacementPolicy", "Failed")
    _hint(template, tag)
    return new


def _hint(template: Json, tag: str) -> None:
    """Let containers take ``LOWTIDE_RESUME`` from a ConfigMap that is not there before the first pause."""
    containers = _part(template, "spec").get("containers")
    if not isinstance(containers, list) or not containers:
        raise InputError("the Job has no spec.template.spec.containers")
    hint = {"configMapKeyRef": {"name": f"{tag}-resume", "key": RESUME, "optional": True}}
    for container in containers:
        env = container.setdefault("env", [])
        if all(one.get("name") != RESUME for one in env):
            env.append({"name": RESUME, "valueFrom": hint})


def _part(of: Json, key: str) -> Json:
    """Return an object inside another, made where it is missing or null."""
    found = of.get(key)
    if found is None:
        found = of[key] = {}
    if not isinstance(found, dict):
        raise InputError(f"{key} of the Job must be an object, got {found!r}")
    return found


def annotated(key: str, value: str, data: Mapping[str, str] | None) -> dict[str, str]:
    """Return annotations: one of ours, and data under their keys.

    Raises
    ------
    InputError
        If a key of the data cannot be one, or is ours.
    """
    found = {key: value}
    for name, text in (data or {}).items():
        if not _KEY.fullmatch(name) or DOMAIN + name in _OURS:
            raise InputError(f"{name!r} cannot be kept with a Job: use lower-case letters, digits, hyphens")
        found[DOMAIN + name] = text
    return found


def annotations_of(job: Json) -> dict[str, str]:
    """Return a Job's annotations."""
    return dict(job["metadata"].get("annotations") or {})


def has_ended(job: Json) -> bool:
    """Return whether a Job is complete or has failed."""
    return _end(job) is not None


def is_busy(job: Json) -> bool:
    """Return whether pods of a Job are there, those that are ending too."""
    status = job.get("status") or {}
    return bool(status.get("active") or status.get("terminating"))


def seen(job: Json) -> TaggedJob:
    """Return a Job as the door shows it."""
    meta, status = job["metadata"], job.get("status") or {}
    state, why = _state(job)
    end = _end(job)
    noted = annotations_of(job)
    data = {k.removeprefix(DOMAIN): v for k, v in noted.items() if k.startswith(DOMAIN) and k not in _OURS}
    return TaggedJob(
        tag=meta["labels"][TAG],
        job_id=f"{meta['namespace']}/{meta['name']}",
        state=state,
        submitted_ns=_instant(meta.get("creationTimestamp")),
        started_ns=_instant(status.get("startTime")) if state == "running" else None,
        ended_ns=None if end is None else _instant(status.get("completionTime") or end["lastTransitionTime"]),
        data=data,
        why=why,
    )


def _end(job: Json) -> Json | None:
    """Return the condition with which a Job has ended."""
    conditions = (job.get("status") or {}).get("conditions") or []
    ends = [c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"]
    return ends[0] if ends else None


def _state(job: Json) -> tuple[JobState, str]:
    end, status, asked = _end(job), job.get("status") or {}, annotations_of(job).get(ASKED)
    if end is not None:
        return ("finished" if end["type"] == "Complete" else "failed"), str(end.get("message") or "")
    queued = (job["metadata"].get("labels") or {}).get(QUEUE_LABEL)
    if job["spec"].get("suspend"):
        if is_busy(job):
            return "running", "its pods are ending"
        if asked == "held":
            return "held", ""
        return ("queued", f"waits in the queue {queued}") if queued and asked == "run" else ("paused", "")
    # servers before 1.24 do not tell how many pods are ready
    if status.get("ready", status.get("active", 0)):
        return "running", ""
    return "queued", "its pods have not begun"


def _instant(text: str | None) -> int | None:
    return None if text is None else parse_instant_ns(text)
