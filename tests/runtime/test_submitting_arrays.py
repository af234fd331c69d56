"""Arrays as one job, the gate of those that have begun, and chains of jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slurm_double import SlurmDouble, waiting_job

from lowtide.executors.slurm_jobs import SlurmJob
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.agent import Agent
from lowtide.runtime.config import load_config
from lowtide.runtime.submitting import Submission, SubmitRequest, plan_submission
from lowtide.runtime.submitting_arrays import array_size, parents_of, tasks_in
from lowtide.runtime.submitting_promise import Promise, make_comment, write_promise
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H

START_NS = parse_instant_ns("2026-03-01T00:00Z")


class Case:
    """An array of 100 tasks of half an hour, 25 at once: four waves, 2 h."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger, self.slurm = folder, Ledger(str(folder / "ledger")), SlurmDouble()
        self.now_ns, self.said = START_NS, list[str]()
        (folder / "job.sbatch").write_text("#!/bin/sh\n#SBATCH --array=0-99%25\ntrue\n")
        self.forecast((100,) * 12)
        self.promise: Promise = replace(self.plan().promise, job_id=7)
        write_promise(self.ledger, self.promise)

    def forecast(self, values: tuple[int, ...]) -> None:
        rows = [f"2026-03-01T{hour:02d}:00Z,{value}" for hour, value in enumerate(values)]
        (self.folder / "day.csv").write_text("\n".join(["ts_utc,DE", *rows]) + "\n")

    def plan(self, **given: Any) -> Submission:
        asked = {
            "script": str(self.folder / "job.sbatch"),
            "duration": "30m",
            "within": "10h",
            "power": "1kW",
        }
        config = load_config(env={}).with_flags({"intensity": str(self.folder / "day.csv")})
        return plan_submission(
            SubmitRequest(**{**asked, **given}), config, ledger=self.ledger, env={}, now_ns=START_NS
        )

    def parts(self, tasks: str, *, n_running: int, **changes: Any) -> None:
        """Let Slurm say which tasks wait and how many run."""
        waiting: dict[str, Any] = {
            "array_job_id": 7,
            "array_tasks": tasks,
            "reason": "JobArrayTaskLimit",
            **changes,
        }
        running: dict[str, Any] = {
            "array_job_id": 7,
            "state": "RUNNING",
            "reason": "None",
            "start_ns": START_NS,
        }
        self.slurm.listed = [self.job(7, **waiting)]
        self.slurm.listed += [self.job(100 + i, **running, array_tasks=str(i)) for i in range(n_running)]

    def job(self, number: int, **changes: Any) -> SlurmJob:
        return waiting_job(number, make_comment(self.promise), **changes)

    def round(self, hours: float) -> list[tuple[Any, ...]]:
        self.now_ns = START_NS + round(hours * NS_PER_H)
        self.slurm.said.clear()
        with Agent(self.ledger, self.slurm, say=self.said.append, clock=lambda: self.now_ns) as agent:
            agent.round(may_freeze=True)
        return [said for said in self.slurm.said if said[0] != "jobs"]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_array_is_planned_as_all_of_its_waves_at_the_power_of_what_runs_at_once(case: Case) -> None:
    case.forecast((400, 400, 100, 100, 400, 400, 400, 400, 400, 400))
    found = case.plan()
    promise = found.promise
    assert (promise.n_tasks, promise.n_at_once, promise.n_waves, promise.job.work_s) == (100, 25, 4, 7200.0)
    assert (promise.task.work_s, promise.task.points[0].power_w) == (1800.0, 1000.0)
    assert promise.first.start_ns == START_NS + 2 * NS_PER_H
    assert promise.first.emissions_g == pytest.approx(5000.0)  # 100 x 0.5 h x 1 kW at 100 g/kWh
    assert promise.latest_start_ns == START_NS + round(7.8 * NS_PER_H)  # 10 - 2.2
    assert any(note.startswith("100 tasks, 25 at once, take 2h; ") for note in found.notes)
    alone = case.plan(words=("--array=0-99",)).promise
    assert (alone.n_at_once, alone.n_waves, alone.job.work_s) == (
        100,
        1,
        1800.0,
    )  # as many as there are nodes


def test_tasks_that_have_not_begun_are_put_off_through_dirt_and_no_longer(case: Case) -> None:
    case.forecast((100, 900, 900, 100, *(100,) * 8))
    case.parts("25-99%25", n_running=25)
    assert case.round(1.0) == [("set_begin", ["7_[25-99]"], START_NS + 3 * NS_PER_H)]
    assert case.said[-1].startswith(
        "job 7_[25-99]: starts 2026-03-01T03:00Z instead of 2026-03-01T01:00Z (saves "
    )
    assert case.round(1.25) == []  # Slurm still says JobArrayTaskLimit, while others run
    case.parts("25-99%25", n_running=0, reason="BeginTime", start_ns=START_NS + 3 * NS_PER_H)
    assert case.round(1.5) == []
    case.forecast((100, 900, 100, 100, *(100,) * 8))
    assert case.round(2.0) == [("set_begin", ["7_[25-99]"], START_NS + 2 * NS_PER_H)]  # cleaner sooner


def test_gate_opens_for_the_deadline(case: Case) -> None:
    # 75 tasks are three waves: 1.5 h and the margin of the whole, 1.7 h. From 08:18 on all that is left must run.
    case.forecast((100, *(900,) * 6, 950, 900, 100, 900, 900))
    case.parts("25-99%25", n_running=0)
    assert case.round(8.4) == []
    ((_, _, begin_ns),) = case.round(7.0)
    assert begin_ns == START_NS + 8 * NS_PER_H  # not 09:00, the only clean hour: 0.7 h before it


@pytest.mark.parametrize(
    "changes", [{"reason": "JobHeldUser"}, {"reason": "Dependency"}, {"state": "RUNNING"}]
)
def test_array_that_waits_for_anything_else_is_left_alone(case: Case, changes: dict[str, str]) -> None:
    case.forecast((100, 900, 900, 100, *(100,) * 8))
    case.parts("25-99%25", n_running=1, **changes)
    assert case.round(1.0) == []


def test_array_whose_tasks_all_may_run_has_no_gate(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    case = Case(tmp_path / "one")
    case.promise = replace(case.plan(words=("--array=0-99",)).promise, job_id=7)
    write_promise(case.ledger, case.promise)
    case.forecast((100, 900, 900, 100, *(100,) * 8))
    case.parts("25-99", n_running=25, reason="Resources")
    assert case.round(1.0) == []


def test_intensity_that_is_gone_leaves_the_gate_as_it_is(case: Case) -> None:
    (case.folder / "day.csv").unlink()
    case.parts("25-99%25", n_running=25)
    assert case.round(1.0) == []
    assert any(line.startswith("lowtide: the tasks of array 7 keep their start: ") for line in case.said)


@pytest.mark.parametrize(
    ("words", "env", "size"),
    [
        (["--array=0-99%4"], {}, (100, 4)),
        (["-a", "1,5,7-11:2"], {}, (5, 5)),
        (["-a0-3%9"], {}, (4, 4)),
        (["--array=0-3%0"], {}, (4, 4)),  # 0 is no limit
        ([], {"SBATCH_ARRAY_INX": "0-1"}, (2, 2)),
        ([], {}, (1, 1)),
    ],
)
def test_size_of_an_array_is_read_as_sbatch_does(
    words: list[str], env: dict[str, str], size: tuple[int, int]
) -> None:
    found = array_size(words, [], env)
    assert (found.n_tasks, found.n_at_once) == size


def test_tasks_named_twice_count_once() -> None:
    assert tasks_in("0-3,2-5") == 6


@pytest.mark.parametrize(
    ("text", "parents"),
    [
        ("afterok:12:13?afterany:14", (12, 13, 14)),
        ("after:12+30", (12,)),
        ("aftercorr:7_3", (7,)),
        ("singleton", ()),
        ("expand:9", ()),
    ],
)
def test_parents_are_read_from_every_form_of_dependency(text: str, parents: tuple[int, ...]) -> None:
    assert parents_of([f"--dependency={text}"], []) == parents
    assert parents_of([], ["-d", text]) == parents


def test_child_is_planned_after_its_parent_and_follows_it(case: Case) -> None:
    # the parent takes 00:00 to 02:00; by itself the child would take the clean hour at 01:00
    case.forecast((400, 100, 400, 400, 200, 400, 400, 400, 400, 400))
    child = case.plan(words=("--dependency=afterok:7", "--array=0"), duration="1h").promise
    assert child.after == (7,)
    assert child.first.start_ns == START_NS + 4 * NS_PER_H
    assert child.first.saving_fraction == pytest.approx(
        0.5
    )  # 200 against 400 at 02:00, when it could begin at once
    alone = case.plan(words=("--dependency=afterok:99", "--array=0"), duration="1h").promise
    assert alone.first.start_ns == START_NS + NS_PER_H  # a parent that nobody knows
    write_promise(case.ledger, replace(child, job_id=8))
    later = replace(case.promise.last, start_ns=START_NS + 4 * NS_PER_H, end_ns=START_NS + 6 * NS_PER_H)
    write_promise(case.ledger, replace(case.promise, last=later))
    case.slurm.listed = [
        waiting_job(8, make_comment(child), reason="Dependency", start_ns=START_NS + 4 * NS_PER_H)
    ]
    ((_, _, begin_ns),) = case.round(0.5)
    assert begin_ns >= START_NS + 6 * NS_PER_H  # its parent was moved, and it with it
