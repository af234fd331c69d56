"""Stamped values to steps: order, duplicates, holes, windows, plausible values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.doors import Query
from lowtide.errors import NotCoveredError, ReplyError
from lowtide.grid.providers.kit.points import Points, answer, past_window, pieces, whole_steps
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H

AVERAGE = Signal(zone="DE", source="test")


def query(start_h: float, end_h: float, *, what: str = "history", now_h: float = 1000.0) -> Query:
    """Return a query in hours since 1970."""
    start_ns, end_ns, now_ns = (round(h * NS_PER_H) for h in (start_h, end_h, now_h))
    return Query(what=what, zone="DE", start_ns=start_ns, end_ns=end_ns, now_ns=now_ns)  # type: ignore[arg-type]


def points(*values: tuple[float, float]) -> Points:
    """Return hourly values by their hour."""
    made = Points("some-source")
    for hour, g in values:
        made.add(round(hour * NS_PER_H), NS_PER_H, g, status="measured", updated_ns=round(hour) + 1)
    return made


def test_holes_are_one_unknown_step_and_order_does_not_matter() -> None:
    found = answer(points((5, 50.0), (1, 10.0), (2, 20.0)), AVERAGE, query(0, 10))
    assert (found.intensity.edges_ns / NS_PER_H).tolist() == [1, 2, 3, 5, 6]
    assert np.array_equal(found.intensity.intensity_g_per_kwh, [10, 20, np.nan, 50], equal_nan=True)
    assert found.updated_ns is not None
    assert found.updated_ns.tolist() == [2, 3, 0, 6]


def test_values_that_stand_twice_and_agree_are_one() -> None:
    found = answer(points((1, 10.0), (2, np.nan), (1, 10.0), (2, 20.0)), AVERAGE, query(0, 10))
    assert found.intensity.intensity_g_per_kwh.tolist() == [10.0, 20.0]


def test_values_that_disagree_are_refused() -> None:
    with pytest.raises(ReplyError, match=r"of 1970-01-01T01:00:00\.000000Z disagree: 10 and 11 g/kWh"):
        answer(points((1, 10.0), (1, 11.0)), AVERAGE, query(0, 10))


def test_steps_that_overlap_are_refused() -> None:
    with pytest.raises(ReplyError, match="overlap"):
        answer(points((1, 10.0), (1.5, 11.0)), AVERAGE, query(0, 10))


@pytest.mark.parametrize(
    ("basis", "g", "is_fine"),
    [
        ("average", -0.5, False),
        ("average", 3001.0, False),
        ("marginal", -500.0, True),
        ("marginal", 6001.0, False),
    ],
)
def test_values_no_grid_can_have_are_refused(basis: str, g: float, is_fine: bool) -> None:
    signal = Signal(zone="DE", basis=basis, source="test")  # type: ignore[arg-type]
    if is_fine:
        assert answer(points((1, g)), signal, query(0, 10)).intensity.intensity_g_per_kwh.tolist() == [g]
    else:
        with pytest.raises(ReplyError, match=f"is no plausible {basis} intensity"):
            answer(points((1, g)), signal, query(0, 10))


def test_whole_steps_that_overlap_the_window_are_kept() -> None:
    found = answer(points(*((h, float(h)) for h in range(10))), AVERAGE, query(2.5, 5.5))
    assert found.intensity.intensity_g_per_kwh.tolist() == [2.0, 3.0, 4.0, 5.0]


def test_nothing_known_is_not_covered() -> None:
    with pytest.raises(NotCoveredError, match=r"has no value of DE from 1970-01-01T00.* to 1970-01-01T10"):
        answer(points((1, np.nan), (20, 5.0)), AVERAGE, query(0, 10))
    with pytest.raises(NotCoveredError, match="has no value of DE now"):
        answer(points(), AVERAGE, query(0, 10, what="latest"))


def test_latest_is_the_newest_known_value() -> None:
    found = answer(points((3, np.nan), (1, 10.0), (2, 20.0)), AVERAGE, query(0, 1, what="latest"))
    assert found.intensity.intensity_g_per_kwh.tolist() == [20.0]


def test_window_of_the_past_ends_at_the_step_that_is_running() -> None:
    assert past_window(query(2.5, 9, now_h=4.2), "x", NS_PER_H) == (2 * NS_PER_H, 5 * NS_PER_H)
    with pytest.raises(NotCoveredError, match="is in the future; ask for a forecast"):
        past_window(query(5, 9, now_h=4.2), "x", NS_PER_H)


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(1, 10**4))
def test_pieces_cover_a_window_once_and_none_is_too_long(start: int, length: int, longest: int) -> None:
    found = list(pieces(start, start + length, longest))
    assert [found[0][0], found[-1][1]] == [start, start + length]
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(0 < end - begin <= longest for begin, end in found)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**5))
def test_whole_steps_contain_the_window_and_less_than_a_step_more(start: int, length: int, step: int) -> None:
    first, last = whole_steps(start, start + length, step)
    assert first % step == last % step == 0
    assert start - step < first <= start
    assert start + length <= last < start + length + step
