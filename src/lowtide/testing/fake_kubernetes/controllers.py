"""What the controllers of a cluster do to Jobs: pods made and ended, conditions, and Kueue's word on suspension."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from lowtide.testing.fake_kubernetes.objects import Store, instant
from lowtide.units import ns_from_s

__all__ = ["QUEUE_LABEL", "JobController", "Kueue"]

QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
_MARK: Final = "fake.lowtide.dev/"
Json = dict[str, Any]


class JobController:
    """Makes and ends the pods of Jobs as its clock goes.

    What a pod's program does is in the annotations of its template: ``fake.lowtide.dev/work-s`` (its work; without it
    it never ends), ``.../exit`` (its status at the end, 0), ``.../checkpoint: "true"`` (it goes on from what it
    saved when it was told to end, which takes ``.../save-s``).

    Parameters
    ----------
    store : Store
    clock : callable
        Returns the time [ns].
    pod_start_s : float
        From a pod's making to its running [s].
    """

    def __init__(self, store: Store, clock: Callable[[], int], *, pod_start_s: float = 0.0) -> None:
        self._store, self._clock, self._pod_start_ns = store, clock, ns_from_s(pod_start_s)
        self.runs: dict[str, list[tuple[int, int | None]]] = {}
        """When each pod ran [ns], by ``NAMESPACE/JOB``; those that end still run."""
        self.environments: dict[str, list[dict[str, str]]] = {}
        """What the first container of each pod found in its environment, by ``NAMESPACE/JOB``."""
        self._saved_ns: dict[str, int] = {}
        self._pods: dict[str, tuple[int, int | None]] = {}
        """Of each pod by uid: when it runs from, and when it is killed [ns]."""
        self._failures: dict[str, int] = {}
        self._n_pods = 0

    def sync(self) -> None:
        """Bring everything to where it is now."""
        with self._store.changed:
            for pod in self._store.of("pods"):
                self._advance(pod)
            for job in self._store.of("jobs"):
                self._sync(deepcopy(job))

    def finish(self, namespace: str, name: str) -> None:
        """Let the running pods of a job come to a good end now."""
        with self._store.changed:
            self.sync()
            for pod in self._pods_of(self._store.get(("jobs", namespace, name))):
                if pod["status"]["phase"] == "Running":
                    self._end_pod(pod, "Succeeded", self._clock())
            self.sync()

    def most_at_once(self, namespace: str, name: str) -> int:
        """Return how many pods of a job ran at once at most."""
        self.sync()
        spans = [(a, self._clock() if b is None else b) for a, b in self.runs.get(f"{namespace}/{name}", [])]
        return max((sum(a <= t < b for a, b in spans) for t, _ in spans), default=0)

    def _advance(self, pod: Json) -> None:
        """Bring one pod to where it is now."""
        now_ns, uid = self._clock(), pod["metadata"]["uid"]
        begin_ns, kill_ns = self._pods[uid]
        if pod["status"]["phase"] == "Pending" and begin_ns <= now_ns and kill_ns is None:
            pod = deepcopy(pod)
            pod["status"] = {"phase": "Running", "startTime": instant(begin_ns)}
            self._store.put(_key("pods", pod), pod)
            self.runs.setdefault(self._job_of(pod), []).append((begin_ns, None))
            self.environments.setdefault(self._job_of(pod), []).append(self._environment(pod))
        if pod["status"]["phase"] == "Running" and kill_ns is None:
            end_ns = begin_ns + self._left_ns(pod)
            if end_ns <= now_ns:
                good = _mark(pod, "exit", "0") == "0"
                self._end_pod(pod, "Succeeded" if good else "Failed", end_ns)
        if kill_ns is not None and kill_ns <= now_ns:
            if pod["status"]["phase"] == "Running":
                self._close_run(pod, kill_ns)
            self._store.remove(_key("pods", pod))

    def _environment(self, pod: Json) -> dict[str, str]:
        """Return the variables of a pod's first container, those from ConfigMaps as they are now."""
        found = {}
        for one in pod["spec"]["containers"][0].get("env") or []:
            ref = (one.get("valueFrom") or {}).get("configMapKeyRef")
            key = ("configmaps", pod["metadata"]["namespace"], ref["name"]) if ref else None
            data = self._store.objects.get(key, {}).get("data", {}) if key else {}
            if ref is None or ref["key"] in data:
                found[one["name"]] = data[ref["key"]] if ref else str(one.get("value", ""))
        return found

    def _left_ns(self, pod: Json) -> int:
        work_s = _mark(pod, "work-s", "")
        return ns_from_s(float(work_s)) - self._saved_ns.get(self._job_of(pod), 0) if work_s else 1 << 62

    def _end_pod(self, pod: Json, phase: str, end_ns: int) -> None:
        pod = deepcopy(pod)
        pod["status"]["phase"] = phase
        self._store.put(_key("pods", pod), pod)
        self._close_run(pod, end_ns)

    def _close_run(self, pod: Json, end_ns: int) -> None:
        runs, begin_ns = self.runs[self._job_of(pod)], self._pods[pod["metadata"]["uid"]][0]
        runs[runs.index((begin_ns, None))] = (begin_ns, end_ns)

    def _kill(self, pod: Json) -> None:
        """Tell a pod to end: SIGTERM now, and death when it has saved or its grace is over."""
        now_ns, meta, uid = self._clock(), pod["metadata"], pod["metadata"]["uid"]
        if meta.get("deletionTimestamp"):
            return
        grace_s = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        takes_s = float(_mark(pod, "save-s", "0"))
        begin_ns = self._pods[uid][0]
        if _mark(pod, "checkpoint", "") == "true" and takes_s <= grace_s and begin_ns <= now_ns:
            job = self._job_of(pod)
            self._saved_ns[job] = self._saved_ns.get(job, 0) + now_ns - begin_ns
        self._pods[uid] = (begin_ns, now_ns + ns_from_s(min(takes_s, grace_s)))
        pod = deepcopy(pod)
        pod["metadata"]["deletionTimestamp"] = instant(now_ns)
        pod["metadata"]["deletionGracePeriodSeconds"] = int(grace_s)
        self._store.put(_key("pods", pod), pod)
        self._advance(pod)

    def _sync(self, job: Json) -> None:
        """Make the pods a job should have, and say how it stands."""
        status = job.setdefault("status", {})
        if any(
            c["type"] in ("Complete", "Failed") and c["status"] == "True"
            for c in status.get("conditions", [])
        ):
            return
        over = self._over_deadline(job)
        if job["spec"]["suspend"] or over:
            for pod in self._pods_of(job):
                if pod["status"]["phase"] in ("Pending", "Running"):
                    self._kill(pod)
        if over:
            self._condition(
                job, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
            )
        elif job["spec"]["suspend"]:
            status.pop("startTime", None)
            self._condition(job, "Suspended", "JobSuspended", "Job suspended")
        else:
            status.setdefault("startTime", instant(self._clock()))
            if _condition_of(job, "Suspended") == "True":
                status["startTime"] = instant(self._clock())
                self._condition(job, "Suspended", "JobResumed", "Job resumed", "False")
            self._make_pods(job)
        self._count(job)
        self._store.put(_key("jobs", job), job)

    def _over_deadline(self, job: Json) -> bool:
        limit_s, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
        if limit_s is None or start is None or job["spec"]["suspend"]:
            return False
        return instant(self._clock() - ns_from_s(float(limit_s))) >= str(start)

    def _make_pods(self, job: Json) -> None:
        pods = self._pods_of(job)
        succeeded = sum(pod["status"]["phase"] == "Succeeded" for pod in pods)
        failed = sum(pod["status"]["phase"] == "Failed" for pod in pods)
        alive = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
        if job["spec"]["podReplacementPolicy"] != "Failed":  # the default: pods that end are replaced at once
            alive = [pod for pod in alive if not pod["metadata"].get("deletionTimestamp")]
        if failed > job["spec"]["backoffLimit"]:
            self._condition(
                job, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
            )
            return
        if succeeded >= job["spec"]["completions"]:
            job["status"]["completionTime"] = instant(self._last_end_ns(job))
            self._condition(
                job, "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
            )
            return
        for _ in range(min(job["spec"]["parallelism"], job["spec"]["completions"] - succeeded) - len(alive)):
            self._make_pod(job)

    def _make_pod(self, job: Json) -> None:
        self._n_pods += 1
        template, meta = deepcopy(job["spec"]["template"]), job["metadata"]
        labels = (template.get("metadata") or {}).get("labels") or {}
        pod = {
            "apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "status": {"phase": "Pending"},
            "metadata": {
                "name": f"{meta['name'][:50]}-{self._n_pods:05x}",
                "labels": {**labels, "batch.kubernetes.io/job-name": meta["name"], "job-name": meta["name"]},
                "annotations": (template.get("metadata") or {}).get("annotations") or {},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"],
                                     "uid": meta["uid"], "controller": True}],
            },
        }  # fmt: skip
        made = self._store.create("pods", meta["namespace"], pod, now_ns=self._clock())
        self._pods[made["metadata"]["uid"]] = (self._clock() + self._pod_start_ns, None)
        self._advance(made)

    def _count(self, job: Json) -> None:
        pods = self._pods_of(job)
        ends = [pod for pod in pods if pod["metadata"].get("deletionTimestamp")]
        alive = [pod for pod in pods if pod not in ends]
        counts = {
            "active": sum(pod["status"]["phase"] in ("Pending", "Running") for pod in alive),
            "ready": sum(pod["status"]["phase"] == "Running" for pod in alive),
            "terminating": len(ends),
            "succeeded": sum(pod["status"]["phase"] == "Succeeded" for pod in alive),
            "failed": sum(pod["status"]["phase"] == "Failed" for pod in alive),
        }
        for key, value in counts.items():  # zeros are left out, but for these two
            if value or key in ("ready", "terminating"):
                job["status"][key] = value
            else:
                job["status"].pop(key, None)

    def _condition(self, job: Json, kind: str, reason: str, message: str, value: str = "True") -> None:
        conditions = job["status"].setdefault("conditions", [])
        had = next((c for c in conditions if c["type"] == kind), None)
        if had is not None and had["status"] == value:
            return
        now = instant(self._clock())
        new = {
            "type": kind, "status": value, "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        }  # fmt: skip
        job["status"]["conditions"] = [c for c in conditions if c is not had] + [new]

    def _last_end_ns(self, job: Json) -> int:
        runs = self.runs.get(f"{job['metadata']['namespace']}/{job['metadata']['name']}", [])
        return max((b for _, b in runs if b is not None), default=self._clock())

    def _pods_of(self, job: Json) -> list[Json]:
        uid = job["metadata"]["uid"]
        pods = self._store.of("pods", job["metadata"]["namespace"])
        return [pod for pod in pods if pod["metadata"]["ownerReferences"][0]["uid"] == uid]

    def _job_of(self, pod: Json) -> str:
        return f"{pod['metadata']['namespace']}/{pod['metadata']['labels']['job-name']}"


class Kueue:
    """Owns the suspension of Jobs with a queue name: admits their Workloads while they are active and there is room.

    Attributes
    ----------
    has_room : bool
        Whether Workloads are admitted; set it.
    meddled : list of str
        Jobs of a queue whose suspension somebody else changed.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self.has_room, self.meddled = True, list[str]()

    def sync(self) -> None:
        """Bring everything to where it is now."""
        with self._store.changed:
            for job in self._store.of("jobs"):
                if (job["metadata"].get("labels") or {}).get(QUEUE_LABEL):
                    self._sync(deepcopy(job))

    def _sync(self, job: Json) -> None:
        load = self._workload_of(job)
        if load is None:
            self._hold(job, suspend=True)  # its webhook: nothing of a queue begins unadmitted
            self._make_workload(job)
            return
        load = deepcopy(load)
        admitted = load["status"].get("admitted", False)
        if job["spec"]["suspend"] == admitted and not _has_ended(job):
            self.meddled.append(job["metadata"]["name"])
        wanted = load["spec"]["active"] and (admitted or self.has_room)
        if wanted != admitted:
            kind = "Admitted" if wanted else "Evicted"
            load["status"] = {"admitted": wanted, "conditions": [{"type": kind, "status": "True"}]}
            self._store.put(_key("workloads", load), load)
        self._hold(job, suspend=not wanted)

    def _hold(self, job: Json, *, suspend: bool) -> None:
        if job["spec"]["suspend"] != suspend and not _has_ended(job):
            job["spec"]["suspend"] = suspend
            self._store.put(_key("jobs", job), job)

    def _workload_of(self, job: Json) -> Json | None:
        uid = job["metadata"]["uid"]
        loads = self._store.of("workloads", job["metadata"]["namespace"])
        return next(
            (load for load in loads if load["metadata"]["labels"]["kueue.x-k8s.io/job-uid"] == uid), None
        )

    def _make_workload(self, job: Json) -> None:
        meta = job["metadata"]
        load = {
            "apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload", "status": {},
            "metadata": {
                "name": f"job-{meta['name']}-{meta['uid'][:5]}",
                "labels": {"kueue.x-k8s.io/job-uid": meta["uid"]},
                "ownerReferences": [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}],
            },
            "spec": {"active": True, "queueName": meta["labels"][QUEUE_LABEL]},
        }  # fmt: skip
        self._store.create("workloads", meta["namespace"], load, now_ns=self._clock())


def _key(resource: str, found: Json) -> tuple[str, str, str]:
    return resource, found["metadata"]["namespace"], found["metadata"]["name"]


def _mark(pod: Json, name: str, default: str) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(_MARK + name, default))


def _condition_of(job: Json, kind: str) -> str | None:
    return next((c["status"] for c in job["status"].get("conditions", []) if c["type"] == kind), None)


def _has_ended(job: Json) -> bool:
    return "True" in (
        _condition_of({"status": job.get("status") or {}}, kind) for kind in ("Complete", "Failed")
    )
