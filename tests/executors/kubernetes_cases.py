"""What the tests of Kubernetes share: a Job, and running a case in a Python that has the real clients."""

from __future__ import annotations

from typing import Any


def job_manifest(name: str = "digits", **spec: Any) -> dict[str, Any]:
    """Return a Job; marks for its pods are given as ``work_s=``, ``save_s=`` and so on."""
    marks = {key: spec.pop(key) for key in ("work_s", "save_s", "exit", "checkpoint") if key in spec}
    annotations = {f"fake.lowtide.dev/{key.replace('_', '-')}": str(value) for key, value in marks.items()}
    pods = {"restartPolicy": "Never", "containers": [{"name": "train", "image": "train:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name} if name else {},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": pods}, **spec},
    }
