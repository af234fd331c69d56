"""Segments give back exactly what was put in, and notice any damage."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import StoreError
from lowtide.stores.journal import Row
from lowtide.stores.segments import decode_segment, encode_segment

INT64 = st.integers(-(2**63), 2**63 - 1)
CHANNELS = [{"name": "a", "kind": "counter"}, {"name": "b", "kind": "gauge"}]


@given(st.lists(st.tuples(INT64, INT64, INT64, INT64, st.floats(width=64)), min_size=1, max_size=40))
def test_any_rows_come_back_bit_for_bit(values):
    rows = [
        Row(i + 1, m, b, w, struct.pack("<qd", count, gauge))
        for i, (m, b, w, count, gauge) in enumerate(values)
    ]
    segment = decode_segment(encode_segment(writer="w1", channels=CHANNELS, rows=rows), path="x")
    assert segment.monotonic_ns.tolist() == [row.monotonic_ns for row in rows]
    assert segment.boot_offset_ns.tolist() == [row.boot_offset_ns for row in rows]
    assert segment.wall_offset_ns.tolist() == [row.wall_offset_ns for row in rows]
    assert segment.columns[0].tolist() == [count for *_, count, _ in values]
    expected = np.array([gauge for *_, gauge in values])
    assert segment.columns[1].tobytes() == expected.tobytes()


def rows_of(n):
    return [Row(i + 1, 10**9 * i, 5, 7, struct.pack("<qd", 250 * i, 1.5)) for i in range(n)]


def test_header_carries_writer_sequence_channels_and_events():
    data = encode_segment(
        writer="w2", channels=CHANNELS, rows=rows_of(3)[1:], events=[(4, "retry", "a", "busy")]
    )
    segment = decode_segment(data, path="x")
    assert (segment.writer, segment.first_seq, segment.channels) == ("w2", 2, CHANNELS)
    assert segment.events == [{"t_ns": 4, "kind": "retry", "channel": "a", "detail": "busy"}]


def test_every_cut_and_every_flipped_byte_is_noticed():
    data = encode_segment(writer="w1", channels=CHANNELS, rows=rows_of(5))
    for cut in range(len(data)):
        with pytest.raises(StoreError, match="damaged"):
            decode_segment(data[:cut], path="x")
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        with pytest.raises(StoreError, match="damaged"):
            decode_segment(flipped, path="x")


def test_an_hour_at_10_hz_of_20_channels_stays_below_2_mb():
    rng = np.random.default_rng(1)
    channels = [{"name": f"c{i}", "kind": "counter"} for i in range(20)]
    size = 0
    totals = np.zeros(20, dtype=np.int64)
    for minute in range(3):  # three of sixty minutes, one segment each
        rows = []
        for i in range(600):
            totals += rng.integers(20_000, 70_000, 20)  # millijoules in 0.1 s at 200 to 700 W
            jitter = int(rng.integers(-50_000, 50_000))
            t = (minute * 600 + i) * 100_000_000 + jitter
            rows.append(Row(minute * 600 + i + 1, t, 5, 7, struct.pack("<20q", *totals.tolist())))
        size += len(encode_segment(writer="w1", channels=channels, rows=rows))
    assert size * 20 <= 2_000_000
