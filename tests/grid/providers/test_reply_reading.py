"""Strict reading: each thing a reply can be instead of what was promised has its own message."""

from __future__ import annotations

import pytest

from lowtide.errors import AccessError, NotCoveredError, ReplyError
from lowtide.grid.providers.kit.replies import Node, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Response


def reply(body: str | bytes, status: int = 200) -> Response:
    """Return a response."""
    return Response(status=status, body=body.encode() if isinstance(body, str) else body, fetched_ns=0)


def node(value: object) -> Node:
    """Return a part of a reply."""
    return Node(value, "reply.x", "some-source")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the reply is empty"),
        (" \n ", "the reply is empty"),
        (
            "<!DOCTYPE html><html></html>",
            "HTML or XML instead of JSON; is a proxy or a login page in between",
        ),
        ('{"data": [1, 2', "is no JSON, or was cut"),
        ('{"value": NaN}', "NaN is no number"),
        ('{"value": -Infinity}', "-Infinity is no number"),
        ('{"value": 1, "value": 2}', "a name stands twice in one object"),
        (b"\xff\xfe{}", "no UTF-8 text"),
        ("[" * 200_000, "nested too deeply"),
        ('{"error": "quota"}', "answered with an error: quota"),
        ('{"error": {"code": "X", "message": "no\\nsuch"}}', "answered with an error: no such"),
    ],
)
def test_body_that_is_no_json_is_refused_with_what_it_is(body: str | bytes, message: str) -> None:
    with pytest.raises(ReplyError, match=message) as caught:
        read_json(reply(body), "some-source")
    assert str(caught.value).startswith("some-source: ")


def test_byte_order_mark_is_read_over() -> None:
    assert read_json(reply(b"\xef\xbb\xbf[1]"), "some-source").value == [1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("12", "'12'"),
        (True, "True"),
        (None, "nothing"),
        ({}, "an object"),
        (1e30, r"1e\+30"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        pytest.param(10**5000, "a number of more than 60 digits", id="huge"),
    ],
)
def test_value_that_is_no_number_is_named_with_its_place(value: object, shown: str) -> None:
    with pytest.raises(
        ReplyError, match=rf"some-source: reply\.x: .*{shown}.*; nothing of the reply was used"
    ):
        node(value).number()


def test_numbers_are_read_from_texts_where_the_source_writes_them_so() -> None:
    assert node("-12.5").number(from_text=True) == -12.5
    with pytest.raises(ReplyError, match="a number was expected, got '1,5'"):
        node("1,5").number(from_text=True)
    assert node("17").integer() == 17
    with pytest.raises(ReplyError, match=r"a whole number was expected, got 1\.5"):
        node(1.5).integer()


def test_null_is_unknown_and_not_zero() -> None:
    assert number_or_nan(node({"a": None}), "a") != number_or_nan(node({"a": None}), "a")
    assert number_or_nan(node({"a": 0}), "a") == 0.0


def test_members_are_what_they_should_be() -> None:
    for call, message in (
        (lambda: node([]).get("a"), "an object was expected, got an array"),
        (lambda: node({}).get("a"), "has no 'a'"),
        (lambda: node({}).items(), "an array was expected, got an object"),
        (lambda: node(3).text(), "a text was expected, got 3"),
        (lambda: node("yes").flag(), "true or false was expected, got 'yes'"),
        (lambda: node("FR").must_be("DE", what="zone"), "zone 'DE' was asked for, the answer is for 'FR'"),
    ):
        with pytest.raises(ReplyError, match=message):
            call()


def test_instants_need_a_zone_and_one_that_exists() -> None:
    assert instants([node("1970-01-01T01:00+01:00"), node("1970-01-01T00:00:01Z")]) == [0, 10**9]
    assert instants([node("1970-01-01T01:00")], utc=True) == [3600 * 10**9]
    assert instants([]) == []
    with pytest.raises(ReplyError, match="has no time zone"):
        instants([node("2026-01-01T01:00")])
    for offset in ("+80:00", "-15:00", "+01:20"):
        with pytest.raises(ReplyError, match="an offset that no place on earth has"):
            instants([node(f"2026-01-01T01:00{offset}")])


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, AccessError, "the key was refused .401.; check it, or get one: https://get.one"),
        (403, AccessError, "has no access to the moon .403."),
        (400, NotCoveredError, "does not have the moon .400.: no such place"),
        (404, NotCoveredError, "does not have the moon .404.: no such place"),
        (204, NotCoveredError, "has nothing for the moon"),
        (418, ReplyError, "answered with status 418 to the moon"),
    ],
)
def test_status_is_put_into_words(status: int, error: type[Exception], message: str) -> None:
    told = reply('{"message": "no such place"}', status)
    with pytest.raises(error, match=message):
        check_status(told, "some-source", asked="the moon", where="https://get.one")


def test_refused_key_is_not_quoted_from_the_body() -> None:
    with pytest.raises(AccessError) as caught:
        check_status(reply('{"message": "bad key abc123"}', 401), "some-source", asked="x")
    assert "abc123" not in str(caught.value)
