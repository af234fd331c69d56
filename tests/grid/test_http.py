"""Sending over a real connection, to a server on this machine."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys

import pytest
from loopback import CANARY, HOURS, Asked, HourlyProvider, Loopback, Reply, http_of, loopback, query_of

from lowtide import __version__
from lowtide.doors import Key
from lowtide.errors import ReplyError, UnreachableError
from lowtide.grid.driver import Limits, converse
from lowtide.grid.http import HttpxTransport, NoAnswer, TooLarge, scrubbed
from lowtide.model.exchange import Auth, Request, Secret

pytest.importorskip("httpx")


@pytest.fixture
def transport():
    sender = HttpxTransport(now_ns=lambda: 42)
    yield sender
    sender.close()


@pytest.fixture
def server():
    with loopback(
        lambda asked: Reply(json.dumps(HOURS), headers={"content-type": "application/json"})
    ) as running:
        yield running


def send(
    transport: HttpxTransport, url: str, auth: Auth | None = None, secret: str = CANARY, **limits: float
):
    settings = {"timeout_s": 5.0, "connect_s": 1.0, "reply_bytes": 1000, **limits}
    return transport.send(Request(url=url, auth=auth), Secret(secret) if auth else None, **settings)


def test_a_question_and_its_answer(transport: HttpxTransport, server: Loopback) -> None:
    found = send(transport, f"{server.url}/history")
    assert (found.status, json.loads(found.body), found.fetched_ns) == (200, HOURS, 42)
    assert found.headers["content-type"] == "application/json"
    assert server.asked[0].headers["user-agent"] == f"lowtide/{__version__}"


@pytest.mark.parametrize(
    ("auth", "where", "text"),
    [
        (Auth(kind="header", key="k", name="auth-token"), "auth-token", CANARY),
        (Auth(kind="bearer", key="k"), "authorization", f"Bearer {CANARY}"),
        (Auth(kind="basic", key="k"), "authorization", "Basic Y2FuYXJ5LTdmM2U5YjJhLytrPVE="),
    ],
)
def test_key_in_a_header(transport, server, auth, where, text) -> None:
    send(transport, server.url, auth)
    assert server.asked[0].headers[where] == text


def test_key_in_the_query_is_quoted(transport: HttpxTransport, server: Loopback) -> None:
    send(transport, server.url, Auth(kind="query", key="k", name="api_key"))
    assert server.asked[0].query == {"api_key": [CANARY]}


def test_packed_answer_is_unpacked(transport: HttpxTransport, server: Loopback) -> None:
    server.answer = lambda asked: Reply(gzip.compress(b"[1]"), headers={"content-encoding": "gzip"})
    assert send(transport, server.url).body == b"[1]"


def test_answer_longer_than_allowed_is_refused(transport: HttpxTransport, server: Loopback) -> None:
    server.answer = lambda asked: Reply(b"x" * 1001)
    with pytest.raises(TooLarge):
        send(transport, server.url)


def test_small_answer_that_unpacks_to_a_large_one_is_refused(transport, server) -> None:
    server.answer = lambda asked: Reply(
        gzip.compress(bytes(50 * 2**20)), headers={"content-encoding": "gzip"}
    )
    with pytest.raises(TooLarge):
        send(transport, server.url, reply_bytes=2**20)


def test_cut_answer_is_no_answer(transport: HttpxTransport, server: Loopback) -> None:
    server.answer = lambda asked: Reply(b"[1, 2", cut=True)
    with pytest.raises(NoAnswer, match="cut off"):
        send(transport, server.url)


def test_damaged_packing_is_no_answer(transport: HttpxTransport, server: Loopback) -> None:
    server.answer = lambda asked: Reply(b"no gzip", headers={"content-encoding": "gzip"})
    with pytest.raises(NoAnswer, match="damaged"):
        send(transport, server.url)


def test_nobody_at_the_address_is_no_answer(transport: HttpxTransport) -> None:
    with loopback(lambda asked: Reply()) as gone:
        url = gone.url
    with pytest.raises(NoAnswer, match="no connection"):
        send(transport, url)


def test_address_without_scheme_is_no_answer(transport: HttpxTransport) -> None:
    with pytest.raises(NoAnswer, match="https://"):
        send(transport, "data.example/x")


def test_a_conversation_over_a_real_connection(server: Loopback) -> None:
    def answer(asked: Asked) -> Reply:
        if len(server.asked) == 1:
            return Reply("busy", status=503)
        return Reply(json.dumps(HOURS))

    server.answer = answer
    http = http_of(HttpxTransport())
    found = converse(HourlyProvider(base_url=server.url), query_of(), http=http)
    assert found.intensity.intensity_g_per_kwh.tolist() == [100.0, 200.0]
    assert [asked.query["zone"] for asked in server.asked] == [["DE"], ["DE"]]
    http.transport.close()


def test_fifty_megabytes_end_in_one_error(server: Loopback) -> None:
    server.answer = lambda asked: Reply(b"[" + b" " * (50 * 2**20))
    http = http_of(HttpxTransport(), limits=Limits(reply_bytes=2**20))
    with pytest.raises(ReplyError, match="longer than 1 MiB"):
        converse(HourlyProvider(base_url=server.url), query_of(), http=http)
    http.transport.close()


def test_key_is_in_no_log_error_or_stored_reply(server: Loopback, tmp_path, caplog) -> None:
    """The key goes out in the query, comes back in bodies, and httpx logs whole addresses."""
    caplog.set_level(logging.DEBUG)

    def answer(asked: Asked) -> Reply:
        if asked.path == "/history":
            return Reply(json.dumps(HOURS) + " " * 3)
        return Reply(json.dumps({"error": f"forbidden for {CANARY}", "token": "fresh-token"}), status=403)

    server.answer = answer
    folder = tmp_path / "replies"
    http = http_of(HttpxTransport(), record=str(folder))
    errors = []
    for kind in ("query", "header", "bearer"):
        provider = HourlyProvider(base_url=server.url, auth=kind)
        converse(provider, query_of(), http=http)
        with pytest.raises(Exception, match="forbidden") as caught:
            converse(provider, query_of(what="forecast"), http=http)
        errors.append(f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}")
    http.transport.close()
    assert any(CANARY in str(asked.query) for asked in server.asked)  # it was really sent
    stored = [path.read_text() for path in folder.iterdir()]
    assert len(stored) == 6
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("http")]
    assert any("/history" in line for line in logged)  # httpx did log the address
    assert any('"token\\": \\"***' in text for text in stored)
    for form in (CANARY, "canary-7f3e9b2a", "Y2FuYXJ5LTdmM2U5YjJh"):
        for text in (*errors, *logged, caplog.text, *stored):
            assert form not in text


def test_login_token_that_the_service_gave_is_scrubbed_from_stored_replies(
    server: Loopback, tmp_path
) -> None:
    class Login(HourlyProvider):
        def ask(self, query):
            login = yield Request(url=f"{self.base_url}/login", auth=Auth(kind="basic", key="hourly"))
            token = Secret(json.loads(login.body)["jwt"])
            yield Request(url=f"{self.base_url}/echo", auth=Auth(kind="bearer", token=token))
            return (yield from super().ask(query))

    def answer(asked: Asked) -> Reply:
        bodies = {"/login": '{"jwt": "abc.def.ghi"}', "/echo": '{"you": "abc.def.ghi"}'}
        return Reply(bodies.get(asked.path, json.dumps(HOURS)))

    server.answer = answer
    http = http_of(HttpxTransport(), record=str(tmp_path))
    converse(Login(base_url=server.url, keys=(Key(name="hourly", where="x"),)), query_of(), http=http)
    http.transport.close()
    assert server.asked[1].headers["authorization"] == "Bearer abc.def.ghi"
    assert not any("abc.def" in path.read_text() for path in tmp_path.glob("*.json"))


def test_slow_drip_ends_in_time(server: Loopback) -> None:
    import threading

    release = threading.Event()

    def answer(asked: Asked) -> Reply:
        release.wait(5.0)
        return Reply(json.dumps(HOURS))

    server.answer = answer
    http = http_of(HttpxTransport(), limits=Limits(total_s=0.1, attempts=1))
    with pytest.raises(UnreachableError, match=r"no answer within 0.1 s"):
        converse(HourlyProvider(base_url=server.url), query_of(), http=http)
    release.set()
    http.transport.close()


def test_secrets_are_found_in_every_writing() -> None:
    secret = Secret("user:p@ss/wörd")
    text = "user:p@ss/wörd user%3Ap%40ss%2Fw%C3%B6rd p@ss/wörd dXNlcjpwQHNzL3fDtnJk"
    assert scrubbed(text, [secret]) == "*** *** *** ***"


def test_importing_the_driver_brings_no_httpx() -> None:
    code = "import sys, lowtide.grid.driver, lowtide.cli.main, lowtide.runtime.running; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
