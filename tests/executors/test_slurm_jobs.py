"""Lines of Slurm's commands for jobs, as they are written where no cluster of the tests writes them."""

from __future__ import annotations

import pytest

from lowtide.executors.slurm_jobs import listed_job, shown_job

SHOWN = (
    "JobId=5 JobName=a UserId=u(1) JobState=PENDING Reason=BeginTime Dependency=(null) Requeue=1 Restarts=0 "
    "ExitCode=0:0 RunTime=00:00:00 TimeLimit={limit} TimeMin=N/A SubmitTime=1700000000 EligibleTime=1700000100 "
    "StartTime=1700000100 EndTime=Unknown NodeList= Comment=lowtide:x"
)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("Partition_Limit", None),
        ("NOT_SET", None),
        ("INVALID", None),
        ("UNLIMITED", None),
        ("01:30:00", 5400.0),
    ],
)
def test_job_that_asked_for_no_time_limit_is_read_before_its_partition_s_is_known(
    limit: str, seconds: float | None
) -> None:
    job = shown_job(SHOWN.format(limit=limit))
    assert (job.job_id, job.state, job.time_limit_s) == (5, "PENDING", seconds)
    columns = ("5", "5", "N/A", "a", "PENDING", "BeginTime", "", "1700000000", "1700000100", "N/A", limit, "")
    assert listed_job("\x1f".join(columns)).time_limit_s == seconds
