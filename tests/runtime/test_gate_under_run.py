"""A training with a gate under ``lowtide run --pause checkpoint``: paused for real, the same losses to the bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from green_cases import begin, shown, write_intensity

CASES = str(Path(__file__).with_name("gate_cases.py"))

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="keepers and handlers need /proc"
)


@pytest.mark.slow
def test_training_paused_by_lowtide_run_has_the_losses_of_one_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def command(name: str, step_s: float) -> list[str]:
        return [sys.executable, CASES, "curve", str(tmp_path / name), "150", str(step_s)]

    alone = subprocess.run(command("alone", 0.0), capture_output=True, text=True, check=True).stdout
    path = write_intensity(tmp_path / "i.csv", [100.0, 900.0, 900.0] * 10, step_s=2.0, since_s=-0.5)
    asked = ["--within", "60s", "--duration", "3s", "--pause", "checkpoint", "--resume-time", "0s"]
    run = begin("--intensity", path, *asked, "--quiet", "--", *command("paused", 0.02))
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    assert capfd.readouterr().out == alone
    n_pauses = shown()["plan"]["n_pauses"]
    assert n_pauses >= 1, said
    assert said.count("goes on after") == n_pauses
    print(f"{n_pauses} pauses")
