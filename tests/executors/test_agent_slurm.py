"""``lowtide agent --slurm`` on a real cluster: real jobs stopped through dirty hours that last seconds."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from submit_trials import (
    TICKING,
    longest_silence_s,
    lowtide,
    now_s_ns,
    start_agent,
    ticks_of,
    wait_until,
    write_day,
)

from lowtide.executors.slurm import Slurm
from lowtide.runtime.submitting_promise import read_promise
from lowtide.stores.ledger import Ledger

pytestmark = pytest.mark.slow


def submit_ticking(env: dict[str, str], folder: Path, *, n: int, duration: str, within: str) -> int:
    """Submit a job that starts at once, because its day is flat as far as is known."""
    write_day(folder / "day.csv", [100] * 100, start_ns=now_s_ns(), step_s=2)
    job = folder / "job.sbatch"
    job.write_text(TICKING.format(n=n, out=folder / "ticks"))
    done = lowtide(
        "submit", "--pause", "freeze", "--within", within, "--duration", duration, "--power", "1kW",
        "--intensity", folder / "day.csv", job, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "starts now" in done.stderr
    wait_until(lambda: bool(ticks_of(folder / "ticks")), "the job's start")
    return int(done.stdout.split()[-1])


def stands_still(path: Path, *, for_s: float) -> bool:
    """Return whether a job does not tick for a while."""
    before = len(ticks_of(path))
    time.sleep(for_s)
    return len(ticks_of(path)) == before


def test_running_job_stands_still_through_a_dirty_step_and_ends_in_time(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    ticks, log = tmp_path / "ticks", tmp_path / "agent.log"
    number = submit_ticking(env, tmp_path, n=60, duration="16s", within="60s")
    dirty_ns = now_s_ns() + 5 * 10**9
    start_ns = dirty_ns - 10 * 10**9
    write_day(tmp_path / "day.csv", [100, 900, *[100] * 20], start_ns=start_ns, step_s=10)  # dirty for 10 s
    agents.append(start_agent(env, log))
    wait_until(lambda: len(ticks_of(ticks)) == 60, "the job", timeout_s=60)
    found = ticks_of(ticks)
    print(f"still for {longest_silence_s(found):.1f} s of 10 s; {log.read_text()}")
    assert 7.0 < longest_silence_s(found) < 12.0
    in_dirt = [t for t in found if dirty_ns / 1e9 + 2.0 < t < dirty_ns / 1e9 + 10.0]
    assert in_dirt == []
    deadline_ns = read_promise(Ledger(env["LOWTIDE_LEDGER"]), number).deadline_ns
    assert found[-1] < deadline_ns / 1e9
    assert f"job {number}: stopped (saves " in log.read_text()
    assert f"job {number}: goes on" in log.read_text()
    agents[0].terminate()
    assert agents[0].wait(timeout=60) == 0


def test_agent_killed_while_a_job_stands_still_is_followed_by_one_that_lets_it_go_on(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    ticks, log = tmp_path / "ticks", tmp_path / "agent.log"
    number = submit_ticking(env, tmp_path, n=40, duration="12s", within="180s")
    write_day(tmp_path / "day.csv", [900, 100, 100], start_ns=now_s_ns(), step_s=90)
    agents.append(start_agent(env, log))
    wait_until(lambda: log.exists() and f"job {number}: stopped" in log.read_text(), "the first stop")
    agents[0].send_signal(signal.SIGKILL)
    agents[0].wait(timeout=10)
    time.sleep(0.5)
    assert stands_still(ticks, for_s=1.5)  # nobody is left who could let it go on
    log.write_text("")
    agents.append(start_agent(env, log))
    wait_until(lambda: f"job {number}: goes on (left by a former agent)" in log.read_text(), "taking over")
    wait_until(lambda: f"job {number}: stopped" in log.read_text(), "the second stop")
    time.sleep(0.5)
    assert stands_still(ticks, for_s=1.0)
    second = lowtide("agent", "--slurm", "--once", env=env)
    assert second.returncode == 1
    assert "an agent works on these jobs already (process " in second.stderr
    agents[1].send_signal(signal.SIGINT)
    assert agents[1].wait(timeout=60) == 0
    assert "goes on (the agent ends)" in log.read_text()
    wait_until(lambda: len(ticks_of(ticks)) == 40, "the job", timeout_s=60)
    slurm = Slurm(env=env)
    wait_until(lambda: (one := slurm.job(number)) is not None and one.has_ended, "its end")
    ended = slurm.job(number)
    assert ended is not None
    assert ended.state == "COMPLETED"


def test_agent_moves_waiting_jobs_too(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    start_ns, day = now_s_ns(), tmp_path / "day.csv"
    job = tmp_path / "job.sbatch"
    job.write_text(TICKING.format(n=1, out=tmp_path / "ticks"))
    write_day(day, [500, 400, 100, 400], start_ns=start_ns, step_s=600)
    done = lowtide("submit", "--within", "40m", "--duration", "5m", "--intensity", day, job, env=env)
    number = int(done.stdout.split()[-1])
    agents.append(start_agent(env, tmp_path / "agent.log"))
    write_day(day, [500, 50, 400, 400], start_ns=start_ns, step_s=600)
    slurm = Slurm(env=env)

    def starts() -> list[int | None]:
        return [one.start_ns for one in slurm.jobs() if one.submitted_id == number]

    wait_until(lambda: starts() == [start_ns + 600 * 10**9], "the move")
