"""Cells of sacct's table: instants, times, amounts, lists of resources and of nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from lowtide.errors import InputError

__all__ = ["bytes_of", "expand_nodes", "gpus_of", "instant_ns", "seconds_of", "tres_of"]

_UNKNOWN: Final = ("", "Unknown", "None", "N/A", "None assigned")


def tres_of(text: str) -> dict[str, str]:
    """Return what ``cpu=2,mem=4G`` says.

    >>> tres_of("cpu=2,mem=4G")
    {'cpu': '2', 'mem': '4G'}
    """
    return {key: value for key, _, value in (part.partition("=") for part in text.split(",")) if key}


def gpus_of(tres: Mapping[str, str]) -> dict[str, int]:
    """Return the accelerators by type: ``gres/gpu`` counts the typed ones too."""
    typed = {key.partition(":")[2]: int(n) for key, n in tres.items() if key.startswith("gres/gpu:")}
    rest = int(tres.get("gres/gpu", "0")) - sum(typed.values())
    return {**typed, **({"": rest} if rest > 0 else {})}


def bytes_of(text: str) -> int:
    """Return an amount of memory in bytes.

    >>> bytes_of("1.5G"), bytes_of("200M")
    (1610612736, 209715200)
    """
    scale = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
    unit = text[-1:].upper()
    return round(float(text[:-1]) * scale[unit]) if unit in scale else round(float(text or 0))


def seconds_of(text: str) -> float | None:
    """Return ``[days-]hours:minutes:seconds`` or ``minutes:seconds.fraction`` [s]."""
    if not text:
        return None
    days, _, clock = text.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60.0 + float(part)
    return total + 86_400.0 * int(days or 0)


def instant_ns(text: str, utc_offset_s: int | None) -> int | None:
    """Return an instant, None where Slurm has none.

    Raises
    ------
    InputError
        If it is local and no offset says of where.
    """
    if text in _UNKNOWN:
        return None
    if text.isdigit():
        return int(text) * 10**9 or None
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"cannot read {text!r} as an instant of sacct") from error
    if stamp.tzinfo is None:
        if utc_offset_s is None:
            raise InputError(
                f"{text} does not say of which time zone: write the file with SLURM_TIME_FORMAT=%s, or give "
                "--utc-offset +01:00"
            )
        stamp = stamp.replace(tzinfo=UTC)
        return (round(stamp.timestamp()) - utc_offset_s) * 10**9
    return round(stamp.timestamp()) * 10**9


def expand_nodes(text: str) -> tuple[str, ...]:
    """Return the nodes of a list as Slurm writes it.

    Examples
    --------
    >>> expand_nodes("gpu[08-10,12],login"), expand_nodes("None assigned")
    (('gpu08', 'gpu09', 'gpu10', 'gpu12', 'login'), ())
    """
    if text in _UNKNOWN:
        return ()
    found: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        found += _expand(part)
    return tuple(found)


def _expand(part: str) -> list[str]:
    match = re.fullmatch(r"([^\[]*)\[([^\]]*)\](.*)", part)
    if match is None:
        return [part]
    names = []
    for piece in match[2].split(","):
        first, dash, last = piece.partition("-")
        numbers = range(int(first), int(last) + 1) if dash else [int(first)]
        names += [f"{match[1]}{number:0{len(first)}d}" for number in numbers]
    return [name + tail for name in names for tail in _expand(match[3])]
