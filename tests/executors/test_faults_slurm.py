"""What goes wrong on a real cluster: controllers and agents killed, nodes drained, jobs that do not listen."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from submit_trials import (
    TICKING,
    lowtide,
    now_s_ns,
    start_agent,
    ticks_of,
    wait_until,
    write_day,
    write_saving,
)

from lowtide.executors.slurm import Slurm
from lowtide.runtime.submitting_goes import Goes
from lowtide.stores.ledger import Ledger

pytestmark = pytest.mark.slow
N_KILLS = 20 if os.environ.get("LOWTIDE_TEST_FULL") else 5
SEED = 20261121


def host() -> str:
    """Return the node's name."""
    return os.uname().nodename.partition(".")[0]


def submit(env: dict[str, str], job: Path, *options: str) -> int:
    """Submit a job and return its number."""
    done = lowtide("submit", "--power", "1kW", "--intensity", job.parent / "day.csv", *options, job, env=env)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def ticking(folder: Path, *, n: int, name: str = "ticks") -> Path:
    """Write a job that ticks five times a second."""
    path = folder / f"{name}.sbatch"
    path.write_text(TICKING.format(n=n, out=folder / name))
    return path


def has_ended(env: dict[str, str], number: int) -> Callable[[], bool]:
    slurm = Slurm(env=env)

    def ended() -> bool:
        job = slurm.job(number)
        return job is not None and job.has_ended

    return ended


def state_of(env: dict[str, str], number: int) -> str:
    job = Slurm(env=env).job(number)
    assert job is not None
    return job.state


def wait_until_kept(folder: Path, env: dict[str, str], number: int) -> None:
    """Wait until slurmctld has written down that a job runs: killed before, it would start it a second time.

    It writes when something changes, and nothing does while a job runs: another job that is held makes it write.
    """
    job = Slurm(env=env).job(number)
    assert job is not None
    assert job.start_ns is not None
    path, begun_ns = folder / "state" / "job_state", job.start_ns + 10**9
    wait_until(lambda: time.time_ns() > begun_ns, "a second of the job")
    subprocess.run(
        ["sbatch", "--hold", "--wrap", "true"], env=env, cwd=folder, check=True, capture_output=True
    )
    wait_until(lambda: path.exists() and path.stat().st_mtime_ns > begun_ns, "slurmctld's own state")
    assert not has_ended(env, number)(), "the job was over before its controller was killed"


def begun_agent(env: dict[str, str], log: Path) -> subprocess.Popen[str]:
    """Start an agent and wait until it has the lock."""
    one = start_agent(env, log, every="0.2s")
    lock = Path(env["LOWTIDE_LEDGER"]) / "submissions" / "agent.lock"
    wait_until(lambda: lock.exists() and f"process {one.pid} " in lock.read_text(), "an agent")
    return one


def restart_controller(folder: Path, env: dict[str, str], *, down_s: float) -> None:
    """Kill slurmctld as a crash does, and start it again after a while."""
    pid = int((folder / "slurmctld.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "slurmctld's end")
    time.sleep(down_s)
    subprocess.run(["slurmctld"], env=env, check=True, capture_output=True, timeout=30)
    wait_until(lambda: "UP" in subprocess.run(
        ["scontrol", "ping"], env=env, capture_output=True, text=True, timeout=30).stdout, "slurmctld")  # fmt: skip


@pytest.mark.alone
def test_controller_killed_in_mid_job_stops_neither_the_job_nor_the_agent(
    env: dict[str, str], cluster_folder: Path, tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    ticks, log = tmp_path / "ticks", tmp_path / "agent.log"
    write_day(tmp_path / "day.csv", [100] * 60, start_ns=now_s_ns(), step_s=2)
    number = submit(
        env, ticking(tmp_path, n=150), "--pause", "freeze", "--within", "150s", "--duration", "36s"
    )
    wait_until(lambda: bool(ticks_of(ticks)), "the job's start")
    agents.append(start_agent(env, log))
    wait_until_kept(cluster_folder, env, number)
    restart_controller(cluster_folder, env, down_s=2.0)
    before = len(ticks_of(ticks))
    # an agent that got no answer asks again after ten seconds
    write_day(tmp_path / "day.csv", [100, 900, *[100] * 20], start_ns=now_s_ns() - 18 * 10**9, step_s=18)
    wait_until(lambda: f"job {number}: stopped" in log.read_text(), "the agent at work again", timeout_s=25)
    wait_until(has_ended(env, number), "the job", timeout_s=60)
    found = ticks_of(ticks)
    print(f"{before} ticks when slurmctld was back; agent: {log.read_text()}")
    assert (state_of(env, number), len(found)) == ("COMPLETED", 150)
    assert f"job {number}: goes on" in log.read_text()
    assert agents[0].poll() is None


def test_controller_that_is_down_when_a_job_leaves_is_waited_for(
    env: dict[str, str], cluster_folder: Path, tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [100] * 60, start_ns=now_s_ns(), step_s=2)
    job = tmp_path / "job.sbatch"
    job.write_text(
        f"#!/bin/sh\n#SBATCH --time=10 --output={tmp_path}/out\necho go >> {tmp_path}/starts\n"
        f'[ "$LOWTIDE_RESUME" = 1 ] && exit 0\nwhile [ ! -e {tmp_path}/now ]; do sleep 0.1; done; exit 75\n'
    )
    number = submit(env, job, "--pause", "checkpoint", "--within", "120s", "--duration", "10s")
    wait_until((tmp_path / "starts").exists, "the job's start")
    wait_until_kept(cluster_folder, env, number)
    pid = int((cluster_folder / "slurmctld.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "slurmctld's end")
    (tmp_path / "now").write_text("")  # it leaves while nobody could put it back
    wait_until(
        lambda: Goes(Ledger(env["LOWTIDE_LEDGER"]), str(number)).list[-1].left_ns is not None, "its leaving"
    )
    time.sleep(1.0)
    subprocess.run(["slurmctld"], env=env, check=True, capture_output=True, timeout=30)
    wait_until(has_ended(env, number), "the job", timeout_s=90)
    assert state_of(env, number) == "COMPLETED"
    assert (tmp_path / "starts").read_text() == "go\ngo\n"


def test_node_that_is_drained_keeps_the_job_and_its_plan_and_it_starts_after(
    env: dict[str, str], tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [300, 100, 100, 100], start_ns=now_s_ns(), step_s=5)
    number = submit(env, ticking(tmp_path, n=3), "--start-within", "15s", "--duration", "1s")
    subprocess.run(
        ["scontrol", "update", f"nodename={host()}", "state=drain", "reason=test"],
        env=env,
        check=True,
        timeout=30,
    )
    slurm = Slurm(env=env)

    def reason() -> str:
        return next((one.reason for one in slurm.jobs() if one.submitted_id == number), "")

    wait_until(lambda: reason() not in ("BeginTime", "None", ""), "its begin time", timeout_s=20)
    replanned = lowtide("submit", "--replan", env=env)
    assert replanned.returncode == 0
    assert f"job {number} waits for its nodes ({reason()}" in replanned.stderr
    assert state_of(env, number) == "PENDING"
    subprocess.run(
        ["scontrol", "update", f"nodename={host()}", "state=resume"], env=env, check=True, timeout=30
    )
    wait_until(has_ended(env, number), "the job")
    assert len(ticks_of(tmp_path / "ticks")) == 3


def test_job_that_does_not_listen_is_left_running_and_not_asked_again(
    env: dict[str, str], tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [100, *[300] * 3, *[100] * 8], start_ns=now_s_ns(), step_s=10)
    job = write_saving(tmp_path, work_s=14.0, mode="deaf", busy=False)
    number = submit(
        env, job, "--pause", "checkpoint", "--pause-signal", "USR1", "--grace", "1.5s", "--within", "80s", "--duration",
        "14s",
    )  # fmt: skip
    wait_until(has_ended(env, number), "the job", timeout_s=60)
    (go,) = Goes(Ledger(env["LOWTIDE_LEDGER"]), str(number)).list
    out = (tmp_path / "out").read_text()
    assert (go.refused, go.status, go.was_asked) == (True, 0, False)
    assert f"job {number} has not left in 1.5s: it is left running and not asked again" in out
    assert (tmp_path / "ended").read_text() == "once\n"
    assert state_of(env, number) == "COMPLETED"


def test_job_that_listens_to_a_signal_alone_saves_and_comes_back(env: dict[str, str], tmp_path: Path) -> None:
    write_day(tmp_path / "day.csv", [100, 300, *[100] * 8], start_ns=now_s_ns(), step_s=14)
    job = write_saving(tmp_path, work_s=18.0, mode="USR1", busy=False)
    number = submit(
        env, job, "--pause", "checkpoint", "--pause-signal", "B:USR1", "--grace", "3s", "--within", "90s", "--duration",
        "18s",
    )  # fmt: skip
    wait_until(has_ended(env, number), "the job", timeout_s=90)
    assert [go.status for go in Goes(Ledger(env["LOWTIDE_LEDGER"]), str(number)).list] == [75, 0], (
        tmp_path / "out"
    ).read_text()
    assert (tmp_path / "ended").read_text() == "once\n"


def test_deadline_that_is_over_starts_the_job_and_never_pauses_it(
    env: dict[str, str], tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [900, 100, 100], start_ns=now_s_ns(), step_s=20)
    done = lowtide(
        "submit", "--pause", "checkpoint", "--grace", "1s", "--deadline", "2026-01-01T00:00Z", "--duration", "4s",
        "--power", "1kW", "--intensity", tmp_path / "day.csv", write_saving(tmp_path, work_s=4.0), env=env,
    )  # fmt: skip
    assert "cannot be met: started now the job ends " in done.stderr
    number = int(done.stdout.split()[-1])
    wait_until(has_ended(env, number), "the job")
    assert [go.status for go in Goes(Ledger(env["LOWTIDE_LEDGER"]), str(number)).list] == [0]


def test_job_that_its_user_cancels_while_it_saves_does_not_come_back(
    env: dict[str, str], tmp_path: Path
) -> None:
    write_day(tmp_path / "day.csv", [100] * 20, start_ns=now_s_ns(), step_s=4)
    job = tmp_path / "job.sbatch"
    job.write_text(
        f"#!/bin/bash\n#SBATCH --time=10 --output={tmp_path}/out\ntrap 'sleep 1; exit 75' TERM\n"
        f"echo go >> {tmp_path}/starts\nwhile true; do sleep 0.1; done\n"
    )
    number = submit(env, job, "--pause", "checkpoint", "--within", "60s", "--duration", "9s")
    wait_until((tmp_path / "starts").exists, "the job's start")
    subprocess.run(["scancel", "--full", str(number)], env=env, check=True, timeout=60)
    wait_until(has_ended(env, number), "its end")
    time.sleep(8.0)  # longer than a requeued job would wait
    assert state_of(env, number) == "CANCELLED"
    assert (tmp_path / "starts").read_text() == "go\n"


def test_agents_killed_at_random_moments_lose_no_job_and_leave_none_stopped(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    chance, log = random.Random(SEED), tmp_path / "agent.log"
    n = N_KILLS * 6
    write_day(tmp_path / "day.csv", [100, 900] * 100, start_ns=now_s_ns() - 10**9, step_s=2)
    number = submit(
        env, ticking(tmp_path, n=n), "--pause", "freeze", "--within", f"{20 * N_KILLS}s", "--duration", f"{n / 4:g}s",
        "--min-saving", "0.1%",
    )  # fmt: skip
    for _ in range(N_KILLS):
        one = begun_agent(env, log)
        time.sleep(chance.uniform(0.0, 1.5))
        one.send_signal(signal.SIGKILL)
        one.wait(timeout=10)
    n_stopped = log.read_text().count(f"job {number}: stopped")
    n_taken_over = log.read_text().count("left by a former agent")
    agents.append(begun_agent(env, log))
    time.sleep(2.5)
    agents[0].terminate()
    assert agents[0].wait(timeout=90) == 0
    wait_until(has_ended(env, number), "the job", timeout_s=n / 4 + 30)
    print(f"{N_KILLS} kills: {n_stopped} stops said, {n_taken_over} taken over")
    found = ticks_of(tmp_path / "ticks")
    assert state_of(env, number) == "COMPLETED"
    assert len(found) == n  # none lost, none twice
    assert found == sorted(found)
    assert n_taken_over > 0
