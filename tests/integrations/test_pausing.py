"""Checkpoints are whole or not there, and random generators go on where they were; without any framework."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from lowtide.errors import MissingExtraError
from lowtide.integrations import keras, lightning, transformers
from lowtide.integrations.accelerate import PausePoint
from lowtide.integrations.pausing import discard, finish, newest, restore_rng, rng_states, unfinished


def saved(folder: Path, name: str, text: str) -> str:
    """Save a checkpoint as the integrations do."""
    path = str(folder / name)
    Path(unfinished(path)).write_text(text)
    finish(path, "step", ".ckpt")
    return path


def test_newest_is_the_highest_step_and_the_only_one_kept(tmp_path: Path) -> None:
    saved(tmp_path, "step-9.ckpt", "old")
    path = saved(tmp_path, "step-10.ckpt", "new")
    (tmp_path / "of-somebody-else").touch()
    assert newest(str(tmp_path), "step", ".ckpt") == path
    assert Path(path).read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["of-somebody-else", "step-10.ckpt"]


def test_checkpoint_that_was_being_written_is_none(tmp_path: Path) -> None:
    old = saved(tmp_path, "step-9.ckpt", "old")
    Path(unfinished(str(tmp_path / "step-10.ckpt"))).write_text("half of i")
    assert newest(str(tmp_path), "step", ".ckpt") == old
    assert newest(str(tmp_path / "no-such-folder"), "step") is None


def test_checkpoint_may_be_a_folder_and_replaces_one_of_the_same_step(tmp_path: Path) -> None:
    for text in ("first", "second"):
        at = Path(unfinished(str(tmp_path / "step-3")))
        (at / "inside").mkdir(parents=True)
        (at / "inside" / "weights").write_text(text)
        finish(str(tmp_path / "step-3"), "step")
    assert (tmp_path / "step-3" / "inside" / "weights").read_text() == "second"
    discard(str(tmp_path), "step")
    assert list(tmp_path.iterdir()) == []
    discard(str(tmp_path), "step")  # nothing is there any more


def test_generators_of_python_and_numpy_go_on_where_they_were() -> None:
    before = rng_states()
    drawn = random.random(), random.gauss(0, 1), np.random.standard_normal(3).tolist()
    restore_rng(before)
    assert drawn == (random.random(), random.gauss(0, 1), np.random.standard_normal(3).tolist())


class FakeAccelerator:
    """Keeps a number."""

    is_main_process, state = True, "fresh"

    def wait_for_everyone(self) -> None:
        pass

    def save_state(self, path: str) -> None:
        Path(path).mkdir()
        Path(path, "state").write_text(self.state)

    def load_state(self, path: str) -> None:
        self.state = Path(path, "state").read_text()


def test_pause_point_saves_leaves_and_counts_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOWTIDE_PAUSE_FILE", str(tmp_path / "asked"))
    monkeypatch.setenv("LOWTIDE_PROGRESS_FILE", str(tmp_path / "told"))
    accelerator = FakeAccelerator()
    point = PausePoint(accelerator, str(tmp_path / "pause"), total_steps=5)
    (tmp_path / "asked").touch()
    accelerator.state = "trained"
    with pytest.raises(SystemExit) as left:
        point.passed()
    assert left.value.code == 75
    assert (tmp_path / "told").read_text() == "1/5"
    (tmp_path / "asked").unlink()
    again = FakeAccelerator()
    point = PausePoint(again, str(tmp_path / "pause"), total_steps=5)
    assert (again.state, point.step) == ("trained", 1)
    point.passed()
    assert point.step == 2


def trainer_checkpoint(folder: Path, step: int, *names: str) -> Path:
    """Make a checkpoint of the Trainer with these files."""
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_incomplete_checkpoints_of_the_trainer_are_passed_over(tmp_path: Path) -> None:
    assert transformers.last_checkpoint(str(tmp_path / "none")) is None
    assert transformers.last_checkpoint(str(tmp_path)) is None
    whole = trainer_checkpoint(tmp_path, 9, "model.safetensors", "trainer_state.json")
    trainer_checkpoint(tmp_path, 10, "trainer_state.json", "checkpoint-is-incomplete.txt")
    trainer_checkpoint(tmp_path, 11, "model.safetensors")  # killed before its last file
    assert transformers.last_checkpoint(str(tmp_path)) == str(whole)


@pytest.mark.parametrize(
    ("module", "arguments"), [(keras, ["pause"]), (lightning, ["pause"]), (transformers, [])]
)
def test_callback_without_its_framework_says_which_extra(module, arguments) -> None:
    if module._Base is not object:
        pytest.skip("the framework is installed")
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(MissingExtraError, match=rf"lowtide\[{name}\]"):
        module.PauseCallback(*arguments)
