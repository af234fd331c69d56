"""Runs as CodeCarbon's emissions.csv."""

from __future__ import annotations

import csv
import io

import pytest
from report_views import failed_view, gpu_energy, make_bill, make_energy, make_entry, make_view, marginal_view

from lowtide.model.pue import PueSteps
from lowtide.reporting.codecarbon import COLUMNS, report_codecarbon
from lowtide.reporting.view import RunView

HEADER_3_3_2 = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)


def rows(views: list[RunView]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report_codecarbon(views, True))))


def test_the_header_is_that_of_3_3_2() -> None:
    assert report_codecarbon([], False) == HEADER_3_3_2 + "\n"
    assert len(COLUMNS) == 38


def test_units_are_seconds_kilograms_watts_and_kilowatt_hours() -> None:
    (row,) = rows([make_view("a")])
    assert (row["duration"], row["emissions"]) == ("3600.0", "0.8")  # 800 g
    assert float(row["emissions_rate"]) == pytest.approx(0.8 / 3600)
    assert (row["cpu_energy"], row["ram_energy"], row["energy_consumed"]) == ("1.0", "0.5", "2.0")
    assert (row["cpu_power"], row["ram_power"]) == ("1000.0", "500.0")  # 1 kWh, 0.5 kWh in 1 h
    assert (row["timestamp"], row["project_name"]) == ("2026-03-01T01:00:00Z", "a")
    assert (row["ram_total_size"], row["cpu_count"], row["cpu_model"]) == ("16.0", "4", "Example CPU")
    assert (row["country_name"], row["country_iso_code"], row["region"]) == ("Germany", "DEU", "")
    assert (row["os"], row["tracking_mode"]) == ("Linux", "process")


def test_the_unknown_is_empty_never_zero() -> None:
    (row,) = rows([failed_view("b")])
    empty = ("emissions", "emissions_rate", "gpu_energy", "gpu_power", "water_consumed", "country_name", "pue", "wue",
             "on_cloud", "cpu_utilization_percent", "codecarbon_version", "gpu_count")  # fmt: skip
    assert {name: row[name] for name in empty} == dict.fromkeys(empty, "")
    (running,) = rows([make_view("r", end=None, entry=None)])
    assert (running["timestamp"], running["duration"], running["energy_consumed"]) == ("", "", "")


def test_energies_contain_the_pue_and_powers_do_not() -> None:
    view = make_view("a", entry=make_entry(make_bill(g=960.0, of="facility"), pue=1.2, facility_kwh=2.4))
    (row,) = rows([view])
    assert (row["cpu_energy"], row["energy_consumed"], row["pue"]) == ("1.2", "2.4", "1.2")
    assert (row["cpu_power"], row["emissions"]) == ("1000.0", "0.96")


def test_marginal_grams_are_not_passed_off_as_average_ones() -> None:
    (row,) = rows([marginal_view()])
    assert row["emissions"] == ""


def test_partial_bills_have_no_emissions_because_no_column_could_say_so() -> None:
    (row,) = rows([make_view("a", entry=make_entry(make_bill(covered_fraction=0.9)))])
    assert (row["emissions"], row["country_name"]) == ("", "Germany")


def test_power_is_over_the_known_time() -> None:
    energy = make_energy(known_time_fraction=0.5)
    (row,) = rows([make_view("a", entry=make_entry(make_bill(), energy=energy))])
    assert row["cpu_power"] == "2000.0"  # 1 kWh in half an hour


def test_gpus_and_parts_of_countries() -> None:
    entry = make_entry(make_bill(zone="US-CAL-CISO"), energy=gpu_energy())
    (row,) = rows([make_view("a", entry=entry)])
    assert (row["gpu_count"], row["gpu_model"], row["gpu_power"]) == ("2", "2 x NVIDIA H200", "1500.0")
    assert (row["country_iso_code"], row["region"]) == ("USA", "California ISO")
    (own,) = rows([make_view("a", entry=make_entry(make_bill(zone="my-grid")))])
    assert (own["country_name"], own["region"]) == ("", "my-grid")


def test_cells_with_commas_and_lines_stay_one_row_a_run() -> None:
    views = [make_view('a, "b"\nc'), make_view("d")]
    assert [row["project_name"] for row in rows(views)] == ['a, "b" c', "d"]


def test_energies_at_the_facility_are_unknown_where_a_pue_covers_a_part() -> None:
    hour = 3600 * 10**9
    steps = PueSteps(edges_ns=(0, hour), pue=(1.2,), source="pue.csv")
    entry = make_entry(make_bill(covered_fraction=0.5), pue=1.2, pue_steps=steps, facility_kwh=None)
    (row,) = rows([make_view("a", entry=entry)])
    energies = ("cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "pue", "emissions")
    assert {name: row[name] for name in energies} == dict.fromkeys(energies, "")
    assert (row["cpu_power"], row["ram_power"]) == ("1000.0", "500.0")  # of the node, which is known


def test_energies_contain_the_mean_of_a_pue_that_covers_all() -> None:
    hour = 3600 * 10**9
    steps = PueSteps(edges_ns=(0, hour), pue=(1.2,), source="pue.csv")
    entry = make_entry(make_bill(of="facility"), pue=1.2, pue_steps=steps, facility_kwh=2.4)
    (row,) = rows([make_view("a", entry=entry)])
    assert (row["cpu_energy"], row["energy_consumed"], row["pue"]) == ("1.2", "2.4", "1.2")
