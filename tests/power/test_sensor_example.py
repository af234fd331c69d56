"""The example of a sensor of one's own runs and prints what its ``.out`` says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "extend" / "sensor.py"


def test_smart_plug_prints_its_output(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == EXAMPLE.with_suffix(".out").read_text()
