"""Shared nodes: what jobs are billed never sums to more than the node drew."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.runtime.importing_shares import NodeRow, Share, Tenant, shares

S = 10**9


def row(start_s: int, end_s: int, energy_j: float) -> NodeRow:
    return NodeRow(start_ns=start_s * S, end_ns=end_s * S, energy_j=energy_j)


def tenant(key: str, start_s: int, end_s: int, weight: float = 1.0) -> Tenant:
    return Tenant(key=key, start_ns=start_s * S, end_ns=end_s * S, weight=weight)


def energy_j(share: Share) -> float:
    return float(np.nansum(share.power_w * np.diff(share.edges_ns) / S))


spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 20), st.floats(0.5, 64.0)), min_size=1, max_size=7
)
curves = st.lists(st.floats(0.0, 900.0), min_size=60, max_size=60)


def test_one_job_alone_has_all_of_it() -> None:
    found = shares([row(0, 10, 2500.0)], [tenant("a", 0, 10)])["a"]
    assert energy_j(found) == pytest.approx(2500.0)
    assert found.low_fraction == 1.0


def test_overlap_is_shared_by_weight_and_the_rest_is_each_one_s_own() -> None:
    # 250 W: a alone for 5 s, both for 5 s at 3 to 1, b alone for 5 s
    found = shares(
        [row(0, 10, 2500.0), row(5, 15, 2500.0)], [tenant("a", 0, 10, 3.0), tenant("b", 5, 15, 1.0)]
    )
    assert energy_j(found["a"]) == pytest.approx(1250.0 + 937.5)  # 5 x 250 + 5 x 250 x 3/4
    assert energy_j(found["b"]) == pytest.approx(312.5 + 1250.0)
    # 3750 J is 15 s at 250 W; only 2500 J, of one of two rows that overlap, was surely drawn
    assert found["a"].low_fraction == pytest.approx(2500 / 3750)


def test_job_without_energy_of_its_own_still_takes_its_part() -> None:
    found = shares([row(0, 10, 1000.0)], [tenant("a", 0, 10), tenant("quiet", 0, 10)])
    assert energy_j(found["a"]) == pytest.approx(500.0)
    assert energy_j(found["quiet"]) == pytest.approx(500.0)


def test_short_row_tells_the_power_in_a_long_one() -> None:
    # 100 J in 10 s, of which 80 J in the last 2 s
    found = shares([row(0, 10, 100.0), row(8, 10, 80.0)], [tenant("a", 0, 10), tenant("b", 8, 10)])
    assert energy_j(found["a"]) == pytest.approx(20.0 + 40.0)
    assert energy_j(found["b"]) == pytest.approx(40.0)


def test_time_that_no_row_saw_is_unknown() -> None:
    found = shares([row(0, 5, 100.0)], [tenant("a", 0, 10)])["a"]
    assert found.power_w[0] == pytest.approx(20.0)
    assert np.isnan(found.power_w[1])


@given(spans=spans, power_w=st.floats(1.0, 2000.0))
def test_steady_node_is_shared_out_to_the_joule(spans: list[tuple[int, int, float]], power_w: float) -> None:
    rows = [row(a, a + n, power_w * n) for a, n, _ in spans]
    tenants = [tenant(str(i), a, a + n, w) for i, (a, n, w) in enumerate(spans)]
    busy = {second for a, n, _ in spans for second in range(a, a + n)}
    total = sum(energy_j(share) for share in shares(rows, tenants).values())
    assert total == pytest.approx(power_w * len(busy))


@given(spans=spans, curve=curves)
def test_jobs_never_sum_to_more_than_their_rows_nor_surely_to_more_than_the_node(
    spans: list[tuple[int, int, float]], curve: list[float]
) -> None:
    rows = [row(a, a + n, sum(curve[a : a + n])) for a, n, _ in spans]
    tenants = [tenant(str(i), a, a + n, w) for i, (a, n, w) in enumerate(spans)]
    busy = {second for a, n, _ in spans for second in range(a, a + n)}
    node_j = sum(curve[second] for second in busy)
    found = shares(rows, tenants)
    for i, one in enumerate(rows):
        assert energy_j(found[str(i)]) <= one.energy_j * (1 + 1e-9) + 1e-6
    assert sum(energy_j(s) * s.low_fraction for s in found.values()) <= node_j * (1 + 1e-9) + 1e-6


@given(cuts=st.lists(st.integers(1, 59), min_size=1, max_size=6, unique=True), curve=curves)
def test_jobs_in_one_another_sum_to_the_node_whatever_it_drew(cuts: list[int], curve: list[float]) -> None:
    # one job over all 60 s, and one in each stretch between two cuts
    edges = sorted({0, 60, *cuts})
    inner = list(pairwise(edges))
    rows = [row(0, 60, sum(curve)), *(row(a, b, sum(curve[a:b])) for a, b in inner)]
    tenants = [tenant("all", 0, 60, 2.0), *(tenant(str(i), a, b) for i, (a, b) in enumerate(inner))]
    found = shares(rows, tenants)
    assert sum(energy_j(s) for s in found.values()) == pytest.approx(sum(curve))
    assert all(s.low_fraction == pytest.approx(1.0) for s in found.values())
