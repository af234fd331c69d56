"""Brands, CPUID and the tables behind them."""

from __future__ import annotations

import csv
import re

import pytest

from lowtide.data import cpu_tables
from lowtide.data.cpu_tables import (
    family_power,
    find_architecture,
    find_tdp,
    normalise_brand,
    power_constant,
)
from lowtide.errors import HardwareError
from shared_data import data_path

BRANDS = [
    # as /proc/cpuinfo, sysctl or the registry print them; watts from the vendor's product page
    ("Intel(R) Xeon(R) Platinum 8480+", 350, 112),
    ("INTEL(R) XEON(R) PLATINUM 8592+", 350, 128),
    ("Intel(R) Xeon(R) Platinum 8480C", 350, 112),
    ("Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz", 250, 64),
    ("Intel(R) Xeon(R) Platinum 8168 CPU @ 2.70GHz", 205, 48),
    ("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", 150, 40),
    ("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", 205, 48),
    ("Intel(R) Xeon(R) Gold 6438Y+", 205, 64),
    ("Intel(R) Xeon(R) Silver 4210R CPU @ 2.40GHz", 100, 20),
    ("Intel(R) Xeon(R) Bronze 3204 CPU @ 1.90GHz", 85, 6),
    ("Intel(R) Xeon(R) CPU E5-2698 v4 @ 2.20GHz", 135, 40),
    ("Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz", 85, 16),
    ("Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", 115, 16),
    ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 145, 36),
    ("Intel(R) Xeon(R) CPU Max 9480", 350, 112),
    ("Intel(R) Xeon(R) 6787P", 350, 172),
    ("Intel(R) Xeon(R) W-2245 CPU @ 3.90GHz", 155, 16),
    ("Intel(R) Xeon(R) w9-3495X", 350, 112),
    ("AMD EPYC 7763 64-Core Processor", 280, 128),
    ("AMD EPYC 7742 64-Core Processor", 225, 128),
    ("AMD EPYC 7551P 32-Core Processor", 180, 64),
    ("AMD EPYC 9654 96-Core Processor", 360, 192),
    ("AMD EPYC 9965 192-Core Processor", 500, 384),
    ("AMD EPYC 8534P 64-Core Processor", 200, 128),
    ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", 28, None),
    ("Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz", 15, None),
    ("12th Gen Intel(R) Core(TM) i7-1260P", 28, None),
    ("12th Gen Intel(R) Core(TM) i7-12700H", 45, None),
    ("13th Gen Intel(R) Core(TM) i9-13980HX", 55, None),
    ("13th Gen Intel(R) Core(TM) i9-13900K", 125, None),
    ("Intel(R) Core(TM) i9-9900K CPU @ 3.60GHz", 95, None),
    ("Intel(R) Core(TM) i5-10210U CPU @ 1.60GHz", 15, None),
    ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 65, None),
    ("Intel(R) Core(TM) i5-6500T CPU @ 2.50GHz", 35, None),
    ("Intel(R) Core(TM) Ultra 7 155H", 28, None),
    ("Intel(R) Core(TM) Ultra 9 285K", 125, None),
    ("Intel(R) N100", 10, None),
    ("AMD Ryzen 9 7950X 16-Core Processor", 170, None),
    ("AMD Ryzen 5 3600 6-Core Processor", 65, None),
    ("AMD Ryzen 7 5800X3D 8-Core Processor", 105, None),
    ("AMD Ryzen 7 PRO 6850U with Radeon Graphics", 28, None),
    ("AMD Ryzen 7 5800H with Radeon Graphics", 45, None),
    ("AMD Ryzen 9 6900HS with Radeon Graphics", 35, None),
    ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", 28, None),
    ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 55, None),
    ("AMD Ryzen Threadripper 3990X 64-Core Processor", 280, None),
    ("AMD Ryzen Threadripper PRO 7995WX 96-Cores", 350, None),
    ("Apple M1", 22, None),
    ("Apple M2 Pro", 50, None),
    ("Apple M3 Max", 65, None),
]

ANONYMOUS = [
    "", "   ", "AMD EPYC", "AMD EPYC-Milan Processor", "AMD EPYC 9R14", "AMD EPYC 7B13",
    "Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon Processor (Skylake, IBRS)",
    "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "QEMU Virtual CPU version 2.5+",
    "Common KVM processor", "VirtualApple @ 2.50GHz processor", "\x00\xff not a brand", "+*?([",
]  # fmt: skip


@pytest.mark.parametrize(("brand", "tdp_w", "n_threads"), BRANDS)
def test_brand_string_gives_the_vendors_power(brand: str, tdp_w: float, n_threads: int | None) -> None:
    found = find_tdp(brand)
    assert found is not None
    assert (found.tdp_w, found.n_threads) == (tdp_w, n_threads)
    assert found.source


@pytest.mark.parametrize("brand", ANONYMOUS)
def test_brand_that_names_no_public_part_gives_nothing(brand: str) -> None:
    assert find_tdp(brand) is None


def test_normalising_twice_changes_nothing() -> None:
    for brand, *_ in BRANDS:
        once = normalise_brand(brand)
        assert normalise_brand(once) == once


CPUIDS = [
    # vendor, family, model, stepping, brand, architecture, row of cpu_families.csv
    ("AuthenticAMD", 25, 1, 1, "AMD EPYC", "EPYC 3rd Gen (Milan)", "EPYC 3rd Gen"),
    ("AuthenticAMD", 25, 17, 1, "AMD EPYC 9R14", "EPYC 4th Gen (Genoa)", "EPYC 4th Gen"),
    ("AuthenticAMD", 25, 0xA0, 2, "", "EPYC 4th Gen (Bergamo, Siena)", "EPYC 4th Gen"),
    ("AuthenticAMD", 26, 2, 1, "AMD EPYC", "EPYC 5th Gen (Turin)", "EPYC 5th Gen"),
    ("AuthenticAMD", 23, 0x31, 0, "AMD EPYC 7B12", "EPYC 2nd Gen (Rome)", "EPYC 2nd Gen"),
    ("AuthenticAMD", 23, 1, 2, "AMD EPYC 7571", "EPYC 1st Gen (Naples)", "EPYC 1st Gen"),
    ("AuthenticAMD", 23, 1, 1, "AMD Ryzen 7 1700", "Zen client", "Coffee Lake"),
    ("AuthenticAMD", 25, 0x21, 0, "AMD Ryzen 9 5900X", "Zen 3 client", "Coffee Lake"),
    ("AuthenticAMD", 25, 0x61, 2, "AMD Ryzen 9 7950X", "Zen 4 client", "Coffee Lake"),
    ("AuthenticAMD", 26, 0x44, 0, "AMD Ryzen 9 9950X", "Zen 5 client", "Coffee Lake"),
    ("GenuineIntel", 6, 0x55, 4, "Intel(R) Xeon(R) CPU", "Skylake", "Skylake"),
    ("GenuineIntel", 6, 0x55, 7, "Intel(R) Xeon(R) CPU", "Cascade Lake", "Cascade Lake"),
    ("GenuineIntel", 6, 0x55, None, "", "Skylake", "Skylake"),
    ("GenuineIntel", 6, 0x4F, 1, "", "Broadwell", "Broadwell"),
    ("GenuineIntel", 6, 0x6A, 6, "", "Ice Lake", "Ice Lake"),
    ("GenuineIntel", 6, 0x8F, 8, "", "Sapphire Rapids", "Sapphire Rapids"),
    ("GenuineIntel", 6, 0xCF, 2, "", "Emerald Rapids", "Emerald Rapids"),
    ("GenuineIntel", 6, 0xAD, 1, "", "Granite Rapids", "Granite Rapids"),
    ("GenuineIntel", 6, 0x9A, 3, "", "Alder Lake", "Coffee Lake"),
    ("GenuineIntel", 6, 0x2A, 7, "", "Sandy Bridge client", "Coffee Lake"),
    ("0x41", 8, 0xD0C, 3, "", "Neoverse N1 (Graviton2, Altra)", "Neoverse N1"),
    ("0x41", 8, 0xD40, 1, "", "Neoverse V1 (Graviton3)", "Neoverse V1"),
    ("0x41", 8, 0xD4F, 0, "", "Neoverse V2 (Graviton4, Axion, Grace)", "Neoverse V2"),
]


@pytest.mark.parametrize(("vendor", "family", "model", "stepping", "brand", "name", "power"), CPUIDS)
def test_cpuid_gives_the_architecture(
    vendor: str, family: int, model: int, stepping: int | None, brand: str, name: str, power: str
) -> None:
    found = find_architecture(vendor, model, family=family, stepping=stepping, brand=brand)
    assert found is not None
    assert (found.name, found.power_family) == (name, power)


@pytest.mark.parametrize(
    ("vendor", "family", "model"),
    [("GenuineIntel", 6, 0xFE), ("GenuineIntel", 15, 4), ("", 6, 0x55), ("0x41", 8, 0xD03)],
)
def test_unknown_cpuid_gives_nothing(vendor: str, family: int, model: int) -> None:
    assert find_architecture(vendor, model, family=family) is None


def test_no_model_number_gives_nothing() -> None:
    assert find_architecture("GenuineIntel", None, family=6) is None


def test_every_row_has_a_source_and_a_sound_interval() -> None:
    for row in cpu_tables._families().rows:
        power = family_power(row.text("architecture"))
        assert power.source
        assert 0 < power.idle_w_per_thread < power.full_w_per_thread
        assert power.low_fraction < 1 < power.high_fraction
    for row in cpu_tables._constants().rows:
        constant = power_constant(row.text("name"))
        assert constant.source
        assert constant.low < constant.value < constant.high
    exact, rules = cpu_tables._tdp_rows()
    assert all(row.text("source") and row.text("line") for row in (*exact.values(), *rules))
    assert all(row.text("source") for row in cpu_tables._models().rows)


def test_every_architecture_has_a_power_row() -> None:
    for row in cpu_tables._models().rows:
        assert family_power(row.text("power_family"))


def test_every_rule_is_a_regular_expression_and_every_exact_brand_is_normal() -> None:
    exact, rules = cpu_tables._tdp_rows()
    assert all(re.compile(row.text("brand")) for row in rules)
    assert [name for name in exact if normalise_brand(name) != name] == []


def test_unknown_architecture_is_refused_with_near_names() -> None:
    with pytest.raises(HardwareError, match=r"no architecture 'Cascade Lak'; did you mean Cascade L"):
        family_power("Cascade Lak")


def test_unknown_constant_is_refused() -> None:
    with pytest.raises(HardwareError, match="no name 'rest'"):
        power_constant("rest")


def test_server_tdp_agrees_with_codecarbons_table() -> None:
    theirs: dict[str, set[float]] = {}
    with data_path("cpu_tdp_codecarbon.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if re.fullmatch(r"[0-9.]+", line["tdp_w"]):
                name = normalise_brand(line["cpu"])
                theirs.setdefault(name, set()).add(float(line["tdp_w"]))
    ours = {name: row.number("tdp_w") for name, row in cpu_tables._tdp_rows()[0].items()}
    both = {name: watts for name, watts in ours.items() if name.removesuffix(" 0") in theirs}
    differ = {n: w for n, w in both.items() if w not in theirs[n.removesuffix(" 0")]}
    assert len(both) > 400
    assert differ == {}


def test_families_are_the_mean_of_providers() -> None:
    sums: dict[str, list[tuple[float, float]]] = {}
    with data_path("ccf_cpu_watts_per_vcpu.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            watts = float(line["min_w_per_vcpu"]), float(line["max_w_per_vcpu"])
            sums.setdefault(line["architecture"], []).append(watts)
    rows = [r for r in cpu_tables._families().rows if r.text("architecture") in sums]
    checked = [r.text("architecture") for r in rows if r.text("basis") == "ccf"]
    assert len(checked) == 15
    for name in checked:
        n = len(sums[name])
        ours = family_power(name)
        assert ours.idle_w_per_thread == pytest.approx(sum(i for i, _ in sums[name]) / n, abs=1e-3)
        assert ours.full_w_per_thread == pytest.approx(sum(f for _, f in sums[name]) / n, abs=1e-3)


def test_no_name_misses_a_rule_for_its_beginning() -> None:
    exact, rules = cpu_tables._tdp_rows()
    names = [*exact, *(normalise_brand(brand) for brand, *_ in BRANDS)]
    missed = [
        (name, rule.text("brand"))
        for name in names
        for rule in rules
        if re.fullmatch(rule.text("brand"), name) and not cpu_tables._may_fit(rule.text("brand"), name)
    ]
    assert missed == []
