"""One process and its gate: asked by a file or a signal, telling its progress, leaving."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import lowtide
from lowtide.errors import InputError
from lowtide.runtime import gate as gate_module

CASES = str(Path(__file__).with_name("gate_cases.py"))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the pause file of a job under a controller; it is not there yet."""
    monkeypatch.setenv("LOWTIDE_PAUSE_FILE", str(tmp_path / "pause"))
    monkeypatch.setenv("LOWTIDE_PROGRESS_FILE", str(tmp_path / "progress"))
    monkeypatch.setattr(gate_module, "LOOK_EVERY_S", 0.0)
    return tmp_path / "pause"


def test_outside_lowtide_a_gate_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gate = lowtide.gate()
    gate.progress(1, 2)
    assert [gate.should_pause() for _ in range(3)] == [False] * 3
    assert not gate.resuming
    assert list(tmp_path.iterdir()) == []


def test_job_is_asked_while_the_file_is_there(asked: Path) -> None:
    gate = lowtide.gate()
    assert not gate.should_pause()
    asked.touch()
    assert gate.should_pause()
    assert gate.should_pause()
    asked.unlink()  # the request is withdrawn
    assert not gate.should_pause()


def test_file_is_looked_at_every_50_ms_at_most(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(gate_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(gate_module.time, "monotonic", lambda: now_s[0])
    gate = lowtide.gate()
    assert not gate.should_pause()
    asked.touch()
    now_s[0] += 0.049
    assert not gate.should_pause()
    now_s[0] += 0.002
    assert gate.should_pause()


def test_gate_says_that_it_looks_and_who_it_is(asked: Path) -> None:
    lowtide.gate()
    assert Path(f"{asked}.watched").read_text() == f"{os.getpid()}\n"
    assert [path.name for path in asked.parent.iterdir()] == ["pause.watched"]  # no half-written file


def test_resuming_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOWTIDE_RESUME", "1")
    assert lowtide.gate().resuming
    monkeypatch.setenv("LOWTIDE_RESUME", "0")
    assert not lowtide.gate().resuming


def test_leaving_ends_with_75_and_the_newest_progress(asked: Path) -> None:
    gate = lowtide.gate()
    gate.progress(1, 1000)
    gate.progress(420, 1000)  # within the same second: kept until the exit
    told = asked.with_name("progress")
    assert told.read_text() == "1/1000"
    with pytest.raises(SystemExit) as left:
        gate.leave()
    assert left.value.code == 75
    assert told.read_text() == "420/1000"


def test_all_work_done_is_told_at_once(asked: Path) -> None:
    gate = lowtide.gate()
    gate.progress(999, 1000)
    gate.progress(1000, 1000)
    assert asked.with_name("progress").read_text() == "1000/1000"


@pytest.mark.parametrize("launcher", ["TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION"])
def test_leaving_a_launcher_ends_with_0(launcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(launcher, "no")
    with pytest.raises(SystemExit) as left:
        lowtide.gate().leave()
    assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        lowtide.gate().leave(status=75)
    assert left.value.code == 75


def test_other_ranks_than_the_first_tell_no_progress(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    lowtide.gate().progress(2, 2)
    assert not asked.with_name("progress").exists()


def test_folder_that_is_gone_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOWTIDE_PAUSE_FILE", str(tmp_path / "gone" / "pause"))
    monkeypatch.setenv("LOWTIDE_PROGRESS_FILE", str(tmp_path / "gone" / "progress"))
    with pytest.warns(RuntimeWarning, match=r"does not learn.*pause\.watched: No such file"):
        gate = lowtide.gate()
    with pytest.warns(RuntimeWarning, match="progress is told no more.*No such file"):
        gate.progress(2, 2)
    gate.progress(2, 2)
    assert not gate.should_pause()


@pytest.fixture
def handlers() -> object:
    """Put the handlers of signals back."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_signal_is_listened_to_only_where_asked_for(handlers: object) -> None:
    before = signal.getsignal(signal.SIGTERM)
    lowtide.gate()
    assert signal.getsignal(signal.SIGTERM) is before
    lowtide.gate(signals=("SIGTERM",))
    assert signal.getsignal(signal.SIGTERM) is not before


def test_handler_that_was_there_is_called_as_well(handlers: object) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    gate = lowtide.gate(signals=("SIGUSR1",))
    assert not gate.should_pause()
    signal.raise_signal(signal.SIGUSR1)
    assert heard == [signal.SIGUSR1]
    assert gate.should_pause()


def test_job_asked_by_a_signal_saves_and_leaves_with_75() -> None:
    job = subprocess.Popen([sys.executable, CASES, "signal"], stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    job.terminate()
    rest, _ = job.communicate(timeout=30)
    assert rest == "the handler of before\nsaved\n"
    assert job.returncode == 75


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SIGTREM", "no signal is called 'SIGTREM'; SIGTERM would work"),
        ("SIGKILL", "cannot listen to SIGKILL: no program can catch it; SIGTERM would work"),
    ],
)
def test_signal_that_cannot_be_listened_to_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        lowtide.gate(signals=(name,))


def test_sigusr1_is_left_to_lightning_and_torchrun(handlers: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a1")
    with pytest.raises(InputError, match="SIGUSR1 kills torchrun"):
        lowtide.gate(signals=("SIGUSR1",))
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    monkeypatch.setitem(sys.modules, "lightning.pytorch", os)
    with pytest.raises(InputError, match="SIGUSR1 belongs to Lightning"):
        lowtide.gate(signals=("SIGUSR1",))


def test_signals_are_listened_to_in_the_main_thread_only() -> None:
    found: list[str] = []

    def make() -> None:
        try:
            lowtide.gate(signals=("SIGTERM",))
        except InputError as error:
            found.append(str(error))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert found == ["cannot listen to SIGTERM here; make the gate in the main thread"]


def test_every_is_a_number_of_steps() -> None:
    with pytest.raises(InputError, match="every=0 is no number of steps; give 1 or more"):
        lowtide.gate(every=0)
