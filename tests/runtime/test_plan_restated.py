"""The bill of a plan is made again when more of its window is known."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lowtide.accounting.intensities import Intensities
from lowtide.model.grid_choice import GridChoice
from lowtide.model.run_plan import PlanBill, RunPlan
from lowtide.runtime.account import account
from lowtide.runtime.billing import bill, is_settled, verify
from lowtide.runtime.config import load_config
from lowtide.runtime.repricing import restate_run, stale_runs
from lowtide.runtime.saving import save_account
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import START_NS, power_series
from lowtide.units import NS_PER_H

HOURS = (400, 300, 100, 200, 50, 50)


def write_hours(path: Path, n: int) -> None:
    rows = [f"2026-03-01T{hour:02d}:00Z,{value}" for hour, value in enumerate(HOURS[:n])]
    path.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")


@pytest.fixture
def waited(tmp_path: Path) -> tuple[Ledger, str, Path]:
    """A run of 1 kW from 2:00 to 4:00, asked for at 0:00 and to be done by 6:00; the file knows 4 hours."""
    path, ledger = tmp_path / "i.csv", Ledger(str(tmp_path / "ledger"))
    write_hours(path, 4)
    power = power_series(np.full(2, 1000.0), step_s=3600.0, start_ns=START_NS + 2 * NS_PER_H)
    choice = GridChoice(intensity=str(path), zone="DE")
    run_id = save_account(ledger, account(power, Intensities()), name="job", path="synthetic", choice=choice)
    end = ledger.end(run_id)
    assert end is not None
    plan = RunPlan(
        bound="--within 6h", asked_ns=START_NS, deadline_ns=START_NS + 6 * NS_PER_H, start_by_ns=None, pause="none",
        work_s=7200.0, runs_ns=((power.start_ns, power.end_ns),), waited_s=7200.0,
    )  # fmt: skip
    ledger.write_end(run_id, replace(end, plan=plan))
    return ledger, run_id, path


def plan_of(entry) -> PlanBill:
    assert entry is not None
    assert entry.plan is not None
    return entry.plan


def test_oracle_comes_with_the_rest_of_the_window_and_only_once(waited):
    ledger, run_id, path = waited
    entry = bill(ledger, run_id)
    first = plan_of(entry)
    assert (first.executed_g, first.run_now_g) == (pytest.approx(300.0), pytest.approx(700.0))
    assert (first.oracle_g, first.is_open) == (None, True)
    assert not is_settled(entry, silent=False)
    assert stale_runs(ledger) == [run_id]
    assert restate_run(ledger, run_id, load_config()) is None  # nothing more is known

    write_hours(path, 6)
    again = restate_run(ledger, run_id, load_config())
    assert plan_of(again).oracle_g == pytest.approx(100.0)  # from 4:00
    assert plan_of(again).regret_fraction == pytest.approx((300 - 100) / 700)
    assert is_settled(replace(again, emissions=replace(again.emissions, location=None)), silent=False)
    assert restate_run(ledger, run_id, load_config()) is None
    assert stale_runs(ledger) == []
    assert verify(ledger, run_id)["ok"], verify(ledger, run_id)["differences"]


def test_hours_to_come_are_not_billed_with_what_stands_in_for_them(tmp_path: Path):
    ledger, now_ns = Ledger(str(tmp_path / "ledger")), time.time_ns()
    power = power_series(np.full(1, 1000.0), step_s=3600.0, start_ns=now_ns - 3 * NS_PER_H)
    choice = GridChoice(zone="DE", provider="typical")
    run_id = save_account(ledger, account(power, Intensities()), name="job", path="synthetic", choice=choice)
    end = ledger.end(run_id)
    assert end is not None
    plan = RunPlan(
        bound="--within 24h", asked_ns=now_ns - 4 * NS_PER_H, deadline_ns=now_ns + 20 * NS_PER_H, start_by_ns=None,
        pause="none", work_s=3600.0, runs_ns=((power.start_ns, power.end_ns),),
    )  # fmt: skip
    ledger.write_end(run_id, replace(end, plan=plan))
    entry = bill(ledger, run_id)
    assert entry.joined["location"].edges_ns[-1] <= time.time_ns()
    assert plan_of(entry).oracle_g is None
    assert plan_of(entry).saving_g is not None
    assert plan_of(entry).provisional
