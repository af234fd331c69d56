"""Estimates of trainings: what they rest on, their laws, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.errors import BoundaryError, CoverageError, HardwareError, InputError, QuantityError
from lowtide.estimation.ranged import Ranged
from lowtide.estimation.request import parse_count, parse_gpus
from lowtide.estimation.training import TrainingInputs, estimate_training
from lowtide.runtime.estimating import estimate


def inputs(**changes) -> TrainingInputs:
    base = {"n_processors": 8.0, "accelerator": "V100", "hours": Ranged.exact(10.0)}
    return TrainingInputs(**{**base, **changes})


def test_given_power_has_no_range_and_metered_power_has_one():
    given_w = estimate_training(inputs(power_w=Ranged.exact(330.0)))
    assert given_w.node_kwh.is_exact
    assert given_w.node_kwh.value == pytest.approx(26.4)  # 8 x 10 h x 330 W
    metered = estimate_training(inputs())
    # 8 x 10 h x 325 W = 26 kWh; 314 to 336 W
    assert metered.node_kwh.value == pytest.approx(26.0)
    assert metered.node_kwh.low == pytest.approx(8 * 10 * 0.314)
    assert metered.factors[2].kind == "measured"


def test_modelled_power_says_so_and_agrees_with_plan():
    from lowtide.estimation.board_power import node_power

    found = estimate_training(inputs(accelerator="RTX 3090"))
    assert found.factors[2].kind == "modelled"
    assert found.node_kwh.value == pytest.approx(node_power("8xRTX 3090").power_w * 10 / 1000)


def test_arithmetic_gives_the_same_energy_as_the_hours_it_takes():
    model = inputs(hours=None, n_parameters=1e9, n_tokens=1e11, mfu=Ranged.exact(0.4))
    by_model = estimate_training(model)
    # 6 x 1e9 x 1e11 / (125e12 x 0.4) / 3600 = 3333.3 GPU-hours, / 8 = 416.7 h
    assert by_model.gpu_hours == pytest.approx(6e20 / 5e13 / 3600)
    by_hours = estimate_training(inputs(hours=Ranged.exact(by_model.hours)))
    assert by_hours.node_kwh.value == pytest.approx(by_model.node_kwh.value)


def test_wider_utilisation_widens_the_energy():
    narrow = estimate_training(inputs(hours=None, flops=1e20, mfu=Ranged(low=0.35, value=0.4, high=0.45)))
    wide = estimate_training(inputs(hours=None, flops=1e20, mfu=Ranged(low=0.2, value=0.4, high=0.6)))
    assert wide.node_kwh.low < narrow.node_kwh.low < narrow.node_kwh.high < wide.node_kwh.high


@settings(max_examples=40)
@given(st.floats(1.0, 1e4), st.floats(1.0, 3.0), st.integers(1, 10_000))
def test_energy_is_linear_and_pue_multiplies_once(hours, pue, n):
    found = estimate_training(inputs(hours=Ranged.exact(hours), pue=Ranged.exact(pue), n_processors=float(n)))
    assert found.node_kwh.value == pytest.approx(n * hours * 0.325)
    assert found.facility_kwh.value == pytest.approx(found.node_kwh.value * pue)
    assert found.facility_kwh.low <= found.facility_kwh.value <= found.facility_kwh.high


def test_without_pue_the_facility_is_unknown():
    assert estimate_training(inputs()).facility_kwh is None


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"hours": None}, InputError, "how much work"),
        ({"hours": Ranged.exact(4e5)}, InputError, "divide by the number of GPUs"),
        ({"n_processors": None}, HardwareError, "on how many"),
        ({"accelerator": "A10O"}, HardwareError, "did you mean .*--power-per-gpu"),
        ({"accelerator": None}, HardwareError, "which accelerators"),
        ({"power_w": Ranged.exact(2640.0)}, QuantityError, "whole node .*for 8 of them 330 W"),
        ({"power_w": Ranged.exact(-1.0)}, QuantityError, "above 0 W"),
        ({"pue": Ranged.exact(0.9)}, InputError, "pue 0.9 cannot be"),
        ({"facility_kwh": 100.0, "pue": Ranged.exact(1.1)}, BoundaryError, "contain its PUE already"),
        ({"facility_kwh": 100.0, "node_kwh": 90.0}, BoundaryError, "not both"),
        ({"n_parameters": 1e9}, InputError, "--params without --tokens"),
        ({"hours": None, "flops": 1e20, "mfu": Ranged.exact(40.0)}, InputError, "40 % is 0.4"),
        ({"hours": None, "flops": 1e20, "accelerator": "K80"}, HardwareError, "no 16 bit peak"),
        ({"flops": 1e24}, InputError, "times the peak"),
    ],
)
def test_what_cannot_be_is_refused(changes, error, says):
    with pytest.raises(error, match=says):
        estimate_training(inputs(**changes))


def test_unknown_accelerator_with_power_is_a_remark():
    found = estimate_training(inputs(accelerator="Z99", power_w=Ranged.exact(500.0)))
    assert found.remarks == ("'Z99' is not in the catalogue; its power was taken as given",)


@pytest.mark.parametrize("text", ["0xV100", "", "-3", "0.5xV100"])
def test_no_accelerators_are_refused(text):
    with pytest.raises(QuantityError):
        parse_gpus(text)


@pytest.mark.parametrize("text", ["", "-7e9", "7 x", "1e999", "0"])
def test_counts_that_are_none_are_refused(text):
    with pytest.raises(QuantityError, match="--params"):
        parse_count(text, name="--params")


def test_estimate_bills_like_account():
    found = estimate(
        gpus="10000xV100", duration="14.8d", power_per_gpu=330, pue=1.1, intensity=429, market=300
    )
    # 10,000 x 355.2 h x 330 W x 1.1 = 1,289,376 kWh; x 429 g = 553.142 t; x 300 g = 386.813 t
    assert found.emissions.location.g == pytest.approx(553.142e6, rel=1e-6)
    assert found.emissions.market.g == pytest.approx(386.813e6, rel=1e-6)
    assert found.emissions.location.of == "facility"
    assert found.emissions.marginal is None


def test_unknown_is_null_without_a_zone():
    plain = estimate(gpus="8xA100", duration="1h").to_plain()
    assert plain["facility_kwh"] is None
    assert plain["emissions"] == {"location": None, "marginal": None, "market": None, "embodied": None}
    assert plain["node_kwh"] > 0


def test_every_factor_says_what_it_rests_on():
    plain = estimate(params="7B", tokens="1T", gpus="64xH100", pue=1.1, zone="DE").to_plain()
    named = {row["factor"] for row in plain["assumptions"]}
    assert named == {"program", "speed and power", "data centre", "energy mix"}
    assert all(row["rests_on"] and row["low"] <= row["value"] <= row["high"] for row in plain["assumptions"])


def test_embodied_share_is_beside_and_ranged():
    found = estimate(gpus="8xA100", duration="100h", embodied=True, reserved="100h")
    # 8 x 462.5 kg x 200 h / (4 x 8760 h x 0.85)
    assert found.emissions.embodied.g == pytest.approx(8 * 462.5e3 * 200 / (4 * 8760 * 0.85))
    assert found.embodied_range_g.low < found.emissions.embodied.g < found.embodied_range_g.high


def test_sci_counts_tokens():
    found = estimate(node_energy="100kWh", intensity=500, params="1e9", tokens="1e9", per="1e9:token")
    assert found.sci.score_g == pytest.approx(50_000.0)  # 100 kWh x 500 g for 1e9 tokens


def test_file_of_the_past_gives_its_mean_and_says_so(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text("ts_utc,DE\n2022-01-01T00:00Z,100\n2022-01-01T01:00Z,300\n")
    found = estimate(node_energy="10kWh", duration="1h", intensity=str(path), zone="DE")
    assert found.emissions.location.g == pytest.approx(2000.0)
    assert "its mean over all it knows" in found.remarks[-1]
    with pytest.raises(CoverageError, match="leave out --start"):
        estimate(
            node_energy="10kWh", duration="1h", intensity=str(path), zone="DE", start="2024-01-01T00:00Z"
        )


@pytest.mark.parametrize(
    ("given_inputs", "says"),
    [
        ({"bits": 7}, "--bits 7"),
        (
            {"embodied": True, "gpus": None, "duration": None, "node_energy": "1kWh"},
            "give --gpus and --duration",
        ),
        ({"per": "1e9:image"}, "how many image"),
        ({"per": "1e9:flop", "flops": "1e15"}, "needs grams"),
        ({"queries": "1e6"}, "--queries needs --energy-per-query"),
        ({"energy_per_query": "text-genration"}, "did you mean text-generation"),
        ({"levers": ["fp61"]}, "did you mean fp16"),
        ({"levers": ["fp16=0.5"]}, "to leave 0.5 of it write fp16=2"),
        ({"draws": -1}, "must lie between 1"),
        ({"gpsu": "8xA100"}, "no such input: gpsu"),
        ({"intensity": "429000"}, "429000"),
    ],
)
def test_wrong_inputs_of_an_estimate_are_refused(given_inputs, says):
    with pytest.raises(InputError, match=says):
        estimate(**{"gpus": "8xA100", "duration": "1h", **given_inputs})
