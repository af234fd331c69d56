"""Phases, steps and predictions of real blocks and commands."""

import json
import os
import subprocess
import sys
import time

import pytest

import lowtide
from lowtide.runtime.phases import Progress
from lowtide.stores.ledger import Ledger

LOWTIDE = [sys.executable, "-m", "lowtide"]


def shown(query="last", *options):
    done = subprocess.run(
        [*LOWTIDE, "show", query, "--json", *options], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_phases_and_what_is_outside_sum_to_the_bill():
    with lowtide.measure(intensity=400, interval=0.05) as m:
        for name in ("load", "train"):
            with m.phase(name):
                time.sleep(0.2)
                m.step(5)
        time.sleep(0.1)
    bill = m.result
    total = sum(p.energy_kwh for p in bill.phases) + bill.outside_phases_kwh
    assert total == pytest.approx(bill.energy.total_kwh, rel=1e-9)
    assert [(p.name, p.steps) for p in bill.phases] == [("load", 5.0), ("train", 5.0)]
    grams = [p.emissions_g for p in bill.phases]
    assert grams == pytest.approx([p.energy_kwh * 400 for p in bill.phases])
    document = shown(m.run_id)
    assert [p["name"] for p in document["phases"]] == ["load", "train"]
    assert document["steps"]["n"] == 10
    done = subprocess.run([*LOWTIDE, "verify", m.run_id], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = subprocess.run([*LOWTIDE, "show", m.run_id], capture_output=True, text=True).stdout
    assert "train: " in text
    assert "outside of phases" in text


def test_command_tells_its_run_of_phases_and_steps():
    job = (
        "import lowtide, time\n"
        "for _ in range(2):\n    with lowtide.phase('train'):\n        time.sleep(0.1); lowtide.step(3)\n"
        "lowtide.count('token', 10)\n"
    )
    run = [
        *LOWTIDE,
        "run",
        "--quiet",
        "--interval",
        "50ms",
        "--intensity",
        "400",
        "--",
        sys.executable,
        "-c",
        job,
    ]
    subprocess.run(run, check=True)
    document = shown()
    assert [p["steps"] for p in document["phases"]] == [3, 3]
    assert document["units"]["token"]["n"] == 10


def test_phase_of_a_killed_command_lasts_to_its_end():
    job = (
        "import lowtide, os, signal, time\n"
        "with lowtide.phase('train'):\n    time.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run(
        [*LOWTIDE, "run", "--quiet", "--interval", "50ms", "--", sys.executable, "-c", job], check=False
    )
    (phase,) = shown()["phases"]
    assert not phase["ended"]
    assert phase["duration_s"] > 0.25


def test_verbs_without_a_run_do_nothing():
    with lowtide.phase("nothing"):
        lowtide.step()
        lowtide.count("token", 1)


def test_verbs_in_a_block_speak_to_it():
    with lowtide.measure(interval=0.05) as m:
        with lowtide.phase("inner"):
            time.sleep(0.12)
            lowtide.step(2)
        lowtide.count("image", 7)
    assert [p.name for p in m.result.phases] == ["inner"]
    assert m.result.units["image"].n == 7


def test_prediction_holds_what_the_run_becomes():
    with lowtide.measure(interval=0.05, intensity=400) as m:
        for i in range(60):
            time.sleep(0.02)
            m.step()
            if i == 29:
                made = m.predict(total_steps=60)
    assert made.done_steps <= 30
    assert made.duration_s.low <= 60 * 0.02 + 0.5
    assert made.energy_kwh.low <= m.result.energy.total_kwh <= made.energy_kwh.high
    assert made.emissions_g.value == pytest.approx(made.energy_kwh.value * 400, rel=1e-6)
    later = shown(m.run_id, "--predict-steps", "600")["predicted"]
    assert later["energy"]["kwh"] > m.result.energy.total_kwh
    text = subprocess.run(
        [*LOWTIDE, "show", m.run_id, "--predict-steps", "600"], capture_output=True, text=True
    )
    assert "predicted" in text.stdout
    few = subprocess.run([*LOWTIDE, "show", m.run_id, "--predict-steps", "6"], capture_output=True, text=True)
    assert few.returncode == 1
    assert "60 steps have been done" in few.stderr


def test_prediction_without_steps_is_a_warning_and_none():
    with lowtide.measure(interval=0.05) as m:
        time.sleep(0.15)
        with pytest.warns(RuntimeWarning, match="no step"):
            assert m.predict(total_steps=10) is None


def test_marks_that_cannot_be_written_are_said_once(tmp_path):
    progress = Progress(str(tmp_path / "no" / "marks"))
    with pytest.warns(RuntimeWarning, match="phases and steps are lost"):
        progress.begin("a")
    progress.end("a")  # a second warning would be an error here


def test_telemetry_and_software_are_in_the_record():
    with lowtide.measure(interval=0.05) as m:
        sum(range(3_000_000))
        time.sleep(0.15)
    telemetry = Ledger(os.environ["LOWTIDE_LEDGER"]).end(m.run_id).telemetry
    assert telemetry.cpu_seconds > 0.0
    assert 0.0 < telemetry.cpu_utilization < 2.0
    assert telemetry.peak_memory_bytes > 1e6
    assert telemetry.software["python"] == sys.version.split()[0]
    assert "numpy" in telemetry.software
    assert telemetry.network_sent_bytes is None or telemetry.network_sent_bytes >= 0
