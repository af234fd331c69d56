"""A run that waits for green in virtual time: clocks that a test moves, what its job tells, how it left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lowtide.runtime.clock import boot_id
from lowtide.runtime.green import GreenSpec
from lowtide.runtime.green_clock import GreenClock
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_H, NS_PER_S


class SetClock(GreenClock):
    """Clocks that a test moves: time passes for all, and the wall clock may be set."""

    def __init__(self) -> None:
        self.passed_ns, self.set_by_ns = 0, 0

    def wall_ns(self) -> int:
        return START_NS + self.passed_ns + self.set_by_ns

    def boot_ns(self) -> int:
        return self.passed_ns + NS_PER_H

    def work_ns(self) -> int:
        return self.passed_ns + NS_PER_H

    def wait(self, s: float) -> None:
        """Let so many seconds pass."""
        self.passed_ns += round(s * NS_PER_S)


def saving_spec(**changes: Any) -> GreenSpec:
    """Return what a job of 20,000 s is asked to hold that may save and leave."""
    asked: dict[str, Any] = {
        "bound": "--within", "asked_ns": START_NS, "deadline_ns": START_NS + 24 * NS_PER_H, "start_by_ns": None,
        "work_s": 20_000.0, "work_known": True, "power_w": 1000.0, "power_known": True, "margin": 0.1,
        "min_saving": 0.03, "pause": "checkpoint",
    }  # fmt: skip
    return GreenSpec(**{**asked, **changes})


def tell(path: Path, word: str, at_ns: int) -> None:
    """Write what a job tells, at that instant of the wall clock."""
    path.write_text(word)
    os.utime(path, ns=(at_ns, at_ns))


def write_begun(folder: Path, n: int) -> None:
    """Make the file that says that the command has been started for the n-th time."""
    (folder / ("begun" if n == 1 else f"begun-{n}")).write_text("1\n")


def write_left_after(
    folder: Path, n: int, lived_s: float, clock: SetClock, *, code: int = 75, **changes: Any
) -> None:
    """Write what a keeper does: that the n-th start has left just now, after so many seconds."""
    plain = {
        "started_ns": clock.boot_ns() - round(lived_s * NS_PER_S), "left_ns": clock.boot_ns(), "status": code << 8,
        "boot": boot_id(), "wall_offset_ns": clock.wall_ns() - clock.boot_ns(),
    }  # fmt: skip
    (folder / f"left-{n}").write_text(json.dumps({**plain, **changes}))
