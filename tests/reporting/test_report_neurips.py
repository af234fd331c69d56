"""The checklist's item on compute resources."""

from __future__ import annotations

from report_views import failed_view, gpu_energy, make_bill, make_end, make_entry, make_view

from lowtide.reporting.neurips import report_neurips
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_H


def justification(text: str) -> str:
    """Return the answer's words."""
    return next(line for line in text.splitlines() if "Justification: " in line).split("Justification: ")[1]


def test_the_item_names_workers_memory_compute_and_failures() -> None:
    words = justification(report_neurips([make_view("a"), failed_view("b")], False))
    assert words == (
        "Compute workers (CPU): Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux. "
        "A run used up to 2.00 GiB of memory and wrote up to 3.52 GiB to disk. "
        "Compute of each run: a: 1h, 2.00 kWh; b: 30m, 2.00 kWh. "
        "In total, 2 runs (1 finished, 1 failed): 4.00 kWh (3.20 to 5.20) at the node in 1h30m, 50 \\% measured. "
        "Emissions: 800 g (600 to 1100) CO\\textsubscript{2}e of the node (DE; average, lifecycle), of 50 \\% of the "
        "energy; the rest has no intensity. "
        "Of the runs, 1 did not finish (1 failed; 30m, 2.00 kWh); the total has them."
    )


def test_gpus_make_gpu_hours() -> None:
    view = make_view("a", entry=make_entry(make_bill(), energy=gpu_energy()))
    words = justification(report_neurips([view], False))
    assert words.startswith("Compute workers (GPU): 2 x NVIDIA H200; Example CPU")
    assert "That is 2.00 GPU-hours." in words  # 2 GPUs for 1 h


def test_runs_of_one_name_are_given_from_least_to_most() -> None:
    long = make_view("a", end=make_end(ended_ns=START_NS + 3 * NS_PER_H))
    words = justification(report_neurips([make_view("a"), long], False))
    assert "a: 2 runs, each 1h to 3h, 2.00 kWh" in words
    assert words.endswith("No recorded run failed; all of them are in these figures.")


def test_it_is_an_item_of_the_checklist_and_says_what_to_complete() -> None:
    lines = report_neurips([make_view("a")], True).splitlines()
    assert lines[0] == "\\item {\\bf Experiments compute resources}"
    assert lines[2] == "    \\item[] Answer: \\answerYes{}"
    assert lines[4].startswith(
        "% Not recorded, please complete: whether the machines are an internal cluster's"
    )


def test_review_is_blind() -> None:
    text = report_neurips([make_view("a", host="node17.example.org", command=("/home/me/train.py",))], False)
    assert "node17" not in text
    assert "/home/me" not in text


def test_running_and_empty_are_said() -> None:
    assert "a: not ended, energy unknown" in report_neurips([make_view("a", end=None, entry=None)], False)
    assert report_neurips([], False) == "% There are no runs to report.\n"
