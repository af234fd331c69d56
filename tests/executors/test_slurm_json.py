"""JSON of Slurm's commands in the shapes of 22.05 and of 24.11, from documents made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lowtide.errors import ExecutorError
from lowtide.executors.slurm_json import json_jobs, past_goes

S = 10**9


def number(value: float | None, *, infinite: bool = False) -> dict[str, Any]:
    """Return a number as newer versions write it."""
    return {"set": value is not None, "infinite": infinite, "number": value or 0}


OLD = {
    "job_id": 12, "name": "train", "job_state": "PENDING", "state_reason": "BeginTime", "comment": "lowtide:x",
    "submit_time": 1000, "eligible_time": 2000, "start_time": 2000, "end_time": 0, "time_limit": 90,
    "restart_cnt": 2, "exit_code": 0, "nodes": "", "array_job_id": 0, "array_task_id": None, "array_task_string": "",
}  # fmt: skip
NEW = {
    **OLD, "job_state": ["PENDING"], "submit_time": number(1000), "eligible_time": number(2000),
    "start_time": number(2000), "end_time": number(0), "time_limit": number(90),
    "exit_code": {"status": ["SUCCESS"], "return_code": number(0), "signal": {"id": number(None), "name": ""}},
    "array_job_id": number(0), "array_task_id": number(None),
}  # fmt: skip


def document(*jobs: dict[str, Any], errors: tuple[Any, ...] = ()) -> str:
    return json.dumps({"meta": {}, "jobs": list(jobs), "errors": list(errors), "warnings": []})


def test_both_shapes_say_the_same_job() -> None:
    (old,), (new,) = json_jobs(document(OLD)), json_jobs(document(NEW))
    assert old == new
    assert (old.job_id, old.state, old.reason, old.comment) == (12, "PENDING", "BeginTime", "lowtide:x")
    assert (old.submit_ns, old.eligible_ns, old.start_ns, old.end_ns) == (1000 * S, 2000 * S, 2000 * S, None)
    assert (old.time_limit_s, old.n_restarts) == (5400.0, 2)  # 90 min
    assert (old.array_job_id, old.array_tasks, old.label) == (None, "", "12")


@pytest.mark.parametrize(
    "limit", [None, 0xFFFFFFFF, number(None), number(None, infinite=True), number(5, infinite=True)]
)
def test_job_without_a_limit_has_none(limit: Any) -> None:
    (job,) = json_jobs(document({**OLD, "time_limit": limit}))
    assert job.time_limit_s is None


@pytest.mark.parametrize(
    ("state", "said"),
    [("RUNNING", "RUNNING"), (["RUNNING"], "RUNNING"), (["PENDING", "REQUEUED"], "REQUEUED"),
     (["CANCELLED", "COMPLETING"], "COMPLETING"), ([], "")],
)  # fmt: skip
def test_state_is_a_word_or_a_list_of_them(state: Any, said: str) -> None:
    assert json_jobs(document({**OLD, "job_state": state}))[0].state == said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (75 << 8, (75, 0)),  # a wait status
        (15, (0, 15)),
        ({"status": "ERROR", "return_code": 75}, (75, 0)),  # 22.05's sacct
        ({"status": ["ERROR"], "return_code": number(75), "signal": {"id": number(0)}}, (75, 0)),
        (
            {"status": ["SIGNALED"], "return_code": number(0), "signal": {"signal_id": 15, "name": "TERM"}},
            (0, 15),
        ),
    ],
)
def test_exit_codes_are_read_in_every_form(code: Any, said: tuple[int, int]) -> None:
    (job,) = json_jobs(document({**OLD, "exit_code": code}))
    assert (job.exit_code, job.exit_signal) == said


def test_tasks_of_an_array_are_told_apart() -> None:
    waiting = {**NEW, "array_job_id": number(12), "array_task_string": "4-9%2"}
    running = {**NEW, "job_id": 14, "array_job_id": number(12), "array_task_id": number(3)}
    rest, one = json_jobs(document(waiting, running))
    assert (rest.submitted_id, rest.array_tasks, rest.target) == (12, "4-9%2", "12_[4-9]")
    assert (one.submitted_id, one.array_tasks, one.target) == (12, "3", "12_3")
    old = {**OLD, "job_id": 14, "array_job_id": 12, "array_task_id": 0}
    assert json_jobs(document(old))[0].label == "12_0"


def test_jobs_of_other_users_are_left_out() -> None:
    text = document({**OLD, "user_id": 5}, {**NEW, "job_id": 13, "user_id": number(6)}, {**OLD, "job_id": 14})
    assert [job.job_id for job in json_jobs(text, uid=5)] == [12, 14]  # one that does not say may be ours
    assert len(json_jobs(text)) == 3


def test_requeued_job_has_a_start_for_each_go_in_both_shapes() -> None:
    def go(start: int, state: str, *joules: Any, new: bool) -> dict[str, Any]:
        steps = [{"statistics": {"energy": {"consumed": number(j) if new else j}}} for j in joules]
        code = {"status": [state] if new else state, "return_code": number(75) if new else 75}
        return {
            "job_id": 12, "state": {"current": [state] if new else state, "reason": "None"}, "exit_code": code,
            "time": {"start": start, "end": start + 10, "suspended": 3, "elapsed": 7}, "steps": steps,
        }  # fmt: skip

    for new in (False, True):
        text = document(go(200, "COMPLETED", None, new=new), go(100, "REQUEUED", 1500, 1000, new=new))
        first, second = past_goes(text)
        assert (first.state, first.start_ns, first.end_ns) == ("REQUEUED", 100 * S, 110 * S)
        assert (first.consumed_j, first.suspended_s, first.exit_code) == (2500.0, 3.0, 75)
        assert (second.state, second.consumed_j) == ("COMPLETED", None)  # unknown, not nothing


@pytest.mark.parametrize("text", ["", "{}", "[]", "slurm_load_jobs error"])
def test_what_is_no_document_is_said(text: str) -> None:
    with pytest.raises(ExecutorError, match="squeue --json wrote no list of jobs: "):
        json_jobs(text)


def test_what_slurm_says_went_wrong_is_said() -> None:
    with pytest.raises(ExecutorError, match="sacct --json failed: Unable to connect to database; 5"):
        past_goes(document(errors=({"error": "Unable to connect to database"}, {"error": 5})))
