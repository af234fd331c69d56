"""Every example runs and prints what its ``.out`` says."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NEEDS = {"pause_training": "torch"}
"""Examples that need a library lowtide does not bring."""


def python_for(script: Path) -> str:
    """Return a Python that can run an example: this one, else the one with the frameworks; skip without."""
    library = NEEDS.get(script.stem)
    if library is None or find_spec(library) is not None:
        return sys.executable
    there = os.environ.get("LOWTIDE_TEST_FRAMEWORKS", "")
    if not there:
        pytest.skip(f"{library} is not installed, and LOWTIDE_TEST_FRAMEWORKS names no Python that has it")
    return there


def printed(script: Path, *arguments: str, cwd: Path) -> str:
    """Return what an example prints to standard output; it must end well."""
    done = subprocess.run(
        [python_for(script), "-W", "error", str(script), *arguments],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_comes_with_its_output(script: Path) -> None:
    assert script.with_suffix(".out").is_file(), f"write what {script.name} prints to {script.stem}.out"


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_prints_its_output(script: Path, tmp_path: Path) -> None:
    assert printed(script, cwd=tmp_path) == script.with_suffix(".out").read_text()


def test_one_epoch_of_digits_is_the_first_of_many(tmp_path: Path) -> None:
    quick = printed(EXAMPLES / "train_digits.py", "--epochs", "1", cwd=tmp_path).splitlines()
    whole = (EXAMPLES / "train_digits.out").read_text().splitlines()
    assert quick[:2] == whole[:2]
    assert quick[2] == "digits recognised: 79.7 %"  # the accuracy after one epoch, 0.797
