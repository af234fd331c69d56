"""The recorder: small, on time, restarted, and never in the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowtide.runtime.recorder import Recorder
from lowtide.testing.fakes import FakeClock

LOWTIDE = [sys.executable, "-m", "lowtide"]


class Quiet:
    """A sampler, journal and sealer that only count."""

    def __init__(self):
        self.rows, self.events = [], []

    def read(self):
        return b"", []

    def append(self, moment, data):
        self.rows.append(moment)

    def event(self, t_ns, kind, channel="", detail=""):
        self.events.append((kind, detail))

    def flush(self):
        return True

    def poll(self, now_ns):
        pass

    def finish(self):
        pass

    def close(self):
        pass


def recorder_of(clock):
    quiet = Quiet()
    return Recorder(sampler=quiet, journal=quiet, sealer=quiet, clock=clock, interval_ns=1_000_000_000), quiet


def test_readings_keep_to_a_fixed_schedule_and_missed_ones_are_counted():
    clock = FakeClock()
    recorder, quiet = recorder_of(clock)
    recorder.tick()  # at 0 s, next due at 1 s
    clock.advance(1.2)
    recorder.tick()  # 0.2 s late, next due at 2 s
    clock.advance(3.0)
    recorder.tick()  # at 4.2 s: 2, 3 and 4 s are over, one reading taken for them, next due at 5 s
    assert recorder.overruns == 2
    clock.advance(0.8)
    recorder.tick()
    assert recorder.overruns == 2
    recorder.finish()
    assert quiet.events[-1] == ("overrun", "2 readings came too late to be taken")


def test_numpy_is_absent_from_all_the_recorder_loads():
    code = (
        "import sys\nimport lowtide.runtime.recorder, lowtide.runtime.sensing, lowtide.power.sensors.presence\n"
        "import lowtide.power.sensors.rapl, lowtide.power.sensors.nvml, lowtide.plugins, lowtide.stores.merging\n"
        "heavy = {'numpy', 'click', 'hashlib', 'asyncio', 'psutil', 'httpx'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"


def recorders_of(supervisor):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if int(stat[1]) == supervisor and b"lowtide.runtime.recorder" in command:
                found.append(int(name))
    return found


def wait_for_recorder(supervisor, *, other_than=()):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [pid for pid in recorders_of(supervisor) if pid not in other_than]
        if found:
            return found[0]
        time.sleep(0.005)
    raise AssertionError("no recorder")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_killed_recorder_is_back_within_a_second_and_counters_bridge_the_gap():
    job = "import time\nend = time.process_time() + 2.0\nwhile time.process_time() < end: pass"
    run = subprocess.Popen(
        [*LOWTIDE, "run", "--quiet", "--interval", "200ms", "--", sys.executable, "-c", job]
    )
    first = wait_for_recorder(run.pid)
    time.sleep(0.8)
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    wait_for_recorder(run.pid, other_than=(first,))
    assert time.monotonic() - killed < 1.0
    assert run.wait(timeout=60) == 0
    shown = json.loads(
        subprocess.run([*LOWTIDE, "show", "last", "--json"], capture_output=True, text=True).stdout
    )
    model, n_cpus = shown["models"]["cpu"], shown["machine"]["n_logical_cpus"]
    joules = (model["full_w"] - model["idle_w"]) / n_cpus * shown["telemetry"]["cpu_seconds"]
    assert shown["energy"]["dynamic_kwh"] * 3.6e6 == pytest.approx(joules, rel=0.03)
    assert shown["energy"]["known_time_fraction"] == pytest.approx(1.0, abs=0.02)


def test_recorder_that_cannot_start_does_not_stop_the_command(tmp_path):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    code = (
        "import sys\nfrom lowtide.runtime import spawn\n"
        "spawn.READY_WITHIN_S = 0.2\n"
        "import lowtide.runtime.supervise as s\ns.READY_WITHIN_S = 0.2\ns.SEALED_WITHIN_S = 0.2\n"
        f"sys.executable = {str(fake)!r}\n"
        "sys.argv = ['lowtide', 'run', '--', 'sh', '-c', 'echo ran; exit 6']\n"
        "from lowtide.cli.main import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 6
    assert done.stdout == "ran\n"
    assert "recorder is not ready" in done.stderr
    assert "Traceback" not in done.stderr


def test_recorder_that_dies_at_once_again_and_again_is_no_storm(tmp_path):
    count = tmp_path / "count"
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\necho x >> {count}\nexit 3\n")
    fake.chmod(0o755)
    code = (
        f"import sys\nsys.executable = {str(fake)!r}\n"
        "sys.argv = ['lowtide', 'run', '--quiet', '--', 'sleep', '2.5']\n"
        "from lowtide.cli.main import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert 5 <= len(count.read_text().split()) <= 10
