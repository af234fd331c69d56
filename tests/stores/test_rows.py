"""Columns read straight from packed segments are those of unpacked ones."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lowtide.accounting.sources import choose_sources
from lowtide.model.hardware import Channel
from lowtide.stores.codec import to_plain
from lowtide.stores.journal import Row
from lowtide.stores.records import record_from, wall_offset_of
from lowtide.stores.rows import Ticks, by_writer
from lowtide.stores.segments import encode_segment, open_segment
from lowtide.testing.builders import START_NS, make_header

CHANNELS = [
    to_plain(Channel(name="c", sensor="t", component="cpu", quantity="energy", kind="counter")),
    to_plain(Channel(name="node.cpu_shares", sensor="t", component="cpu", quantity="shares", kind="gauge")),
]
S = 10**9


def packed(rows, writer="w1"):
    return open_segment(encode_segment(writer=writer, channels=CHANNELS, rows=rows), path="x")


def rows_of(values, first=1, wall=START_NS):
    return [
        Row(first + i, S * (first + i), 0, wall, struct.pack("<qd", c, g)) for i, (c, g) in enumerate(values)
    ]


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from([1.0, 2.0])), min_size=2, max_size=30
    ),
    st.data(),
)
def test_record_is_the_same_from_packed_and_unpacked_segments_that_overlap(values, data):
    cut = data.draw(st.integers(1, len(values)))
    again = data.draw(st.integers(0, cut - 1))  # rows that are in both
    rows = rows_of(values)
    segments = [packed(rows[:cut]), *([packed(rows[again:])] if again < len(rows) else [])]
    one = record_from(make_header(), None, segments, [], "x")
    other = record_from(make_header(), None, [s.unpacked() for s in segments], [], "x")
    assert wall_offset_of(segments) == wall_offset_of([s.unpacked() for s in segments]) == START_NS
    for name, readings in one.readings.items():
        assert readings.t_ns.tolist() == other.readings[name].t_ns.tolist()
        assert readings.raw.tobytes() == other.readings[name].raw.tobytes()
    assert one.readings["c"].raw.tolist() == [count for count, _ in values]
    assert one.n_readings == other.n_readings == len(values)
    assert one.gaps == other.gaps


def test_column_that_never_changes_takes_no_memory_and_its_channels_share_their_instants():
    segments = [packed(rows_of([(i * i, 1.0)] * 3, first=1 + 3 * i)) for i in range(3)]
    ticks = Ticks(by_writer(segments)[0])
    assert ticks.wall_offset_ns.strides == (0,)
    assert ticks.columns()[1].strides == (0,)
    assert ticks.columns()[0].tolist() == [0, 0, 0, 1, 1, 1, 4, 4, 4]
    readings = record_from(make_header(), None, segments, [], "x").readings
    assert readings["c"].t_ns is readings["node.cpu_shares"].t_ns
    assert readings["node.cpu_shares"].raw.tolist() == [1.0] * 9


def test_long_held_value_is_kept_around_its_changes_and_around_gaps():
    n = 12_000
    values = [(i, 1.0 if i < 6000 else 2.0) for i in range(n)]
    rows = rows_of(values[:9000]) + rows_of(values[9000:], first=9101)  # 100 s without a reading
    rows = [Row(i + 1, *row[1:]) for i, row in enumerate(rows)]
    held = record_from(make_header(), None, [packed(rows)], [], "x").readings["node.cpu_shares"]
    seconds = ((held.t_ns - START_NS) // S).tolist()
    assert seconds == [1, 6000, 6001, 9000, 9101, 12_100]
    assert np.asarray(held.raw).tolist() == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_channel_is_in_scope_when_any_of_its_writers_has_it_so():
    def of_rank(rank):
        """Return what a rank that may use one GPU of four reads where a node meter contains all."""
        channels = [
            to_plain(
                Channel(name=f"nvml.{i}", sensor="nvml", component="gpu", quantity="energy", kind="counter",
                        part=f"gpu/nvidia/GPU-{i}", in_scope=i == rank)
            )
            for i in range(4)
        ]  # fmt: skip
        rows = [Row(i, S * i + rank, 0, START_NS, struct.pack("<4q", i, i, i, i)) for i in (1, 2)]
        return open_segment(encode_segment(writer=f"r{rank}", channels=channels, rows=rows), path="x")

    def in_scope(*ranks):
        readings = record_from(make_header(), None, [of_rank(rank) for rank in ranks], [], "x").readings
        return [r.channel.name for r in choose_sources(readings.values()).gpus]

    assert in_scope(1) == ["nvml.1"]
    assert in_scope(0, 2) == ["nvml.0", "nvml.2"]
    assert in_scope(3, 0, 1, 2) == ["nvml.0", "nvml.1", "nvml.2", "nvml.3"]
