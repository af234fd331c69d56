"""How far energy from periodic readings can be from the truth, estimated from the readings themselves.

A *counter* misses nothing, but it is renewed only every so often: begin and end of a run are each seen up to one
period *T* late. The difference of two such delays is triangular on +-T, 90 % of it within ``T (1 - sqrt(0.1))``,
times the power.

A *gauge* shows the mean of a window *W* once in a step of length *D* and says nothing of the rest of it. Two limits are
known. If power stays at one level and jumps once at any time within a step, the trapezoid's error is uniform and its
variance ``(D d)**2 / 12``, where *d* is the difference of the two readings. If power changes so fast that readings are
independent draws, the variance of a step is that of a draw, which half the mean square successive difference
estimates without bias (von Neumann 1941): ``(D d)**2 / 2``. Which limit is near is told by the ratio of that
estimate to the variance of all readings, 1 for independent draws and near 0 for slow changes; the factor goes
linearly between. Steps add as variances, weighted by the share of the step that was not seen, ``1 - W / D``. The mean
delay of a reading, ``(T + W) / 2``, is corrected for; what remains of it, up to ``T / 2``, counts times the change of
power over the run, and the time after the last figure, as long as the delay, counts as one more draw.

What cannot be told from any readings: a load that repeats in exactly the interval of the readings looks constant.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lowtide.model.record import Readings
from lowtide.series.readings import Rates
from lowtide.series.steps import FloatArray
from lowtide.units import NS_PER_S

__all__ = ["sampling_error_j", "widen"]

_Z90: Final = 1.645
"""Half-width of a normal 90 % interval in standard deviations."""
_TRIANGLE_90: Final = 1.0 - math.sqrt(0.1)


def sampling_error_j(readings: Readings, rates: Rates) -> float:
    """Return the half-width of the 90 % interval of the energy [J] that reading now and then leaves.

    Parameters
    ----------
    readings : Readings
        Of an energy counter or a power gauge.
    rates : Rates
        The power [W] made of them.
    """
    channel = readings.channel
    known = ~np.isnan(rates.values)
    if not known.any():
        return 0.0
    if channel.kind == "counter":
        first_w, last_w = rates.values[known.argmax()], rates.values[len(known) - 1 - known[::-1].argmax()]
        return _TRIANGLE_90 * channel.update_s * float(max(first_w, last_w))
    values = np.asarray(readings.raw, dtype=np.float64) * channel.scale
    good = ~np.isnan(values)
    values, begins_ns = values[good], readings.t_ns[good][:-1]
    inside = np.searchsorted(
        rates.edges_ns, begins_ns
    )  # the steps between good readings, without unknown ends
    known = known[inside]
    duration_s = np.diff(rates.edges_ns)[inside][known] / NS_PER_S
    lag_j = channel.update_s / 2.0 * abs(float(values[-1] - values[0]))
    if channel.window_s == 0.0 and channel.update_s == 0.0:
        return lag_j  # a sensor that says nothing of its timing: its own range has to be enough
    unseen = np.clip(1.0 - channel.window_s / duration_s, 0.0, 1.0)
    difference = np.diff(values)[known]
    delay_s = (channel.update_s + channel.window_s) / 2.0
    variance = float(np.sum((duration_s * difference) ** 2 * unseen)) * _factor(values)
    variance += delay_s**2 * float(np.mean(np.diff(values) ** 2)) / 2.0
    return math.hypot(_Z90 * math.sqrt(variance), lag_j)


def _factor(values: FloatArray) -> float:
    """Return the variance of a step over its squared difference, from 1/12 (slow) to 1/2 (independent draws)."""
    spread = float(np.sum((values - values.mean()) ** 2))
    if spread == 0.0:
        return 0.5
    ratio = float(np.sum(np.diff(values) ** 2)) / 2.0 / spread
    return 1.0 / 12.0 + (1.0 / 2.0 - 1.0 / 12.0) * min(1.0, ratio)


def widen(fraction: float, error: float) -> float:
    """Return a bound of a range (0.95 or 1.05) with an independent relative error added in quadrature.

    >>> widen(0.97, 0.04)
    0.95
    """
    width = math.hypot(1.0 - fraction, error)
    return round(max(0.0, 1.0 - width), 12) if fraction <= 1.0 else 1.0 + width
