"""Sealing never delays a reading, and loses nothing when the ledger is slow or gone."""

import os
import threading
import time

import pytest

from lowtide.errors import StoreError
from lowtide.runtime import sealing
from lowtide.runtime.sealing import Sealer
from lowtide.stores.journal import JournalWriter, read_journal
from lowtide.stores.segments import decode_segment
from lowtide.testing.fakes import FakeClock

CHANNELS = [{"name": "a", "kind": "counter"}]


@pytest.fixture
def journal(tmp_path):
    writer = JournalWriter(str(tmp_path / "w1.sqlite"), channels=CHANNELS)
    yield writer
    writer.close()


def sealer_of(journal, folder):
    return Sealer(journal, writer="w1", channels=CHANNELS, folder=str(folder), every_ns=60_000_000_000)


def settle(sealer):
    sealer._busy.acquire()
    sealer._busy.release()


def rows(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            segment = decode_segment(file.read(), path=name)
        found += [segment.first_seq + i for i in range(len(segment.monotonic_ns))]
    return found


def test_rows_are_sealed_every_minute_and_forgotten_once_they_are_safe(journal, tmp_path):
    folder = tmp_path / "ledger"
    folder.mkdir()
    sealer, clock = sealer_of(journal, folder), FakeClock()
    for _ in range(150):
        journal.append(clock.now(), b"\0" * 8)
        sealer.poll(clock.now().monotonic_ns)
        settle(sealer)
        clock.advance(1.0)
    sealer.poll(clock.now().monotonic_ns)
    assert sorted(os.listdir(folder)) == ["w1-000001.seg", "w1-000002.seg"]
    assert rows(folder) == list(range(1, 122))
    assert [row.seq for row in read_journal(journal.path)[1]] == list(range(122, 151))
    sealer.finish()
    assert rows(folder) == list(range(1, 151))


def test_a_ledger_that_hangs_delays_no_reading(journal, tmp_path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(sealing, "write_bytes", lambda *_: release.wait(10))
    sealer, clock = sealer_of(journal, tmp_path), FakeClock()
    journal.append(clock.now(), b"\0" * 8)
    sealer.poll(clock.now().monotonic_ns)
    start = time.monotonic()
    for _ in range(5):
        clock.advance(61.0)
        journal.append(clock.now(), b"\0" * 8)
        sealer.poll(clock.now().monotonic_ns)
    assert time.monotonic() - start < 1.0
    assert len(read_journal(journal.path)[1]) == 6
    release.set()
    settle(sealer)


def test_a_ledger_that_refuses_is_tried_again_and_nothing_is_forgotten(journal, tmp_path, monkeypatch):
    folder = tmp_path / "ledger"
    folder.mkdir()
    real, refusals = sealing.write_bytes, []

    def refuse_once(path, data):
        if not refusals:
            refusals.append(path)
            raise StoreError("full")
        real(path, data)

    monkeypatch.setattr(sealing, "write_bytes", refuse_once)
    sealer, clock = sealer_of(journal, folder), FakeClock()
    for _ in range(3):
        journal.append(clock.now(), b"\0" * 8)
        sealer.poll(clock.now().monotonic_ns)
        settle(sealer)
        clock.advance(61.0)
    sealer.finish()
    assert len(refusals) == 1
    assert rows(folder) == [1, 2, 3]


def test_without_a_ledger_everything_stays_in_the_journal(journal):
    sealer, clock = Sealer(journal, writer="w1", channels=CHANNELS, folder=""), FakeClock()
    journal.append(clock.now(), b"\0" * 8)
    clock.advance(100.0)
    sealer.poll(clock.now().monotonic_ns)
    sealer.finish()
    assert len(read_journal(journal.path)[1]) == 1


def test_minutes_become_one_file_while_the_run_goes_on(journal, tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "MERGE_EVERY", 3)
    folder = tmp_path / "ledger"
    folder.mkdir()
    sealer, clock = sealer_of(journal, folder), FakeClock()
    for _ in range(4 * 60 + 2):
        journal.append(clock.now(), b"\0" * 8)
        sealer.poll(clock.now().monotonic_ns)
        settle(sealer)
        clock.advance(1.0)
    sealer.poll(clock.now().monotonic_ns)
    assert sorted(os.listdir(folder)) == ["w1-000004.seg", "w1-rows000000001.seg"]
    sealer.finish()
    assert sorted(rows(folder)) == list(range(1, 4 * 60 + 3))


def test_merging_that_fails_keeps_the_minutes_and_sealing_goes_on(journal, tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "MERGE_EVERY", 2)
    folder = tmp_path / "ledger"
    folder.mkdir()
    sealer, clock = sealer_of(journal, folder), FakeClock()
    for minute in range(3):
        for _ in range(61 if minute == 0 else 60):
            journal.append(clock.now(), b"\0" * 8)
            sealer.poll(clock.now().monotonic_ns)
            settle(sealer)
            clock.advance(1.0)
        if minute == 0:
            first = folder / "w1-000001.seg"
            kept = first.read_bytes()
            first.write_bytes(b"damaged")
    sealer.finish()
    (folder / "w1-000001.seg").write_bytes(kept)
    assert sorted(rows(folder)) == list(range(1, 182))
