"""Software Carbon Intensity: (O + M) per R."""

from __future__ import annotations

import pytest

from lowtide.accounting.sci import parse_functional_unit, sci_score
from lowtide.errors import QuantityError


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("1e9:token", (1e9, "token")),
        ("1000:image", (1000.0, "image")),
        ("run", (1.0, "run")),
        (" 2.5:GPU hour ", (2.5, "GPU hour")),
    ],
)
def test_functional_units(text, unit):
    assert parse_functional_unit(text) == unit


@pytest.mark.parametrize("text", ["", ":token", "0:token", "1e9", "-5:token", "1..2:token", "1e999:token"])
def test_what_is_no_functional_unit_is_refused(text):
    with pytest.raises(
        QuantityError, match="as a functional unit; write it like 1e9:token, 1000:image or run"
    ):
        parse_functional_unit(text)


def test_score_is_operational_and_embodied_per_unit():
    # (500 + 100) g / (2e9 / 1e9)
    score = sci_score(500.0, embodied_g=100.0, functional_unit="1e9:token", count=2e9)
    assert (score.score_g, score.denominator) == (300.0, 2.0)


def test_score_without_embodied_says_so_by_its_null():
    score = sci_score(500.0, embodied_g=None, functional_unit="run", count=1.0)
    assert (score.score_g, score.embodied_g) == (500.0, None)


@pytest.mark.parametrize("count", [0.0, -1.0, float("nan")])
def test_nothing_counted_is_refused_with_the_way_to_count(count):
    with pytest.raises(QuantityError, match=r"no token was counted.*count with m.count\('token', n\)"):
        sci_score(1.0, embodied_g=None, functional_unit="1e9:token", count=count)
