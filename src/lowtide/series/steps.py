"""Step functions as plain arrays: the core of lowtide.

A step function is ``edges_ns`` (int64, n + 1, strictly increasing) and ``values`` (float64, n), each
value the mean over ``[edge_i, edge_i+1)``; NaN means unknown. Everything here takes arrays and
returns arrays. The one primitive is the integral of one function between the edges of another: joins
are then exact and need no resampling rule.

Cost: with m edges that span n steps of a function, :func:`integrate` is O(n + m log n) and allocates
O(n + m); merging the edges would allocate and sort n + m. Steps outside the edges cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import CoverageError, SeriesError
from lowtide.series.blocks import any_nan, areas, in_blocks, increases, pairwise, products, widths_s
from lowtide.units import NS_PER_S

__all__ = [
    "FloatArray",
    "IntArray",
    "add",
    "at",
    "check_steps",
    "clip",
    "covered_s",
    "cumulative_at",
    "integrate",
    "integrate_product",
    "mean",
    "resample",
]


def check_steps(edges_ns: Any, values: Any) -> tuple[IntArray, FloatArray]:
    """Return edges and values as int64 and float64 arrays after checking that they make a step function.

    Parameters
    ----------
    edges_ns : array_like of int, shape (n + 1,)
        Instants [ns since 1970 UTC], strictly increasing.
    values : array_like of float, shape (n,)
        Means over each step; NaN is unknown, infinity is refused.

    Raises
    ------
    SeriesError
        If shapes, order or values are wrong; the message names the first offending index.
    """
    raw = np.asarray(edges_ns)
    if raw.dtype.kind not in "iu":
        raise SeriesError(f"edges_ns must be integers (nanoseconds), got {raw.dtype}; use .astype('int64')")
    edges = raw.astype(np.int64, copy=False)
    steps = np.asarray(values, dtype=np.float64)
    if edges.ndim != 1 or steps.ndim != 1 or len(edges) != len(steps) + 1:
        raise SeriesError(f"{len(edges)} edges do not bound {len(steps)} values; n values need n + 1 edges")
    if len(steps) == 0:
        raise SeriesError("a series needs at least one step; got none")
    if not increases(edges):
        i = int(np.flatnonzero(edges[1:] <= edges[:-1])[0])
        raise SeriesError(
            f"edges_ns must strictly increase; edge {i + 1} ({edges[i + 1]}) follows {edges[i]}"
        )
    if any(np.isinf(steps[part]).any() for part in in_blocks(len(steps))):
        i = int(np.flatnonzero(np.isinf(steps))[0])
        raise SeriesError(f"value {i} is infinite; unknown is NaN")
    return edges, steps


def _same(a_edges_ns: IntArray, b_edges_ns: IntArray) -> bool:
    """Return whether edges are the same; those that were read together are one array."""
    return a_edges_ns is b_edges_ns or np.array_equal(a_edges_ns, b_edges_ns)


def _positions(
    edges_ns: IntArray, values: FloatArray, t_ns: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return instants moved inside the edges, the step that holds each, and its value, 0 when unknown.

    The last edge belongs to the last step.
    """
    inside = np.clip(t_ns, edges_ns[0], edges_ns[-1])
    i = np.clip(np.searchsorted(edges_ns, inside, side="right") - 1, 0, len(values) - 1)
    step = values[i]
    return inside, i, np.where(np.isnan(step), 0.0, step)


def cumulative_at(edges_ns: IntArray, values: FloatArray, t_ns: IntArray) -> FloatArray:
    """Return the integral from the first edge to each instant [value * s].

    Parameters
    ----------
    edges_ns, values : arrays, shapes (n + 1,) and (n,)
        A step function; NaN steps add nothing.
    t_ns : int64 array, shape (m,)
        Instants [ns] in any order; outside the edges the integral is held.
    """
    inside, i, step = _positions(edges_ns, values, t_ns)
    area = areas(edges_ns, values)
    before = np.concatenate(([0.0], np.cumsum(np.where(np.isnan(area), 0.0, area))))
    return np.asarray(before[i] + (inside - edges_ns[i]) / NS_PER_S * step, dtype=np.float64)


def integrate(edges_ns: IntArray, values: FloatArray, at_edges_ns: IntArray) -> FloatArray:
    """Return the integral of a step function over each interval of other edges [value * s].

    Parameters
    ----------
    edges_ns, values : arrays, shapes (n + 1,) and (n,)
        The function to integrate; NaN steps and time outside the edges add nothing
        (:func:`covered_s` says how much time that was).
    at_edges_ns : int64 array, shape (m + 1,)
        The intervals, in order of time.

    Returns
    -------
    float64 array, shape (m,)

    Examples
    --------
    >>> hour = 3600 * NS_PER_S
    >>> integrate(np.array([0, hour]), np.array([100.0]), np.array([0, hour // 2, hour])).tolist()
    [180000.0, 180000.0]
    """
    if _same(edges_ns, at_edges_ns):
        area = products(edges_ns, values)
        if any_nan(area):
            area[np.isnan(area)] = 0.0
        return area
    inside, i, step = _positions(edges_ns, values, at_edges_ns)
    between = _between(edges_ns, values, i)
    is_one = i[:-1] == i[1:]  # the interval lies in one step
    head_ns = np.where(is_one, inside[1:], edges_ns[i[:-1] + 1]) - inside[:-1]
    tail_ns = np.where(is_one, 0, inside[1:] - edges_ns[i[1:]])
    cut = (head_ns * step[:-1] + tail_ns * step[1:]) / NS_PER_S
    return np.asarray(between + cut, dtype=np.float64)


def _between(edges_ns: IntArray, values: FloatArray, i: IntArray) -> FloatArray:
    """Return the integral over the steps that lie whole between the steps `i`, which an interval cuts."""
    first, last = int(i[0]), int(i[-1])
    if len(i) == 2:
        return np.array([pairwise(areas, edges_ns, values, first + 1, max(first + 1, last))])
    area = areas(edges_ns[first : last + 2], values[first : last + 1])
    area[i - first] = 0.0  # cut steps are added by their own widths
    between = np.add.reduceat(area, i - first)[:-1]
    if np.isnan(between).any():  # the mask is made only when a sum has met a NaN
        area[np.isnan(area)] = 0.0
        between = np.add.reduceat(area, i - first)[:-1]
    return np.asarray(between, dtype=np.float64)


def covered_s(edges_ns: IntArray, values: FloatArray, at_edges_ns: IntArray) -> FloatArray:
    """Return the known time of a step function in each interval of other edges [s]."""
    if not any_nan(values):
        inside = np.clip(at_edges_ns, edges_ns[0], edges_ns[-1])
        return widths_s(inside)
    known = np.where(np.isnan(values), 0.0, 1.0)
    return integrate(edges_ns, known, at_edges_ns)


def integrate_product(
    a_edges_ns: IntArray, a_values: FloatArray, b_edges_ns: IntArray, b_values: FloatArray
) -> FloatArray:
    """Return the integral of a * b over each step of b [a * b * s].

    Both are constant inside a step of b's edges as far as b goes, so the integral of a there times b
    is exact. Unknown or missing a adds nothing; unknown b gives NaN for its step.

    Returns
    -------
    float64 array, shape (len(b_values),)
    """
    return integrate(a_edges_ns, a_values, b_edges_ns) * b_values


def at(edges_ns: IntArray, values: FloatArray, t_ns: Any) -> FloatArray:
    """Return the value at each instant; NaN outside the edges (the last edge is outside).

    >>> at(np.array([0, 10]), np.array([5.0]), np.array([-1, 0, 9, 10])).tolist()
    [nan, 5.0, 5.0, nan]
    """
    wanted = np.asarray(t_ns, dtype=np.int64)
    i = np.searchsorted(edges_ns, wanted, side="right") - 1
    inside = (i >= 0) & (i < len(values))
    found = np.where(inside, values[np.clip(i, 0, len(values) - 1)], np.nan)
    return np.asarray(found, dtype=np.float64)


def resample(edges_ns: IntArray, values: FloatArray, new_edges_ns: IntArray) -> FloatArray:
    """Return the mean over the known part of each new step; NaN where nothing is known.

    The integral is kept wherever the whole new step is known.
    """
    if _same(edges_ns, new_edges_ns):
        return _resampled_alike(edges_ns, values)
    known_s = covered_s(edges_ns, values, new_edges_ns)
    total = integrate(edges_ns, values, new_edges_ns)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known_s > 0.0, total / known_s, np.nan)


def _resampled_alike(edges_ns: IntArray, values: FloatArray) -> FloatArray:
    """Return the means over the function's own steps: the values, but for the last digit of the division."""
    means = products(edges_ns, values)
    for part in in_blocks(len(values)):
        means[part] /= widths_s(edges_ns[part.start : part.stop + 1])
    return means


def clip(edges_ns: IntArray, values: FloatArray, start_ns: int, end_ns: int) -> tuple[IntArray, FloatArray]:
    """Return the part of a step function inside ``[start_ns, end_ns)``, first and last step cut.

    Raises
    ------
    CoverageError
        If nothing of the function lies inside.
    """
    start, end = max(start_ns, int(edges_ns[0])), min(end_ns, int(edges_ns[-1]))
    if start >= end:
        raise CoverageError(
            f"nothing to clip: the series runs from {edges_ns[0]} to {edges_ns[-1]} ns, "
            f"the window from {start_ns} to {end_ns} ns"
        )
    first = int(np.searchsorted(edges_ns, start, side="right")) - 1
    last = int(np.searchsorted(edges_ns, end, side="left"))
    cut = edges_ns[first : last + 1].copy()
    cut[0], cut[-1] = start, end
    return cut, values[first:last]


def add(
    a_edges_ns: IntArray, a_values: FloatArray, b_edges_ns: IntArray, b_values: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the sum of two step functions on the union of their edges; NaN where either is unknown.

    Time outside one of them is unknown there, so it is NaN in the sum.
    """
    if _same(a_edges_ns, b_edges_ns):
        return a_edges_ns, a_values + b_values
    edges = np.union1d(a_edges_ns, b_edges_ns)
    return edges, at(a_edges_ns, a_values, edges[:-1]) + at(b_edges_ns, b_values, edges[:-1])


def mean(edges_ns: IntArray, values: FloatArray) -> float:
    """Return the mean over the known time; NaN when nothing is known."""
    return float(resample(edges_ns, values, edges_ns[[0, -1]])[0])
