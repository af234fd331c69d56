"""What is known of processors: thermal design power, micro-architecture, watts per thread.

Three tables (``cpu_tdp.csv``, ``cpu_models.csv``, ``cpu_families.csv``) answer three questions in
turn: what may this processor draw, by the name it gives itself; what is it, by CPUID; what do
servers of that kind draw. ``power_constants.csv`` holds the few figures that tie them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Final

from lowtide.data.tables import Row, Table, read_table
from lowtide.errors import HardwareError, near_matches

__all__ = [
    "CpuArchitecture",
    "CpuTdp",
    "FamilyPower",
    "PowerConstant",
    "family_power",
    "find_architecture",
    "find_tdp",
    "normalise_brand",
    "power_constant",
]

_SEGMENTS: Final = ("server", "desktop", "laptop", "soc")
_FILLERS: Final = frozenset({"intel", "amd", "cpu", "processor", "gen", "genuine"})
_MARKS: Final = re.compile(r"\((?:r|tm)\)|[®™]")
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789 -")
_NOISE: Final = re.compile(r"\d+th|.*-cores?")
_TAIL: Final = re.compile(r"@| w/ | with ")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTdp:
    """Thermal design power of one processor.

    Attributes
    ----------
    brand : str
        The normalised brand it was found by.
    tdp_w : float
        Of one socket [W].
    n_threads : int or None
        Hardware threads of one socket; None for a rule that covers a line of parts.
    segment : {"server", "desktop", "laptop", "soc"}
    line : str
        Product line, and year for servers.
    source : str
    """

    brand: str
    tdp_w: float
    n_threads: int | None
    segment: str
    line: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuArchitecture:
    """What a processor is: `name` for people, `power_family` for :func:`family_power`."""

    name: str
    power_family: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPower:
    """Whole-server power per hardware thread [W]; see the notes of ``cpu_families.csv``."""

    architecture: str
    idle_w_per_thread: float
    full_w_per_thread: float
    low_fraction: float
    high_fraction: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConstant:
    """A constant of the power models with its 90 % interval, all in `unit`."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str


def normalise_brand(brand: str) -> str:
    """Return a brand string without vendor, trade marks, clock, core count and filler words.

    Examples
    --------
    >>> normalise_brand("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz")
    'xeon e5-2686 v4'
    >>> normalise_brand("AMD Ryzen 7 PRO 6850U with Radeon Graphics")
    'ryzen 7 pro 6850u'
    """
    plain = _TAIL.split(_MARKS.sub(" ", brand.lower()), maxsplit=1)[0]
    return " ".join(w for w in plain.split() if w not in _FILLERS and not _NOISE.fullmatch(w))


def find_tdp(brand: str) -> CpuTdp | None:
    """Return the thermal design power of the processor with this brand string, or None.

    Examples
    --------
    >>> find_tdp("AMD EPYC 7763 64-Core Processor").tdp_w
    280.0
    """
    name = normalise_brand(brand)
    if not name:
        return None
    exact, rules = _tdp_rows()
    row = exact.get(name)
    if row is None:
        fits = (r for r in rules if _may_fit(r.text("brand"), name) and re.fullmatch(r.text("brand"), name))
        row = next(fits, None)
    return None if row is None else _tdp(row, name)


def _may_fit(pattern: str, name: str) -> bool:
    """Return whether a name begins as a pattern does, which is far cheaper to find out than to compile it.

    >>> _may_fit("xeon gold 6.*", "ryzen 7"), _may_fit("xeons? .*", "xeon 5"), _may_fit("core .*|xeon .*", "epyc")
    (False, True, True)
    """
    plain = "" if "|" in pattern else "".join(takewhile(_PLAIN.__contains__, pattern))
    return name.startswith(plain if plain == pattern else plain[:-1])  # the last one may be optional


def find_architecture(
    vendor: str,
    model: int | None,
    *,
    family: int | None = None,
    stepping: int | None = None,
    brand: str = "",
) -> CpuArchitecture | None:
    """Return what a processor is, or None when the table does not know it.

    Parameters
    ----------
    vendor : str
        CPUID vendor, or the ARM implementer as in ``0x41``.
    model, family, stepping : int or None
        From CPUID; on ARM `model` is the part number.
    brand : str
        Tells EPYC from Ryzen where both share a model.

    Examples
    --------
    >>> find_architecture("AuthenticAMD", 1, family=25, brand="AMD EPYC").name
    'EPYC 3rd Gen (Milan)'
    """
    if model is None:
        return None
    name = brand.lower()
    for row in _models().rows:
        if row.text("vendor") == vendor and _fits(row, model, family, stepping, name):
            return CpuArchitecture(
                name=row.text("architecture"),
                power_family=row.text("power_family"),
                source=row.text("source"),
            )
    return None


@cache
def family_power(architecture: str) -> FamilyPower:
    """Return the whole-server power per thread of an architecture; ``generic`` for an unknown one.

    Raises
    ------
    HardwareError
        If the table has no such row.
    """
    row = _keyed(_families(), "architecture", architecture)
    return FamilyPower(
        architecture=architecture,
        idle_w_per_thread=row.number("idle_w_per_thread", low=0.0, high=50.0),
        full_w_per_thread=row.number("full_w_per_thread", low=0.0, high=50.0),
        low_fraction=row.number("low_fraction", low=0.0, high=1.0),
        high_fraction=row.number("high_fraction", low=1.0, high=10.0),
        source=row.text("source"),
    )


@cache
def power_constant(name: str) -> PowerConstant:
    """Return a constant of the power models.

    Raises
    ------
    HardwareError
        If there is none of that name.
    """
    row = _keyed(_constants(), "name", name)
    return PowerConstant(
        name=name,
        value=row.number("value", low=0.0),
        low=row.number("low", low=0.0),
        high=row.number("high", low=0.0),
        unit=row.text("unit"),
        source=row.text("source"),
    )


def _keyed(table: Table, column: str, key: str) -> Row:
    for row in table.rows:
        if row.text(column) == key:
            return row
    known = [row.text(column) for row in table.rows]
    raise HardwareError(f"{table.path} has no {column} {key!r}{near_matches(key, known)}")


def _fits(row: Row, model: int, family: int | None, stepping: int | None, brand: str) -> bool:
    return (
        _within(row, "family", "family", family)
        and _within(row, "model_low", "model_high", model)
        and _within(row, "stepping_low", "stepping_high", stepping)
        and row.text("brand_word", optional=True) in brand
    )


def _within(row: Row, low: str, high: str, value: int | None) -> bool:
    """Whether a value lies in a row's range; an empty range, or an unknown value, fits."""
    if value is None or not row.text(low, optional=True):
        return True
    return _whole(row, low) <= value <= _whole(row, high)


def _whole(row: Row, column: str) -> int:
    text = row.text(column)
    try:
        return int(text, 0)
    except ValueError as error:
        raise row.error(column, f"{column} is {text!r}; write a number like 85 or 0x55") from error


def _tdp(row: Row, name: str) -> CpuTdp:
    threads = row.optional_number("n_threads", low=1, high=10_000)
    return CpuTdp(
        brand=name,
        tdp_w=row.number("tdp_w", low=1.0, high=2000.0),
        n_threads=None if threads is None else int(threads),
        segment=row.choice("segment", _SEGMENTS),
        line=row.text("line"),
        source=row.text("source"),
    )


@cache
def _tdp_rows() -> tuple[dict[str, Row], tuple[Row, ...]]:
    """Return the exact rows by brand, and the rules in order."""
    columns = ("match", "brand", "tdp_w", "n_threads", "segment", "line", "source")
    rows = read_table("cpu_tdp.csv", columns, ("brand",)).rows
    exact = {row.text("brand"): row for row in rows if row.text("match") == "exact"}
    return exact, tuple(row for row in rows if row.choice("match", ("exact", "rule")) == "rule")


def _models() -> Table:
    ranges = ("model_low", "model_high", "stepping_low", "stepping_high", "brand_word")
    columns = ("vendor", "family", *ranges, "architecture", "power_family", "source")
    return read_table("cpu_models.csv", columns, ("vendor", "family", *ranges))


def _families() -> Table:
    watts = ("idle_w_per_thread", "full_w_per_thread", "low_fraction", "high_fraction")
    columns = ("architecture", *watts, "basis", "source")
    return read_table("cpu_families.csv", columns, ("architecture",))


def _constants() -> Table:
    columns = ("name", "value", "low", "high", "unit", "basis", "source", "note")
    return read_table("power_constants.csv", columns, ("name",))
