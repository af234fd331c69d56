"""``lowtide run --pause checkpoint``: jobs that save, leave and are started again, and those that do not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkpoint_cases import living_jobs, saved_s, saving
from green_cases import (
    LOWTIDE,
    begin,
    die,
    job,
    journal,
    lowtide,
    notes,
    shown,
    state_of,
    wait_until,
    write_intensity,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="keepers and handlers need /proc"
)

SCRIPTED = str(Path(__file__).with_name("scripted_run.py"))


def begin_saving(
    command: list[str],
    *options: str,
    script: str = "hold 0.6 run 1.8",
    work_s: float = 1.5,
    pause: str = "checkpoint",
) -> subprocess.Popen[str]:
    """Begin a job that starts at once, is to stand from 0.6 s on and to run from 1.8 s on (see scripted_run)."""
    asked = ["--intensity", "400", "--within", "60s", "--duration", f"{work_s}s", "--pause", pause]
    recorded = ["--interval", "100ms", "--attribution", "dynamic"]
    words = [sys.executable, SCRIPTED, script, "run", *asked, *recorded, *options, "--quiet", "--", *command]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


def plan_file() -> dict:
    """Return the state of the run that is going on."""
    folder = journal()
    assert folder is not None
    found: dict = json.loads((folder / "plan.json").read_text())
    return found


def phase() -> str:
    folder = journal()
    return "" if folder is None else str(json.loads((folder / "plan.json").read_text())["phase"])


def kept_plan() -> dict:
    """Return the state of the last run as the ledger keeps it."""
    [path] = Path(os.environ["LOWTIDE_LEDGER"]).rglob("plan.json")
    found: dict = json.loads(path.read_text())
    return found


# Asked, saved, started again


@pytest.mark.slow
@pytest.mark.alone
def test_planned_pauses_of_a_real_intensity_are_kept_and_billed(tmp_path):
    path = write_intensity(tmp_path / "i.csv", [100.0, 900.0, 900.0] * 10, step_s=3.0, since_s=-0.5)
    asked = ["--intensity", path, "--within", "60s", "--duration", "6s", "--pause", "checkpoint"]
    # The job sleeps, so its share of the idle machine is its power: while it is there, and not while it has left.
    run = begin(*asked, "--attribution", "share", "--quiet", "--", *saving(tmp_path, 6.0))
    _, said = run.communicate(timeout=100)
    assert run.returncode == 0, said
    seen, plan = notes(tmp_path), shown()["plan"]
    assert seen[1:-1] == ["saved", "resumed"] * plan["n_pauses"]
    assert plan["n_pauses"] >= 1
    assert plan["deadline_met"] is True
    assert plan["saving_fraction"] > 0.0


@pytest.mark.parametrize("how", ["file tells", "signal zero tells"])
def test_job_saves_leaves_and_goes_on_as_one_run(how, tmp_path):
    run = begin_saving(saving(tmp_path, 1.5, how))
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    seen = notes(tmp_path)
    assert (seen[0], seen[-1]) == ("began", "ended")
    assert seen[1:-1] == ["saved", "resumed"] * (len(seen) // 2 - 1)
    assert seen.count("saved") >= 1
    assert said.count("lowtide: paused: saved and left within") == seen.count("saved")
    document = shown()
    assert (document["status"], document["exit_code"]) == ("finished", 0)
    assert document["plan"]["n_pauses"] == seen.count("saved")
    assert document["plan"]["deadline_met"] is True
    # All of the work, once: what was saved is what it went on from.
    assert document["running_s"] == pytest.approx(1.5, abs=0.2 * len(seen))
    assert document["paused_s"] > 0.5
    assert document["gaps"] == []
    state = kept_plan()
    assert all(pause["effect_s"] < 2.0 for pause in state["pauses"])
    assert len(json.loads(lowtide("runs", "--json").stdout)["runs"]) == 1
    assert lowtide("verify", "last").returncode == 0


def test_cpu_time_of_all_starts_is_the_run_s(tmp_path):
    burn = tmp_path / "burn.py"
    burn.write_text(
        "import os, sys, time\n"
        "pause, told = os.environ['LOWTIDE_PAUSE_FILE'], sys.argv[1]\n"
        "open(pause + '.watched', 'w').close()\n"
        "while time.process_time() < 0.4:\n"
        "    if os.path.exists(pause):\n"
        "        break\n"
        "while not os.path.exists(pause) and os.environ.get('LOWTIDE_RESUME') != '1': time.sleep(0.02)\n"
        "open(told, 'a').write(f'{time.process_time()}\\n')\n"
        "sys.exit(0 if os.environ.get('LOWTIDE_RESUME') == '1' else 75)\n"
    )
    told = tmp_path / "told"
    run = begin_saving([sys.executable, "-S", str(burn), str(told)])
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    used_s = sum(float(line) for line in told.read_text().split())
    assert len(told.read_text().split()) == 2, said
    assert shown()["telemetry"]["cpu_seconds"] == pytest.approx(used_s, abs=0.3)


def test_environment_says_where_to_look_and_what_is_resumed(tmp_path):
    script = 'env | grep ^LOWTIDE_ > "$0-$LOWTIDE_RESUME"; [ -n "$LOWTIDE_RESUME" ] || exit 75'
    run = begin_saving(["sh", "-c", script, str(tmp_path / "env")])
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    first, second = (tmp_path / "env-").read_text(), (tmp_path / "env-1").read_text()
    for found in (first, second):
        assert re.search(r"LOWTIDE_PAUSE_FILE=/.*/pause\n", found)
        assert re.search(r"LOWTIDE_PROGRESS_FILE=/.*/progress\n", found)
        assert "LOWTIDE_RUN_ID=" in found
    assert "LOWTIDE_RESUME" not in first
    assert "left with status 75, to be started again when it is green" in said


def test_job_that_finishes_before_it_is_asked_has_ended(tmp_path):
    run = begin_saving(saving(tmp_path, 0.3))
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert notes(tmp_path) == ["began", "ended"]
    assert shown()["plan"]["n_pauses"] == 0


# Jobs that do not


def test_job_that_does_not_listen_is_left_running_and_this_is_said_once(tmp_path):
    run = begin_saving(job(tmp_path, 2.5), "--grace", "500ms", work_s=2.5)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert notes(tmp_path) == ["began", "ended"]
    assert said.count("does not look for LOWTIDE_PAUSE_FILE and does not catch SIGTERM") == 1
    assert kept_plan()["unpaused"]


def test_job_that_ignores_the_request_is_left_running_after_its_grace(tmp_path):
    script = "trap : TERM; i=0; while [ $i -lt 25 ]; do sleep 0.1; i=$((i+1)); done; echo ended >> $0"
    run = begin_saving(["sh", "-c", script, str(tmp_path / "job")], "--grace", "500ms", work_s=2.5)
    wait_until(lambda: phase() == "asking")
    wait_until(lambda: phase() == "running", timeout_s=3.0)
    assert not (journal() / "pause").exists()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert notes(tmp_path) == ["ended"]
    assert "it has not left within 0.5s of being asked" in said


def test_job_that_fails_to_save_when_asked_goes_on_from_what_it_saved_before_and_is_asked_no_more(tmp_path):
    """Its disk is full at the checkpoint: that it had to save then was our doing."""
    script = (
        "touch $LOWTIDE_PAUSE_FILE.watched; echo ${LOWTIDE_RESUME:-first} >> $0; [ -n \"$LOWTIDE_RESUME\" ] && "
        "{ sleep 0.5; echo ended >> $0; exit 0; }; "
        "while [ ! -e $LOWTIDE_PAUSE_FILE ]; do sleep 0.05; done; echo state > /dev/full || exit 3"
    )  # fmt: skip
    run = begin_saving(["sh", "-c", script, str(tmp_path / "job")])
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert notes(tmp_path) == ["first", "1", "ended"]
    assert "it left with status 3 when it was asked to save" in said
    assert shown()["status"] == "finished"


def test_resume_that_fails_is_tried_again_three_times_and_what_was_saved_stays(tmp_path):
    script = (
        "touch $LOWTIDE_PAUSE_FILE.watched; echo start >> $0; [ -n \"$LOWTIDE_RESUME\" ] && exit 7; "
        "while [ ! -e $LOWTIDE_PAUSE_FILE ]; do sleep 0.05; done; echo 1 > $0.saved; exit 75"
    )  # fmt: skip
    run = begin_saving(["sh", "-c", script, str(tmp_path / "job")])
    _, said = run.communicate(timeout=90)
    assert run.returncode == 7, said
    assert notes(tmp_path) == ["start"] * 5  # the first, its resume, and three tries more
    assert said.count("could not go on from what it saved (status 7)") == 3
    assert "given up; what it saved stays where it is" in said
    assert saved_s(tmp_path) == 1.0
    document = shown()
    assert (document["status"], document["exit_code"]) == ("failed", 7)


def test_failure_that_nobody_asked_for_ends_the_run(tmp_path):
    run = begin_saving(["sh", "-c", "echo start >> $0; sleep 0.3; exit 4", str(tmp_path / "job")])
    _, said = run.communicate(timeout=60)
    assert run.returncode == 4, said
    assert notes(tmp_path) == ["start"]


def test_what_a_job_leaves_behind_is_not_joined_by_a_second_start(tmp_path):
    """It forks away, twice and in a session of its own, and its first process saves and leaves."""
    script = (
        "import os, sys, time\n"
        "note = lambda word: open(sys.argv[1], 'a').write(word + '\\n')\n"
        "if os.environ.get('LOWTIDE_RESUME') == '1':\n"
        "    note('resumed'); sys.exit(0)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(3); note('daemon-ended')\n"
        "    os._exit(0)\n"
        "note('began')\n"
        "sys.exit(75)\n"
    )
    run = begin_saving([sys.executable, "-S", "-c", script, str(tmp_path / "job")])
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    assert notes(tmp_path) == ["began", "daemon-ended", "resumed"]
    assert "have not left with it" in said


# Progress


def test_log_tells_progress_that_replaces_elapsed_time(tmp_path):
    log = tmp_path / "train.log"
    script = 'for i in 1 2 3 4 5 6 7 8; do sleep 0.4; echo "step $i of 8" >> $0; done'  # 3.2 s, not the 40 s expected
    options = ["--progress-file", str(log), "--progress-pattern", r"step (\d+) of (\d+)"]
    run = begin_saving(["sh", "-c", script, str(log)], *options, work_s=40.0, script="run 1.0")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    told = kept_plan()["progress"]
    assert told["fraction"] >= 0.5
    assert told["over_s"] / told["gained"] == pytest.approx(3.2, rel=0.5)


def test_work_lost_since_the_last_save_shows(tmp_path):
    script = (
        "import os, sys, time\n"
        "told, pause = os.environ['LOWTIDE_PROGRESS_FILE'], os.environ['LOWTIDE_PAUSE_FILE']\n"
        "open(pause + '.watched', 'w').close()\n"
        "done = 0\n"  # nothing was saved before it is asked, at 40 or later
        "while done < 80:\n"
        "    time.sleep(0.05); done += 1\n"
        "    open(told + '.n', 'w').write(f'{done}/80'); os.replace(told + '.n', told)\n"
        "    if os.path.exists(pause) and done >= 40 and not os.environ.get('LOWTIDE_RESUME'): sys.exit(75)\n"
    )
    run = begin_saving([sys.executable, "-S", "-c", script])
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    assert kept_plan()["progress"]["lost"] >= 0.01


# Somebody wants it to end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_while_saved_ends_the_run_and_starts_nothing(number, tmp_path):
    run = begin_saving(saving(tmp_path, 1.5))
    wait_until(lambda: phase() == "saved")
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 128 + number, said
    assert "is not started again, and what it saved stays where it is" in said
    assert notes(tmp_path) == ["began", "saved"]
    assert 0.0 < saved_s(tmp_path) < 1.5
    document = shown()
    assert (document["status"], document["signal"]) == ("killed", int(number))
    assert lowtide("run", "--continue", "last").returncode == 125


def test_signal_while_it_saves_reaches_the_job_and_ends_the_run(tmp_path):
    script = (
        "import os, signal, sys, time\n"
        "def hear(n, f):\n"
        "    open(sys.argv[1], 'a').write('heard\\n'); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, hear)\n"
        "pause = os.environ['LOWTIDE_PAUSE_FILE']\n"
        "open(pause + '.watched', 'w').close()\n"
        "time.sleep(60)\n"  # it takes its time to save
    )
    run = begin_saving([sys.executable, "-S", "-c", script, str(tmp_path / "job")])
    wait_until(lambda: phase() == "asking")
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 75, said
    assert notes(tmp_path) == ["heard"]  # once, and not started again


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_while_frozen_thaws_the_job_and_reaches_it(number, tmp_path):
    script = "trap 'echo heard >> $0; exit 3' TERM INT HUP; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i+1)); done"
    command = ["sh", "-c", script, str(tmp_path / "job")]
    run = begin_saving(command, pause="freeze", script="hold 0.3 run 50", work_s=20.0)
    wait_until(lambda: phase() == "frozen" and (journal() / "frozen").exists())
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 3, said
    assert notes(tmp_path) == ["heard"]


def test_sigterm_while_it_runs_reaches_the_job(tmp_path):
    run = begin_saving(saving(tmp_path, 20.0), work_s=20.0, script="run 1.0")
    wait_until(lambda: notes(tmp_path) == ["began"])
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 143, said
    assert living_jobs(tmp_path) == []


# Killed


def test_supervisor_killed_while_saved_is_taken_over_by_one_of_many(tmp_path):
    run = begin_saving(saving(tmp_path, 1.5))
    wait_until(lambda: phase() == "saved")
    run_id = journal().name
    die(run)
    assert f"lowtide run --continue {run_id}" in lowtide("runs").stderr
    many = [
        subprocess.Popen([*LOWTIDE, "run", "--continue", run_id], stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    said = [one.communicate(timeout=100)[1] for one in many]
    assert sorted(one.returncode for one in many) == [0] + [125] * 19, said
    assert notes(tmp_path)[:3] == ["began", "saved", "resumed"]
    assert notes(tmp_path).count("ended") == 1
    document = shown()
    assert (document["run_id"], document["status"]) == (run_id, "finished")
    assert document["plan"]["n_pauses"] >= 1
    assert document["running_s"] == pytest.approx(1.5, abs=0.7)


def test_supervisor_killed_while_the_job_saves_leaves_a_run_that_can_be_continued(tmp_path):
    run = begin_saving(saving(tmp_path, 1.5))
    wait_until(lambda: phase() == "saved" or (phase() == "asking" and (journal() / "pause").exists()))
    die(run)
    wait_until(lambda: notes(tmp_path)[-1:] == ["saved"])
    run_id = journal().name
    wait_until(lambda: "--continue" in lowtide("runs").stderr, timeout_s=20.0)
    done = lowtide("run", "--continue", run_id)
    assert done.returncode == 0, done.stderr
    assert notes(tmp_path)[-1] == "ended"
    assert shown()["status"] == "finished"


def test_continue_is_refused_while_the_job_runs_on(tmp_path):
    run = begin_saving(saving(tmp_path, 2.0), script="run 1.0")
    wait_until(lambda: notes(tmp_path) == ["began"])
    folder = journal()
    die(run)
    done = lowtide("run", "--continue", folder.name)
    assert done.returncode == 125
    assert "has begun, and is not started twice" in done.stderr
    assert "if it saves and leaves, continue it then" in done.stderr
    wait_until(lambda: notes(tmp_path) == ["began", "ended"])
    wait_until(lambda: shown()["status"] != "running")
    assert not folder.exists()


def test_keeper_killed_leaves_the_job_to_the_supervisor(tmp_path):
    run = begin_saving(saving(tmp_path, 1.5))
    wait_until(lambda: notes(tmp_path) == ["began"])
    pid = int((journal() / "begun").read_text())
    keeper = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert keeper != run.pid
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: state_of(keeper) == "")
    assert state_of(pid) != ""
    _, said = run.communicate(timeout=90)
    assert run.returncode == 0, said
    assert notes(tmp_path)[-1] == "ended"
    assert notes(tmp_path).count("saved") >= 1


@pytest.mark.parametrize(("end", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_end_that_the_keeper_cannot_write_down_ends_the_run(end, status, tmp_path):
    full = 'mkdir "${LOWTIDE_PAUSE_FILE%/*}/left-1.new"'  # as if the disk was full
    run = begin_saving(["sh", "-c", f"{full}; {end}"], script="run 1000")
    _, said = run.communicate(timeout=30)
    assert run.returncode == status, said
    assert "how the command left could not be written down" in said
    assert shown()["exit_code"] == status


def test_request_takes_effect_within_two_seconds(tmp_path):
    run = begin_saving(saving(tmp_path, 1.5))
    wait_until(lambda: phase() == "saved")
    state = plan_file()
    held = next(one for one in state["decisions"] if one["act"] == "hold" and one["phase"] == "running")
    left_s = (tmp_path / "job.saved").stat().st_mtime
    assert left_s - held["t_ns"] / 1e9 < 2.0
    assert state["pauses"][0]["effect_s"] < 2.0
    wait_until(lambda: living_jobs(tmp_path) == [], timeout_s=1.0)
    run.terminate()
    run.communicate(timeout=20)
    assert time.time() - left_s < 60.0
