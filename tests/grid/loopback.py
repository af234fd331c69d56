"""A small HTTP server on this machine and a small provider that asks it, for tests of the driver and the chain."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np

from lowtide.doors import Answer, Conversation, Key, Query
from lowtide.grid.driver import Http, Limits
from lowtide.grid.http import NoAnswer
from lowtide.grid.keys import KeyRing
from lowtide.model.exchange import Auth, Request, Response, Secret
from lowtide.model.signal import Signal
from lowtide.series.types import IntensitySeries

HOUR_NS = 3600 * 10**9
CANARY = "canary-7f3e9b2a/+k=Q"
"""A key that must show up nowhere; it has characters that URLs quote."""


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What the server answers."""

    body: bytes | str = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Loopback:
    """A running server: its address, what it was asked, and what it answers."""

    url: str
    answer: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def loopback(answer: Callable[[Asked], Reply]) -> Iterator[Loopback]:
    """Serve until the block ends."""
    state = Loopback(url="", answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, body)
            state.asked.append(asked)
            reply = state.answer(asked)
            data = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data) + 100 * reply.cut))
            self.end_headers()
            try:
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client had read enough
            self.close_connection = reply.cut

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the names are of the standard library

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class HourlyProvider:
    """Asks for hours as ``[[start_ns, g or null, status, updated_ns], ...]``."""

    base_url: str = "https://hourly.example"
    name: str = "hourly"
    title: str = "Hourly"
    attribution: str = "Hourly, CC0"
    covers: str = "anything, hourly"
    offers: frozenset[str] = frozenset({"latest", "history", "forecast"})
    keys: tuple[Key, ...] = (Key(name="hourly", where="https://hourly.example/keys"),)
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 1e6
    auth: str = "query"
    zones: tuple[str, ...] = ("DE", "FR")
    chunk_hours: int = 240

    def has(self, zone: str) -> bool:
        return zone in self.zones

    def ask(self, query: Query) -> Conversation:
        kinds: Any = self.auth
        auth = Auth(kind=kinds, key=self.keys[0].name, name="api_key") if self.keys else None
        rows: list[list[Any]] = []
        start = query.start_ns
        while start < query.end_ns:
            end = min(start + self.chunk_hours * HOUR_NS, query.end_ns)
            params = (
                ("zone", query.zone),
                ("factors", query.factors),
                ("start", str(start)),
                ("end", str(end)),
            )
            response = yield Request(url=f"{self.base_url}/{query.what}", params=params, auth=auth)
            rows += json.loads(response.body)
            start = end
        return hourly_answer(rows, zone=query.zone, basis=self.basis, factors=query.factors, title=self.title)


def hourly_answer(
    rows: list[list[Any]],
    *,
    zone: str = "DE",
    basis: Any = "average",
    factors: Any = "lifecycle",
    title: str = "Hourly",
) -> Answer:
    """Return an answer of rows [start_ns, g or null, status, updated_ns] an hour long each."""
    starts = np.array([row[0] for row in rows], dtype=np.int64)
    series = IntensitySeries(
        edges_ns=np.append(starts, starts[-1] + HOUR_NS),
        intensity_g_per_kwh=np.array(
            [np.nan if row[1] is None else row[1] for row in rows], dtype=np.float64
        ),
        status=np.array([row[2] for row in rows], dtype=np.uint8),
        signal=Signal(zone=zone, basis=basis, factors=factors, flow="consumption", source=title),
    )
    return Answer(intensity=series, updated_ns=np.array([row[3] for row in rows], dtype=np.int64))


class FakeTransport:
    """Answers from a list and notes what was sent; an exception in the list is raised."""

    def __init__(self, *outcomes: Response | Exception) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[tuple[Request, Secret | None, float]] = []

    def send(
        self, request: Request, secret: Secret | None, *, timeout_s: float, connect_s: float, reply_bytes: int
    ) -> Response:
        self.sent.append((request, secret, timeout_s))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Nothing is open."""


class FakeTime:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, s: float) -> None:
        self.slept.append(s)
        self.now_s += s


def reply(body: object = (), status: int = 200, **headers: str) -> Response:
    """Return a response with a JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, body=data, headers=named, fetched_ns=0)


def http_of(
    transport: Any, *, time: FakeTime | None = None, env: Mapping[str, str] | None = None, **changes: Any
) -> Http:
    """Return a driver's means with a clock moved by hand and a key in the environment."""
    clock = time or FakeTime()
    keys = KeyRing(
        {"LOWTIDE_HOURLY_KEY": CANARY} if env is None else env, path="/nowhere/keys.toml", use_keyring=False
    )
    settings: dict[str, Any] = {
        "keys": keys, "transport": transport, "rng": random.Random(1), "monotonic": clock.monotonic,
        "sleep": clock.sleep, "wall_ns": lambda: 0, "limits": Limits(),
    }  # fmt: skip
    return Http(**{**settings, **changes})


def query_of(**changes: Any) -> Query:
    """Return a question about two hours of DE."""
    settings: dict[str, Any] = {
        "what": "history", "zone": "DE", "start_ns": 0, "end_ns": 2 * HOUR_NS, "now_ns": 10 * HOUR_NS,
    }  # fmt: skip
    return Query(**{**settings, **changes})


HOURS = [[0, 100.0, 0, 5], [HOUR_NS, 200.0, 0, 5]]
"""Two hours of DE."""

__all__ = [
    "CANARY", "HOURS", "HOUR_NS", "Asked", "FakeTime", "FakeTransport", "HourlyProvider", "Loopback", "NoAnswer",
    "Reply", "hourly_answer", "http_of", "loopback", "query_of", "reply",
]  # fmt: skip
