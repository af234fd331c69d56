"""Published worked examples, each computed with the same functions that bill a run.

Printed figures are rounded, so tables are met to their last digit and no closer.
"""

from __future__ import annotations

import pytest

from lowtide.accounting.embodied import embodied_share
from lowtide.accounting.operational import Operational, operational
from lowtide.accounting.overhead import to_facility
from lowtide.accounting.sci import sci_score
from lowtide.data.factors import fuel_factors
from lowtide.model.energy import Boundary
from lowtide.model.signal import Signal
from lowtide.runtime.account import account
from lowtide.series import IntensitySeries, PowerSeries
from lowtide.units import G_PER_LB, NS_PER_H, g_per_kwh_from_lb_per_mwh

G_PER_T = 1e6
LB_PER_T = 1e6 / G_PER_LB


def constant_power(power_w: float, hours: float, boundary: Boundary = "node") -> PowerSeries:
    return PowerSeries.constant(power_w, start_ns=0, end_ns=round(hours * NS_PER_H), boundary=boundary)


def at_constant(power: PowerSeries, g_per_kwh: float) -> Operational:
    signal = Signal(zone=None, source="printed in the paper")
    grid = IntensitySeries.of([power.start_ns, power.end_ns], [g_per_kwh], signal=signal)
    return operational(power, grid)


def test_formula_of_haghshenas_setz_and_aiello_with_its_units_read_correctly():
    """1 kW for an hour at 400 g/kWh is 0.4 kg.

    Haghshenas, Setz, Aiello 2022, IEEE BigData pp. 1542-1549: sum of P x CO2 over seconds, divided by
    (3600 x 10^6) for kg; read from left to right the printed formula is wrong by 10^12.
    """
    assert at_constant(constant_power(1000.0, 1.0), 400.0).g / 1000.0 == pytest.approx(0.4, rel=1e-15)


def test_bloom_training():
    """1,082,990 A100-hours at 400 W: 433,196 kWh, at 57 g/kWh 24.69 t (Luccioni et al. 2022, arXiv 2211.02001)."""
    training = constant_power(400.0, 1_082_990.0, boundary="gpu")
    account_ = at_constant(training, 57.0)
    assert account_.energy_kwh == pytest.approx(433_196.0, abs=0.5)
    assert account_.g / G_PER_T == pytest.approx(24.69, abs=0.01)


def test_bloom_embodied():
    """Servers 2500 kg for 8 GPUs of 150 kg, 6 years, 85 % used: 7.57 t and 3.64 t (arXiv 2211.02001)."""
    gpus = embodied_share(150.0, duration_h=1_082_990.0, lifetime_years=6.0, utilization=0.85)
    servers = embodied_share(2500.0, duration_h=1_082_990.0 / 8, lifetime_years=6.0, utilization=0.85)
    assert gpus.g / G_PER_T == pytest.approx(3.64, abs=0.01)
    assert servers.g / G_PER_T == pytest.approx(7.57, abs=0.01)


@pytest.mark.parametrize(
    ("n_chips", "system_w", "days", "pue", "kg_per_kwh", "printed_mwh", "printed_t"),
    [
        pytest.param(200, 208.0, 6.8, 1.10, 0.431, 7.5, 3.2, id="Evolved Transformer NAS"),
        pytest.param(512, 310.0, 20.0, 1.12, 0.545, 85.7, 46.7, id="T5"),
        pytest.param(1024, 289.0, 30.0, 1.09, 0.415, 232.0, 96.4, id="Meena"),
        pytest.param(1024, 288.0, 3.1, 1.09, 0.201, 24.1, 4.8, id="GShard-600B"),
        pytest.param(1024, 245.0, 27.0, 1.10, 0.403, 179.0, 72.2, id="Switch Transformer"),
        pytest.param(10_000, 330.0, 14.8, 1.10, 0.429, 1287.0, 552.1, id="GPT-3"),
    ],
)
def test_large_models_of_patterson(n_chips, system_w, days, pue, kg_per_kwh, printed_mwh, printed_t):
    """Energy with PUE and gross tonnes of six trainings, from the rounded rows (Patterson et al. 2021, Table 4).

    arXiv 2104.10350: KWh = hours x processors x mean system W x PUE / 1000, so their KWh are facility energy.
    """
    node = constant_power(n_chips * system_w, days * 24.0)
    bill = at_constant(to_facility(node, pue), kg_per_kwh * 1000.0)
    assert bill.of == "facility"
    assert bill.energy_kwh / 1000.0 == pytest.approx(printed_mwh, rel=0.01)
    assert bill.g / G_PER_T == pytest.approx(printed_t, rel=0.015)


def test_gpt3_to_three_per_mille():
    """1,287 MWh and 552.1 t (Patterson et al. 2021, Table 4, arXiv 2104.10350)."""
    result = account(constant_power(10_000 * 330.0, 14.8 * 24.0), 429.0, pue=1.10)
    assert result.facility_kwh / 1000.0 == pytest.approx(1287.0, rel=0.003)
    assert result.emissions.location.g / G_PER_T == pytest.approx(552.1, rel=0.003)
    # 1.1 again would be the mistake of those who apply PUE to figures that contain it
    assert result.energy.total_kwh / 1000.0 == pytest.approx(1287.0 / 1.1, rel=0.003)


def test_neural_architecture_search_as_it_was():
    """200 TPUv2 for 6.8 days: 3.2 t, 7,096 lb (Patterson et al. 2021, App. D, arXiv 2104.10350)."""
    bill = at_constant(to_facility(constant_power(200 * 208.0, 6.8 * 24.0), 1.10), 431.0)
    assert bill.g / G_PER_T == pytest.approx(3.2, abs=0.05)
    assert bill.g / G_PER_LB == pytest.approx(7096.0, abs=1.0)


@pytest.mark.parametrize(
    ("steps", "hours_a_step", "printed_lb"),
    [
        pytest.param(8 * 979e6, 0.00028, 626_155.0, id="as estimated"),
        pytest.param(979e6, 0.00012, 33_544.0, id="proxy"),
    ],
)
def test_neural_architecture_search_as_it_was_estimated(steps, hours_a_step, printed_lb):
    """979 M train steps on P100s at 0.2855296 lb an hour (Patterson et al. 2021, App. D, on Strubell et al. 2019)."""
    lb_per_hour = 0.2855296
    # one P100's share of the machine at 1.58 and 0.954 lb/kWh: 0.2855296 / (1.58 x 0.954) kW = 189.4 W
    gpu_w = lb_per_hour / (1.58 * 0.954) * 1000.0
    assert gpu_w == pytest.approx(1515.43 / 8, rel=1e-5)
    run = to_facility(constant_power(gpu_w * 10_000, steps * hours_a_step / 10_000), 1.58)
    pounds = at_constant(run, g_per_kwh_from_lb_per_mwh(954.0)).g / G_PER_LB
    assert pounds == pytest.approx(printed_lb, abs=1.0)


@pytest.mark.parametrize(
    ("watts", "hours", "printed_kwh", "printed_lb", "tolerance"),
    [
        pytest.param(1415.78, 12.0, 27.0, 26.0, 0.5, id="Transformer base"),
        pytest.param(1515.43, 84.0, 201.0, 192.0, 0.5, id="Transformer big"),
        pytest.param(517.66, 336.0, 275.0, 262.0, 0.5, id="ELMo"),
        pytest.param(1515.43, 274_120.0, 656_347.0, 626_155.0, 1.0, id="NAS"),
    ],
)
def test_energy_and_policy_considerations(watts, hours, printed_kwh, printed_lb, tolerance):
    """p = 1.58 t (p_c + p_r + g p_g) / 1000 and 0.954 lb/kWh (Strubell et al. 2019, Table 3, arXiv 1906.02243)."""
    bill = at_constant(to_facility(constant_power(watts, hours), 1.58), g_per_kwh_from_lb_per_mwh(954.0))
    assert bill.energy_kwh == pytest.approx(printed_kwh, abs=tolerance)
    assert bill.g / G_PER_LB == pytest.approx(printed_lb, abs=tolerance)


def test_six_billion_parameters_carried_on_to_the_end():
    """13,812.4 kWh in 8 of 60 days make 103,593 kWh and 21 to 78 t (Dodge et al. 2022, Table 2, arXiv 2206.05229)."""
    mean_w = 13_812.4 * 1000.0 / (8 * 24.0)
    whole = constant_power(mean_w, 60 * 24.0, boundary="gpu")
    assert whole.energy_kwh() == pytest.approx(103_593.0, rel=1e-9)
    assert round(at_constant(whole, 200.0).g / G_PER_T) == 21
    assert round(at_constant(whole, 755.0).g / G_PER_T) == 78


DODGE_TABLE_2 = {
    "BERT-ft": (4, 6, 3.1), "BERT-LM": (8, 36, 37.3), "6B": (256, 192, 13_812.4), "D121": (1, 0.3, 0.02),
    "D169": (1, 0.3, 0.03), "D201": (1, 0.4, 0.04), "ViT-Ti": (1, 19, 1.7), "ViT-S": (1, 19, 2.2),
    "ViT-B": (1, 21, 4.7), "ViT-L": (4, 90, 93.3), "ViT-H": (4, 216, 237.6),
}  # fmt: skip
"""GPUs, hours, kWh."""


def test_energy_of_a_gpu_hour():
    """Between 0.07 and 0.28 kWh over eleven models (Dodge et al. 2022, Table 2 and its text, arXiv 2206.05229)."""
    per_gpu_hour = [
        constant_power(kwh * 1000.0 / (n * hours), 1.0, boundary="gpu").energy_kwh()
        for n, hours, kwh in DODGE_TABLE_2.values()
    ]
    assert round(min(per_gpu_hour), 2) == 0.07
    assert round(max(per_gpu_hour), 2) == 0.28


def test_same_job_six_hours_later():
    """BERT finetuning, day 3, Central US: 2430 g from 00 h, 2257 g from 06 h, "up to 8 %".

    Dodge et al. 2022, Table 3, arXiv 2206.05229.
    """
    job = constant_power(3.1 / 6 * 1000.0, 6.0, boundary="gpu")
    midnight, morning = (at_constant(job, grams / 3.1).g for grams in (2430.0, 2257.0))
    assert (round(midnight), round(morning)) == (2430, 2257)
    assert midnight / morning - 1.0 == pytest.approx(0.077, abs=0.001)


def test_mix_of_fuels_in_the_example_of_codecarbon():
    """25 % coal, 35 % petroleum, 26 % gas, 14 % nuclear are 731.59 g/kWh.

    CodeCarbon's methodology page, which prints kg/kWh where it means kg/MWh.
    """
    factors = {fuel.fuel: fuel.g_per_kwh for fuel in fuel_factors("codecarbon", "lifecycle")}
    # an hour in which one fuel after the other runs the grid, each for its share
    edges = [0, 25, 60, 86, 100]
    mix = IntensitySeries.of(
        [e * NS_PER_H // 100 for e in edges],
        [factors[fuel] for fuel in ("coal", "oil", "gas", "nuclear")],
        signal=Signal(zone=None, source="example"),
    )
    assert operational(constant_power(1000.0, 1.0), mix).g == pytest.approx(731.59, abs=0.01)


def test_embodied_example_of_the_sci_specification():
    """1000 kg over 4 years are 28.5 g an hour (SCI specification v1.1, ISO/IEC 21031:2024; it prints "around 28")."""
    embodied = embodied_share(1000.0, duration_h=1.0, lifetime_years=4.0)
    assert embodied.g == pytest.approx(28.5, abs=0.1)
    # with 0.5 kWh at 400 g/kWh, per run: 200 + 28.5
    score = sci_score(200.0, embodied_g=embodied.g, functional_unit="run", count=1.0)
    assert score.score_g == pytest.approx(228.5, abs=0.1)


def test_gpu_is_not_the_node():
    """187.1 W of GPU in 251.6 W of server (Dodge et al. 2022, Table 1, arXiv 2206.05229): 1.345 times."""
    from lowtide.series import total_power

    parts = {"gpu": 187.1, "cpu0": 22.9, "cpu1": 9.3, "dram0": 23.0, "dram1": 9.3}
    server = total_power(
        [constant_power(w, 12.0, "components") for w in parts.values()], boundary="components"
    )
    assert server.energy_kwh() * 1000.0 / 12.0 == pytest.approx(251.6, abs=0.05)
    assert server.energy_kwh() / constant_power(187.1, 12.0).energy_kwh() == pytest.approx(1.345, abs=0.0005)
