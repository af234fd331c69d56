"""From raw readings to power: exact steps for counters, trapezoid means for gauges.

A counter's step between two valid readings is delta energy over delta time, exact however irregular
the readings are, also across readings that failed in between. What cannot be told apart is never
guessed: a reset, a wrap that may have happened more than once, or a rise that no such device can make,
leaves an unknown (NaN) step and a :class:`Break` that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from lowtide.errors import SeriesError
from lowtide.series.blocks import in_blocks, increases, widths_s
from lowtide.series.steps import FloatArray, IntArray
from lowtide.units import NS_PER_S

__all__ = ["MISSING", "Break", "Rates", "counter_rates", "gauge_means", "greatest_held", "held", "one_held"]

MISSING = int(np.iinfo(np.int64).min)
"""Raw counter value that stands for a failed reading; gauges use NaN."""
NDArrayT = TypeVar("NDArrayT", IntArray, FloatArray)
_LATE_S = 1.0
"""How long after the fact a device may still count what it drew [s]."""


class Break(NamedTuple):
    """Something that happened to a counter between two readings."""

    start_ns: int
    end_ns: int
    kind: Literal["wrap", "reset", "ambiguous", "impossible"]


class Rates(NamedTuple):
    """A step function of rates [unit / s] with what happened on the way.

    ``edges_ns`` int64 (n + 1,), ``values`` float64 (n,), NaN where unknown.
    """

    edges_ns: IntArray
    values: FloatArray
    breaks: tuple[Break, ...]


def counter_rates(
    t_ns: IntArray,
    raw: IntArray,
    *,
    scale: float,
    modulus: int | None = None,
    max_rate: float | None = None,
) -> Rates:
    """Return the exact mean rate between successive valid readings of a counter.

    Parameters
    ----------
    t_ns : int64 array, shape (n,)
        Instants of the readings [ns], strictly increasing.
    raw : int64 array, shape (n,)
        Raw counts; :data:`MISSING` where a reading failed.
    scale : float
        Units (J, s) in one raw count.
    modulus : int, optional
        Raw count at which the counter starts again from 0. Without it a fall is a reset.
    max_rate : float, optional
        Rate that cannot be exceeded [unit / s]. A fall whose unwrapped rate exceeds it is a reset,
        a step long enough to hold a whole turn at that rate is ambiguous, and a rise of more than it allows in the
        step and a second more (devices report late, in lumps) is impossible.

    Returns
    -------
    Rates
        Shape (m,) for m + 1 valid readings; NaN for resets and ambiguous steps.

    Raises
    ------
    SeriesError
        If fewer than two readings are valid, or instants do not increase.

    Examples
    --------
    >>> t = np.array([0, 1, 2], dtype=np.int64) * NS_PER_S
    >>> counter_rates(t, np.array([90, 98, 5]), scale=1.0, modulus=100, max_rate=20.0).values.tolist()
    [8.0, 7.0]
    """
    t, counts = (t_ns, raw) if not _any_missing(raw) else _without(_is_missing, t_ns, raw)
    _check_order(t, "counter")
    rates, breaks, durations_s = np.empty(len(t) - 1), [], widths_s(t)
    for part in in_blocks(len(rates)):
        ends = slice(part.start, part.stop + 1)
        duration_s, out = durations_s[part], rates[part]
        found = _block_rates(t[ends], counts[ends], duration_s, scale, modulus, max_rate, out=out)
        breaks += found
    return Rates(t, rates, tuple(sorted(breaks)))


def _block_rates(
    t: IntArray,
    counts: IntArray,
    duration_s: FloatArray,
    scale: float,
    modulus: int | None,
    max_rate: float | None,
    *,
    out: FloatArray,
) -> list[Break]:
    """Write the rates of some steps to `out`; return what happened in them."""
    steps = np.diff(counts)
    if not (steps.size and steps.min() < 0):
        np.multiply(steps, scale, out=out)
        np.divide(out, duration_s, out=out)
        if _is_plain(out, duration_s, scale, modulus, max_rate):
            return []
    delta = steps.astype(np.float64)
    fell = delta < 0
    if modulus is not None:
        delta = np.where(fell, delta + modulus, delta)
    rates = delta * scale / duration_s
    wrapped, reset = (fell, np.zeros_like(fell)) if modulus is not None else (np.zeros_like(fell), fell)
    ambiguous = np.zeros_like(fell)
    impossible = np.zeros_like(fell)
    if max_rate is not None:
        if modulus is not None:
            ambiguous = duration_s * max_rate >= modulus * scale
            reset = wrapped & ~ambiguous & (rates > max_rate)
            wrapped = wrapped & ~reset & ~ambiguous
        impossible = ~fell & ~ambiguous & (delta * scale > max_rate * (duration_s + _LATE_S))
    rates[reset | ambiguous | impossible] = np.nan
    kinds: tuple[tuple[Literal["wrap", "reset", "ambiguous", "impossible"], npt.NDArray[np.bool_]], ...] = (
        ("wrap", wrapped),
        ("reset", reset),
        ("ambiguous", ambiguous),
        ("impossible", impossible),
    )
    out[:] = rates
    return [Break(int(t[i]), int(t[i + 1]), kind) for kind, mask in kinds for i in np.flatnonzero(mask)]


def _is_plain(
    rates: FloatArray, duration_s: FloatArray, scale: float, modulus: int | None, max_rate: float | None
) -> bool:
    """Return whether a counter that never fell did nothing to be told of either: seen at once, as most times."""
    if max_rate is None:
        return True
    may_turn = modulus is not None and duration_s.max() * max_rate >= modulus * scale
    return bool(rates.max() <= max_rate and not may_turn)


def _is_missing(raw: IntArray) -> npt.NDArray[np.bool_]:
    return np.asarray(raw == MISSING, dtype=np.bool_)


def _any_missing(raw: IntArray) -> bool:
    return any(int(raw[part].min()) == MISSING for part in in_blocks(len(raw)))


def _without(
    has_failed: Callable[[NDArrayT], npt.NDArray[np.bool_]], t_ns: IntArray, values: NDArrayT
) -> tuple[IntArray, NDArrayT]:
    """Return instants and values without the readings that failed: the very arrays where none did."""
    if not any(has_failed(values[part]).any() for part in in_blocks(len(values))):
        return t_ns, values
    valid = ~has_failed(values)
    return t_ns[valid], values[valid]


def _check_order(t_ns: IntArray, what: str) -> None:
    if len(t_ns) < 2:
        raise SeriesError(f"a {what} needs two readings to say anything, got {len(t_ns)}")
    if not increases(t_ns):
        i = int(np.flatnonzero(t_ns[1:] <= t_ns[:-1])[0])
        raise SeriesError(
            f"readings must be in order of time, each later than the one before; "
            f"{t_ns[i + 1]} ns follows {t_ns[i]} ns"
        )


def gauge_means(t_ns: IntArray, values: FloatArray, *, max_gap_s: float, delay_s: float = 0.0) -> Rates:
    """Return the trapezoid mean between successive valid readings of a gauge.

    Parameters
    ----------
    t_ns : int64 array, shape (n,)
    values : float64 array, shape (n,)
        NaN where a reading failed.
    max_gap_s : float
        Two readings further apart than this [s] say nothing about the time between: NaN.
    delay_s : float
        How long before it is read a figure was true, on average [s]: half the window it is the mean of and half the
        period at which it is renewed. The trapezoids are moved back by it, and after the last the figure is held.

    Raises
    ------
    SeriesError
        If fewer than two readings are valid, or instants do not increase.

    Examples
    --------
    >>> t = np.array([0, 2, 4], dtype=np.int64) * NS_PER_S
    >>> gauge_means(t, np.array([100.0, 200.0, 200.0]), max_gap_s=5.0).values.tolist()
    [150.0, 200.0]

    The means of the last two seconds, so true a second before:

    >>> gauge_means(t, np.array([100.0, 200.0, 200.0]), max_gap_s=5.0, delay_s=1.0).values.tolist()
    [187.5, 200.0]
    """
    t, v = _without(np.isnan, t_ns, values)
    _check_order(t, "gauge")
    middle = (v[:-1] + v[1:]) / 2.0 if delay_s == 0.0 else _moved_back(t, v, delay_s)
    far = np.diff(t) / NS_PER_S > max_gap_s
    return Rates(t, np.where(far, np.nan, middle), ())


def _moved_back(t_ns: IntArray, values: FloatArray, delay_s: float) -> FloatArray:
    """Return the means over the steps of `t_ns` of the line through the values, each `delay_s` before its instant."""
    t_s = (t_ns - t_ns[0]) / NS_PER_S
    lasts_s = np.diff(t_s)
    integral = np.concatenate(([0.0], np.cumsum((values[:-1] + values[1:]) / 2.0 * lasts_s)))
    j = np.clip(np.searchsorted(t_s, t_s + delay_s, side="right") - 1, 0, len(t_s) - 1)
    into_s = t_s + delay_s - t_s[j]
    slope = np.append(np.diff(values) / lasts_s, 0.0)[j]
    until = integral[j] + values[j] * into_s + slope * into_s**2 / 2.0
    return np.asarray(np.diff(until) / lasts_s, dtype=np.float64)


def held(t_ns: IntArray, values: FloatArray, edges_ns: IntArray) -> FloatArray:
    """Return, for each step of `edges_ns`, the last valid reading at or before its start.

    Before the first reading the first is used: what is held this way (a share of the machine, a number
    of claims) was already so when the recorder first looked.
    """
    t, v = _without(np.isnan, t_ns, values)
    if len(t) == 0:
        return np.full(len(edges_ns) - 1, np.nan)
    if t is edges_ns:
        return np.asarray(v[:-1], dtype=np.float64)
    i = np.searchsorted(t, edges_ns[:-1], side="right") - 1
    return np.asarray(v[np.clip(i, 0, None)], dtype=np.float64)


def greatest_held(t_ns: IntArray, values: FloatArray, edges_ns: IntArray) -> FloatArray:
    """Return, for each step of `edges_ns`, the greatest value held at any time in it, both ends included.

    What is divided by such a number (idle power by the runs that share it) is then never given out
    twice in the step in which the number changed.

    Examples
    --------
    >>> t = np.array([0, 1, 2])
    >>> greatest_held(t, np.array([1.0, 2.0, 1.0]), np.array([0, 1, 2, 3])).tolist()
    [2.0, 2.0, 1.0]
    """
    t, v = _without(np.isnan, t_ns, values)
    if len(t) == 0:
        return np.full(len(edges_ns) - 1, np.nan)
    if t is edges_ns:
        return np.asarray(np.maximum(v[:-1], v[1:]), dtype=np.float64)
    first = np.clip(np.searchsorted(t, edges_ns[:-1], side="right") - 1, 0, None)
    after = np.maximum(np.searchsorted(t, edges_ns[1:], side="right"), first + 1)
    spans = np.column_stack((first, after)).ravel()  # reduceat: every other result is of [first, after)
    return np.maximum.reduceat(np.append(v, -np.inf), spans)[::2]


def one_held(values: FloatArray) -> float | None:
    """Return the value of all valid readings if they are one and the same, NaN if there is none, else None.

    >>> one_held(np.array([2.0, np.nan, 2.0])), one_held(np.array([1.0, 2.0]))
    (2.0, None)
    """
    if np.isnan(values[:1]).any():
        values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan")
    least, most = np.fmin.reduce(values), np.fmax.reduce(values)
    return float(least) if least == most else None
