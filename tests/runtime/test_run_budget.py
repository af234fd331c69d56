"""``lowtide run --budget``: when it is looked at, a look says what the bill says, and what is done at the limit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from checkpoint_cases import saving
from green_cases import LOWTIDE, begin, die, lowtide, notes, shown, wait_until
from test_green_checkpoint import begin_saving, phase
from test_live import MINUTES, seal

from lowtide.errors import InputError, QuantityError
from lowtide.model.budget import Budget
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.billing import make_entry
from lowtide.runtime.budget import BudgetAsked, budget_of, first_look_s, next_look_s, parse_budget
from lowtide.runtime.budget_look import used_so_far
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record
from lowtide.testing.builders import make_header

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="handlers are seen in /proc")
TINY = "0.001mg"
SHARE = ("--attribution", "share")  # of what the machine draws idle: a job that sleeps has one too


# What was typed


@pytest.mark.parametrize(
    ("text", "limits"),
    [("5kg", (5000.0, None)), ("300 g", (300.0, None)), ("1.2t", (1.2e6, None)), ("2kWh", (None, 2.0)),
     ("3.6MJ", (None, pytest.approx(1.0)))],
)  # fmt: skip
def test_budget_is_grams_or_energy(text, limits):
    assert parse_budget(text) == limits


@pytest.mark.parametrize("text", ["5", "kg", "-5kg", "5 apples", "", "1e400kg", "0g", "5.5.5kg"])
def test_budget_without_a_unit_or_a_size_is_refused(text):
    with pytest.raises(
        QuantityError, match=r"--budget .*(write it like 5kg, 300g|more than nothing, and finite)"
    ):
        parse_budget(text)


def test_rank_of_a_launch_is_refused():
    header = make_header(grid=GridChoice(zone="DE"))
    with pytest.raises(InputError, match="put `lowtide run --budget` before the launcher"):
        budget_of(BudgetAsked(text="5kg"), None, None, header, {"RANK": "1", "WORLD_SIZE": "8"})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--budget", "5kg"], "a budget in grams needs a place: --zone DE or --intensity FILE"),
        (["--on-budget", "stop"], "--on-budget stop: at which budget"),
        (["--budget", "2kWh", "--on-budget", "halt"], "use one of warn, checkpoint, stop"),
        (["--budget", "2kWh", "--grace", "5s"], "--grace is for a run that may wait"),
        (["--budget", "2kWh", "--duration", "0s"], "--duration 0s must be longer than nothing"),
        (["--budget", "2kWh", "--on-budget", "stop", "--grace", "0s"], "--grace 0s must be longer"),
        (["--budget", "2kWh", "--on-budget", "checkpoint", "--pause-signal", "KILL"], "--pause-signal KILL"),
    ],
)
def test_mistakes_are_refused_before_the_command_starts(args, message, tmp_path):
    done = lowtide("run", *args, "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 125
    assert message in done.stderr
    assert not (tmp_path / "started").exists()


def test_wrong_zone_where_nobody_is_at_a_terminal_costs_the_budget_not_the_job():
    done = subprocess.run([*LOWTIDE, "run", "--zone", "DEE", "--budget", "5kg", "--", "echo", "ran"], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "without carbon nobody can watch --budget 5kg; the command runs without" in done.stderr
    assert shown()["budget"]["used_fraction"] is None
    assert "unknown how much of it was used" in lowtide("show", "last").stdout


# When it is looked at


def test_first_look_comes_after_ten_readings_or_a_minute():
    assert [first_look_s(s) for s in (0.1, 1.0, 10.0)] == [1.0, 10.0, 60.0]


@pytest.mark.parametrize(
    ("used", "rate_per_s", "age_s", "took_s", "wait_s"),
    [
        (1000.0, 1.0, 1e6, 0.5, 1800.0),  # 4000 s are left, half is 2000 s: but every half hour at least
        (4000.0, 1.0, 1e6, 0.5, 500.0),  # 1000 s / 2
        (4990.0, 1.0, 1e6, 0.5, 10.0),  # 10 s / 2: but not more often than that
        (4990.0, 1.0, 1e6, 3.0, 30.0),  # ten times what a look takes
        (0.0, 0.0, 1e6, 0.5, 1800.0),  # nothing is used
        (1.0, 0.01, 60.0, 0.5, 60.0),  # half is 249 950 s, but it has run for a minute only
        (None, 0.0, 5.0, 0.5, 10.0),  # not known yet: ten readings more
        (None, 0.0, 600.0, 0.5, 600.0),  # still not known: the waits double
        (0.0, 1.0, 1e6, 200.0, 2000.0),  # looks of 200 s are 2000 s apart
    ],
)
def test_next_look_comes_at_half_of_what_is_left(used, rate_per_s, age_s, took_s, wait_s):
    assert next_look_s(
        used, 5000.0, rate_per_s=rate_per_s, age_s=age_s, took_s=took_s, interval_s=1.0
    ) == pytest.approx(wait_s)


@pytest.mark.parametrize("lasts_s", [100.0, 3600.0, 86_400.0, 5_184_000.0])
def test_looks_are_few_and_the_last_one_is_in_time(lasts_s):
    t_s, n = 10.0, 1
    while t_s < lasts_s:
        t_s += next_look_s(t_s, lasts_s, rate_per_s=1.0, age_s=t_s, took_s=0.5, interval_s=1.0)
        n += 1
    assert t_s - lasts_s <= 10.0
    # Doubling from 10 s and halving to 10 s, each log2(1800 / 10) = 7.5, and one each half hour between.
    assert n <= 2 + 2 * 8 + lasts_s / 1800.0


# What a look says


@pytest.mark.parametrize("pue", [None, 1.25])
def test_look_says_what_the_bill_would_say_to_the_digit(tmp_path, pue):
    header = make_header(journal_dir="", grid=GridChoice(zone="DE", intensity="400"), pue=pue)
    ledger = Ledger(str(tmp_path))
    ledger.create(header)
    for minute in range(MINUTES):
        seal(ledger.segments_dir(header.run_id), minute)
    entry = make_entry(read_record(ledger, header.run_id), ledger)
    seen = used_so_far(ledger, header, Budget(limit_g=1.0))
    assert seen.used == entry.emissions.location.g
    assert seen.t_ns - seen.start_ns == (60 * MINUTES - 1) * 10**9
    assert used_so_far(ledger, header, Budget(limit_kwh=1.0)).used == entry.energy.total_kwh


def test_look_before_the_first_reading_knows_nothing_and_one_without_intensity_says_so(tmp_path):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="", grid=GridChoice(zone="DE"))
    ledger.create(header)
    seen = used_so_far(ledger, header, Budget(limit_g=1.0))
    assert (seen.used, seen.why) == (None, "")
    seal(ledger.segments_dir(header.run_id), 0)
    lost = replace(header, grid=GridChoice(intensity=str(tmp_path / "gone.csv")))
    seen = used_so_far(ledger, lost, Budget(limit_g=1.0))
    assert seen.used is None
    assert "gone.csv" in seen.why


# What is done at the limit


def begin_over(*args: str) -> subprocess.Popen[str]:
    """Begin a run that is over its budget at the first look, a second after its start."""
    return begin(*SHARE, "--intensity", "400", "--budget", TINY, "--quiet", *args)


def test_warning_is_one_line_with_what_is_expected_and_the_command_goes_on():
    run = begin_over("--duration", "30s", "--", "sleep", "3")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0
    [line] = said.splitlines()
    assert re.fullmatch(r"lowtide: the budget of 1\.00 µg is reached: .* by \d{4}-.*Z, (.*) expected in 30s of "
                        r"work; the command goes on", line)  # fmt: skip
    document = shown()
    found = document["budget"]
    assert (found["limit_g"], found["limit_kwh"], found["on"], found["action"]) == (
        1e-6,
        None,
        "warn",
        "warned",
    )
    assert document["started"] < found["reached_at"] < document["ended"]
    assert found["used_fraction"] == pytest.approx(document["emissions"]["location"]["g"] / 1e-6)
    assert re.search(r"^budget     1.00 µg: \d+ % of it used; reached .*: said, and it went on$",
                     lowtide("show", "last").stdout, re.MULTILINE)  # fmt: skip


def test_energy_needs_no_place():
    run = begin(*SHARE, "--budget", "1J", "--quiet", "--on-budget", "stop", "--", "sleep", "30")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 143
    assert "the budget of 278 µWh is reached" in said
    assert shown()["emissions"]["location"] is None


def test_budget_that_is_kept_is_said_by_show_alone():
    run = begin(
        *SHARE, "--intensity", "400", "--budget", "1t", "--on-budget", "stop", "--quiet", "--", "sleep", "2"
    )
    assert (run.communicate(timeout=60)[1], run.returncode) == ("", 0)
    found = shown()["budget"]
    assert (found["reached_at"], found["action"]) == (None, None)
    assert 0.0 < found["used_fraction"] < 1e-6


def test_stop_ends_the_command_as_sigterm_does():
    run = begin_over("--on-budget", "stop", "--", "sleep", "30")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 143
    assert said.count("SIGTERM is sent to the command") == 1
    document = shown()
    assert (document["status"], document["signal"], document["budget"]["action"]) == ("killed", 15, "stopped")
    assert lowtide("verify", "last").returncode == 0


def test_command_that_does_not_hear_sigterm_is_left_running_and_that_is_said():
    run = begin_over("--on-budget", "stop", "--grace", "500ms", "--", "sh", "-c", "trap '' TERM; sleep 5")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "has not ended 0.5s after SIGTERM and is left running: it is sent no SIGKILL" in said


@on_linux
@pytest.mark.parametrize("how", ["file", "signal"])
def test_checkpoint_lets_it_save_ends_with_75_and_says_how_to_go_on(tmp_path, how):
    run = begin_over("--on-budget", "checkpoint", "--", *saving(tmp_path, 60.0, how))
    _, said = run.communicate(timeout=60)
    assert run.returncode == 75
    assert notes(tmp_path) == ["began", "saved"]
    assert "LOWTIDE_RESUME=1 lowtide run --budget ... -- " in said
    document = shown()
    assert (document["exit_code"], document["budget"]["action"]) == (75, "saved")


@on_linux
def test_command_that_cannot_save_is_left_running(tmp_path):
    run = begin_over("--on-budget", "checkpoint", "--grace", "500ms", "--", "sleep", "5")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "it is left running: it does not look for LOWTIDE_PAUSE_FILE and does not catch SIGTERM" in said
    assert shown()["budget"]["action"] == "left running"


def test_killed_supervisor_leaves_what_was_reached_and_nobody_watches():
    run = begin_over("--", "sleep", "3")
    assert "is reached" in run.stderr.readline()
    die(run)
    wait_until(lambda: shown()["status"] == "incomplete")
    assert shown()["budget"]["action"] == "warned"


# With a controller


@on_linux
def test_waiting_run_that_is_over_is_not_started_again(tmp_path):
    asked = [*SHARE, "--budget", TINY, "--on-budget", "checkpoint"]
    run = begin_saving(saving(tmp_path, 60.0), *asked, script="hold 500.0", work_s=20.0)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 75, said
    assert notes(tmp_path) == ["began", "saved"]
    assert shown()["budget"]["action"] == "saved"


@on_linux
def test_run_that_goes_over_while_it_has_left_is_not_started_again(tmp_path):
    asked = [*SHARE, "--budget", TINY, "--on-budget", "stop", "--interval", "400ms"]  # looked at after 4 s
    run = begin_saving(saving(tmp_path, 60.0), *asked, script="hold 0.3", work_s=20.0)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 75, said
    assert notes(tmp_path) == ["began", "saved"]
    assert "the command has saved and left and is not started again; to go on as a new run" in said
    assert shown()["budget"]["action"] == "saved"


@on_linux
def test_frozen_run_is_thawed_to_end(tmp_path):
    asked = [*SHARE, "--budget", TINY, "--on-budget", "stop"]
    run = begin_saving(["sleep", "60"], *asked, script="hold 0.3", work_s=20.0, pause="freeze")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 143, said
    assert json.loads(lowtide("show", "last", "--json").stdout)["budget"]["action"] == "stopped"


@on_linux
def test_waiting_run_may_go_on_from_an_earlier_one(tmp_path, monkeypatch):
    monkeypatch.setenv("LOWTIDE_RESUME", "1")
    run = begin_saving(saving(tmp_path, 0.3), script="hold 500.0")
    run.communicate(timeout=60)
    assert notes(tmp_path) == ["resumed", "ended"]


@on_linux
def test_run_that_is_taken_over_keeps_its_budget(tmp_path):
    asked = [*SHARE, "--budget", TINY, "--on-budget", "checkpoint", "--interval", "400ms"]
    run = begin_saving(saving(tmp_path, 60.0), *asked, script="hold 0.3", work_s=20.0)
    wait_until(lambda: phase() == "saved")
    die(run)
    done = lowtide("run", "--continue", "last")
    assert done.returncode == 75, done.stderr
    assert notes(tmp_path) == ["began", "saved", "resumed", "saved"]
    assert shown()["budget"]["action"] == "saved"
    assert lowtide("run", "--continue", "last", "--budget", "1t").returncode == 2
