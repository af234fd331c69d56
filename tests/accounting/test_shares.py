"""The share rule on arrays and series."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.shares import part_of, total_of, unattributed
from lowtide.errors import BoundaryError
from lowtide.testing.builders import START_NS, power_series

S = 10**9
NAN = float("nan")
POWER = np.array([100.0])


def test_dynamic_power_goes_by_cpu_time_and_idle_power_by_share():
    # 60 x 3/4 + 40 x 1/2
    power, idle = part_of(POWER, 40.0, share=1.0, total_share=2.0, cpu_fraction=0.75)
    assert (power.tolist(), idle.tolist()) == ([65.0], [20.0])


def test_shares_below_the_machine_leave_idle_power_to_nobody():
    # a quarter of the machine pays a quarter of 40 W, whatever else is free
    assert part_of(POWER, 40.0, share=0.25, total_share=0.25, cpu_fraction=0.0)[0].tolist() == [10.0]


def test_dynamic_leaves_idle_out_and_machine_takes_all():
    given = {"share": 0.5, "total_share": 0.5, "cpu_fraction": 0.5}
    assert [a.tolist() for a in part_of(POWER, 40.0, **given, attribution="dynamic")] == [[30.0], [0.0]]
    assert [a.tolist() for a in part_of(POWER, 40.0, **given, attribution="machine")] == [[100.0], [40.0]]


def test_idle_is_never_more_than_what_is_drawn():
    # a model may say 40 W idle where a counter shows 25
    assert part_of(np.array([25.0]), 40.0, share=1.0, total_share=1.0, cpu_fraction=1.0)[1].tolist() == [25.0]


def test_unknown_power_stays_unknown():
    power, idle = part_of(np.array([NAN]), 40.0, share=1.0, total_share=1.0, cpu_fraction=1.0)
    assert np.isnan(power[0])
    assert np.isnan(idle[0])


def test_components_are_added_where_any_is_known():
    total = total_of([power_series([1.0, NAN, NAN]), power_series([10.0, 20.0, NAN])])
    np.testing.assert_array_equal(total.power_w, [11.0, 20.0, NAN])
    assert total.boundary == "components"


def test_unattributed_is_what_no_run_takes():
    machine = power_series([100.0, 100.0, NAN])
    run = power_series([60.0, NAN], start_ns=START_NS + S)
    # before the run starts all of it; then 40; where the machine is unknown so is the rest
    np.testing.assert_array_equal(unattributed(machine, [run]).power_w, [100.0, 40.0, NAN])


def test_unattributed_of_another_boundary_is_refused():
    with pytest.raises(BoundaryError, match="a run at boundary 'gpu' is no part of a machine at 'node'"):
        unattributed(power_series([1.0]), [power_series([1.0], boundary="gpu")])
