"""What people type of a training, read into numbers: counts, accelerators, ranges."""

from __future__ import annotations

import math
import re
from typing import Final

from lowtide.errors import QuantityError
from lowtide.estimation.ranged import Ranged, parse_ranged
from lowtide.quantities import parse_duration_s

__all__ = ["parse_count", "parse_gpus", "parse_hours", "parse_power_per_gpu"]

_SUFFIXES: Final = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"


def parse_count(text: str, *, name: str) -> float:
    """Return the number in ``175e9``, ``175B``, ``1.5T``, ``20M`` or ``300``.

    Raises
    ------
    QuantityError
        If it cannot be read, is not positive, or not finite.

    Examples
    --------
    >>> parse_count("7B", name="--params"), parse_count("1.5e12", name="--tokens")
    (7000000000.0, 1500000000000.0)
    """
    match = re.fullmatch(rf"({_NUMBER})\s*([kKMGBT]?)", text.strip())
    value = float(match[1]) * _SUFFIXES[match[2]] if match else math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise QuantityError(f"{name}: cannot read {text!r} as a number above 0; write it like 175e9 or 175B")
    return value


def parse_gpus(text: str) -> tuple[float, str | None]:
    """Return (number, name) of ``10000xV100``, ``8 x A100 PCIe``, ``8`` or ``V100``.

    Raises
    ------
    QuantityError

    Examples
    --------
    >>> parse_gpus("10000xV100"), parse_gpus("8"), parse_gpus("TPU v3")
    ((10000.0, 'V100'), (8.0, None), (1.0, 'TPU v3'))
    """
    stripped = text.strip()
    match = re.fullmatch(r"([0-9][0-9_,]*)(?:\s*[xX*]\s*(\S.*))?", stripped)
    if match is not None:
        number = float(re.sub("[_,]", "", match[1]))
        if number < 1.0:
            raise QuantityError(f"--gpus {text!r}: at least one accelerator works; write it like 8xV100")
        return number, match[2]
    if not stripped or stripped.startswith(("-", "0.", "+")) or not re.match(r"[A-Za-z0-9]", stripped):
        raise QuantityError(f"cannot read --gpus {text!r}; write it like 8xV100, or 8 with --power-per-gpu")
    return 1.0, stripped


def parse_hours(text: str) -> Ranged:
    """Return hours from a duration like ``14.8d``, or a range like ``10d..20d``; a bare number is hours.

    Examples
    --------
    >>> round(parse_hours("14.8d").value, 1), parse_hours("36").value
    (355.2, 36.0)
    """
    parts = [parse_duration_s(part, bare_unit_s=3600.0) / 3600.0 for part in text.split("..")]
    return parse_ranged("..".join(repr(part) for part in parts), name="--duration", typed=text)


def parse_power_per_gpu(text: str) -> Ranged:
    """Return watts from ``330``, ``330W``, ``0.33kW`` or a range like ``300..360``.

    Examples
    --------
    >>> parse_power_per_gpu("300W..360W").high
    360.0
    """
    from lowtide.quantities import parse_power_w

    watts = [parse_power_w(part) for part in text.split("..")]
    return parse_ranged("..".join(repr(w) for w in watts), name="--power-per-gpu", typed=text)
