"""Arrays and chains on a real cluster: the gate of what has not begun, and stops that end in a bill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from submit_trials import lowtide, now_s_ns, start_agent, wait_until, write_day

from lowtide.executors.slurm import Slurm

pytestmark = pytest.mark.slow
FULL = pytest.mark.skipif(
    not os.environ.get("LOWTIDE_TEST_FULL"), reason="more than a minute: LOWTIDE_TEST_FULL=1"
)
WORK = """\
import sys, time
done_s, last = 0.0, time.monotonic()
while done_s < float(sys.argv[1]):
    now = time.monotonic()
    done_s, last = done_s + min(now - last, 0.05), now  # time in which it was stopped is no work
    open(sys.argv[2], "a").write(f"{time.time()!r}\\n") if int(done_s * 10) != int((done_s - 0.001) * 10) else None
"""


def test_tasks_that_wait_are_put_off_and_those_that_run_are_not(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    job, log = tmp_path / "job.sbatch", tmp_path / "agent.log"
    job.write_text(
        f"#!/bin/sh\n#SBATCH --time=5 --output=/dev/null --array=0-3%1\ndate +%s.%N >> {tmp_path}/starts\nsleep 3\n"
    )
    start_ns = now_s_ns()
    write_day(tmp_path / "day.csv", [100] * 40, start_ns=start_ns, step_s=4)
    done = lowtide("submit", "--within", "100s", "--duration", "4s", "--power", "1kW", "--intensity",
                   tmp_path / "day.csv", job, env=env)  # fmt: skip
    number = int(done.stdout.split()[-1])
    wait_until((tmp_path / "starts").exists, "the first task")
    dirty_ns = now_s_ns()
    write_day(tmp_path / "day.csv", [100, 900, *[100] * 4], start_ns=dirty_ns - 20 * 10**9, step_s=20)
    agents.append(start_agent(env, log))
    wait_until(lambda: f"job {number}_[" in log.read_text(), "the gate", timeout_s=18)
    listed = json.loads(lowtide("submit", "--list", "--json", env=env).stdout)
    assert {one["job_id"] for one in listed} == {number}
    slurm = Slurm(env=env)
    wait_until(lambda: not slurm.jobs(), "all tasks", timeout_s=60)
    starts = sorted(float(line) for line in (tmp_path / "starts").read_text().split())
    assert len(starts) == 4  # none lost, none twice
    at_gate = [t for t in starts if dirty_ns / 1e9 + 12.0 < t < dirty_ns / 1e9 + 20.0]
    print("starts after it turned dirty", [round(t - dirty_ns / 1e9, 1) for t in starts], log.read_text())
    assert at_gate == []
    assert starts[-1] > dirty_ns / 1e9 + 20.0


def test_details_of_jobs_are_read_from_json(env: dict[str, str], tmp_path: Path) -> None:
    job = tmp_path / "job.sbatch"
    job.write_text("#!/bin/sh\n#SBATCH --time=5 --output=/dev/null\nsleep 60\n")
    slurm = Slurm(env=env)
    number = slurm.submit(str(job), options=["--array=4-9%2"], begin_ns=now_s_ns() + 3600 * 10**9)
    (plain,), (detailed,) = slurm.jobs(), slurm.detailed()
    assert (detailed.job_id, detailed.target, detailed.time_limit_s) == (number, f"{number}_[4-9]", 300.0)
    assert (detailed.state, detailed.start_ns, detailed.name) == (plain.state, plain.start_ns, plain.name)
    assert slurm.past(number) == []  # this cluster keeps no accounting
    assert slurm.requeue_delay_s() == 6.0  # cred_expire=5, and one


@FULL
def test_five_stops_end_in_a_bill_within_three_percent_of_the_plan(
    env: dict[str, str], tmp_path: Path, agents: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "work.py").write_text(WORK)
    job, log = tmp_path / "job.sbatch", tmp_path / "agent.log"
    day = tmp_path / "day.csv"
    job.write_text(
        f"#!/bin/sh\n#SBATCH --time=10 --output={tmp_path}/out\nexec {sys.executable} -m lowtide run --name work --tag "
        f'job="$SLURM_JOB_ID" --interval 100ms --attribution dynamic --intensity {day} --quiet -- '
        f"{sys.executable} -S {tmp_path}/work.py 44 {tmp_path}/ticks\n"
    )
    start_ns = now_s_ns()
    write_day(day, [100, 150] * 12, start_ns=start_ns, step_s=8)
    done = lowtide("submit", "--pause", "freeze", "--within", "120s", "--duration", "46s", "--margin", "2%",
                   "--min-saving", "0.1%", "--power", "1kW", "--intensity", day, job, env=env)  # fmt: skip
    number = int(done.stdout.split()[-1])
    agents.append(start_agent(env, log, every="5s"))
    slurm = Slurm(env=env)

    def has_ended() -> bool:
        one = slurm.job(number)
        return one is not None and one.has_ended

    wait_until(has_ended, "the job", timeout_s=150)
    time.sleep(0.5)
    billed = lowtide("submit", "--bill", str(number), "--json", env=env)
    assert billed.returncode == 0, billed.stderr
    plan = json.loads(billed.stdout)["plan"]
    ticks = [float(line) for line in (tmp_path / "ticks").read_text().split()]
    late = [_last_within(ticks, *span) for span in _stops(Path(env["LOWTIDE_LEDGER"]))]
    print(
        {key: plan[key] for key in ("n_pauses", "executed_g", "run_now_g", "saving_fraction", "deadline_met")}
    )
    print("half", plan["half"], "stood still after", [round(s, 2) for s in late])
    assert plan["n_pauses"] >= 5
    assert plan["executed_g"] == pytest.approx(plan["half"]["emissions_g"], rel=0.03)
    assert plan["deadline_met"] is True
    assert max(late) < 2.0


def _stops(ledger: Path) -> list[tuple[float, float]]:
    """Return when the agent decided each stop, and the going on after it [s]."""
    lines = [json.loads(line) for line in (ledger / "submissions" / "agent.jsonl").read_text().splitlines()]
    acts = [(line["act"], line["at_ns"] / 1e9) for line in lines if line["act"] in ("stop", "go-on")]
    return [(t, u) for (act, t), (after, u) in pairwise(acts) if (act, after) == ("stop", "go-on")]


def _last_within(ticks: list[float], stop_s: float, on_s: float) -> float:
    """Return how long after a stop was decided a job still ticked, until it was let go on [s]."""
    return max((tick - stop_s for tick in ticks if stop_s <= tick < on_s), default=0.0)
