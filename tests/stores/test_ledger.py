"""Finding runs, and errors that say what would work."""

import os

import pytest

from lowtide.errors import RunNotFoundError, StoreError
from lowtide.model.record import RunEnd
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header


@pytest.fixture
def ledger(tmp_path):
    store = Ledger(str(tmp_path / "ledger"))
    for run_id, name in (
        ("20260101T000000Z-aaa", "a"),
        ("20260102T000000Z-bbb", "b"),
        ("20260103T000000Z-ccc", "a"),
    ):
        store.create(make_header(run_id=run_id, name=name))
    return store


@pytest.mark.parametrize(
    ("query", "run_id"),
    [
        ("last", "20260103T000000Z-ccc"),
        ("a", "20260103T000000Z-ccc"),
        ("b", "20260102T000000Z-bbb"),
        ("20260101", "20260101T000000Z-aaa"),
        ("20260102T000000Z-bbb", "20260102T000000Z-bbb"),
    ],
)
def test_a_run_is_found_by_id_prefix_name_and_last(ledger, query, run_id):
    assert ledger.find(query) == run_id


def test_ambiguous_prefix_and_unknown_name_say_what_would_work(ledger):
    with pytest.raises(RunNotFoundError, match="fits 3 runs"):
        ledger.find("2026")
    with pytest.raises(RunNotFoundError, match="`lowtide runs` lists all"):
        ledger.find("zzz")


def test_empty_ledger_says_how_to_begin(tmp_path):
    with pytest.raises(
        RunNotFoundError, match=r"no runs in the ledger .*; `lowtide run -- COMMAND` makes one"
    ):
        Ledger(str(tmp_path)).find("last")


def test_header_and_end_come_back_as_they_were(ledger):
    header = make_header(run_id="20260104T000000Z-ddd", name="d", tags=(("team", "vision"),), pue=1.2)
    ledger.create(header)
    assert ledger.header(header.run_id) == header
    end = RunEnd(started_ns=1, ended_ns=5, exit_code=3, counts=(("token", 2.0),))
    ledger.write_end(header.run_id, end)
    assert ledger.end(header.run_id) == end


def test_entries_are_numbered_and_never_overwritten(ledger):
    run_id = ledger.find("b")
    assert ledger.add_entry(run_id, {"made": "x"}) == "0001"
    assert ledger.add_entry(run_id, {"made": "y"}) == "0002"
    assert [entry["made"] for entry in ledger.entries(run_id)] == ["x", "y"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_ledger_is_a_store_error(tmp_path):
    os.chmod(tmp_path, 0o500)
    with pytest.raises(StoreError, match="cannot write the ledger"):
        Ledger(str(tmp_path / "ledger")).create(make_header())


def test_ledger_under_a_file_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the ledger"):
        Ledger(str(tmp_path / "file")).create(make_header())
