"""Closing runs whose files are damaged, and the commands that go on all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lowtide.errors import NothingRecordedError
from lowtide.runtime.closing import close_run, close_unseen, open_journal_dir
from lowtide.stores.journal import JournalWriter
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record
from lowtide.testing.builders import make_header
from lowtide.testing.fakes import FakeClock

LOWTIDE = [sys.executable, "-m", "lowtide"]


def left_behind(run_id: str) -> tuple[Ledger, str]:
    """Return the ledger and the folder of a run whose processes were all killed."""
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    folder = os.path.join(os.environ["LOWTIDE_JOURNAL"], run_id)
    header = make_header(run_id=run_id, journal_dir=folder)
    ledger.create(header)
    open_journal_dir(header, ledger).close()
    return ledger, folder


def test_journal_that_cannot_be_read_is_kept_beside_its_run_and_said() -> None:
    ledger, folder = left_behind("20260301T000000.000Z-aaaaaa")
    journal = Path(folder, "w1.sqlite")
    journal.write_bytes(b"garbage" * 3000)
    Path(folder, "w1.log").write_text("words of the recorder\n")
    run_id = Path(folder).name
    assert close_run(folder) is not None
    kept = Path(ledger.run_dir(run_id), "damaged")
    assert sorted(path.name for path in kept.iterdir()) == ["w1.log", "w1.sqlite"]
    assert (kept / "w1.sqlite").read_bytes() == b"garbage" * 3000
    with pytest.raises(NothingRecordedError, match=r"could not be read and is kept: damaged/w1\.sqlite"):
        read_record(ledger, run_id)


def test_journal_cut_at_its_birth_held_nothing() -> None:
    ledger, folder = left_behind("20260301T000000.000Z-bbbbbb")
    Path(folder, "w1.sqlite").write_bytes(b"")
    assert close_run(folder) is not None
    assert not os.path.exists(os.path.join(ledger.run_dir(Path(folder).name), "damaged"))
    assert not os.path.exists(folder)


def test_damaged_run_does_not_stop_the_commands_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, bad = left_behind("20260301T000000.000Z-cccccc")
    _, good = left_behind("20260301T000001.000Z-dddddd")
    journal = JournalWriter(os.path.join(good, "w1.sqlite"), channels=[])
    journal.append(FakeClock().now(), b"")
    journal.close()
    Path(bad, "end.json").write_text('{"started_ns": []}')
    (problem,) = close_unseen(ledger)
    assert "cccccc cannot be closed: " in problem
    assert not os.path.exists(good)


def test_infinite_counts_are_left_out_and_the_exit_status_is_the_commands() -> None:
    script = 'printf "token\\tinf\\ntoken\\t3\\nloss\\t-inf\\n" >> $LOWTIDE_COUNTS; exit 3'
    done = subprocess.run(
        [*LOWTIDE, "run", "--quiet", "--", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "")
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    end = ledger.end(ledger.find("last"))
    assert end is not None
    assert end.counts == (("token", 3.0),)


def test_damaged_segments_of_a_rank_are_said() -> None:
    code = "import lowtide, time\nwith lowtide.measure(name='ranks', interval=0.1): time.sleep(0.6)\n"
    env = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "here",
        "MASTER_PORT": "1",
        "TORCHELASTIC_RUN_ID": "x",
    }
    ranks = [
        subprocess.Popen([sys.executable, "-c", code], env={**env, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]
    assert [rank.wait(timeout=60) for rank in ranks] == [0, 0]
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    run_id = ledger.find("last")
    assert [event for event in read_record(ledger, run_id).events if event.kind == "damaged"] == []
    segments = sorted(Path(ledger.run_dir(run_id)).glob("ranks/r0001*/journal/*.seg"))
    assert segments
    for path in segments:
        path.write_bytes(b"damaged")
    damaged = [event.detail for event in read_record(ledger, run_id).events if event.kind == "damaged"]
    assert len(damaged) == len(segments)
    assert all(path.name in "".join(damaged) for path in segments)
