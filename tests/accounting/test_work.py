"""Power over work: cut out, stretched, laid into other stretches."""

from __future__ import annotations

import numpy as np
import pytest

from lowtide.accounting.work import PauseCost, gaps_power, laid, stretched, work_power
from lowtide.series.types import PowerSeries

S = 10**9
WORK = PowerSeries(edges_ns=np.array([0, 10, 30]) * S, power_w=np.array([100.0, 200.0]), boundary="node")


def test_nothing_but_pauses_is_no_work():
    assert work_power(WORK, [(0, 30 * S)]) is None


def test_stretching_keeps_the_power_at_each_share_of_the_work():
    found = stretched(WORK, 60.0)
    assert found.edges_ns.tolist() == [0, 20 * S, 60 * S]
    assert found.power_w.tolist() == [100.0, 200.0]
    squeezed = stretched(WORK, 2e-9)
    assert squeezed.edges_ns.tolist() == [0, 1, 2]
    assert stretched(WORK, 1e-9).edges_ns.tolist() == [0, 1]


def test_resume_that_takes_time_comes_before_the_work_of_its_stretch():
    pause = PauseCost(power_w=5.0, resume_s=4.0, resume_w=150.0)
    found = laid(WORK, [(0, 10 * S), (20 * S, 44 * S)], pause=pause)
    assert found.edges_ns.tolist() == [0, 10 * S, 20 * S, 24 * S, 44 * S]
    assert found.power_w.tolist() == [100.0, 5.0, 150.0, 200.0]


def test_resume_that_fills_its_stretch_leaves_no_time_to_work():
    pause = PauseCost(power_w=5.0, resume_s=4.0, resume_w=150.0)
    found = laid(WORK, [(0, 10 * S), (20 * S, 23 * S), (30 * S, 31 * S)], pause=pause)
    # the second stretch is too short for its resume; the last one takes the rest of the work
    assert found.edges_ns.tolist() == [0, 10 * S, 20 * S, 23 * S, 30 * S, 34 * S, 54 * S]
    assert found.power_w.tolist() == [100.0, 5.0, 150.0, 5.0, 150.0, 200.0]


def test_resume_without_time_draws_its_energy_at_its_instant():
    found = laid(WORK, [(0, 10 * S), (20 * S, 40 * S)], pause=PauseCost(resume_kwh=0.001))
    assert found.edges_ns.tolist() == [0, 10 * S, 20 * S, 20 * S + 1, 40 * S]
    # 1000 J + 4000 J + 0.001 kWh
    assert found.energy_j() == pytest.approx(1000.0 + 4000.0 + 3600.0)


def test_gap_has_its_resume_at_its_end():
    pause = PauseCost(power_w=5.0, resume_s=4.0, resume_w=150.0)
    (found,) = gaps_power([(10 * S, 20 * S)], WORK, pause)
    assert found.edges_ns.tolist() == [10 * S, 16 * S, 20 * S]
    assert found.power_w.tolist() == [5.0, 150.0]
    (short,) = gaps_power([(10 * S, 12 * S)], WORK, pause)
    assert (short.edges_ns.tolist(), short.power_w.tolist()) == ([10 * S, 12 * S], [150.0])
    (sudden,) = gaps_power([(10 * S, 20 * S)], WORK, PauseCost(power_w=5.0, resume_kwh=0.001))
    assert sudden.energy_j() == pytest.approx(50.0 + 3600.0)
