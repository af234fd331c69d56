"""``lowtide submit --pause checkpoint`` on a real cluster: jobs that save, leave and come back in hours of seconds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from submit_trials import (
    lowtide,
    now_s_ns,
    wait_until,
    write_day,
    write_saving,
)

from lowtide.executors.slurm import Slurm
from lowtide.runtime.submitting_goes import Goes
from lowtide.stores.ledger import Ledger

pytestmark = pytest.mark.slow
FULL = pytest.mark.skipif(
    not os.environ.get("LOWTIDE_TEST_FULL"), reason="more than a minute: LOWTIDE_TEST_FULL=1"
)


def submit_saving(
    env: dict[str, str],
    folder: Path,
    *,
    work_s: float,
    within: str,
    mode: str = "file",
    more: tuple[str, ...] = (),
) -> int:
    """Submit a job that saves and return its number."""
    done = lowtide(
        "submit", "--pause", "checkpoint", "--grace", "3s", "--within", within, "--duration", f"{work_s}s", "--power",
        "1kW", "--intensity", folder / "day.csv", *more, write_saving(folder, work_s=work_s, mode=mode), env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def wait_for_end(env: dict[str, str], number: int, *, timeout_s: float = 60.0) -> str:
    """Wait until a job has ended and return its state."""
    slurm = Slurm(env=env)

    def has_ended() -> bool:
        job = slurm.job(number)
        return job is not None and job.has_ended

    wait_until(has_ended, "the job's end", timeout_s=timeout_s)
    found = slurm.job(number)
    assert found is not None
    return found.state


def bill_of(env: dict[str, str], number: int) -> dict[str, Any]:
    """Return what a job came to."""
    done = lowtide("submit", "--bill", str(number), "--json", env=env)
    assert done.returncode == 0, done.stderr
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def starts_of(folder: Path) -> list[float]:
    """Return how much was done at each start of the job [s]."""
    return [float(line) for line in (folder / "starts").read_text().split()]


def test_job_saves_leaves_and_comes_back_without_a_daemon(env: dict[str, str], tmp_path: Path) -> None:
    start_ns = now_s_ns()
    write_day(tmp_path / "day.csv", [100, 100, 100, 300, 300, *[100] * 9], start_ns=start_ns, step_s=5)
    number = submit_saving(env, tmp_path, work_s=14.0, within="65s")
    assert wait_for_end(env, number) == "COMPLETED"
    out = (tmp_path / "out").read_text()
    goes = Goes(Ledger(env["LOWTIDE_LEDGER"]), str(number)).list
    assert [go.status for go in goes] == [75, 0], out
    first, second = starts_of(tmp_path)
    assert (first, (tmp_path / "ended").read_text()) == (0.0, "once\n")
    assert 0.0 < second < 13.5  # it went on from what it had saved
    asked_s = (goes[0].asked_ns or 0) / 1e9 - (start_ns / 1e9 + 15.0)
    print(
        f"asked {asked_s:+.2f} s after the hour turned, back {goes[1].began_ns / 1e9 - start_ns / 1e9 - 25.0:+.2f} s"
    )
    assert -0.1 < asked_s < 2.0
    assert goes[1].began_ns >= start_ns + 25 * 10**9
    assert f"lowtide: job {number} is asked to save and to leave (saves " in out
    assert f"lowtide: job {number} goes on at " in out  # the log is kept over the requeue
    bill = bill_of(env, number)
    assert (bill["n_goes"], len(bill["run_ids"]), bill["plan"]["n_pauses"]) == (2, 2, 1)
    assert bill["plan"]["deadline_met"] is True
    shown = [json.loads(lowtide("show", one, "--json", env=env).stdout) for one in bill["run_ids"]]
    assert bill["energy_kwh"] == pytest.approx(sum(one["energy"]["total_kwh"] for one in shown), rel=1e-6)
    assert all(lowtide("verify", one, env=env).returncode == 0 for one in bill["run_ids"])


@FULL
def test_three_checkpoints_end_in_a_bill_within_three_percent_of_the_plan(
    env: dict[str, str], tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [100, 150] * 12, start_ns=now_s_ns(), step_s=12)
    number = submit_saving(env, tmp_path, work_s=36.0, within="140s")
    assert wait_for_end(env, number, timeout_s=160) == "COMPLETED"
    plan = bill_of(env, number)["plan"]
    print(
        {key: plan[key] for key in ("n_pauses", "executed_g", "run_now_g", "saving_fraction", "deadline_met")}
    )
    print("half", plan["half"])
    assert plan["n_pauses"] >= 3
    assert plan["executed_g"] == pytest.approx(plan["half"]["emissions_g"], rel=0.03)
    assert plan["deadline_met"] is True
    assert (tmp_path / "ended").read_text() == "once\n"
