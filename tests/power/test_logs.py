"""Power logs that already exist: instants, gaps, and anything at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.model.record import Gap
from lowtide.power.logs import read_power_log
from lowtide.testing.builders import START_NS

S = 10**9
ISO = "2026-03-01T00:00"
"""The minute that begins at START_NS."""


def energy_j(path, **options):
    return read_power_log(path, **options).power.energy_j()


def test_seconds_since_a_start(write):
    log = read_power_log(write("t_s,power_w", "0,100", "1.5,300", "2,300"), start_ns=START_NS)
    assert log.power.edges_ns.tolist() == [START_NS, START_NS + 3 * S // 2, START_NS + 2 * S]
    assert log.power.power_w.tolist() == [200.0, 300.0]  # trapezoids
    assert (log.n_rows, log.columns, log.devices, log.gaps) == (3, ("power_w",), (), ())


def test_seconds_before_the_start_are_negative(write):
    log = read_power_log(write("t_s,power_w", "-1,100", "0,100"), start_ns=START_NS)
    assert log.power.start_ns == START_NS - S


def test_seconds_without_a_start_are_refused_with_the_way_to_give_it(write):
    with pytest.raises(
        InputError, match=r"t_s counts from a start that the file does not tell; give it: --start 2026"
    ):
        read_power_log(write("t_s,power_w", "0,100", "1,100"))


@pytest.mark.parametrize(
    ("header", "stamps"),
    [
        ("timestamp", (f"{ISO}:00Z", f"{ISO}:01Z")),
        ("ts_utc", (f"{ISO}:00", f"{ISO}:01")),
        ("time", ("2026-03-01 01:00:00+01:00", "2026-03-01 01:00:01+01:00")),
        ("datetime", ("2026-03-01 00:00:00.000 UTC", "2026-03-01 00:00:01.000 UTC")),
        ("timestamp", (f"{ISO}:00Z", "2026-03-01T01:00:01+01:00")),  # each with its own offset
        ("timestamp", (f"{ISO}:00+0000", f"{ISO}:01+0000")),
        ("unix", ("1772323200", "1772323201")),
        ("timestamp", ("1772323200.0", "1772323201.0")),
        ("time_ms", ("1772323200000", "1772323201000")),
        ("timestamp", ("1772323200000000", "1772323201000000")),
        ("time_ns", ("1772323200000000000", "1772323201000000000")),
        ("", (f"{ISO}:00Z", f"{ISO}:01Z")),  # an index without a name
    ],
)
def test_instants_are_read_without_being_told_their_form(write, header, stamps):
    log = read_power_log(write(f"{header},power_w", *(f"{stamp},100" for stamp in stamps)))
    assert log.power.edges_ns.tolist() == [START_NS, START_NS + S]


def test_milliseconds_below_1973_count_from_a_start(write):
    path = write("time_ms,power_w", "0,100", "2000,100")
    assert read_power_log(path, start_ns=START_NS).power.duration_s == 2.0
    with pytest.raises(InputError, match="time_ms counts from a start"):
        read_power_log(path)


def test_naive_stamps_are_refused_with_the_ways_to_place_them(write):
    with pytest.raises(DataFileError, match="has no time zone; say which: --utc-offset") as caught:
        read_power_log(write("timestamp,power_w", "2026-03-01 01:00:00,100", "2026-03-01 01:00:01,100"))
    assert (caught.value.line, caught.value.column) == (2, 1)
    assert "'2026-03-01 01:00:00'" in str(caught.value)


@pytest.mark.parametrize(
    "placed",
    [{"utc_offset": "+01:00"}, {"start_ns": START_NS}, {"utc_offset": "+0100"}],
    ids=["offset", "start", "short"],
)
def test_naive_stamps_are_placed_by_an_offset_or_a_start(write, placed):
    path = write("timestamp,power_w", "2026-03-01 01:00:00,100", "2026-03-01 01:00:01,100")
    assert read_power_log(path, **placed).power.start_ns == START_NS


@pytest.mark.parametrize(
    ("placed", "flag"), [({"start_ns": START_NS}, "--start"), ({"utc_offset": "Z"}, "--utc-offset")]
)
def test_start_of_a_log_that_says_it_itself_is_refused(write, placed, flag):
    with pytest.raises(InputError, match=f"timestamp says itself when it was; drop {flag}"):
        read_power_log(write("timestamp,power_w", f"{ISO}:00Z,100", f"{ISO}:01Z,100"), **placed)


def test_elapsed_seconds_are_taken_before_instants_when_a_start_is_given(write):
    path = write("timestamp,t_s,power_w", "2026-03-01 09:00:00,0,100", "2026-03-01 09:00:01,1,100")
    assert read_power_log(path, start_ns=START_NS).power.start_ns == START_NS


def test_offset_that_is_none_is_refused(write):
    with pytest.raises(
        QuantityError, match=r"cannot read 'CET' as an offset from UTC; write it like \+02:00"
    ):
        read_power_log(write("timestamp,power_w", f"{ISO}:00,1", f"{ISO}:01,1"), utc_offset="CET")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the instant is missing"),
        ("soon", "cannot read 'soon' as an instant"),
        ("2026-02-30T00:00Z", "cannot read '2026-02-30T00:00Z' as an instant"),
        ("2026", "cannot read '2026' as an instant"),
        (f"{ISO}:01", "some stamps have a time zone and some have none"),
        ("1901-01-01T00:00Z", "lies outside the years 2000 to 2099"),
    ],
)
def test_bad_instant_is_refused_with_its_line(write, cell, message):
    with pytest.raises(DataFileError, match=message) as caught:
        read_power_log(write("timestamp,power_w", f"{ISO}:00Z,100", "", f"{cell},100"))
    assert caught.value.line == 4


def test_stamp_of_a_clock_that_was_not_set_is_refused(write):
    # merely sorted it would make a gap of 56 years
    with pytest.raises(
        DataFileError, match=r"unix: 1970-01-01T00:00:00.000000Z lies outside the years 2000 to 2099"
    ):
        read_power_log(write("unix,power_w", "0,100", "1772323200,100", "1772323201,100"))


def test_lines_out_of_order_are_sorted(write):
    assert energy_j(write("t_s,power_w", "2,300", "0,100", "1,100"), start_ns=START_NS) == 300.0  # 100 + 200


def test_negative_reading_makes_a_gap_and_no_negative_energy(write):
    log = read_power_log(write("t_s,power_w", "0,100", "1,100", "2,-43", "3,100", "4,100"), start_ns=START_NS)
    assert log.power.energy_j() == 200.0  # the first and the last second
    assert (log.n_negative, log.n_failed) == (1, 0)
    assert log.gaps == (
        Gap(start_ns=START_NS + S, end_ns=START_NS + 3 * S, channel="power_w", reason="negative reading"),
    )
    assert log.power.covered_fraction() == 0.5


@pytest.mark.parametrize("cell", ["[N/A]", "N/A", "[Unknown Error]", "[Not Supported]", "ERR!"])
def test_failed_reading_makes_a_gap(write, cell):
    log = read_power_log(write("t_s,power_w", "0,100", f"1,{cell}", "2,100", "3,100"), start_ns=START_NS)
    assert (log.power.energy_j(), log.n_failed) == (100.0, 1)
    assert [gap.reason for gap in log.gaps] == ["failed reading"]


@pytest.mark.parametrize("cell", ["", "nan", "null", "NaN"])
def test_empty_cell_is_no_reading_and_costs_nothing(write, cell):
    log = read_power_log(write("t_s,power_w", "0,100", f"1,{cell}", "2,100"), start_ns=START_NS)
    assert (log.power.energy_j(), log.gaps, log.n_failed) == (200.0, (), 0)


def test_failed_readings_at_the_ends_are_gaps_outside_the_series(write):
    log = read_power_log(write("t_s,power_w", "0,[N/A]", "1,100", "2,100", "3,-1"), start_ns=START_NS)
    assert (log.power.start_ns, log.power.end_ns) == (START_NS + S, START_NS + 2 * S)
    assert [(g.start_ns - START_NS, g.end_ns - START_NS) for g in log.gaps] == [(0, S), (2 * S, 3 * S)]


def test_readings_too_far_apart_say_nothing_of_the_time_between(write):
    # median 1 s: at most 10 s
    rows = [f"{t},100" for t in (0, 1, 2, 3, 13, 14, 24.5, 25.5)]
    log = read_power_log(write("t_s,power_w", *rows), start_ns=START_NS)
    assert log.power.energy_j() == pytest.approx(1500.0, rel=1e-12)  # 25.5 s less 10.5
    assert [gap.reason for gap in log.gaps] == ["no reading for 10.5 s"]


def test_fast_logs_bear_five_seconds_and_a_longest_gap_can_be_given(write):
    path = write("t_s,power_w", "0,100", "0.1,100", "0.2,100", "5.1,100")
    assert read_power_log(path, start_ns=START_NS).gaps == ()
    assert len(read_power_log(path, start_ns=START_NS, max_gap_s=1.0).gaps) == 1


@pytest.mark.parametrize("rows", [(), ("0,100",), ("0,100", "1,[N/A]"), ("0,", "1,")])
def test_less_than_two_readings_are_refused(write, rows):
    with pytest.raises(DataFileError, match=r"fewer than two readings|no reading under it"):
        read_power_log(write("t_s,power_w", *rows), start_ns=START_NS)


@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.floats(0, 5000, width=32)),
        min_size=2,
        max_size=20,
        unique_by=lambda r: r[0],
    )
)
def test_order_of_the_lines_does_not_matter(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("logs")

    def written(name, lines):
        path = folder / name
        path.write_text("t_s,power_w\n" + "".join(f"{t},{w!r}\n" for t, w in lines))
        return read_power_log(path, start_ns=START_NS, max_gap_s=1e6).power

    given_order, in_order = written("a.csv", rows), written("b.csv", sorted(rows))
    np.testing.assert_array_equal(given_order.edges_ns, in_order.edges_ns)
    np.testing.assert_array_equal(given_order.power_w, in_order.power_w)


@given(st.text(alphabet="t_s,power_w0123456789.-:TZ\n\"' []/AW;#", max_size=200))
def test_any_text_is_read_or_refused_with_the_file_named(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("logs") / "log.csv"
    path.write_bytes(b"t_s,power_w\n" + text.encode())
    try:
        power = read_power_log(path, start_ns=START_NS).power
    except InputError as error:
        message = str(error)
    else:
        message = str(path)
        assert not (power.power_w < 0.0).any()
    assert str(path) in message
