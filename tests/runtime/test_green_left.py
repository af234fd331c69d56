"""How a job left and what that means, and progress it told: from files and words alone."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowtide.errors import InputError
from lowtide.runtime.clock import boot_id
from lowtide.runtime.green import GreenAsked, _pausing
from lowtide.runtime.green_asking import catches, left_behind
from lowtide.runtime.green_clock import CLOCK
from lowtide.runtime.green_left import ASKED, begun_path, judge, left_path, n_begun, read_left, was_asked
from lowtide.runtime.green_progress import Progress, ProgressSource, checked_pattern, parse_progress
from lowtide.runtime.starting import Keeping, start_once, write_left
from lowtide.runtime.supervised import is_child

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.parametrize(
    ("code", "facts", "verdict"),
    [
        (75, {}, "saved"),
        (75, {"asked": True}, "saved"),
        (75, {"resumed": True, "lived_s": 0.1}, "retry"),  # again and again at once is no progress
        (75, {"resumed": True, "lived_s": 0.1, "asked": True}, "saved"),
        (0, {}, "ended"),
        (0, {"asked": True}, "saved"),
        (0, {"asked": True, "all_done": True}, "ended"),
        (0, {"asked": True, "says_saved": True}, "ended"),
        (1, {}, "ended"),
        (1, {"asked": True}, "unpaused"),
        (-15, {"asked": True}, "unpaused"),
        (1, {"resumed": True, "lived_s": 200.0}, "retry"),
        (1, {"resumed": True, "lived_s": 400.0}, "ended"),
        (-9, {}, "ended"),
    ],
)
def test_each_end_means_what_decision_6_says(code, facts, verdict):
    given = {"asked": False, "all_done": False, "says_saved": False, "resumed": False, "lived_s": 50.0}
    assert judge(code, least_s=1.0, **{**given, **facts}) == verdict


def asked_file(folder: Path, **changes: object) -> None:
    plain = {"n": 2, "asked_ns": 0, "withdrawn_ns": None, "signalled": True}
    (folder / ASKED).write_text(json.dumps({**plain, **changes}))


def test_request_counts_for_its_start_while_it_stands_and_where_it_could_be_heard(tmp_path):
    folder, second = str(tmp_path), 1_000_000_000
    assert not was_asked(folder, 2, 0, 5.0)  # nobody has asked
    asked_file(tmp_path)
    assert was_asked(folder, 2, 0, 5.0)
    assert not was_asked(folder, 3, 0, 5.0)
    asked_file(tmp_path, withdrawn_ns=10 * second)
    assert was_asked(folder, 2, 14 * second, 5.0)  # it had begun to save before
    assert not was_asked(folder, 2, 16 * second, 5.0)
    asked_file(tmp_path, signalled=False)
    assert not was_asked(folder, 2, 0, 5.0)  # deaf: what it does is its own
    (tmp_path / "pause.watched").touch()
    assert was_asked(folder, 2, 0, 5.0)


@needs_proc
def test_keeper_writes_how_the_command_left_and_holds_nothing_open(tmp_path):
    folder = str(tmp_path)
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    keeping = Keeping(left_path(folder, 1), str(tmp_path / "lock"))
    script = "echo out; kill -USR1 $$"
    started = start_once(["sh", "-c", script], dict(os.environ), [], begun_path(folder, 1), keeping=keeping)
    os.close(writing)
    os.waitpid(started.keeper, 0)
    with os.fdopen(reading, "rb") as pipe:
        pipe.read()  # ends: the keeper had let go of it
    left = read_left(folder, 1)
    assert left is not None
    assert left.code == -signal.SIGUSR1
    assert 0.0 <= left.lived_s < 60.0
    assert n_begun(folder) == 1
    with pytest.raises(FileExistsError):
        start_once(["true"], dict(os.environ), [], begun_path(folder, 1), keeping=keeping)
    assert read_left(folder, 1) == left  # who did not start it does not write how it left


@needs_proc
@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -USR1 $$", 128 + signal.SIGUSR1), ("exit 0", 0)]
)
def test_keeper_that_cannot_write_leaves_as_the_command_did(script, code, tmp_path):
    folder = str(tmp_path)
    os.mkdir(left_path(folder, 1) + ".new")  # as if the disk was full
    keeping = Keeping(left_path(folder, 1), str(tmp_path / "lock"))
    started = start_once(["sh", "-c", script], dict(os.environ), [], begun_path(folder, 1), keeping=keeping)
    _, status = os.waitpid(started.keeper, 0)
    assert os.waitstatus_to_exitcode(status) == code
    assert read_left(folder, 1) is None


@needs_proc
def test_keeper_writes_by_which_clock_it_tells(tmp_path):
    folder, before_ns = str(tmp_path), time.time_ns()
    keeping = Keeping(left_path(folder, 1), str(tmp_path / "lock"))
    started = start_once(["true"], dict(os.environ), [], begun_path(folder, 1), keeping=keeping)
    os.waitpid(started.keeper, 0)
    left = read_left(folder, 1)
    assert left is not None
    assert left.boot == boot_id() != ""
    slack_ns = 10**6  # the two clocks are read one after the other
    assert before_ns - slack_ns <= left.started_wall_ns <= left.left_wall_ns <= time.time_ns() + slack_ns


def test_how_it_left_is_written_whole_where_the_disk_takes_it_in_parts(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    write_left(left_path(str(tmp_path), 1), started_ns=1, status=75 << 8, usage=usage)
    left = read_left(str(tmp_path), 1)
    assert left is not None
    assert (left.started_ns, left.code, left.maxrss) == (1, 75, usage.ru_maxrss)


def test_child_is_one_until_it_has_been_waited_for():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_child(child.pid)  # ended, and nobody has waited for it
    child.wait()
    assert not is_child(child.pid)


@needs_proc
def test_many_that_start_at_once_start_it_once(tmp_path):
    program = (
        "import os, sys\nfrom lowtide.runtime.starting import start_once\n"
        "try: os.waitpid(start_once(['sh', '-c', 'echo once >> ' + sys.argv[2]], dict(os.environ), [], "
        "sys.argv[1]).pid, 0)\nexcept FileExistsError: sys.exit(9)\n"
    )
    begun, out = str(tmp_path / "begun-2"), str(tmp_path / "out")
    many = [subprocess.Popen([sys.executable, "-c", program, begun, out]) for _ in range(20)]
    assert sorted(one.wait(timeout=60) for one in many) == [0] + [9] * 19
    assert (tmp_path / "out").read_text() == "once\n"


@needs_proc
def test_handler_of_another_process_is_seen():
    script = "trap : USR1; echo ready; read x"
    child = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    assert catches(child.pid, signal.SIGUSR1)
    assert not catches(child.pid, signal.SIGUSR2)
    assert left_behind(os.getpid(), {child.pid}).count(child.pid) == 0
    assert child.pid in left_behind(os.getpid(), set())
    child.communicate()
    assert not catches(child.pid, signal.SIGUSR1)  # nobody is there


@pytest.mark.parametrize(
    ("text", "pattern", "units", "fraction"),
    [
        ("420/1000\n", None, None, 0.42),
        ("0.42", None, None, 0.42),
        ("1200/1000", None, None, 1.0),
        ("1/0", None, None, None),
        ("-1/10", None, None, None),
        ("", None, None, None),
        ("nan", None, None, None),
        ("it 1,000/4,000 [00:10]\rit 2,000/4,000 [00:20]\r", r"it ([\d,]+)/([\d,]+)", None, 0.5),
        ("epoch 3 done\nepoch 4 begins", r"epoch (\d+) done", 12.0, 0.25),
        ("nothing", r"epoch (\d+)", 12.0, None),
    ],
)
def test_progress_is_read_from_words_and_logs(text, pattern, units, fraction):
    assert parse_progress(text, pattern, units=units) == fraction


@pytest.mark.parametrize(
    ("pattern", "units", "message"),
    [
        ("(", None, "is no regular expression"),
        (r"(\d+)", None, "say --work-units N"),
        (r"\d+", None, "has 0 groups"),
        (r"(\d+)/(\d+)", 5.0, "leave one out"),
    ],
)
def test_pattern_that_tells_no_fraction_is_refused(pattern, units, message):
    with pytest.raises(InputError, match=message):
        checked_pattern(pattern, units)


def test_file_is_read_when_it_has_changed(tmp_path):
    path = tmp_path / "log"
    source = ProgressSource(str(path), r"(\d+)/(\d+)")
    assert source.look() is None
    path.write_text("x" * 100_000 + " 5/10")  # the end is read
    told = source.look()
    assert told is not None
    assert told[0] == 0.5
    assert source.look() is None


def test_rate_leaves_restarts_out_and_done_goes_on_between_words():
    one = Progress(0.1, 10.0, 1)
    one.tell(0.2, 20.0, 1)  # a tenth in 10 s: all in 100 s
    assert one.work_s(500.0) == pytest.approx(100.0)
    assert one.done_s(25.0, 500.0) == pytest.approx(25.0)
    assert one.done_s(90.0, 500.0) == pytest.approx(30.0)  # as long as between the last two words, no longer
    one.tell(0.15, 100.0, 2)
    assert one.lost == pytest.approx(0.05)
    assert one.work_s(500.0) == pytest.approx(100.0)
    one.tell(1.0, 185.0, 2)
    assert one.all_done


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grace": "5s"}, "--grace is for a job that saves and leaves"),
        ({"pause": "checkpoint", "pause_signal": "KILL"}, "a job is asked with one of TERM"),
        ({"pause": "checkpoint", "grace": "0s"}, "must be longer than nothing"),
        ({"work_units": 5.0}, "which one\\? --progress-file FILE"),
        ({"progress_file": "log", "work_units": 5.0}, "--work-units needs --progress-pattern"),
        ({"progress_file": "log", "progress_pattern": "(x)", "work_units": -1.0}, "must be above 0"),
    ],
)
def test_options_of_pauses_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        _pausing(GreenAsked(within="1h", **options))


def test_signal_names_are_read_with_and_without_sig():
    found, words = _pausing(GreenAsked(pause="checkpoint", pause_signal="sigusr1", grace="2m"))
    assert (found["pause_signal"], found["grace_s"], found["resume_time_s"]) == ("USR1", 120.0, None)
    assert "--resume-time" in words[0]
    assert CLOCK.boot_ns() > 0
