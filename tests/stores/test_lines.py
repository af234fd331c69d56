"""Logs of acts: what was cut short is not there, and swallows nothing that comes after it."""

from __future__ import annotations

import pytest

from lowtide.errors import StoreError
from lowtide.stores.lines import append_line, whole_lines


def test_lines_come_back_in_order(tmp_path):
    path = str(tmp_path / "made" / "log.jsonl")
    for i in range(3):
        append_line(path, {"at_ns": i, "act": "stop"})
    assert [line["at_ns"] for line in whole_lines(path, {"at_ns", "act"})] == [0, 1, 2]


def test_log_cut_at_any_byte_loses_its_last_line_alone_and_takes_the_next(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(str(path), {"n": 1})
    whole = len(path.read_bytes())
    append_line(str(path), {"n": 2})
    data = path.read_bytes()
    for n_bytes in range(whole, len(data)):
        path.write_bytes(data[:n_bytes])
        append_line(str(path), {"n": 3})
        found = [line["n"] for line in whole_lines(str(path), {"n"})]
        # without its newline alone the second object is whole all the same
        assert found == ([1, 2, 3] if n_bytes == len(data) - 1 else [1, 3])


def test_lines_of_another_kind_and_garbage_are_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n": 1}\n[1]\n\xff\xfe\n{"m": 2}\n\n{"n": 3}\n')
    assert [line["n"] for line in whole_lines(str(path), {"n"})] == [1, 3]


def test_no_file_has_no_lines_and_a_folder_cannot_be_written(tmp_path):
    assert list(whole_lines(str(tmp_path / "none"), {"n"})) == []
    with pytest.raises(StoreError, match="cannot write"):
        append_line(str(tmp_path), {"n": 1})


def test_full_disk_is_an_error():
    with pytest.raises(StoreError, match="No space left"):
        append_line("/dev/full", {"n": 1})
