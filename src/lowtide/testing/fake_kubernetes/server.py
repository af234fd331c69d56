"""The API server on loopback: paths, verbs, patches, watches, errors as Kubernetes gives them, faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from lowtide.testing.fake_kubernetes.controllers import JobController, Kueue
from lowtide.testing.fake_kubernetes.objects import ApiError, Store, checked_job, is_selected
from lowtide.testing.fake_kubernetes.patching import PATCHES
from lowtide.testing.loopback import LoopbackServer

__all__ = ["FakeKubernetes"]

_KINDS: Final = {
    "jobs": ("batch/v1", "Job"),
    "pods": ("v1", "Pod"),
    "configmaps": ("v1", "ConfigMap"),
    "workloads": ("kueue.x-k8s.io/v1beta1", "Workload"),
}
_BOOKMARK_S: Final = 0.3
_LOOK_S: Final = 0.02
"""A watch lets the controllers work that often."""
Fault = Literal["before", "after", "conflict", "throttle"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, its path taken apart."""

    method: str
    version: str
    namespace: str | None
    resource: str
    name: str
    sub: str
    params: dict[str, str] = field(default_factory=dict)
    media: str = ""
    body: Any = None


class FakeKubernetes:
    """An API server with Jobs, Pods and Workloads and the controllers behind them; a context manager.

    Faithful in what matters to somebody who suspends Jobs: versions and conflicts, three kinds of patch, what may
    not change, watches with bookmarks that expire, pods that take their grace to end, ``startTime`` that goes.

    Parameters
    ----------
    clock : callable, optional
        Returns the time [ns]; by default the wall clock.
    pod_start_s : float
        From a pod's making to its running [s].
    token : str, optional
        Asked for in each request.

    Attributes
    ----------
    url : str
    store : Store
    jobs : JobController
    kueue : Kueue
    asked : list of (method, path)
    agents : list of str
        Who asked, as they call themselves.

    Examples
    --------
    >>> import httpx
    >>> with FakeKubernetes() as cluster:
    ...     httpx.get(f"{cluster.url}/apis/batch/v1/namespaces/default/jobs/digits").json()["reason"]
    'NotFound'
    """

    def __init__(
        self, *, clock: Callable[[], int] = time.time_ns, pod_start_s: float = 0.0, token: str = ""
    ) -> None:
        self.store, self._clock, self._token = Store(), clock, token
        self.jobs = JobController(self.store, clock, pod_start_s=pod_start_s)
        self.kueue = Kueue(self.store, clock)
        self.asked: list[tuple[str, str]] = []
        self.agents: list[str] = []
        self._faults: deque[Fault] = deque()
        self._closing = threading.Event()
        self._server = LoopbackServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> FakeKubernetes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def kubeconfig(self) -> str:
        """Return a configuration for its clients, as YAML (which JSON is)."""
        user = {"token": self._token} if self._token else {}
        return json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "fake",
                "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
                "users": [{"name": "fake", "user": user}],
                "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "default"}}],
            }
        )  # fmt: skip

    def break_next(self, fault: Fault) -> None:
        """Let the next request that changes something go wrong.

        ``before``: 503 and nothing done; ``after``: done and the connection is closed without an answer;
        ``conflict``: the object has changed meanwhile; ``throttle``: 429.
        """
        self._faults.append(fault)

    def sync(self) -> None:
        """Let the controllers do what is to be done now."""
        with self.store.changed:
            self.kueue.sync()
            self.jobs.sync()
            self.kueue.sync()
            self.jobs.sync()

    def _fault(self, asked: _Asked) -> Fault | None:
        changes = asked.method in ("POST", "PUT", "PATCH", "DELETE")
        fault = self._faults.popleft() if changes and self._faults else None
        if fault == "before":
            raise ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        if fault == "throttle":
            raise ApiError(429, "TooManyRequests", "the server has received too many requests")
        key = (asked.resource, asked.namespace or "", asked.name)
        if fault == "conflict" and key in self.store.objects:
            self.store.put(key, self.store.objects[key])
        return fault

    def _answer(self, asked: _Asked) -> tuple[int, Any]:
        if not asked.resource:
            return 200, _discovery(asked.version)
        if asked.resource not in _KINDS or _KINDS[asked.resource][0] != asked.version:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        with self.store.changed:
            self.sync()
            done = self._act(asked)
            self.sync()
            return done

    def _act(self, asked: _Asked) -> tuple[int, Any]:
        kind, namespace = asked.resource, asked.namespace
        if asked.method == "GET" and not asked.name:
            return 200, self._list(asked)
        if asked.method == "POST" and not asked.name and namespace:
            new = deepcopy(asked.body)
            if (new.get("metadata") or {}).get("namespace", namespace) != namespace:
                raise ApiError(
                    400,
                    "BadRequest",
                    "the namespace of the object does not match the namespace on the request",
                )
            new.setdefault("metadata", {})
            made = self.store.create(kind, namespace, _valid(kind, new), now_ns=self._clock())
            self.sync()
            return 201, deepcopy(made)
        key = (kind, namespace or "", asked.name)
        had = self.store.get(key)
        if asked.method == "GET":
            return 200, deepcopy(had)
        if asked.method == "DELETE":
            self.store.remove(key)
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if asked.method in ("PUT", "PATCH"):
            self.store.put(key, self._changed(asked, had))
            self.sync()
            return 200, deepcopy(self.store.get(key))
        raise ApiError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )

    def _changed(self, asked: _Asked, had: dict[str, Any]) -> dict[str, Any]:
        """Return what an object is to become."""
        if asked.method == "PUT":
            new = deepcopy(asked.body)
        elif asked.media in PATCHES:
            try:
                new = PATCHES[asked.media](had, asked.body)
            except (ValueError, KeyError, TypeError) as error:
                raise ApiError(422, "Invalid", f"the server rejected our request: {error}") from error
        else:
            raise ApiError(
                415,
                "UnsupportedMediaType",
                f"the body of the request was in an unknown format: {asked.media!r}",
            )
        meta = had["metadata"]
        version = new["metadata"].get("resourceVersion")
        if version is not None and version != meta["resourceVersion"]:
            raise ApiError(
                409, "Conflict", f'Operation cannot be fulfilled on {asked.resource} "{asked.name}": the object has '
                "been modified; please apply your changes to the latest version and try again",
            )  # fmt: skip
        if asked.sub == "status":
            new = {**deepcopy(had), "status": new.get("status", {})}
        else:
            new["status"] = deepcopy(had.get("status", {}))
        new["metadata"] |= {
            key: meta[key] for key in ("name", "namespace", "uid", "creationTimestamp", "resourceVersion")
        }
        return _valid(asked.resource, new, had)

    def _list(self, asked: _Asked) -> dict[str, Any]:
        version, kind = _KINDS[asked.resource]
        found = [one for one in self.store.of(asked.resource, asked.namespace) if _fits(one, asked)]
        return {
            "apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": str(self.store.version)},
            "items": deepcopy(found),
        }  # fmt: skip

    def _watch(self, asked: _Asked, send: Callable[[dict[str, Any]], None]) -> None:
        """Send changes until the time is over, or the version is too old."""
        until = time.monotonic() + float(asked.params.get("timeoutSeconds", "60"))
        bookmark = time.monotonic() + _BOOKMARK_S
        version = int(asked.params.get("resourceVersion") or self.store.version)
        apiversion, kind = _KINDS[asked.resource]
        while time.monotonic() < until and not self._closing.is_set():
            self.sync()
            try:
                changes = list(self.store.since(version, asked.resource))
            except ApiError as error:
                send({"type": "ERROR", "object": error.plain()})
                return
            for at, what, found in changes:
                version = at
                if asked.namespace in (None, found["metadata"]["namespace"]) and _fits(found, asked):
                    send({"type": what, "object": found})
            if asked.params.get("allowWatchBookmarks") == "true" and time.monotonic() >= bookmark:
                version, bookmark = max(version, self.store.version), time.monotonic() + _BOOKMARK_S
                meta = {"resourceVersion": str(version), "creationTimestamp": None}
                send(
                    {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": apiversion, "metadata": meta}}
                )
            with self.store.changed:
                if self.store.version == version:
                    self.store.changed.wait(_LOOK_S)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                cluster.asked.append((self.command, self.path))
                cluster.agents.append(self.headers.get("User-Agent", ""))
                fault: Fault | None = None
                try:
                    if cluster._token and self.headers.get("Authorization") != f"Bearer {cluster._token}":
                        raise ApiError(401, "Unauthorized", "Unauthorized")
                    asked = _taken_apart(self.command, self.path, self.headers.get("Content-Type", ""), body)
                    fault = cluster._fault(asked)
                    if asked.params.get("watch") in ("true", "1"):
                        self._stream(asked)
                        return
                    status, found = cluster._answer(asked)
                except ApiError as error:
                    status, found = error.status, error.plain()
                if fault == "after":
                    self.close_connection = True
                    return
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

            def _stream(self, asked: _Asked) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()

                def send(event: dict[str, Any]) -> None:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                    self.wfile.flush()

                try:
                    cluster._watch(asked, send)
                    self.wfile.write(b"0\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # whoever watched has left

            def log_message(self, *_: Any) -> None:
                return

        return Handler


def _fits(found: dict[str, Any], asked: _Asked) -> bool:
    return is_selected(found, asked.params.get("labelSelector", ""), asked.params.get("fieldSelector", ""))


def _valid(kind: str, new: dict[str, Any], had: dict[str, Any] | None = None) -> dict[str, Any]:
    return checked_job(new, had) if kind == "jobs" else new


def _taken_apart(method: str, path: str, media: str, body: bytes) -> _Asked:
    """Return a request; ``/apis/GROUP/VERSION[/namespaces/NS]/RESOURCE[/NAME[/SUB]]``."""
    split = urlsplit(path)
    parts = split.path.strip("/").split("/")
    n = 2 if parts[0] == "api" else 3
    version, rest = "/".join(parts[1:n]) if parts[0] in ("api", "apis") else split.path, parts[n:]
    namespace = None
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, sub = (*rest, "", "", "")[:3]
    try:
        given = json.loads(body) if body else None
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"the object provided is unrecognized: {error}") from error
    if method == "POST" and not isinstance(given, dict):
        raise ApiError(400, "BadRequest", "the object provided is unrecognized")
    params = dict(parse_qsl(split.query))
    return _Asked(
        method, version, namespace, resource, name, sub, params, media.partition(";")[0].strip(), given
    )


def _discovery(what: str) -> dict[str, Any]:
    """Return what clients ask before anything else."""
    groups = [version for version, _ in _KINDS.values() if "/" in version]
    if what == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0-fake"}
    if what in ("batch/v1", "v1", "kueue.x-k8s.io/v1beta1"):
        found = [
            {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind,
             "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}
            for name, (version, kind) in _KINDS.items() if version == what
        ]  # fmt: skip
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": what, "resources": found}
    if what == "":
        versions = [{"groupVersion": group, "version": group.partition("/")[2]} for group in groups]
        named = [
            {"name": one["groupVersion"].partition("/")[0], "versions": [one], "preferredVersion": one}
            for one in versions
        ]
        both = {"groups": named, "versions": ["v1"]}
        return {"kind": "APIGroupList", "apiVersion": "v1", **both}
    raise ApiError(404, "NotFound", "the server could not find the requested resource")
