"""Instants from text, the quick way and the exact one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.stamps import FIRST_NS, LAST_NS, BadCellError, parse_stamps
from lowtide.quantities import parse_instant_ns

FORMS = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M+00:00",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%S+05:30",
    "%Y-%m-%dT%H:%M-09:00",
]


@given(st.lists(st.datetimes(), min_size=1, max_size=20), st.sampled_from(FORMS))
def test_quick_and_exact_agree(moments, form):
    moments = [m.replace(year=1971 + m.year % 120) for m in moments if not (m.month == 2 and m.day == 29)]
    cells = [m.strftime(form) for m in moments]
    assert parse_stamps(cells, utc=False).tolist() == [parse_instant_ns(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        ("2026-03-01T00:00", "2026-03-01T00:00Z"),
        ("2026-03-01", "2026-03-01T00:00Z"),
        ("2026-03-01T00", "2026-03-01T00:00Z"),
        ("20260301T0000", "2026-03-01T00:00Z"),
        ("2026-03-01 00:00:00 UTC", "2026-03-01T00:00Z"),
        ("2026-03-01T00:00z", "2026-03-01T00:00Z"),
        (" 2026-03-01T00:00Z ", "2026-03-01T00:00Z"),
        ("2026-03-01T00:00+0100", "2026-02-28T23:00Z"),
    ],
)
def test_forms_where_the_column_says_utc(cell, same):
    for cells in ([cell], [cell, "2026-03-01T05:00:00.5Z"]):
        assert parse_stamps(cells, utc=True)[0] == parse_instant_ns(same)


@pytest.mark.parametrize(
    "cell",
    [
        "2026-13-01T00:00Z",
        "2026-01-01T24:00Z",
        "2026-01-01T00:00:60Z",
        "NaT",
        "now",
        "2026",
        "01/02/2026 00:00Z",
        "2026-01-01T00:00+1:00",
        "2026-01-01T00:00/01:00",
        "٢026-01-01T00:00Z",
        "",
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_what_is_no_instant_is_refused_with_its_place(cell, before):
    with pytest.raises(BadCellError) as caught:
        parse_stamps(["2026-01-01T00:00Z"] * before + [cell], utc=True)
    assert caught.value.index == before


def test_range_fits_int64_twice():
    assert LAST_NS - FIRST_NS < 2**62
    edge = parse_stamps(["2099-12-31T23:59:59Z", "1970-01-01T00:00:00Z"], utc=False)
    assert edge.tolist() == [LAST_NS - 10**9, 0]
    assert edge.dtype == np.int64
    for beyond in ("2100-01-01T00:00:00Z", "1969-12-31T23:59:59Z"):
        with pytest.raises(BadCellError, match="outside the years 1970 to 2099"):
            parse_stamps([beyond], utc=False)
