"""What the values of a file are: measured where they can have been, a forecast where they were written before."""

from __future__ import annotations

import os

import pytest

from lowtide.grid.typical import typical_intensity
from lowtide.model.grid_choice import GridChoice
from lowtide.model.signal import STATUSES
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.account import account
from lowtide.runtime.config import load_config
from lowtide.runtime.grid_signals import fill_with_typical, intensities_for
from lowtide.runtime.repricing import restate_run, stale_runs
from lowtide.runtime.saving import save_account
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import START_NS, intensity_series, power_series

H = 3600 * 10**9
TEXT = "ts_utc,ci_lca,moer_g_per_kwh\n" + "".join(
    f"2026-03-01T0{h}:00Z,{100 + h},{700 + h}\n" for h in range(4)
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text(TEXT)
    return path


def written(path, instant: str):
    t_ns = parse_instant_ns(instant)
    os.utime(path, ns=(t_ns, t_ns))
    return path


def statuses(path):
    found = intensities_for(GridChoice(intensity=str(path)), start_ns=START_NS, end_ns=START_NS + 4 * H)
    return [[STATUSES[code] for code in series.status] for series in (found.location, found.marginal)]


def test_values_stamped_after_the_file_was_written_are_a_forecast(file):
    told = ["measured", "measured", "forecast", "forecast"]
    assert statuses(written(file, "2026-03-01T01:30Z")) == [told, told]


def test_newer_file_makes_them_measured(file):
    assert statuses(written(file, "2026-03-01T04:00Z")) == [["measured"] * 4] * 2


def test_file_dated_ahead_of_the_clock_foretells_all_the_same(tmp_path):
    path = tmp_path / "next.csv"
    path.write_text("ts_utc,ci\n2098-03-01T00:00Z,100\n2098-03-01T01:00Z,200\n")
    written(path, "2099-01-01T00:00Z")
    start_ns = parse_instant_ns("2098-03-01T00:00Z")
    found = intensities_for(GridChoice(intensity=str(path)), start_ns=start_ns, end_ns=start_ns + H)
    assert [STATUSES[code] for code in found.location.status] == ["forecast", "forecast"]


def test_bill_says_how_much_of_it_was_foretold(file):
    bill = account(power_series([1000.0, 3000.0], step_s=3600.0), written(file, "2026-03-01T00:30Z"))
    shares = bill.emissions.location.status_fractions
    assert (shares["measured"], shares["forecast"]) == (0.25, 0.75)  # 1 and 3 of 4 kWh


def test_stale_bill_is_made_again_once_the_file_is_newer_than_its_hours(file, tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    written(file, "2026-03-01T00:30Z")
    power = power_series([1000.0, 3000.0], step_s=3600.0)
    choice = GridChoice(intensity=str(file))
    run_id = save_account(ledger, account(power, str(file)), name="x", path="p.csv", choice=choice)

    def restated():
        entry = restate_run(ledger, run_id, load_config())
        return None if entry is None else entry.emissions.location.status_fractions

    assert stale_runs(ledger) == [run_id]
    assert restated() is None  # nothing better is known
    written(file, "2026-03-01T03:00Z")
    assert restated()["measured"] == 1.0
    assert stale_runs(ledger) == []


def test_typical_values_widen_the_range_by_their_share_alone():
    known = intensity_series([400.0] * 8, zone="DE")
    filled = fill_with_typical(known, START_NS, START_NS + 10 * H)
    typical = typical_intensity("DE", START_NS, START_NS + 10 * H)
    last = typical.intensity_g_per_kwh[8:]
    assert filled.intensity_g_per_kwh.tolist() == [400.0] * 8 + last.tolist()
    assert filled.status.tolist() == [0] * 8 + [3] * 2
    share = last.sum() / (last.sum() + 8 * 400.0)  # of the grams at constant power
    low, high = typical.signal.spread.at_hours(2.0)
    spread = filled.signal.spread
    assert spread.low_fraction[0] == pytest.approx(1 - share * (1 - low))
    assert spread.high_fraction[0] == pytest.approx(1 + share * (high - 1))
    assert "2 of 10 h typical" in filled.signal.source


def test_complete_intensity_stays_as_it_is_with_gaps_typical():
    known = intensity_series([400.0] * 4, zone="DE")
    filled = fill_with_typical(known, START_NS, START_NS + 4 * H)
    assert filled.signal == known.signal
    assert filled.intensity_g_per_kwh.tolist() == [400.0] * 4


def test_low_end_of_a_bill_with_typical_gaps_holds_the_measured_grams():
    power = power_series([1000.0] * 10, step_s=3600.0)
    bill = account(power, intensity_series([400.0] * 8, zone="DE"), gaps="typical").emissions.location
    assert bill.low_g > 8 * 400.0
