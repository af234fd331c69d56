"""What goes wrong around a recorder: clocks, disks, storms, an interval that cannot be kept. The job never notices."""

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import time

import pytest

from lowtide.accounting.booking import node_energy
from lowtide.errors import NothingRecordedError, StoreError
from lowtide.model.hardware import Channel
from lowtide.runtime.closing import close_run, open_journal_dir
from lowtide.runtime.recorder import begin_recorder
from lowtide.stores.journal import JournalWriter, read_journal
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record
from lowtide.testing.builders import make_header
from lowtide.testing.fakes import FakeClock, ReplaySensor

LOWTIDE = [sys.executable, "-m", "lowtide"]
CHANNELS = (
    Channel(name="cpu.busy", sensor="cpu_time", component="cpu", quantity="cpu_time", kind="counter", scale=1e-9),
    Channel(name="run.cpu", sensor="cpu_time", component="cpu", quantity="cpu_time", kind="counter", scale=1e-9,
            consumer="run"),
)  # fmt: skip


def recorded(tmp_path, moves):
    """Record one reading after each move of a clock; return the record of what was read."""
    ledger = Ledger(str(tmp_path / "ledger"))
    header = make_header(run_id="20260301T000000.000Z-clocks", journal_dir=str(tmp_path / "journal"))
    ledger.create(header)
    lock = open_journal_dir(header, ledger)
    clock = FakeClock()
    rows = [(i * 10**9, i * 10**9) for i in range(len(moves) + 2)]
    options = {"journal_dir": header.journal_dir, "segments_dir": "", "interval_ns": 10**9}
    recorder = begin_recorder([ReplaySensor(CHANNELS, rows)], "w1", [], options=options, clock=clock)
    recorder.tick()
    for move in moves:
        move(clock)
        recorder.tick()
    recorder.finish()
    lock.close()
    return read_record(ledger, header.run_id)


def advance(seconds):
    return lambda clock: clock.advance(seconds)


def test_clock_that_is_stepped_changes_no_energy_and_is_a_gap_of_the_clock(tmp_path):
    def stepped(clock):
        clock.advance(1.0)
        clock.step_wall(-3600.0)

    plain = recorded(tmp_path / "a", [advance(1.0)] * 6)
    moved = recorded(tmp_path / "b", [advance(1.0), advance(1.0), stepped, *[advance(1.0)] * 3])
    assert node_energy(moved).bill.total_kwh == node_energy(plain).bill.total_kwh
    assert [(g.channel, g.reason) for g in moved.gaps] == [("clock", "the wall clock stepped by -3600.0 s")]


def test_suspend_is_a_gap_of_everything(tmp_path):
    def suspended(clock):
        clock.suspend(600.0)
        clock.advance(1.0)

    record = recorded(tmp_path, [advance(1.0), suspended, advance(1.0)])
    (gap,) = [g for g in record.gaps if g.channel == "all"]
    assert gap.reason == "suspended"
    assert (gap.end_ns - gap.start_ns) / 1e9 == pytest.approx(601.0)


def test_interval_that_cannot_be_kept_is_an_overrun_with_its_number(tmp_path):
    record = recorded(tmp_path, [advance(1.0), advance(4.0), advance(1.0)])
    (event,) = [e for e in record.events if e.kind == "overrun"]
    assert event.detail.startswith("3 readings came too late")


def test_journal_cut_at_any_byte_is_read_as_far_as_it_goes_or_refused(tmp_path):
    path = tmp_path / "w1.sqlite"
    writer = JournalWriter(str(path), channels=[{"name": "x"}])
    clock = FakeClock()
    for i in range(30):
        clock.advance(1.0)
        writer.append(clock.now(), struct.pack("<q", i))
    writer._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()
    whole = path.read_bytes()
    torn = tmp_path / "torn.sqlite"
    for cut in range(0, len(whole), 1 if len(whole) < 4096 else 13):
        torn.write_bytes(whole[:cut])
        try:
            _, rows, _ = read_journal(str(torn))
        except StoreError:
            continue
        for row in rows:  # nothing invented: every row that is read is one that was written
            assert row.data == struct.pack("<q", row.seq - 1)


def test_log_of_a_journal_cut_at_any_byte_loses_its_end_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("lowtide.stores.journal.BATCH", 1)
    path = tmp_path / "w1.sqlite"
    writer = JournalWriter(str(path), channels=[{"name": "x"}])
    clock = FakeClock()
    for i in range(12):
        clock.advance(1.0)
        writer.append(clock.now(), struct.pack("<q", i))
    data, log = path.read_bytes(), (tmp_path / "w1.sqlite-wal").read_bytes()
    writer.close()
    seen = set()
    for cut in (*range(0, len(log), 41), len(log)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "w1.sqlite").write_bytes(data)
        (folder / "w1.sqlite-wal").write_bytes(log[:cut])
        try:
            _, rows, _ = read_journal(str(folder / "w1.sqlite"))
        except StoreError:
            continue  # cut before the tables were made
        assert [row.data for row in rows] == [struct.pack("<q", i) for i in range(len(rows))]
        seen.add(len(rows))
        shutil.rmtree(folder)
    assert max(seen) == 12
    assert len(seen) > 6


def test_run_whose_journal_is_torn_beyond_reading_is_closed_without_a_bill(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    header = make_header(run_id="20260301T000000.000Z-broken", journal_dir=str(tmp_path / "journal"))
    open_journal_dir(header, ledger).close()
    (tmp_path / "journal" / "w1.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 500)
    close_run(header.journal_dir)
    assert ledger.end(header.run_id).note == "nothing recorded"
    with pytest.raises(NothingRecordedError):
        read_record(ledger, header.run_id)


def test_limit_on_the_size_of_files_stops_no_job():
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run([*LOWTIDE, "run", "--interval", "20ms", "--", "sh", "-c", "sleep 2; exit 4"],
                          preexec_fn=limited, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_read_only_journal_and_ledger_leave_the_job_alone(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    env = {**os.environ, "LOWTIDE_JOURNAL": str(folder / "j"), "LOWTIDE_LEDGER": str(folder / "l")}
    done = subprocess.run(
        [*LOWTIDE, "run", "--", "sh", "-c", "exit 4"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 4


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_fork_storm_is_counted_and_disturbs_nothing():
    job = "i=0; while [ $i -lt 400 ]; do /bin/true & i=$((i+1)); done; wait; exit 7"
    done = subprocess.run([*LOWTIDE, "run", "--quiet", "--interval", "20ms", "--", "sh", "-c", job],
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 7
    assert done.stderr == ""
    shown = json.loads(subprocess.run([*LOWTIDE, "show", "last", "--json"], capture_output=True).stdout)
    model, n_cpus = shown["models"]["cpu"], shown["machine"]["n_logical_cpus"]
    joules = (model["full_w"] - model["idle_w"]) / n_cpus * shown["telemetry"]["cpu_seconds"]
    assert shown["energy"]["dynamic_kwh"] * 3.6e6 == pytest.approx(joules, rel=0.1)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_pid_that_is_used_again_is_not_mistaken_for_the_job(tmp_path):
    from lowtide.power.tree import ProcessTree

    first = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    tree = ProcessTree(first.pid)
    member = tree._members[first.pid]
    before = tree.use().cpu_ns
    member.start += 1  # as if the number were another process's now
    first.kill()
    first.wait()
    time.sleep(0.05)
    after = tree.use()
    tree.close()
    assert after.n_processes == 0
    assert after.cpu_ns >= before
