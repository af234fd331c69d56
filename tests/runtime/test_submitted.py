"""A run in a job of ``lowtide submit`` is held against what was promised when it was submitted; no cluster needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lowtide.model.planning import Job
from lowtide.model.record import RunEnd
from lowtide.model.run_plan import RunPlan
from lowtide.runtime.submitted import plan_of_submission, with_submission
from lowtide.runtime.submitting_promise import Promise, StartPlan, promise_path, write_promise
from lowtide.stores.ledger import Ledger

S = 10**9
H = 3600 * S
START = StartPlan(
    made_ns=0, start_ns=2 * H, end_ns=4 * H, emissions_g=200.0, at_once_g=700.0, saving_fraction=0.7, why="green"
)  # fmt: skip
SUBMITTED = Promise(
    job_id=7, name="train", script="job.sbatch", submitted_ns=0, deadline_ns=6 * H, latest_start_ns=3 * H,
    bound="within", job=Job.constant(duration_s=7200.0, power_w=1000.0), power_known=True,
    duration_from="given", margin_fraction=0.1, min_saving_fraction=0.03, pause="none", zone="DE",
    basis="average", settings={}, history=None, first=START, last=replace(START, made_ns=H, start_ns=3 * H),
    n_moves=1,
)  # fmt: skip
END = RunEnd(started_ns=3 * H, ended_ns=5 * H, exit_code=0)


def test_run_was_asked_for_when_its_job_was_submitted():
    plan = plan_of_submission(SUBMITTED, END)
    assert (plan.bound, plan.asked_ns, plan.deadline_ns, plan.start_by_ns) == (
        "submit --within",
        0,
        6 * H,
        None,
    )
    assert (plan.runs_ns, plan.waited_s, plan.n_decisions) == (((3 * H, 5 * H),), 10800.0, 2)
    assert plan.first is not None
    assert plan.last is not None
    assert (plan.first.runs_ns, plan.first.stated_g) == (((2 * H, 4 * H),), 200.0)
    assert (plan.first.power_w, plan.first.work_s, plan.first.edges_ns) == (1000.0, 7200.0, ())
    assert plan.last.made_ns == H


def test_what_submit_did_not_know_is_not_promised():
    blind = plan_of_submission(
        replace(SUBMITTED, power_known=False, duration_from="", bound="start_within"), END
    )
    assert (blind.deadline_ns, blind.start_by_ns, blind.work_s) == (None, 3 * H, None)
    assert blind.first is not None
    assert (blind.first.power_w, blind.first.work_s, blind.first.stated_g) == (None, None, None)


def test_of_one_task_of_an_array_nothing_was_said():
    array = replace(SUBMITTED, n_tasks=4, n_at_once=2)
    first = plan_of_submission(array, END).first
    assert first is not None
    # four tasks, two at once: half the power and half the time each
    assert (first.stated_g, first.power_w, first.work_s) == (None, 500.0, 3600.0)


@pytest.mark.parametrize("env", [{"SLURM_JOB_ID": "7"}, {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7"}])
def test_job_is_known_by_its_number(env, tmp_path):
    ledger, said = Ledger(str(tmp_path)), []
    write_promise(ledger, SUBMITTED)
    assert with_submission(END, ledger, env, said.append).plan == plan_of_submission(SUBMITTED, END)
    assert with_submission(END, ledger, {"SLURM_JOB_ID": "8"}, said.append) is END
    mine = replace(END, plan=RunPlan(bound="--within 1h", asked_ns=0, deadline_ns=H, start_by_ns=None, pause="none",
                                     work_s=None))  # fmt: skip
    assert with_submission(mine, ledger, env, said.append) is mine
    assert said == []


def test_damaged_promise_costs_the_comparison_and_is_said(tmp_path):
    ledger, said = Ledger(str(tmp_path)), []
    write_promise(ledger, SUBMITTED)
    with open(promise_path(ledger, 7), "w") as file:
        file.write("{")
    assert with_submission(END, ledger, {"SLURM_JOB_ID": "7"}, said.append) is END
    assert "what was promised of this job cannot be read" in said[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="recording reads /proc")
def test_bill_of_a_run_in_a_submitted_job_compares_with_its_promise(tmp_path):
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    now_ns = time.time_ns()
    start = replace(START, made_ns=now_ns - 60 * S, start_ns=now_ns, end_ns=now_ns + S, emissions_g=0.1)
    submitted = replace(
        SUBMITTED, submitted_ns=now_ns - 60 * S, deadline_ns=now_ns + 60 * S, first=start, last=start,
        job=Job.constant(duration_s=1.0, power_w=100.0),
    )  # fmt: skip
    write_promise(ledger, submitted)
    command = [
        sys.executable,
        "-m",
        "lowtide",
        "run",
        "--interval",
        "100ms",
        "--intensity",
        "400",
        "--",
        "sleep",
        "0.5",
    ]
    done = subprocess.run(
        command, env={**os.environ, "SLURM_JOB_ID": "7"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "against running at once" in done.stderr
    show = [sys.executable, "-m", "lowtide", "show", "last", "--json"]
    plan = json.loads(subprocess.run(show, capture_output=True, text=True, timeout=60, check=True).stdout)[
        "plan"
    ]
    assert plan["bound"] == "submit --within"
    assert plan["waited_s"] == pytest.approx(60.0, abs=20.0)
    assert plan["first"]["promised_g"] == 0.1
    # 100 W for a second at 400 g/kWh
    assert plan["way"][1]["g"] == pytest.approx(100.0 / 3.6e6 * 400.0)
    assert plan["way"][-1]["g"] == pytest.approx(plan["executed_g"])
    assert plan["saving_g"] == pytest.approx(0.0, abs=1e-9)  # 400 g/kWh at all times
