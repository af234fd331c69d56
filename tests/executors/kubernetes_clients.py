"""Cases for the real client libraries, run by a Python that has them: ``python kubernetes_clients.py CASE URL``.

Prints ``RESULT`` and a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

from kubernetes_cases import job_manifest

from lowtide.executors.kubernetes import KubernetesExecutor
from lowtide.executors.kubernetes_api import JOB, ApiError, LightkubeApi, connect
from lowtide.testing import check_executor
from lowtide.testing.fake_kubernetes import FakeKubernetes


def door() -> dict[str, Any]:
    """Hold our executor to its door through lightkube."""
    with FakeKubernetes(pod_start_s=0.02, token="secret") as cluster:
        configure(cluster)

        def opened() -> KubernetesExecutor:
            api = connect()
            assert isinstance(api, LightkubeApi)
            return KubernetesExecutor(api)

        check_executor(
            opened,
            spec=job_manifest("", checkpoint="true", save_s=0.05),
            wait_s=0.02,
            break_next=cluster.break_next,
            n_copies=lambda tag: cluster.jobs.most_at_once("default", tag),
            end=lambda tag: cluster.jobs.finish("default", tag),
        )
        queued = job_manifest("", checkpoint="true", save_s=0.05)
        queued["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
        check_executor(opened, spec=queued, wait_s=0.02, break_next=cluster.break_next)
        return {
            "agents": sorted({agent for agent in cluster.agents if agent}),
            "meddled": cluster.kueue.meddled,
        }


def watch() -> dict[str, Any]:
    """Watch through lightkube: a change wakes whoever waits; a version that is gone is 410."""
    with FakeKubernetes() as cluster:
        configure(cluster)
        executor = KubernetesExecutor(connect())
        executor.jobs()
        executor.submit("digits-1", job_manifest(), data={})
        woken = any(executor.wait(0.2) for _ in range(25))
        cluster.store.compact()
        try:
            next(connect().watch(JOB, "lowtide.dev/tag", "1"))
            status = 200
        except ApiError as error:
            status = error.status
        return {"woken": woken, "status": status}


def missing() -> dict[str, Any]:
    """Return what is said where there is no configuration."""
    os.environ["KUBECONFIG"] = "/nowhere/config"
    try:
        connect()
    except Exception as error:
        return {"kind": type(error).__name__, "said": str(error)}
    return {}


def official() -> dict[str, Any]:
    """Use the fake as the ``kubernetes`` package does: typed models, conflicts, watch, three kinds of patch."""
    import kubernetes
    from kubernetes.client.rest import ApiException

    with FakeKubernetes() as cluster:
        configure(cluster)
        kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])
        batch = kubernetes.client.BatchV1Api()
        made = batch.create_namespaced_job("default", job_manifest(suspend=True))
        seen = batch.read_namespaced_job("digits", "default")  # the controller comes after the answer
        found = {"suspend": made.spec.suspend, "condition": seen.status.conditions[0].reason}
        batch.patch_namespaced_job("digits", "default", {"spec": {"suspend": False}})  # strategic, by default
        running = batch.read_namespaced_job_status("digits", "default")
        found |= {"active": running.status.active, "ready": running.status.ready}
        found["started"] = running.status.start_time is not None
        batch.patch_namespaced_job(
            "digits", "default", [{"op": "replace", "path": "/spec/suspend", "value": True}]
        )
        held = batch.read_namespaced_job("digits", "default")
        found |= {"start_time": held.status.start_time, "reason": held.status.conditions[-1].reason}
        try:
            batch.replace_namespaced_job("digits", "default", made)
        except ApiException as error:
            found["conflict"] = (error.status, json.loads(error.body)["reason"])
        try:
            kubernetes.watch.Watch().stream(
                batch.list_namespaced_job, "default", resource_version="1"
            ).__next__()
        except ApiException as error:
            found["gone"] = error.status
        events = kubernetes.watch.Watch().stream(
            batch.list_namespaced_job, "default", timeout_seconds=1, resource_version="1000"
        )
        found["events"] = [event["type"] for event in events][:2]
        pods = kubernetes.client.CoreV1Api().list_namespaced_pod("default", label_selector="job-name=digits")
        found["ending"] = [pod.metadata.deletion_timestamp is not None for pod in pods.items]
        batch.delete_namespaced_job("digits", "default")
        found["left"] = len(batch.list_namespaced_job("default").items)
        return found


def typed() -> dict[str, Any]:
    """Use the fake as lightkube does with its typed models."""
    import lightkube
    from lightkube.core.exceptions import ApiError as TheirError
    from lightkube.models.batch_v1 import JobSpec
    from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.batch_v1 import Job

    with FakeKubernetes() as cluster:
        configure(cluster)
        client = lightkube.Client()
        pods = PodSpec(restartPolicy="Never", containers=[Container(name="train", image="train:1")])
        job = Job(
            metadata=ObjectMeta(name="digits"),
            spec=JobSpec(suspend=True, template=PodTemplateSpec(spec=pods)),
        )
        client.create(job)
        client.patch(Job, "digits", {"spec": {"suspend": False}})
        found = {"active": client.get(Job, "digits").status.active}
        try:
            client.create(job)
        except TheirError as error:
            found["again"] = (error.status.code, error.status.reason)
        client.delete(Job, "digits")
        found["left"] = len(list(client.list(Job)))
        return found


def configure(cluster: FakeKubernetes) -> None:
    """Let clients find a cluster where they look for one."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        file.write(cluster.kubeconfig())
    os.environ["KUBECONFIG"] = file.name
    os.environ.pop("KUBERNETES_SERVICE_HOST", None)


if __name__ == "__main__":
    print("RESULT", json.dumps(globals()[sys.argv[1]]()))
