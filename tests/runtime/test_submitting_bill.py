"""The bill of a job of several starts: what is refused, and what Slurm's own figure is beside it.

Whole bills are made on a real cluster, in ``tests/executors/test_checkpoint_slurm.py``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.cli.submit_bill import _own_figure
from lowtide.errors import InputError
from lowtide.model.planning import Job
from lowtide.runtime.submitting_bill import bill_job, joined_power
from lowtide.runtime.submitting_promise import Promise, StartPlan, write_promise
from lowtide.series.types import PowerSeries
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header

PLAN = StartPlan(
    made_ns=0, start_ns=0, end_ns=0, emissions_g=1.0, at_once_g=1.0, saving_fraction=0.0, why="so"
)
PROMISE = Promise(
    job_id=7, name="train", script="/job.sbatch", submitted_ns=10**18, deadline_ns=0, latest_start_ns=0,
    bound="within", job=Job.constant(duration_s=3600.0, power_w=1000.0), power_known=True, duration_from="given",
    margin_fraction=0.1, min_saving_fraction=0.03, pause="checkpoint", zone="DE", basis="average", settings={},
    history=None, first=PLAN, last=PLAN,
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(str(tmp_path / "ledger"))
    write_promise(found, PROMISE)
    return found


def test_runs_on_two_nodes_at_once_are_summed_and_nothing_is_drawn_between_starts() -> None:
    one = PowerSeries(edges_ns=np.array([0, 10, 20]), power_w=np.array([100.0, 200.0]), boundary="node")
    other = PowerSeries.constant(50.0, start_ns=5, end_ns=15)
    later = PowerSeries.constant(70.0, start_ns=40, end_ns=50)
    found = joined_power([one, other, later])
    assert found.edges_ns.tolist() == [0, 5, 10, 15, 20, 40, 50]
    assert found.power_w.tolist() == [100.0, 150.0, 250.0, 200.0, 0.0, 70.0]
    assert found.energy_j() == pytest.approx(one.energy_j() + other.energy_j() + later.energy_j())


@pytest.mark.parametrize("label", ["last", "", "x_1"])
def test_what_is_no_job_is_refused(ledger: Ledger, label: str) -> None:
    with pytest.raises(InputError, match="is no job of Slurm; write its number, or 12_3"):
        bill_job(ledger, label)


def test_job_without_tagged_runs_says_how_they_are_tagged(ledger: Ledger) -> None:
    for run_id, tags in (("a", ()), ("b", (("job", "8"),)), ("c", (("team", "7"),))):
        header = make_header(run_id=run_id, name="train", journal_dir="/nowhere")
        ledger.create(replace(header, tags=tags, created_ns=10**18 + 1))
    header = make_header(run_id="d", name="train", journal_dir="/nowhere")
    ledger.create(replace(header, tags=(("job", "7"),), created_ns=10**18 - 1))  # of an older cluster's job 7
    with pytest.raises(InputError, match=r"no run of this ledger is tagged job=7; start them .* --tag job="):
        bill_job(ledger, "7")


def test_bill_stands_alone(ledger: Ledger) -> None:
    done = CliRunner().invoke(cli, ["submit", "--bill", "7", "--list", "--ledger", ledger.path])
    assert isinstance(done.exception, InputError)
    assert "--bill JOB stands alone" in str(done.exception)


@pytest.mark.parametrize(
    ("joules", "status", "said"),
    [
        (
            3_600_000,
            0,
            ["Slurm's ConsumedEnergy: 1 kWh, not billed: of shared nodes it is the whole, stops included"],
        ),
        (0, 0, []),
        (0, 1, ["Slurm's own figure is not known: sacct --json failed: no database"]),
    ],
)
def test_slurm_s_own_figure_is_shown_beside_and_never_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joules: int, status: int, said: list[str]
) -> None:
    step = {"statistics": {"energy": {"consumed": joules}}}
    (tmp_path / "answer").write_text(json.dumps({"jobs": [{"job_id": 7, "steps": [step]}], "errors": []}))
    fake = tmp_path / "sacct"
    fake.write_text(
        f"#!/bin/sh\ncat {tmp_path}/answer\n[ {status} = 0 ] || {{ echo no database >&2; exit 1; }}\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert _own_figure("7") == said
    monkeypatch.setenv("PATH", "/nonexistent")
    assert _own_figure("7") == []
