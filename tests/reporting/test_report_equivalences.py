"""Grams as things people know."""

from __future__ import annotations

from lowtide.reporting.equivalences import equivalence_lines


def test_each_line_has_number_region_year_and_source() -> None:
    lines = equivalence_lines(1750.0)  # 1750/12.4 = 141.1, 1750/175 = 10, 1750/251 = 6.972
    assert lines == [
        "141 x smartphone charge (US, 2024: 12.4 g each; US EPA Greenhouse Gas Equivalencies Calculator, "
        "October 2024 edition: 1.24e-5 t)",
        "10.0 x kilometre in an average car (EU, 2019: 175 g each; Green Algorithms v3.0 (Lannelongue et al. 2021))",
        "6.97 x kilometre in an average car (US, 2020: 251 g each; Green Algorithms v3.0 (Lannelongue et al. 2021))",
    ]


def test_flights_and_homes_come_in_where_they_mean_something() -> None:
    assert not any("flight" in line for line in equivalence_lines(4_999.0))  # a tenth of 50 kg is 5 kg
    assert equivalence_lines(5_000.0)[3].startswith(
        "0.100 x flights from Paris to London, passenger, one way (EU"
    )
    assert "2.00 x year of a home's energy use (US, 2021: 8.30 t each" in equivalence_lines(16_600_000.0)[-1]


def test_crumbs_are_said_to_be_crumbs() -> None:
    assert equivalence_lines(0.001)[0].startswith("less than 0.001 x smartphone charge")


def test_nothing_is_like_no_or_negative_emissions() -> None:
    assert equivalence_lines(0.0) == []
    assert equivalence_lines(-5.0) == []
