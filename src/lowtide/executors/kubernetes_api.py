"""What lowtide asks of a Kubernetes API server, by httpx alone or through lightkube where a kubeconfig is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from lowtide.errors import ExecutorError, MissingExtraError

if TYPE_CHECKING:
    import httpx

if TYPE_CHECKING:
    pass

__all__ = ["Api", "ApiError", "CONFIG_MAP", "HttpApi", "JOB", "Kind", "LightkubeApi", "WORKLOAD", "connect"]

Json = dict[str, Any]
T = TypeVar("T")
_SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_TIMEOUT_S: Final = 20.0
_WATCH_S: Final = 60
_MERGE: Final = "application/merge-patch+json"


class Kind(NamedTuple):
    """A kind of object: group, version, plural name, kind."""

    group: str
    version: str
    plural: str
    kind: str


CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap")
JOB: Final = Kind("batch", "v1", "jobs", "Job")
WORKLOAD: Final = Kind("kueue.x-k8s.io", "v1beta1", "workloads", "Workload")


class ApiError(Exception):
    """What a server refused; its status is 0 where there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api(Protocol):
    """Objects of one namespace as JSON; each method raises :class:`ApiError`."""

    namespace: str

    def listed(self, kind: Kind, labels: str) -> tuple[list[Json], str]:
        """Return the objects with labels, and the version of the list."""
        ...

    def create(self, kind: Kind, new: Json) -> Json:
        """Create an object."""
        ...

    def get(self, kind: Kind, name: str) -> Json:
        """Return an object."""
        ...

    def patch(self, kind: Kind, name: str, patch: Json) -> Json:
        """Merge a patch into an object (RFC 7396)."""
        ...

    def watch(self, kind: Kind, labels: str, version: str) -> Generator[str, None, None]:
        """Yield the version after each change, and of bookmarks the version with a minus before it."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class HttpApi:
    """An API server by its URL, with a token or without any login, as ``kubectl proxy`` offers it.

    Parameters
    ----------
    url : str
    namespace : str
    token : callable, optional
        Returns the token for a request; tokens of a pod are replaced every hour.
    ca_file : str, optional
        Who signs the server's certificate.
    """

    def __init__(
        self, url: str, namespace: str, *, token: Callable[[], str] | None = None, ca_file: str | None = None
    ) -> None:
        import ssl

        self.namespace, self._token = namespace, token
        # reading the system's certificates takes 0.3 s, and http:// has nothing to verify
        verify = url.startswith("https:") if ca_file is None else ssl.create_default_context(cafile=ca_file)
        self._url, self._verify, self._trust_env = url, verify, ca_file is None
        self._client = self._make()

    def listed(self, kind: Kind, labels: str) -> tuple[list[Json], str]:
        """Return the objects with labels, and the version of the list."""
        found: list[Json] = []
        more, version = "", ""
        while True:
            params = {"labelSelector": labels, "limit": "500", **({"continue": more} if more else {})}
            page = self._asked("GET", self._path(kind), params=params)
            found += page.get("items") or []
            version = version or str(page["metadata"]["resourceVersion"])
            more = page["metadata"].get("continue") or ""
            if not more:
                return found, version

    def create(self, kind: Kind, new: Json) -> Json:
        """Create an object."""
        return self._asked("POST", self._path(kind), body=new)

    def get(self, kind: Kind, name: str) -> Json:
        """Return an object."""
        return self._asked("GET", f"{self._path(kind)}/{name}")

    def patch(self, kind: Kind, name: str, patch: Json) -> Json:
        """Merge a patch into an object."""
        return self._asked("PATCH", f"{self._path(kind)}/{name}", body=patch, media=_MERGE)

    def watch(self, kind: Kind, labels: str, version: str) -> Generator[str, None, None]:
        """Yield versions until the server ends the watch."""
        import httpx

        params = {
            "watch": "true", "labelSelector": labels, "resourceVersion": version, "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
        }  # fmt: skip
        patient = httpx.Timeout(_TIMEOUT_S, read=_WATCH_S + _TIMEOUT_S)
        try:  # with a client of its own: another thread may close the common one meanwhile
            with (
                self._make() as client,
                client.stream(
                    "GET", self._path(kind), params=params, headers=self._headers(), timeout=patient
                ) as response,
            ):
                if response.status_code != 200:
                    raise ApiError(response.status_code, response.read().decode("utf-8", "replace"))
                for line in response.iter_lines():
                    yield _version_of(json.loads(line))
        except (httpx.HTTPError, ValueError) as error:
            raise ApiError(0, str(error)) from error

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _make(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            base_url=self._url, verify=self._verify, timeout=_TIMEOUT_S, trust_env=self._trust_env
        )

    def _path(self, kind: Kind) -> str:
        root = f"/apis/{kind.group}" if kind.group else "/api"
        return f"{root}/{kind.version}/namespaces/{self.namespace}/{kind.plural}"

    def _headers(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token()}"}

    def _asked(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Json | None = None,
        media: str = "application/json",
    ) -> Json:  # fmt: skip
        import httpx

        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers(), **({} if body is None else {"Content-Type": media})}
        try:
            response = self._client.request(method, path, params=params, content=data, headers=headers)
            found = response.json()
        except httpx.HTTPError as error:
            raise ApiError(
                0, f"no answer from {self._client.base_url} ({error or type(error).__name__})"
            ) from error
        except ValueError as error:
            raise ApiError(response.status_code, f"{path} answered no JSON") from error
        if response.status_code >= 300:
            raise ApiError(response.status_code, str(found.get("message") or found))
        return dict(found)


def _version_of(event: Json) -> str:
    """Return the version an event brings; a watch that expired is a fault."""
    found = event["object"]
    if event["type"] == "ERROR":
        raise ApiError(int(found.get("code", 0)), str(found.get("message", found)))
    version = str(found["metadata"]["resourceVersion"])
    return f"-{version}" if event["type"] == "BOOKMARK" else version


class LightkubeApi:
    """An API server through lightkube: kubeconfig, contexts, certificates and login commands are its business.

    Parameters
    ----------
    namespace : str, optional
        By default that of the context.
    context : str, optional
        By default the current one.

    Raises
    ------
    MissingExtraError
        If lightkube is not installed.
    ExecutorError
        If there is no configuration.
    """

    def __init__(self, *, namespace: str | None = None, context: str | None = None) -> None:
        try:
            import lightkube
            from lightkube.core.exceptions import ConfigError
        except ImportError as error:
            raise MissingExtraError("Kubernetes by a kubeconfig", extra="kubernetes") from error
        try:
            config = lightkube.KubeConfig.from_env().get(context)
            self._client = lightkube.Client(config=config, namespace=namespace)
        except (ConfigError, OSError, KeyError) as error:
            raise ExecutorError(
                f"no cluster is known here ({error}); set KUBECONFIG, or give --url http://127.0.0.1:8001 "
                "with `kubectl proxy`"
            ) from error
        self.namespace = str(self._client.namespace)

    def listed(self, kind: Kind, labels: str) -> tuple[list[Json], str]:
        """Return the objects with labels, and the version of the list."""

        def ask() -> tuple[list[Json], str]:
            listed = self._client.list(_resource(kind), labels=_selector(labels))
            found = [_plain(one) for one in listed]
            return found, str(getattr(listed, "resourceVersion", "") or "")

        return _translated(ask)

    def create(self, kind: Kind, new: Json) -> Json:
        """Create an object."""
        return _translated(lambda: _plain(self._client.create(_resource(kind).from_dict(new))))

    def get(self, kind: Kind, name: str) -> Json:
        """Return an object."""
        return _translated(lambda: _plain(self._client.get(_resource(kind), name)))

    def patch(self, kind: Kind, name: str, patch: Json) -> Json:
        """Merge a patch into an object."""
        from lightkube.types import PatchType

        return _translated(
            lambda: _plain(self._client.patch(_resource(kind), name, patch, patch_type=PatchType.MERGE))
        )

    def watch(self, kind: Kind, labels: str, version: str) -> Generator[str, None, None]:
        """Yield versions; lightkube asks again by itself when the server ends a watch."""
        events = self._client.watch(
            _resource(kind),
            labels=_selector(labels),
            resource_version=version or None,
            server_timeout=_WATCH_S,
        )
        while True:
            event = _translated(lambda: next(events, None))
            if event is None:
                return
            yield _version_of({"type": event[0], "object": _plain(event[1])})

    def close(self) -> None:
        """Close connections, where this version of lightkube can."""
        close = getattr(self._client, "close", None)
        if close is not None:
            close()


def _resource(kind: Kind) -> Any:
    """Return lightkube's class of a kind: a generic one where it may be made, for it keeps all fields."""
    from lightkube.core.resource_registry import resource_registry
    from lightkube.generic_resource import create_namespaced_resource

    try:
        return create_namespaced_resource(kind.group, kind.version, kind.kind, kind.plural)
    except ValueError:  # there is a class of that kind already, lightkube's own
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        return resource_registry.get(version, kind.kind)


def _selector(labels: str) -> dict[str, Any]:
    """Return lightkube's selector: a label that is only to be there has the value None."""
    terms = (term.partition("=") for term in labels.split(","))
    return {key: value if equal else None for key, equal, value in terms}


def _plain(found: Any) -> Json:
    return dict(found.to_dict()) if hasattr(found, "to_dict") else json.loads(json.dumps(found))


def _translated(ask: Callable[[], T]) -> T:
    """Return what a call of lightkube returns, its errors as ours."""
    from lightkube.core.exceptions import ApiError as TheirError
    from lightkube.core.exceptions import ConfigError

    try:
        return ask()
    except TheirError as error:
        code = getattr(error.status, "code", None)
        raise ApiError(int(code or 0), str(error)) from error
    except ConfigError as error:
        raise ApiError(0, str(error)) from error
    except Exception as error:
        # its transport is httpx in some versions and httpx2 in others: errors of either are told by their module
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise ApiError(0, f"no answer ({error or type(error).__name__})") from error


def connect(
    *,
    url: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
    env: Mapping[str, str] | None = None,
    account_dir: str = _SERVICE_ACCOUNT,
) -> Api:
    """Return the API server that is meant: by a URL, of the cluster this runs in, or of the kubeconfig.

    Parameters
    ----------
    url : str, optional
        Without login: ``kubectl proxy``.
    namespace : str, optional
        By default the pod's own, or that of the context.
    context : str, optional
        Of the kubeconfig.
    env : mapping, optional
    account_dir : str
        Where a pod finds its token.

    Raises
    ------
    ExecutorError
        If none is known.
    MissingExtraError
        If a kubeconfig is needed and lightkube is not installed.
    """
    env = os.environ if env is None else env
    if url is not None:
        return HttpApi(url, namespace or "default")
    host, token_file = env.get("KUBERNETES_SERVICE_HOST"), f"{account_dir}/token"
    if host and "KUBECONFIG" not in env and context is None and os.path.exists(token_file):
        port = env.get("KUBERNETES_SERVICE_PORT", "443")
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return HttpApi(
            f"https://{where}", namespace or _text(f"{account_dir}/namespace"),
            token=lambda: _text(token_file), ca_file=f"{account_dir}/ca.crt",
        )  # fmt: skip
    return LightkubeApi(namespace=namespace, context=context)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise ExecutorError(f"cannot read {path}: {error.strerror}") from error
