"""Laws of counters and gauges."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from step_functions import edges

from lowtide.series.readings import MISSING, counter_rates, gauge_means, greatest_held, held
from lowtide.units import NS_PER_S


@st.composite
def lost(draw, n):
    """Draw which of n readings fail, never the first or the last."""
    inner = draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))
    return np.array([False, *inner, False])


def energy(rates):
    return float((rates.values * np.diff(rates.edges_ns)).sum()) / NS_PER_S


@given(st.data())
def test_energy_of_a_counter_survives_any_readings_missing(data):
    t_ns = data.draw(edges(n_steps=st.integers(2, 12)))
    deltas = data.draw(st.lists(st.integers(0, 10**9), min_size=len(t_ns) - 1, max_size=len(t_ns) - 1))
    raw = np.concatenate(([data.draw(st.integers(0, 2**40))], deltas)).cumsum().astype(np.int64)
    missing = np.where(data.draw(lost(len(raw))), MISSING, raw)
    rates = counter_rates(t_ns, missing, scale=1e-6)
    np.testing.assert_allclose(energy(rates), sum(deltas) * 1e-6, rtol=1e-9, atol=1e-12)


@given(st.data())
def test_energy_of_a_wrapping_counter_survives_any_readings_missing(data):
    # at most 40 counts in each of at most 12 steps of 1 s, so never a whole turn of 1000 between two readings
    n = data.draw(st.integers(3, 12))
    t_ns = np.arange(n, dtype=np.int64) * NS_PER_S
    deltas = data.draw(st.lists(st.integers(0, 40), min_size=n - 1, max_size=n - 1))
    raw = np.concatenate(([data.draw(st.integers(0, 999))], deltas)).cumsum() % 1000
    missing = np.where(data.draw(lost(n)), MISSING, raw).astype(np.int64)
    rates = counter_rates(t_ns, missing, scale=1.0, modulus=1000, max_rate=40.0)
    assert {b.kind for b in rates.breaks} <= {"wrap"}
    np.testing.assert_allclose(energy(rates), sum(deltas), rtol=1e-12, atol=1e-9)


@given(st.data())
def test_no_counter_ever_shows_a_negative_rate(data):
    t_ns = data.draw(edges(n_steps=st.integers(1, 12)))
    raw = np.array(data.draw(st.lists(st.integers(0, 999), min_size=len(t_ns), max_size=len(t_ns))))
    modulus = data.draw(st.sampled_from([None, 1000]))
    rates = counter_rates(
        t_ns, raw, scale=1.0, modulus=modulus, max_rate=data.draw(st.sampled_from([None, 5.0]))
    )
    assert not (rates.values < 0.0).any()
    unknown = [(b.start_ns, b.end_ns) for b in rates.breaks if b.kind != "wrap"]
    assert len(unknown) == np.isnan(rates.values).sum()  # whatever is unknown says why


@given(st.data())
def test_gauge_between_two_readings_lies_between_them(data):
    t_ns = data.draw(edges(n_steps=st.integers(1, 12)))
    values = np.array(data.draw(st.lists(st.floats(0.0, 1e6), min_size=len(t_ns), max_size=len(t_ns))))
    means = gauge_means(t_ns, values, max_gap_s=1e9).values
    assert (means >= np.minimum(values[:-1], values[1:])).all()
    assert (means <= np.maximum(values[:-1], values[1:])).all()


@given(st.data())
def test_greatest_held_is_never_below_what_is_held(data):
    t_ns, steps_ns = data.draw(edges()), data.draw(edges())
    values = np.array(data.draw(st.lists(st.floats(0.0, 9.0), min_size=len(t_ns), max_size=len(t_ns))))
    greatest = greatest_held(t_ns, values, steps_ns)
    assert (greatest >= held(t_ns, values, steps_ns)).all()
    assert (greatest >= held(t_ns, values, np.append(steps_ns[1:], steps_ns[-1] + 1))).all()
