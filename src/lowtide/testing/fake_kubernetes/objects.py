"""Objects with versions as an API server keeps them, the history that watches read, and what is refused."""

from __future__ import annotations

import re
import secrets
import threading
import uuid
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["ApiError", "Key", "Store", "checked_job", "instant", "is_selected"]

Key = tuple[str, str, str]
"""Resource (``jobs``), namespace, name."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_MOST_ANNOTATION_BYTES: Final = 262_144
_MAY_CHANGE: Final = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
"""What of a pod template may change while its job is suspended and has not started since."""


class ApiError(Exception):
    """What an API server refuses: the HTTP status, Kubernetes' reason, a message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def plain(self) -> dict[str, Any]:
        """Return the Status object."""
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "details": {}, "code": self.status,
        }  # fmt: skip


def instant(t_ns: int) -> str:
    """Return an instant as Kubernetes writes it, in whole seconds.

    >>> instant(1_767_225_600_999_999_999)
    '2026-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(t_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects, each change with a version of its own, and the changes since the last compaction."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[Key, dict[str, Any]] = {}
        self.version = 1000
        self.oldest = 1000
        self._history: list[tuple[int, str, str, dict[str, Any]]] = []

    def get(self, key: Key) -> dict[str, Any]:
        """Return an object, not a copy.

        Raises
        ------
        ApiError
            404 where there is none.
        """
        if key not in self.objects:
            raise ApiError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return self.objects[key]

    def of(self, resource: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return all objects of a resource, of one namespace or all."""
        return [
            found for (kind, its, _), found in self.objects.items()
            if kind == resource and namespace in (None, its)
        ]  # fmt: skip

    def create(self, resource: str, namespace: str, new: dict[str, Any], *, now_ns: int) -> dict[str, Any]:
        """Keep a new object, with a name, a uid and a time.

        Raises
        ------
        ApiError
            409 where one of that name is there, 422 for a name that is none.
        """
        meta = new.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + secrets.token_hex(3)[:5]
        name = str(meta.get("name", ""))
        if len(name) > 253 or not _NAME.fullmatch(name):
            raise ApiError(
                422, "Invalid", f"metadata.name: Invalid value: {name!r}: a lowercase RFC 1123 subdomain"
            )
        _check_metadata(meta)
        if (resource, namespace, name) in self.objects:
            raise ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists')
        meta.update(
            namespace=namespace, uid=str(uuid.uuid4()), creationTimestamp=instant(now_ns), generation=1
        )
        self.put((resource, namespace, name), new, "ADDED")
        return new

    def put(self, key: Key, new: dict[str, Any], what: str = "MODIFIED") -> None:
        """Keep an object under a new version, unless nothing of it changed."""
        had = self.objects.get(key)
        if what == "MODIFIED" and had is not None and had == new and had is not new:
            return
        with self.changed:
            self.version += 1
            new["metadata"]["resourceVersion"] = str(self.version)
            self.objects[key] = new
            self._history.append((self.version, key[0], what, deepcopy(new)))
            self.changed.notify_all()

    def remove(self, key: Key) -> None:
        """Drop an object."""
        gone = self.get(key)
        self.put(key, gone, "DELETED")
        del self.objects[key]

    def compact(self) -> None:
        """Forget the history: watches from before it get 410."""
        with self.changed:
            self._history.clear()
            self.oldest = self.version

    def since(self, version: int, resource: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield the changes of a resource after a version.

        Raises
        ------
        ApiError
            410 where they are forgotten.
        """
        with self.changed:
            if version < self.oldest:
                raise ApiError(410, "Expired", f"too old resource version: {version} ({self.oldest})")
            found = [
                (v, what, obj) for v, kind, what, obj in self._history if v > version and kind == resource
            ]
        yield from found


def is_selected(found: dict[str, Any], labels: str, fields: str) -> bool:
    """Return whether an object fits a label selector (``a=1,b!=2,c``) and ``metadata.name=X``."""
    its = found["metadata"].get("labels") or {}
    for term in filter(None, labels.split(",")):
        key, equal, value = term.replace("==", "=").partition("=")
        if key.endswith("!"):
            if its.get(key[:-1]) == value:
                return False
        elif its.get(key) != value if equal else key not in its:
            return False
    name = fields.removeprefix("metadata.name=") if fields.startswith("metadata.name=") else None
    return name is None or found["metadata"]["name"] == name


def checked_job(new: dict[str, Any], had: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a Job with its defaults, if it may be created, or may follow `had`.

    Raises
    ------
    ApiError
        400 for what is no Job, 422 for one that is not valid or changes what may not change.
    """
    if (new.get("apiVersion"), new.get("kind")) != ("batch/v1", "Job"):
        raise ApiError(400, "BadRequest", f"no kind {new.get('kind')!r} of {new.get('apiVersion')!r} here")
    _check_metadata(new["metadata"])
    spec = new.setdefault("spec", {})
    pods = (spec.get("template") or {}).get("spec") or {}
    if not pods.get("containers"):
        raise _invalid("spec.template.spec.containers: Required value")
    for container in pods["containers"]:
        if not container.get("name") or not container.get("image"):
            raise _invalid("spec.template.spec.containers[0].image: Required value")
    if pods.get("restartPolicy") not in ("Never", "OnFailure"):
        raise _invalid('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')
    if not isinstance(spec.get("suspend", False), bool):
        raise ApiError(
            400, "BadRequest", "json: cannot unmarshal into Go struct field JobSpec.spec.suspend of type bool"
        )
    for key, value in (
        ("suspend", False),
        ("parallelism", 1),
        ("completions", 1),
        ("backoffLimit", 6),
        ("completionMode", "NonIndexed"),
    ):
        spec.setdefault(key, value)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    if had is not None:
        _check_change(new, had)
    return new


def _check_change(new: dict[str, Any], had: dict[str, Any]) -> None:
    for key in ("selector", "completionMode", "podReplacementPolicy"):
        if new["spec"].get(key) != had["spec"].get(key):
            raise _invalid(f"spec.{key}: Invalid value: field is immutable")
    if new["spec"]["template"] == had["spec"]["template"]:
        return
    may = had["spec"]["suspend"] and not (had.get("status") or {}).get("startTime")
    if not may or _fixed(new["spec"]["template"]) != _fixed(had["spec"]["template"]):
        raise _invalid("spec.template: Invalid value: field is immutable")


def _fixed(template: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a template that never changes."""
    spec = {key: value for key, value in template.get("spec", {}).items() if key not in _MAY_CHANGE}
    meta = {
        key: v for key, v in (template.get("metadata") or {}).items() if key not in ("labels", "annotations")
    }
    return {"spec": spec, "metadata": meta}


def _check_metadata(meta: dict[str, Any]) -> None:
    for what in ("labels", "annotations"):
        for key, value in (meta.get(what) or {}).items():
            if not isinstance(value, str):
                raise ApiError(
                    400,
                    "BadRequest",
                    f"json: cannot unmarshal {value!r} into ObjectMeta.metadata.{what} of type string",
                )
            if what == "labels" and not _LABEL.fullmatch(value):
                raise _invalid(f"metadata.labels: Invalid value: {value!r} of {key}")
    if sum(len(k) + len(v) for k, v in (meta.get("annotations") or {}).items()) > _MOST_ANNOTATION_BYTES:
        raise _invalid("metadata.annotations: Too long: may not be more than 262144 bytes")


def _invalid(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"Job.batch is invalid: {message}")
