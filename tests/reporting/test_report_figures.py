"""Figures as people read them."""

from __future__ import annotations

import pytest

from lowtide.reporting.figures import data_size, energy, grams, intensity, percent, plain_number, range_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (9.996, "10.0"),  # rounding adds a digit, and the text still has three
        (0.09999, "0.100"),
        (1234.5, "1230"),
        (-0.01234, "-0.0123"),
        (999_999.0, "1e+06"),
    ],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_units_step_where_the_shown_digits_do() -> None:
    assert grams(999.4) == "999 g"
    assert grams(999.9) == "1.00 kg"
    assert energy(0.9999) == "1.00 kWh"


def test_small_amounts_have_small_units() -> None:
    assert energy(1.5e-9) == "1.50 µWh"
    assert grams(2.5e-6) == "2.50 µg"
    assert grams(-2.5) == "-2.50 g"  # the marginal basis knows negative grams


def test_a_range_has_one_unit_and_no_brackets_when_it_has_no_width() -> None:
    assert range_of(1.2, 0.8, 1.9, of="energy") == "1.20 kWh (0.800 to 1.90)"
    assert range_of(1200.0, 900.0, 1500.0, of="grams") == "1.20 kg (0.900 to 1.50)"
    assert range_of(1.2, 1.2, 1.2, of="energy") == "1.20 kWh"


def test_intensity_is_whole_grams_unless_they_are_few() -> None:
    assert (intensity(433.4), intensity(56.04), intensity(-120.6)) == (
        "433 g/kWh",
        "56.0 g/kWh",
        "-121 g/kWh",
    )


def test_percent_has_a_decimal_only_below_ten() -> None:
    assert (percent(0.0), percent(0.0312), percent(0.5), percent(-0.2731, signed=True)) == (
        "0 %",
        "3.1 %",
        "50 %",
        "-27 %",
    )


def test_data_sizes_are_binary() -> None:
    assert (data_size(0), data_size(1536), data_size(2**40)) == ("0 B", "1.50 KiB", "1.00 TiB")
