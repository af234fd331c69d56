"""Recording what is already running, and whole machines."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lowtide.errors import InputError
from lowtide.runtime.attaching import check_process
from lowtide.runtime.cutting import Part
from lowtide.runtime.node_recorder import describe_process, node_ledger, scan_processes
from lowtide.stores.ledger import Ledger
from lowtide.stores.use import Seen, UseWriter, cpu_of_part, read_scans

LOWTIDE = [sys.executable, "-m", "lowtide"]
BURN = "import time\nend = time.monotonic() + {s}\nwhile time.monotonic() < end: pass"

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


def burning(seconds):
    return subprocess.Popen([sys.executable, "-c", BURN.format(s=seconds)])


def burning_when_told(cpu_s, then=""):
    """Start a process that burns so many seconds of CPU time once it is sent a line."""
    burn = f"import sys, time\nsys.stdin.readline()\nwhile time.process_time() < {cpu_s}: pass\n"
    return subprocess.Popen(
        [sys.executable, "-c", burn + then], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def tell(job):
    job.stdin.write(b"\n")
    job.stdin.flush()


def attach(job, *options):
    """Return `lowtide attach`, once it records."""
    attached = subprocess.Popen([*LOWTIDE, "attach", str(job.pid), "--interval", "100ms", *options],
                                stderr=subprocess.PIPE, text=True)  # fmt: skip
    while "records process" not in (line := attached.stderr.readline()):
        assert line, "it ended before it recorded"
    return attached


def shown(query="last"):
    done = subprocess.run([*LOWTIDE, "show", query, "--json"], capture_output=True, text=True)
    return json.loads(done.stdout)


def test_attached_process_is_recorded_until_it_ends():
    job = burning_when_told(1.0)
    attached = attach(job, "--zone", "DE")
    job.communicate()  # the end of its input tells it too
    _, said = attached.communicate(timeout=60)
    assert attached.returncode == 0, said
    assert "energy" in said
    document = shown()
    assert document["status"] == "incomplete"  # nobody but its parent sees an exit code
    assert "exit code cannot be seen" in document["note"]
    assert document["telemetry"]["cpu_seconds"] > 0.5


def test_ctrl_c_ends_the_recording_and_not_the_process():
    job = burning(30.0)
    attached = attach(job, "--quiet")
    time.sleep(0.5)
    attached.send_signal(signal.SIGINT)
    attached.communicate(timeout=30)
    assert attached.returncode == 0
    assert job.poll() is None
    job.kill()
    job.wait()
    assert shown()["energy"]["dynamic_kwh"] > 0


def test_killed_attach_leaves_the_recording_to_the_end_of_the_process():
    job = burning_when_told(1.0, then="print('burnt', flush=True)\ntime.sleep(60)")
    attached = attach(job, "--quiet")
    attached.kill()
    attached.communicate()
    tell(job)
    job.stdout.readline()
    time.sleep(0.3)  # one more reading, 0.1 s apart
    job.kill()
    job.communicate()
    time.sleep(1.0)
    document = shown()
    assert document["status"] == "incomplete"
    assert document["telemetry"]["cpu_seconds"] > 0.5


def test_pid_of_nobody_and_our_own_are_refused():
    with pytest.raises(InputError, match="no process 4194305"):
        check_process(4194305)
    with pytest.raises(InputError, match="cannot be attached"):
        check_process(os.getpid())


def test_part_of_a_recorded_machine_becomes_a_run():
    job = burning(60.0)
    done = subprocess.run([*LOWTIDE, "record", "start", "--for", "2.5s", "--scan", "500ms", "--interval", "100ms"],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    cut = [*LOWTIDE, "record", "cut", "--last", "10m", "--zone", "DE"]
    one = subprocess.run([*cut, "--pid", str(job.pid), "--name", "one"], capture_output=True, text=True)
    all_ = subprocess.run([*cut, "--name", "whole"], capture_output=True, text=True)
    none = subprocess.run([*cut, "--job", "99887766"], capture_output=True, text=True)
    job.kill()
    job.wait()
    assert one.returncode == 0, one.stderr
    assert all_.returncode == 0, all_.stderr
    part, whole = shown("one"), shown("whole")
    assert 0.0 < part["energy"]["dynamic_kwh"] <= whole["energy"]["total_kwh"]
    assert part["energy"]["attribution"] == "dynamic"
    assert whole["energy"]["attribution"] == "machine"
    assert subprocess.run([*LOWTIDE, "verify", "one"], capture_output=True).returncode == 0
    assert none.returncode == 1
    assert "job 99887766 was not among the processes" in none.stderr


def test_killed_daemon_loses_nothing_but_its_last_scan():
    daemon = subprocess.Popen([*LOWTIDE, "record", "start", "--scan", "300ms", "--interval", "100ms"],
                              stderr=subprocess.PIPE, text=True)  # fmt: skip
    daemon.stderr.readline()
    time.sleep(2.0)
    daemon.kill()
    daemon.communicate()
    cut = subprocess.run([*LOWTIDE, "record", "cut", "--last", "10m", "--name", "rest"],
                         capture_output=True, text=True)  # fmt: skip
    assert cut.returncode == 0, cut.stderr
    assert shown("rest")["duration_s"] > 1.5
    subprocess.run([*LOWTIDE, "runs"], capture_output=True, check=True)  # seals and closes what is left
    node = node_ledger(Ledger(os.environ["LOWTIDE_LEDGER"]))
    (recording,) = node.ids()
    assert node.end(recording) is not None
    assert len(list(read_scans(node.run_dir(recording)))) >= 3


def test_window_without_a_recording_says_how_to_make_one():
    done = subprocess.run([*LOWTIDE, "record", "cut", "--last", "1m"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "record start" in done.stderr


def test_scans_name_what_changed_and_cpu_time_of_a_part_never_falls(tmp_path):
    writer = UseWriter(
        str(tmp_path / "use-0001.jsonl"), lambda pid: ("/job_7/step_0" if pid > 1 else "/", "7")
    )
    writer.append(100, [Seen(1, 10, 0, 500), Seen(2, 20, 1, 50)])
    writer.append(200, [Seen(1, 10, 0, 500), Seen(2, 20, 1, 80), Seen(3, 30, 2, 5)])
    writer.append(300, [Seen(1, 10, 0, 500), Seen(2, 20, 1, 90)])  # 3 has ended; 2 waited for it
    writer.append(400, [Seen(1, 10, 0, 600)])
    writer.close()
    scans = list(read_scans(str(tmp_path)))
    assert scans[1]["use"] == [[2, 80], [3, 5]]
    t_ns, cpu = cpu_of_part(scans, Part(pid=2).has)
    # 50 at the first look count from there: 0, then 30 + 5, then 40 with the child's 5 in it, and no fall at the end
    assert t_ns.tolist() == [100, 200, 300, 400]
    assert cpu.tolist() == [0, 35, 40, 40]
    # all three: of the 100 that 1 gained at the end, 90 are those of 2, which it has waited for: 40 + 10 of its own
    assert cpu_of_part(scans, Part(job="7").has)[1].tolist()[-1] == 50
    assert cpu_of_part(scans, Part(cgroup="/job_7").has)[1].tolist() == [0, 35, 40, 40]


def test_torn_scan_is_left_out(tmp_path):
    (tmp_path / "use-0001.jsonl").write_text('{"t": 1, "new": [], "gone": [], "use": []}\n{"t": 2, "ne')
    assert [scan["t"] for scan in read_scans(str(tmp_path))] == [1]


def test_this_process_is_scanned_and_described():
    mine = next(seen for seen in scan_processes() if seen.pid == os.getpid())
    assert mine.parent == os.getppid()
    assert isinstance(describe_process(os.getpid())[0], str)
    assert describe_process(4194305) == ("", "")
