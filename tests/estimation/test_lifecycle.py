"""Life of a model: break-even, reuse, manufacture, water, hourly matching."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lowtide.cli.main import main
from lowtide.errors import InputError
from lowtide.estimation.lifecycle import embodied_cases, match_hourly, reused_training_kwh, water_l
from lowtide.estimation.ranged import Ranged
from lowtide.estimation.serving import break_even_queries, query_energy, serving

energies = arrays(np.float64, 24, elements=st.floats(0.0, 100.0))
intensities = arrays(np.float64, 24, elements=st.floats(1.0, 1000.0))


@pytest.mark.parametrize(
    ("training", "tuning", "each", "printed"),
    [
        pytest.param(51_686.0, 7571.0, 1.0e-4, 592_570_000, id="BLOOMz 7B"),
    ],
)
def test_parity_of_power_hungry_processing(training, tuning, each, printed):
    # Luccioni et al. 2023, arXiv 2311.16863: (51,686 + 7,571) / 1.0e-4
    assert break_even_queries(training, each, fine_tuning_kwh=tuning) == pytest.approx(printed)


@given(st.floats(1.0, 1e6), st.floats(1e-7, 1e-2), st.floats(1.1, 10.0))
def test_break_even_is_linear_in_training_and_falls_with_the_query(training, each, k):
    assert break_even_queries(training * k, each) == pytest.approx(k * break_even_queries(training, each))
    assert break_even_queries(training, each * k) == pytest.approx(break_even_queries(training, each) / k)
    found = serving(
        Ranged.exact(training), (Ranged.exact(each), "t"), n_queries=break_even_queries(training, each)
    )
    assert found.training_share == pytest.approx(0.5)


def test_task_with_a_spread_wider_than_its_mean_stays_positive():
    found, _ = query_energy("image-generation")
    assert 0.0 < found.low < found.value < found.high


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e4))
def test_reuse_never_costs_more(training, uses):
    assert reused_training_kwh(training, uses) <= training


def test_water_of_olmo():
    # Morrison et al. 2025: P x PUE x (0 + 1.29); 1 MWh x 1.2 x 1.29 = 1548 L
    assert water_l(1000.0, pue=1.2, wue_off_site_l_per_kwh=1.29) == (0.0, pytest.approx(1548.0))
    with pytest.raises(InputError, match="wue on site"):
        water_l(1.0, pue=1.2, wue_on_site_l_per_kwh=-1.0)


def test_embodied_rates_of_bloom_and_olmo():
    by_who = {case.who: case for case in embodied_cases(1.65e6)}
    olmo = by_who["OLMo, node of 8 GPUs, 4 years at 100 %"]
    assert olmo.g_per_gpu_hour == pytest.approx(13.0, abs=0.5)  # prints 0.013 kg
    assert olmo.total_g / 1e6 == pytest.approx(22.0, abs=0.5)  # prints 22 t
    board = by_who["BLOOM, board alone, 6 years at 85 %"]
    assert board.g_per_gpu_hour == pytest.approx(3.4, abs=0.05)  # 0.0034 kg


@given(energies, energies, intensities)
def test_net_is_between_nothing_and_gross(load, free, g):
    found = match_hourly(load, free, g)
    assert -1e-9 <= found.net_g <= found.gross_g + 1e-9
    assert found.matched_kwh + found.surplus_kwh == pytest.approx(free.sum())
    assert 0.0 <= found.matched_fraction <= 1.0 + 1e-12


@given(energies, energies, intensities)
def test_more_contracts_never_raise_net(load, free, g):
    assert match_hourly(load, free + 1.0, g).net_g <= match_hourly(load, free, g).net_g + 1e-6


@given(energies, energies, intensities)
def test_splitting_hours_in_halves_changes_nothing(load, free, g):
    halves = match_hourly(np.repeat(load / 2, 2), np.repeat(free / 2, 2), np.repeat(g, 2))
    assert halves.net_g == pytest.approx(match_hourly(load, free, g).net_g, rel=1e-9, abs=1e-6)


def test_surplus_is_never_carried_over():
    # two hours of 10 kWh; 20 kWh in the first: the second stays at 10 x 400 g
    found = match_hourly([10, 10], [20, 0], [400, 400])
    assert (found.net_g, found.surplus_kwh, found.matched_fraction, found.annual_g) == (
        4000.0,
        10.0,
        0.5,
        0.0,
    )


@pytest.mark.parametrize(
    ("load", "free", "g", "says"),
    [
        ([1.0, 2.0], [1.0], [1.0, 1.0], "must match"),
        ([-1.0], [1.0], [1.0], "load must be known"),
        ([1.0], [np.nan], [1.0], "contracted energy must be known"),
        ([1.0], [1.0], [np.nan], "intensity is unknown"),
    ],
)
def test_what_cannot_be_matched_is_refused(load, free, g, says):
    with pytest.raises(InputError, match=says):
        match_hourly(load, free, g)


@pytest.fixture
def lowtide(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lowtide", "lifecycle", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


def test_command_adds_training_share_and_queries(lowtide):
    words = ("--training-energy", "100kWh", "--fine-tuning-energy", "10kWh", "--uses", "10", "--queries", "1e6",
             "--energy-per-query", "0.08Wh", "--intensity", "400", "--pue", "1.5", "--wue-off-site", "2",
             "--gpu-hours", "100")  # fmt: skip
    status, out, _ = lowtide(*words, "--json")
    plain = json.loads(out)
    assert status == 0
    # 100 / 10 + 10 = 20 kWh, and 1e6 x 0.08 Wh = 80 kWh
    assert (plain["own_training_kwh"], plain["node_kwh"]) == (20.0, pytest.approx(100.0))
    assert plain["facility_kwh"] == pytest.approx(150.0)
    assert plain["emissions"]["location"]["g"] == pytest.approx(60_000.0)
    assert plain["serving"]["break_even_queries"] == pytest.approx(250_000.0)
    assert plain["serving"]["per_1000_queries_g"] == pytest.approx(1000 * 8e-5 * 600)
    assert (plain["water_on_site_l"], plain["water_off_site_l"]) == (None, pytest.approx(300.0))
    assert len(plain["embodied_cases"]) == 5
    assert (
        "as much energy as training after 250000 queries" in lowtide(*words)[1]
        or "2.5e+05" in lowtide(*words)[1]
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--training-energy", "0kWh"), "took no energy"),
        (("--training-energy", "1kWh", "--uses", "0.5"), "at least once"),
        (("--training-energy", "1kWh", "--queries", "5"), "needs --energy-per-query"),
        (("--training-energy", "1kWh", "--wue-on-site", "1"), "give --pue"),
        (("--training-energy", "lots"), "cannot read"),
    ],
)
def test_wrong_lives_are_refused(lowtide, words, says):
    status, _, err = lowtide(*words)
    assert status == 1
    assert says in err
