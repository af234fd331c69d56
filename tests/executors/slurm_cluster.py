"""A Slurm of one node for tests, from Debian's packages, without accounting and without systemd."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CONF = """\
ClusterName=lowtide
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={port}
SlurmdPort={next_port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
JobRequeue=1
KillWait=3
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={n_cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
"""


def _wait_until(true: Callable[[], bool], what: str, *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"{what} took more than {timeout_s:g} s"
        time.sleep(0.05)


def _quiet(command: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def _start_munge() -> None:
    if _quiet(["munge", "-n"]).returncode == 0:
        return
    user = pwd.getpwnam("munge")
    os.makedirs("/run/munge", exist_ok=True)
    os.chown("/run/munge", user.pw_uid, user.pw_gid)
    os.chmod("/run/munge", 0o755)
    _quiet(["runuser", "-u", "munge", "--", "/usr/sbin/munged"])
    _wait_until(lambda: _quiet(["munge", "-n"]).returncode == 0, "munged")


def _free_port() -> int:
    """Return a port that is free together with the next one."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports in a row")


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster and yield the environment of its users; skip the test where that cannot be."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd and slurmctld are started as root")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host, port = socket.gethostname().partition(".")[0], _free_port()
    text = CONF.format(host=host, folder=folder, port=port, next_port=port + 1, n_cpus=os.cpu_count() or 1)
    (folder / "slurm.conf").write_text(text)
    env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    _start_munge()
    try:
        for daemon in ("slurmctld", "slurmd"):
            started = _quiet([daemon], env)
            assert started.returncode == 0, started.stderr
        _wait_until(lambda: "idle" in _quiet(["sinfo", "-h", "-o", "%T"], env).stdout, "an idle node")
        yield env
    finally:
        if _runs(folder / "slurmctld.pid"):
            # scancel tries for a minute and a half to signal a job that does not run
            _quiet(["scancel", "--state=PENDING", "--user=root"], env)
            if _quiet(["squeue", "--noheader", "--states=RUNNING,STOPPED"], env).stdout:
                _quiet(["scancel", "--signal=CONT", "--full", "--user=root"], env)
            _quiet(["scancel", "--user=root"], env)
        for name in ("slurmd.pid", "slurmctld.pid"):
            _end(folder / name)


def mend(folder: Path, env: dict[str, str]) -> None:
    """Start the daemons that a test has killed, and take back its node if it was drained."""
    for daemon in ("slurmctld", "slurmd"):
        if not _runs(folder / f"{daemon}.pid"):
            _quiet([daemon], env)
    _wait_until(lambda: "UP" in _quiet(["scontrol", "ping"], env).stdout, "slurmctld")
    state = _quiet(["sinfo", "-h", "-o", "%T"], env).stdout
    if "drain" in state or "down" in state:
        host = socket.gethostname().partition(".")[0]
        _quiet(["scontrol", "update", f"nodename={host}", "state=resume"], env)


def _runs(pid_file: Path) -> bool:
    try:
        return Path(f"/proc/{int(pid_file.read_text())}").exists()
    except (OSError, ValueError):
        return False


def _end(pid_file: Path) -> None:
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 15)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
