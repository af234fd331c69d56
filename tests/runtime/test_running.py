"""``lowtide run`` as a user meets it: exit codes, streams, refusals, and a job that always runs."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

PY = sys.executable
LOWTIDE = [PY, "-m", "lowtide"]


def lowtide(*args, env=None, **kwargs):
    return subprocess.run([*LOWTIDE, *args], env={**os.environ, **(env or {})}, capture_output=True, text=True,
                          timeout=60, **kwargs)  # fmt: skip


def shown(query="last"):
    return json.loads(lowtide("show", query, "--json").stdout)


def test_four_lines_follow_on_standard_error_and_output_is_the_command_s():
    done = lowtide(
        "run", "--name", "x", "--intensity", "400", "--", PY, "-c", "print(input())", input="hello\n"
    )
    assert done.returncode == 0
    assert done.stdout == "hello\n"
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["energy", "carbon", "instead", "next"]


@pytest.mark.parametrize(
    ("code", "status", "shell", "signal_number"),
    [("exit(0)", "finished", 0, None), ("exit(7)", "failed", 7, None),
     ("import os; os.kill(os.getpid(), 9)", "killed", 137, 9)],
)  # fmt: skip
def test_exit_code_is_the_command_s(code, status, shell, signal_number):
    done = lowtide("run", "--", PY, "-c", code)
    assert done.returncode == shell
    document = shown()
    assert document["status"] == status
    assert document["signal"] == signal_number
    assert document["energy"]["total_kwh"] > 0


def test_unknown_command_is_127_and_not_executable_126_and_no_run_is_kept(tmp_path):
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(stat.S_IRUSR)
    assert lowtide("run", "--", "no-such-command-at-all").returncode == 127
    assert lowtide("run", "--", str(script)).returncode == 126
    assert json.loads(lowtide("runs", "--json").stdout)["runs"] == []


def test_script_without_interpreter_line_runs_as_a_shell_would_run_it(tmp_path):
    script = tmp_path / "script"
    script.write_text("exit 5\n")
    script.chmod(0o755)
    assert lowtide("run", "--", str(script)).returncode == 5


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--strict", "--zone", "DEE"], "DEE"),
        (["--sensors", "nope"], "no sensor named 'nope'; there are auto, none, rapl"),
        (["--sensors", "auto,nope"], "no sensor named 'nope'"),
        (["--pue", "0.9"], "pue 0.9 .* cannot be"),
        (["--pue", "high"], "pue 'high' .* is no number"),
        (["--interval", "soon"], "cannot read 'soon' as a duration"),
        (["--interval", "1us"], "cannot read|must lie between"),
        (["--attribution", "all"], "attribution 'all'"),
        (["--intensity", "/no/such/file.csv"], "/no/such/file.csv"),
        (["--tag", "x"], "cannot read the tag 'x'"),
        (["--per", "0:token"], "functional unit"),
        (["--site", "moon"], "no site 'moon'"),
        (["--provider", "typcal"], "did you mean typical"),
        (["--name", "a/b"], "cannot name a run"),
        (["--summary", "/no/such/folder/x.json"], "does not exist or may not be written"),
    ],
)
def test_mistakes_are_refused_before_the_command_starts(args, message, tmp_path):
    marker = tmp_path / "started"
    done = lowtide("run", *args, "--", "touch", str(marker))
    assert done.returncode == 125
    assert not marker.exists()
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert re.search(message, done.stderr), done.stderr


def test_wrong_usage_is_2():
    assert lowtide("run").returncode == 2
    assert lowtide("run", "--no-such-option", "--", "true").returncode == 2
    assert lowtide("no-such-command").returncode == 2


def test_without_a_zone_energy_is_measured_and_emissions_are_null():
    done = lowtide("run", "--", "true")
    assert "unknown: no zone; say where the power is drawn: --zone DE" in done.stderr
    document = shown()
    assert document["energy"]["total_kwh"] > 0
    assert document["emissions"]["location"] is None


def test_wrong_zone_in_a_batch_job_costs_the_emissions_not_the_job():
    batch = {"SLURM_JOB_ID": "1"}
    done = lowtide("run", "--zone", "DEE", "--", "true", env=batch, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "energy is measured, emissions are unknown" in done.stderr
    assert lowtide("run", "--strict", "--zone", "DEE", "--", "true", env=batch,
                   stdin=subprocess.DEVNULL).returncode == 125  # fmt: skip


def test_wrong_zone_costs_the_emissions_wherever_nobody_is_at_a_terminal():
    done = lowtide("run", "--zone", "DEE", "--", "true", stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "unknown zone 'DEE'" in done.stderr
    assert "energy is measured, emissions are unknown" in done.stderr


def test_run_that_was_to_wait_for_green_in_a_wrong_zone_starts_at_once_and_a_dry_run_is_refused():
    words = ("run", "--zone", "DEE", "--within", "1h", "--duration", "1s")
    done = lowtide(*words, "--", PY, "-c", "print('ran')", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "when it is green is unknown too, so the command starts at once" in done.stderr
    dry = lowtide(*words, "--dry-run", "--", PY, "-c", "print('ran')", stdin=subprocess.DEVNULL)
    assert (dry.returncode, dry.stdout) == (125, "")
    assert "unknown zone 'DEE'" in dry.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_wrong_zone_is_refused_at_a_terminal(tmp_path):
    ours, theirs = os.openpty()
    try:
        done = lowtide("run", "--zone", "DEE", "--", "touch", str(tmp_path / "started"), stdin=theirs)
    finally:
        os.close(theirs)
        os.close(ours)
    assert done.returncode == 125
    assert not (tmp_path / "started").exists()


def test_sensor_that_cannot_be_read_is_said_in_a_line_and_in_the_bill_and_the_job_runs(tmp_path):
    env = {"LOWTIDE_POWERCAP_ROOT": str(tmp_path / "none")}
    done = lowtide("run", "--sensors", "rapl", "--", PY, "-c", "print('ran')", env=env)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    said = [line for line in done.stderr.splitlines() if line.startswith("lowtide: rapl: no RAPL domain")]
    assert len(said) == 1
    assert said[0].endswith("; the run goes on without it")
    assert [why.split(":")[0] for why in shown()["problems"]] == ["rapl"]
    assert "not read   rapl: no RAPL domain" in lowtide("show", "last").stdout


def test_functional_unit_that_nobody_counted_has_no_score_and_says_why():
    done = lowtide("run", "--per", "1e9:token", "--intensity", "400", "--", "true")
    assert "sci      unknown: no SCI per 1e9:token: no token was counted" in done.stderr
    document = shown()
    assert document["sci"] is None
    assert document["problems"] == [
        "no SCI per 1e9:token: no token was counted; count in the script: lowtide.count('token', n)"
    ]
    lowtide("run", "--per", "run", "--intensity", "400", "--", "true")  # a run is one run
    assert (shown()["sci"]["denominator"], shown()["problems"]) == (1.0, [])


def test_commands_that_come_next_find_the_ledger(tmp_path):
    other = str(tmp_path / "other ledger")
    done = lowtide("run", "--name", "x", "--ledger", other, "--intensity", "400", "--", "true")
    words = done.stderr.splitlines()[-1]
    assert words.startswith(f"next     lowtide show x --ledger '{other}' ")
    command = words.removeprefix("next     lowtide ").split(" · ")[0]
    assert lowtide(*shlex.split(command)).returncode == 0
    assert "--ledger" not in lowtide("run", "--", "true").stderr


def test_ledger_that_cannot_be_written_does_not_stop_the_command(tmp_path):
    (tmp_path / "file").write_text("")
    done = lowtide("run", "--ledger", str(tmp_path / "file"), "--", PY, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "cannot write the ledger" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_of_a_dead_ledger_is_closed_by_the_next_command_that_can_reach_it(tmp_path):
    blocked = tmp_path / "late"
    blocked.write_text("")
    ledger = str(blocked / "ledger")
    lowtide("run", "--name", "kept", "--ledger", ledger, "--", "true")
    blocked.unlink()
    blocked.mkdir()
    listed = json.loads(lowtide("runs", "--ledger", ledger, "--json").stdout)
    assert [run["name"] for run in listed["runs"]] == ["kept"]
    assert listed["runs"][0]["status"] == "finished"


def test_no_place_for_a_journal_runs_the_command_unmeasured(tmp_path):
    (tmp_path / "file").write_text("")
    bad = str(tmp_path / "file" / "x")
    done = lowtide(
        "run", "--", "sh", "-c", "exit 4", env={"LOWTIDE_JOURNAL": bad, "TMPDIR": bad, "HOME": bad}
    )
    assert done.returncode == 4  # /dev/shm may have taken the journal; the command ran all the same
    assert "Traceback" not in done.stderr


def test_sigterm_is_passed_on_and_the_run_billed():
    code = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(9))\n"
        "print('up', flush=True)\ntime.sleep(30)"
    )
    run = subprocess.Popen(
        [*LOWTIDE, "run", "--", PY, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    run.stdout.readline()
    run.send_signal(signal.SIGTERM)
    _, messages = run.communicate(timeout=30)
    assert run.returncode == 9
    assert "energy" in messages
    assert shown()["status"] == "failed"


def test_ctrl_c_reaches_the_command_once():
    code = (
        "import signal, sys, time\nn = []\nsignal.signal(2, lambda *_: n.append(1))\nprint('up', flush=True)\n"
        "end = time.monotonic() + 1.5\nwhile time.monotonic() < end: time.sleep(0.05)\nprint(len(n))"
    )
    import pty

    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PY, [*LOWTIDE, "run", "--quiet", "--", PY, "-c", code])
    output = b""
    sent = False
    while True:
        try:
            data = os.read(fd, 1024)
        except OSError:
            break
        output += data
        if b"up" in output and not sent:
            sent = True
            os.write(fd, b"\x03")
        if not data:
            break
    os.waitpid(pid, 0)
    os.close(fd)
    assert output.replace(b"^C", b"").split()[-1] == b"1", output


def test_environment_of_the_command_names_the_run_and_counts_are_summed():
    code = (
        "import os, lowtide\nassert os.environ['LOWTIDE_RUN_ID']\n"
        "lowtide.count('token', 1e9)\nlowtide.count('token', 5e8)"
    )
    done = lowtide("run", "--intensity", "400", "--per", "1e9:token", "--", PY, "-c", code)
    assert done.returncode == 0, done.stderr
    score = shown()["sci"]
    assert score["denominator"] == 1.5
    assert score["embodied_g"] is None
    assert score["score_g"] == pytest.approx(shown()["emissions"]["location"]["g"] / 1.5)


def test_nothing_of_lowtide_is_in_the_command_s_process():
    code = "import sys\nassert not any(m.split('.')[0] == 'lowtide' for m in sys.modules)\n"
    code += "assert 'lowtide' not in open('/proc/self/maps').read()"
    assert lowtide("run", "--", PY, "-c", code).returncode == 0


def test_signal_mask_and_handlers_of_the_command_are_the_user_s():
    # Signals 32 and 33 are the C library's own; its posix_spawn leaves them ignored, and they are not the user's.
    code = (
        "for line in open('/proc/self/status'):\n"
        "    if line[:6] in ('SigBlk', 'SigIgn'): print(line[:6], hex(int(line.split()[1], 16) & 0x7fffffff))"
    )
    bare = subprocess.run([PY, "-c", code], capture_output=True, text=True)
    assert lowtide("run", "--quiet", "--", PY, "-c", code).stdout == bare.stdout


def test_summary_file_holds_the_json_of_show(tmp_path):
    path = tmp_path / "summary.json"
    lowtide("run", "--intensity", "400", "--summary", str(path), "--", "true")
    assert json.loads(path.read_text()) == shown()


def test_orphans_of_the_command_are_not_killed_and_do_not_keep_the_run_open(tmp_path):
    marker = tmp_path / "late"
    done = lowtide("run", "--", "sh", "-c", f"(sleep 1; touch {marker}) >/dev/null 2>&1 & exit 0")
    assert done.returncode == 0
    deadline = time.monotonic() + 10
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marker.exists()


def test_verify_recomputes_the_bill_and_notices_a_changed_reading():
    lowtide("run", "--intensity", "400", "--", PY, "-c", "sum(range(3000000))")
    result = lowtide("verify", "last", "--json")
    assert (result.returncode, json.loads(result.stdout)["differences"]) == (0, [])
    folder = os.path.join(os.environ["LOWTIDE_LEDGER"], "runs", shown()["run_id"])
    path = Path(folder, "entries", "0001.json")
    document = json.loads(path.read_text())
    document["energy"]["total_kwh"] *= 1.0000001
    path.write_text(json.dumps(document))
    tampered = lowtide("verify", "last", "--json")
    assert tampered.returncode == 1
    assert "energy.total_kwh" in json.loads(tampered.stdout)["differences"][0]


def test_repriced_run_keeps_its_earlier_bill_superseded():
    lowtide("run", "--intensity", "400", "--", PY, "-c", "sum(range(3000000))")
    before = shown()
    assert lowtide("reprice", "last", "--intensity", "100").returncode == 0
    after = shown()
    assert [entry["superseded_by"] for entry in after["entries"]] == ["0002", None]
    assert after["emissions"]["location"]["g"] == pytest.approx(before["emissions"]["location"]["g"] / 4)
    assert lowtide("verify", "last").returncode == 0


def test_two_runs_at_once_share_the_idle_power():
    both = [subprocess.Popen([*LOWTIDE, "run", "--quiet", "--name", name, "--interval", "100ms", "--", "sleep", "2"])
            for name in ("one", "two")]  # fmt: skip
    for run in both:
        assert run.wait(timeout=60) == 0
    lowtide("run", "--quiet", "--name", "alone", "--", "sleep", "2")
    idle = {
        name: shown(name)["energy"]["idle_kwh"] / shown(name)["duration_s"]
        for name in ("one", "two", "alone")
    }
    assert idle["one"] + idle["two"] <= idle["alone"] * 1.25  # they start and end some tenths apart
    assert idle["one"] <= idle["alone"] * 0.75


def test_alarm_for_a_recorder_and_late_signals_do_not_outlive_the_command():
    code = "import os, signal, time\nfor n in (1, 2, 15): os.kill(os.getppid(), n)\nos._exit(3)"
    done = lowtide("run", "--", PY, "-c", code)
    assert done.returncode in (3, 129, 130, 143)  # what the command made of signals sent back to it
    assert done.stderr.startswith("energy")
