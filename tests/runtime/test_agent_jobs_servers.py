"""The agent over Kubernetes and Ray on a clock of their own: faults, kills, and what the clusters saw."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from agent_jobs_cases import START_NS, live, make_promise, site_of_hours

from lowtide.doors import Executor
from lowtide.errors import UnreachableError
from lowtide.executors.kubernetes import KubernetesExecutor
from lowtide.executors.kubernetes_api import HttpApi
from lowtide.executors.ray_api import RayApi
from lowtide.executors.ray_jobs import RayExecutor
from lowtide.planning.sites import SiteOption
from lowtide.runtime.agent_jobs import JobsAgent
from lowtide.runtime.submitting_elsewhere import data_of
from lowtide.runtime.submitting_promise import Promise
from lowtide.testing.fake_kubernetes import FakeKubernetes
from lowtide.testing.fake_ray import FakeRay
from lowtide.testing.fakes import FakeClock
from lowtide.units import NS_PER_H

N_JOBS = 8


def carry_out(
    executor: Executor, clock: FakeClock, folder: Path, spec_of: Callable[[float], dict], break_now: Callable[[], None]
) -> None:  # fmt: skip
    """Submit jobs, let agents carry them out through faults and kills, and check that each ended in time."""
    rng = random.Random(3)
    values = [rng.choice((80, 150, 300, 420)) for _ in range(24)]
    deadlines = {}
    for i in range(N_JOBS):
        hours = rng.uniform(0.5, 2.0)
        promise = make_promise(hours=hours, within_h=rng.uniform(2.0, 4.0) * hours)
        deadlines[f"job-{i}"] = promise.deadline_ns
        spec = spec_of(hours * 3600.0)
        executor.submit(f"job-{i}", spec, data=data_of(promise, plan=[(START_NS, START_NS + NS_PER_H)]))

    def read(promise: Promise, now_ns: int) -> SiteOption:
        if rng.random() < 0.3:
            raise UnreachableError("no answer", provider="dead")
        return site_of_hours([value * rng.uniform(0.8, 1.25) for value in values])

    def agent() -> JobsAgent:
        now = lambda: clock.now().wall_ns  # noqa: E731
        return JobsAgent(executor, str(folder), say=said.append, clock=now, read_site=read)

    def killed() -> bool:
        if rng.random() < 0.25:
            break_now()
        return rng.random() < 0.05

    said: list[str] = []
    live(executor, clock, agent, hours=8.5, look_s=600.0, every_kill=killed)
    jobs = {job.tag: job for job in executor.jobs()}
    assert {tag: job.state for tag, job in jobs.items()} == dict.fromkeys(deadlines, "finished")
    assert [tag for tag, job in jobs.items() if job.ended_ns is None or job.ended_ns > deadlines[tag]] == []
    assert sum("pauses" in line for line in said) >= 3
    executor.close()


def test_jobs_on_kubernetes_are_in_time_and_run_once(tmp_path: Path) -> None:
    clock, rng = FakeClock(), random.Random(5)
    with FakeKubernetes(clock=lambda: clock.now().wall_ns, pod_start_s=20.0) as cluster:

        def spec_of(work_s: float) -> dict:
            marks = {"fake.lowtide.dev/work-s": f"{work_s}", "fake.lowtide.dev/checkpoint": "true",
                     "fake.lowtide.dev/save-s": "10"}  # fmt: skip
            pods = {"restartPolicy": "Never", "containers": [{"name": "train", "image": "train:1"}]}
            template = {"metadata": {"annotations": marks}, "spec": pods}
            return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}

        executor = KubernetesExecutor(HttpApi(cluster.url, "default"))
        faults = ("before", "after", "conflict", "throttle")
        carry_out(executor, clock, tmp_path, spec_of, lambda: cluster.break_next(rng.choice(faults)))
        assert {cluster.jobs.most_at_once("default", f"job-{i}") for i in range(N_JOBS)} == {1}
        assert len(cluster.store.of("jobs")) == N_JOBS


def test_jobs_on_ray_are_in_time_and_run_once(tmp_path: Path) -> None:
    clock, rng = FakeClock(), random.Random(5)
    now = lambda: clock.now().wall_ns  # noqa: E731
    with FakeRay(clock=now, start_s=10.0, stop_s=2.0) as ray:
        executor = RayExecutor(RayApi(ray.url), folder=str(tmp_path / "ray"), clock=now)
        carry_out(
            executor, clock, tmp_path, lambda work_s: {"entrypoint": f"work {work_s}"},
            lambda: ray.break_next(rng.choice(("before", "after"))),
        )  # fmt: skip
        assert {ray.most_at_once(f"job-{i}") for i in range(N_JOBS)} == {1}
