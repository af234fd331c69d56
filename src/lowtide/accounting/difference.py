"""The range of a saving: that of a difference, in which what errs on both sides alike cancels.

A sensor that reads 5 % too much does so in the run and in the same run at another time: the saving is 5 % off, not
5 % of either side. The intensity of an hour in which both would have drawn power errs for both: only what one side
draws more of in an hour is left, and of that each side errs as its own bill does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lowtide.accounting.uncertainty import Deviation, scale_to
from lowtide.arrays import FloatArray
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH, S_PER_H

__all__ = ["saving_deviations"]


def saving_deviations(
    at_once: PowerSeries,
    executed: PowerSeries,
    intensity: IntensitySeries,
    *,
    energy: Sequence[Deviation],
) -> list[Deviation]:
    """Return how far each source of error moves the emissions of one power less those of another [g].

    Parameters
    ----------
    at_once, executed : PowerSeries
        The same run at two times; both wholly within the intensity.
    intensity : IntensitySeries
    energy : sequence of Deviation
        Of the executed energy [kWh].

    Examples
    --------
    1 kWh at 400 instead of 100 g/kWh, by a meter that may be 10 % off: 300 g, give or take 30.

    >>> from lowtide.model.signal import Signal
    >>> hour = 3600 * 10**9
    >>> grid = IntensitySeries.of([0, hour, 2 * hour], [400.0, 100.0], signal=Signal(zone="X", source="example"))
    >>> now, later = (PowerSeries.constant(1000.0, start_ns=i * hour, end_ns=(i + 1) * hour) for i in (0, 1))
    >>> saving_deviations(now, later, grid, energy=[Deviation("meter", 0.1, 0.1)])
    [Deviation(source='meter', below=30.0, above=30.0)]
    """
    net_j = _per_step_j(at_once, intensity) - _per_step_j(executed, intensity)
    net_g = net_j * np.nan_to_num(intensity.intensity_g_per_kwh) / J_PER_KWH
    energy_kwh = executed.energy_kwh()
    found = scale_to(energy, float(net_g.sum()) / energy_kwh) if energy_kwh > 0.0 else []
    if intensity.signal.spread is None:
        return found
    for name, side, power in (("at once", net_j > 0.0, at_once), ("executed", net_j < 0.0, executed)):
        low, high = intensity.signal.spread.at_hours(power.duration_s / S_PER_H)
        g = float(np.abs(net_g[side]).sum())
        below, above = g * (1.0 - low), g * (high - 1.0)
        # Where the grid emitted more than was thought, what was executed there makes the saving smaller.
        down, up = (below, above) if name == "at once" else (above, below)
        found.append(Deviation(f"intensity, {name}", down, up))
    return found


def _per_step_j(power: PowerSeries, intensity: IntensitySeries) -> FloatArray:
    return steps.integrate(power.edges_ns, power.power_w, intensity.edges_ns)
