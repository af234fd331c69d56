"""A power log's bill in a terminal."""

from __future__ import annotations

import numpy as np

from lowtide.accounting.pue import PueSeries
from lowtide.reporting.account import account_text
from lowtide.runtime.account import account
from lowtide.testing.builders import intensity_series, power_series


def test_a_log_has_time_power_energy_and_carbon() -> None:
    power = power_series([1000.0, 500.0], step_s=1800.0)  # 0.5 + 0.25 kWh; x 1.2 x 400 = 360 g
    lines = account_text(account(power, intensity_series([400.0]), pue=1.2)).splitlines()
    assert lines[:5] == [
        "time       2026-03-01T00:00:00Z to 2026-03-01T01:00:00Z, 1h",
        "power      750 W on average at the node",
        "energy     750 Wh at the node, 100 % measured",
        "  node           750 Wh  gauge: power series as given",
        "facility   900 Wh with PUE 1.2",
    ]
    assert lines[5] == "carbon     360 g CO2e of the facility, location"
    assert lines[6] == "  intensity  XX, 400 g/kWh, measured; average, factors lifecycle, flow unknown"


def test_without_a_signal_it_says_how_to_give_one() -> None:
    text = account_text(account(power_series([1000.0], step_s=3600.0)))
    assert "carbon     unknown: no zone; say where the power is drawn: --zone DE" in text
    assert "facility   unknown: no PUE was given" in text


def test_a_gpu_log_says_nothing_of_a_building() -> None:
    text = account_text(account(power_series([300.0], step_s=3600.0, boundary="gpu"), 400.0))
    assert "energy     300 Wh at the gpu, 100 % measured" in text
    assert "facility" not in text
    assert "given by hand" in text


def test_a_log_without_power_is_unknown() -> None:
    text = account_text(account(power_series([float("nan")], step_s=3600.0)))
    assert text.splitlines()[1] == "energy     unknown: the log holds no power"


def test_missing_intensity_is_a_gap() -> None:
    power = power_series([1000.0, 1000.0], step_s=3600.0)
    text = account_text(account(power, intensity_series([400.0]), gaps="partial"))
    assert "  covers     50 % of the energy; the rest has no intensity" in text
    assert text.splitlines()[-1] == "  2026-03-01T01:00:00Z to 02:00:00Z  intensity: unknown"


def test_missing_pue_is_not_called_a_missing_intensity() -> None:
    power = power_series([1000.0, 1000.0], step_s=3600.0)
    first = PueSeries(edges_ns=power.edges_ns[:2], pue=np.array([1.2]), source="pue.csv")
    text = account_text(account(power, 400.0, pue=first, gaps="partial"))
    assert "  covers     50 % of the energy; the rest has no PUE" in text.splitlines()
    both = account_text(account(power, intensity_series([400.0]), pue=first, gaps="partial"))
    assert "  covers     50 % of the energy; the rest has no PUE or no intensity" in both.splitlines()
