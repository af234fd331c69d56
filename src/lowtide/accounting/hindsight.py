"""The oracle: what no plan could have gone below, with the final intensity and the power that was measured.

Two bounds, by what the run was allowed to do. Without pauses every start at an edge of the intensity is tried, every
start that ends at one, being asked, and the start that was: exact for constant power, and for a recorded one over
these starts. With pauses the work may lie in any parts of the window: the highest power in the greenest parts, and
pauses that cost nothing. No order of the work, and no cost of a pause, can bring less than that.
"""

from __future__ import annotations

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import CoverageError
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH

__all__ = ["least_of_parts", "least_of_starts"]

_AT_ONCE = 1 << 20
"""Pairs of start and edge that are looked up together (8 MB an array)."""


def least_of_starts(
    work: PowerSeries, intensity: IntensitySeries, *, start_ns: int, end_ns: int
) -> float | None:
    """Return the least emissions of running through inside a window [g]; None where its intensity is not all known.

    Parameters
    ----------
    work : PowerSeries
        Power over work, starting when it did.
    intensity : IntensitySeries
    start_ns, end_ns : int
        The window [ns].

    Notes
    -----
    A start costs a sum over the steps of the intensity, whatever the steps of the power: O(n^2 log m).

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> grid = IntensitySeries.of([0, 10, 20, 30], [3.0, 1.0, 2.0], signal=Signal(zone="X", source="example"))
    >>> work = PowerSeries.constant(3.6e6, start_ns=0, end_ns=10)
    >>> round(least_of_starts(work, grid, start_ns=0, end_ns=30) * 1e9, 6)
    10.0
    """
    part = _whole(intensity, start_ns, end_ns)
    if part is None:
        return None
    length_ns = work.end_ns - work.start_ns
    tried = np.concatenate((part.edges_ns, part.edges_ns - length_ns, [start_ns, work.start_ns]))
    starts = np.unique(tried[(tried >= start_ns) & (tried <= end_ns - length_ns)])
    if not len(starts):
        return None
    n = max(1, _AT_ONCE // len(part.edges_ns))
    blocks = [_costs_j(work, part, starts[i : i + n]).min() for i in range(0, len(starts), n)]
    return float(min(blocks)) / J_PER_KWH


def _costs_j(work: PowerSeries, part: IntensitySeries, starts_ns: IntArray) -> FloatArray:
    """Return what each start costs [J x g/kWh]."""
    at_ns = part.edges_ns - starts_ns[:, None] + np.int64(work.start_ns)
    drawn = steps.cumulative_at(work.edges_ns, work.power_w, at_ns.ravel()).reshape(at_ns.shape)
    return np.asarray(np.diff(drawn, axis=1) @ part.intensity_g_per_kwh)


def least_of_parts(
    work: PowerSeries, intensity: IntensitySeries, *, start_ns: int, end_ns: int
) -> float | None:
    """Return a bound below the emissions of the work in any parts of a window [g]; None as for starts.

    Source: the rearrangement inequality (Hardy, Littlewood and Polya 1934, theorem 368): a sum of products is least
    with one side rising and the other falling. Cost: O(n log n + m log m).

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> grid = IntensitySeries.of([0, 10, 20, 30], [3.0, 1.0, 2.0], signal=Signal(zone="X", source="example"))
    >>> work = PowerSeries.constant(3.6e6, start_ns=0, end_ns=15)
    >>> round(least_of_parts(work, grid, start_ns=0, end_ns=30) * 1e9, 6)
    20.0
    """
    part = _whole(intensity, start_ns, end_ns)
    length_ns = work.end_ns - work.start_ns
    if part is None or length_ns > end_ns - start_ns:
        return None
    power_w = np.nan_to_num(work.power_w)  # unknown power is in no account
    falling = np.argsort(-power_w, kind="stable")
    done_ns = np.concatenate(([0], np.cumsum(np.diff(work.edges_ns)[falling])))
    rising = np.argsort(part.intensity_g_per_kwh, kind="stable")
    used_ns = np.concatenate(([0], np.cumsum(np.diff(part.edges_ns)[rising])))
    drawn = np.diff(steps.cumulative_at(done_ns, power_w[falling], np.minimum(used_ns, length_ns)))
    return float(drawn @ part.intensity_g_per_kwh[rising]) / J_PER_KWH


def _whole(intensity: IntensitySeries, start_ns: int, end_ns: int) -> IntensitySeries | None:
    """Return an intensity inside a window, None where it is not known in all of it."""
    try:
        part = intensity.clip(start_ns=start_ns, end_ns=end_ns)
    except CoverageError:
        return None
    is_whole = part.start_ns == start_ns and part.end_ns == end_ns
    return part if is_whole and not np.isnan(part.intensity_g_per_kwh).any() else None
