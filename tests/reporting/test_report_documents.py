"""The report as JSON."""

from __future__ import annotations

import json
from typing import Any

from report_views import failed_view, make_view, marginal_view

from lowtide.reporting.documents import report_json
from lowtide.reporting.view import RunView


def read(views: list[RunView], equivalences: bool = False) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report_json(views, equivalences), parse_constant=_refuse)
    return document


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_runs_are_as_in_show_and_the_total_has_units_in_its_keys() -> None:
    document = read([make_view("a"), failed_view("b")])
    assert [run["name"] for run in document["runs"]] == ["a", "b"]
    assert document["runs"][1]["emissions"]["location"] is None
    totals = document["totals"]
    assert (totals["n_runs"], totals["by_status"]["failed"], totals["energy_kwh"]) == (2, 1, 4.0)
    assert (totals["low_kwh"], totals["high_kwh"], totals["boundary"]) == (3.2, 5.2, "node")
    assert (totals["g"], totals["low_g"], totals["high_g"], totals["covered_fraction"]) == (
        800.0,
        600.0,
        1100.0,
        0.5,
    )
    assert (totals["hours"], totals["n_unknown_carbon"], totals["measured_fraction"]) == (1.5, 1, 0.5)


def test_what_cannot_be_summed_is_null_and_grouped() -> None:
    totals = read([make_view("a"), marginal_view()])["totals"]
    assert (totals["g"], totals["low_g"], totals["basis"], totals["of"]) == (None, None, None, None)
    assert [(g["account"], g["zones"], g["g"]) for g in totals["groups"]] == [
        ("location", ["DE"], 800.0),
        ("marginal", ["US-CAL-CISO"], 1000.0),
    ]


def test_no_runs_are_null_not_zero() -> None:
    totals = read([])["totals"]
    assert (totals["energy_kwh"], totals["g"], totals["covered_fraction"], totals["measured_fraction"]) == (
        None,
    ) * 4


def test_equivalences_only_when_asked() -> None:
    assert "equivalences" not in read([make_view()])
    assert len(read([make_view()], True)["equivalences"]) == 3
    assert read([failed_view()], True)["equivalences"] is None


def test_a_running_run_has_no_end_but_the_instant_it_was_made() -> None:
    run = read([make_view(end=None, entry=None, parent_run_id="p")])["runs"][0]
    assert (run["started"], run["energy"], run["created"], run["parent_run_id"]) == (
        None, None, "2026-03-01T00:00:00.000000Z", "p",
    )  # fmt: skip
