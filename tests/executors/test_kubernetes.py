"""Kubernetes Jobs held, paused and resumed, against a server that is as strict and as treacherous as the real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kubernetes_cases import job_manifest

from lowtide.errors import ExecutorError, InputError, MissingExtraError
from lowtide.executors.kubernetes import KubernetesExecutor
from lowtide.executors.kubernetes_api import JOB, WORKLOAD, ApiError, HttpApi, connect
from lowtide.testing import check_executor
from lowtide.testing.fake_kubernetes import FakeKubernetes
from lowtide.testing.fakes import FakeClock


class Case:
    """A cluster on a clock moved by hand, and an executor for its namespace ``default``."""

    def __init__(self, **given: float) -> None:
        self.clock = FakeClock()
        self.cluster = FakeKubernetes(clock=lambda: self.clock.now().wall_ns, **given)
        self.executor = KubernetesExecutor(HttpApi(self.cluster.url, "default"))

    def submit(self, tag: str = "digits-1", *, data: dict[str, str] | None = None, **job: object) -> str:
        self.executor.submit(tag, job_manifest(**job), data=data or {})
        return tag

    def state(self) -> str:
        (job,) = self.executor.jobs()
        return job.state

    def job(self, name: str = "digits") -> dict:
        self.cluster.sync()
        return self.cluster.store.get(("jobs", "default", name))

    def begun(self) -> Case:
        self.submit()
        self.executor.start("digits-1")
        assert self.state() == "running"
        return self


@pytest.fixture
def case() -> Iterator[Case]:
    made = Case()
    yield made
    made.executor.close()
    made.cluster.close()


@pytest.fixture
def slow() -> Iterator[Case]:
    """Pods take ten seconds to begin."""
    made = Case(pod_start_s=10.0)
    yield made
    made.executor.close()
    made.cluster.close()


def condition(job: dict, kind: str) -> tuple[str, str]:
    (found,) = [c for c in job["status"]["conditions"] if c["type"] == kind]
    return found["status"], found["reason"]


def test_executor_keeps_every_promise_of_the_door() -> None:
    with FakeKubernetes(pod_start_s=0.02) as cluster:
        check_executor(
            lambda: KubernetesExecutor(HttpApi(cluster.url, "default")),
            spec=job_manifest("", checkpoint="true", save_s=0.05),
            wait_s=0.02,
            break_next=cluster.break_next,
            n_copies=lambda tag: cluster.jobs.most_at_once("default", tag),
            end=lambda tag: cluster.jobs.finish("default", tag),
        )


def test_job_of_a_queue_keeps_every_promise_too_and_nobody_meddles_with_kueue() -> None:
    with FakeKubernetes() as cluster:
        spec = job_manifest("", checkpoint="true", save_s=0.02)
        spec["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
        check_executor(
            lambda: KubernetesExecutor(HttpApi(cluster.url, "default")),
            spec=spec,
            wait_s=0.02,
            break_next=cluster.break_next,
            n_copies=lambda tag: cluster.jobs.most_at_once("default", tag),
            end=lambda tag: cluster.jobs.finish("default", tag),
        )
        assert cluster.kueue.meddled == []


def test_submitted_job_is_suspended_and_says_what_was_kept_with_it(case: Case) -> None:
    case.submit(data={"deadline": "2026-01-02T00:00:00Z"})
    job = case.job()
    assert job["spec"]["suspend"] is True
    assert condition(job, "Suspended") == ("True", "JobSuspended")
    assert job["metadata"]["annotations"]["lowtide.dev/deadline"] == "2026-01-02T00:00:00Z"
    (seen,) = case.executor.jobs()
    assert (seen.tag, seen.job_id, seen.data) == (
        "digits-1",
        "default/digits",
        {"deadline": "2026-01-02T00:00:00Z"},
    )
    assert case.cluster.store.of("pods") == []


def test_pause_clears_the_start_time_and_the_active_deadline_begins_anew(case: Case) -> None:
    case.submit(activeDeadlineSeconds=100, checkpoint="true")
    case.executor.start("digits-1")
    case.clock.advance(90.0)
    case.executor.pause("digits-1")
    assert "startTime" not in case.job()["status"]
    case.clock.advance(50.0)
    case.executor.resume("digits-1")
    case.clock.advance(90.0)  # 180 s of running in all, but 90 s of this go
    assert case.state() == "running"
    case.clock.advance(11.0)
    assert case.state() == "failed"
    assert case.executor.jobs()[0].why == "Job was active longer than specified deadline"


def test_job_goes_on_only_when_its_pods_have_ended(case: Case) -> None:
    case.submit(checkpoint="true", save_s=20.0)
    case.executor.start("digits-1")
    case.executor.pause("digits-1")
    assert (case.state(), case.executor.jobs()[0].why) == ("running", "its pods are ending")
    with pytest.raises(ExecutorError, match="digits-1 cannot go on yet: its pods are still ending"):
        case.executor.resume("digits-1")
    case.clock.advance(20.0)
    assert case.state() == "paused"
    case.executor.resume("digits-1")
    assert case.state() == "running"
    assert case.cluster.jobs.most_at_once("default", "digits") == 1


def test_pods_would_overlap_without_the_replacement_policy_that_a_submission_sets(case: Case) -> None:
    api = HttpApi(case.cluster.url, "default")
    api.create(JOB, job_manifest(save_s=20.0))
    api.patch(JOB, "digits", {"spec": {"suspend": True}})
    api.patch(JOB, "digits", {"spec": {"suspend": False}})
    api.close()
    case.clock.advance(1.0)
    assert case.cluster.jobs.most_at_once("default", "digits") == 2  # as real clusters do by default
    case.submit("other-1", name="other")
    assert case.job("other")["spec"]["podReplacementPolicy"] == "Failed"


def test_pods_after_a_pause_find_lowtide_resume_and_those_before_do_not(case: Case) -> None:
    case.begun().executor.pause("digits-1")
    case.executor.resume("digits-1")
    assert case.state() == "running"
    assert case.cluster.jobs.environments["default/digits"] == [{}, {"LOWTIDE_RESUME": "1"}]
    hint = case.cluster.store.get(("configmaps", "default", "digits-1-resume"))
    owner = hint["metadata"]["ownerReferences"]
    assert owner[0]["name"] == "digits"  # collected with its Job


def test_change_of_somebody_else_is_neither_lost_nor_a_reason_to_fail(case: Case) -> None:
    case.submit()
    for _ in range(3):
        case.cluster.break_next("conflict")
    case.executor.start("digits-1")
    assert case.state() == "running"
    assert [one for one in case.cluster.asked if one[0] == "PATCH"] == [
        ("PATCH", "/apis/batch/v1/namespaces/default/jobs/digits")
    ] * 4
    for _ in range(8):
        case.cluster.break_next("conflict")
    with pytest.raises(
        ExecutorError, match="digits-1 was changed by others 8 times in a row; it is left as it is"
    ):
        case.executor.pause("digits-1")


def test_unready_pods_are_a_queue_and_not_work(slow: Case) -> None:
    slow.submit()
    slow.executor.start("digits-1")
    assert slow.state() == "queued"
    slow.clock.advance(10.0)
    assert slow.state() == "running"


def test_queue_of_kueue_is_handed_the_job_at_its_start_and_evicts_it_for_a_pause(case: Case) -> None:
    spec = job_manifest()
    spec["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus", "team": "a"}
    case.executor.submit("digits-1", spec, data={})
    assert case.cluster.store.of("workloads") == []  # Kueue does not know of it yet, so it cannot admit it
    case.cluster.kueue.has_room = False
    case.executor.start("digits-1")
    assert case.state() == "queued"
    case.cluster.kueue.has_room = True
    assert case.state() == "running"
    case.executor.pause("digits-1")
    load, *_ = case.cluster.store.of("workloads")
    assert load["spec"]["active"] is False
    assert case.state() == "paused"
    case.executor.resume("digits-1")
    assert case.state() == "running"
    assert case.cluster.kueue.meddled == []
    patched = [path.rsplit("/", 2)[1] for method, path in case.cluster.asked if method == "PATCH"]
    assert patched == ["jobs", "jobs", "workloads", "workloads", "jobs"]


def test_fake_tells_who_meddles_with_a_job_that_kueue_owns(case: Case) -> None:
    api = HttpApi(case.cluster.url, "default")
    spec = job_manifest()
    spec["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
    api.create(JOB, spec)
    api.patch(JOB, "digits", {"spec": {"suspend": True}})
    assert case.cluster.kueue.meddled == ["digits"]
    assert len(api.listed(WORKLOAD, "kueue.x-k8s.io/job-uid")[0]) == 1
    api.close()


def test_failed_job_is_failed_with_the_servers_reason(case: Case) -> None:
    case.submit(work_s=5, exit=1, backoffLimit=0)
    case.executor.start("digits-1")
    case.clock.advance(6.0)
    (job,) = case.executor.jobs()
    assert (job.state, job.why) == ("failed", "Job has reached the specified backoff limit")


def test_finished_job_tells_when_it_ended(case: Case) -> None:
    case.submit(work_s=5)
    case.executor.start("digits-1")
    case.clock.advance(60.0)
    (job,) = case.executor.jobs()
    assert job.state == "finished"
    assert job.ended_ns == case.clock.now().wall_ns - 55 * 10**9  # after 5 s of work, seen 55 s later


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Pod"}, r"a manifest of batch/v1 Job is needed, got 'Pod' of 'batch/v1'"),
        ({"metadata": {"namespace": "other"}}, r"the Job is of namespace 'other'; give --namespace other"),
        ({"spec": {"template": {}}}, r"the Job has no spec.template.spec.containers"),
        ({"metadata": []}, r"metadata of the Job must be an object, got \[\]"),
    ],
)
def test_what_is_no_job_is_refused_before_anything_is_sent(case: Case, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        case.executor.submit("digits-1", {**job_manifest(), **change}, data={})
    assert case.cluster.store.of("jobs") == []


def test_name_that_is_taken_by_another_job_is_refused(case: Case) -> None:
    case.submit("digits-1")
    with pytest.raises(
        ExecutorError, match="a Job default/digits is there already; delete it, or choose another"
    ):
        case.submit("digits-2")


def test_keys_that_are_ours_cannot_be_data(case: Case) -> None:
    with pytest.raises(InputError, match="'asked' cannot be kept with a Job"):
        case.submit(data={"asked": "run"})


def test_invalid_job_is_refused_in_the_servers_words(case: Case) -> None:
    spec = job_manifest()
    del spec["spec"]["template"]["spec"]["restartPolicy"]
    with pytest.raises(
        ExecutorError, match=r"the Job digits was not created: .*restartPolicy: Required value"
    ):
        case.executor.submit("digits-1", spec, data={})


def test_server_without_leave_says_what_is_needed() -> None:
    with FakeKubernetes(token="secret") as cluster:
        executor = KubernetesExecutor(HttpApi(cluster.url, "default"))
        with pytest.raises(
            ExecutorError, match="Unauthorized; is the agent allowed to list, watch, create and patch"
        ):
            executor.jobs()
        executor.close()
        executor = KubernetesExecutor(HttpApi(cluster.url, "default", token=lambda: "secret"))
        assert executor.jobs() == []
        executor.close()


def test_server_that_is_away_is_an_error_of_the_executor() -> None:
    with FakeKubernetes() as cluster:
        executor = KubernetesExecutor(HttpApi(cluster.url, "default"))
    with pytest.raises(
        ExecutorError, match=r"Jobs of default cannot be read or changed: no answer from http://127"
    ):
        executor.jobs()
    executor.close()


def test_change_wakes_whoever_waits() -> None:
    with FakeKubernetes() as cluster:
        executor = KubernetesExecutor(HttpApi(cluster.url, "default"))
        executor.submit("digits-1", job_manifest(), data={})
        executor.jobs()
        assert _wakes(executor, lambda: executor.start("digits-1"))
        while executor.wait(0.2):
            pass  # until the controller has said all it has to say
        assert _wakes(executor, lambda: executor.pause("digits-1"))
        executor.close()


def test_watch_that_has_fallen_behind_begins_anew_with_a_look() -> None:
    with FakeKubernetes() as cluster:
        executor = KubernetesExecutor(HttpApi(cluster.url, "default"))
        executor.jobs()
        executor.submit("digits-1", job_manifest(), data={})
        cluster.store.compact()
        assert _wakes(
            executor, lambda: None
        )  # its version is gone, 410: what happened meanwhile is to be looked at
        while executor.wait(0.2):
            pass
        assert _wakes(executor, lambda: executor.start("digits-1"))
        watches = [path for _, path in cluster.asked if "watch=true" in path]
        assert len(watches) == 2
        executor.close()


def _wakes(executor: KubernetesExecutor, act) -> bool:
    executor.wait(0.0)
    act()
    return any(executor.wait(0.2) for _ in range(25))


def test_watch_from_a_version_that_is_forgotten_is_410() -> None:
    with FakeKubernetes() as cluster:
        api = HttpApi(cluster.url, "default")
        api.create(JOB, job_manifest())
        cluster.store.compact()
        with pytest.raises(ApiError, match="too old resource version: 1 ") as raised:
            list(api.watch(JOB, "", "1"))
        assert raised.value.status == 410
        api.close()


def test_address_of_a_pods_own_cluster_is_taken_from_its_surroundings(tmp_path: Path) -> None:
    import ssl

    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "namespace").write_text("training")
    with open(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt") as file:
        (tmp_path / "ca.crt").write_text(file.read())
    env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    api = connect(env=env, account_dir=str(tmp_path))
    assert isinstance(api, HttpApi)
    assert api.namespace == "training"
    assert str(api._client.base_url) == "https://10.0.0.1:6443"
    assert api._headers() == {"Authorization": "Bearer secret"}
    api.close()


def test_kubeconfig_without_lightkube_names_the_extra() -> None:
    try:
        import lightkube  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'lowtide\[kubernetes\]'"):
            connect(env={"KUBECONFIG": "/somewhere"})
    else:
        pytest.skip("lightkube is installed here")


# The fake itself


def ask(
    cluster: FakeKubernetes, method: str, path: str, body: object = None, media: str = ""
) -> httpx.Response:
    headers = {"Content-Type": media or "application/json"}
    url = f"{cluster.url}/apis/batch/v1/namespaces/default/jobs{path}"
    return httpx.request(
        method, url, json=body, headers=headers, verify=False
    )  # http:// has nothing to verify


def test_fake_keeps_templates_of_jobs_that_have_started_as_they_are() -> None:
    with FakeKubernetes() as cluster:
        ask(cluster, "POST", "", job_manifest(suspend=True))
        env = {"containers": [{"name": "train", "image": "train:1", "env": [{"name": "A", "value": "1"}]}]}
        place = {"spec": {"template": {"spec": {"nodeSelector": {"zone": "green"}}}}}
        merge = "application/merge-patch+json"
        changed = ask(cluster, "PATCH", "/digits", {"spec": {"template": {"spec": env}}}, merge)
        assert (changed.status_code, changed.json()["reason"]) == (422, "Invalid")  # never the environment
        assert (
            ask(cluster, "PATCH", "/digits", place, merge).status_code == 200
        )  # placement, while it is held
        ask(cluster, "PATCH", "/digits", {"spec": {"suspend": False}}, merge)
        place["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "other"}
        assert ask(cluster, "PATCH", "/digits", place, merge).status_code == 422  # and not once it runs


def test_fake_refuses_old_versions_unknown_patches_and_wrong_types() -> None:
    with FakeKubernetes() as cluster:
        made = ask(cluster, "POST", "", job_manifest()).json()
        assert ask(cluster, "POST", "", job_manifest()).json()["reason"] == "AlreadyExists"
        stale = {"metadata": {"resourceVersion": "1"}, "spec": {"suspend": True}}
        assert ask(cluster, "PATCH", "/digits", stale, "application/merge-patch+json").status_code == 409
        assert ask(cluster, "PATCH", "/digits", {}, "application/json").status_code == 415
        number = {"metadata": {"annotations": {"a": 1}}}
        assert ask(cluster, "PATCH", "/digits", number, "application/merge-patch+json").status_code == 400
        step = [{"op": "replace", "path": "/spec/suspend", "value": True}]
        done = ask(cluster, "PATCH", "/digits", step, "application/json-patch+json").json()
        assert done["spec"]["suspend"] is True
        assert int(done["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        made["spec"]["suspend"] = False
        assert ask(cluster, "PUT", "/digits", made).status_code == 409
        assert ask(cluster, "GET", "/nobody").json()["code"] == 404
        assert ask(cluster, "DELETE", "/digits").status_code == 200
        assert ask(cluster, "GET", "").json()["items"] == []


def test_fake_sends_bookmarks_so_that_a_quiet_watch_stays_young() -> None:
    with FakeKubernetes() as cluster:
        made = ask(cluster, "POST", "", job_manifest("one")).json()
        api = HttpApi(cluster.url, "default")
        seen, began = [], time.monotonic()
        for version in api.watch(JOB, "nobody-has-this-label", made["metadata"]["resourceVersion"]):
            seen.append(version)
            if version.startswith("-") or time.monotonic() - began > 5.0:
                break
        assert seen == [f"-{cluster.store.version}"]
        api.close()
