"""What past runs of a name tell of the next: time at work and the power in it, of runs that did all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lowtide.accounting.booking import book
from lowtide.accounting.intensities import Intensities
from lowtide.errors import InputError
from lowtide.model.record import RunEnd, RunHeader
from lowtide.model.run_plan import RunPlan
from lowtide.runtime.config import load_config
from lowtide.runtime.planning_runs import past_runs
from lowtide.runtime.prepare import RunOptions, make_header
from lowtide.stores.codec import from_plain, to_plain
from lowtide.stores.ledger import Ledger
from lowtide.testing import builders
from lowtide.units import NS_PER_H

PLAN = RunPlan(
    bound="--within 9h", asked_ns=0, deadline_ns=None, start_by_ns=None, pause="freeze", work_s=None
)


def keep_run(
    ledger: Ledger, number: int, *, hours: int, plan: RunPlan | None = None, resumed: bool = False
) -> None:
    """Keep a finished run called "train", idle all the time."""
    header = builders.make_header(
        run_id=f"20260201T00000{number}Z-{number:06x}", name="train", journal_dir="/nowhere", resumed=resumed
    )
    ledger.create(header)
    t_ns = builders.regular_edges(6 * hours, step_s=600.0)
    if plan is not None:
        start_ns = int(t_ns[0])
        plan = replace(plan, runs_ns=tuple((start_ns + a, start_ns + b) for a, b in plan.runs_ns))
    end = RunEnd(started_ns=int(t_ns[0]), ended_ns=int(t_ns[-1]), exit_code=0, plan=plan)
    ledger.write_end(header.run_id, end)
    still = np.zeros(len(t_ns))
    record = builders.make_record(header, t_ns=t_ns, machine_cpu_s=still, run_cpu_s=still, end=end)
    bill = book(record, Intensities(), made="2026-02-02T00:00Z", segments={}, version="0")
    ledger.add_entry(header.run_id, to_plain(bill))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def test_pauses_are_no_work(ledger: Ledger) -> None:
    paused = replace(PLAN, runs_ns=((0, NS_PER_H), (3 * NS_PER_H, 4 * NS_PER_H)))  # two hours of four
    for number in range(3):
        keep_run(ledger, number, hours=4, plan=paused)
    found = past_runs(ledger, "train")
    assert found.durations.p90_s == 7200.0
    # idle 40 W and 16 GB of memory at 0.5 W, a quarter of that for the rest of the node: 60 W for 4 h, over 2 h
    assert found.power_w == pytest.approx(120.0)


def test_run_without_pauses_or_without_a_plan_counts_from_start_to_end(ledger: Ledger) -> None:
    for number, plan in enumerate((None, PLAN, replace(PLAN, runs_ns=((0, 4 * NS_PER_H),)))):
        keep_run(ledger, number, hours=4, plan=plan)
    found = past_runs(ledger, "train")
    assert (found.durations.p90_s, found.power_w) == (4 * 3600.0, pytest.approx(60.0))


def test_run_that_went_on_from_a_save_tells_nothing(ledger: Ledger) -> None:
    for number in range(4):
        keep_run(ledger, number, hours=1 if number == 3 else 4, resumed=number == 3)
    assert past_runs(ledger, "train").durations.seconds == (4 * 3600.0,) * 3
    few = Ledger(f"{ledger.path}-few")
    for number in range(3):
        keep_run(few, number, hours=4, resumed=number > 0)
    with pytest.raises(
        InputError,
        match="1 of 3 runs named 'train' have finished, and 2 more went on from a save; at least 3 tell",
    ):
        past_runs(few, "train")


@pytest.mark.parametrize(("value", "resumed"), [("1", True), ("", False), (None, False)])
def test_run_says_whether_it_goes_on_from_a_save(
    monkeypatch: pytest.MonkeyPatch, value: str | None, resumed: bool
) -> None:
    if value is None:
        monkeypatch.delenv("LOWTIDE_RESUME", raising=False)
    else:
        monkeypatch.setenv("LOWTIDE_RESUME", value)
    header, _ = make_header(
        RunOptions(name="train"), load_config(env={}), check_intensity=lambda choice: None
    )
    assert header.resumed is resumed


def test_header_of_a_run_before_that_was_known_is_read() -> None:
    plain = to_plain(builders.make_header())
    del plain["resumed"]
    assert from_plain(RunHeader, plain, path="run.json") == builders.make_header()
