"""The fake API server judged by the real clients, and our executor through lightkube.

``LOWTIDE_TEST_KUBERNETES`` names a Python that has ``lightkube`` and ``kubernetes``; kubectl is found on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kubernetes_cases import job_manifest

from lowtide.testing.fake_kubernetes import FakeKubernetes

PYTHON = os.environ.get("LOWTIDE_TEST_KUBERNETES", "")
HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
needs_clients = pytest.mark.skipif(
    not PYTHON, reason="LOWTIDE_TEST_KUBERNETES names no Python with lightkube and kubernetes"
)
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")


def result_of(case: str) -> dict[str, Any]:
    """Run a case in the other Python."""
    env = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{HERE}"}
    done = subprocess.run(
        [PYTHON, str(HERE / "kubernetes_clients.py"), case], capture_output=True, text=True, check=False, env=env,
        timeout=120,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


@needs_clients
def test_executor_keeps_every_promise_through_lightkube() -> None:
    found = result_of("door")
    assert found["meddled"] == []
    assert any("lightkube" in agent or "httpx" in agent for agent in found["agents"]), found["agents"]


@needs_clients
def test_watch_through_lightkube_wakes_and_expires() -> None:
    assert result_of("watch") == {"woken": True, "status": 410}


@needs_clients
def test_missing_configuration_says_what_to_give() -> None:
    found = result_of("missing")
    assert found["kind"] == "ExecutorError"
    assert "set KUBECONFIG, or give --url http://127.0.0.1:8001 with `kubectl proxy`" in found["said"]


@needs_clients
def test_kubernetes_package_finds_what_it_would_find_in_a_cluster() -> None:
    assert result_of("official") == {
        "suspend": True, "condition": "JobSuspended", "active": 1, "ready": 1, "started": True, "start_time": None,
        "reason": "JobSuspended", "conflict": [409, "Conflict"], "gone": 410, "events": ["ADDED", "MODIFIED"],
        "ending": [], "left": 0,
    }  # fmt: skip


@needs_clients
def test_lightkube_with_its_typed_models_finds_it_too() -> None:
    assert result_of("typed") == {"active": 1, "again": [409, "AlreadyExists"], "left": 0}


@needs_kubectl
def test_kubectl_creates_waits_patches_and_reads(tmp_path: Path) -> None:
    with FakeKubernetes() as cluster:
        config = tmp_path / "config"
        config.write_text(cluster.kubeconfig())
        job = tmp_path / "job.json"
        job.write_text(json.dumps(job_manifest(suspend=True)))

        def kubectl(*words: str) -> str:
            done = subprocess.run(
                ["kubectl", f"--kubeconfig={config}", *words], capture_output=True, text=True, check=False,
                timeout=60, env={**os.environ, "HOME": str(tmp_path)},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert "job.batch/digits created" in kubectl("create", "--validate=false", "-f", str(job))
        kubectl("wait", "--for=condition=Suspended", "--timeout=20s", "job/digits")
        kubectl("patch", "job/digits", "--type=strategic", "-p", '{"spec":{"suspend":false}}')
        assert kubectl("get", "job", "digits", "-o", "jsonpath={.status.active}") == "1"
        kubectl("patch", "job/digits", "--type=merge", "-p", '{"spec":{"suspend":true}}')
        assert kubectl("get", "job", "digits", "-o", "jsonpath={.status.startTime}") == ""
        kubectl("annotate", "job", "digits", "lowtide.dev/note=seen")
        assert kubectl("get", "jobs", "-l", "lowtide.dev/tag", "-o", "name") == ""
