"""Stand-ins for the kernel's sensor files: perf events, hwmon devices, pm_counters. Powercap is in ``fakes``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

__all__ = [
    "make_grace_tree",
    "make_intel_gpu_tree",
    "make_jetson_tree",
    "make_perf_tree",
    "make_pm_counters",
    "write_file",
]


def write_file(path: str, text: object) -> None:
    """Write a file in place, so that a reader with it open sees the new text; folders are made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = f"{text}\n".encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def make_perf_tree(
    root: str, *, cpus: Sequence[int] = (0,), packages: Sequence[int] = (0,), ram: bool = True
) -> None:
    """Make the ``power`` event source under a sysfs root, with the CPU that counts for each package."""
    folder = os.path.join(root, "bus/event_source/devices/power")
    events = {"energy-pkg": "0x02", "energy-cores": "0x01", "energy-psys": "0x05"}
    events |= {"energy-ram": "0x03"} if ram else {}
    write_file(f"{folder}/type", 33)
    write_file(f"{folder}/cpumask", ",".join(str(cpu) for cpu in cpus))
    for event, config in events.items():
        write_file(f"{folder}/events/{event}", f"event={config}")
        write_file(f"{folder}/events/{event}.scale", "2.3283064365386962890625e-10")
        write_file(f"{folder}/events/{event}.unit", "Joules")
    for cpu, package in zip(cpus, packages, strict=True):
        write_file(os.path.join(root, f"devices/system/cpu/cpu{cpu}/topology/physical_package_id"), package)


def make_grace_tree(root: str, *, sockets: int = 1, power_uw: int = 100_000_000) -> list[str]:
    """Make the hwmon folder of Grace superchips; return the files of the processors' power [uW]."""
    rails = ("Module", "Grace", "CPU", "SysIO")
    processors = []
    for socket in range(sockets):
        for i, rail in enumerate(rails):
            folder = os.path.join(root, f"hwmon{socket * len(rails) + i}")
            write_file(f"{folder}/name", "power_meter")
            write_file(f"{folder}/device/power1_oem_info", f"{rail} Power Socket {socket}")
            write_file(f"{folder}/device/power1_average", power_uw)
            write_file(f"{folder}/device/power1_average_interval", 50)
            if rail == "CPU":
                processors.append(f"{folder}/device/power1_average")
    return processors


def make_intel_gpu_tree(root: str, *, cards: int = 1, driver: str = "xe") -> list[str]:
    """Make the hwmon folder of Intel cards; return the files of their counters [uJ]."""
    counters = []
    for i in range(cards):
        folder = os.path.join(root, f"hwmon{i}")
        os.makedirs(os.path.join(root, f"devices/0000:{i + 3:02x}:00.0"), exist_ok=True)
        write_file(f"{folder}/name", driver)
        write_file(f"{folder}/energy1_input", 0)
        if driver == "xe":
            write_file(f"{folder}/energy1_label", "card")
            write_file(f"{folder}/energy2_label", "pkg")
            write_file(f"{folder}/energy2_input", 0)
        os.symlink(f"../devices/0000:{i + 3:02x}:00.0", f"{folder}/device")
        counters.append(f"{folder}/energy1_input")
    return counters


def make_jetson_tree(root: str, rails: Mapping[str, tuple[int, int]] | None = None) -> None:
    """Make the hwmon folder of a Jetson; `rails` are up to 3 names with (mV, mA)."""
    given = rails or {"VDD_IN": (5000, 2000), "VDD_CPU": (1000, 1500), "VDD_GPU": (1000, 2500)}
    folder = os.path.join(root, "hwmon0")
    write_file(f"{folder}/name", "ina3221")
    for i, (label, (millivolts, milliamperes)) in enumerate(given.items(), start=1):
        write_file(f"{folder}/in{i}_label", label)
        write_file(f"{folder}/in{i}_input", millivolts)
        write_file(f"{folder}/curr{i}_input", milliamperes)


def make_pm_counters(root: str, joules: Mapping[str, int] | None = None, *, t_us: int = 0) -> None:
    """Make, or set, the counters of an HPE Cray node [J]: ``energy``, ``cpu_energy``, ``accel0_energy`` ..."""
    given = joules or {"energy": 0, "cpu_energy": 0, "memory_energy": 0, "accel0_energy": 0}
    for name, value in given.items():
        write_file(os.path.join(root, name), f"{value} J {t_us} us")
    write_file(os.path.join(root, "power"), f"0 W {t_us} us")
