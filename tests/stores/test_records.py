"""One time line from segments and journals: clock steps, suspends, gaps and several writers."""

import struct

import pytest

from lowtide.errors import NothingRecordedError
from lowtide.model.hardware import Channel
from lowtide.model.record import RunEnd
from lowtide.stores.codec import to_plain
from lowtide.stores.journal import Row
from lowtide.stores.records import record_from
from lowtide.stores.segments import decode_segment, encode_segment
from lowtide.testing.builders import START_NS, make_header
from lowtide.testing.fakes import FakeClock

COUNTER = Channel(
    name="c", sensor="test", component="cpu", quantity="cpu_time", kind="counter", method="test"
)
GAUGE = Channel(name="g", sensor="test", component="node", quantity="power", kind="gauge", method="test")
S = 1_000_000_000


class Tape:
    """Writes rows as a recorder would, with a clock that can be played with."""

    def __init__(self, writer="w1", clock=None):
        self.clock, self.writer, self.rows = clock or FakeClock(wall_ns=START_NS), writer, []

    def row(self, count, value=1.0):
        wall, monotonic, boot = self.clock.now()
        data = struct.pack("<qd", count, value)
        self.rows.append(Row(len(self.rows) + 1, monotonic, boot - monotonic, wall - boot, data))
        return self

    def after(self, seconds, count, value=1.0):
        self.clock.advance(seconds)
        return self.row(count, value)

    def segment(self, rows=None, events=()):
        channels = [to_plain(COUNTER), to_plain(GAUGE)]
        rows = self.rows if rows is None else rows
        data = encode_segment(writer=self.writer, channels=channels, rows=rows, events=events)
        return decode_segment(data, path="x")


def record_of(*segments, end=None):
    return record_from(make_header(), end, list(segments), [], "x")


def seconds(t_ns):
    return [round((t - t_ns[0]) / S, 3) for t in t_ns.tolist()]


def test_stamps_are_wall_time_and_raw_values_come_back():
    record = record_of(Tape().row(5).after(1, 7).after(1, 9, 2.5).segment())
    assert record.readings["c"].t_ns.tolist() == [START_NS, START_NS + S, START_NS + 2 * S]
    assert record.readings["c"].raw.tolist() == [5, 7, 9]
    assert record.readings["g"].raw.tolist() == [1.0, 1.0, 2.5]
    assert record.n_readings == 3
    assert record.gaps == ()


def test_rows_in_a_segment_and_in_a_journal_are_counted_once():
    tape = Tape().row(1).after(1, 2).after(1, 3)
    record = record_of(tape.segment(tape.rows[:2]), tape.segment())
    assert record.readings["c"].raw.tolist() == [1, 2, 3]


def test_clock_set_forward_changes_no_duration_and_is_a_gap_of_the_clock():
    tape = Tape().row(1).after(1, 2)
    tape.clock.step_wall(3600.0)
    tape.after(1, 3)
    record = record_of(tape.segment())
    assert seconds(record.readings["c"].t_ns) == [0.0, 1.0, 2.0]
    assert record.readings["c"].t_ns[-1] == START_NS + 3602 * S  # the clock as it was last is believed
    (gap,) = record.gaps
    assert (gap.channel, gap.reason) == ("clock", "the wall clock stepped by +3600.0 s")


def test_clock_set_back_keeps_readings_in_order():
    tape = Tape().row(1).after(1, 2)
    tape.clock.step_wall(-10.0)
    tape.after(1, 3)
    record = record_of(tape.segment())
    assert seconds(record.readings["c"].t_ns) == [0.0, 1.0, 2.0]
    assert record.gaps[0].reason == "the wall clock stepped by -10.0 s"


def test_suspend_is_time_that_passed_and_a_gap_of_everything():
    tape = Tape().row(1).after(1, 2)
    tape.clock.suspend(60.0)
    tape.after(1, 3)
    record = record_of(tape.segment())
    assert seconds(record.readings["c"].t_ns) == [0.0, 1.0, 62.0]
    assert [(gap.channel, gap.reason) for gap in record.gaps] == [("all", "suspended")]


def test_silence_of_the_recorder_is_a_gap_of_the_gauges():
    record = record_of(Tape().row(1).after(1, 2).after(5, 3).segment())
    (gap,) = record.gaps
    assert (gap.channel, gap.end_ns - gap.start_ns) == ("gauges", 5 * S)


def test_a_second_writer_goes_on_where_the_first_was_killed():
    first = Tape().row(1).after(1, 2)
    second = Tape("w2", first.clock).after(1, 3).after(1, 4)
    record = record_of(second.segment(), first.segment())
    assert record.readings["c"].raw.tolist() == [1, 2, 3, 4]
    assert record.n_readings == 4


def test_life_of_the_command_outside_the_readings_is_a_gap():
    end = RunEnd(started_ns=START_NS - 10 * S, ended_ns=START_NS + 20 * S, exit_code=0)
    record = record_of(Tape().row(1).after(1, 2).segment(), end=end)
    assert [(g.channel, g.reason, (g.end_ns - g.start_ns) // S) for g in record.gaps] == [
        ("all", "not recorded", 10), ("all", "not recorded", 19)]  # fmt: skip


def test_events_come_in_order_and_once():
    tape = Tape().row(1).after(1, 2)
    events = [(9, "retry", "c", "busy"), (4, "sensor", "", "none")]
    record = record_of(tape.segment(events=events), tape.segment(events=events))
    assert [event.t_ns for event in record.events] == [4, 9]


def test_run_without_readings_says_so():
    with pytest.raises(NothingRecordedError, match="holds no readings"):
        record_of()
