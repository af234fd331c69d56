"""Segments give back exactly what was put in, and notice any damage."""

import struct
import zlib

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


def resealed(data, change):
    """Return a segment with something wrong in it and a checksum that fits all the same."""
    body = change(bytearray(data[:-4]))
    return bytes(body) + struct.pack("<I", zlib.crc32(bytes(body)))


def cut_header(body):
    body[30] ^= 0xFF
    return body


def drop_column(body):
    at = len(b"LTSEG2\n")
    ends = []
    while at < len(body):
        at += 4 + struct.unpack_from("<I", body, at)[0]
        ends.append(at)
    return body[: ends[-2]]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (cut_header, "its header cannot be read"),
        (drop_column, "its header does not fit its columns"),
        (lambda body: body[:9], "its header cannot be read"),
    ],
)
def test_layout_that_is_wrong_behind_a_fitting_checksum_is_a_store_error(change, match):
    rows = [Row(i + 1, 10**9 * i, 5, 10**18, struct.pack("<q", i**3)) for i in range(9)]
    data = encode_segment(writer="w1", channels=[{"name": "x"}], rows=rows)
    with pytest.raises(StoreError, match=match):
        decode_segment(resealed(data, change), path="x.seg")


def test_column_damaged_behind_a_fitting_checksum_is_a_store_error():
    rows = [Row(i + 1, 10**9 * i, 5, 10**18, struct.pack("<q", i**3)) for i in range(9)]
    data = encode_segment(writer="w1", channels=[{"name": "x"}], rows=rows)

    def spoil(body):
        body[-3] ^= 0xFF
        return body

    with pytest.raises(StoreError, match="a column of a segment is damaged"):
        decode_segment(resealed(data, spoil), path="x.seg")
