"""The door on a real local Ray, its token authentication on.

``LOWTIDE_TEST_RAY`` names a folder with the commands of an installation of ``ray[default]`` (its ``bin``).
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from lowtide.doors import TaggedJob
from lowtide.executors.ray_api import RayApi
from lowtide.executors.ray_jobs import RayExecutor
from lowtide.testing import check_executor

RAY = os.environ.get("LOWTIDE_TEST_RAY", "")
TOKEN = "a-token-of-at-least-thirty-two-characters"
PROGRAM = """\
import os, pathlib, signal, sys, time
mark = pathlib.Path(sys.argv[1]) / os.environ["RAY_JOB_TAG"]
def leave(*_):
    with open(f"{mark}.log", "a") as log: log.write(f"end {time.time()} {os.environ.get('LOWTIDE_RESUME', '')}\\n")
    sys.exit(75)
signal.signal(signal.SIGTERM, leave)
with open(f"{mark}.log", "a") as log: log.write(f"begin {time.time()} {os.environ.get('LOWTIDE_RESUME', '')}\\n")
while not os.path.exists(f"{mark}.end"): time.sleep(0.05)
with open(f"{mark}.log", "a") as log: log.write(f"end {time.time()} {os.environ.get('LOWTIDE_RESUME', '')}\\n")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RAY, reason="LOWTIDE_TEST_RAY names no folder with Ray's commands"),
]


@pytest.fixture(scope="module")
def ray_url() -> Iterator[str]:
    """Start a head for these tests and stop it."""
    ports = [_free_port() for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        env = {
            **os.environ, "HOME": folder, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0", "PATH": f"{RAY}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        head = subprocess.Popen(
            [f"{RAY}/ray", "start", "--head", "--block", f"--port={ports[0]}", f"--dashboard-port={ports[1]}",
             "--num-cpus=2", f"--temp-dir={folder}/ray", "--object-store-memory=100000000",
             "--dashboard-agent-listen-port=0"],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{ports[1]}"
            _await_dashboard(url)
            yield url
        finally:
            head.terminate()
            head.wait(60)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await_dashboard(url: str) -> None:
    until = time.monotonic() + 120.0
    while time.monotonic() < until:
        try:
            answer = httpx.get(f"{url}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5.0)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    pytest.fail(f"Ray's dashboard at {url} does not answer")


class Tagged(RayExecutor):
    """Tells the program its tag, so that it can say when it ran."""

    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        return super().submit(tag, {**spec, "runtime_env": {"env_vars": {"RAY_JOB_TAG": tag}}}, data=data)


def test_executor_keeps_every_promise_of_the_door_on_a_real_ray(ray_url: str, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    spec = {"entrypoint": f"{RAY}/python {program} {marks}", "entrypoint_num_cpus": 0.1}

    def opened() -> RayExecutor:
        return Tagged(RayApi(ray_url, token=TOKEN), folder=str(tmp_path / "jobs"))

    check_executor(
        opened,
        spec=spec,
        wait_s=0.25,
        n_copies=lambda tag: _most_at_once(marks / f"{tag}.log"),
        end=lambda tag: (marks / f"{tag}.end").touch(),
    )
    executor, log = opened(), marks / "digits-1.log"
    executor.submit("digits-1", spec, data={})
    executor.start("digits-1")
    _wait_until(lambda: log.exists() and "begin" in log.read_text())  # RUNNING is a little earlier than that
    executor.pause("digits-1")
    _wait_until(lambda: _state(executor) == "paused")
    executor.resume("digits-1")
    _wait_until(lambda: log.read_text().count("begin") == 2)
    (marks / "digits-1.end").touch()
    _wait_until(lambda: _state(executor) == "finished")
    executor.close()
    # begun; saved and left, with 75; begun again and told so; come to its own end
    words = [word for word in log.read_text().split() if word in ("begin", "end", "1")]
    assert words == ["begin", "end", "begin", "1", "end", "1"]


def _state(executor: RayExecutor) -> str:
    return next(job.state for job in executor.jobs() if job.tag == "digits-1")


def _wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < until, "Ray took more than a minute"
        time.sleep(0.1)


def _most_at_once(path: Path) -> int:
    most = n = 0
    for line in path.read_text().splitlines():
        n += 1 if line.startswith("begin") else -1
        most = max(most, n)
    return most
