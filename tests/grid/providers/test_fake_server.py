"""Fakes on loopback answer as they do in process, and go wrong on order as networks do."""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from provider_cases import PROVIDERS

from lowtide.doors import Query
from lowtide.model.exchange import Request, Response
from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid import Service, serve
from lowtide.testing.fake_grid.gb import FakeGreatBritain
from lowtide.testing.provider_checks import converse, same_answer
from lowtide.units import NS_PER_H

NOW_NS = parse_instant_ns("2026-06-20T12:20Z")
QUERY = Query(what="history", zone="GB", start_ns=NOW_NS - 30 * NS_PER_H, end_ns=NOW_NS, now_ns=NOW_NS)


def fetch(base_url: str, request: Request, *, timeout_s: float = 10.0) -> tuple[int, bytes, Any]:
    """Ask a server on loopback, whatever proxies the environment names; return status, body and headers."""
    path = urlsplit(request.url).path
    netloc = urlsplit(base_url).netloc
    with closing(http.client.HTTPConnection(netloc, timeout=timeout_s)) as connection:
        connection.request("GET", f"{path}?{urlencode(request.params)}")
        with closing(connection.getresponse()) as found:
            return found.status, found.read(), found.headers


def first_request(base_url: str) -> Request:
    """Return what the provider of Great Britain asks first."""
    return next(provider_at(base_url).ask(QUERY))


def provider_at(base_url: str) -> Any:
    """Return the provider of Great Britain, pointed at a server."""
    return replace(PROVIDERS["gb"], base_url=base_url)


def test_server_answers_as_the_fake_does_in_process() -> None:
    with serve(Service(FakeGreatBritain(now_ns=NOW_NS))) as base_url:

        def respond(request: Request) -> Response:
            status, body, _ = fetch(base_url, request)
            return Response(status=status, body=body, fetched_ns=NOW_NS)

        served = converse(provider_at(base_url), QUERY, respond)
    inside = Service(FakeGreatBritain(now_ns=NOW_NS), base_url=PROVIDERS["gb"].base_url)
    assert same_answer(served, converse(PROVIDERS["gb"], QUERY, inside.respond))


def test_rate_limit_says_when_to_come_back() -> None:
    service = Service(FakeGreatBritain(now_ns=NOW_NS))
    service.order(["rate limit", "unavailable", None])
    with serve(service) as base_url:
        found = [fetch(base_url, first_request(base_url)) for _ in range(3)]
    assert [status for status, _, _ in found] == [429, 503, 200]
    assert found[0][2]["retry-after"] == "2"


def test_cut_reply_announces_more_than_comes() -> None:
    service = Service(FakeGreatBritain(now_ns=NOW_NS))
    service.order(["cut"])
    with serve(service) as base_url, pytest.raises(http.client.IncompleteRead):
        fetch(base_url, first_request(base_url))


def test_hang_up_says_nothing() -> None:
    service = Service(FakeGreatBritain(now_ns=NOW_NS))
    service.order(["hang up"])
    with serve(service) as base_url, pytest.raises(http.client.RemoteDisconnected):
        fetch(base_url, first_request(base_url))


def test_slow_reply_outlasts_patience() -> None:
    service = Service(FakeGreatBritain(now_ns=NOW_NS), slow_s=60.0)
    service.order(["slow"])
    with serve(service) as base_url, pytest.raises(TimeoutError):
        fetch(base_url, first_request(base_url), timeout_s=0.05)
