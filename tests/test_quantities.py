"""Quantities as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import QuantityError
from lowtide.quantities import (
    check_end_ns,
    format_duration,
    format_instant,
    parse_asked_ns,
    parse_duration_s,
    parse_energy_kwh,
    parse_fraction,
    parse_instant_ns,
    parse_power_w,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("15m", 900.0),
        ("15min", 900.0),
        ("36h", 129_600.0),
        ("14.8d", 1_278_720.0),  # 14.8 x 86400
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2w", 1_209_600.0),
        ("250ms", 0.25),
        (" 1e3s ", 1000.0),
    ],
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize("text", ["", "90", "-5s", "1h30", "s", "1 year", "1e999s", "nan", "infs"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(QuantityError):
        parse_duration_s(text)


def test_refused_duration_shows_forms_that_work():
    with pytest.raises(QuantityError, match=r"cannot read 'soon' as a duration; write it like 90s, 15m, 36h"):
        parse_duration_s("soon")


def test_bare_number_takes_the_unit_of_its_flag():
    assert parse_duration_s("2", bare_unit_s=3600.0) == 7200.0
    assert parse_duration_s("2m", bare_unit_s=3600.0) == 120.0


@pytest.mark.parametrize(
    ("text", "w"), [("300W", 300.0), ("2.4kW", 2400.0), ("1 MW", 1e6), ("5mW", 0.005), ("7", 7.0)]
)
def test_powers(text, w):
    assert parse_power_w(text) == w


@pytest.mark.parametrize("text", ["", "W", "-3W", "3kwh", "3 horses", "1e999"])
def test_what_is_no_power_is_refused(text):
    with pytest.raises(QuantityError):
        parse_power_w(text)


@pytest.mark.parametrize(
    ("text", "kwh"),
    [("0.3kWh", 0.3), ("1.2MWh", 1200.0), ("3.6MJ", 1.0), ("500Wh", 0.5), ("2", 2.0), ("3600kJ", 1.0)],
)
def test_energies(text, kwh):
    assert parse_energy_kwh(text) == pytest.approx(kwh, rel=1e-15)


@pytest.mark.parametrize(("text", "fraction"), [("50%", 0.5), ("0.5", 0.5), ("150 %", 1.5)])
def test_fractions(text, fraction):
    assert parse_fraction(text) == fraction


def test_what_is_no_share_is_refused():
    with pytest.raises(QuantityError, match=r"cannot read 'half' as a share; write it like 50% or 0.5"):
        parse_fraction("half")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01T01:00+01:00", 0),
        ("1969-12-31T23:00-01:00", 0),
        ("1970-01-01T00:00:00.000001Z", 1000),
        ("2026-03-01T00:00:00+00:00", 1_772_323_200_000_000_000),  # 20513 days x 86400 s
    ],
)
def test_instants(text, ns):
    assert parse_instant_ns(text) == ns


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2026-03-01T05:00", "write 2026-03-01T05:00Z for UTC"),
        ("2026-03-01 05:00:01", "write 2026-03-01 05:00:01Z for UTC"),
        ("2026-03-01", "write 2026-03-01T00:00Z for UTC"),
    ],
)
def test_naive_instant_is_refused_with_the_way_to_write_it(text, hint):
    with pytest.raises(QuantityError, match="has no time zone") as caught:
        parse_instant_ns(text)
    assert hint in str(caught.value)
    parse_instant_ns(hint.removeprefix("write ").removesuffix(" for UTC"))  # the hint itself can be read


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00Z", "1772323200"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(QuantityError, match="cannot read"):
        parse_instant_ns(text)


def test_instant_beyond_the_calendar_is_refused_like_any_other():
    with pytest.raises(QuantityError, match="cannot read '0001-01-01T00:00"):
        parse_instant_ns("0001-01-01T00:00+23:00")


@given(st.integers(min_value=0, max_value=4_102_444_799_999_999))
def test_instant_written_is_read_back_to_the_microsecond(t_us):
    assert parse_instant_ns(format_instant(t_us * 1000)) == t_us * 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (41.26, "41.3s"),
        (60.0, "1m"),
        (5400.0, "1h30m"),
        (86_400.0, "1d"),
        (90_061.0, "1d1h"),
        (3599.7, "1h"),
    ],
)
def test_duration_as_a_person_would_say_it(seconds, text):
    assert format_duration(seconds) == text


def test_duration_of_200_years_can_be_asked_for_and_no_longer_one():
    assert parse_duration_s("73050d") == 6_311_520_000.0  # 200 x 365.25 d
    with pytest.raises(
        QuantityError, match=r"'73051d' is longer than 200 years; durations are elapsed time, not GPU time"
    ):
        parse_duration_s("73051d")
    with pytest.raises(QuantityError, match="longer than 200 years"):
        parse_duration_s("1e9", bare_unit_s=3600.0)


@pytest.mark.parametrize("text", ["1850-01-01T00:00Z", "1970-01-01T00:00Z", "2100-12-31T23:59:59.999999Z"])
def test_instant_of_the_years_1850_to_2100_can_be_asked_for(text):
    assert parse_asked_ns(text) == parse_instant_ns(text)


@pytest.mark.parametrize(
    "text", ["0001-01-02T00:00Z", "1849-12-31T23:59:59.999999Z", "2101-01-01T00:00Z", "9999-12-31T00:00Z"]
)
def test_instant_too_far_away_is_refused(text):
    with pytest.raises(QuantityError, match="is too far away; instants between 1850 and 2100 can be asked"):
        parse_asked_ns(text)


def test_end_after_2250_is_refused():
    last_ns = parse_instant_ns("2250-01-01T00:00Z")
    assert check_end_ns(last_ns) == last_ns
    with pytest.raises(QuantityError, match="would end after the year 2250; give an earlier start"):
        check_end_ns(last_ns + 1)
