"""Published figures as a table: input, what is printed, tolerance, and who prints it.

Each row calls the functions a user calls. Printed figures are rounded, so tolerances are those of their digits.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from typing import NamedTuple

import pytest

from lowtide.accounting.embodied import embodied_share
from lowtide.data.cases import all_cases, find_cases
from lowtide.data.factors import fuel_factors
from lowtide.data.scaling import get_exponent
from lowtide.estimation.cases import replay
from lowtide.estimation.federated import ClientGroup, Federated, federated
from lowtide.estimation.footprint import (
    facility_energy_kwh,
    footprint_g,
    grams_of,
    node_energy_kwh,
)
from lowtide.estimation.levers import parse_pull, waterfall
from lowtide.estimation.serving import break_even_queries
from lowtide.units import G_PER_LB, g_per_kwh_from_lb_per_mwh
from shared_data import data_path

T = 1e6  # grams in a tonne
DODGE = "Dodge et al. 2022, FAccT, arXiv 2206.05229"
PATTERSON = "Patterson et al. 2021, arXiv 2104.10350"
STRUBELL = "Strubell et al. 2019, arXiv 1906.02243"
BLOOM = "Luccioni et al. 2022, arXiv 2211.02001"
LB_GRID = g_per_kwh_from_lb_per_mwh(954.0)


class Vector(NamedTuple):
    """A published figure and how to compute it."""

    id: str
    computed: Callable[[], float]
    printed: float
    tolerance: float  # absolute
    source: str


def per_gpu_hour(case: str) -> float:
    row = find_cases(case)[0]
    return row.published_kwh / (row.n * row.hours)


def dodge_per_gpu_hour() -> list[float]:
    return [per_gpu_hour(case.name) for case in find_cases("dodge")]


def search_lb(steps: float, hours: float) -> float:
    watts = 0.2855296 / (1.58 * 0.954) * 1000.0  # pounds an hour of one P100, taken apart again
    kwh = facility_energy_kwh(node_energy_kwh(steps * hours, 1, watts), 1.58)
    return grams_of(kwh, LB_GRID) / G_PER_LB


def mix_g_per_kwh() -> float:
    factor = {row.fuel: row.g_per_kwh for row in fuel_factors("codecarbon", "lifecycle")}
    return 0.25 * factor["coal"] + 0.35 * factor["oil"] + 0.26 * factor["gas"] + 0.14 * factor["nuclear"]


def strubell_kwh(watts: float, hours: float) -> float:
    return facility_energy_kwh(node_energy_kwh(hours, 1, watts), 1.58)


def fl_vector() -> Federated:
    # 10 clients x 100 rounds, 60 s at 3 W; 100 Mbit x (1/50 + 1/10) = 12 s at 7.5 + 1 W
    group = ClientGroup(name="clients", n_selected=1000, local_time_s=60.0, device_w=3.0, router_w=7.5, idle_w=1.0,
                        download_mbit_s=50.0, upload_mbit_s=10.0, intensity_g_per_kwh=400.0)  # fmt: skip
    return federated([group], model_mb=12.5)


VECTORS = (
    Vector("D1", lambda: 13_812.4 / 8 * 60, 103_593.0, 1e-9, DODGE),
    Vector("D2 best", lambda: grams_of(103_593.0, 200.0) / T, 21.0, 0.5, DODGE),
    Vector("D2 worst", lambda: grams_of(103_593.0, 755.0) / T, 78.0, 0.5, DODGE),
    Vector("D3 min", lambda: min(dodge_per_gpu_hour()), 0.07, 0.005, DODGE),
    Vector("D3 max", lambda: max(dodge_per_gpu_hour()), 0.28, 0.005, DODGE),
    Vector("D4", lambda: 2430 / 2257 - 1, 0.077, 0.001, DODGE),
    Vector("P1 MWh", lambda: replay(find_cases("gpt-3")[0]).facility_kwh / 1e3, 1287.0, 0.003 * 1287, PATTERSON),
    Vector("P1 t", lambda: replay(find_cases("gpt-3")[0]).gross_g / T, 552.1, 0.003 * 552.1, PATTERSON),
    Vector("P3 t", lambda: footprint_g(6.8 * 24, 200, power_w=208.0, pue=1.1, intensity_g_per_kwh=431.0) / T,
           3.2, 0.05, PATTERSON),
    Vector("P3 lb", lambda: replay(find_cases("nas")[0]).gross_g / G_PER_LB, 7096.0, 1.0, PATTERSON),
    Vector("P4 as estimated", lambda: search_lb(8 * 979e6, 0.00028), 626_155.0, 1.0, PATTERSON),
    Vector("P4 proxy", lambda: search_lb(979e6, 0.00012), 33_544.0, 1.0, PATTERSON),
    Vector("S1 kWh", lambda: strubell_kwh(1515.43, 84.0), 201.0, 0.5, STRUBELL),
    Vector("S1 lb", lambda: grams_of(strubell_kwh(1515.43, 84.0), LB_GRID) / G_PER_LB, 192.0, 0.5, STRUBELL),
    Vector("S2 kWh", lambda: strubell_kwh(1515.43, 274_120.0), 656_347.0, 1.0, STRUBELL),
    Vector("S2 lb", lambda: grams_of(strubell_kwh(1515.43, 274_120.0), LB_GRID) / G_PER_LB, 626_155.0, 1.0, STRUBELL),
    Vector("H1", lambda: grams_of(node_energy_kwh(1.0, 1, 1000.0), 400.0) / 1e3, 0.4, 1e-15,
           "Haghshenas, Setz, Aiello 2022, IEEE BigData: the divisor is 3600 x 10^6"),
    Vector("B1 kWh", lambda: node_energy_kwh(1_082_990.0, 1, 400.0), 433_196.0, 0.5, BLOOM),
    Vector("B1 t", lambda: grams_of(433_196.0, 57.0) / T, 24.69, 0.01, BLOOM),
    Vector("B2 GPU", lambda: embodied_share(150.0, duration_h=1_082_990.0, lifetime_years=6.0, utilization=0.85).g / T,
           3.64, 0.01, BLOOM),
    Vector("B2 server", lambda: embodied_share(
        2500.0, duration_h=1_082_990.0 / 8, lifetime_years=6.0, utilization=0.85).g / T, 7.57, 0.01, BLOOM),
    Vector("G1", mix_g_per_kwh, 731.59, 0.01, "CodeCarbon methodology page (prints kg/kWh, means kg/MWh)"),
    Vector("I1", lambda: embodied_share(1000.0, duration_h=1.0, lifetime_years=4.0).g, 28.5, 0.1,
           "SCI specification v1.1, ISO/IEC 21031:2024"),
    Vector("W1", lambda: 1 / waterfall(
        [parse_pull("caching"), parse_pull("gpu-for-cpu"), parse_pull("algorithmic")]).energy_fraction.value,
        812.0, 0.005 * 812, "Wu et al. 2022, arXiv 2111.00364 (prints 810x)"),
    Vector("X1", lambda: break_even_queries(51_686.0, 1.0e-4, fine_tuning_kwh=7571.0), 592_570_000.0, 0.5,
           "Luccioni et al. 2023, arXiv 2311.16863"),
    Vector("F1 kWh", lambda: fl_vector().total_kwh, 0.07833, 0.00001,
           "structure of Qiu et al. 2021, arXiv 2102.07627; powers of Wu et al. 2022, arXiv 2111.00364"),
    Vector("F1 g", lambda: fl_vector().emissions_g, 31.3, 0.1, "the same at 400 g/kWh"),
    Vector("T1 best tenth", lambda: math.log2(3800.0), 11.89, 0.01, "Thompson et al. 2020, arXiv 2007.05558"),
    Vector("T1 low", lambda: math.log2(1700.0), get_exponent("imagenet-2020").low, 0.01, "Thompson et al. 2020"),
    Vector("T1 high", lambda: math.log2(17_500.0), get_exponent("imagenet-2020").high, 0.01, "Thompson et al. 2020"),
    Vector("T1", lambda: math.log2(5000.0), 12.29, 0.01, "Thompson et al. 2020, arXiv 2007.05558"),
)  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_published_figure(vector: Vector) -> None:
    assert vector.computed() == pytest.approx(vector.printed, abs=vector.tolerance), vector.source


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case_agrees_within_its_stated_tolerance(case) -> None:
    found = replay(case)
    assert found.agrees, (found.energy_difference, found.gross_difference, found.net_difference)


def test_bloom_comes_to_what_its_authors_print_in_all() -> None:
    # 24.69 + 14.6 + 11.2 = 50.5 t
    assert sum(replay(case).gross_g for case in find_cases("bloom-embodied")) / T == pytest.approx(
        11.2, abs=0.05
    )
    assert sum(replay(case).gross_g for case in all_cases() if case.group == "bloom") / T == pytest.approx(
        50.5, abs=0.1
    )


def number(row: dict[str, str], name: str) -> float | None:
    return float(row[name]) if row[name] else None


def held_out() -> list[dict[str, str]]:
    with open(data_path("truth_training_footprints.csv"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def power_of_row(row: dict[str, str]) -> float | None:
    """Return what each accelerator draws: system power, a share of the machine's, or (BLOOM) design power."""
    each_w, whole_w = number(row, "avg_system_w_per_accel"), number(row, "total_power_w")
    if each_w is None and whole_w is not None:
        each_w = whole_w / number(row, "n_accel")
    if each_w is None and row["model"].startswith("BLOOM"):
        each_w = number(row, "tdp_w")
    return each_w


def test_held_out_rows_come_out_right_from_their_inputs_alone() -> None:
    checked = []
    for row in held_out():
        hours, power_w, mwh = number(row, "accel_hours"), power_of_row(row), number(row, "energy_mwh")
        intensity = number(row, "ci_gross_kg_per_kwh")
        if hours is None or power_w is None or mwh is None or intensity is None:
            continue
        kwh = facility_energy_kwh(node_energy_kwh(hours, 1, power_w), number(row, "pue") or 1.0)
        assert kwh / 1e3 == pytest.approx(mwh, rel=0.01), row["model"]
        for account in ("gross", "net"):
            tonnes, kg_per_kwh = number(row, f"tco2e_{account}"), number(row, f"ci_{account}_kg_per_kwh")
            if tonnes is not None and kg_per_kwh is not None:
                # 1 % of rounded inputs and half of the last digit: Patterson prints tonnes to 0.1
                found = grams_of(kwh, kg_per_kwh * 1e3) / T
                assert found == pytest.approx(tonnes, abs=0.01 * tonnes + 0.05), (row["model"], account)
        checked.append(row["model"])
    assert len(checked) >= 11, checked
