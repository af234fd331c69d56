"""What another start would have meant: the same grams as the carbon line, overhead included."""

from __future__ import annotations

import pytest

from lowtide.accounting.pue import series_of
from lowtide.model.grid_choice import GridChoice
from lowtide.model.pue import PueSteps
from lowtide.runtime.account import account
from lowtide.runtime.saving import save_account
from lowtide.runtime.summary import another_time, summary_lines
from lowtide.runtime.views import read_view
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import START_NS, power_series

H = 3600 * 10**9
HALVES = PueSteps(edges_ns=(START_NS, START_NS + H // 2, START_NS + H), pue=(1.2, 1.8), source="by hand")


@pytest.fixture
def saved(tmp_path):
    """Return what saves one hour at 1 kW, 300 g/kWh then and 100 from the next hour on."""
    path = tmp_path / "grid.csv"
    path.write_text(
        "ts_utc,ci_lca\n" + "".join(f"2026-03-01T0{h}:00Z,{100 if h else 300}\n" for h in range(4))
    )
    ledger = Ledger(str(tmp_path / "ledger"))

    def save(pue):
        kept = account(power_series([1000.0, 1000.0], step_s=1800.0), str(path), pue=pue)
        choice = GridChoice(intensity=str(path))
        return ledger, save_account(ledger, kept, name="x", path="p.csv", choice=choice)

    return save


@pytest.mark.parametrize("pue", [None, 1.5])
def test_instead_line_is_of_what_the_carbon_line_is(saved, pue):
    ledger, run_id = saved(pue)
    view = read_view(ledger, run_id)
    shift, note = another_time(ledger, view)
    assert shift.g_now == pytest.approx(view.entry.emissions.location.g)
    assert shift.g == pytest.approx(100.0 * (pue or 1.0))  # 1 kWh at the node
    assert note == ""
    assert f"allocated {100 * (pue or 1):.0f} g, 67 % less" in summary_lines(ledger, run_id)[2]


def test_varying_pue_is_taken_along_and_said(saved):
    ledger, run_id = saved(series_of(HALVES))
    line = summary_lines(ledger, run_id)[2]
    assert "allocated 150 g, 67 % less, with the PUE of its own hours" in line  # 0.5 x 1.2 + 0.5 x 1.8 kWh
