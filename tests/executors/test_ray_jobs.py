"""Ray jobs held by us, stopped and submitted again, against a dashboard that is as strict as the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowtide.errors import ExecutorError, InputError
from lowtide.executors.ray_api import RayApi, address, login
from lowtide.executors.ray_jobs import RayExecutor, open_ray
from lowtide.testing import check_executor
from lowtide.testing.fake_ray import FakeRay
from lowtide.testing.fakes import FakeClock

FOREVER = {"entrypoint": "python train.py"}


class Case:
    """A cluster on a clock moved by hand, and an executor for it."""

    def __init__(self, folder: Path, **given: float) -> None:
        self.clock, self.folder = FakeClock(), folder / "ray"
        self.ray = FakeRay(clock=self.now_ns, **given)
        self.executor = self.opened()

    def now_ns(self) -> int:
        return self.clock.now().wall_ns

    def opened(self) -> RayExecutor:
        return RayExecutor(RayApi(self.ray.url), folder=str(self.folder), clock=self.now_ns)

    def state(self) -> str:
        return self.executor.jobs()[0].state

    def running(self, entrypoint: str = "python train.py") -> Case:
        self.executor.submit("digits-1", {"entrypoint": entrypoint}, data={})
        self.executor.start("digits-1")
        assert self.state() == "running"
        return self


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    made.executor.close()
    made.ray.close()


def test_executor_keeps_every_promise_of_the_door(tmp_path: Path) -> None:
    with FakeRay(start_s=0.02, stop_s=0.05, token="secret") as ray:
        check_executor(
            lambda: RayExecutor(RayApi(ray.url, token="secret"), folder=str(tmp_path / "jobs")),
            spec=FOREVER,
            wait_s=0.02,
            break_next=ray.break_next,
            n_copies=ray.most_at_once,
            end=ray.finish,
        )


def test_held_job_is_not_known_to_ray(case: Case) -> None:
    case.executor.submit("digits-1", FOREVER, data={"deadline": "soon"})
    assert case.state() == "held"
    assert case.ray.environments("digits-1") == []
    assert case.executor.jobs()[0].data == {"deadline": "soon"}


def test_job_that_goes_on_is_a_new_submission_that_is_told_so(case: Case) -> None:
    case.executor.submit(
        "digits-1",
        {**FOREVER, "runtime_env": {"env_vars": {"A": "1"}, "pip": ["x"]}, "metadata": {"team": "a"}},
        data={},
    )
    case.executor.start("digits-1")
    case.clock.advance(10.0)
    case.executor.pause("digits-1")
    assert case.state() == "paused"
    case.executor.resume("digits-1")
    assert case.state() == "running"
    assert case.executor.jobs()[0].job_id == "digits-1-2"
    assert case.ray.environments("digits-1") == [{"A": "1"}, {"A": "1", "LOWTIDE_RESUME": "1"}]
    second = case.ray._jobs["digits-1-2"].body
    assert second["metadata"] == {"team": "a", "lowtide.tag": "digits-1"}
    assert second["runtime_env"]["pip"] == ["x"]


def test_job_does_not_go_on_before_it_has_stopped(tmp_path: Path) -> None:
    case = Case(tmp_path, stop_s=2.0).running()
    case.executor.pause("digits-1")
    assert case.state() == "running"
    with pytest.raises(ExecutorError, match="digits-1 cannot go on yet: Ray is still stopping it"):
        case.executor.resume("digits-1")
    case.clock.advance(2.0)
    case.executor.resume("digits-1")
    assert case.state() == "running"
    assert case.ray.most_at_once("digits-1") == 1
    case.executor.close()
    case.ray.close()


def test_job_that_leaves_with_75_is_paused_and_one_with_another_status_failed(case: Case) -> None:
    case.running("work 5 exit 75")
    case.clock.advance(6.0)
    (job,) = case.executor.jobs()
    assert (job.state, job.why) == ("paused", "it left with 75: saved, and to be started again")
    case.executor.resume("digits-1")
    case.clock.advance(1.0)
    assert case.executor.jobs()[0].job_id == "digits-1-2"
    case.executor.submit("other-1", {"entrypoint": "work 5 exit 3"}, data={})
    case.executor.start("other-1")
    case.clock.advance(6.0)
    other = case.executor.jobs()[1]
    assert (other.state, other.why) == (
        "failed", "Job entrypoint command failed with exit code 3, last available logs:"
    )  # fmt: skip


def test_job_that_somebody_else_stops_has_failed_and_is_not_begun_again(case: Case) -> None:
    case.running()
    case.executor._api.stop("digits-1-1")
    (job,) = case.executor.jobs()
    assert (job.state, job.why) == ("failed", "stopped by somebody else: Job was intentionally stopped.")
    case.executor.resume("digits-1")
    case.executor.start("digits-1")
    assert len(case.ray.environments("digits-1")) == 1


def test_end_is_remembered_when_ray_forgets_it(case: Case) -> None:
    case.running("work 5")
    case.clock.advance(9.0)
    ended = case.executor.jobs()
    assert (ended[0].state, ended[0].ended_ns) == ("finished", case.now_ns() - 4 * 10**9)
    case.ray.forget()
    assert case.executor.jobs() == ended
    case.executor.start("digits-1")
    assert case.executor.jobs() == ended


def test_running_job_that_ray_forgot_is_never_begun_a_second_time(case: Case) -> None:
    case.running()
    case.ray.forget()
    (job,) = case.executor.jobs()
    assert job.state == "failed"
    assert job.why == "Ray knows nothing of digits-1-1 any more; was its head started anew?"
    case.executor.start("digits-1")
    case.executor.resume("digits-1")
    assert case.ray.environments("digits-1") == []


def test_go_that_was_noted_and_not_submitted_is_submitted_by_the_next_one(case: Case) -> None:
    case.executor.submit("digits-1", FOREVER, data={})
    case.ray.break_next("before")
    with pytest.raises(ExecutorError, match="Ray refused POST /api/jobs/: Service Unavailable"):
        case.executor.start("digits-1")
    assert case.state() == "held"  # so whoever looks starts it again
    again = case.opened()
    again.start("digits-1")
    assert case.state() == "running"
    again.close()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "entrypoint of a Ray job must be a command line, got None"),
        ({"entrypoint": "x", "env": {}}, "'env' is nothing that a Ray job has; known are entrypoint,"),
        ({"entrypoint": "x", "runtime_env": 3}, "runtime_env of a Ray job must be an object, got 3"),
        (
            {"entrypoint": "x", "runtime_env": {"working_dir": "."}},
            "working_dir '.' would have to be uploaded",
        ),
    ],
)
def test_what_ray_could_not_take_is_refused_when_it_is_submitted(
    case: Case, spec: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        case.executor.submit("digits-1", spec, data={})
    assert case.executor.jobs() == []


def test_wrong_token_and_no_answer_say_what_to_do(tmp_path: Path) -> None:
    with FakeRay(token="secret") as ray:
        executor = RayExecutor(RayApi(ray.url), folder=str(tmp_path))
        executor.submit("digits-1", FOREVER, data={})
        with pytest.raises(
            ExecutorError, match="lets nobody in without its token; set RAY_AUTH_TOKEN, or RAY_AUTH"
        ):
            executor.start("digits-1")
        executor.close()
    executor = RayExecutor(RayApi(ray.url), folder=str(tmp_path))
    with pytest.raises(ExecutorError, match=r"no answer from Ray at http://127.0.0.1"):
        executor.jobs()
    executor.close()


def test_damaged_file_is_named(case: Case) -> None:
    case.executor.submit("digits-1", FOREVER, data={})
    (case.folder / "digits-1.json").write_text(json.dumps({"tag": "digits-1"}))
    with pytest.raises(ExecutorError, match=r"digits-1\.json says nothing of a job"):
        case.executor.jobs()


def test_address_and_token_are_found_where_ray_finds_them(tmp_path: Path) -> None:
    assert address("http://a:1/", {"RAY_ADDRESS": "http://b:2"}) == "http://a:1"
    with pytest.raises(
        InputError, match=r"give an address like http://127.0.0.1:8265, got 'ray://head:10001'"
    ):
        address(None, {"RAY_ADDRESS": "ray://head:10001"})
    home = {"HOME": str(tmp_path)}
    assert login(home) == ""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of-the-home\n")
    assert login(home) == "of-the-home"
    assert login({**home, "RAY_AUTH_TOKEN": "said"}) == "said"
    assert login({**home, "RAY_AUTH_MODE": "disabled"}) == ""
    with pytest.raises(InputError, match="cannot read RAY_AUTH_TOKEN_PATH /nowhere: No such file"):
        login({**home, "RAY_AUTH_TOKEN_PATH": "/nowhere"})
    with pytest.raises(InputError, match="--namespace is for Kubernetes"):
        open_ray(folder=str(tmp_path), url="http://a:1", namespace="x")


def test_each_cluster_has_a_folder_of_its_own(tmp_path: Path) -> None:
    one = open_ray(folder=str(tmp_path), url="http://head:8265/")
    one.submit("digits-1", FOREVER, data={})
    other = open_ray(folder=str(tmp_path), url="http://127.0.0.1:8265")
    assert other.jobs() == []
    assert (tmp_path / "head-8265" / "digits-1.json").exists()
    one.close()
    other.close()
