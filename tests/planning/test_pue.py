"""PUE that varies in time."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import site_of

from lowtide.errors import BoundaryError, InputError
from lowtide.planning.pue import PueSeries, facility_power
from lowtide.series.types import PowerSeries


def test_facility_power_is_the_product_where_both_are_known() -> None:
    pue = PueSeries(edges_ns=np.array([0, 10, 30]), pue=np.array([1.2, 1.5]), source="made up")
    power = PowerSeries.constant(100.0, start_ns=5, end_ns=40)
    found = facility_power(power, pue)
    assert found.edges_ns.tolist() == [5, 10, 30, 40]
    assert found.power_w[:2].tolist() == [120.0, 150.0]
    assert np.isnan(found.power_w[2])
    assert found.boundary == "facility"
    assert facility_power(power, 1.1).power_w.tolist() == pytest.approx([110.0])


def test_pue_is_applied_to_a_node_once() -> None:
    pue = PueSeries(edges_ns=np.array([0, 10]), pue=np.array([1.2]), source="made up")
    with pytest.raises(BoundaryError, match="PUE applies to a node, once"):
        facility_power(PowerSeries.constant(1.0, start_ns=0, end_ns=5, boundary="facility"), pue)


@pytest.mark.parametrize("value", [0.99, 5.1])
def test_pue_no_facility_can_have_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="cannot be"):
        PueSeries(edges_ns=np.array([0, 10, 20]), pue=np.array([1.2, value]), source="made up")


def test_policies_alone_refuse_a_pue_that_varies_and_say_who_takes_it() -> None:
    from dataclasses import replace

    pue = PueSeries(edges_ns=np.array([0, 10]), pue=np.array([1.2]), source="made up")
    with pytest.raises(InputError, match=r"varies in time; plan with lowtide\.planning\.plan\.plan"):
        replace(site_of([1]), pue=pue).overhead  # noqa: B018
