"""Starts that go to one instant together, with a Slurm that refuses some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slurm_double import SlurmDouble, waiting_job
from submitted_cases import START_NS, SubmittedCase

from lowtide.errors import ExecutorError
from lowtide.runtime.agent_journal import Journal
from lowtide.runtime.agent_moves import move_starts
from lowtide.runtime.submitting_promise import make_comment, read_promise, write_promise
from lowtide.runtime.submitting_replan import Move, Submitted
from lowtide.units import NS_PER_H

FROM_NS, TO_NS = START_NS + 2 * NS_PER_H, START_NS + 3 * NS_PER_H


class PartlyMoved(SlurmDouble):
    """Does as scontrol does: moves all that still wait, and fails for those that have begun."""

    begun: frozenset[int | str] = frozenset((8,))

    def set_begin(self, job_id: int | str | Sequence[int | str], begin_ns: int) -> None:
        super().set_begin(job_id, begin_ns)
        ids = [job_id] if isinstance(job_id, int | str) else job_id
        if self.begun & set(ids):
            raise ExecutorError("scontrol update failed: Job is no longer pending execution for job 8")


def moved(folder: Path, slurm: SlurmDouble) -> tuple[SubmittedCase, list[str], list[str]]:
    """Move jobs 7, 8 and 9 by an hour; return what was said and what failed."""
    case, said, failed = SubmittedCase(folder), list[str](), list[str]()
    wanted = []
    for number in (7, 8, 9):
        promise = replace(case.promise, job_id=number, last=replace(case.promise.last, start_ns=FROM_NS))
        write_promise(case.ledger, promise)
        submitted = Submitted(job=waiting_job(number, make_comment(promise)), promise=promise)
        plan = replace(promise.last, start_ns=TO_NS)
        wanted.append(Move(submitted=submitted, from_ns=FROM_NS, plan=plan))
    journal = Journal(str(folder / "log" / "agent.jsonl"))
    move_starts(wanted, case.ledger, slurm, journal, now_ns=START_NS, say=said.append, fail=failed.append)
    return case, said, failed


def test_job_that_has_begun_meanwhile_takes_none_of_the_others_starts_with_it(tmp_path: Path) -> None:
    slurm = PartlyMoved()
    case, said, failed = moved(tmp_path, slurm)
    kept = {number: read_promise(case.ledger, number) for number in (7, 8, 9)}
    assert {n: (one.last.start_ns, one.n_moves) for n, one in kept.items()} == {
        7: (TO_NS, 1),
        8: (FROM_NS, 0),
        9: (TO_NS, 1),
    }
    assert [line.partition(":")[0] for line in said] == ["job 7", "job 9"]
    assert failed == [
        "starts of job 8 may not be moved: scontrol update failed: Job is no longer pending execution for job 8"
    ]
    sets = [one[1] for one in slurm.said if one[0] == "set_begin"]
    assert sets == [[7, 8, 9], [7], [8], [9]]


def test_slurm_that_is_down_is_not_asked_for_each_of_them(tmp_path: Path) -> None:
    slurm = SlurmDouble(refuses={"set_begin", "jobs"})
    case, said, failed = moved(tmp_path, slurm)
    assert (said, failed) == ([], ["starts of jobs 7, 8, 9 may not be moved: set_begin failed: no"])
    assert [one[0] for one in slurm.said].count("set_begin") == 1
    assert read_promise(case.ledger, 7).n_moves == 0


def test_start_that_cannot_be_written_down_first_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    slurm = SlurmDouble()
    _, said, failed = moved(tmp_path, slurm)
    assert (said, slurm.said) == ([], [])
    assert failed[0].startswith("starts of jobs 7, 8, 9 are not moved: cannot write ")
