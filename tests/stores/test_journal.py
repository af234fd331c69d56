"""The journal: every row committed, held while the disk refuses, readable while it is written."""

import os
import sqlite3
import subprocess
import sys

import pytest

from lowtide.errors import StoreError
from lowtide.stores.journal import BATCH, JournalWriter, iter_files, read_journal
from lowtide.testing.fakes import FakeClock


def writer(tmp_path, name="w1"):
    return JournalWriter(str(tmp_path / f"{name}.sqlite"), channels=[{"name": "a", "kind": "counter"}])


def test_rows_and_events_are_read_back_while_the_writer_is_at_work(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    journal.event(5, "retry", "a", "busy")
    journal.append(clock.now(), b"x" * 8)
    channels, rows, events = read_journal(journal.path)
    assert channels == [{"name": "a", "kind": "counter"}]
    assert [(row.seq, row.data) for row in rows] == [(1, b"x" * 8)]
    assert events == [(5, "retry", "a", "busy")]
    journal.close()


def test_small_jitter_of_clocks_is_not_stored_and_a_step_is(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    journal.append(clock.now(), b"")
    clock.step_wall(0.0002)
    second = journal.append(clock.now(), b"")
    clock.step_wall(3600.0)
    third = journal.append(clock.now(), b"")
    first_offset = second.wall_offset_ns
    assert third.wall_offset_ns - first_offset == 3_600_000_200_000 + 0
    journal.close()


def test_suspend_shows_in_the_boot_offset(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    before = journal.append(clock.now(), b"")
    clock.suspend(60.0)
    after = journal.append(clock.now(), b"")
    assert after.boot_offset_ns - before.boot_offset_ns == 60_000_000_000
    journal.close()


def test_rows_are_held_while_the_disk_refuses_and_written_when_it_gives_in(tmp_path, monkeypatch):
    monkeypatch.setattr("lowtide.stores.journal.BATCH", 1)
    journal, clock = writer(tmp_path), FakeClock()
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    journal._db.execute("PRAGMA busy_timeout=1")
    journal.append(clock.now(), b"1")
    journal.append(clock.now(), b"2")
    assert journal.held == 2
    blocker.execute("ROLLBACK")
    journal.append(clock.now(), b"3")
    assert journal.held == 0
    assert [row.data for row in read_journal(journal.path)[1]] == [b"1", b"2", b"3"]
    blocker.close()
    journal.close()


def test_rows_are_in_the_tail_until_they_are_a_commit(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    tail, sizes = tmp_path / "w1.sqlite-tail", []
    for i in range(2 * BATCH + 3):
        journal.append(clock.now(), bytes([i]))
        sizes.append(tail.stat().st_size)
        assert [row.data for row in read_journal(journal.path)[1]] == [bytes([k]) for k in range(i + 1)]
    # 4 bytes of checksum, 36 of head and one of data a row; nothing when a commit has taken them
    assert sizes[:BATCH] == [41 * (k + 1) for k in range(BATCH - 1)] + [0]
    assert sizes[-1] == 3 * 41
    journal.close()
    assert not tail.exists()
    assert len(read_journal(journal.path)[1]) == 2 * BATCH + 3


def test_tail_that_was_committed_and_not_yet_cut_counts_once(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    for i in range(5):
        journal.append(clock.now(), bytes([i]))
    kept = (tmp_path / "w1.sqlite-tail").read_bytes()
    journal.flush()
    (tmp_path / "w1.sqlite-tail").write_bytes(kept)  # killed between the commit and the cut
    assert [row.seq for row in read_journal(journal.path)[1]] == [1, 2, 3, 4, 5]
    journal.close()


def test_tail_cut_or_damaged_at_any_byte_loses_its_end_alone(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    for i in range(6):
        journal.append(clock.now(), bytes([i]) * i)
    tail = tmp_path / "w1.sqlite-tail"
    whole = tail.read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x5A
        for data in (whole[:at], bytes(flipped)):
            tail.write_bytes(data)
            rows = read_journal(journal.path)[1]
            assert len(rows) < 6
            assert [row.data for row in rows] == [bytes([i]) * i for i in range(len(rows))]
    journal.close()


def test_tail_after_a_commit_that_a_lost_node_has_lost_is_left_out(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    for i in range(BATCH + 2):
        journal.append(clock.now(), bytes([i]))
    db = sqlite3.connect(journal.path, isolation_level=None)
    db.execute(f"DELETE FROM tick WHERE seq > {BATCH - 3}")
    db.close()
    assert [row.seq for row in read_journal(journal.path)[1]] == list(range(1, BATCH - 2))
    journal.close()


def test_full_disk_under_the_tail_is_no_torn_row(tmp_path, monkeypatch):
    journal, clock = writer(tmp_path), FakeClock()
    journal.append(clock.now(), b"1")
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))  # room for 7 bytes
    journal.append(clock.now(), b"2")  # is committed instead
    monkeypatch.undo()
    assert [row.data for row in read_journal(journal.path)[1]] == [b"1", b"2"]
    journal.append(clock.now(), b"3")
    assert [row.data for row in read_journal(journal.path)[1]] == [b"1", b"2", b"3"]
    journal.close()


def test_kill_9_loses_nothing_that_was_appended(tmp_path):
    code = (
        "import os, signal\nfrom lowtide.stores.journal import JournalWriter\n"
        "from lowtide.testing.fakes import FakeClock\n"
        f"j = JournalWriter({str(tmp_path / 'w1.sqlite')!r}, channels=[])\n"
        "for i in range(100): j.append(FakeClock().now(), str(i).encode())\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    rows = read_journal(str(tmp_path / "w1.sqlite"))[1]
    assert [int(row.data) for row in rows] == list(range(100))


def test_sealed_rows_can_be_forgotten(tmp_path):
    journal, clock = writer(tmp_path), FakeClock()
    for _ in range(5):
        journal.append(clock.now(), b"")
    journal.forget(3)
    assert [row.seq for row in journal.rows_after(0)] == [4, 5]
    journal.close()


def test_what_is_no_journal_is_a_store_error(tmp_path):
    (tmp_path / "w1.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot read the journal"):
        read_journal(str(tmp_path / "w1.sqlite"))
    with pytest.raises(StoreError, match="cannot make the journal"):
        JournalWriter(str(tmp_path / "missing" / "w1.sqlite"), channels=[])


def test_journals_of_a_folder_come_in_order(tmp_path):
    for name in ("w2", "w1"):
        writer(tmp_path, name).close()
    assert [os.path.basename(path) for path in iter_files(str(tmp_path))] == ["w1.sqlite", "w2.sqlite"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE meta SET value = CAST(x'ff' AS TEXT)",
        "UPDATE meta SET value = '{'",
        "UPDATE tick SET data = 5",
        "ALTER TABLE tick DROP COLUMN data",
    ],
)
def test_journal_whose_contents_are_damaged_is_a_store_error(tmp_path, damage):
    journal = writer(tmp_path)
    journal.append(FakeClock().now(), b"x" * 8)
    journal.close()
    db = sqlite3.connect(journal.path, isolation_level=None)
    db.execute(damage)
    db.close()
    with pytest.raises(StoreError, match="cannot read the journal"):
        read_journal(journal.path)
