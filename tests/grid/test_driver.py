"""The driver: what is tried again, what is waited for, and what becomes of every kind of failure."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from loopback import (
    CANARY,
    HOURS,
    FakeTime,
    FakeTransport,
    HourlyProvider,
    NoAnswer,
    http_of,
    query_of,
    reply,
)

from lowtide.errors import AccessError, NotCoveredError, ReplyError, UnreachableError
from lowtide.grid.driver import Limits, converse
from lowtide.grid.http import TooLarge

HOURLY = HourlyProvider()


def test_an_answer_is_returned():
    answer = converse(HOURLY, query_of(), http=http_of(FakeTransport(reply(HOURS))))
    assert answer.intensity.intensity_g_per_kwh.tolist() == [100.0, 200.0]


def test_key_goes_to_the_transport_as_a_secret_and_not_into_the_request():
    transport = FakeTransport(reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport))
    request, secret, _ = transport.sent[0]
    assert secret is not None
    assert secret.reveal() == CANARY
    assert CANARY not in repr(request)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again_with_longer_and_longer_waits(status):
    clock = FakeTime()
    transport = FakeTransport(*[reply(status=status)] * 3, reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport, time=clock))
    assert len(transport.sent) == 4
    # 0.5, 1 and 2 s, of which chance takes up to half
    assert [0.25 <= clock.slept[0] <= 0.5, 0.5 <= clock.slept[1] <= 1.0, 1.0 <= clock.slept[2] <= 2.0] == [
        True
    ] * 3


def test_lost_connection_is_tried_again():
    transport = FakeTransport(NoAnswer("the answer was cut off"), reply(HOURS))
    assert len(converse(HOURLY, query_of(), http=http_of(transport)).intensity.status) == 2


def test_four_attempts_are_all():
    transport = FakeTransport(*[NoAnswer("no connection (refused)")] * 4)
    with pytest.raises(
        UnreachableError, match=r"^hourly: hourly.example/history: no connection \(refused\) after 4"
    ):
        converse(HOURLY, query_of(), http=http_of(transport))


def test_retry_after_in_seconds_is_waited_for():
    clock = FakeTime()
    transport = FakeTransport(reply(status=429, retry_after="7"), reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport, time=clock))
    assert clock.slept == [7.0]


def test_retry_after_as_a_date_is_waited_for():
    clock = FakeTime()
    # the wall clock says 1970-01-01T00:00:00Z
    transport = FakeTransport(reply(status=503, retry_after="Thu, 01 Jan 1970 00:00:09 GMT"), reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport, time=clock))
    assert clock.slept == [9.0]


@pytest.mark.parametrize("text", ["soon", "-3", ""])
def test_a_retry_after_that_says_nothing_leaves_the_own_wait(text):
    clock = FakeTime()
    converse(
        HOURLY,
        query_of(),
        http=http_of(FakeTransport(reply(status=429, retry_after=text), reply(HOURS)), time=clock),
    )
    assert clock.slept[0] <= 0.5


def test_a_pause_that_is_too_long_is_not_waited_for():
    clock = FakeTime()
    transport = FakeTransport(reply(status=429, retry_after="3600"))
    with pytest.raises(UnreachableError, match="too many requests; it asks to wait 3600 s"):
        converse(HOURLY, query_of(), http=http_of(transport, time=clock))
    assert clock.slept == []


def test_what_is_out_of_reach_is_not_asked_again_within_a_minute():
    clock = FakeTime()
    transport = FakeTransport(*[NoAnswer("no connection")] * 4, reply(HOURS))
    http = http_of(transport, time=clock)
    for _ in range(2):
        with pytest.raises(UnreachableError):
            converse(HOURLY, query_of(), http=http)
    assert len(transport.sent) == 4
    clock.now_s += 61.0
    converse(HOURLY, query_of(), http=http)
    assert len(transport.sent) == 5


def test_requests_are_spread_to_the_rate_of_the_provider():
    clock = FakeTime()
    slow = replace(HOURLY, requests_per_s=2.0, chunk_hours=1)
    transport = FakeTransport(reply(HOURS[:1]), reply(HOURS[1:]))
    converse(slow, query_of(), http=http_of(transport, time=clock))
    assert clock.slept == [0.5]


def test_time_limit_ends_the_waits():
    clock = FakeTime()
    transport = FakeTransport(reply(status=503, retry_after="4"), reply(HOURS))
    with pytest.raises(UnreachableError, match="answered 503"):
        converse(HOURLY, query_of(), http=http_of(transport, time=clock), within_s=3.0)
    assert clock.slept == []


def test_time_limit_holds_even_where_the_transport_hangs():
    class Hanging:
        def send(self, *_args, **_limits):
            time.sleep(0.5)
            return reply(HOURS)

    http = http_of(Hanging(), monotonic=time.monotonic)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no answer within 0.05 s"):
        converse(HOURLY, query_of(), http=http, within_s=0.05)
    assert time.monotonic() - began < 0.4
    with pytest.raises(UnreachableError, match="not asked again within a minute"):
        converse(HOURLY, query_of(), http=http, within_s=0.05)


def test_no_key_says_which_variable_and_where_to_get_one():
    with pytest.raises(
        AccessError, match=r"needs a key; set LOWTIDE_HOURLY_KEY .* get one at https://hourly.example/keys"
    ):
        converse(HOURLY, query_of(), http=http_of(FakeTransport(), env={}))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessError, r"missing or wrong \(401: \"no such\"\); set LOWTIDE_HOURLY_KEY"),
        (403, AccessError, r"no access with this key or plan \(403"),
        (404, NotCoveredError, r"does not have that zone, time or signal \(404"),
        (409, ReplyError, r"refused the question \(409"),
        (501, UnreachableError, "answered 501"),
        (204, ReplyError, r"refused the question \(204"),
    ],
)
def test_a_status_is_the_error_it_stands_for(status, kind, words):
    body = b"" if status == 204 else {"message": "no such"}
    with pytest.raises(kind, match=words):
        converse(HOURLY, query_of(), http=http_of(FakeTransport(reply(body, status=status))))


def test_a_bad_request_about_the_zone_is_not_covered_and_any_other_is_a_bad_reply():
    about_zone = FakeTransport(reply({"error": "unknown zone XX"}, status=400))
    with pytest.raises(NotCoveredError, match="unknown zone XX"):
        converse(HOURLY, query_of(), http=http_of(about_zone))
    other = FakeTransport(reply({"error": {"code": "400", "message": "limit must be below 5"}}, status=400))
    with pytest.raises(ReplyError, match="limit must be below 5"):
        converse(HOURLY, query_of(), http=http_of(other))


def test_a_web_page_is_no_data():
    page = reply(b"<!DOCTYPE html><html><title>Sign in</title>", content_type="text/html; charset=utf-8")
    with pytest.raises(
        ReplyError, match=r'a web page "Sign in" instead of data; is a proxy or login between\?'
    ):
        converse(HOURLY, query_of(), http=http_of(FakeTransport(page)))


def test_a_reply_that_is_too_long_is_cut_and_not_used():
    transport = FakeTransport(TooLarge("the answer is longer than 16 MiB"))
    with pytest.raises(ReplyError, match="longer than 16 MiB; nothing of it was used"):
        converse(HOURLY, query_of(), http=http_of(transport))
    assert len(transport.sent) == 1


def test_an_error_that_repeats_the_key_is_scrubbed():
    transport = FakeTransport(reply({"message": f"bad key {CANARY}"}, status=401))
    with pytest.raises(AccessError) as caught:
        converse(HOURLY, query_of(), http=http_of(transport))
    assert CANARY not in str(caught.value)
    assert "bad key ***" in str(caught.value)


def test_redirect_on_the_same_host_is_followed_and_keeps_the_key():
    moved = reply(status=301, location="/v2/history?zone=DE")
    transport = FakeTransport(moved, reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport))
    request, secret, _ = transport.sent[1]
    assert (request.url, request.params) == ("https://hourly.example/v2/history?zone=DE", ())
    assert secret is not None


@pytest.mark.parametrize("target", ["https://elsewhere.example/x", "http://hourly.example/x"])
def test_redirect_never_takes_a_key_to_another_host_or_out_of_https(target):
    transport = FakeTransport(reply(status=302, location=target))
    with pytest.raises(ReplyError, match="a key is not taken there"):
        converse(HOURLY, query_of(), http=http_of(transport))
    assert len(transport.sent) == 1


def test_redirect_in_circles_ends():
    transport = FakeTransport(*[reply(status=302, location="/history")] * 4)
    with pytest.raises(ReplyError, match="redirects in circles"):
        converse(HOURLY, query_of(), http=http_of(transport))


def test_status_that_a_provider_understands_is_handed_to_it():
    class Understanding(HourlyProvider):
        def ask(self, query):
            conversation = super().ask(query)
            request = next(conversation)
            response = yield replace(request, accept=(404,))
            raise NotCoveredError(f"said {response.status} itself", provider=self.name)

    with pytest.raises(NotCoveredError, match="said 404 itself"):
        converse(Understanding(), query_of(), http=http_of(FakeTransport(reply(status=404))))


def test_access_error_of_a_provider_gets_the_advice_of_the_driver():
    class Refusing(HourlyProvider):
        def ask(self, query):
            yield next(super().ask(query))
            raise AccessError("refused", provider=self.name)

    with pytest.raises(AccessError, match="refused; set LOWTIDE_HOURLY_KEY"):
        converse(Refusing(), query_of(), http=http_of(FakeTransport(reply())))


def test_limits_go_to_the_transport():
    transport = FakeTransport(reply(HOURS))
    converse(HOURLY, query_of(), http=http_of(transport, limits=Limits(total_s=12.0)))
    assert transport.sent[0][2] == 12.0
