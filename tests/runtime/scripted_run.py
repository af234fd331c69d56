"""``lowtide run`` with decisions from a list instead of a plan: quick, and the same on a busy machine.

    python scripted_run.py "hold 0.7 run 2.0" run --intensity 400 --within 60s --duration 3s --pause checkpoint -- job

starts at once, wants it to stand from 0.7 s after its first start, and to run from 2.0 s on. All else is real: the
child that decides, the state that is kept, the signals, the recorder.
"""

from __future__ import annotations

import sys
from typing import Any

from lowtide.cli.main import main
from lowtide.runtime import green_control
from lowtide.stores.codec import write_json

WORDS = sys.argv[1].split()
SCRIPT = [(0.0, "run"), *((float(at), act) for act, at in zip(WORDS[::2], WORDS[1::2], strict=True))]
FAR_S = 1000.0


def answer(question: dict[str, Any], path: str) -> None:
    """Leave the decision that the list has for the instant that is asked for."""
    runs = question["runs_ns"]
    since_s = (question["for_ns"] - runs[0][0]) / 1e9 if runs else 0.0
    act = [act for at, act in SCRIPT if at <= since_s][-1]
    until_s = next((at for at, _ in SCRIPT if at > since_s), FAR_S)
    write_json(path, {
        "act": act, "until_ns": question["for_ns"] + round((until_s - since_s) * 1e9), "why": "the list says so",
        "problem": "", "plan": None, "promise": None, "late": False, "flat": False, "time_resolved": True,
        "zone": "", "saving": None, "power_w": 1.0, "idle_w": 0.0,
    })  # fmt: skip


if __name__ == "__main__":
    green_control._answer = answer
    sys.argv = ["lowtide", *sys.argv[2:]]
    sys.exit(main())
