"""PUE: once, and on a node only."""

from __future__ import annotations

import pytest

from lowtide.accounting.overhead import check_pue, to_facility
from lowtide.errors import BoundaryError, InputError
from lowtide.testing.builders import power_series


def test_facility_power_is_node_power_times_pue():
    facility = to_facility(power_series([100.0, 200.0]), 1.5)
    assert facility.power_w.tolist() == [150.0, 300.0]
    assert facility.boundary == "facility"


def test_pue_is_applied_once():
    with pytest.raises(
        BoundaryError, match="this power is the facility's already; PUE applies to a node, once"
    ):
        to_facility(to_facility(power_series([100.0]), 1.1), 1.1)


@pytest.mark.parametrize("boundary", ["chip", "gpu", "components"])
def test_pue_of_a_part_of_a_node_is_refused(boundary):
    with pytest.raises(
        BoundaryError, match=f"this power is at boundary '{boundary}'; add the rest of the node first"
    ):
        to_facility(power_series([100.0], boundary=boundary), 1.1)


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.2, 5.1, float("nan"), float("inf")])
def test_pue_that_cannot_be_is_refused(pue):
    with pytest.raises(InputError, match=r"cannot be: facility energy over node energy is 1.0 to 3"):
        check_pue(pue)


@pytest.mark.parametrize("pue", [1.0, 1.07, 2.5, 5.0])
def test_pue_that_can_be_is_returned(pue):
    assert check_pue(pue) == pue
