"""Submitting planned by hand: starts, bounds, durations, the script's own words, what is refused before anything."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from slurm_double import SlurmDouble, waiting_job

from lowtide.accounting.booking import book
from lowtide.accounting.intensities import Intensities
from lowtide.cli.main import cli
from lowtide.errors import InputError, LowtideError
from lowtide.model.planning import Job
from lowtide.model.record import RunEnd
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.config import load_config
from lowtide.runtime.submitting import Submission, SubmitRequest, plan_submission, submit
from lowtide.runtime.submitting_promise import (
    Promise,
    StartPlan,
    make_comment,
    promise_of_job,
    promise_path,
    read_comment,
    read_promise,
    write_promise,
)
from lowtide.runtime.submitting_replan import Sites, Submitted, begin_ahead_ns, moves
from lowtide.runtime.submitting_text import promise_line
from lowtide.stores.codec import to_plain
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header, make_record, regular_edges
from lowtide.units import NS_PER_H, NS_PER_S

HOURS = (400, 300, 100, 100, 300, 50, 400, 400)
START_NS = parse_instant_ns("2026-03-01T00:00Z")
PROMISE = Promise(
    job_id=7, name="train", script="/job.sbatch", submitted_ns=0, deadline_ns=0, latest_start_ns=0, bound="within",
    job=Job.constant(duration_s=3600.0, power_w=1000.0), power_known=True, duration_from="given",
    margin_fraction=0.1, min_saving_fraction=0.03, pause="none", zone="DE", basis="average", settings={}, history=None,
    first=(plan := StartPlan(
        made_ns=0, start_ns=0, end_ns=0, emissions_g=1.0, at_once_g=1.0, saving_fraction=0.0, why="so"
    )),
    last=plan,
)  # fmt: skip
SCRIPT = "#!/bin/sh\n#SBATCH --time=2:00:00 --job-name=train\npython train.py\n"


@pytest.fixture
def day(tmp_path: Path) -> str:
    path = tmp_path / "day.csv"
    write_hours(path, HOURS)
    return str(path)


def write_hours(path: Path, values: tuple[int, ...]) -> None:
    rows = [f"2026-03-01T{hour:02d}:00Z,{value}" for hour, value in enumerate(values)]
    path.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "job.sbatch"
    path.write_text(SCRIPT)
    return str(path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def planned(
    script: str, day: str | None, ledger: Ledger, *, zone: str | None = None, **given: Any
) -> Submission:
    request = SubmitRequest(**{"script": script, "power": "1kW", **given})
    config = load_config(env={}).with_flags({"intensity": day, "zone": zone})
    return plan_submission(request, config, ledger=ledger, env={}, now_ns=START_NS)


def test_start_is_the_best_that_keeps_the_margin(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, within="6h", duration="2h")
    # With its margin of 10 % it takes 2.2 h, so it starts by 03:48. From 02:00: 100 + 100 g; now 400 + 300 g.
    promise = found.promise
    assert found.begin_ns == promise.first.start_ns == START_NS + 2 * NS_PER_H
    assert promise.first.emissions_g == pytest.approx(200.0)
    assert promise.first.at_once_g == pytest.approx(700.0)
    assert promise.first.saving_fraction == pytest.approx(1 - 200 / 700)
    assert promise.latest_start_ns == START_NS + round(3.8 * NS_PER_H)
    assert promise_line(replace(promise, job_id=123)) == (
        "job 123: starts 2026-03-01T02:00Z, -71 % (allocated) against now, done by 04:00Z; deadline 06:00Z"
    )


def test_small_saving_starts_now_and_says_so(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, within="6h", duration="2h", min_saving="80%")
    assert found.begin_ns is None
    # the margin's 0.2 h too: from 02:00 200 + 0.2 x 300 = 260 g, now 700 + 0.2 x 100 = 720 g: 63.9 %
    assert promise_line(found.promise) == (
        "not submitted: starts now (waiting would save 63.9%, less than 80%), done by 02:00Z; deadline 06:00Z"
    )


def test_grams_are_not_told_where_no_power_is_known(script: str, day: str, ledger: Ledger) -> None:
    promise = planned(script, day, ledger, within="6h", power=None).promise
    assert (promise.first.emissions_g, promise.first.at_once_g) == (None, None)
    assert promise.first.saving_fraction == pytest.approx(1 - 200 / 700)
    assert "g=" not in make_comment(promise)


@pytest.mark.parametrize(
    ("bound", "value", "deadline_h", "latest_h"),
    [
        ("within", "6h", 6.0, 3.8),  # 6 - 2.2
        ("deadline", "2026-03-01T06:00Z", 6.0, 3.8),
        ("slack", "3h", 5.0, 2.8),  # 2 + 3
        ("slack", "50%", 3.0, 0.8),  # 2 + 0.5 x 2
        ("start_within", "4h", 6.2, 4.0),  # 4 + 2.2
    ],
)
def test_bounds_say_the_deadline_and_the_latest_start(
    script: str, day: str, ledger: Ledger, bound: str, value: str, deadline_h: float, latest_h: float
) -> None:
    promise = planned(script, day, ledger, duration="2h", **{bound: value}).promise
    assert promise.deadline_ns - START_NS == pytest.approx(deadline_h * NS_PER_H)
    assert promise.latest_start_ns - START_NS == pytest.approx(latest_h * NS_PER_H)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "say until when with one of --within 24h"),
        ({"within": "6h", "start_within": "1h"}, "got --within and --start-within"),
        ({"within": "6"}, "cannot read '6' as a duration"),
        ({"within": "6h", "pause": "kill"}, "--pause 'kill' is unknown; use none, freeze or checkpoint"),
        ({"within": "6h", "pause": "freeze", "grace": "5s"}, "--grace is for --pause checkpoint"),
        ({"within": "6h", "pause_signal": "USR1"}, "--pause-signal is for --pause checkpoint"),
        ({"within": "6h", "pause": "checkpoint", "grace": "0s"}, "--grace 0s must be longer than nothing"),
        ({"within": "6h", "pause": "checkpoint", "pause_signal": "KILL"}, "--pause-signal KILL cannot ask a job"),
        ({"within": "6h", "pause": "checkpoint", "pause_signal": "A:USR1"}, "write it like USR1 for the job's steps"),
        ({"within": "6h", "pause": "checkpoint", "words": ("--no-requeue",)}, "leave out sbatch's --no-requeue"),
        ({"within": "6h", "words": ("--array=4-1",)}, "--array=4-1 names no task: 4-1 goes from 4 to 1 by 1"),
        ({"within": "6h", "words": ("--array=x",)}, "cannot read the tasks of --array=x; write them like 0-99%4"),
        ({"within": "6h", "words": ("--begin=now",)}, "leave out sbatch's --begin: lowtide chooses the start"),
        ({"within": "6h", "words": ("-W",)}, "leave out sbatch's --wait: "),
        ({"within": "6h", "words": ("-Mwest",)}, "leave out sbatch's --clusters: "),
        ({"within": "6h", "words": ("epochs",)}, "'epochs' is no flag of sbatch; write arguments of the script after"),
        ({"within": "6h", "like": "last", "duration": "2h"}, "--like says how long it takes"),
        ({"within": "6h", "power": None, "idle_power": "10W"}, "give --power too"),
        ({"within": "6h", "script": "/nowhere"}, "cannot read the job script /nowhere: No such file"),
        ({"within": "6h", "zone": "XX"}, "XX"),
    ],
)  # fmt: skip
def test_mistakes_are_refused(
    script: str, day: str, ledger: Ledger, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        planned(**{"script": script, "day": day, "ledger": ledger, **given})


@pytest.mark.parametrize("line", ["--begin=now+1hour", "-b 20:00"])
def test_begin_in_the_script_is_refused(line: str, script: str, day: str, ledger: Ledger) -> None:
    Path(script).write_text(f"#!/bin/sh\n#SBATCH {line}\n")
    with pytest.raises(InputError, match="leave out sbatch's --begin in the script"):
        planned(script, day, ledger, within="6h", duration="1h")


def test_quiet_script_is_refused_because_no_number_would_be_told(
    script: str, day: str, ledger: Ledger
) -> None:
    Path(script).write_text("#!/bin/sh\n#SBATCH --quiet\n")
    with pytest.raises(InputError, match="leave out #SBATCH --quiet"):
        planned(script, day, ledger, within="6h", duration="1h")


def test_duration_is_the_time_limit_where_nothing_else_is_known(
    script: str, day: str, ledger: Ledger
) -> None:
    found = planned(script, day, ledger, within="6h")
    assert found.promise.job.work_s == 7200.0
    assert "duration 2h: the time limit, at most" in found.notes
    shorter = planned(script, day, ledger, within="6h", words=("-t", "60"))
    assert shorter.promise.job.work_s == 3600.0


def test_duration_nobody_knows_is_refused_unless_only_the_start_is_bounded(
    script: str, day: str, ledger: Ledger
) -> None:
    Path(script).write_text("#!/bin/sh\npython train.py\n")
    with pytest.raises(InputError, match=r"how long does 'job\.sbatch' take\? give --duration 6h"):
        planned(script, day, ledger, within="6h")
    found = planned(script, day, ledger, start_within="4h")
    # its first hour, and a tenth of the next: 100 + 10 g from 02:00
    assert found.begin_ns == START_NS + 2 * NS_PER_H
    assert found.notes[0] == "the duration is not known: starts are compared over the job's first hour"
    line = promise_line(found.promise)
    assert (
        line == "not submitted: starts 2026-03-01T02:00Z, -75 % (allocated) against now; latest start 04:00Z"
    )
    with pytest.raises(InputError, match="--pause freeze needs to know"):
        planned(script, day, ledger, start_within="4h", pause="freeze")


def keep_runs(ledger: Ledger, hours: list[float]) -> None:
    """Keep finished runs called "train"."""
    for i, length_h in enumerate(hours):
        header = make_header(run_id=f"20260201T00000{i}Z-{i:06x}", name="train", journal_dir="/nowhere")
        ledger.create(header)
        t_ns = regular_edges(round(length_h * 6), step_s=600.0)
        end = RunEnd(started_ns=int(t_ns[0]), ended_ns=int(t_ns[-1]), exit_code=0)
        ledger.write_end(header.run_id, end)
        still = np.zeros(len(t_ns))
        record = make_record(header, t_ns=t_ns, machine_cpu_s=still, run_cpu_s=still, end=end)
        bill = book(record, Intensities(), made="2026-02-02T00:00Z", segments={}, version="0")
        ledger.add_entry(header.run_id, to_plain(bill))


def test_duration_and_power_are_learnt_from_three_runs_of_the_job_s_name(
    script: str, day: str, ledger: Ledger
) -> None:
    keep_runs(ledger, [1.0, 1.0])
    assert (
        planned(script, day, ledger, within="6h", power=None).promise.job.work_s == 7200.0
    )  # two are too few
    keep_runs(ledger, [1.0, 1.0, 1.5])
    found = planned(script, day, ledger, within="6h", power=None)
    assert found.promise.job.work_s == 5400.0  # of three runs the longest is the p90
    assert "duration 1h30m: learnt from 3 runs named 'train' (p90)" in found.notes
    # idle 40 W and 16 GB of memory at 0.5 W, a quarter of that for the rest of the node: 60 W
    assert found.promise.job.points[0].power_w == pytest.approx(60.0)
    given = planned(script, day, ledger, within="6h", power=None, duration="2h").promise
    assert (given.job.work_s, given.job.points[0].power_w) == (7200.0, pytest.approx(60.0))
    assert planned(script, day, ledger, within="6h", name="other").promise.job.work_s == 7200.0


def test_deadline_that_cannot_be_met_starts_now_and_is_said(script: str, day: str, ledger: Ledger) -> None:
    for bound in ({"within": "1h"}, {"deadline": "2026-02-28T00:00Z"}):
        found = planned(script, day, ledger, duration="2h", **bound)
        assert found.begin_ns is None
        assert any("cannot be met: started now the job ends " in note for note in found.notes)


def test_time_limit_leaves_room_for_pauses_or_not_and_that_is_said(
    script: str, day: str, ledger: Ledger
) -> None:
    roomy = planned(script, day, ledger, within="6h", duration="1h", pause="freeze")
    assert any("the time limit leaves 54m for pauses" in note for note in roomy.notes)  # 2 h - 1.1 h
    tight = planned(script, day, ledger, within="6h", pause="freeze")
    assert any("leaves no room for pauses" in note for note in tight.notes)
    short = planned(script, day, ledger, within="6h", duration="3h")
    assert any("longer than the time limit 2h: Slurm will end the job" in note for note in short.notes)


def test_intensity_that_ends_before_the_deadline_is_said(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, within="20h")
    assert any("known until 2026-03-01T08:00Z, before the deadline" in note for note in found.notes)
    assert found.begin_ns == START_NS + 2 * NS_PER_H


def test_history_makes_the_forecast_that_the_start_is_planned_on(
    script: str, tmp_path: Path, ledger: Ledger
) -> None:
    # twenty days of the same: 100 g/kWh from noon to 15:00, 400 at all other hours; it ends at midnight, which is now
    begin_s = START_NS // NS_PER_S - 20 * 86_400
    rows = [
        f"{np.datetime64(begin_s + 3600 * h, 's')}Z,{100 if h % 24 in (12, 13, 14) else 400}"
        for h in range(480)
    ]
    path = tmp_path / "past.csv"
    path.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")
    found = planned(script, None, ledger, zone="DE", history=str(path), within="24h", duration="2h")
    assert found.begin_ns == START_NS + 12 * NS_PER_H
    assert found.promise.first.saving_fraction == pytest.approx(0.75, abs=0.02)  # 1 - 100 / 400
    assert found.promise.history == str(path)
    assert any(note.startswith("forecast for DE: ") for note in found.notes)


def test_submission_hands_the_words_on_and_keeps_the_promise(script: str, day: str, ledger: Ledger) -> None:
    request = SubmitRequest(
        script=script, words=("-N2", "--quiet", "--comment=mine"), arguments=("--epochs", "3"), within="6h",
        power="1kW",
    )  # fmt: skip
    config = load_config(env={}).with_flags({"intensity": day})
    found = plan_submission(request, config, ledger=ledger, env={}, now_ns=START_NS)
    slurm = SlurmDouble()
    promise = submit(request, found, ledger=ledger, slurm=slurm, say=print)
    _, path, arguments, options, begin_ns, comment = slurm.said[0]
    assert (path, arguments, options) == (script, ("--epochs", "3"), ("-N2", "--comment=mine"))
    assert begin_ns == START_NS + 2 * NS_PER_H
    assert comment == (
        "lowtide:start=2026-03-01T02:00:00Z;g=200;zone=DE;deadline=2026-03-01T06:00:00Z | mine"
    )
    assert read_promise(ledger, 7) == promise
    assert promise_of_job(ledger, {"SLURM_JOB_ID": "7"}) == promise
    assert promise_of_job(ledger, {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7"}) == promise
    assert promise_of_job(ledger, {"SLURM_JOB_ID": "8"}) is None
    assert promise_of_job(ledger, {}) is None


def test_ledger_that_cannot_keep_promises_is_refused_before_anything_is_submitted(
    script: str, day: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger(str(tmp_path / "file"))
    slurm = SlurmDouble()
    with pytest.raises(InputError, match=r"promises cannot be kept in .* give another --ledger"):
        submit(
            SubmitRequest(script=script, within="6h"), planned(script, day, ledger, within="6h"),
            ledger=ledger, slurm=slurm, say=print,
        )  # fmt: skip
    assert slurm.said == []


def test_promise_that_is_lost_after_submitting_is_said_and_the_job_stands(
    script: str, day: str, ledger: Ledger
) -> None:
    os.makedirs(promise_path(ledger, 7))  # a folder where the file should be
    said: list[str] = []
    promise = submit(
        SubmitRequest(script=script, within="6h"), planned(script, day, ledger, within="6h"),
        ledger=ledger, slurm=SlurmDouble(), say=said.append,
    )  # fmt: skip
    assert promise.job_id == 7
    assert said[0].startswith("lowtide: job 7 is submitted, but its promise is not kept: cannot write ")


@given(
    start_s=st.integers(0, 4 * 10**9), length_s=st.integers(0, 10**7), zone=st.sampled_from(["DE", "US-CAL-CISO"]),
    grams=st.none() | st.floats(-1e6, 1e9), theirs=st.none() | st.text(max_size=30),
)  # fmt: skip
def test_comment_says_what_it_was_made_of(
    start_s: int, length_s: int, zone: str, grams: float | None, theirs: str | None
) -> None:
    plan = replace(PROMISE.first, start_ns=start_s * NS_PER_S, emissions_g=grams)
    made = replace(PROMISE, first=plan, deadline_ns=(start_s + length_s) * NS_PER_S, zone=zone)
    tag = read_comment(make_comment(made, theirs))
    assert tag is not None
    assert (tag.start_ns, tag.deadline_ns, tag.zone) == (start_s * NS_PER_S, made.deadline_ns, zone)
    assert tag.emissions_g == (None if grams is None else pytest.approx(grams, rel=1e-5, abs=1e-300))


def test_comment_of_a_job_whose_start_alone_is_bounded_says_the_latest_start() -> None:
    made = replace(PROMISE, bound="start_within", latest_start_ns=60 * NS_PER_S)
    text = make_comment(made)
    assert text == "lowtide:start=1970-01-01T00:00:00Z;g=1;zone=DE;latest=1970-01-01T00:01:00Z"
    tag = read_comment(text)
    assert tag is not None
    assert (tag.deadline_ns, tag.latest_start_ns) == (None, 60 * NS_PER_S)


@pytest.mark.parametrize(
    "comment",
    ["", "mine", "lowtide:", "lowtide:start=x;zone=DE;deadline=y", "lowtide:start=2026-03-01T00:00Z;zone=DE"],
)
def test_other_comments_are_not_ours(comment: str) -> None:
    assert read_comment(comment) is None


# The command


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["submit", *arguments])


def dry(script: str, *arguments: str) -> dict[str, Any]:
    done = run("--dry-run", "--json", *arguments, script)
    assert done.exception is None, done.exception
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_script_says_how_it_is_to_be_submitted_and_the_command_line_wins(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOWTIDE_LEDGER", str(tmp_path / "ledger"))
    Path(script).write_text(
        "#!/bin/sh\n#LOWTIDE --within 48h --zone DE\n#LOWTIDE --duration 3h --power 1kW\ntrue\n"
    )
    said = dry(script)
    assert (said["bound"], said["duration_s"], said["zone"], said["power_w"]) == (
        "within",
        10_800.0,
        "DE",
        1000.0,
    )
    assert said["job_id"] is None
    over = dry(script, "--start-within", "5h", "--duration", "1h")
    assert (over["bound"], over["duration_s"], over["power_w"]) == ("start_within", 3600.0, 1000.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--site best --nonsense 3", "#LOWTIDE --site best --nonsense 3: No such option"),
        ("--within 24h --dry-run", "#LOWTIDE lines cannot say 'dry_run'"),
        ("--within 24h --help", "leave out --help"),
        ("--within 24h other.sbatch", "#LOWTIDE lines cannot say 'words'"),
    ],
)
def test_wrong_lines_of_the_script_are_refused(script: str, line: str, message: str) -> None:
    Path(script).write_text(f"#!/bin/sh\n#LOWTIDE {line}\ntrue\n")
    done = run("--dry-run", script)
    assert isinstance(done.exception, LowtideError)
    assert message in str(done.exception)


def test_flags_that_do_not_go_together_are_refused(script: str) -> None:
    for arguments, message in (
        (("--list", script), "--list and --replan stand alone"),
        (("--json", "--within", "4h", script), "--json goes with --dry-run or --list"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)
    assert run().exit_code == 2


def test_unknown_zone_is_refused_before_slurm_is_asked(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # asking sbatch would fail in other words
    monkeypatch.setenv("LOWTIDE_LEDGER", str(tmp_path / "ledger"))
    done = run("--within", "24h", "--zone", "QQ", script)
    assert "unknown zone 'QQ'" in str(done.exception)
    done = run("--within", "24h", "--zone", "DE", script)
    assert "sbatch is not here; is Slurm installed on this machine?" in str(done.exception)


# Starts moved


@pytest.fixture
def submitted(script: str, day: str, ledger: Ledger) -> Submitted:
    promise = replace(planned(script, day, ledger, within="6h", duration="2h").promise, job_id=7)
    write_promise(ledger, promise)
    job = waiting_job(7, make_comment(promise), start_ns=promise.first.start_ns)
    return Submitted(job=job, promise=promise)


def moved(submitted: Submitted, *, now_ns: int = START_NS) -> list[int]:
    found = moves([submitted], Sites(now_ns, [submitted]), now_ns=now_ns, say=print)
    return [move.plan.start_ns for move in found]


def test_start_moves_with_the_forecast_and_never_past_the_latest(submitted: Submitted, day: str) -> None:
    assert moved(submitted) == []
    write_hours(Path(day), (400, 50, 50, 400, 300, 1, 1, 1))
    assert moved(submitted) == [
        START_NS + NS_PER_H
    ]  # 05:00 would be best, and too late: 3.8 h is the last start
    write_hours(Path(day), (400, 300, 300, 200, 1, 1, 400, 400))
    (latest_ns,) = moved(submitted)
    assert latest_ns <= submitted.promise.latest_start_ns


def test_job_that_waits_for_anything_else_is_left_alone(submitted: Submitted) -> None:
    job, now_ns = submitted.job, START_NS
    assert begin_ahead_ns(submitted, now_ns) == START_NS + 2 * NS_PER_H
    for changes in (
        {"state": "RUNNING"}, {"reason": "Resources"}, {"reason": "JobHeldUser"}, {"start_ns": None},
        {"start_ns": now_ns},
    ):  # fmt: skip
        other = replace(submitted, job=replace(job, **changes))
        assert begin_ahead_ns(other, now_ns) is None
    later = replace(submitted, job=replace(job, reason="Dependency"))
    assert begin_ahead_ns(later, now_ns) == START_NS + 2 * NS_PER_H
    assert (
        begin_ahead_ns(later, START_NS + 3 * NS_PER_H) is None
    )  # its time has come: the start is Slurm's guess


def test_start_stays_while_nothing_is_known(submitted: Submitted, day: str) -> None:
    Path(day).write_text("ts_utc,DE\n2026-02-01T00:00Z,100\n2026-02-01T01:00Z,100\n")
    assert moved(submitted) == []
