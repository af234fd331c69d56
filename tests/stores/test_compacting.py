"""Compacting: fewer files, the same rows."""

import os
import struct

from lowtide.stores.compacting import LEAST, compact, encode_columns
from lowtide.stores.journal import Row
from lowtide.stores.segments import decode_segment, encode_segment

CHANNELS = [{"name": "x"}, {"name": "y"}]


def row(seq):
    return Row(seq, 10**9 * seq + seq % 3, 5, 10**18, struct.pack("<qd", -(7**seq % 10**9), 0.1 * seq))


def write(folder, writer, number, first, n):
    data = encode_segment(writer=writer, channels=CHANNELS, rows=[row(i) for i in range(first, first + n)],
                          events=[(first, "sensor", "x", "said")])  # fmt: skip
    (folder / f"{writer}-{number:06d}.seg").write_bytes(data)


def test_joined_bytes_are_those_of_one_segment():
    rows = [row(i) for i in range(1, 8)]
    whole = encode_segment(writer="w1", channels=CHANNELS, rows=rows)
    parts = [encode_segment(writer="w1", channels=CHANNELS, rows=part) for part in (rows[:3], rows[3:])]
    assert encode_columns([decode_segment(part, path="") for part in parts]) == whole


def test_many_segments_become_one_with_all_rows_and_events(tmp_path):
    for i in range(LEAST + 5):
        write(tmp_path, "w1", i + 1, 1 + 3 * i, 3)
    write(tmp_path, "w2", 1, 1, 3)
    (tmp_path / "w1-000007.seg").write_bytes(b"damaged")
    assert compact(str(tmp_path)) == LEAST + 4
    names = sorted(os.listdir(tmp_path))
    assert names == ["w1-000007.seg", "w1-rows000000001.seg", "w1-rows000000022.seg", "w2-000001.seg"]
    joined = decode_segment((tmp_path / "w1-rows000000022.seg").read_bytes(), path="")
    assert joined.first_seq == 22
    assert joined.monotonic_ns.tolist() == [row(i).monotonic_ns for i in range(22, 22 + 3 * (LEAST - 2))]
    assert len(joined.events) == LEAST - 2


def test_few_segments_are_left_alone(tmp_path):
    for i in range(LEAST - 1):
        write(tmp_path, "w1", i + 1, 1 + i, 1)
    assert compact(str(tmp_path)) == 0
    assert len(os.listdir(tmp_path)) == LEAST - 1
