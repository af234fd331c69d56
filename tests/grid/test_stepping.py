"""Steps between stamps: what is a step, what a hole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.stepping import Clash, StepGrid, find_clash, group_stamps, local_steps_ns


@pytest.mark.parametrize(
    ("distances", "steps"),
    [
        ([60], [60]),
        ([60, 120], [60, 60]),  # no more than one of each: the smaller one
        ([120, 60], [60, 60]),
        ([60, 60, 120, 120, 60, 60], [60] * 6),  # two holes, not a change for two steps
        ([60] * 30 + [120] * 23 + [60] * 30, [60] * 83),  # 23 in a row are still holes,
        ([60] * 30 + [120] * 24 + [60] * 30, [60] * 30 + [120] * 24 + [60] * 30),  # 24 are not
        ([30] * 5 + [15] * 2, [30] * 5 + [15] * 2),  # cut short by the end
        ([30] * 5 + [15] * 5 + [30] + [15] * 5, [30] * 5 + [15] * 11),
        ([15] * 5 + [30] + [15] + [30] * 5, [15] * 7 + [30] * 5),
        ([120, 60, 60, 60], [60] * 4),  # a hole at the start
        ([7, 11, 13, 9, 10, 8], [9] * 6),  # no step at all: the median, int((9 + 10) / 2)
    ],
)
def test_local_steps(distances, steps):
    assert local_steps_ns(np.array(distances)).tolist() == steps


def test_jitter_is_not_a_hole():
    grid = StepGrid.of(np.cumsum([0, 300, 302, 298, 300, 301, 299]))
    assert grid is not None
    assert grid.n_absent == 0


@pytest.mark.parametrize(("distance", "n_absent"), [(89, 0), (90, 1), (120, 1), (149, 1), (150, 2), (600, 9)])
def test_stamps_that_fit_into_a_hole(distance, n_absent):
    grid = StepGrid.of(np.cumsum([0, 60, 60, 60, distance, 60, 60]))
    assert grid is not None
    assert grid.n_absent == n_absent
    assert grid.edges_ns.tolist() == [0, 60, 120, 180] + [240] * (n_absent > 0) + [
        180 + distance + d for d in (0, 60, 120, 180)
    ]


def test_one_stamp_needs_a_step_from_elsewhere():
    assert StepGrid.of(np.array([5])) is None
    grid = StepGrid.of(np.array([5]), single_step_ns=10)
    assert grid is not None
    assert grid.edges_ns.tolist() == [5, 15]


def test_clash_names_the_first_row_that_disagrees_and_the_one_it_disagrees_with():
    t_ns = np.array([20, 10, 20, 10, 20, 10])
    values = np.array([np.nan, 1.0, 2.0, 1.0, 3.0, 4.0])
    groups = group_stamps(t_ns)
    assert groups.merged(values) is None
    assert find_clash(groups, values) == Clash(row=4, other_row=2)


@given(st.lists(st.integers(0, 10**18), min_size=2, max_size=60, unique=True))
def test_edges_increase_hold_every_stamp_and_waste_no_step(stamps):
    t_ns = np.array(sorted(stamps))
    grid = StepGrid.of(t_ns)
    assert grid is not None
    assert (np.diff(grid.edges_ns) > 0).all()
    assert np.isin(t_ns, grid.edges_ns).all()
    assert len(grid.edges_ns) == len(t_ns) + 1 + len(grid.hole_after)
    assert grid.n_absent >= len(grid.hole_after)
    known = grid.with_holes(np.arange(len(t_ns), dtype=float))
    starts = grid.edges_ns[:-1][~np.isnan(known)]
    assert starts.tolist() == t_ns.tolist()


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from([1.0, 2.0, float("nan")])), min_size=1, max_size=40
    )
)
def test_merging_is_what_a_dictionary_would_do(rows):
    t_ns = np.array([t for t, _ in rows])
    values = np.array([v for _, v in rows])
    by_time: dict[int, set[float]] = {}
    for t, v in rows:
        by_time.setdefault(t, set()).update([v] if v == v else [])
    groups = group_stamps(t_ns)
    merged = groups.merged(values)
    assert groups.t_ns.tolist() == sorted(by_time)
    assert groups.n_duplicates == len(rows) - len(by_time)
    if any(len(found) > 1 for found in by_time.values()):
        assert merged is None
    else:
        assert merged is not None
        assert [{v} if v == v else set() for v in merged.tolist()] == [by_time[t] for t in sorted(by_time)]
