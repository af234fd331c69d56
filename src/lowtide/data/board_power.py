"""Accelerators by name: what their makers say they draw at most."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from lowtide.data.tables import read_table
from lowtide.errors import InputError, near_matches

__all__ = ["Accelerator", "accelerator", "accelerators"]

_COLUMNS: Final = ("name", "aliases", "vendor", "tdp_w", "memory_gb", "year", "source")
_VENDORS: Final = ("NVIDIA", "AMD", "Intel", "Google")
_NOISE: Final = re.compile(r"nvidia|geforce|tesla|amd|radeon|google|intel|habana|[\s_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One model of accelerator.

    Attributes
    ----------
    name, vendor : str
    tdp_w : float
        The vendor's maximum for one [W].
    memory_gb : float
        [GB of 10^9 bytes].
    year : int
        Of introduction.
    source : str
    """

    name: str
    vendor: str
    tdp_w: float
    memory_gb: float
    year: int
    source: str


def _key(name: str) -> str:
    return _NOISE.sub("", name.casefold())


@cache
def _by_key() -> dict[str, Accelerator]:
    found: dict[str, Accelerator] = {}
    for row in read_table("board_power.csv", _COLUMNS, ("name",)).rows:
        one = Accelerator(
            name=row.text("name"),
            vendor=row.choice("vendor", _VENDORS),
            tdp_w=row.number("tdp_w", low=1.0, high=3000.0),
            memory_gb=row.number("memory_gb", low=1.0, high=1000.0),
            year=row.integer("year", low=2010, high=2100),
            source=row.text("source"),
        )
        for name in (one.name, *row.text("aliases", optional=True).split()):
            if found.setdefault(_key(name), one) is not one:
                raise row.error("aliases", f"{name} means {found[_key(name)].name} already")
    return found


def accelerators() -> tuple[Accelerator, ...]:
    """Return every accelerator, in the order of the table."""
    return tuple(dict.fromkeys(_by_key().values()))


def accelerator(name: str) -> Accelerator:
    """Return the accelerator of a name, in any case, with or without vendor, blanks and hyphens.

    Raises
    ------
    InputError
        If there is none; the message names close ones.

    Examples
    --------
    >>> accelerator("v100").tdp_w, accelerator("NVIDIA A100-SXM4-80GB").memory_gb
    (300.0, 80.0)
    """
    found = _by_key().get(_key(name))
    if found is None:
        names = {_key(one.name): one.name for one in accelerators()}
        hint = near_matches(_key(name), names)
        raise InputError(
            f"unknown accelerator {name!r}{hint}; give --power W of the whole job at the node instead"
        )
    return found
