"""Trainings paused again and again lose nothing: their losses are those of a training left alone, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from test_examples import EXAMPLES, printed, python_for

TRAININGS = {
    "pause_digits": ("--digits", "17", "--epochs", "6"),
    "pause_training": ("--digits", "17", "--epochs", "25", "--every", "1"),
}
N_PAUSES = 3


class Controller:
    """Starts a job, asks it to pause by its file, and starts it again: what ``lowtide run`` does."""

    def __init__(self, script: Path, arguments: tuple[str, ...], folder: Path) -> None:
        self._command = [python_for(script), "-W", "error", str(script), *arguments]
        self._folder, self.asked = folder, folder / "asked"
        self.told = folder / "told"
        self.env = {
            **os.environ,
            "LOWTIDE_PAUSE_FILE": str(self.asked),
            "LOWTIDE_PROGRESS_FILE": str(self.told),
        }
        self.printed = ""

    def start(self) -> subprocess.Popen[str]:
        """Start the job and wait until it has done a step."""
        self.told.unlink(missing_ok=True)
        job = subprocess.Popen(
            self._command, cwd=self._folder, env=self.env, stdout=subprocess.PIPE, text=True
        )
        gives_up = time.monotonic() + 60.0
        while not self.told.exists():
            assert job.poll() is None, "the job has ended before it was asked"
            assert time.monotonic() < gives_up
            time.sleep(0.005)
        return job

    def end(self, job: subprocess.Popen[str]) -> int:
        """Wait for the end of the job; return its status."""
        self.printed += job.communicate(timeout=120)[0]
        self.asked.unlink(missing_ok=True)
        self.env["LOWTIDE_RESUME"] = "1"
        return job.returncode

    def done(self) -> int:
        """Return how many steps it says are done."""
        return int(self.told.read_text().partition("/")[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_losses_of_a_training_paused_three_times_are_those_of_one_left_alone(
    name: str, tmp_path: Path
) -> None:
    script, arguments = EXAMPLES / f"{name}.py", TRAININGS[name]
    alone = printed(script, *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    controller, n_done = Controller(script, arguments, tmp_path), [0]
    for _ in range(N_PAUSES):
        job = controller.start()
        controller.asked.touch()
        assert controller.end(job) == 75
        assert Path(f"{controller.asked}.watched").exists()
        n_done.append(controller.done())
    assert n_done == sorted(set(n_done))  # each attempt has done some of it
    assert controller.end(controller.start()) == 0
    assert controller.printed == alone
    assert controller.done() > n_done[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_training_killed_after_a_pause_goes_on_from_what_it_saved_then(name: str, tmp_path: Path) -> None:
    script, arguments = EXAMPLES / f"{name}.py", TRAININGS[name]
    alone = printed(script, *arguments, cwd=tmp_path).splitlines()
    controller = Controller(script, arguments, tmp_path)
    job = controller.start()
    controller.asked.touch()
    assert controller.end(job) == 75
    job = controller.start()
    job.send_signal(signal.SIGKILL)
    controller.end(job)
    assert controller.end(controller.start()) == 0
    told = controller.printed.splitlines()
    assert list(dict.fromkeys(told)) == alone  # what was done twice was done alike
