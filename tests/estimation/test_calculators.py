"""Other calculators' assumptions, side by side."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.cli.main import main
from lowtide.errors import InputError
from lowtide.estimation.calculators import Machine, compare
from lowtide.runtime.estimating_compare import compare_request


def by_name(**changes):
    machine = Machine(**{"n_gpus": 8.0, "gpu": "V100", "hours": 10.0, **changes})
    return {row.name: row for row in compare(machine)}


def test_green_algorithms_formula():
    # 10 h x (8 x 300 W x 0.5 + 200 W + 64 GB x 0.3725 W/GB) x 1.56 / 1000 = 22.2119 kWh
    row = by_name(gpu_load=0.5, cpu_tdp_w=200.0, memory_gb=64.0, g_per_kwh=475.0)["Green Algorithms"]
    assert row.energy_kwh == pytest.approx(10 * (1200 + 200 + 23.84) * 1.56 / 1000)
    assert row.emissions_g == pytest.approx(row.energy_kwh * 475.0)


def test_ml_co2_impact_is_design_power_whatever_the_load():
    # 8 x 300 W x 10 h = 24 kWh, no PUE
    row = by_name(gpu_load=0.3, cpu_tdp_w=200.0, memory_gb=64.0)["ML CO2 Impact"]
    assert (row.energy_kwh, row.pue, row.emissions_g) == (pytest.approx(24.0), 1.0, None)


def test_strubell_keeps_its_own_grid():
    row = by_name(g_per_kwh=50.0)["Strubell et al."]
    assert row.own_intensity
    assert row.g_per_kwh == pytest.approx(432.7271)  # 0.954 lb x 453.59237
    assert row.energy_kwh == pytest.approx(24.0 * 1.58)


def test_lowtide_assumes_no_pue():
    assert by_name()["lowtide"].pue is None
    assert by_name(pue=1.2)["lowtide"].energy_kwh == pytest.approx(8 * 10 * 0.325 * 1.2)


@given(st.floats(0.1, 1.0), st.floats(0.0, 1000.0), st.floats(0.0, 4000.0), st.floats(1.0, 1000.0))
def test_more_hardware_and_time_never_cost_less(load, cpu, memory, hours):
    less = by_name(gpu_load=load, cpu_tdp_w=cpu, memory_gb=memory, hours=hours)
    more = by_name(gpu_load=load, cpu_tdp_w=cpu + 10, memory_gb=memory + 10, hours=hours * 2)
    assert all(more[name].energy_kwh >= 2 * row.energy_kwh - 1e-9 for name, row in less.items())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("8", "1h"), "--gpus 8: which"),
        (("8xA10O", "1h"), "did you mean"),
        (
            ("8xFOO", "1h"),
            "unknown accelerator 'FOO'; calculators start from its design power, so name one with",
        ),
        (("8xA100", "0h"), "hours must be above 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, says):
    with pytest.raises(InputError, match=says):
        compare_request(*words)


def test_load_in_percent_without_its_sign_is_refused():
    with pytest.raises(InputError, match=r"80 % is 0\.8"):
        compare_request("8xA100", "1h", load="80")


def test_command_shows_every_calculator(monkeypatch, capsys):
    words = ["lowtide", "compare", "--gpus", "8xV100", "--duration", "100h", "--zone", "DE"]
    monkeypatch.setattr(sys, "argv", [*words, "--json"])
    with pytest.raises(SystemExit):
        main()
    rows = json.loads(capsys.readouterr().out)["rows"]
    names = ["lowtide", "CodeCarbon", "Green Algorithms", "ML CO2 Impact", "carbontracker"]
    assert [row["name"] for row in rows][:5] == names
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        main()
    assert "energy differs by a factor of" in capsys.readouterr().out
