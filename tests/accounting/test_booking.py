"""From a record to the entry that bills it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lowtide.accounting.booking import book
from lowtide.accounting.intensities import Intensities
from lowtide.model.record import RunEnd
from lowtide.testing.builders import START_NS, intensity_series, make_header, make_record, regular_edges

H = 3600 * 10**9


def entry_of(intensities=None, *, header=None, end=None, **book_options):
    """Return the entry of an hour with one CPU busy on the default machine: 91.25 W at the node."""
    record = make_record(header, t_ns=regular_edges(1, step_s=3600.0), machine_cpu_s=[0.0, 3600.0],
                         run_cpu_s=[0.0, 3600.0], end=end)  # fmt: skip
    options = {
        "made": "2026-03-02T00:00:00.000000Z",
        "segments": {"a.seg": "00"},
        "version": "0",
        **book_options,
    }
    return book(record, intensities or Intensities(), **options)


def test_without_intensity_there_is_energy_and_no_emissions():
    entry = entry_of()
    assert entry.energy.total_kwh == pytest.approx(0.09125, rel=1e-12)
    assert (entry.facility_kwh, entry.emissions.location, entry.sci) == (None, None, None)
    assert (entry.n_readings, dict(entry.segments)) == (2, {"a.seg": "00"})


def test_grams_without_pue_are_of_the_node():
    bill = entry_of(Intensities(location=intensity_series([400.0]))).emissions.location
    assert (bill.g, bill.of) == (pytest.approx(36.5, rel=1e-12), "node")  # 0.09125 x 400


def test_pue_makes_them_grams_of_the_facility_once():
    entry = entry_of(Intensities(location=intensity_series([400.0])), pue=1.2)
    assert entry.energy.total_kwh == pytest.approx(0.09125, rel=1e-12)  # before PUE
    assert entry.facility_kwh == pytest.approx(0.1095, rel=1e-12)
    bill = entry.emissions.location
    assert (bill.g, bill.of) == (pytest.approx(43.8, rel=1e-12), "facility")
    # the range grows with it
    node = entry_of(Intensities(location=intensity_series([400.0]))).emissions.location
    assert bill.high_g == pytest.approx(1.2 * node.high_g, rel=1e-12)


def test_pue_of_the_header_is_used_unless_another_is_given():
    header = make_header(pue=1.5)
    assert entry_of(header=header).pue == 1.5
    assert entry_of(header=header, pue=1.1).pue == 1.1


def test_accounts_stand_side_by_side_and_are_not_summed():
    entry = entry_of(
        Intensities(
            location=intensity_series([400.0]),
            direct=intensity_series([300.0], factors="direct"),
            marginal=intensity_series([800.0], basis="marginal"),
            market=intensity_series([0.0]),
        )
    )
    accounts = entry.emissions
    assert accounts.location.g == pytest.approx(36.5, rel=1e-12)
    assert accounts.location.direct_g == pytest.approx(27.375, rel=1e-12)
    assert accounts.marginal.g == pytest.approx(73.0, rel=1e-12)
    assert accounts.market.g == 0.0


def test_intensity_is_kept_cut_to_the_run():
    entry = entry_of(Intensities(location=intensity_series([100.0, 400.0, 900.0], start_ns=START_NS - H)))
    joined = entry.joined["location"]
    assert joined.edges_ns == (START_NS, START_NS + H)
    assert (joined.intensity_g_per_kwh, joined.status) == ((400.0,), (0,))
    assert entry.signals["location"].zone == "XX"


def test_intensity_of_another_time_is_not_kept_and_covers_nothing():
    entry = entry_of(Intensities(location=intensity_series([400.0], start_ns=START_NS + 9 * H)))
    assert dict(entry.joined) == {}
    assert (entry.emissions.location.g, entry.emissions.location.covered_fraction) == (None, 0.0)


def test_embodied_share_and_sci():
    header = make_header(embodied_kg=876.0, lifetime_years=10.0, utilization=0.5, cpu_share=0.5,
                         functional_unit="1000:token")  # fmt: skip
    end = RunEnd(started_ns=START_NS, ended_ns=START_NS + H, counts=(("token", 4000.0),))
    entry = entry_of(Intensities(location=intensity_series([400.0])), header=header, end=end)
    # 876 kg / 87600 h = 10 g/h, half of the machine, half used: 10 g
    assert entry.emissions.embodied.g == pytest.approx(10.0, rel=1e-12)
    assert entry.sci.denominator == 4.0
    assert entry.sci.score_g == pytest.approx((entry.emissions.location.g + 10.0) / 4.0, rel=1e-12)


def test_sci_needs_a_count_but_a_run_counts_itself():
    end = RunEnd(started_ns=START_NS, ended_ns=START_NS + H)
    given = Intensities(location=intensity_series([400.0]))
    assert entry_of(given, header=make_header(functional_unit="1000:token"), end=end).sci is None
    assert entry_of(given, header=make_header(functional_unit="run"), end=end).sci.score_g == pytest.approx(
        36.5
    )


def test_problem_is_kept_in_the_entry():
    assert entry_of(problem="file vanished").problem == "file vanished"


def test_booking_twice_gives_the_same_entry():
    given = Intensities(location=intensity_series([400.0]))
    assert entry_of(given) == replace(entry_of(given))
