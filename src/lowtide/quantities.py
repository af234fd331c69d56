"""Reading and writing quantities as people type them: durations, power, energy, instants, shares.

Every function raises :class:`~lowtide.errors.QuantityError` with the value and a form that works.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from lowtide.errors import QuantityError
from lowtide.units import NS_PER_S

__all__ = [
    "check_end_ns",
    "format_duration",
    "format_instant",
    "parse_asked_ns",
    "parse_duration_s",
    "parse_energy_kwh",
    "parse_fraction",
    "parse_instant_ns",
    "parse_power_w",
    "said_of",
]

_T = TypeVar("_T")

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_DURATION_S: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_LONGEST_S: Final = 200 * 8766 * 3600.0
_FIRST_NS: Final = -3_786_825_600 * NS_PER_S
_AFTER_NS: Final = 4_133_980_800 * NS_PER_S
"""From 1850 to 2100: the instants that anything is asked for."""
_LAST_END_NS: Final = 8_835_955_200 * NS_PER_S
"""2250: what is asked for may end later than it may begin, but int64 nanoseconds end in 2262."""
_POWER_W: Final = {"mW": 0.001, "W": 1.0, "kW": 1e3, "MW": 1e6}
_ENERGY_KWH: Final = {
    "J": 1 / 3.6e6,
    "kJ": 1 / 3600,
    "MJ": 1 / 3.6,
    "Wh": 1e-3,
    "kWh": 1.0,
    "MWh": 1e3,
    "GWh": 1e6,
}


def parse_duration_s(text: str, *, bare_unit_s: float | None = None) -> float:
    """Return the seconds in ``90s 15m 36h 14.8d 1h30m``.

    Parameters
    ----------
    text : str
        What was typed.
    bare_unit_s : float, optional
        Seconds in one unit of a bare number [s]; without it a bare number is refused.

    Raises
    ------
    QuantityError
        If the text is not a non-negative duration, or longer than 200 years.

    Examples
    --------
    >>> parse_duration_s("1h30m")
    5400.0
    """
    stripped = text.strip()
    if bare_unit_s is not None and re.fullmatch(_NUMBER, stripped):
        return _elapsed(float(stripped) * bare_unit_s, text)
    units = "|".join(sorted(_DURATION_S, key=len, reverse=True))
    if not re.fullmatch(rf"(?:{_NUMBER}\s*(?:{units})\s*)+", stripped):
        raise QuantityError(
            f"cannot read {text!r} as a duration; write it like 90s, 15m, 36h, 14.8d or 1h30m"
        )
    parts = re.findall(rf"({_NUMBER})\s*({units})", stripped)
    return _elapsed(sum(float(number) * _DURATION_S[unit] for number, unit in parts), text)


def _elapsed(duration_s: float, text: str) -> float:
    if not duration_s <= _LONGEST_S:
        raise QuantityError(f"{text!r} is longer than 200 years; durations are elapsed time, not GPU time")
    return duration_s


def said_of(flag: str, text: str, parse: Callable[[str], _T]) -> _T:
    """Return what a flag's text means, naming the flag where it means nothing.

    >>> said_of("--power", "2kW", parse_power_w)
    2000.0
    """
    try:
        return parse(text)
    except QuantityError as error:
        raise QuantityError(f"{flag} {text}: {error}") from error


def _finite(value: float, text: str) -> float:
    if value == float("inf"):
        raise QuantityError(f"{text!r} is too large a number; write a finite one")
    return value


def _parse_scaled(text: str, scales: dict[str, float], what: str, examples: str) -> float:
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z]*)", text.strip())
    if match is None or (match[2] and match[2] not in scales):
        raise QuantityError(f"cannot read {text!r} as {what}; write it like {examples}")
    return _finite(float(match[1]) * scales.get(match[2], 1.0), text)


def parse_power_w(text: str) -> float:
    """Return watts from ``300W 2.4kW``; a bare number is watts.

    >>> parse_power_w("2.4kW")
    2400.0
    """
    return _parse_scaled(text, _POWER_W, "a power", "300W or 2.4kW")


def parse_energy_kwh(text: str) -> float:
    """Return kilowatt-hours from ``0.3kWh 1.2MWh 5MJ``; a bare number is kWh.

    >>> parse_energy_kwh("1.2MWh")
    1200.0
    """
    return _parse_scaled(text, _ENERGY_KWH, "an energy", "0.3kWh or 1.2MWh")


def parse_fraction(text: str) -> float:
    """Return a fraction from ``50%`` or ``0.5``.

    >>> parse_fraction("50%")
    0.5
    """
    match = re.fullmatch(rf"({_NUMBER})\s*(%?)", text.strip())
    if match is None:
        raise QuantityError(f"cannot read {text!r} as a share; write it like 50% or 0.5")
    return _finite(float(match[1]) / (100.0 if match[2] else 1.0), text)


def parse_instant_ns(text: str) -> int:
    """Return nanoseconds since 1970 UTC from ISO 8601 with an offset or ``Z``.

    Raises
    ------
    QuantityError
        If the text is no instant, or has no offset: a naive stamp could be any of 38 hours.

    Examples
    --------
    >>> parse_instant_ns("2026-03-01T00:00:00+01:00") == parse_instant_ns("2026-02-28T23:00Z")
    True
    """
    from datetime import UTC, datetime, timedelta

    stripped = text.strip()
    if stripped[-1:] == "z":
        stripped = f"{stripped[:-1]}Z"
    try:
        moment = datetime.fromisoformat(stripped)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise QuantityError(
            f"cannot read {text!r} as an instant; write it like 2026-03-01T05:00Z or 2026-03-01T06:00+01:00"
        ) from error
    if moment.tzinfo is None:
        shown = stripped if len(stripped) > len("2026-03-01") else f"{stripped}T00:00"
        raise QuantityError(
            f"{text!r} has no time zone; write {shown}Z for UTC, or add an offset like {shown}+01:00"
        )
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta // timedelta(microseconds=1)) * 1000


def parse_asked_ns(text: str) -> int:
    """Return nanoseconds since 1970 UTC as :func:`parse_instant_ns` does, of an instant in the years 1850 to 2100.

    Raises
    ------
    QuantityError
        If it is another one, or the text is no instant.

    Examples
    --------
    >>> parse_asked_ns("1970-01-01T00:00Z")
    0
    """
    t_ns = parse_instant_ns(text)
    if not _FIRST_NS <= t_ns < _AFTER_NS:
        raise QuantityError(f"{text} is too far away; instants between 1850 and 2100 can be asked for")
    return t_ns


def check_end_ns(end_ns: int) -> int:
    """Return the end of what is asked for [ns], refusing one after 2250.

    Raises
    ------
    QuantityError

    Examples
    --------
    >>> check_end_ns(3600 * 10**9)
    3600000000000
    """
    if end_ns > _LAST_END_NS:
        raise QuantityError("this would end after the year 2250; give an earlier start or a shorter time")
    return end_ns


def format_instant(t_ns: int) -> str:
    """Return an instant as UTC with ``Z`` and microseconds.

    >>> format_instant(1_000)
    '1970-01-01T00:00:00.000001Z'
    """
    from datetime import UTC, datetime

    seconds, rest_ns = divmod(t_ns, NS_PER_S)
    whole = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def format_duration(duration_s: float) -> str:
    """Return a duration as a person would say it.

    >>> format_duration(5400.0), format_duration(41.26)
    ('1h30m', '41.3s')
    """
    if duration_s < 60:
        return f"{duration_s:.3g}s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return "".join(shown[:2])
