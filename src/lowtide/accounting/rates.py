"""From the readings of a record to power, with the gaps in it and why they are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lowtide.accounting.sampling import sampling_error_j, widen
from lowtide.model.record import Gap, Readings, Record
from lowtide.series import steps
from lowtide.series.blocks import any_nan, sum_of_products
from lowtide.series.readings import Rates, counter_rates, gauge_means
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["gaps_of", "range_of", "rates_of", "sum_of"]

_GAUGE_GAP_INTERVALS = 3.0
_LEAST_GAUGE_GAP_S = 2.5
_MOST_DELAY_INTERVALS = 5.0
_MOST_DELAY_S = 5.0
"""No gauge is moved back by more than both: one that states more than that would lose its beginning."""


def rates_of(readings: Readings, interval_s: float) -> Rates:
    """Return power [W], or a rate, from readings by what kind of channel it is.

    Unknown also before the first good reading and after the last one, as long as somebody tried to read.

    Parameters
    ----------
    readings : Readings
    interval_s : float
        Asked time between two readings [s]: a gauge says nothing of gaps much longer than that.

    Raises
    ------
    SeriesError
        If fewer than two readings are good.
    """
    channel = readings.channel
    if channel.kind == "counter":
        rates = counter_rates(
            readings.t_ns,
            np.asarray(readings.raw, dtype=np.int64),
            scale=channel.scale,
            modulus=channel.modulus,
            max_rate=channel.max_power_w,
        )
    else:
        values = np.asarray(readings.raw, dtype=np.float64) * channel.scale
        max_gap_s = max(_GAUGE_GAP_INTERVALS * interval_s, _LEAST_GAUGE_GAP_S)
        most_s = max(_MOST_DELAY_INTERVALS * interval_s, _MOST_DELAY_S)
        delay_s = min((channel.window_s + channel.update_s) / 2.0, most_s)
        rates = gauge_means(readings.t_ns, values, max_gap_s=max_gap_s, delay_s=delay_s)
    return _to_the_ends(rates, readings.t_ns)


def _to_the_ends(rates: Rates, t_ns: IntArray) -> Rates:
    """Add unknown steps where readings at the begin or the end failed: the device was there, its power was not seen."""
    edges, values = rates.edges_ns, rates.values
    if t_ns[0] < edges[0]:
        edges, values = np.append(t_ns[:1], edges), np.append(np.nan, values)
    if t_ns[-1] > edges[-1]:
        edges, values = np.append(edges, t_ns[-1:]), np.append(values, np.nan)
    return Rates(edges, values, rates.breaks)


def gaps_of(rates: Rates, channel: str, record: Record) -> tuple[Gap, ...]:
    """Return the unknown steps with their reason: what became of the counter, or what the sensor said."""
    if not any_nan(rates.values):
        return ()
    broken = {(b.start_ns, b.end_ns): b.kind for b in rates.breaks}
    said = [(e.t_ns, e.detail) for e in record.events if e.channel == channel and e.detail]
    found = []
    for i in np.flatnonzero(np.isnan(rates.values)).tolist():
        start_ns, end_ns = int(rates.edges_ns[i]), int(rates.edges_ns[i + 1])
        heard = [detail for t_ns, detail in said if start_ns <= t_ns <= end_ns]
        reason = heard[0] if heard else "no reading"
        if (start_ns, end_ns) in broken:
            reason = f"counter {broken[start_ns, end_ns]}"
        found.append(Gap(start_ns=start_ns, end_ns=end_ns, channel=channel, reason=reason))
    return tuple(found)


def sum_of(rates: Sequence[Rates]) -> tuple[IntArray, FloatArray]:
    """Return the sum of several powers (edges, values), unknown where one of them is."""
    edges, total = rates[0].edges_ns, rates[0].values
    for other in rates[1:]:
        edges, total = steps.add(edges, total, other.edges_ns, other.values)
    return edges, total


def range_of(readings: Sequence[Readings], rates: Sequence[Rates]) -> tuple[float, float]:
    """Return the 90 % interval of the sum of several channels, sampling included, as fractions of it.

    What the channels state is taken as common to all (one vendor's gain); sampling errors are independent.
    """
    energies = [sum_of_products(r.edges_ns, r.values) for r in rates]
    total = sum(energies)
    errors = [sampling_error_j(r, rate) for r, rate in zip(readings, rates, strict=True)]
    weights = [e / total if total else 1.0 / len(energies) for e in energies]
    low = sum(r.channel.low_fraction * w for r, w in zip(readings, weights, strict=True))
    high = sum(r.channel.high_fraction * w for r, w in zip(readings, weights, strict=True))
    error = float(np.sqrt(np.sum(np.square(errors)))) / total if total > 0.0 else 0.0
    return widen(low, error), widen(high, error)
