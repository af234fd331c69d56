"""Wiesner et al. 2021, "Let's Wait Awhile", second scenario: a machine-learning project in Germany.

3,387 jobs of 4 to 90 h at 2036.6 W arrive in working hours of 2020; savings without forecast errors.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from lowtide.model.signal import Signal
from lowtide.planning.policies.literature.calendar import Rule
from lowtide.planning.policies.literature.many import wait_awhile_many
from lowtide.series.types import IntensitySeries
from lowtide.testing.workloads import machine_learning_project
from lowtide.units import NS_PER_H
from shared_data import data_path

SLOT_NS = NS_PER_H // 2
PUBLISHED: dict[tuple[Rule, bool], float] = {
    ("next-workday", False): 5.93,
    ("next-workday", True): 8.16,
    ("semi-weekly", False): 14.13,
    ("semi-weekly", True): 18.50,
}
"""Savings [%], by rule and whether it interrupts."""


@cache
def germany() -> IntensitySeries:
    """Return the values at half hours, of quarter hours whose stamps are UTC without saying so."""
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(
        data_path("ci_subhourly_letswaitawhile_2020.parquet"), filters=[("zone", "=", "DE")]
    )
    t_ns = table["ts"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    at_half = t_ns % SLOT_NS == 0
    halves = np.append(t_ns[at_half], t_ns[at_half][-1] + SLOT_NS)
    values = table["ci_lca"].to_numpy()[at_half]
    return IntensitySeries.of(halves, values, signal=Signal(zone="DE", source="Wiesner et al. 2021"))


@pytest.mark.parametrize(("rule", "interrupting"), PUBLISHED)
def test_savings_of_the_published_jobs(rule: Rule, interrupting: bool) -> None:
    """Its simulator takes the value at each half hour, and lets every job be half an hour late."""
    starts_ns, durations_ns = machine_learning_project()
    found = wait_awhile_many(
        germany(), starts_ns, durations_ns, rule=rule, interrupting=interrupting, late_slots=1
    )
    assert found.run_now.sum() * 2.0366 / 1e6 == pytest.approx(100.8, abs=0.05)  # tonnes
    assert 100 * found.saving_fraction == pytest.approx(PUBLISHED[rule, interrupting], abs=0.01)


def test_keeping_the_deadline_saves_a_little_less() -> None:
    starts_ns, durations_ns = machine_learning_project()
    kept = wait_awhile_many(germany(), starts_ns, durations_ns, rule="next-workday", interrupting=True)
    assert kept.run_now.sum() * 2.0366 / 1e6 == pytest.approx(100.97, abs=0.005)
    assert 100 * kept.saving_fraction == pytest.approx(8.04, abs=0.005)
