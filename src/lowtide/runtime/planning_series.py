"""Electricity prices and PUE from what a user typed: a number, or a file read like an intensity's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import numpy as np

from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.planning.pue import PueSeries
from lowtide.series.types import IntensitySeries, PriceSeries

__all__ = ["currency_of", "read_price", "read_pue"]

_PRICE_COLUMN: Final = re.compile(r"(?:.*_)?price(?:_([a-z]{3}))?(?:_per_(kwh|mwh))?", re.IGNORECASE)
_KWH_PER_MWH: Final = 1000.0
_DEAREST: Final = 20.0
"""A mean price above this [per kWh] is one per MWh whose file does not say so."""


def read_price(text: str, *, zone: str | None, window_ns: tuple[int, int]) -> PriceSeries:
    """Return the price of electricity per kilowatt-hour.

    Parameters
    ----------
    text : str
        A constant in USD/kWh, or a CSV or Parquet file in the forms of intensity files, or ``FILE@ZONE`` where
        the file names the zone otherwise. A column ``price_usd_per_mwh`` (any currency, ``mwh`` or ``kwh``) says
        its unit; without one values are per kWh.
    zone : str or None
        Of a file of several.
    window_ns : (int, int)
        From when to when a constant holds [ns].

    Raises
    ------
    DataFileError, ZoneError
        As for reading intensity.
    InputError
        If values per kWh look like values per MWh.
    """
    number = _number(text)
    if number is not None:
        edges = np.array(window_ns, dtype=np.int64)
        return PriceSeries(edges_ns=edges, price_usd_per_kwh=np.array([number]), source=f"{number:g} USD/kWh")
    path, _, market = text.rpartition("@") if "@" in text and not os.path.exists(text) else (text, "", "")
    column, currency, per = _price_column(path)
    series = _read(path, market or zone, column)
    values = series.intensity_g_per_kwh / (_KWH_PER_MWH if per == "mwh" else 1.0)
    known = values[~np.isnan(values)]
    if per is None and len(known) and float(np.abs(known).mean()) > _DEAREST:
        raise InputError(
            f"{path}: prices of {float(known.mean()):.3g} on average cannot be per kWh; name the column "
            "price_usd_per_mwh or price_eur_per_mwh"
        )
    source = f"file {os.path.basename(path)}, {currency.upper()}"
    return PriceSeries(edges_ns=series.edges_ns, price_usd_per_kwh=values, source=source)


def currency_of(price: PriceSeries) -> str:
    """Return the currency a price is in, ``USD`` unless its file says another.

    >>> currency_of(read_price("0.3", zone=None, window_ns=(0, 1)))
    'USD'
    """
    found = re.search(r", ([A-Z]{3})$", price.source)
    return found[1] if found else "USD"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not np.isfinite(value):
        raise QuantityError(f"a price of {text} cannot be; write it in USD/kWh, like 0.12")
    return value


def _price_column(path: str) -> tuple[str | None, str, str | None]:
    """Return (column, currency, kwh or mwh) of the first column that is called a price."""
    for name in _columns(path):
        match = _PRICE_COLUMN.fullmatch(name.strip())
        if match:
            per = match[2].casefold() if match[2] else None
            return name.strip(), match[1] or "usd", per
    return None, "usd", None


def _columns(path: str) -> list[str]:
    if path.casefold().endswith((".parquet", ".pq")):
        from lowtide.grid.parquet import ParquetSource

        return list(ParquetSource(Path(path)).names)
    try:
        with open(path, encoding="utf-8-sig") as file:
            first = next((line for line in file if line.strip() and not line.startswith("#")), "")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot be read ({error})", path=path) from error
    return [name.strip().strip('"') for name in re.split("[,;\t]", first.strip())]


def _read(path: str, zone: str | None, column: str | None) -> IntensitySeries:
    """Return a file's values; read as marginal rates, because prices too may be negative."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import read_intensity

    return read_intensity(path, zone=zone, column=column, basis="marginal", resolve=resolve_zone)


def read_pue(text: str, *, zone: str | None = None) -> float | PueSeries:
    """Return a PUE: a number, or a CSV or Parquet file with a column ``pue``.

    Raises
    ------
    QuantityError
        If it is neither a number nor a file.
    InputError
        If no facility can have it.
    """
    try:
        return float(text)
    except ValueError:
        pass
    if not os.path.exists(text):
        if text.casefold().endswith((".csv", ".parquet", ".pq")):
            raise DataFileError("no such file of a PUE", path=text)
        raise QuantityError(f"pue {text!r} is no number and no file; write it like 1.2 or pue.csv")
    column = "pue" if "pue" in _columns(text) else None
    series = _read(text, zone, column)
    source = f"file {os.path.basename(text)}"
    return PueSeries(edges_ns=series.edges_ns, pue=series.intensity_g_per_kwh, source=source)
