"""A full disk on either side costs nothing but a line."""

import json
import os
import shutil
import subprocess
import sys

import pytest

LOWTIDE = [sys.executable, "-m", "lowtide"]


@pytest.fixture
def tiny(tmp_path):
    """A file system of 100 kB, where the test may make one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("making a small file system needs root and mount")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_journal_disk_loses_no_reading_while_the_ledger_can_take_them(tiny):
    env = {**os.environ, "LOWTIDE_JOURNAL": str(tiny / "j")}
    run = [*LOWTIDE, "run", "--interval", "10ms", "--intensity", "400", "--", "sleep", "4"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    shown = json.loads(
        subprocess.run([*LOWTIDE, "show", "last", "--json"], env=env, capture_output=True).stdout
    )
    assert shown["status"] == "finished"
    assert shown["energy"]["known_time_fraction"] > 0.98
    assert shown["n_readings"] > 300


def test_full_ledger_disk_is_one_line_and_the_run_is_closed_once_there_is_room(tiny):
    ledger = str(tiny / "ledger")
    filler = tiny / "filler"
    filler.write_bytes(b"x" * 90_000)
    with filler.open("ab") as file:
        try:
            file.write(b"x" * 100_000)
            file.flush()
        except OSError:
            pass  # full, as wanted
    run = [*LOWTIDE, "run", "--ledger", ledger, "--", "sh", "-c", "exit 3"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    filler.unlink()
    listed = subprocess.run([*LOWTIDE, "runs", "--ledger", ledger, "--json"], capture_output=True)
    assert [r["status"] for r in json.loads(listed.stdout)["runs"]] == ["failed"]
