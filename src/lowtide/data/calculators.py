"""What other calculators assume, stated by us from their documentation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lowtide.data.tables import read_table

__all__ = ["Calculator", "calculators"]

_COLUMNS: Final = ("name", "version", "year", "gpu", "cpu_share", "memory_w_per_gb", "pue", "g_per_kwh",
                   "leaves_out", "source")  # fmt: skip
GpuPower = Literal["tdp", "load", "measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculator:
    """The assumptions of one calculator.

    Attributes
    ----------
    name, version : str
    year : int
    gpu : {"tdp", "load", "measured"}
        What stands for the power of a GPU.
    cpu_share : float
        Share of the CPU's design power that is counted, 0 for none.
    memory_w_per_gb : float
    pue : float
    g_per_kwh : float or None
        Intensity where the user names no place; None where there is no such default.
    leaves_out, source : str
    """

    name: str
    version: str
    year: int
    gpu: GpuPower
    cpu_share: float
    memory_w_per_gb: float
    pue: float
    g_per_kwh: float | None
    leaves_out: str
    source: str


@cache
def calculators() -> tuple[Calculator, ...]:
    """Return every calculator, in the order of the table."""
    kinds: tuple[GpuPower, ...] = ("tdp", "load", "measured")
    return tuple(
        Calculator(
            name=row.text("name"),
            version=row.text("version"),
            year=row.integer("year", low=2015, high=2100),
            gpu=next(kind for kind in kinds if kind == row.choice("gpu", kinds)),
            cpu_share=row.number("cpu_share", low=0.0, high=1.0),
            memory_w_per_gb=row.number("memory_w_per_gb", low=0.0, high=5.0),
            pue=row.number("pue", low=1.0, high=3.0),
            g_per_kwh=row.optional_number("g_per_kwh", low=1.0, high=1200.0),
            leaves_out=row.text("leaves_out"),
            source=row.text("source"),
        )
        for row in read_table("calculators.csv", _COLUMNS, ("name",)).rows
    )
