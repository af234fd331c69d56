"""The same power at another time: what a run would have emitted had it started earlier or later."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lowtide.accounting.operational import operational
from lowtide.series.types import IntensitySeries, PowerSeries

__all__ = ["Shift", "best_start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The best start inside a window, beside the start that was.

    Attributes
    ----------
    start_ns : int
        The best start [ns].
    g, g_now : float
        Emissions at the best start and at the start that was [g].
    saving_fraction : float
        1 - g / g_now.
    n_starts : int
        Starts that were compared.
    """

    start_ns: int
    g: float
    g_now: float
    saving_fraction: float
    n_starts: int


def best_start(power: PowerSeries, intensity: IntensitySeries, *, within_ns: int) -> Shift | None:
    """Return the start of least emissions among now and every edge of the intensity within a window.

    Parameters
    ----------
    power : PowerSeries
        The run as it was; its shape is kept.
    intensity : IntensitySeries
    within_ns : int
        How much later the run may start [ns].

    Returns
    -------
    Shift or None
        None where the intensity does not cover the run at its own time, or its emissions are not
        positive; starts it does not wholly cover are left out. Ties go to the earliest.

    Notes
    -----
    Source: Flexible Start of Dodge et al. 2022 (arXiv 2206.05229). Cost: O(starts x (n + m log n)).
    """
    now = operational(power, intensity)
    if not now.g > 0.0 or now.covered_fraction < 1.0 - 1e-9:
        return None
    edges = intensity.edges_ns
    starts = edges[(edges > power.start_ns) & (edges <= power.start_ns + within_ns)]
    best, best_ns, n = now.g, power.start_ns, 1
    for start_ns in starts.tolist():
        later = replace(power, edges_ns=power.edges_ns + np.int64(start_ns - power.start_ns))
        account = operational(later, intensity)
        if account.covered_fraction < 1.0 - 1e-9:
            continue
        n += 1
        if account.g < best:
            best, best_ns = account.g, start_ns
    if n == 1:
        return None
    return Shift(start_ns=best_ns, g=best, g_now=now.g, saving_fraction=1.0 - best / now.g, n_starts=n)
