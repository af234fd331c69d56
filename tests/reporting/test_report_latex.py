"""The carbon impact statement."""

from __future__ import annotations

from dataclasses import replace

from report_views import failed_view, make_bill, make_entry, make_view, marginal_view

from lowtide.reporting.latex import bibtex_comments, escaped, report_latex


def test_the_paragraph_has_energy_carbon_ranges_and_what_is_left_out() -> None:
    paragraph = report_latex([make_view("a")], False).split("\n\n")[0]
    assert paragraph == (
        "\\paragraph{Carbon impact statement.}\n"
        "This work took one run, 1h in all, on Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux. "
        "The energy drawn is 2.00 kWh (1.60 to 2.60) at the node, of which 50 \\% was measured, the rest modelled. "
        "The operational emissions are 800 g (600 to 1100) CO\\textsubscript{2}e (grid: DE; average intensity, "
        "lifecycle factors, energy of the node), as power times the intensity at the time "
        "(Our World in Data / Ember 2023 (level 2023)). Ranges are 90 \\% intervals. "
        "Not included: cooling and power distribution of the building (no PUE is known), the manufacture of the "
        "hardware, network and storage outside the machine."
    )


def test_failed_runs_are_disclosed_and_unknown_ones_counted() -> None:
    text = report_latex([make_view("a"), failed_view("b")], False)
    assert "This work took 2 runs (1 failed included), 1h30m in all" in text
    assert (
        "(grid: DE; average intensity, lifecycle factors, energy of the node), for 50 \\% of the energy"
        in text
    )
    assert "The emissions of 1 run are unknown and not in the sum." in text
    assert "those of runs are added, since they err alike" in text


def test_one_failed_run_says_so() -> None:
    assert "This work took one run (failed), 30m in all" in report_latex([failed_view("b")], False)


def test_bases_are_not_summed() -> None:
    text = report_latex([make_view("a"), marginal_view()], True)
    assert "The emissions are not one sum, since basis, factors or boundary differ: 800 g" in text
    assert "In other words" not in text


def test_all_unknown_is_unknown() -> None:
    assert "The emissions are unknown." in report_latex([failed_view()], False)
    assert "The energy is unknown. The emissions are unknown." in report_latex([make_view(entry=None)], False)


def test_equivalences_when_asked() -> None:
    assert "In other words: 64.5 x smartphone charge" in report_latex([make_view("a")], True)  # 800 / 12.4


def test_nothing_means_anything_to_latex() -> None:
    assert escaped(r"\a{b}$50%~^#_&<>") == (
        r"\textbackslash{}a\{b\}\$50\%\textasciitilde{}\textasciicircum{}\#\_\&\textless{}\textgreater{}"
    )
    assert escaped('"--x') == r"\char34{}-{}-x"


def test_sources_in_use_are_given_as_commented_bibtex() -> None:
    lines = bibtex_comments([make_view("a")]).splitlines()
    assert all(line.startswith("% ") for line in lines)
    assert "% @misc{owid-carbon-intensity," in lines
    assert "%   note = {licence: CC BY 4.0}," in lines
    assert not any("carboncast" in line for line in lines)
    several = bibtex_comments(
        [make_view("a", entry=make_entry(make_bill(source="typical: CarbonCast and EIA-930 2022")))]
    )
    assert "@inproceedings{maji2022carboncast," in several
    assert "@misc{eia930," in several
    own = bibtex_comments([make_view("a", entry=make_entry(make_bill(source="file grid.csv")))])
    assert own == "% Data behind the figures:\n% Given by the user: file grid.csv\n"
    assert bibtex_comments([make_view(entry=None)]) == "% No data source was used.\n"


def test_nothing_is_cited_for_direct_factors_that_are_not_in_the_paragraph() -> None:
    entry = make_entry(make_bill(source="CarbonCast"))
    direct = replace(entry.signals["location"], source="Google Cloud region carbon data 2024")
    entry = replace(entry, signals={**entry.signals, "direct": direct})
    assert "carboncast" in bibtex_comments([make_view(entry=entry)])
    assert "google" not in bibtex_comments([make_view(entry=entry)])


def test_no_runs_are_a_comment() -> None:
    assert report_latex([], False) == "% There are no runs to report.\n"
