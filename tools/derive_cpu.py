"""Derive the processor figures that lowtide ships from public measurements.

    python tools/derive_cpu.py --data DIR [--check]

DIR holds ``ccf_cpu_watts_per_vcpu.csv`` and ``aws_instance_power_teads.csv`` (both through Cloud
Carbon Footprint, Apache-2.0). ``--check`` compares with the packaged tables and exits with 1 when
they differ.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from lowtide.data.cpu_tables import family_power, find_tdp, power_constant
from lowtide.estimation.power_models import cpu_power_model
from lowtide.model.machine import Machine

LOADS = {"idle": 0.0, "10": 0.1, "50": 0.5, "100": 1.0}
FAMILY_OF = {
    "Xeon E5-2686 v4": "Broadwell",
    "Xeon Platinum 8124M": "Skylake",
    "Xeon Platinum 8175M": "Skylake",
    "Xeon Platinum 8259CL": "Cascade Lake",
    "Xeon Platinum 8275CL": "Cascade Lake",
    "Xeon Platinum 8375C": "Ice Lake",
    "EPYC 7571": "EPYC 1st Gen",
    "EPYC 7R32": "EPYC 2nd Gen",
}
TESTED = (
    "Xeon Platinum 8124M",
    "Xeon Platinum 8151",
    "Xeon Platinum 8175M",
    "Xeon Platinum 8252C",
    "Xeon Platinum 8259CL",
    "Xeon Platinum 8275CL",
)
"""Processors whose load curve was measured on bare metal; the other rows are scaled from these."""


def families(data: Path) -> dict[str, tuple[float, float]]:
    """Return (idle, full) whole-server watts per vCPU, the mean over providers."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (data / "ccf_cpu_watts_per_vcpu.csv").open() as file:
        for row in csv.DictReader(file):
            watts = float(row["min_w_per_vcpu"]), float(row["max_w_per_vcpu"])
            found[row["architecture"]].append(watts)
    return {k: (statistics.mean(i for i, _ in v), statistics.mean(f for _, f in v)) for k, v in found.items()}


def curves(data: Path) -> dict[str, dict[str, float]]:
    """Return package watts by load of the largest instance of every processor, per vCPU."""
    largest: dict[str, dict[str, str]] = {}
    with (data / "aws_instance_power_teads.csv").open() as file:
        for row in csv.DictReader(file):
            known = largest.get(row["cpu"])
            if known is None or float(row["vcpu"]) > float(known["vcpu"]):
                largest[row["cpu"]] = row
    return {
        cpu: {load: float(row[f"pkg_w_{load}"]) / float(row["vcpu"]) for load in LOADS}
        for cpu, row in largest.items()
    }


def linearity(data: Path) -> dict[str, dict[str, float]]:
    """Return, by processor and load, the line from idle to full over the measured power, less 1."""
    found = {}
    for cpu, watts in curves(data).items():
        idle, full = watts["idle"], watts["100"]
        if cpu in TESTED:
            line = {load: idle + (full - idle) * u for load, u in LOADS.items()}
            found[cpu] = {load: line[load] / watts[load] - 1 for load in LOADS}
    return found


def idle_fraction(data: Path, *, from_load: str = "idle") -> float:
    """Return the idle power, over full power, of the best line that ends at full power.

    Least squares of ``a + (1 - a) u`` against the mean measured curve, from `from_load` upwards.
    """
    start = LOADS[from_load]
    shape = mean_shape(data)
    used = [(u, shape[load]) for load, u in LOADS.items() if u >= start]
    above = sum((1 - u) * (p - u) for u, p in used)
    return above / sum((1 - u) ** 2 for u, _ in used)


def mean_shape(data: Path) -> dict[str, float]:
    """Return the mean curve of the tested processors, as fractions of full power."""
    tested = [w for cpu, w in curves(data).items() if cpu in TESTED]
    return {load: statistics.mean(w[load] / w["100"] for w in tested) for load in LOADS}


def compare_families(data: Path) -> dict[str, float]:
    """Return measured package power at full load over what the family model says."""
    found = {}
    for cpu, watts in curves(data).items():
        if cpu in FAMILY_OF:
            family = family_power(FAMILY_OF[cpu])
            part = cpu_power_model(Machine()).full_w / family_power("generic").full_w_per_thread
            found[cpu] = watts["100"] / (family.full_w_per_thread * part)
    return found


def report(data: Path) -> None:
    """Print what is not shipped as a figure but said in the documentation."""
    for cpu, errors in linearity(data).items():
        print(f"line over measurement, {cpu}: 10 % {errors['10']:+.2f}, 50 % {errors['50']:+.2f}")
    a = power_constant("tdp_idle_fraction").value
    for load, p in mean_shape(data).items():
        print(
            f"mean curve at {load:>4}: {p:.3f} of full power; shipped line / curve "
            f"{(a + (1 - a) * LOADS[load]) / p:.2f}"
        )
    for cpu, ratio in compare_families(data).items():
        print(f"measured over family model at full load, {cpu}: {ratio:.2f}")
    ours = find_tdp("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz")
    if ours is not None:
        print(
            f"measured over TDP at full load, E5-2686 v4: "
            f"{curves(data)['Xeon E5-2686 v4']['100'] * 36 / ours.tdp_w:.2f}"
        )


def main() -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    report(args.data)
    wrong = check_families(args.data) + check_idle(args.data)
    return 1 if args.check and wrong else 0


def check_families(data: Path) -> int:
    """Print every family the summary has; return how many shipped rows differ from it."""
    wrong = 0
    for name, (idle, full) in sorted(families(data).items()):
        try:
            ours = family_power(name)
        except ValueError:
            print(f"{name:16} idle {idle:.3f} full {full:.3f} (not shipped)")
            continue
        same = abs(ours.idle_w_per_thread - idle) < 0.001 and abs(ours.full_w_per_thread - full) < 0.001
        stated = "Cloud Carbon Footprint, mean of providers" not in ours.source
        wrong += not same and not stated
        print(
            f"{name:16} idle {idle:.3f} full {full:.3f} shipped {ours.idle_w_per_thread:.3f} "
            f"{ours.full_w_per_thread:.3f}{'' if same else ' (stated)' if stated else ' DIFFERS'}"
        )
    return wrong


def check_idle(data: Path) -> int:
    """Print and compare the idle fraction of TDP with its interval; return how many differ."""
    constant = power_constant("tdp_idle_fraction")
    derived = {
        "value": idle_fraction(data),
        "low": mean_shape(data)["idle"],
        "high": idle_fraction(data, from_load="10"),
    }
    wrong = 0
    for which, value in derived.items():
        off = abs(value - float(getattr(constant, which))) > 0.015
        wrong += off
        print(
            f"tdp_idle_fraction {which:5} derived {value:.3f} shipped "
            f"{getattr(constant, which):.3f}{' DIFFERS' if off else ''}"
        )
    return wrong


if __name__ == "__main__":
    sys.exit(main())
