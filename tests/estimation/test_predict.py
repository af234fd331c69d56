"""Prediction of a whole run from its first steps."""

import math

import numpy as np
import pytest

from lowtide.errors import InputError
from lowtide.estimation.predict import predict


def steady(n, *, noise=0.0, seed=1):
    rng = np.random.default_rng(seed)
    rate = 1.0 + noise * rng.standard_normal(n)
    t = np.concatenate(([0.0], np.cumsum(rate)))
    return np.arange(n + 1.0), t, t * 0.001


def test_steady_steps_are_extrapolated():
    made = predict(*steady(100), total_steps=1000)
    assert made.energy_kwh.value == pytest.approx(1.0)
    assert made.duration_s.value == pytest.approx(1000.0)
    # drift after 100 s: 1.7 / 100**0.6 = 0.1073; nine tenths are left
    assert made.energy_kwh.high == pytest.approx(0.1 + 0.9 * math.exp(1.7 / 100**0.6))


def test_range_shrinks_with_every_step_and_closes_at_the_end():
    widths = [predict(*steady(n), total_steps=1000).energy_kwh.half_width for n in (10, 100, 300, 900, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0.0


def test_scatter_of_steps_widens_the_range():
    quiet, loud = (predict(*steady(400, noise=n), total_steps=800) for n in (0.0, 0.5))
    assert loud.duration_s.half_width > quiet.duration_s.half_width


def test_warm_up_counts_once_and_is_not_extrapolated():
    t = np.concatenate(([0.0], 50.0 + np.arange(100.0)))  # the first step takes 50 s, the others one
    made = predict(np.arange(101.0), t, t, total_steps=1000)
    assert made.duration_s.value == pytest.approx(149.0 + 900.0)


def test_what_cannot_be_predicted_says_why():
    with pytest.raises(InputError, match="no step"):
        predict([0.0], [0.0], [0.0], total_steps=10)
    with pytest.raises(InputError, match="5 steps have been done"):
        predict([0, 5], [0, 1], [0, 1], total_steps=3)
