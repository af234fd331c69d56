"""How often the power sensor of an NVIDIA board is renewed and what time it averages, by architecture.

Source: Z. Yang, K. Adamek, W. Armour, *Part-time power measurements: nvidia-smi's lack of attention*, SC'24,
arXiv 2312.02741, more than 70 boards. An A100 or H100 looks 25 ms of every 100 ms; the averaged field of newer boards
looks all the time and answers with the mean of the last second. The gain of a board is off by up to 5 %.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["GAIN_ERROR", "PowerField", "PowerTiming", "counter_timing", "gauge_timing"]

GAIN_ERROR: Final = 0.05
"""Greatest error of a board's gain, as a fraction of its reading."""

PowerField = Literal["average", "instant", "usage"]


class PowerTiming(NamedTuple):
    """Period at which a reading is renewed and the time it is the mean of [s]."""

    update_s: float
    window_s: float


_PASCAL, _VOLTA, _TURING, _AMPERE, _HOPPER = 4, 5, 6, 7, 9
_AVERAGED: Final = PowerTiming(0.1, 1.0)
_INSTANT: Final = {
    _PASCAL: PowerTiming(0.02, 0.01),
    _VOLTA: PowerTiming(0.02, 0.01),
    _TURING: PowerTiming(0.1, 0.1),
}
_PART_TIME: Final = PowerTiming(0.1, 0.025)
_GA100: Final = ("A100", "A30", "A800")
"""The Ampere chips whose plain power reading is an instant and not a second's mean."""


def gauge_timing(architecture: int, name: str, field: PowerField) -> PowerTiming:
    """Return the timing of a power reading.

    Parameters
    ----------
    architecture : int
        As ``nvmlDeviceGetArchitecture`` numbers it; an unknown one is taken as the newest known.
    name : str
        The board's name.
    field : {"average", "instant", "usage"}
        ``usage`` is ``nvmlDeviceGetPowerUsage``: an instant before Ampere and on GA100, else the mean of a second.

    Examples
    --------
    >>> gauge_timing(9, "NVIDIA H100 80GB HBM3", "usage")
    PowerTiming(update_s=0.1, window_s=1.0)
    >>> gauge_timing(7, "NVIDIA A100-SXM4-40GB", "usage")
    PowerTiming(update_s=0.1, window_s=0.025)
    """
    if architecture <= _TURING:
        return _INSTANT.get(architecture, _INSTANT[_PASCAL])
    if field == "average":
        return _AVERAGED
    if architecture == _AMPERE and any(chip in name for chip in _GA100):
        return _PART_TIME
    if field == "usage":
        return _AVERAGED
    if architecture == _AMPERE:
        return _INSTANT[_TURING]
    if architecture == _HOPPER and "GH200" in name:
        return PowerTiming(0.1, 0.02)
    return _PART_TIME


def counter_timing(architecture: int) -> PowerTiming:
    """Return the timing of the energy counter: renewed with the sensor, and it misses no time."""
    return PowerTiming(0.02 if architecture == _VOLTA else 0.1, 0.0)
