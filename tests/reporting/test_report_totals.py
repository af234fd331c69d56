"""What several runs come to together."""

from __future__ import annotations

from report_views import failed_view, make_bill, make_end, make_energy, make_entry, make_view, marginal_view

from lowtide.reporting.totals import totals_of


def test_ranges_of_runs_add_linearly() -> None:
    totals = totals_of([make_view("a"), make_view("b")])
    assert totals.energy is not None
    assert totals.carbon is not None
    assert (totals.energy_kwh, totals.energy.low_kwh, totals.energy.high_kwh) == (
        4.0,
        3.2,
        5.2,
    )  # 2x2, 2x1.6, 2x2.6
    assert (totals.g, totals.carbon.low_g, totals.carbon.high_g) == (1600.0, 1200.0, 2200.0)
    assert totals.hours == 2.0
    assert totals.measured_fraction == 0.5


def test_failed_and_killed_runs_are_in_the_total() -> None:
    killed = make_view("k", end=make_end(exit_code=None, signal=9))
    totals = totals_of([make_view("a"), failed_view("b"), killed])
    assert totals.by_status == {"running": 0, "finished": 1, "failed": 1, "killed": 1, "incomplete": 0}
    assert totals.energy_kwh == 6.0
    assert totals.hours == 2.5


def test_unknown_carbon_is_counted_and_shows_in_the_covered_share() -> None:
    totals = totals_of([make_view("a"), failed_view("b")])
    assert totals.n_unknown_carbon == 1
    assert totals.g == 800.0
    assert totals.covered_fraction == 0.5  # 2 of 4 kWh
    assert "of 50 % of the energy; the rest has no intensity" in totals.sentence()


def test_average_and_marginal_are_never_summed() -> None:
    totals = totals_of([make_view("a"), marginal_view()])
    assert totals.g is None
    assert [(group.account, group.zones, group.g) for group in totals.groups] == [
        ("location", ("DE",), 800.0),
        ("marginal", ("US-CAL-CISO",), 1000.0),
    ]
    assert "carbon not summed, since basis, factors or boundary differ" in totals.sentence()


def test_lifecycle_and_direct_are_never_summed() -> None:
    direct = make_view("d", entry=make_entry(make_bill(factors="direct")))
    assert totals_of([make_view("a"), direct]).g is None


def test_node_and_facility_are_never_summed() -> None:
    facility = make_view("f", entry=make_entry(make_bill(of="facility"), pue=1.2, facility_kwh=2.4))
    assert totals_of([make_view("a"), facility]).g is None
    logged = make_view("g", entry=make_entry(None, energy=make_energy(boundary="gpu")))
    totals = totals_of([make_view("a"), logged])
    assert totals.energy_kwh is None
    assert [energy.boundary for energy in totals.energies] == ["node", "gpu"]


def test_zones_are_summed_where_basis_and_factors_agree() -> None:
    french = make_view("f", entry=make_entry(make_bill(g=100.0, low_g=50.0, high_g=150.0, zone="FR")))
    totals = totals_of([make_view("a"), french])
    assert totals.carbon is not None
    assert (totals.g, totals.carbon.zones) == (900.0, ("DE", "FR"))
    assert [group.g for group in totals.groups] == [800.0, 100.0]


def test_a_run_inside_another_is_not_added_again() -> None:
    outer = make_view("o")
    inner = make_view("i", parent_run_id=outer.header.run_id)
    totals = totals_of([outer, inner])
    assert (totals.n_runs, totals.n_inside, totals.energy_kwh, totals.g) == (2, 1, 2.0, 800.0)
    assert "1 of them inside another and not added again" in totals.sentence()
    assert totals_of([inner]).energy_kwh == 2.0  # alone it stands for itself


def test_a_location_account_without_values_is_not_replaced_by_the_marginal_one() -> None:
    unknown = make_bill(g=None, low_g=None, high_g=None, covered_fraction=0.0, mean_g_per_kwh=None)
    view = make_view(entry=make_entry(unknown, marginal=make_bill(basis="marginal")))
    totals = totals_of([view])
    assert (totals.g, totals.n_unknown_carbon, totals.n_known_carbon) == (None, 1, 0)
    assert totals.sentence().endswith("; carbon unknown")


def test_no_runs_have_no_energy_and_no_carbon() -> None:
    totals = totals_of([])
    assert (totals.n_runs, totals.energy_kwh, totals.g, totals.covered_fraction) == (0, None, None, None)
    assert totals.sentence() == "no runs"


def test_runs_without_a_bill_or_an_end_are_counted() -> None:
    totals = totals_of([make_view("r", entry=None, end=None)])
    assert (totals.n_unknown_energy, totals.n_unknown_hours, totals.energy_kwh) == (1, 1, None)
    assert totals.sentence() == "1 run (1 running): energy unknown; carbon unknown"


def test_the_sentence_says_all_and_how_ranges_were_added() -> None:
    assert totals_of([make_view("a"), make_view("b")]).sentence() == (
        "2 runs (2 finished): 4.00 kWh (3.20 to 5.20) at the node in 2h, 50 % measured; "
        "1.60 kg (1.20 to 2.20) CO2e of the node (DE; average, lifecycle); "
        "ranges of runs are added as they are, since the same models err the same way in each of them"
    )
