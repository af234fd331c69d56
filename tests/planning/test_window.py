"""From windows to cells: decision instants, unknown time, sites with different steps."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import NAN, S, site_of, window_of

from lowtide.errors import InputError
from lowtide.model.planning import Window
from lowtide.planning.sites import SiteOption, check_sites
from lowtide.planning.window import cut, decision_instants, known_hours

H = 3600


def seconds(t_ns: np.ndarray) -> list[float]:
    return (t_ns / S).tolist()


def test_decisions_are_the_windows_start_and_the_edges_inside() -> None:
    site, window = site_of([1, 2, 3, 4]), window_of(2.5 * H, start_s=600)
    assert seconds(decision_instants(site, window)) == [600, H, 2 * H]


def test_slot_grid_is_anchored_at_the_windows_start() -> None:
    site, window = site_of([1, 2, 3, 4]), window_of(2.5 * H, start_s=600)
    assert seconds(decision_instants(site, window, slot_s=H)) == [600, 600 + H, 600 + 2 * H]
    with pytest.raises(InputError, match="a slot must be longer than 0, got 0 s"):
        decision_instants(site, window, slot_s=0.0)


def test_cells_end_wherever_anything_changes_for_any_site() -> None:
    sites = [site_of([1, 2], zone="A"), site_of([5, 6, 7], zone="B", step_s=1800)]
    cells = cut(sites, window_of(2 * H))
    assert seconds(cells.edges_ns) == [0, 1800, 3600, 5400, 7200]
    assert cells.intensity[0].tolist() == [1, 1, 2, 2]
    assert np.array_equal(cells.intensity[1], [5, 6, 7, NAN], equal_nan=True)  # B ends before the window
    assert cells.may_start.tolist() == [[True, False, True, False], [True, True, True, True]]


def test_cells_also_end_where_resumes_are_over_and_moves_leave() -> None:
    cells = cut([site_of([1, 2])], window_of(2 * H), after_ns=600 * S, before_ns=300 * S)
    assert seconds(cells.edges_ns) == [0, 600, 3300, 3600, 4200, 7200]
    assert cells.may_start[0].tolist() == [True, False, False, True, False]


def test_window_before_and_after_the_data_is_unknown() -> None:
    site, window = site_of([1, 2], start_ns=H * S), window_of(5 * H)
    cells = cut([site], window)
    assert np.array_equal(cells.intensity[0], [NAN, 1, 2, NAN], equal_nan=True)
    assert known_hours(cells, 0) == 2.0
    assert cells.n_unknown(0).tolist() == [0, 1, 1, 1, 2]
    assert cells.areas(0).tolist() == [0, 0, 3600, 3 * 3600, 3 * 3600]


def test_intensity_of_cells_includes_pue() -> None:
    assert cut([site_of([100], pue=1.2)], window_of(H)).intensity.tolist() == [[120.0]]


def test_deadline_must_follow_the_start() -> None:
    with pytest.raises(InputError, match=r"the deadline \S+Z is not after \S+Z, the start of the window"):
        Window(start_ns=60 * S, deadline_ns=0)


def test_pue_below_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"pue 0\.9 cannot be"):
        site_of([1], pue=0.9)


def test_sites_are_refused_without_any_and_with_one_twice() -> None:
    with pytest.raises(InputError, match="no site to plan for"):
        check_sites([])
    with pytest.raises(InputError, match="zone 'A' is given twice"):
        check_sites([site_of([1]), site_of([2])])
    with pytest.raises(InputError, match="site A offers no operating point"):
        SiteOption(zone="A", intensity=site_of([1]).intensity, points=())
