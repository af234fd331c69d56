"""PUE that varies in time: a step function, applied once, to the energy of nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lowtide.accounting.overhead import check_pue, to_facility
from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import BoundaryError
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries

__all__ = ["PueSeries", "facility_power", "product", "with_pue"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PueSeries:
    """Power usage effectiveness as a step function.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
    pue : float64 array, shape (n,)
        Facility energy over node energy, 1 to 5; NaN is unknown.
    source : str

    Raises
    ------
    InputError
        If a value is below 1 or above 5.

    Examples
    --------
    >>> PueSeries(edges_ns=np.array([0, 10]), pue=np.array([1.2]), source="example").pue.tolist()
    [1.2]
    """

    edges_ns: IntArray
    pue: FloatArray
    source: str

    def __post_init__(self) -> None:
        edges, values = steps.check_steps(self.edges_ns, self.pue)
        known = values[~np.isnan(values)]
        if len(known):
            check_pue(float(known.min()))
            check_pue(float(known.max()))
        object.__setattr__(self, "edges_ns", edges)
        object.__setattr__(self, "pue", values)


def product(
    edges_a: IntArray, a: FloatArray, edges_b: IntArray, b: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return a * b on the union of their edges; NaN where either is unknown."""
    edges = np.union1d(edges_a, edges_b)
    return edges, steps.at(edges_a, a, edges[:-1]) * steps.at(edges_b, b, edges[:-1])


def facility_power(power: PowerSeries, pue: float | PueSeries) -> PowerSeries:
    """Return the facility's power for a node's [W], as :func:`lowtide.accounting.overhead.to_facility` does.

    Energy drawn while a PUE series is unknown is unknown.

    Raises
    ------
    BoundaryError
        If the power is not at the node: PUE would be applied twice, or to a part of a node.

    Examples
    --------
    >>> pue = PueSeries(edges_ns=np.array([0, 10, 20]), pue=np.array([1.0, 1.5]), source="example")
    >>> facility_power(PowerSeries.constant(100.0, start_ns=0, end_ns=20), pue).power_w.tolist()
    [100.0, 150.0]
    """
    if not isinstance(pue, PueSeries):
        return to_facility(power, pue)
    if power.boundary != "node":
        raise BoundaryError(f"PUE applies to a node, once; this power is at boundary {power.boundary!r}")
    edges, values = product(power.edges_ns, power.power_w, pue.edges_ns, pue.pue)
    inside = (edges >= power.start_ns) & (edges <= power.end_ns)
    first = int(np.argmax(inside))
    n = int(inside.sum())
    return PowerSeries(
        edges_ns=edges[first : first + n], power_w=values[first : first + n - 1], boundary="facility"
    )


def with_pue(series: IntensitySeries, pue: PueSeries) -> IntensitySeries:
    """Return an intensity per kilowatt-hour at the node: intensity times PUE, cut at the edges of both."""
    edges, values = product(series.edges_ns, series.intensity_g_per_kwh, pue.edges_ns, pue.pue)
    codes = steps.at(series.edges_ns, series.status.astype(np.float64), edges[:-1])
    status = np.nan_to_num(codes).astype(np.uint8)
    return replace(series, edges_ns=edges, intensity_g_per_kwh=values, status=status)
