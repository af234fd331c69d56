"""What sacct writes, as a real Slurm wrote it: attempts, steps, energies, accelerators, instants, nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lowtide.errors import DataFileError, ExecutorError, InputError
from lowtide.executors.sacct import FIELDS, PastJob, ask_sacct, read_sacct
from lowtide.executors.sacct_cells import expand_nodes

SAVED = Path(__file__).parent.parent / "runtime" / "sacct_22_05.txt"


def saved() -> list[PastJob]:
    """Return jobs as Slurm 22.05 with a node meter of 250 W told them."""
    jobs, problems = read_sacct(SAVED.read_text(), path=str(SAVED))
    assert problems == []
    return jobs


def named(name: str) -> list[PastJob]:
    return [job for job in saved() if job.name == name]


def line(**changes: str) -> str:
    row = dict.fromkeys(FIELDS, "") | {
        "JobIDRaw": "7", "JobName": "train", "User": "ada", "State": "COMPLETED", "Start": "1000", "End": "1060",
        "ElapsedRaw": "60", "AllocTRES": "cpu=2,mem=4G,node=1", "NodeList": "n1", "ConsumedEnergyRaw": "0",
        "ExitCode": "0:0",
    }  # fmt: skip
    return "|".join((row | changes).values())


def test_energy_is_on_the_steps_and_a_job_s_own_row_leaves_the_batch_step_out() -> None:
    (job,) = named("steps")
    assert job.own_energy_j == 1257.0  # 766 + 491, the two srun steps
    assert [(step.step, step.energy_j) for step in job.steps] == [
        ("batch", 1315.0),
        ("0", 766.0),
        ("1", 491.0),
    ]
    (alone,) = named("alone")
    assert alone.own_energy_j is None
    assert alone.steps[0].energy_j == 1520.0


def test_requeued_job_is_an_attempt_each() -> None:
    first, second = named("req")
    assert (first.state, first.steps[0].energy_j) == ("REQUEUED", 735.0)
    assert (second.state, second.steps[0].energy_j) == ("COMPLETED", 2001.0)
    assert first.job_id == second.job_id
    assert first.key != second.key


def test_suspended_time_is_in_the_energy_and_not_in_the_elapsed_time() -> None:
    (job,) = named("susp")
    assert job.suspended_s == 6.0
    assert job.start_ns is not None
    assert job.end_ns is not None
    assert (job.end_ns - job.start_ns) / 1e9 == 8.0  # ElapsedRaw is 2
    assert job.steps[0].energy_j == 1949.0  # about 8 s at 250 W


def test_what_waits_or_runs_has_no_end_and_a_failure_its_status() -> None:
    assert {job.state: job.end_ns for job in saved() if job.end_ns is None} == {
        "RUNNING": None,
        "PENDING": None,
    }
    (bad,) = named("bad")
    assert (bad.state, bad.exit_code, bad.exit_signal) == ("FAILED", 3, 0)
    (cancelled,) = named("steps-cancelled")
    assert cancelled.state == "CANCELLED"  # "CANCELLED by 0"


@pytest.mark.parametrize(
    ("tres", "gpus"),
    [
        ("cpu=1,gres/gpu=1", {"": 1}),
        ("cpu=1,gres/gpu=4,gres/gpu:a100=4", {"a100": 4}),
        ("cpu=1,gres/gpu=3,gres/gpu:a100=2", {"a100": 2, "": 1}),
        ("cpu=1", {}),
    ],
)
def test_accelerators_are_counted_once_by_type(tres: str, gpus: dict[str, int]) -> None:
    (job,), _ = read_sacct(line(AllocTRES=tres), path="x")
    assert job.gpus == gpus


@pytest.mark.parametrize("energy", ["0", "", "18446744073709551614"])
def test_no_energy_is_unknown_and_never_zero(energy: str) -> None:
    (job,), _ = read_sacct(line(ConsumedEnergyRaw=energy), path="x")
    assert job.own_energy_j is None


def test_memory_is_in_bytes() -> None:
    assert read_sacct(line(AllocTRES="cpu=1,mem=1.5G"), path="x")[0][0].memory_bytes == 1.5 * 2**30


def test_local_stamps_need_an_offset() -> None:
    text = line(Start="2026-03-01T01:00:00", End="2026-03-01T02:00:00")
    with pytest.raises(InputError, match=r"write the file with SLURM_TIME_FORMAT=%s, or give --utc-offset"):
        read_sacct(text, path="x")
    (job,), _ = read_sacct(text, path="x", utc_offset_s=3600)
    assert job.start_ns == 1772323200 * 10**9  # 2026-03-01T00:00Z
    (again,), _ = read_sacct(line(Start="2026-03-01T01:00:00+01:00"), path="x")
    assert again.start_ns == job.start_ns


def test_header_says_the_columns_in_any_order() -> None:
    names = ["State", "JobIDRaw", "Start", "End", "AllocTRES", "NodeList", "ConsumedEnergyRaw"]
    text = "|".join(names) + "\nCOMPLETED|9|10|20|cpu=4|n1|100\n"
    (job,), _ = read_sacct(text, path="x")
    assert (job.job_id, job.cpus, job.own_energy_j) == ("9", 4, 100.0)


def test_file_without_the_last_column_is_read_too() -> None:
    text = line(ConsumedEnergyRaw="50").rpartition("|")[0]
    assert read_sacct(text, path="x")[0][0].own_energy_j == 50.0


def test_line_that_a_name_with_a_bar_has_broken_is_told() -> None:
    jobs, problems = read_sacct("\n".join([line(), line(JobName="a|b")]), path="x")
    assert len(jobs) == 1
    assert problems == ["line 2 has 19 columns and not 18: left out"]


def test_other_files_are_refused_with_how_to_write_one() -> None:
    with pytest.raises(DataFileError, match="SLURM_TIME_FORMAT=%s sacct --parsable2 -D -o JobIDRaw,"):
        read_sacct("a|b|c\n", path="x")
    assert read_sacct("", path="x") == ([], [])


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("n1", ("n1",)),
        ("n[1-3]", ("n1", "n2", "n3")),
        ("gpu[08-10,12],login", ("gpu08", "gpu09", "gpu10", "gpu12", "login")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("None assigned", ()),
    ],
)
def test_lists_of_nodes_are_spelt_out(text: str, nodes: tuple[str, ...]) -> None:
    assert expand_nodes(text) == nodes


def test_machine_without_slurm_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"sacct is not here: .* import its file"):
        ask_sacct(env={"PATH": str(tmp_path)})
