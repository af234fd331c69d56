"""A service made of a fake: keys, faults to order, a log of what was asked; in process or on loopback."""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from lowtide.model.exchange import Request, Response

__all__ = ["Asked", "Fake", "Fault", "Reply", "Service", "error", "reply", "serve"]

Fault = Literal["rate limit", "unavailable", "html", "cut", "slow", "hang up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it arrives: decoded path and parameters, names of headers in lower case."""

    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"

    def one(self, name: str, default: str = "") -> str:
        """Return the first parameter of a name."""
        return next((value for key, value in self.params if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return every parameter of a name."""
        return [value for key, value in self.params if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a fake answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Fake(Protocol):
    """A service's behaviour, without any transport."""

    now_ns: int

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        ...


def reply(data: Any, *, status: int = 200) -> Reply:
    """Return a JSON reply."""
    return Reply(status=status, body=json.dumps(data).encode(), headers={"content-type": "application/json"})


def error(status: int, message: str, **more: Any) -> Reply:
    """Return a JSON reply that is an error."""
    return reply({"error": message, "message": message, **more}, status=status)


class Service:
    """A fake with the keys that open it.

    Parameters
    ----------
    fake : Fake
    base_url : str
        Under which a provider asks in process.
    secrets : mapping of str to str
        Secret by the name of a provider's key; ``USER:PASSWORD`` for basic authentication.
    slow_s : float
        How long the fault ``"slow"`` keeps a client waiting [s].

    Attributes
    ----------
    asked : list of Asked
        Every request so far.
    """

    def __init__(
        self,
        fake: Fake,
        *,
        base_url: str = "",
        secrets: Mapping[str, str] | None = None,
        slow_s: float = 30.0,
    ) -> None:
        self.fake, self.base_url, self.slow_s = fake, base_url, slow_s
        self.asked: list[Asked] = []
        self._secrets = dict(secrets or {})
        self._faults: deque[Fault | None] = deque()

    def order(self, faults: Sequence[Fault | None]) -> None:
        """Let the next requests go wrong, one each; None lets one pass."""
        self._faults.extend(faults)

    def next_fault(self) -> Fault | None:
        """Return what goes wrong with the request that is being answered."""
        return self._faults.popleft() if self._faults else None

    def answer(self, asked: Asked, fault: Fault | None = None) -> Reply:
        """Return the reply to a request, gone wrong as ordered."""
        self.asked.append(asked)
        if fault == "rate limit":
            return Reply(status=429, body=b'{"error": "too many requests"}', headers={"retry-after": "2"})
        if fault == "unavailable":
            return Reply(status=503, body=b"upstream is not available")
        if fault == "html":
            return Reply(body=b"<!DOCTYPE html><html><body>Please log in</body></html>")
        good = self.fake.answer(asked)
        if fault == "cut":
            return Reply(status=good.status, body=good.body[: len(good.body) // 2], headers=good.headers)
        return good

    def respond(self, request: Request) -> Response:
        """Answer a provider's request in process."""
        found = self.answer(self._arrived(request), self.next_fault())
        return Response(
            status=found.status, body=found.body, headers=found.headers, fetched_ns=self.fake.now_ns
        )

    def _arrived(self, request: Request) -> Asked:
        headers = {name.lower(): value for name, value in request.headers}
        params = list(request.params)
        auth = request.auth
        if auth is not None:
            secret = self._secrets.get(auth.key, "") if auth.token is None else auth.token.reveal()
            if auth.kind == "query":
                params.append((auth.name, secret))
            elif auth.kind == "header":
                headers[auth.name.lower()] = secret
            elif auth.kind == "bearer":
                headers["authorization"] = f"Bearer {secret}"
            else:
                headers["authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        path = request.url.removeprefix(self.base_url)
        return Asked(path=path, params=tuple(params), headers=headers, method=request.method)


@contextmanager
def serve(service: Service) -> Iterator[str]:
    """Serve on loopback; yields the base URL.

    A cut reply announces its whole length and ends early; a hang-up ends before anything is said.
    """
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fault = service.next_fault()
            if fault == "hang up":
                self.close_connection = True
                return
            if fault == "slow":
                done.wait(service.slow_s)
            split = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            params = tuple(parse_qsl(split.query, keep_blank_values=True))
            asked = Asked(path=split.path, params=params, headers=headers, method=self.command)
            found = service.answer(asked, None if fault == "cut" else fault)
            self._say(found, cut=fault == "cut")

        def _say(self, found: Reply, *, cut: bool) -> None:
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body[: len(found.body) // 2] if cut else found.body)
            self.close_connection = self.close_connection or cut

        def log_message(self, *args: Any) -> None:
            """Say nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join()
