"""``lowtide submit`` on a real cluster, with hours that last seconds."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from submit_trials import TICKING, lowtide, now_s_ns, ticks_of, wait_until, write_day

from lowtide.executors.slurm import Slurm
from lowtide.runtime.submitting_promise import promise_of_job, read_promise
from lowtide.stores.ledger import Ledger

pytestmark = pytest.mark.slow


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.sbatch"
    path.write_text(TICKING.format(n=5, out=tmp_path / "ticks"))
    return path


def start_of(slurm: Slurm, number: int) -> int | None:
    """Return when a waiting job is to begin [ns]."""
    return next(one.start_ns for one in slurm.jobs() if one.submitted_id == number)


def test_job_begins_in_the_green_and_its_promise_is_kept(
    env: dict[str, str], job: Path, tmp_path: Path
) -> None:
    start_ns = now_s_ns()
    write_day(tmp_path / "day.csv", [500, 500, 500, 100, 100, 400], start_ns=start_ns, step_s=5)
    done = lowtide(
        "submit", "--within", "25s", "--duration", "4s", "--power", "1kW", "--intensity", tmp_path / "day.csv",
        job, "--job-name=green", "--comment=of the user", env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Submitted batch job ")
    number = int(done.stdout.split()[-1])
    assert f"job {number}: starts " in done.stderr
    assert "-80 % (allocated) against now, done by " in done.stderr  # 1 - 100 / 500
    green_ns = start_ns + 15 * 10**9
    ledger = Ledger(env["LOWTIDE_LEDGER"])
    promise = read_promise(ledger, number)
    assert promise.first.start_ns == green_ns
    assert promise.first.emissions_g == pytest.approx(100 * 4 / 3600)  # 1 kW, 4 s at 100 g/kWh
    assert promise.name == "green"
    assert promise_of_job(ledger, {"SLURM_JOB_ID": str(number)}) == promise
    waiting = Slurm(env=env).job(number)
    assert waiting is not None
    assert waiting.comment.startswith("lowtide:start=")
    assert waiting.comment.endswith(" | of the user")
    assert waiting.eligible_ns == green_ns
    wait_until(lambda: len(ticks_of(tmp_path / "ticks")) == 5, "the job")
    assert ticks_of(tmp_path / "ticks")[0] >= green_ns / 1e9


def test_array_is_planned_as_its_waves_and_a_job_that_depends_on_it_after_them(
    env: dict[str, str], job: Path, tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [500, 100, 500], start_ns=now_s_ns(), step_s=600)
    bounds = ("--start-within", "30m", "--duration", "2m", "--intensity", tmp_path / "day.csv")
    first = int(lowtide("submit", *bounds, job, "--parsable", "--array=0-3%2", env=env).stdout)
    second = int(
        lowtide("submit", *bounds, job, "--parsable", f"--dependency=afterany:{first}", env=env).stdout
    )
    found = {one.submitted_id: one for one in Slurm(env=env).jobs()}
    assert found[first].array_tasks == "0-3%2"
    assert found[first].start_ns is not None
    assert found[second].start_ns == found[first].start_ns + 240 * 10**9  # two waves of 2 min
    assert found[second].reason == "Dependency"
    listed = json.loads(lowtide("submit", "--list", "--json", env=env).stdout)
    assert {(one["job_id"], one["zone"]) for one in listed} >= {(first, "DE"), (second, "DE")}
    assert f"{first}_[0-3%2]" in lowtide("submit", "--list", env=env).stdout
    for number in (first, second):
        Slurm(env=env).cancel(number)


def test_newer_forecast_moves_the_start_of_a_waiting_job(
    env: dict[str, str], job: Path, tmp_path: Path
) -> None:
    start_ns, day = now_s_ns(), tmp_path / "day.csv"
    write_day(day, [500, 400, 100, 400, 300, 400], start_ns=start_ns, step_s=600)
    done = lowtide(
        "submit", "--within", "1h", "--duration", "5m", "--power", "1kW", "--intensity", day, job, env=env
    )
    number = int(done.stdout.split()[-1])
    slurm, ledger = Slurm(env=env), Ledger(env["LOWTIDE_LEDGER"])
    assert start_of(slurm, number) == start_ns + 1200 * 10**9
    assert lowtide("submit", "--replan", env=env).stderr == ""  # nothing new, nothing moved
    write_day(day, [500, 400, 450, 400, 50, 400], start_ns=start_ns, step_s=600)
    moved = lowtide("submit", "--replan", env=env)
    assert f"job {number}: starts " in moved.stderr
    assert start_of(slurm, number) == start_ns + 2400 * 10**9
    promise = read_promise(ledger, number)
    assert (promise.n_moves, promise.first.start_ns) == (1, start_ns + 1200 * 10**9)
    assert promise.last.emissions_g == pytest.approx(50 * 300 / 3600)  # 1 kW, 5 min at 50 g/kWh
    os.remove(day)
    kept = lowtide("submit", "--replan", env=env)
    assert f"job {number} keeps its start" in kept.stderr
    assert start_of(slurm, number) == start_ns + 2400 * 10**9
    slurm.cancel(number)


def test_five_hundred_waiting_jobs_are_listed_and_replanned_in_seconds(
    env: dict[str, str], job: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from lowtide.runtime.submitting_promise import make_comment, write_promise

    start_ns, day = now_s_ns(), tmp_path / "day.csv"
    write_day(day, [500, 400, 100, 400, 300, 400], start_ns=start_ns, step_s=600)
    slurm, ledger = Slurm(env=env), Ledger(env["LOWTIDE_LEDGER"])
    done = lowtide("submit", "--within", "1h", "--duration", "5m", "--intensity", day, job, env=env)
    first = read_promise(ledger, int(done.stdout.split()[-1]))
    for _ in range(499):
        number = slurm.submit(str(job), begin_ns=first.first.start_ns, comment=make_comment(first))
        write_promise(ledger, replace(first, job_id=number))
    began = time.monotonic()
    listed = json.loads(lowtide("submit", "--list", "--json", env=env).stdout)
    list_s = time.monotonic() - began
    assert len(listed) == 500
    write_day(day, [500, 400, 450, 400, 50, 400], start_ns=start_ns, step_s=600)
    began = time.monotonic()
    assert lowtide("submit", "--replan", env=env).returncode == 0
    replan_s = time.monotonic() - began
    assert {one.start_ns for one in slurm.jobs()} == {start_ns + 2400 * 10**9}
    print(f"500 jobs: listed in {list_s:.1f} s, replanned in {replan_s:.1f} s")
    assert list_s < 20.0
    assert replan_s < 60.0


def test_controller_that_is_down_leaves_nothing_half_done(
    env: dict[str, str], cluster_folder: Path, tmp_path: Path, job: Path
) -> None:
    pid = int((cluster_folder / "slurmctld.pid").read_text())
    os.kill(pid, 15)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "slurmctld's end")
    done = lowtide("submit", "--within", "5h", "--duration", "1h", "--zone", "DE", job, env=env)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sbatch" in done.stderr
    assert "Unable to contact slurm controller" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "ledger" / "submissions").glob("*.json"))
