"""An intensity given as a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grid_reading import HOUR_NS, values

from lowtide.errors import InputError, QuantityError
from lowtide.grid.files import constant_g_per_kwh, constant_intensity, read_intensity


class TestConstants:
    @pytest.mark.parametrize(
        "given", [400, 400.0, "400", "400g", " 400 g/kWh", "4e2", np.float64(400), np.int64(400)]
    )
    def test_ways_to_write_one(self, given):
        series = read_intensity(given, window_ns=(0, HOUR_NS))
        assert values(series) == [400.0]
        assert series.edges_ns.tolist() == [0, HOUR_NS]
        assert (series.signal.zone, series.signal.source) == (None, "constant given by hand")
        assert series.signal.time_resolved  # flat: shifting saves exactly 0, which is known

    def test_unit_is_converted(self):
        assert constant_g_per_kwh("1000 lb/MWh") == pytest.approx(453.59237)

    @pytest.mark.parametrize("given", ["file.csv", "400.csv", "4 00", "", None, True, Path("400"), "400kg"])
    def test_what_is_none(self, given):
        assert constant_g_per_kwh(given) is None

    def test_without_a_window(self):
        with pytest.raises(
            InputError, match="a constant of 400 g/kWh needs the window it holds for; give window_ns"
        ):
            read_intensity("400")

    @pytest.mark.parametrize("given", [float("nan"), float("inf"), "1e999"])
    def test_not_finite(self, given):
        with pytest.raises(QuantityError, match="give a finite number like 400"):
            constant_g_per_kwh(given)

    def test_negative_only_on_the_marginal_basis(self):
        with pytest.raises(QuantityError, match="an average intensity is never negative, got -3 g/kWh"):
            constant_intensity(-3.0, start_ns=0, end_ns=1)
        assert values(constant_intensity(-3.0, start_ns=0, end_ns=1, basis="marginal")) == [-3.0]

    @pytest.mark.parametrize("given", [True, None, [1]])
    def test_neither_file_nor_number(self, given):
        with pytest.raises(InputError, match="give a file or a number"):
            read_intensity(given)
