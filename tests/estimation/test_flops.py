"""Arithmetic of models, and the time it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.data.accelerator_training import measured_power, peak_of, peaks, utilisations
from lowtide.data.board_power import accelerator
from lowtide.errors import InputError
from lowtide.estimation.flops import (
    fitted_tflops,
    inference_flops,
    mfu_range,
    model_size,
    off_optimum_efficiency,
    training_flops,
    training_gpu_hours,
    transformer_parameters,
)


@given(st.floats(1e6, 1e12), st.floats(1e6, 1e13), st.floats(1.0, 100.0))
def test_training_is_linear_in_parameters_and_tokens(n, d, k):
    assert training_flops(n * k, d) == pytest.approx(k * training_flops(n, d))
    assert training_flops(n, d * k) == pytest.approx(k * training_flops(n, d))
    assert training_flops(n, d) == pytest.approx(3.0 * inference_flops(n, d))  # forward is a third


@given(st.floats(1e18, 1e25), st.floats(1e12, 1e15), st.floats(0.05, 1.0))
def test_more_of_the_peak_takes_less_time(flops, peak, mfu):
    full = training_gpu_hours(flops, peak_flops=peak, mfu=1.0)
    assert training_gpu_hours(flops, peak_flops=peak, mfu=mfu) == pytest.approx(full / mfu)
    assert full * 3600.0 * peak == pytest.approx(flops)  # h x s/h x FLOP/s = FLOP


def test_experts_count_by_those_that_work():
    # Switch Transformer: 1500e9 parameters of which 0.1 % work; 6 x 1.5e9 x 1e9
    assert training_flops(1500e9, 1e9, n_active_parameters=1.5e9) == pytest.approx(9e18)


def test_gpt3_takes_the_hours_that_were_counted():
    # 3.14e23 / (125e12 x 24.6/125 x 3600) = 3.546e6 against 10,000 x 14.8 x 24 = 3.552e6 (Patterson et al. 2021)
    assert training_gpu_hours(3.14e23, peak_flops=125e12, mfu=24.6 / 125) == pytest.approx(3.552e6, rel=0.003)


def test_size_classes_have_their_edges():
    assert [model_size(n) for n in (9.9e8, 1e9, 1e10, 1.1e10)] == ["small", "medium", "medium", "large"]


def test_utilisation_falls_back_from_the_alike_to_the_rest():
    known, which = mfu_range(accelerator("A100 80GB"), n_parameters=7e9)
    assert (known.low, known.value, known.high) == (0.463, 0.571, 0.636)
    anything, _ = mfu_range(accelerator("T4"))
    assert anything.low == 0.197  # of all 16 bit trainings GPT-3 used least of the peak
    assert anything.high == 0.636
    assert "MPT" in which


def test_published_rates_are_below_their_peaks():
    for row in utilisations():
        assert peak_of(row.accelerator, row.bits) is not None
        assert (row.low or row.value) <= row.value <= (row.high or row.value) < 1.0


def test_every_peak_is_of_an_accelerator_and_halves_of_its_bits():
    for name, peak in peaks().items():
        assert accelerator(name).name == name
        if peak.fp32_tflops and peak.tf16_tflops:
            assert peak.tf16_tflops > peak.fp32_tflops
        if peak.fp8_tflops and peak.tf16_tflops:
            assert 1.0 <= peak.fp8_tflops / peak.tf16_tflops <= 2.1


def test_metered_power_is_near_the_design_power():
    for name in ("TPU v2", "TPU v3", "P100 PCIe", "V100", "H100", "B200"):
        row = measured_power(name)
        assert row is not None
        assert 0.5 < row.power_w / accelerator(name).tdp_w < 1.5


def test_shape_gives_the_parameters_of_gpt3():
    # 12 x 96 x 12288^2 = 173.9e9, and embeddings (50257 + 2048) x 12288 = 0.64e9 on top
    assert transformer_parameters(96, 12288, vocabulary=50257, context=2048) == pytest.approx(
        174.6e9, rel=1e-3
    )


def test_fits_are_refused_where_they_turn_negative():
    # TFLOP/s of tensor parallelism at 1e9: 133.95 + 1.69 - 0.09
    assert fitted_tflops("tensor", 1e9) == pytest.approx(135.55, abs=0.01)
    with pytest.raises(InputError, match="says nothing at 1e\\+12"):
        fitted_tflops("tensor", 1e12)


def test_efficiency_off_the_optimum_is_the_best_at_it():
    fit = {
        "n_optimal": 100,
        "efficiency_optimal": 0.5,
        "gamma_fewer": 1.0,
        "gamma_more": 0.9,
        "gamma_constant": 0.05,
    }
    assert off_optimum_efficiency(100, **fit) == 0.5
    assert off_optimum_efficiency(200, **fit) == pytest.approx(0.9 * 0.5 * 0.5 + 0.05)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: training_flops(-7e9, 1e12), "parameters must be above 0"),
        (lambda: training_flops(7e9, 1e12, n_active_parameters=8e9), "swap the two"),
        (lambda: training_gpu_hours(1e20, peak_flops=1e14, mfu=40.0), "40 % is 0.4"),
    ],
)
def test_what_cannot_be_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
