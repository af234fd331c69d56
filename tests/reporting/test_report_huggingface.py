"""The model card's block: grams, and no block where they are unknown."""

from __future__ import annotations

from typing import Any

import pytest
from report_views import failed_view, gpu_energy, make_bill, make_entry, make_view, marginal_view

from lowtide.reporting.huggingface import report_huggingface
from lowtide.reporting.view import RunView

yaml = pytest.importorskip("yaml")


def block(views: list[RunView]) -> dict[str, Any]:
    """Return the block as a model card's reader gets it."""
    text = report_huggingface(views, False)
    assert text.startswith("---\n")
    assert text.endswith("---\n")
    card: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return dict(card["co2_eq_emissions"])


def test_grams_are_grams() -> None:
    # 2 kWh x 400 g/kWh = 800 g; 0.8 would be kilograms
    assert block([make_view("a")])["emissions"] == 800.0


@pytest.mark.parametrize("g", [1.234567e-7, 0.00480779306, 123456.789, 5.521e11])
def test_any_amount_is_a_number_to_yaml(g: float) -> None:
    found = block([make_view("a", entry=make_entry(make_bill(g=g, low_g=g, high_g=g)))])["emissions"]
    assert isinstance(found, int | float)
    assert found == pytest.approx(g, rel=5e-6)  # six digits


def test_the_fields_are_those_of_a_card() -> None:
    view = make_view(
        "a", entry=make_entry(make_bill(), energy=gpu_energy()), tags=(("training_type", "fine-tuning"),)
    )
    found = block([view])
    assert list(found) == ["emissions", "source", "training_type", "geographical_location", "hardware_used"]
    assert found["training_type"] == "fine-tuning"
    assert found["geographical_location"] == "Germany (DE)"
    assert found["hardware_used"] == "2 x NVIDIA H200; Example CPU, 4 logical CPUs, 16.0 GiB memory, Linux"
    assert found["source"] == (
        "lowtide 0.1.0; 75 % of the energy measured; average intensity, lifecycle factors, energy of the node; "
        "Our World in Data / Ember 2023"
    )


def test_training_type_only_where_all_runs_are_tagged_alike() -> None:
    tagged = make_view("a", tags=(("training_type", "pre-training"),))
    assert "training_type" not in block([make_view("a")])
    assert "training_type" not in block([tagged, make_view("b")])


def test_several_runs_are_one_sum_with_their_places() -> None:
    french = make_view("f", entry=make_entry(make_bill(zone="FR")))
    californian = make_view("c", entry=make_entry(make_bill(zone="US-CAL-CISO")))
    own = make_view("o", entry=make_entry(make_bill(zone="my-grid")))
    found = block([make_view("a"), french, californian, own])
    assert found["emissions"] == 3200.0
    assert found["geographical_location"] == (
        "Germany (DE); France (FR); California ISO, United States (US-CAL-CISO); my-grid"
    )


def test_no_zone_is_no_place() -> None:
    assert "geographical_location" not in block([make_view("a", entry=make_entry(make_bill(zone=None)))])


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        ([], "there are no runs"),
        ([make_view("a"), failed_view("b")], "the carbon of b is unknown: no zone; say where"),
        ([failed_view("b"), failed_view("c")], "the carbon of b is unknown (and that of 1 more): no zone"),
        ([make_view("a"), marginal_view()], "basis, factors or boundary differ between the runs"),
        ([make_view("a", entry=None)], "the carbon of a is unknown: nothing was recorded"),
    ],
)
def test_what_is_unknown_has_no_block_but_a_reason(views: list[RunView], reason: str) -> None:
    text = report_huggingface(views, False)
    assert text.startswith(f"# no co2_eq_emissions: {reason}")
    assert yaml.safe_load(text) is None


def test_partial_cover_and_running_runs_are_in_the_source() -> None:
    view = make_view("a", entry=make_entry(make_bill(covered_fraction=0.9)), end=None)
    assert block([view])["source"].endswith("; covers 90 % of the energy; 1 run(s) still going on")


def test_hostile_text_stays_text() -> None:
    view = make_view("a", tags=(("training_type", 'x"\n- y: {z} # \\ \x07 é'),))
    assert block([view])["training_type"] == 'x" - y: {z} # \\ ? é'
