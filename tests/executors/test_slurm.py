"""Slurm's commands, on a real cluster of one node, and what its scripts say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm_cluster import slurm_cluster

from lowtide.errors import ExecutorError, InputError, QuantityError
from lowtide.executors.slurm import Slurm, SlurmJob, directives, parse_time_limit_s, sbatch_options

COUNTING = "#!/bin/sh\n#SBATCH --time=2\ni=0\nwhile [ $i -lt 2000 ]; do i=$((i+1)); echo $i > {out}; sleep 0.01; done\n"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400.0),  # minutes
        ("1:30", 90.0),
        ("2:00:05", 7205.0),
        ("1-0", 86_400.0),
        ("1-06:30", 109_800.0),
        ("2-00:00:01", 172_801.0),
        ("UNLIMITED", None),
        ("0", None),
    ],
)
def test_time_limits_are_read_as_slurm_does(text: str, seconds: float | None) -> None:
    assert parse_time_limit_s(text) == seconds


@pytest.mark.parametrize("text", ["1h", "1:2:3:4", "x-1", "1-", ""])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="as a time limit of Slurm; write it like 1-06:30"):
        parse_time_limit_s(text)


def test_only_lines_above_the_first_command_count() -> None:
    text = "#!/bin/bash\n#SBATCH --time=60 --job-name='my job'\n\n# words\n  #LOWTIDE --no\n"
    text += (
        "#LOWTIDE --within 48h\n#LOWTIDEX y\n#LOWTIDE --site best # any\npython train.py\n#LOWTIDE --late\n"
    )
    assert directives(text) == ["--within", "48h", "--site", "best"]
    assert sbatch_options(text) == ["--time=60", "--job-name=my job"]


def test_quotes_that_do_not_match_name_the_line() -> None:
    with pytest.raises(InputError, match=r"line 2: .* cannot be read"):
        directives("#!/bin/sh\n#LOWTIDE --zone 'DE\n")
