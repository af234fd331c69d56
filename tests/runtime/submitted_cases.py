"""A submitted job on a clock that is set by hand, with a Slurm that only remembers and hours made by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurm_double import SlurmDouble, waiting_job

from lowtide.executors.slurm_jobs import SlurmJob
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.config import load_config
from lowtide.runtime.submitting import SubmitRequest, plan_submission
from lowtide.runtime.submitting_promise import Promise, make_comment, write_promise
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H, NS_PER_S

START_NS = parse_instant_ns("2026-03-01T00:00Z")
FLAT = (100,) * 12
DIRTY = (100, 900, 900, 100, 100, 100, 100, 100, 100, 100, 100, 100)
"""Two dirty hours, from 01:00 to 03:00."""


@dataclass
class Clock:
    """Says what it was set to."""

    now_ns: int = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def set_h(self, hours: float) -> None:
        self.now_ns = START_NS + round(hours * NS_PER_H)

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)


class SubmittedCase:
    """Job 7, of 2 h and with a day's hours that are flat as far as is known, submitted at midnight."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        self.ledger, self.slurm, self.clock = Ledger(str(folder / "ledger")), SlurmDouble(), Clock()
        self.day, self.said, self.script = folder / "day.csv", list[str](), folder / "job.sbatch"
        self.script.write_text("#!/bin/bash\n#SBATCH -N1\ntrue\n")
        self.forecast(FLAT)
        usual = {"script": str(self.script), "duration": "2h", "within": "10h", "power": "1kW"}
        self.request = SubmitRequest(**{**usual, **asked})
        config = load_config(env={}).with_flags({"intensity": str(self.day)})
        self.planned = plan_submission(self.request, config, ledger=self.ledger, env={}, now_ns=START_NS)
        self.promise: Promise = replace(self.planned.promise, job_id=7)
        write_promise(self.ledger, self.promise)

    def forecast(self, values: tuple[int, ...]) -> None:
        """Let the day be foretold anew, hour by hour."""
        rows = [f"2026-03-01T{hour:02d}:00Z,{value}" for hour, value in enumerate(values)]
        self.day.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")

    def runs(self, **changes: Any) -> None:
        """Let Slurm say that the job runs since midnight."""
        self.slurm.listed = [self.job(state="RUNNING", reason="None", start_ns=START_NS, **changes)]

    def job(self, **changes: Any) -> SlurmJob:
        """Return the job as Slurm has it."""
        return waiting_job(7, make_comment(self.promise), **changes)

    def acts(self) -> list[tuple[Any, ...]]:
        """Return what Slurm was asked to do since the last time."""
        found = [said for said in self.slurm.said if said[0] not in ("jobs", "job")]
        self.slurm.said.clear()
        return found
