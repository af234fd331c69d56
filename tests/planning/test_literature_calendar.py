"""Calendar rules of Wait Awhile: every day of the week, and the nights clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from lowtide.planning.policies.literature.calendar import RULES, Rule, finish_by_ns
from lowtide.quantities import parse_instant_ns

BERLIN = ZoneInfo("Europe/Berlin")


def by(finish: str, rule: Rule, **tz: ZoneInfo | timezone) -> str:
    ns = finish_by_ns(parse_instant_ns(finish), rule, **tz)
    return (datetime(1970, 1, 1) + timedelta(microseconds=ns // 1000)).strftime("%a %d %H:%M")


# 2020-06-01 is a Monday
@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("2020-06-01T08:59Z", "Mon 01 09:00"),
        ("2020-06-01T09:00Z", "Mon 01 09:00"),
        ("2020-06-01T13:30Z", "Mon 01 13:30"),
        ("2020-06-01T17:00Z", "Mon 01 17:00"),
        ("2020-06-01T17:30Z", "Tue 02 09:00"),
        ("2020-06-05T16:30Z", "Fri 05 16:30"),
        ("2020-06-05T17:30Z", "Sat 06 09:00"),  # as published: Friday evening is like any other
        ("2020-06-06T00:00Z", "Mon 08 09:00"),
        ("2020-06-06T12:00Z", "Mon 08 09:00"),
        ("2020-06-07T23:30Z", "Mon 08 09:00"),
        ("2020-06-08T00:00Z", "Mon 08 09:00"),
    ],
)
def test_next_workday(finish: str, expected: str) -> None:
    assert by(finish, "next-workday") == expected


@pytest.mark.parametrize(
    ("finish", "semi_weekly", "monday"),
    [
        ("2020-06-01T08:30Z", "Mon 01 09:00", "Mon 01 09:00"),
        ("2020-06-01T09:00Z", "Mon 01 09:00", "Mon 01 09:00"),
        ("2020-06-01T09:30Z", "Thu 04 09:00", "Mon 08 09:00"),
        ("2020-06-04T09:00Z", "Thu 04 09:00", "Mon 08 09:00"),
        ("2020-06-04T10:00Z", "Mon 08 09:00", "Mon 08 09:00"),
        ("2020-06-07T10:00Z", "Mon 08 09:00", "Mon 08 09:00"),
    ],
)
def test_mondays_and_thursdays(finish: str, semi_weekly: str, monday: str) -> None:
    assert by(finish, "semi-weekly") == semi_weekly
    assert by(finish, "next-monday") == monday


def test_a_nanosecond_after_hours_is_after_hours() -> None:
    five = parse_instant_ns("2020-06-01T17:00Z")
    assert finish_by_ns(five, "next-workday") == five
    assert finish_by_ns(five + 1, "next-workday") == parse_instant_ns("2020-06-02T09:00Z")
    nine = parse_instant_ns("2020-06-04T09:00Z")
    assert finish_by_ns(nine + 1, "semi-weekly") == parse_instant_ns("2020-06-08T09:00Z")


def test_the_calendar_is_that_of_the_zone() -> None:
    # 23:30 UTC on Sunday is half past one on Monday in Berlin (UTC+2): by 9:00 there, 7:00 UTC
    assert by("2020-06-07T23:30Z", "next-workday", tz=BERLIN) == "Mon 08 07:00"
    # 15:30 UTC is 17:30 in Berlin, after hours; in UTC it is in hours
    assert by("2020-06-02T15:30Z", "next-workday", tz=BERLIN) == "Wed 03 07:00"
    assert by("2020-06-02T15:30Z", "next-workday") == "Tue 02 15:30"


def test_nine_is_nine_by_the_clock_when_clocks_change() -> None:
    # clocks go forward on Sunday 2020-03-29 and back on 2020-10-25: 9:00 is 8:00 UTC in winter, 7:00 in summer
    assert by("2020-03-28T12:00Z", "next-workday", tz=BERLIN) == "Mon 30 07:00"
    assert by("2020-10-24T12:00Z", "next-monday", tz=BERLIN) == "Mon 26 08:00"
    assert by("2020-03-27T07:30Z", "semi-weekly", tz=BERLIN) == "Mon 30 07:00"
    # 02:30 comes twice on that Sunday; both are before the same Monday
    assert by("2020-10-25T00:30Z", "semi-weekly", tz=BERLIN) == "Mon 26 08:00"
    assert by("2020-10-25T01:30Z", "semi-weekly", tz=BERLIN) == "Mon 26 08:00"


def test_no_rule_asks_for_less_than_starting_at_once() -> None:
    start = parse_instant_ns("2020-03-26T00:00Z")
    for rule in RULES:
        for tz in (BERLIN, timezone(timedelta(hours=5, minutes=45))):
            for quarters in range(7 * 96):
                finish = start + quarters * 900 * 10**9
                waits = finish_by_ns(finish, rule, tz=tz) - finish
                assert 0 <= waits <= (7 * 24 + 1) * 3600 * 10**9
