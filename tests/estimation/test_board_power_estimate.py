"""Power at the node from the names of accelerators."""

from __future__ import annotations

import pytest

from lowtide.errors import InputError, QuantityError
from lowtide.estimation.board_power import node_power


def test_node_power_by_hand() -> None:
    # 8 x 300 W x 0.8 x 1.10 host x 1.20 rest; low: rest 0.05; high: host 1.80, rest 0.40
    found = node_power("8xV100", load=0.8)
    assert found.power_w == pytest.approx(1920 * 1.10 * 1.20)
    assert found.low_w == pytest.approx(1920 * 1.10 * 1.05)
    assert found.high_w == pytest.approx(1920 * 1.80 * 1.40)
    assert "8 x V100 of 300 W TDP" in found.method


def test_one_accelerator_carries_its_host_alone() -> None:
    assert node_power("V100", load=1.0).power_w == pytest.approx(300 * 1.345 * 1.20)


def test_load_that_nobody_stated_is_the_maximum_with_a_wide_range() -> None:
    found = node_power("8 x H100")
    assert found.power_w == pytest.approx(5600 * 1.10 * 1.20)
    assert found.low_w == pytest.approx(2800 * 1.10 * 1.05)
    assert "the maximum, as none is given" in found.method


@pytest.mark.parametrize(
    ("text", "load", "message"),
    [
        ("8xV100", 0.0, "load 0 must be above 0"),
        ("8xV100", 80.0, "load 80 must be above 0 and at most 1"),
        ("0xV100", None, "cannot read the accelerators '0xV100'"),
        ("8xZ900", None, "unknown accelerator 'Z900'"),
    ],
)
def test_mistakes_say_what_would_work(text: str, load: float | None, message: str) -> None:
    with pytest.raises((InputError, QuantityError), match=message):
        node_power(text, load=load)
