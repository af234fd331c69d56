"""``lowtide run --within``: it waits, starts, pauses and is billed, with real processes in compressed time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from green_cases import (
    begin,
    die,
    is_frozen,
    job,
    job_pid,
    journal,
    kill,
    lowtide,
    notes,
    recorder_of,
    shown,
    state_of,
    wait_until,
    write_intensity,
)

from lowtide.executors.freezing import make_group, remove_group
from lowtide.power.scope import own_cgroup

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="freezing reads /proc")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# Refusals


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--within", "1h", "--slack", "2h", "--duration", "1m"], "--within and --slack bound the same run"),
        (["--within", "1h"], "how long does it take"),
        (["--within", "1h", "--duration", "soon"], "cannot read 'soon' as a duration"),
        (["--within", "1h", "--duration", "0s"], "must be longer than nothing"),
        (["--start-within", "1h", "--pause", "freeze"], "how long does it take"),
        (["--duration", "1h"], "--duration is for a run that may wait"),
        (["--hold-allocation"], "--hold-allocation is for a run that may wait"),
        (["--within", "1h", "--duration", "1m", "--margin", "-5%"], "margin|cannot read"),
        (["--within", "1h", "--duration", "1m", "--forecast", "blend"], "give --history FILE too"),
        (["--deadline", "tomorrow", "--duration", "1m"], "tomorrow"),
    ],
)
def test_mistakes_in_what_to_wait_for_are_refused_before_the_command_starts(args, message, tmp_path):
    marker = tmp_path / "started"
    done = lowtide("run", "--intensity", "400", *args, "--", "touch", str(marker))
    assert done.returncode == 125, done.stderr
    assert not marker.exists()
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert json.loads(lowtide("runs", "--json").stdout)["runs"] == []


def test_no_place_no_green():
    done = lowtide("run", "--within", "1h", "--duration", "1m", "--", "true")
    assert done.returncode == 125
    assert "say where the power is drawn" in done.stderr


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"])
def test_inside_an_allocation_it_refuses_to_wait_and_points_to_submit(variable, tmp_path):
    asked = ["run", "--intensity", "400", "--within", "1h", "--duration", "1m"]
    done = lowtide(*asked, "--", "true", env={variable: "1"})
    assert done.returncode == 125
    assert "lowtide submit" in done.stderr
    assert lowtide(*asked, "--hold-allocation", "--", "true", env={variable: "1"}).returncode == 0


def test_options_that_go_together_only_are_wrong_usage():
    assert lowtide("run").returncode == 2
    assert lowtide("run", "--dry-run", "--", "true").returncode == 2
    assert lowtide("run", "--json", "--", "true").returncode == 2
    assert lowtide("run", "--continue", "last", "--", "true").returncode == 2


# Plans without waiting


def test_dry_run_prints_the_plan_and_starts_nothing(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [400.0, 100.0, 400.0], step_s=600.0)
    asked = ["run", "--intensity", path, "--within", "25m", "--duration", "5m", "--margin", "0%", "--dry-run"]
    done = lowtide(*asked, "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 0, done.stderr
    assert "flexible-start" in done.stdout
    assert "power unknown: planned for 1000 W" in done.stdout
    document = json.loads(lowtide(*asked, "--json", "--", "true").stdout)
    assert document["plans"][0]["saving_fraction"] == pytest.approx(0.75)  # 400 to 100 g/kWh
    assert not (tmp_path / "started").exists()
    assert json.loads(lowtide("runs", "--json").stdout)["runs"] == []


def test_flat_intensity_starts_at_once_and_is_no_saving():
    done = lowtide("run", "--intensity", "400", "--when", "green", "--", "true")
    assert done.returncode == 0
    assert "--when green means --start-within 24h" in done.stderr
    assert "duration unknown" in done.stderr
    assert "starts at once: the intensity is the same at all times" in done.stderr
    assert "against running at once" in done.stderr


def test_yearly_mean_only_starts_at_once_and_says_so():
    zone = "ZW"  # no hourly profile ships for it
    done = lowtide("run", "--zone", zone, "--within", "24h", "--duration", "1h", "--", "true")
    assert done.returncode == 0, done.stderr
    assert "only a yearly mean is known" in done.stderr


def test_deadline_that_cannot_be_met_starts_at_once_warns_and_is_billed_as_missed():
    done = lowtide("run", "--intensity", "400", "--within", "100ms", "--duration", "1h", "--", "sleep", "0.3")
    assert done.returncode == 0
    assert "cannot be done by" in done.stderr
    assert "DEADLINE MISSED" in done.stderr
    assert shown()["plan"]["deadline_met"] is False


def test_duration_is_learnt_from_three_finished_runs(tmp_path):
    for _ in range(3):
        lowtide("run", "--quiet", "--name", "learnt", "--", "sleep", "0.5")
    asked = ["run", "--name", "learnt", "--intensity", "400", "--within", "1h", "--dry-run"]
    done = lowtide(*asked, "--", "sleep", "0.5")
    assert done.returncode == 0, done.stderr
    assert "nine in ten of 3 finished runs named 'learnt' took no longer" in done.stderr
    assert "power unknown" not in done.stdout


# Waiting


@pytest.mark.alone
def test_start_waits_for_green_and_is_billed_against_its_promise(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [800.0, 100.0, 800.0, 800.0], step_s=8.0)
    run = begin("--intensity", path, "--within", "25s", "--duration", "3s", "--", *job(tmp_path, 3.0))
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert re.search(r"starts \d{4}-.*Z, 8\d % less carbon than at once, done by", said), said
    document = shown()
    assert seconds(document["started"]) - seconds(document["created"]) == pytest.approx(8.0, abs=1.5)
    assert document["waited_s"] == pytest.approx(8.0, abs=1.5)
    plan = document["plan"]
    assert plan["deadline_met"] is True
    assert plan["executed_g"] == pytest.approx(document["emissions"]["location"]["g"])
    # All of the run lies at 100 g/kWh, all of run-now at 800: a share of 7/8 is saved.
    assert plan["saving_fraction"] == pytest.approx(0.875, abs=0.02)
    assert plan["first"]["emissions_g"] == pytest.approx(plan["executed_g"], rel=0.05)
    assert "less allocated (-88 %)" in said or "less allocated (-87 %)" in said
    assert lowtide("verify", "last").returncode == 0


def test_lower_intensity_later_makes_a_negative_saving_that_is_printed(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [800.0, 100.0, 800.0, 800.0], step_s=5.0)
    run = begin("--intensity", path, "--within", "20s", "--duration", "2s", "--", *job(tmp_path, 2.0))
    run.communicate(timeout=60)
    since_s = seconds(shown()["created"]) - time.time() - 0.5
    # The truth, from when it was asked for: green at once, and not when it was promised.
    truth = write_intensity(tmp_path / "truth.csv", [100.0, 900.0, 900.0, 900.0], step_s=4.0, since_s=since_s)
    assert lowtide("reprice", "last", "--intensity", truth, "--gaps", "partial").returncode == 0
    plan = shown()["plan"]
    assert plan["saving_g"] < 0.0
    assert "MORE allocated" in lowtide("show", "last").stdout


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_while_waiting_ends_it_and_leaves_nothing(number, status, tmp_path):
    path = write_intensity(tmp_path / "i.csv", [800.0, 100.0], step_s=1000.0)
    run = begin("--intensity", path, "--within", "30m", "--duration", "1s", "--", *job(tmp_path, 1.0))
    line = run.stderr.readline()
    assert "starts" in line
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == status, said
    assert "has not been started" in said
    assert notes(tmp_path) == []
    assert list(Path(os.environ["LOWTIDE_JOURNAL"]).iterdir()) == []
    assert json.loads(lowtide("runs", "--json").stdout)["runs"] == []


def test_new_file_is_planned_on_at_once(tmp_path):
    path = tmp_path / "i.csv"
    write_intensity(path, [800.0, 100.0], step_s=1000.0)
    run = begin("--intensity", str(path), "--within", "30m", "--duration", "1s", "--", *job(tmp_path, 0.5))
    assert "starts" in run.stderr.readline()
    write_intensity(path, [100.0, 800.0], step_s=1000.0, since_s=-1.0)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 0, said
    assert "starts at once" in said


@pytest.mark.parametrize("lie", ["missing", "zeros", "frozen"])
def test_deadline_is_held_whatever_becomes_of_the_file(lie, tmp_path):
    path = tmp_path / "i.csv"
    write_intensity(path, [800.0, 800.0, 800.0, 100.0], step_s=4.0)
    run = begin("--intensity", str(path), "--within", "17s", "--duration", "2s", "--", *job(tmp_path, 2.0))
    assert "starts" in run.stderr.readline()
    if lie == "missing":
        path.unlink()
    elif lie == "zeros":  # always greener a little later
        write_intensity(path, [800.0 - i for i in range(60)], step_s=1.0)
    else:
        write_intensity(path, [800.0, 800.0, 799.0, 1.0], step_s=10.0)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    document = shown()
    assert document["plan"]["deadline_met"] is True, (said, document["plan"])


def test_killed_while_waiting_is_taken_over_by_continue_and_started_once(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [800.0, 100.0, 100.0, 800.0], step_s=14.0)
    run = begin("--intensity", path, "--within", "50s", "--duration", "1s", "--", *job(tmp_path, 1.0))
    assert "starts" in run.stderr.readline()
    run_id = journal().name
    assert lowtide("run", "--continue", run_id).returncode == 125  # somebody minds it
    die(run)
    listed = lowtide("runs")
    assert f"lowtide run --continue {run_id}" in listed.stderr
    taken = [
        subprocess.Popen(
            [sys.executable, "-m", "lowtide", "run", "--continue", run_id], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[1] for one in taken]
    assert sorted(one.returncode for one in taken) == [0, 125], said
    assert notes(tmp_path) == ["began", "ended"]
    document = shown()
    assert document["run_id"] == run_id
    assert document["status"] == "finished"
    assert document["waited_s"] > 5.0
    again = lowtide("run", "--continue", run_id)
    assert (again.returncode, "has ended" in again.stderr) == (125, True)


# Pausing


@pytest.mark.alone
def test_run_with_five_pauses_keeps_its_plan_at_measured_power(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [100.0, 500.0] * 12, step_s=6.0, since_s=-1.0)
    run = begin(
        "--intensity", path, "--within", "75s", "--duration", "33s", "--margin", "5%", "--pause", "freeze", "--",
        *job(tmp_path, 33.0),
    )  # fmt: skip
    _, said = run.communicate(timeout=150)
    assert run.returncode == 0, said
    document = shown()
    plan = document["plan"]
    assert plan["n_pauses"] >= 5
    assert said.count("lowtide: paused") == plan["n_pauses"]
    assert plan["executed_g"] == pytest.approx(plan["half"]["emissions_g"], rel=0.03)
    assert plan["saving_fraction"] > 0.1
    assert plan["deadline_met"] is True
    times = document["running_s"] + document["paused_s"]
    assert times == pytest.approx(document["duration_s"], abs=0.01)
    assert notes(tmp_path) == ["began", "ended"]
    assert lowtide("verify", "last").returncode == 0


def frozen_run(tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    """Begin a job that needs two green stretches, and wait until it is frozen between them."""
    path = write_intensity(tmp_path / "i.csv", [100.0, 900.0, 900.0] * 4, step_s=7.0, since_s=-1.0)
    run = begin("--intensity", path, "--within", "80s", "--duration", "10s", "--pause", "freeze", *options, "--quiet",
                "--", *job(tmp_path, 10.0))  # fmt: skip
    wait_until(is_frozen)
    return run


def test_with_scope_cgroup_the_kernel_freezes_a_group_of_the_job_s_own(tmp_path):
    made = make_group(f"lowtide-try-{os.getpid()}")
    if made is None or own_cgroup() is None:
        pytest.skip("no control group may be made here")
    remove_group(made)
    run = frozen_run(tmp_path, "--scope", "cgroup")
    kind, group = (journal() / "frozen").read_text().split()
    assert kind == "cgroup"
    assert state_of(job_pid()) != "T"  # not by a signal
    assert str(job_pid()) in Path(f"{group}/cgroup.procs").read_text().split()
    run.terminate()
    _, said = run.communicate(timeout=20)
    assert run.returncode == 143, said
    wait_until(lambda: not Path(group).exists(), timeout_s=2.0)


@pytest.mark.alone
def test_pause_takes_effect_within_two_seconds_of_its_decision(tmp_path):
    run = frozen_run(tmp_path)
    pid = job_pid()
    wait_until(lambda: state_of(pid) == "T", timeout_s=2.0)
    state = json.loads((journal() / "plan.json").read_text())
    held = next(one for one in state["decisions"] if one["act"] == "hold" and one["phase"] == "running")
    alive_s = float((tmp_path / "job.alive").read_text())
    assert alive_s - held["t_ns"] / 1e9 < 2.0
    frozen_s = (journal() / "frozen").stat().st_mtime
    assert frozen_s - held["t_ns"] / 1e9 < 2.0
    run.communicate(timeout=90)
    assert run.returncode == 0


def test_sigterm_while_frozen_thaws_first_and_reaches_the_job(tmp_path):
    run = frozen_run(tmp_path)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=10)
    assert run.returncode == 143, said
    document = shown()
    assert (document["status"], document["signal"]) == ("killed", 15)


def test_supervisor_killed_while_frozen_is_thawed_by_the_recorder_within_two_seconds(tmp_path):
    run = frozen_run(tmp_path)
    pid = job_pid()
    die(run)
    assert wait_until(lambda: state_of(pid) != "T" and not is_frozen(), timeout_s=2.0) < 2.0
    wait_until(lambda: notes(tmp_path) == ["began", "ended"])
    wait_until(lambda: shown()["status"] != "running")
    document = shown()
    assert document["status"] == "incomplete"
    assert document["paused_s"] > 0.0
    assert notes(tmp_path) == ["began", "ended"]


def test_both_killed_while_frozen_are_thawed_by_the_next_command(tmp_path):
    run = frozen_run(tmp_path)
    pid = job_pid()
    recorder = recorder_of(run.pid)
    kill(recorder)
    die(run)
    wait_until(lambda: state_of(recorder) in ("", "Z"))
    # The supervisor may have started another recorder in between, which then thawed it.
    lowtide("runs")
    wait_until(lambda: state_of(pid) != "T", timeout_s=5.0)
    wait_until(lambda: notes(tmp_path) == ["began", "ended"])


def test_continue_of_a_run_that_has_begun_is_refused(tmp_path):
    run = begin("--intensity", "400", "--within", "1m", "--duration", "2s", "--", *job(tmp_path, 2.0))
    wait_until(lambda: notes(tmp_path) == ["began"])
    done = lowtide("run", "--continue", journal().name)
    assert done.returncode == 125
    assert "has begun, and is not started twice" in done.stderr
    run.communicate(timeout=30)
    assert notes(tmp_path) == ["began", "ended"]
