"""Hypothesis strategies for step functions, with power, intensity and instants of sensible size."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from lowtide.testing.builders import START_NS

S = 10**9
MOST_W = 1e6


FEW = st.integers(1, 12)
NEAR_START = st.integers(START_NS - 50 * S, START_NS + 50 * S)


@st.composite
def edges(draw, *, n_steps=FEW, start_ns=NEAR_START):
    """Draw irregular edges [ns], from a nanosecond to ten minutes apart."""
    n = draw(n_steps)
    widths = draw(st.lists(st.integers(1, 600 * S) | st.sampled_from([S, 5 * S]), min_size=n, max_size=n))
    return draw(start_ns) + np.concatenate(([0], np.cumsum(widths))).astype(np.int64)


@st.composite
def steps(draw, *, low=0.0, high=MOST_W, unknown=True, **options):
    """Draw (edges_ns, values); some values are NaN when `unknown`."""
    found = draw(edges(**options))
    value = st.floats(low, high, allow_nan=False, width=32)
    values = draw(
        st.lists(
            value | st.just(float("nan")) if unknown else value,
            min_size=len(found) - 1,
            max_size=len(found) - 1,
        )
    )
    return found, np.array(values, dtype=np.float64)


@st.composite
def instants_inside(draw, of, *, most=5):
    """Draw distinct instants inside edges, in order."""
    first, last = int(of[0]), int(of[-1])
    return np.array(sorted(draw(st.sets(st.integers(first, last), max_size=most))), dtype=np.int64)


def split(edges_ns, values, at_ns):
    """Return the same function with steps cut at instants inside its edges."""
    from lowtide.series.steps import at

    finer = np.union1d(edges_ns, at_ns)
    return finer, at(edges_ns, values, finer[:-1])


def size(edges_ns, values):
    """Return the scale against which rounding is judged: the integral of the absolute value."""
    return float(np.nansum(np.abs(values) * np.diff(edges_ns)) / S) + 1e-12
