"""Runs in a terminal."""

from __future__ import annotations

from dataclasses import replace

from report_views import (
    failed_view,
    gpu_energy,
    make_bill,
    make_end,
    make_energy,
    make_entry,
    make_view,
    marginal_view,
)

from lowtide.model.ledger import EmbodiedBill, SciScore
from lowtide.model.record import Gap
from lowtide.reporting.text import report_text, show_text
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_S


def test_a_run_is_shown_with_every_figure_its_range_method_and_source() -> None:
    assert show_text(make_view("digits")).splitlines() == [
        "digits  20260301T000000Z-digits  finished",
        "command    python train.py",
        "time       2026-03-01T00:00:00Z, 1h on host",
        "used       2h of CPU time, 2.00 GiB memory at most, 0 B read, 3.52 GiB written",
        "hardware   Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux",
        "energy     2.00 kWh (1.60 to 2.60) at the node, 50 % measured",
        "  cpu          1.00 kWh  counter: RAPL",
        "  memory         500 Wh  modelled: 0.5 W/GB",
        "  rest           500 Wh  modelled: a quarter",
        "  of which       600 Wh  share of what the machine draws idle",
        "                 900 Wh  caused by the run (attribution: share)",
        "facility   unknown: no PUE was given",
        "carbon     800 g (600 to 1100) CO2e of the node, location",
        "  intensity  DE, 400 g/kWh, typical; average, factors lifecycle, flow production",
        "  source     Our World in Data / Ember 2023 (level 2023)",
        "  range      energy and intensity",
        "             intensity: 650 g to 1.05 kg alone",
        "ranges     in brackets: 90 % intervals",
    ]


def test_facility_energy_has_its_range_and_pue() -> None:
    entry = make_entry(make_bill(of="facility"), pue=1.2, facility_kwh=2.4)
    assert "facility   2.40 kWh (1.92 to 3.12) with PUE 1.2" in show_text(make_view(entry=entry))  # x 1.2


def test_a_failed_run_says_with_which_status_and_why_carbon_is_missing() -> None:
    text = show_text(failed_view())
    assert text.startswith("b  20260301T000000Z-00000b  failed (exit 3)")
    assert "carbon     unknown: no zone; say where the power is drawn: --zone DE" in text


def test_a_killed_run_says_by_which_signal() -> None:
    assert "killed (signal 9)" in show_text(make_view(end=make_end(exit_code=None, signal=9)))


def test_a_running_run_says_that_its_figures_are_so_far() -> None:
    text = show_text(make_view(end=None))
    assert "time       since 2026-03-01T00:00:00Z on host; figures so far" in text
    assert show_text(make_view(end=None, entry=None)).endswith("energy     unknown: nothing was recorded yet")


def test_a_problem_is_given_as_the_reason() -> None:
    entry = make_entry(None, problem="intensity for DE ends\ntoo early")
    assert "carbon     unknown: intensity for DE ends too early" in show_text(make_view(entry=entry))


def test_a_partial_bill_says_how_much_it_covers() -> None:
    entry = make_entry(make_bill(covered_fraction=0.75))
    assert "  covers     75 % of the energy; the rest has no intensity" in show_text(make_view(entry=entry))


def test_several_statuses_have_their_shares() -> None:
    shares = {"measured": 0.25, "estimated": 0.0, "forecast": 0.0, "typical": 0.75}
    entry = make_entry(make_bill(status_fractions=shares))
    assert "DE, 400 g/kWh, measured 25 %, typical 75 %; average" in show_text(make_view(entry=entry))


def test_accounts_stand_side_by_side() -> None:
    marginal = make_bill(g=1000.0, low_g=900.0, high_g=1200.0, basis="marginal")
    text = show_text(make_view(entry=make_entry(make_bill(direct_g=700.0), marginal=marginal)))
    assert "carbon     800 g (600 to 1100) CO2e of the node, location" in text
    assert "  direct     700 g with direct factors" in text
    assert "carbon     1.00 kg (0.900 to 1.20) CO2e of the node, marginal" in text
    assert "1.80 kg" not in text  # never summed


def test_zero_energy_under_an_intensity_without_a_mean_is_shown() -> None:
    bill = make_bill(g=0.0, low_g=0.0, high_g=0.0, mean_g_per_kwh=None, range_parts=())
    energy = make_energy(total_kwh=0.0, low_kwh=0.0, high_kwh=0.0)
    assert "DE, intensity unknown" in show_text(make_view(entry=make_entry(bill, energy=energy)))


def test_unknown_time_is_said() -> None:
    entry = make_entry(make_bill(), energy=make_energy(known_time_fraction=0.9))
    assert "  power is unknown for 10 % of the time, which is not in these figures" in show_text(
        make_view(entry=entry)
    )


def test_embodied_and_sci_are_beside() -> None:
    entry = make_entry(make_bill())
    made = EmbodiedBill(
        g=28.5, device_kg=1000.0, lifetime_years=4.0, utilization=1.0, machine_share=1.0, duration_h=1.0
    )
    score = SciScore(
        score_g=400.0, functional_unit="1e9:token", denominator=2.0, operational_g=800.0, embodied_g=None
    )
    entry = replace(entry, emissions=replace(entry.emissions, embodied=made), sci=score)
    text = show_text(make_view(entry=entry))
    assert (
        "embodied   28.5 g CO2e of 1000 kg, for 4 years in use 100 % of the time; not in the figures above"
        in text
    )
    assert "sci        400 g CO2e per 1e9 token, 2.00 of them; operational only" in text


def test_gaps_are_listed_and_the_many_counted() -> None:
    gaps = tuple(
        Gap(
            start_ns=START_NS + i * NS_PER_S,
            end_ns=START_NS + (i + 1) * NS_PER_S,
            channel="rapl",
            reason="no reading",
        )
        for i in range(12)
    )
    lines = show_text(make_view(entry=make_entry(make_bill(), gaps=gaps))).splitlines()
    assert lines[-12:-10] == ["gaps       12", "  2026-03-01T00:00:00Z to 00:00:01Z  rapl: no reading"]
    assert lines[-1] == "  and 2 more"


def test_repriced_runs_say_which_bill_this_is() -> None:
    first, second = make_entry(make_bill()), make_entry(make_bill(g=80.0), id="0002")
    view = replace(make_view(entry=second), entries=(first, second))
    assert show_text(view).splitlines()[-1] == (
        "bills      2; this is 0002, made 2026-03-01T01:00:05Z; the earlier ones are superseded and kept"
    )


def test_gpus_are_counted_by_model() -> None:
    text = show_text(make_view(entry=make_entry(make_bill(), energy=gpu_energy())))
    assert "hardware   2 x NVIDIA H200; Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux" in text


def test_commands_cannot_reach_the_terminal() -> None:
    text = show_text(make_view(command=("sh", "-c", "echo \x1b[31m\n\nred")))
    assert "command    sh -c 'echo ?[31m red'" in text


def test_an_inner_run_names_the_one_that_contains_it() -> None:
    assert "inside     OUTER, whose energy contains this run's" in show_text(make_view(parent_run_id="OUTER"))


def test_long_words_wrap_under_where_they_began() -> None:
    notes = {"cpu": "word " * 30, "memory": "", "rest": ""}
    lines = show_text(
        make_view(entry=make_entry(make_bill(), energy=make_energy(method_notes=notes)))
    ).splitlines()
    assert max(map(len, lines)) <= 110
    assert any(line.startswith(" " * 25 + "word word") for line in lines)


def test_several_runs_have_a_total_and_equivalences_when_asked() -> None:
    text = report_text([make_view("a"), make_view("b")], True)
    assert "\ntotal      2 runs (2 finished): 4.00 kWh" in text
    assert "\nlike       129 x smartphone charge (US, 2024" in text  # 1600 / 12.4 = 129.03
    assert "like " not in report_text([make_view("a"), make_view("b")], False)


def test_what_cannot_be_summed_is_like_nothing() -> None:
    assert "like " not in report_text([make_view("a"), marginal_view()], True)


def test_no_runs_say_so() -> None:
    assert report_text([], True) == "no runs"
