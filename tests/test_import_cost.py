"""``import lowtide`` is light, and so is what a plain installation brings."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest

BYTES_PER_MB = 1e6


def seconds_of(code: str) -> float:
    """Return how long a fresh Python takes for a line of code [s]."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


@pytest.mark.alone
@pytest.mark.slow
def test_importing_lowtide_costs_at_most_80_ms() -> None:
    seconds_of("import lowtide")  # once, so that the bytecode is there
    pairs = [(seconds_of("import lowtide"), seconds_of("pass")) for _ in range(7)]
    cost_s = statistics.median(with_it - without for with_it, without in pairs)
    assert cost_s <= 0.080


@pytest.mark.parametrize(
    "code",
    [
        "import lowtide",
        "import lowtide.cli.main",
        "import lowtide.runtime.measure",
        "import lowtide.cli.runs, lowtide.reporting.summary, lowtide.runtime.closing, lowtide.runtime.views",
        "import lowtide.cli.report, lowtide.reporting.text, lowtide.runtime.views",
    ],
)
def test_import_brings_no_numpy(code: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print('numpy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "False"


def core_distributions() -> dict[str, Distribution]:
    """Return what installing lowtide without extras installs, lowtide included, by name."""
    found: dict[str, Distribution] = {}
    waiting = ["lowtide"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # needed on another system only
        for requirement in found[name].requires or ():
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            if match is not None and "extra ==" not in requirement:
                waiting.append(re.sub(r"[-_.]+", "-", match[0]).lower())
    return found


def size_mb(found: Distribution) -> float:
    """Return the size of a distribution's files, without the bytecode Python makes of them [MB]."""
    files = [path.locate() for path in found.files or () if path.suffix != ".pyc"]
    return sum(os.path.getsize(path) for path in files if os.path.exists(path)) / BYTES_PER_MB


def test_core_installation_is_at_most_90_mb() -> None:
    sizes = {name: size_mb(found) for name, found in core_distributions().items()}
    assert {"click", "numpy", "platformdirs", "psutil"} <= sizes.keys()
    assert sizes["numpy"] > 10.0  # the files of a distribution are really found
    sizes["lowtide"] = sum(entry_mb())
    assert sum(sizes.values()) <= 90.0, sizes


def entry_mb() -> list[float]:
    """Return the sizes of lowtide's own files: an editable installation lists none of them [MB]."""
    import lowtide

    return [
        os.path.getsize(os.path.join(folder, name)) / BYTES_PER_MB
        for folder, _, names in os.walk(os.path.dirname(lowtide.__file__))
        for name in names
        if not name.endswith(".pyc")
    ]
