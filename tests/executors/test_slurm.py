"""Slurm's commands, on a real cluster of one node, and what its scripts say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lowtide.errors import ExecutorError
from lowtide.executors.slurm import Slurm, SlurmJob

COUNTING = "#!/bin/sh\n#SBATCH --time=2\ni=0\nwhile [ $i -lt 2000 ]; do i=$((i+1)); echo $i > {out}; sleep 0.01; done\n"


@pytest.fixture
def slurm(env: dict[str, str]) -> Slurm:
    return Slurm(env=env)


def job_of(slurm: Slurm, job_id: int) -> SlurmJob:
    found = slurm.job(job_id)
    assert found is not None
    return found


def wait_for(slurm: Slurm, job_id: int, *states: str, timeout_s: float = 30.0) -> SlurmJob:
    deadline = time.monotonic() + timeout_s
    while (found := job_of(slurm, job_id)).state not in states:
        assert time.monotonic() < deadline, f"{found.state} ({found.reason}) and not {states}"
        time.sleep(0.05)
    return found


def wait_until(true: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def script(folder: Path, text: str) -> str:
    path = folder / "job.sbatch"
    path.write_text(text)
    return str(path)


@pytest.mark.slow
def test_job_begins_when_it_was_told_to(slurm: Slurm, tmp_path: Path) -> None:
    begin_ns = time.time_ns() + 3 * 10**9
    path = script(tmp_path, f"#!/bin/sh\n#SBATCH --time=1\ndate +%s.%N > {tmp_path}/began\n")
    job_id = slurm.submit(
        path, options=["--output=/dev/null"], begin_ns=begin_ns, comment="lowtide: a = 1, later"
    )
    waiting = job_of(slurm, job_id)
    assert (waiting.state, waiting.comment, waiting.time_limit_s) == (
        "PENDING",
        "lowtide: a = 1, later",
        60.0,
    )
    assert waiting.eligible_ns == -(-begin_ns // 10**9) * 10**9  # the next whole second
    done = wait_for(slurm, job_id, "COMPLETED")
    assert done.has_ended
    assert done.start_ns is not None
    assert done.start_ns >= begin_ns
    began_ns = round(float((tmp_path / "began").read_text()) * 1e9)
    assert 0 <= began_ns - begin_ns < 15 * 10**9


@pytest.mark.slow
def test_start_is_moved_held_and_released(slurm: Slurm, tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\ntrue\n")
    begin_ns = time.time_ns() + 3600 * 10**9
    job_id = slurm.submit(path, options=["--output=/dev/null"], begin_ns=begin_ns)
    slurm.hold(job_id)
    assert job_of(slurm, job_id).reason in ("JobHeldUser", "JobHeldAdmin")  # the latter where root holds it
    slurm.set_begin(job_id, time.time_ns())
    slurm.release(job_id)
    assert wait_for(slurm, job_id, "COMPLETED").exit_code == 0


@pytest.mark.slow
def test_running_job_stops_and_goes_on(slurm: Slurm, tmp_path: Path) -> None:
    out = tmp_path / "count"
    job_id = slurm.submit(script(tmp_path, COUNTING.format(out=out)), options=["--output=/dev/null"])
    wait_until(lambda: out.exists() and bool(out.read_text().strip()))
    slurm.stop(job_id)

    def stands() -> bool:
        before = out.stat().st_mtime_ns
        time.sleep(0.15)
        return before == out.stat().st_mtime_ns

    wait_until(stands)
    assert job_of(slurm, job_id).state in ("RUNNING", "STOPPED")  # both count against its time limit
    slurm.go_on(job_id)
    wait_until(lambda: not stands())
    slurm.cancel(job_id)
    assert wait_for(slurm, job_id, "CANCELLED", "FAILED").has_ended


@pytest.mark.slow
def test_requeued_job_is_restarted(slurm: Slurm, tmp_path: Path) -> None:
    text = f"#!/bin/sh\necho $SLURM_RESTART_COUNT >> {tmp_path}/starts\nsleep 30\n"
    job_id = slurm.submit(script(tmp_path, text), options=["--output=/dev/null", "--requeue"])
    wait_for(slurm, job_id, "RUNNING")
    wait_until((tmp_path / "starts").exists)
    slurm.requeue(job_id, hold=True)
    held = wait_for(slurm, job_id, "PENDING", "REQUEUE_HOLD")
    assert held.n_restarts == 1
    slurm.cancel(job_id)


@pytest.mark.slow
def test_what_slurm_refuses_is_said(slurm: Slurm, tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\ntrue\n")
    with pytest.raises(ExecutorError, match=r"sbatch .* failed: .*[Ii]nvalid partition"):
        slurm.submit(path, options=["--partition=none"])
    with pytest.raises(ExecutorError, match="scontrol hold failed"):
        slurm.hold(987654)
    assert slurm.job(987654) is None


def test_no_slurm_here_is_said() -> None:
    with pytest.raises(ExecutorError, match="sbatch is not here; is Slurm installed"):
        Slurm(env={"PATH": "/nonexistent"}).submit("job.sbatch")


def test_controller_that_does_not_answer_is_said(tmp_path: Path) -> None:
    slow = tmp_path / "scontrol"
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o755)
    with pytest.raises(ExecutorError, match=r"did not answer within 0\.2 s; is slurmctld up\?"):
        Slurm(env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, timeout_s=0.2).job(1)


@pytest.mark.slow
def test_all_jobs_are_listed_at_once_and_several_starts_moved(slurm: Slurm, tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\n#SBATCH --output=/dev/null\n#SBATCH --time=5\nsleep 60\n")
    later_ns = (time.time_ns() // 10**9 + 3600) * 10**9
    one = slurm.submit(path, options=["--job-name=one"], begin_ns=later_ns, comment="a = 1; b | c")
    tasks = slurm.submit(path, options=["--array=2-5"], begin_ns=later_ns)
    found = {job.submitted_id: job for job in slurm.jobs()}
    assert (found[one].name, found[one].state, found[one].comment) == ("one", "PENDING", "a = 1; b | c")
    assert (found[one].start_ns, found[one].time_limit_s) == (later_ns, 300.0)
    assert (found[tasks].job_id, found[tasks].array_tasks) == (tasks, "2-5")  # waiting tasks are one job
    slurm.set_begin([one, tasks], later_ns + 60 * 10**9)
    moved = {job.submitted_id: job.start_ns for job in slurm.jobs()}
    assert moved[one] == moved[tasks] == later_ns + 60 * 10**9
    slurm.cancel(one)
    slurm.cancel(tasks)
    assert not {one, tasks} & {job.submitted_id for job in slurm.jobs()}


@pytest.mark.slow
def test_one_task_of_an_array_is_stopped_alone(slurm: Slurm, tmp_path: Path) -> None:
    text = "#!/bin/sh\n#SBATCH --output=/dev/null\n#SBATCH --time=2\n"
    text += f"while true; do date +%s.%N > {tmp_path}/$SLURM_ARRAY_TASK_ID; sleep 0.05; done\n"
    number = slurm.submit(script(tmp_path, text), options=["--array=0-1"])
    wait_until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    running = {job.array_tasks: job for job in slurm.jobs() if job.submitted_id == number}
    last = next(job for job in running.values() if job.job_id == number)
    assert last.label == f"{number}_{last.array_tasks}"  # its own number is that of the whole array
    other = tmp_path / ("0" if last.array_tasks == "1" else "1")
    slurm.stop(last.label)

    def stands(path: Path) -> bool:
        before = path.stat().st_mtime_ns
        time.sleep(0.3)
        return before == path.stat().st_mtime_ns

    wait_until(lambda: stands(tmp_path / last.array_tasks))
    assert not stands(other)
    slurm.go_on(last.label)
    slurm.cancel(number)


@pytest.mark.slow
def test_job_sees_the_environment_it_was_submitted_from(env: dict[str, str], tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    text = (
        f"#!/bin/sh\n#SBATCH --output=/dev/null\necho ${{LC_ALL-none}} ${{SLURM_TIME_FORMAT-none}} > {saw}\n"
    )
    own = {key: value for key, value in env.items() if key not in ("LC_ALL", "SLURM_TIME_FORMAT")}
    slurm = Slurm(env=own)
    wait_for(slurm, slurm.submit(script(tmp_path, text)), "COMPLETED")
    assert saw.read_text().split() == ["none", "none"]


def test_hour_that_comes_twice_is_told_from_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "scontrol"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n')
    fake.chmod(0o755)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        slurm = Slurm(env={"PATH": f"{tmp_path}:/bin:/usr/bin"})
        twice_s = 1_824_942_600  # 2027-10-31T00:30Z, 02:30 in Berlin for the first of two times
        slurm.set_begin(7, twice_s * 10**9)
        slurm.set_begin(7, (twice_s - 3600) * 10**9)  # 01:30, once
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    relative, once = (tmp_path / "said").read_text().splitlines()
    assert relative.startswith("update jobid=7 StartTime=now+")
    assert abs(int(relative.rpartition("+")[2]) - (twice_s - time.time())) < 60.0
    assert once == "update jobid=7 StartTime=2027-10-31T01:30:00"


def test_machine_without_a_configuration_of_slurm_is_told_in_a_line(tmp_path):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'squeue: error: DNS SRV lookup failed' >&2\n"
                      "echo 'squeue: fatal: Could not establish a configuration source' >&2\nexit 1\n")  # fmt: skip
    squeue.chmod(0o755)
    with pytest.raises(
        ExecutorError, match=r"^squeue finds no configuration of Slurm here; set SLURM_CONF, .*node$"
    ):
        Slurm(env={"PATH": f"{tmp_path}:/bin:/usr/bin"}).jobs()
    squeue.write_text("#!/bin/sh\necho one >&2\necho two >&2\nexit 1\n")
    with pytest.raises(ExecutorError, match=r"^squeue --noheader failed: one; two$"):
        Slurm(env={"PATH": f"{tmp_path}:/bin:/usr/bin"}).jobs()
