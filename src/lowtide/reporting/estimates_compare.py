"""Calculators side by side, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lowtide.estimation.calculators import Compared
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import energy, grams, plain_number

__all__ = ["COMPARE_HEADER", "compare_cells", "compare_notes", "compare_plain"]

COMPARE_HEADER: Final = ("calculator", "GPU W", "CPU W", "memory W", "PUE", "energy", "g/kWh", "carbon")


def compare_plain(rows: Sequence[Compared]) -> dict[str, Any]:
    """Return the JSON of ``lowtide compare``."""
    return {"rows": [plain_of(row) for row in rows]}


def compare_cells(rows: Sequence[Compared]) -> list[list[str]]:
    """Return the cells of the table; the default intensity of a calculator is marked with a star."""
    return [
        [
            f"{row.name} {row.version}".strip(),
            plain_number(row.gpu_w),
            plain_number(row.cpu_w),
            plain_number(row.memory_w),
            "none" if row.pue is None else f"{row.pue:g}",
            energy(row.energy_kwh),
            "" if row.g_per_kwh is None else plain_number(row.g_per_kwh) + ("*" if row.own_intensity else ""),
            "unknown" if row.emissions_g is None else grams(row.emissions_g),
        ]
        for row in rows
    ]


def compare_notes(rows: Sequence[Compared]) -> list[str]:
    """Return what stands under the table: spread, defaults, and what each leaves out."""
    kwh = [row.energy_kwh for row in rows]
    lines = [
        f"energy differs by a factor of {max(kwh) / min(kwh):.2f}; lowtide's GPU column is the whole node"
    ]
    if any(row.own_intensity for row in rows):
        lines.append("* the calculator's own intensity")
    return lines + [f"{row.name} leaves out {row.leaves_out}" for row in rows if row.leaves_out]
