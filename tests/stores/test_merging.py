"""Merging while a run goes on: the same bytes as all rows at once, and no row lost or counted twice at any cut."""

from __future__ import annotations

import os
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import StoreError
from lowtide.stores.compacting import LEAST, compact
from lowtide.stores.journal import Row
from lowtide.stores.ledger import Ledger
from lowtide.stores.merging import merge_files, merged
from lowtide.stores.records import open_segments, segment_hashes, while_merging
from lowtide.stores.rows import Ticks
from lowtide.stores.segments import decode_segment, encode_segment, open_segment
from lowtide.testing.builders import make_header

CHANNELS = [{"name": "x"}, {"name": "y"}]
INT64 = st.integers(-(2**63), 2**63 - 1)


def rows_of(words):
    return [
        Row(i + 1, 10**9 * i + i % 3, 5, 10**18, struct.pack("<2q", *pair)) for i, pair in enumerate(words)
    ]


def parts_of(rows, cuts):
    edges = [0, *sorted(set(cuts)), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(edges) if a < b]
    return [
        encode_segment(
            writer="w1", channels=CHANNELS, rows=part, events=[(part[0].seq, "sensor", "x", "said")]
        )
        for part in parts
    ]


@given(st.lists(st.tuples(INT64, INT64), min_size=1, max_size=30), st.lists(st.integers(1, 29), max_size=6))
def test_merged_bytes_are_those_of_all_rows_at_once(words, cuts):
    rows = rows_of(words)
    parts = [open_segment(part, path="") for part in parts_of(rows, [cut for cut in cuts if cut < len(rows)])]
    events = [(part.first_seq, "sensor", "x", "said") for part in parts]
    assert merged(parts) == encode_segment(writer="w1", channels=CHANNELS, rows=rows, events=events)


def test_segments_with_a_hole_between_them_are_refused():
    parts = [open_segment(part, path="") for part in parts_of(rows_of([(1, 1)] * 6), [2, 4])]
    with pytest.raises(StoreError, match="segments of w1 from row 1 on do not follow one another"):
        merged([parts[0], parts[2]])


def write_all(folder, n=5, rows_each=3):
    """Write small segments; return their names."""
    rows = rows_of([(7**i % 10**9, i) for i in range(n * rows_each)])
    names = []
    for i, data in enumerate(parts_of(rows, range(rows_each, len(rows), rows_each))):
        names.append(f"w1-{i + 1:06d}.seg")
        (folder / names[-1]).write_bytes(data)
    return names


def seen(ledger, header):
    """Return the sequence of rows that a reader sees, and the words of the second channel."""
    segments, problems = open_segments(ledger, header)
    assert problems == []
    ticks = Ticks(segments)
    return np.asarray(ticks.columns()[1]).tolist()


class Killed(BaseException):
    """What stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("steps_done", range(9))
def test_killed_at_any_step_nothing_is_lost_or_counted_twice(tmp_path, monkeypatch, steps_done):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="")
    ledger.create(header)
    folder = tmp_path / "runs" / header.run_id / "journal"
    names = write_all(folder)
    calls = []

    def counted(function):
        def call(*args, **kwargs):
            if len(calls) == steps_done:
                raise Killed
            calls.append(function)
            return function(*args, **kwargs)

        return call

    # open, fsync and rename of the new file, then the removal of each of the five old ones: eight steps
    for name in ("fsync", "replace", "unlink"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    if steps_done < 7:
        with pytest.raises(Killed):
            merge_files(str(folder), names)
    else:
        merge_files(str(folder), names)
    monkeypatch.undo()
    assert seen(ledger, header) == list(range(15))
    assert len(segment_hashes(ledger, header.run_id)) >= 1


def test_reader_whose_file_is_merged_away_under_it_looks_again(tmp_path, monkeypatch):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="")
    ledger.create(header)
    folder = tmp_path / "runs" / header.run_id / "journal"
    names, listed = write_all(folder), []
    real = os.listdir

    def listing(path):
        found = real(path)
        if str(path) == str(folder) and not listed:
            listed.append(found)
            merge_files(str(folder), names)  # between the list and the reading
        return found

    monkeypatch.setattr(os, "listdir", listing)
    assert seen(ledger, header) == list(range(15))
    listed.clear()
    names[:] = sorted(real(folder))
    assert list(segment_hashes(ledger, header.run_id)) == ["w1-rows000000001.seg"]


def test_files_that_vanish_again_and_again_are_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        while_merging(lambda: (tmp_path / "nothing").read_bytes())


def test_damaged_segment_leaves_all_as_they_are(tmp_path):
    names = write_all(tmp_path)
    (tmp_path / names[2]).write_bytes(b"damaged")
    with pytest.raises(StoreError, match="is damaged"):
        merge_files(str(tmp_path), names)
    assert sorted(os.listdir(tmp_path)) == names
    with pytest.raises(StoreError, match=r"cannot read .*gone.seg"):
        merge_files(str(tmp_path), [*names[:2], "gone.seg"])


def test_closing_removes_what_a_killed_merging_left(tmp_path):
    names = write_all(tmp_path, n=LEAST)
    kept = (tmp_path / names[3]).read_bytes()
    merge_files(str(tmp_path), names[:5])
    (tmp_path / names[3]).write_bytes(kept)  # its removal was not reached
    for i in range(5):  # so that there are enough files to compact
        (tmp_path / f"w1-x{i}.seg").write_bytes(kept)
    compact(str(tmp_path))
    (name,) = os.listdir(tmp_path)
    whole = decode_segment((tmp_path / name).read_bytes(), path="")
    assert whole.columns[1].tolist() == list(range(3 * LEAST))
