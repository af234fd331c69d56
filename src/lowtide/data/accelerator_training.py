"""What training makes of accelerators: peak arithmetic, the share of it that is used, and metered power.

Siblings of ``board_power.csv``, keyed by its names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lowtide.data.board_power import Accelerator, accelerator
from lowtide.data.tables import Row, read_table
from lowtide.errors import InputError

__all__ = [
    "MeasuredPower",
    "Peak",
    "Utilisation",
    "all_measured_power",
    "find_accelerator",
    "measured_power",
    "peak_of",
    "peaks",
    "utilisations",
]

_PEAK_COLUMNS: Final = ("accelerator", "fp32_tflops", "tf16_tflops", "fp8_tflops", "year", "source")
_POWER_COLUMNS: Final = ("accelerator", "year", "power_w", "low_w", "high_w", "boundary", "n_runs",
                         "workload", "source")  # fmt: skip
_MFU_COLUMNS: Final = ("accelerator", "precision", "size", "what", "n", "low", "value", "high", "year",
                       "source")  # fmt: skip
_MOST_W: Final = 5000.0
_TERA: Final = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Peak dense arithmetic of an accelerator [10^12 FLOP/s], None where unknown."""

    accelerator: str
    fp32_tflops: float | None
    tf16_tflops: float | None
    fp8_tflops: float | None
    year: int
    source: str

    def flops(self, bits: int) -> float | None:
        """Return the peak with `bits` bits (32, 16 or 8) [FLOP/s], None when unknown."""
        tflops = {32: self.fp32_tflops, 16: self.tf16_tflops, 8: self.fp8_tflops}.get(bits)
        return None if tflops is None else tflops * _TERA


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPower:
    """Power that was metered in training, for each accelerator, before PUE [W].

    `boundary` is ``node`` (host, memory, network cards and fans are in it) or ``gpu`` (the board alone).
    `low_w` and `high_w` are None where one run is all that is known.
    """

    accelerator: str
    year: int
    power_w: float
    low_w: float | None
    high_w: float | None
    boundary: Literal["node", "gpu"]
    n_runs: int
    workload: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Share of the peak that training used (MFU), with a range where several runs are known.

    `bits` is the precision, `size` is ``small`` (below 1e9 parameters), ``medium`` (to 1e10) or ``large``.
    """

    accelerator: str
    bits: int
    size: Literal["small", "medium", "large"]
    what: str
    n: int
    low: float | None
    value: float
    high: float | None
    year: int
    source: str


def find_accelerator(name: str) -> Accelerator | None:
    """Return the accelerator of that name or alias, None when the catalogue has none.

    Examples
    --------
    >>> find_accelerator("NVIDIA Tesla V100").tdp_w, find_accelerator("V101") is None
    (300.0, True)
    """
    try:
        return accelerator(name)
    except InputError:
        return None


def _name(row: Row) -> str:
    found = find_accelerator(row.text("accelerator"))
    if found is None:
        raise row.error("accelerator", f"{row.text('accelerator')!r} is not in board_power.csv")
    return found.name


@cache
def peaks() -> dict[str, Peak]:
    """Return the peaks by the accelerator's name in the catalogue."""
    table = read_table("accelerator_peaks.csv", _PEAK_COLUMNS, ("accelerator",))
    return {
        _name(row): Peak(
            accelerator=_name(row),
            fp32_tflops=row.optional_number("fp32_tflops", low=0.01, high=1e5),
            tf16_tflops=row.optional_number("tf16_tflops", low=0.01, high=1e5),
            fp8_tflops=row.optional_number("fp8_tflops", low=0.01, high=1e5),
            year=row.integer("year", low=2005, high=2100),
            source=row.text("source"),
        )
        for row in table.rows
    }


def peak_of(name: str, bits: int = 16) -> float | None:
    """Return the peak dense arithmetic of an accelerator [FLOP/s], None when it or its peak is unknown.

    >>> peak_of("A100"), peak_of("K80", 8) is None
    (312000000000000.0, True)
    """
    found = find_accelerator(name)
    peak = None if found is None else peaks().get(found.name)
    return None if peak is None else peak.flops(bits)


def measured_power(accelerator_name: str) -> MeasuredPower | None:
    """Return the metered power of an accelerator by its name in the catalogue, None when there is none.

    A board with more memory of the same kind draws what its sibling was metered at.

    Examples
    --------
    >>> measured_power("V100").power_w, measured_power("V100 32GB").power_w, measured_power("RTX 3090") is None
    (325.0, 325.0, True)
    """
    name = {"V100 32GB": "V100"}.get(accelerator_name, accelerator_name)
    return next((row for row in all_measured_power() if row.accelerator == name), None)


@cache
def all_measured_power() -> tuple[MeasuredPower, ...]:
    """Return every metered power."""
    table = read_table("accelerator_power.csv", _POWER_COLUMNS, ("accelerator", "boundary"))
    return tuple(
        MeasuredPower(
            accelerator=_name(row),
            year=row.integer("year", low=2015, high=2100),
            power_w=row.number("power_w", low=1.0, high=_MOST_W),
            low_w=row.optional_number("low_w", low=1.0, high=_MOST_W),
            high_w=row.optional_number("high_w", low=1.0, high=_MOST_W),
            boundary="node" if row.choice("boundary", ("node", "gpu")) == "node" else "gpu",
            n_runs=row.integer("n_runs", low=1, high=100_000),
            workload=row.text("workload"),
            source=row.text("source"),
        )
        for row in table.rows
    )


@cache
def utilisations() -> tuple[Utilisation, ...]:
    """Return every known share of the peak that training used."""
    table = read_table("mfu.csv", _MFU_COLUMNS, ("accelerator", "precision", "size", "what"))
    return tuple(
        Utilisation(
            accelerator=_name(row),
            bits=row.integer("precision", low=8, high=32),
            size=_size(row),
            what=row.text("what"),
            n=row.integer("n", low=1, high=100_000),
            low=row.optional_number("low", low=0.0, high=1.0),
            value=row.number("value", low=0.0, high=1.0),
            high=row.optional_number("high", low=0.0, high=1.0),
            year=row.integer("year", low=2015, high=2100),
            source=row.text("source"),
        )
        for row in table.rows
    )


def _size(row: Row) -> Literal["small", "medium", "large"]:
    size = row.choice("size", ("small", "medium", "large"))
    return "small" if size == "small" else "medium" if size == "medium" else "large"
