"""Ranks pause at one step: with torch by all-reduce, without it through files; here as real processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lowtide.runtime import gate_ranks
from lowtide.runtime.gate_folder import FolderRanks
from lowtide.runtime.gate_ranks import TorchRanks

CASES = str(Path(__file__).with_name("gate_cases.py"))
TORCH = os.environ.get("LOWTIDE_TEST_FRAMEWORKS", "")
needs_torch = pytest.mark.skipif(not TORCH, reason="LOWTIDE_TEST_FRAMEWORKS names no Python with torch")


def started(python: str, n_ranks: int, *arguments: str, port: int = 1, **env: str) -> list[subprocess.Popen]:
    """Start the ranks of one training."""
    places = {"WORLD_SIZE": str(n_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **env}
    return [
        subprocess.Popen(
            [python, CASES, *arguments],
            env={**os.environ, **places, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n_ranks)
    ]


def outcomes(ranks: list[subprocess.Popen], *, timeout_s: float = 60.0) -> list[tuple[int, str]]:
    """Return status and output of all ranks; none is left behind."""
    try:
        done = [rank.communicate(timeout=timeout_s) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [err for _, err in done] == [""] * len(ranks)
    return [(rank.returncode, out) for rank, (out, _) in zip(ranks, done, strict=True)]


def free_port() -> int:
    """Return a port nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(path: Path, *, within_s: float = 30.0) -> None:
    """Wait until a file is there."""
    gives_up = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < gives_up, f"no {path.name}"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("step_s", "lockstep"), [("0.001", "yes"), ("0.02", "yes"), ("0.3", "yes"), ("0.01", "no")]
)
def test_four_ranks_without_torch_leave_at_one_step(tmp_path: Path, step_s: str, lockstep: str) -> None:
    asked, told = tmp_path / "pause", tmp_path / "progress"
    env = {"LOWTIDE_PAUSE_FILE": str(asked), "LOWTIDE_PROGRESS_FILE": str(told)}
    ranks = started(sys.executable, 4, "ranks", str(tmp_path), step_s, lockstep, **env)
    wait_for(told)
    time.sleep(0.3)
    asked.touch()
    done = outcomes(ranks)
    step = int(re.fullmatch(r"left (\d+)\n", done[0][1])[1])
    assert done == [(75, f"left {step}\n")] * 4
    assert told.read_text() == f"{step}/100000"


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("step_s", ["0.001", "0.1"])
@pytest.mark.parametrize("with_file", ["all", "first"])
def test_four_ranks_with_gloo_leave_at_one_step(tmp_path: Path, step_s: str, with_file: str) -> None:
    asked = tmp_path / "pause"
    env = {"LOWTIDE_PAUSE_FILE": str(asked)}
    ranks = started(TORCH, 4, "gloo", step_s, with_file, port=free_port(), **env)
    wait_for(Path(f"{asked}.watched"))
    time.sleep(1.0)
    asked.touch()
    done = outcomes(ranks)
    step = int(re.fullmatch(r"left (\d+)\n", done[0][1])[1])
    assert done == [(75, f"left {step}\n")] * 4


@needs_torch
@pytest.mark.slow
def test_ranks_of_torchrun_leave_with_0_and_so_does_torchrun(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    asked.touch()
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", CASES]
    done = subprocess.run(
        [TORCH, *command, "gloo", "0.01", "all"],
        env={**os.environ, "LOWTIDE_PAUSE_FILE": str(asked), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "left 1\nleft 1\n"


class Meeting:
    """torch.distributed and torch in one, for ranks that are threads."""

    def __init__(self, n_ranks: int) -> None:
        self._wall, self._lock = threading.Barrier(n_ranks, timeout=10), threading.Lock()
        self._heard: list[list[int]] = []
        self.n_meetings = 0

    def most(self, numbers: list[int]) -> list[int]:
        """Return the largest of each number over all ranks."""
        with self._lock:
            self._heard.append(numbers)
        self._wall.wait()
        found = [max(column) for column in zip(*self._heard, strict=True)]
        if self._wall.wait() == 0:
            self._heard.clear()
            self.n_meetings += 1
        self._wall.wait()
        return found


def in_threads(work, n_ranks: int) -> list:
    """Return what every rank's thread has made."""
    found: list = [None] * n_ranks
    threads = [
        threading.Thread(target=lambda rank=rank: found.__setitem__(rank, work(rank)), daemon=True)
        for rank in range(n_ranks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive(), "a rank waits for ever"
    return found


def all_reducing(meeting: Meeting, asked, **options) -> TorchRanks:
    """Return ranks that meet in this process."""
    ranks = TorchRanks(None, asked, **options)
    ranks._most = meeting.most
    return ranks


def test_all_reduce_comes_at_the_same_steps_on_ranks_of_unequal_pace(monkeypatch) -> None:
    monkeypatch.setattr(gate_ranks, "AGREE_EVERY_S", 0.02)
    meeting = Meeting(3)

    def train(rank: int) -> int:
        ranks = all_reducing(meeting, lambda: rank == 2 and step >= 120)
        for step in range(1, 10_000):
            time.sleep(0.0005 * (rank + 1))
            if ranks.should_pause():
                return step
        return -1

    left = in_threads(train, 3)
    assert len(set(left)) == 1
    assert 120 <= left[0] < 120 + 256
    assert meeting.n_meetings < left[0]  # not at every step


def test_all_reduce_at_every_fifth_step_where_that_is_asked() -> None:
    meeting = Meeting(2)

    def train(rank: int) -> int:
        ranks = all_reducing(meeting, lambda: step >= 12, every=5)
        for step in range(1, 100):
            if ranks.should_pause():
                return step
        return -1

    assert in_threads(train, 2) == [16, 16]  # meetings at 1, 6, 11 and 16
    assert meeting.n_meetings == 4


def test_rank_that_does_not_answer_keeps_the_others_training(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    asked.touch()
    first, second = (FolderRanks(str(asked), rank=rank, n_ranks=3, patience_s=0.1) for rank in (0, 1))

    def train(rank: int) -> list[bool]:
        ranks = (first, second)[rank]
        answers = []
        for _ in range(60):
            time.sleep(0.01)
            answers.append(ranks.should_pause())
        return answers

    assert in_threads(train, 2) == [[False] * 60] * 2
    words = [os.readlink(path) for path in tmp_path.rglob("*.word")]
    assert words
    assert all(word.startswith("go on") for word in words)


def test_what_an_earlier_request_left_behind_means_nothing(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    asked.touch()
    folder = Path(f"{asked}.ranks")
    folder.mkdir()
    for name, word in {"1234-5.1": "3", "1234-5.1.word": "leave", "1234-5.1.ack-1": "1"}.items():
        os.symlink(word, folder / name)
    late = FolderRanks(str(asked), rank=1, n_ranks=2)
    assert not any(late.should_pause() for _ in range(10))
    FolderRanks(str(asked), rank=0, n_ranks=2)
    assert list(folder.iterdir()) == []


def test_rank_past_the_step_says_so_and_the_next_proposal_lies_beyond_it(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    slow, quick = (FolderRanks(str(asked), rank=rank, n_ranks=2, patience_s=0.2) for rank in (0, 1))
    for _ in range(5_000):
        quick.should_pause()
    asked.touch()
    quick._next_look = slow._next_look = 0.0
    slow.should_pause()
    quick.should_pause()
    (word,) = (os.readlink(path) for path in tmp_path.rglob("*.word"))
    assert word == "go on 5001"
    while not slow._furthest:
        slow.should_pause()
    slow._next_look = 0.0
    slow.should_pause()
    assert slow._at > 5_001


def test_request_withdrawn_before_its_step_pauses_nobody(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    ranks = [FolderRanks(str(asked), rank=rank, n_ranks=2, patience_s=5.0) for rank in (0, 1)]

    def train(rank: int) -> bool:
        paused = False
        for _ in range(100):
            time.sleep(0.01)
            paused |= ranks[rank].should_pause()
        return paused

    asked.touch()
    threading.Timer(0.15, asked.unlink).start()
    assert in_threads(train, 2) == [False, False]


def test_folder_that_cannot_be_made_is_said_and_training_goes_on(tmp_path: Path) -> None:
    asked = tmp_path / "pause"
    asked.touch()
    (tmp_path / "pause.ranks").touch()
    with pytest.warns(RuntimeWarning, match=r"2 ranks cannot agree.*pause\.ranks: File exists"):
        first = FolderRanks(str(asked), rank=0, n_ranks=2)
    assert not any(first.should_pause() for _ in range(100))
