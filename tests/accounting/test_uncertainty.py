"""Ranges that say where they come from."""

from __future__ import annotations

import pytest

from lowtide.accounting.uncertainty import Deviation, combine, scale_to


def test_deviations_add_in_quadrature_below_and_above_apart():
    # below: sqrt(3^2 + 4^2) = 5; above: sqrt(6^2 + 8^2) = 10
    assert combine(100.0, [Deviation("a", 3.0, 6.0), Deviation("b", 4.0, 8.0)]) == (95.0, 110.0)


def test_figure_that_is_not_negative_has_a_low_end_that_is_not_either():
    assert combine(1.0, [Deviation("a", 5.0, 5.0)]) == (0.0, 6.0)


def test_negative_figure_may_go_further_down():
    assert combine(-1.0, [Deviation("a", 5.0, 5.0)]) == (-6.0, 4.0)


def test_no_source_of_error_is_no_range():
    assert combine(7.0, []) == (7.0, 7.0)


@pytest.mark.parametrize(("factor", "scaled"), [(2.0, (2.0, 6.0)), (-2.0, (6.0, 2.0)), (0.0, (0.0, 0.0))])
def test_scaling_by_a_negative_factor_swaps_low_and_high(factor, scaled):
    assert scale_to([Deviation("a", 1.0, 3.0)], factor) == [Deviation("a", *scaled)]
