"""Trainings in the real frameworks are paused and gone on with, and every loss is the one of a training left alone.

``LOWTIDE_TEST_FRAMEWORKS`` names a Python that has them.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from test_frameworks import PYTHON, read_result

CASES = Path(__file__).with_name("pause_cases.py")

pytestmark = [
    pytest.mark.skipif(
        not PYTHON, reason="LOWTIDE_TEST_FRAMEWORKS names no Python with the frameworks installed"
    ),
    pytest.mark.slow,
]


def outcome(*arguments: object, module: str):
    """Run a training in the other Python; skip where its framework is not installed."""
    return read_result(CASES, [str(argument) for argument in arguments], module)


def joined(parts: list[dict]) -> list[str]:
    """Return the losses of all attempts one after another."""
    return [loss for part in parts for loss in part["losses"]]


@pytest.mark.parametrize(
    ("name", "step", "told", "n_steps"),
    [
        ("lightning", 7, "7/30", 30),
        ("transformers", 5, "5/24", 24),
        ("keras", 2, "2/4", 32),  # epochs
        ("accelerate", 11, "11/24", 24),
    ],
)
def test_new_process_goes_on_to_the_same_end(name, step, told, n_steps, tmp_path) -> None:
    alone = outcome(name, tmp_path / "alone", module=name)
    first = outcome(name, tmp_path / "paused", step, module=name)
    second = outcome(name, tmp_path / "paused", module=name)
    assert (alone["status"], first["status"], second["status"]) == (0, 75, 0)
    assert first["told"] == told
    assert joined([first, second]) == alone["losses"]
    assert second["end"] == alone["end"]
    assert alone["end"]["steps"] == len(alone["losses"]) == n_steps


@pytest.mark.parametrize(
    "case",
    [
        "lightning=7,10,13",  # inside an epoch, at its end, and again
        "lightning_validating=5,10,12,15",  # where a validation is due, too: each is made once
        "lightning_epochs=7,12",  # a loader that shuffles, paused at the ends of epochs
        "transformers=5,8,13,16",  # where an evaluation is due, too
        "keras=1,3",
        "accelerate=5,8,19",
    ],
)
def test_training_paused_several_times_has_the_losses_of_one_left_alone(case, tmp_path) -> None:
    alone, *parts = outcome(case, tmp_path, module=case.partition("=")[0].partition("_")[0])
    assert [part["status"] for part in parts] == [75] * (len(parts) - 1) + [0]
    assert joined(parts) == alone["losses"]
    assert parts[-1]["end"] == alone["end"]


def test_lightning_pauses_between_optimizer_steps_while_gradients_accumulate(tmp_path) -> None:
    alone, *parts = outcome("lightning_accumulating=3,5", tmp_path, module="lightning")
    assert [len(part["losses"]) for part in parts] == [6, 4, 20]  # two batches a step
    assert joined(parts) == alone["losses"]


def test_lightning_loader_without_a_state_begins_its_epoch_anew(tmp_path) -> None:
    alone, *parts = outcome("lightning_plain=7", tmp_path, module="lightning")
    assert len(joined(parts)) == len(alone["losses"]) == 30  # the same number of steps, of other batches
    assert joined(parts)[:7] == alone["losses"][:7]
    assert joined(parts) != alone["losses"]


def test_two_ranks_of_lightning_pause_together_and_go_on(tmp_path) -> None:
    def trained(folder: str, *step: str) -> list[dict]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        env = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        ranks = [
            subprocess.Popen(
                [PYTHON, str(CASES), "lightning_ranks", str(tmp_path / folder), *step],
                env={**os.environ, **env, "RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0"},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for rank in range(2)
        ]  # fmt: skip
        return [read_result(CASES, [], "lightning", done=rank.communicate(timeout=300)) for rank in ranks]

    alone, first, second = trained("alone"), trained("paused", "4"), trained("paused")
    assert [part["status"] for part in first] == [75, 0]  # Lightning takes any other status for a failure
    assert [part["status"] for part in second] == [0, 0]
    for rank in range(2):
        assert joined([first[rank], second[rank]]) == alone[rank]["losses"]
        # Not what was validated: the ranks write that to one file, which one may read before the other has written.
        for part in ("digest", "steps"):
            assert second[rank]["end"][part] == alone[rank]["end"][part]
