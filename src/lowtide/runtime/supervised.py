"""One start of a command that is supervised, and the end of its run."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lowtide.model.record import RunEnd, Telemetry
from lowtide.runtime.green_clock import CLOCK
from lowtide.runtime.starting import Used
from lowtide.stores.marks import counts_of

if TYPE_CHECKING:
    from lowtide.model.budget import BudgetReached
    from lowtide.model.run_plan import RunPlan

__all__ = ["Job", "is_child", "run_end"]

_RU_MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(slots=True)
class Job:
    """One start of a command.

    Attributes
    ----------
    pid, keeper : int
        Its process, and the one between it and us; -1 where there is none.
    started_ns : int
        When it was started [ns since 1970 UTC].
    begun_ns : int
        The same on the clock that nobody sets [ns].
    status : int or None
        As the kernel gives it; None while it runs.
    ended_ns : int
        When we saw that it had ended [ns since 1970 UTC].
    """

    pid: int
    started_ns: int
    keeper: int = -1
    begun_ns: int = field(default_factory=CLOCK.boot_ns)
    status: int | None = None
    ended_ns: int = 0

    @classmethod
    def gone(cls, status: int) -> Job:
        """Return one that no process is left of."""
        now_ns = time.time_ns()
        return cls(-1, now_ns, status=status, ended_ns=now_ns)

    @property
    def code(self) -> int:
        """Its exit status, or minus the signal that ended it."""
        return os.waitstatus_to_exitcode(self.status or 0)

    def end(self, status: int) -> None:
        """Take note that it has ended just now."""
        self.status, self.ended_ns = status, time.time_ns()


def is_child(pid: int) -> bool:
    """Return whether a process is our child, also one that has ended and that nobody has waited for."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def run_end(
    job: Job,
    *,
    first_ns: int,
    used: Sequence[Used],
    journal_dir: str,
    plan: RunPlan | None,
    budget: BudgetReached | None,
) -> RunEnd:
    """Return how a run ended, of its last start and what all of them have used.

    Parameters
    ----------
    job : Job
        The last start.
    first_ns : int
        When the first one began [ns since 1970 UTC].
    used : sequence of Used
    journal_dir : str
        Where its counts are.
    plan, budget
        What has become of them; None where there was none.
    """
    own, total = resource.getrusage(resource.RUSAGE_SELF), Used.sum(used)
    # The kernel hands our own peak down to a spawned child, so only a larger one is the command's.
    is_own = total.maxrss <= own.ru_maxrss
    return RunEnd(
        started_ns=first_ns,
        ended_ns=max(job.ended_ns, first_ns + 1),
        exit_code=job.code if job.code >= 0 else None,
        signal=-job.code if job.code < 0 else None,
        telemetry=Telemetry(
            cpu_seconds=total.cpu_s,
            peak_memory_bytes=None if is_own else total.maxrss * _RU_MAXRSS_BYTES,
            disk_read_bytes=total.inblock * 512,
            disk_write_bytes=total.oublock * 512,
        ),
        counts=counts_of(journal_dir),
        plan=plan,
        budget=budget,
    )
