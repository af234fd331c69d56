"""What is set of a machine's manufacture: refused at the start where it cannot be, and never worth the energy."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from lowtide.errors import QuantityError
from lowtide.runtime import billing
from lowtide.runtime.config import load_config
from lowtide.runtime.prepare import RunOptions, make_header
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header as header_of
from lowtide.testing.builders import make_record, regular_edges


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lifetime_years", "0", "lifetime_years 0 (from LOWTIDE_LIFETIME_YEARS) must be above 0"),
        ("embodied_kg", "nan", "embodied_kg nan (from LOWTIDE_EMBODIED_KG) must be a finite number"),
        ("embodied_kg", "-1", "embodied_kg -1 (from LOWTIDE_EMBODIED_KG) must not be negative"),
        ("utilization", "1.5", "utilization 1.5 (from LOWTIDE_UTILIZATION) must be above 0 and at most 1; "
                               "write 85% as 0.85"),
    ],
)  # fmt: skip
def test_manufacture_that_cannot_be_is_refused_before_a_run(name: str, text: str, message: str) -> None:
    config = load_config(env={f"LOWTIDE_{name.upper()}": text, "LOWTIDE_CONFIG": "/nonexistent"})
    with pytest.raises(QuantityError) as refused:
        make_header(RunOptions(name="x"), config, check_intensity=lambda choice: None)
    assert str(refused.value) == message


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a ledger with a run at 400 g/kWh that an earlier version let start with a life of 0 years."""
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    header = header_of(run_id="20260301T000000.000Z-aaaaaa", embodied_kg=100.0, lifetime_years=0.0)
    busy = [0.0, 60.0, 120.0, 180.0]
    record = make_record(
        replace(header, grid=replace(header.grid, zone=None, intensity="400")),
        t_ns=regular_edges(3, step_s=60.0),
        machine_cpu_s=busy,
        run_cpu_s=busy,
    )
    ledger.create(record.header)

    def read(*args: Any) -> Any:
        return record

    monkeypatch.setattr(billing, "read_record", read)
    return ledger


def test_bill_of_a_life_of_zero_years_lacks_the_manufacture_alone(kept: Ledger) -> None:
    entry = billing.bill(kept, "20260301T000000.000Z-aaaaaa")
    assert entry.emissions.embodied is None
    assert entry.problem == "no embodied emissions: lifetime_years 0 must be above 0"
    assert entry.energy.total_kwh > 0.0
    assert entry.emissions.location is not None
    assert entry.emissions.location.g == pytest.approx(400.0 * entry.energy.total_kwh)
    assert billing.verify(kept, "20260301T000000.000Z-aaaaaa")["ok"] is True


def test_bill_made_again_of_a_life_of_zero_years_says_so_too(kept: Ledger) -> None:
    choice = replace(header_of().grid, zone=None, intensity="300")
    entry = billing.reprice(kept, "20260301T000000.000Z-aaaaaa", choice=choice, pue=None)
    assert entry.problem == "no embodied emissions: lifetime_years 0 must be above 0"
    assert entry.emissions.location is not None
    assert entry.emissions.location.g == pytest.approx(300.0 * entry.energy.total_kwh)
