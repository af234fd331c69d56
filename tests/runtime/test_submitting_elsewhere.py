"""``lowtide submit --on`` and the agents for it, from the command line to a fake cluster and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import cli
from lowtide.cli.submit_elsewhere import Elsewhere
from lowtide.doors import TaggedJob
from lowtide.errors import ExecutorError, InputError
from lowtide.plugins import find_plugins
from lowtide.runtime.submitting_elsewhere import BUILT_IN, promise_of, read_spec
from lowtide.testing.fake_kubernetes import FakeKubernetes
from lowtide.testing.fake_ray import FakeRay

MANIFEST = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "digits"},
    "spec": {
        "template": {
            "metadata": {
                "annotations": {"fake.lowtide.dev/work-s": "3", "fake.lowtide.dev/checkpoint": "true"}
            },
            "spec": {"restartPolicy": "Never", "containers": [{"name": "train", "image": "train:1"}]},
        }
    },
}


@pytest.fixture
def cluster() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as found:
        yield found


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(MANIFEST))
    return str(path)


def write_day(path: Path, values: list[float], *, step_s: float) -> str:
    """Write an intensity file whose steps begin now."""
    start_s = time.time() // 1 - step_s
    rows = [
        f"{datetime.fromtimestamp(start_s + i * step_s, UTC).isoformat(timespec='milliseconds')},{value:g}"
        for i, value in enumerate([values[0], *values])
    ]
    path.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")
    return str(path)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_manifest_becomes_a_held_job_with_its_promise_and_word_of_the_agent(
    cluster: FakeKubernetes, manifest: str, tmp_path: Path
) -> None:
    day = write_day(tmp_path / "day.csv", [400, 100, 400, 400, 400, 400], step_s=3600.0)
    done = run(
        "submit", "--on", "kubernetes", "--url", cluster.url, "--within", "5h", "--duration", "1h", "--intensity",
        day, "--power", "1kW", "--pause", "checkpoint", manifest,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    tag = done.stdout.strip()
    job = cluster.store.get(("jobs", "default", "digits"))
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["lowtide.dev/tag"] == tag
    notes = job["metadata"]["annotations"]
    promise = json.loads(notes["lowtide.dev/promise"])
    assert (promise["name"], promise["pause"], promise["job"]["work_s"]) == ("digits", "checkpoint", 3600.0)
    assert notes["lowtide.dev/deadline"].startswith("20")
    assert done.stderr.startswith("default/digits: held; starts 20")
    assert done.stderr.rstrip().endswith(
        f"`lowtide agent --kubernetes --url {cluster.url}` must be running: it alone starts jobs"
    )
    listed = run("submit", "--on", "kubernetes", "--url", cluster.url, "--list", "--json")
    (one,) = json.loads(listed.stdout)
    assert (one["tag"], one["state"], one["pause"]) == (tag, "held", "checkpoint")
    assert "default/digits" in run("submit", "--on", "kubernetes", "--url", cluster.url, "--list").stdout
    once = run("agent", "--kubernetes", "--url", cluster.url, "--once")
    assert once.exit_code == 0, once.output
    assert "1 held or paused: the next agent must be there by" in once.stderr


def test_dry_run_submits_nothing(cluster: FakeKubernetes, manifest: str) -> None:
    words = ("submit", "--on", "kubernetes", "--url", cluster.url, "--within", "5h", "--duration", "1h")
    done = run(*words, "--intensity", "300", "--dry-run", manifest)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("not submitted: held; starts now")
    plain = json.loads(run(*words, "--intensity", "300", "--json", "--dry-run", manifest).stdout)
    assert plain["name"] == "digits"
    assert cluster.store.of("jobs") == []


def test_command_for_ray_is_held_by_us_and_started_by_the_agent(tmp_path: Path) -> None:
    with FakeRay() as ray:
        done = run(
            "submit", "--on", "ray", "--url", ray.url, "--within", "5h", "--duration", "1h", "--intensity", "300",
            "--", "python", "train.py", "--lr", "a b",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        tag = done.stdout.strip()
        assert tag.startswith("train-py-")
        once = run("agent", "--ray", ray.url, "--once")
        assert once.exit_code == 0, once.output
        assert ray._jobs[f"{tag}-1"].body["entrypoint"] == "python train.py --lr 'a b'"
        assert f"{tag}: starts (waiting would save 0.0%, less than 3%)" in once.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--on", "nowhere", "job.json"), "no executor 'nowhere'; known are kubernetes, ray, and jobs for"),
        (("--namespace", "x", "job.sbatch"), "--namespace goes with --on; jobs for Slurm have none"),
        (("--on", "ray", "--replan"), "--replan is for Slurm: `lowtide agent` plans these jobs anew by itself"),
        (("--on", "ray", "--grace", "5s", "x.json"), "--grace is for Slurm; an executor ends its jobs in its own way"),
        (("--on", "ray", "--site", "a", "--site", "b", "x.json"), "a choice among several sites is there for Slurm"),
        (("--on", "ray", "--bill", "7"), "--move and --bill are for Slurm; leave them out, or --on"),
        (("--on", "ray", "--pause", "freeze", "--", "x"), "--pause 'freeze' is nothing that ray can do; use none or"),
        (("--on", "ray", "--resume-time", "1m", "--", "x"), "--resume-time is what a start after a pause takes; give"),
        (("--on", "kubernetes", "a", "b"), "which job? give one file, job.yaml or job.json"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything(words: tuple[str, ...], message: str) -> None:
    options = ("--within", "5h", "--duration", "1h", "--intensity", "300", "--url", "http://127.0.0.1:9")
    done = run("submit", *(options if "--on" in words else options[:-2]), *words)
    assert isinstance(done.exception, InputError), done.output
    assert message in str(done.exception)


def test_agent_must_be_told_for_whose_jobs() -> None:
    for words in ((), ("--slurm", "--kubernetes"), ("--ray", "http://a:1", "--on", "b")):
        assert "for whose jobs? one of lowtide agent --slurm, --kubernetes" in run("agent", *words).output
    done = run("agent", "--slurm", "--namespace", "x", "--once")
    assert str(done.exception) == "--namespace and --url are not for Slurm; leave them out"


def test_command_of_the_agent_is_the_one_for_that_place() -> None:
    assert Elsewhere("kubernetes", "ml", None).agent == "lowtide agent --kubernetes --namespace ml"
    assert Elsewhere("ray", None, "http://a:1").agent == "lowtide agent --ray http://a:1"
    assert Elsewhere("mine", None, "x").agent == "lowtide agent --on mine --url x"
    assert Elsewhere("kubernetes", None, None).label == "kubernetes"
    assert Elsewhere("kubernetes", "ml", "http://127.0.0.1:8001").label == "kubernetes-ml-127.0.0.1-8001"


def test_executors_that_ship_are_listed_where_everybodys_are() -> None:
    points = find_plugins("lowtide.executors")
    if not points:
        pytest.skip("this installation was made before there were executors; install it again")
    assert {name: points[name].value for name in BUILT_IN} == BUILT_IN


def test_spec_is_one_object_of_json_or_yaml(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "job.yaml"
    path.write_text("kind: Job\nspec: {a: 1}\n---\n")
    assert read_spec(str(path)) == {"kind": "Job", "spec": {"a": 1}}
    for text, message in (
        ("a: 1\n---\nb: 2\n", "must hold one object, the job; it holds 2 documents"),
        ("- 1\n", "must hold one object, the job; it holds 1 documents"),
        ("a: [", "is neither JSON nor YAML"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_spec(str(path))
    with pytest.raises(InputError, match="cannot read the job /nowhere: No such file"):
        read_spec("/nowhere")


def test_job_without_a_promise_says_so() -> None:
    with pytest.raises(ExecutorError, match="a/b says nothing of what was promised"):
        promise_of(TaggedJob(tag="b", job_id="a/b", state="held"))


class Process:
    """A job on a cluster, agents that are killed, and what became of it."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __enter__(self) -> Process:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.send_signal(signal.SIGTERM)
        self.agent.wait(20)

    def begin(self) -> None:
        command = [sys.executable, "-m", "lowtide", "agent", *self.words, "--every", "1s"]
        self.agent = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.agent.kill()
        self.agent.wait(20)
        self.begin()


def until(
    true: Callable[[], bool], what: str, *, timeout_s: float = 90.0, each: Callable[[], None] = lambda: None
) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"{what} took more than {timeout_s:g} s"
        each()
        time.sleep(0.05)


def test_job_survives_agents_that_are_killed_after_each_act(
    cluster: FakeKubernetes, manifest: str, tmp_path: Path
) -> None:
    work_s = 15 if os.environ.get("LOWTIDE_TEST_FULL") else 3
    spec = json.loads(json.dumps(MANIFEST))
    spec["spec"]["template"]["metadata"]["annotations"]["fake.lowtide.dev/work-s"] = str(work_s)
    Path(manifest).write_text(json.dumps(spec))
    day = write_day(tmp_path / "day.csv", [100, 900] * 20, step_s=6.0)
    submitted = run(
        "submit", "--on", "kubernetes", "--url", cluster.url, "--within", "80s", "--duration", f"{work_s}s",
        "--margin", "50%",
        "--intensity", day, "--power", "1kW", "--pause", "checkpoint", manifest,
    )  # fmt: skip
    assert submitted.exit_code == 0, submitted.output
    key = ("jobs", "default", "digits")

    def done() -> bool:
        cluster.sync()
        conditions = cluster.store.get(key)["status"].get("conditions", [])
        return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)

    kills = [0]
    with Process("--kubernetes", "--url", cluster.url) as process:

        def kill_after_an_act() -> None:
            n_acts = [method for method, _ in cluster.asked].count("PATCH")
            if kills[0] < min(n_acts, 4):
                kills[0] += 1
                process.kill()

        until(done, "the job", each=kill_after_an_act)
    assert cluster.jobs.most_at_once("default", "digits") == 1
    assert len(cluster.store.of("jobs")) == 1
    assert kills[0] >= 1
    print(f"{kills[0]} kills, {len(cluster.jobs.runs['default/digits'])} goes")


def test_agent_leaves_jobs_as_they_are_when_it_is_told_to_end(
    cluster: FakeKubernetes, manifest: str, tmp_path: Path
) -> None:
    day = write_day(tmp_path / "day.csv", [900, 900, 100], step_s=3600.0)
    run(
        "submit", "--on", "kubernetes", "--url", cluster.url, "--within", "3h", "--duration", "30m", "--intensity", day,
        "--power", "1kW", manifest,
    )  # fmt: skip
    command = [sys.executable, "-m", "lowtide", "agent", "--kubernetes", "--url", cluster.url]
    agent = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    until(lambda: any("watch=true" in path for _, path in cluster.asked), "the first round")
    agent.send_signal(signal.SIGTERM)
    _, said = agent.communicate(timeout=20)
    assert agent.returncode == 0
    assert said.startswith("lowtide: the agent ends; 1 held or paused: the next agent must be there by 20")
    assert cluster.store.get(("jobs", "default", "digits"))["spec"]["suspend"] is True
