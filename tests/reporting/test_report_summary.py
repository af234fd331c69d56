"""The four lines at the end of a run."""

from __future__ import annotations

from report_views import failed_view, make_bill, make_energy, make_entry, make_view, marginal_view

from lowtide.planning.shift import Shift
from lowtide.reporting.summary import carbon_words, energy_words, four_lines, short_line
from lowtide.reporting.view import RunView
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_H


def later(saving: float, g: float) -> Shift:
    start_ns = START_NS + 3 * NS_PER_H
    return Shift(start_ns=start_ns, g=g, g_now=g / (1 - saving), saving_fraction=saving, n_starts=24)


def instead(view: RunView, shift: Shift | None, note: str = "") -> str:
    return four_lines(view, shift=shift, shift_note=note)[2]


def test_there_are_exactly_four_lines_in_order() -> None:
    for view in (make_view(), failed_view(), marginal_view(), make_view(entry=None)):
        lines = four_lines(view, shift=None, shift_note="unknown\nwhy")
        assert [line.split(" ")[0] for line in lines] == ["energy", "carbon", "instead", "next"]
        assert not any("\n" in line for line in lines)


def test_energy_says_boundary_time_and_what_was_measured() -> None:
    assert energy_words(make_view()) == (
        "2.00 kWh (1.60 to 2.60) at the node in 1h; 50 % measured (cpu), memory, rest modelled"
    )
    gappy = make_view(entry=make_entry(make_bill(), energy=make_energy(known_time_fraction=0.8)))
    assert energy_words(gappy).endswith("; 20 % of the time unknown")


def test_carbon_says_range_zone_basis_and_status() -> None:
    assert carbon_words(make_view()) == (
        "800 g (600 to 1100) CO2e of the node; DE, average lifecycle, 400 g/kWh, typical (level 2023)"
    )
    partial = make_view(entry=make_entry(make_bill(covered_fraction=0.5)))
    assert carbon_words(partial).endswith("; only 50 % of the energy is covered")


def test_a_constant_is_said_to_be_given_by_hand() -> None:
    bill = make_bill(zone=None, factors="unknown", vintage="", source="constant given by hand")
    assert carbon_words(make_view(entry=make_entry(bill))).endswith(
        "; no zone named, average (factors unknown), 400 g/kWh, given by hand"
    )


def test_unknown_carbon_says_how_to_know_it() -> None:
    assert carbon_words(failed_view()).startswith("unknown: no zone; say where the power is drawn: --zone DE")
    blank = make_bill(g=None, low_g=None, high_g=None)
    assert carbon_words(make_view(entry=make_entry(blank))) == (
        "unknown: Our World in Data / Ember 2023 has no value for the time of the run"
    )


def test_on_the_average_another_start_changes_what_is_allocated() -> None:
    assert instead(make_view(), later(0.25, 600.0)) == (
        "instead  no plan; started at 2026-03-01T03:00Z (3h later) the same run would have been "
        "allocated 600 g, 25 % less"
    )
    assert instead(make_view(), later(0.005, 796.0)) == (
        "instead  no plan; no start in the next 24 h would have been allocated at least 1 % less"
    )


def test_on_the_margin_another_start_avoids() -> None:
    assert instead(marginal_view(), later(0.25, 750.0)) == (
        "instead  no plan; started at 2026-03-01T03:00Z (3h later) the same run would have emitted 750 g "
        "at the margin, 25 % avoided"
    )
    assert instead(marginal_view(), later(0.0, 1000.0)).endswith("would have avoided at least 1 %")


def test_the_note_stands_where_no_shift_is_known() -> None:
    assert instead(make_view(), None, "yearly mean only") == "instead  no plan; yearly mean only"


def test_next_says_how_to_add_what_is_missing() -> None:
    assert four_lines(failed_view("my run"), shift=None, shift_note="")[3] == (
        "next     lowtide reprice 'my run' --zone KEY adds the carbon · add --pue for the facility's share · "
        "lowtide report 'my run' --format markdown"
    )
    modelled = make_entry(make_bill(), pue=1.2, energy=make_energy(measured_fraction=0.0))
    assert four_lines(make_view(entry=modelled), shift=None, shift_note="")[3] == (
        "next     lowtide show a · lowtide doctor says how to measure instead of model · "
        "lowtide report a --format markdown"
    )


def test_a_line_of_the_list_has_a_dash_for_the_unknown() -> None:
    assert short_line(make_view("a", run_id="id")) == (
        "id", "a", "finished", "2026-03-01T00:00Z", "1h", "2.00 kWh", "800 g", "DE",
    )  # fmt: skip
    assert short_line(make_view("a", run_id="id", entry=None, end=None)) == ("id", "a", "running", *"-----")


def test_a_shift_says_what_it_takes_for_granted() -> None:
    words = instead(make_view(), later(0.25, 600.0), "with the PUE of its own hours")
    assert words.endswith("allocated 600 g, 25 % less, with the PUE of its own hours")
