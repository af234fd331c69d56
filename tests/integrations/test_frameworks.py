"""Callbacks and sinks against the real frameworks: a few training steps on a CPU, in a Python that has them.

``LOWTIDE_TEST_FRAMEWORKS`` names that Python; lowtide must be importable in it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("LOWTIDE_TEST_FRAMEWORKS", "")
CASES = Path(__file__).with_name("framework_cases.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LOWTIDE_TEST_FRAMEWORKS names no Python with the frameworks installed"
)


def result_of(case: str, module: str) -> dict:
    """Run a case in the other Python; skip where its framework is not installed."""
    return read_result(CASES, [case], module)


def read_result(script: Path, arguments: list[str], module: str, *, done: tuple[str, str] | None = None):
    """Return what a script prints behind RESULT; `done` is its output if it has run already."""
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    if done is None:
        there = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False, env=env)
        if there.returncode != 0:
            pytest.skip(f"{module} is not installed beside {PYTHON}")
        run = subprocess.run(
            [PYTHON, str(script), *arguments], capture_output=True, text=True, check=False, env=env
        )
        done = run.stdout, run.stderr
    lines = [line for line in done[0].splitlines() if line.startswith("RESULT ")]
    assert lines, done[1][-3000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "module", "n_steps", "phases"),
    [
        ("torch", "torch", 60, {"train"}),
        ("lightning", "lightning", 40, {"train", "validate"}),
        ("transformers", "transformers", 32, {"train"}),
        ("keras", "keras", 30, {"train", "validate"}),
        ("accelerate", "accelerate", 40, set()),
    ],
    ids=["torch", "lightning", "transformers", "keras", "accelerate"],
)
def test_training_is_measured_with_its_steps_and_phases(case, module, n_steps, phases):
    result = result_of(case, module)
    print(f"{module} {result['version']}")
    assert result["kwh"] > 0.0
    assert result["n_steps"] == n_steps
    assert set(result["phases"]) == phases
    assert result["logged"]
    assert result["rows"] >= 1
    assert not result["software"] or "torch" in result["software"]


@pytest.mark.slow
def test_sinks_carry_names_values_and_steps():
    result = result_of("sinks", "mlflow")
    assert result["mlflow"] == [0.25, 3, 10**12]  # milliseconds
    assert result["tensorboard"] == [90.0, 3]
    assert result["wandb"] in (True, None)
