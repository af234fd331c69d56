"""A Slurm that only remembers what it was asked, for tests that need no cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lowtide.errors import ExecutorError
from lowtide.executors.slurm import Slurm
from lowtide.executors.slurm_jobs import SlurmJob


def waiting_job(job_id: int, comment: str, **changes: Any) -> SlurmJob:
    """Return a job that waits for its begin time."""
    plain = SlurmJob(
        job_id=job_id, name="train", state="PENDING", reason="BeginTime", comment=comment, submit_ns=0,
        eligible_ns=None, start_ns=None, end_ns=None, time_limit_s=None, n_restarts=0, exit_code=0,
        exit_signal=0, nodes="",
    )  # fmt: skip
    return replace(plain, **changes)


@dataclass
class SlurmDouble(Slurm):
    """Answers as Slurm does, from a list of jobs; refuses what `refuses` names."""

    listed: list[SlurmJob] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    said: list[tuple[Any, ...]] = field(default_factory=list)
    next_id: int = 7
    delay_s: float = 121.0

    def submit(
        self, script: str, arguments: Sequence[str] = (), *, options: Sequence[str] = (),
        begin_ns: int | None = None, comment: str = "", hold: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> int:  # fmt: skip
        self._note("submit", script, tuple(arguments), tuple(options), begin_ns, comment)
        return self.next_id

    def jobs(self, *, uid: int | None = None) -> list[SlurmJob]:
        self._note("jobs")
        return list(self.listed)

    def set_begin(self, job_id: int | str | Sequence[int | str], begin_ns: int) -> None:
        self._note("set_begin", job_id, begin_ns)

    def job(self, job_id: int | str) -> SlurmJob | None:
        self._note("job", job_id)
        return next((one for one in self.listed if str(job_id) in (one.label, str(one.job_id))), None)

    def requeue(self, job_id: int | str, *, hold: bool = False) -> None:
        self._note("requeue", job_id)

    def requeue_delay_s(self) -> float:
        return self.delay_s

    def signal(self, job_id: int | str, name: str, *, to: Literal["all", "steps", "script"] = "all") -> None:
        self._note("signal", job_id, name, to)

    def stop(self, job_id: int | str) -> None:
        self._note("stop", job_id)

    def go_on(self, job_id: int | str) -> None:
        self._note("go_on", job_id)

    def _note(self, *said: Any) -> None:
        self.said.append(said)
        if said[0] in self.refuses:
            raise ExecutorError(f"{said[0]} failed: no")
