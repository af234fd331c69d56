"""What machine this is on macOS and Windows, asked of the operating system."""

from __future__ import annotations

import os
import platform
import re
from typing import Any

from lowtide.model.machine import Machine

__all__ = ["parse_identifier", "read_machine_elsewhere"]

_TIMEOUT_S = 5.0


def read_machine_elsewhere() -> Machine:
    """Return what the operating system says; None for what it does not, never an error."""
    identifier = platform.processor()
    vendor, family, model, stepping = parse_identifier(identifier)
    psutil = _psutil()
    return Machine(
        cpu_brand=_brand() or identifier,
        cpu_vendor=vendor,
        cpu_family=family,
        cpu_model=model,
        cpu_stepping=stepping,
        n_logical_cpus=os.cpu_count() or 1,
        n_physical_cores=psutil.cpu_count(logical=False) if psutil else None,
        n_sockets=None,
        memory_bytes=_memory_bytes(psutil),
        system=platform.system(),
    )


def parse_identifier(text: str) -> tuple[str, int | None, int | None, int | None]:
    """Return (vendor, family, model, stepping) of a Windows processor identifier.

    >>> parse_identifier("Intel64 Family 6 Model 154 Stepping 3, GenuineIntel")
    ('GenuineIntel', 6, 154, 3)
    """
    found = re.search(r"Family (\d+) Model (\d+) Stepping (\d+), (\w+)", text)
    if found is None:
        return "", None, None, None
    return found[4], int(found[1]), int(found[2]), int(found[3])


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def _memory_bytes(psutil: Any) -> int | None:
    if psutil is not None:
        return int(psutil.virtual_memory().total)
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _brand() -> str:
    """Return the processor's name for itself, empty when it cannot be asked."""
    if platform.system() == "Windows":
        return _brand_on_windows()
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string")
    return ""


def _sysctl(name: str) -> str:
    import subprocess

    command = ["/usr/sbin/sysctl", "-n", name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def _brand_on_windows() -> str:
    from importlib import import_module

    winreg: Any = import_module("winreg")  # Windows alone has it, and its stubs
    path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        return ""
