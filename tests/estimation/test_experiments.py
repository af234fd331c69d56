"""All runs behind a result."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import InputError
from lowtide.estimation.experiments import KINDS, PHASES, Trial, edh_energy_kwh, summarise

trials = st.lists(
    st.builds(
        Trial,
        name=st.just("t"),
        phase=st.sampled_from(PHASES),
        kind=st.sampled_from(KINDS),
        energy_kwh=st.floats(0.0, 1e6),
        count=st.integers(1, 1000),
        shared_by=st.floats(1.0, 100.0),
    ),
    min_size=1,
    max_size=8,
)


@given(st.floats(1e-9, 1.0), st.floats(1.0, 1e9), st.floats(1.0, 1e4), st.floats(1.0, 10.0))
def test_cost_is_linear_in_examples_data_and_experiments(e, d, h, k):
    base = edh_energy_kwh(e, d, h)
    for scaled in (edh_energy_kwh(e * k, d, h), edh_energy_kwh(e, d * k, h), edh_energy_kwh(e, d, h * k)):
        assert scaled == pytest.approx(base * k)


@given(trials)
def test_phases_and_kinds_are_parts_of_the_same_whole(runs):
    found = summarise(runs)
    assert sum(found.by_phase.values()) == pytest.approx(found.own_kwh)
    assert sum(found.by_kind.values()) == pytest.approx(found.own_kwh)
    assert found.own_kwh <= found.total_kwh * (1 + 1e-12)
    assert found.left_out_kwh >= -1e-6


def test_strubell_s_research_took_far_more_than_its_last_model():
    # Strubell et al. 2019: one model 120 h of GPU, all of research and development 239,942 h: 2000 times
    runs = [
        Trial(name="final", phase="training", kind="final", energy_kwh=120.0),
        Trial(name="rest", phase="experiment", kind="tuning", energy_kwh=239_942.0 - 120.0),
    ]
    assert summarise(runs).own_over_final == pytest.approx(1999.5, abs=0.1)


def test_a_search_is_shared_by_the_models_that_use_it():
    # 7.5 MWh over 5 models (Patterson et al. 2021: once for a domain)
    search = Trial(name="search", phase="experiment", kind="search", energy_kwh=7500.0, shared_by=5)
    assert (search.own_kwh, search.total_kwh) == (1500.0, 7500.0)


def test_nothing_final_has_no_ratio():
    found = summarise([Trial(name="a", phase="training", kind="failed", energy_kwh=1.0)])
    assert found.own_over_final is None


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="no runs"):
        summarise([])
    with pytest.raises(InputError, match="energy of a must be 0 or more"):
        Trial(name="a", phase="data", kind="other", energy_kwh=-1.0)
    with pytest.raises(InputError, match="at least this one"):
        Trial(name="a", phase="data", kind="other", energy_kwh=1.0, shared_by=0.0)
