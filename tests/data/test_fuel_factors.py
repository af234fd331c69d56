"""Fuel factors and equivalences."""

from __future__ import annotations

import csv
from typing import Literal

import pytest

from lowtide.data.factors import equivalence, equivalences, fuel_factors, fuel_sets
from lowtide.errors import InputError
from shared_data import data_path


def grams(name: str, factors: Literal["lifecycle", "direct"]) -> dict[str, float]:
    return {factor.fuel: factor.g_per_kwh for factor in fuel_factors(name, factors)}


def test_ipcc_medians() -> None:
    # IPCC AR5 WGIII Annex III, Table A.III.2, medians
    expected = {"coal": 820, "gas": 490, "hydro": 24, "nuclear": 12, "biomass": 230, "geothermal": 38}
    expected |= {"wind_onshore": 11, "wind_offshore": 12, "solar_utility": 48, "solar_rooftop": 41}
    lifecycle = grams("ipcc-2014", "lifecycle")
    assert {fuel: lifecycle[fuel] for fuel in expected} == expected
    assert grams("ipcc-2014", "direct") == {"coal": 760, "gas": 370}


def test_direct_is_never_above_lifecycle() -> None:
    lifecycle = grams("carboncast-2.1", "lifecycle")
    assert all(g <= lifecycle[fuel] for fuel, g in grams("carboncast-2.1", "direct").items())


def test_every_factor_says_where_it_is_from() -> None:
    for name in fuel_sets():
        factors = fuel_factors(name, "lifecycle")
        assert all(f.source and f.licence and 2000 < f.year < 2030 for f in factors)


def test_unknown_set_names_the_known() -> None:
    with pytest.raises(
        InputError, match=r"no direct factors in a set called 'ipcc-2015'; did you mean ipcc-2014"
    ):
        fuel_factors("ipcc-2015", "direct")


def test_set_without_direct_factors_says_so() -> None:
    with pytest.raises(InputError, match="no direct factors in a set called 'ipcc-2011'"):
        fuel_factors("ipcc-2011", "direct")


def test_carboncast_set_is_as_published() -> None:
    names = {"nat_gas": "gas"}
    with data_path("emission_factors_by_fuel.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"].startswith("CarbonCast")]
    for factors in ("lifecycle", "direct"):
        theirs = {
            names.get(r["fuel"], r["fuel"]): float(r["g_per_kwh"]) for r in rows if r["basis"] == factors
        }
        assert grams("carboncast-2.1", factors) == theirs


def test_newest_edition_of_an_equivalence() -> None:
    # EPA October 2024: 1.24e-5 t; 2021: 8.22e-6 t
    assert equivalence("phone_charge").g_per_unit == pytest.approx(12.4)
    editions = {e.year: e.g_per_unit for e in equivalences() if e.key == "phone_charge"}
    assert editions == {2021: 8.22, 2024: 12.4}


def test_equivalence_of_a_region() -> None:
    assert equivalence("car_km", region="EU").g_per_unit == 175.0
    assert equivalence("car_km", region="US").g_per_unit == 251.0


def test_strubell_pounds_in_grams() -> None:
    # 126,000 lb x 453.59237 g/lb = 57,152,639 g, given to four figures
    assert equivalence("car_lifetime").g_per_unit == pytest.approx(126_000 * 453.59237, rel=1e-3)


def test_unknown_equivalence_names_the_known() -> None:
    with pytest.raises(InputError, match=r"no equivalence 'phone_charg'; did you mean phone_charge"):
        equivalence("phone_charg")
    with pytest.raises(InputError, match="no equivalence 'phone_charge' for EU"):
        equivalence("phone_charge", region="EU")


def test_every_equivalence_says_where_it_is_from() -> None:
    assert all(e.source and e.unit and e.region for e in equivalences())
