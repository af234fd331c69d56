"""PUE on the bill: from the energy of nodes to that of their facility, once, by a number or a step function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lowtide.accounting.overhead import check_pue, to_facility
from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import BoundaryError, CoverageError
from lowtide.model.pue import PueSteps
from lowtide.quantities import format_instant
from lowtide.series import steps
from lowtide.series.types import PowerSeries

__all__ = [
    "Overhead",
    "PueSeries",
    "check_pue_covers",
    "facility_power",
    "kept_steps",
    "overhead",
    "product",
    "series_of",
    "touching",
]


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


def series_of(kept: PueSteps) -> PueSeries:
    """Return what was kept as a series."""
    edges = np.array(kept.edges_ns, dtype=np.int64)
    return PueSeries(edges_ns=edges, pue=np.array(kept.pue, dtype=np.float64), source=kept.source)


def kept_steps(series: PueSeries, *, start_ns: int, end_ns: int | None = None, path: str = "") -> PueSteps:
    """Return the steps of a series that touch a window, whole, so that a bill made of them is the same to the digit.

    Raises
    ------
    CoverageError
        If none does.
    """
    touches = series.edges_ns[1:] > start_ns
    if end_ns is not None:
        touches &= series.edges_ns[:-1] < end_ns
    found = np.flatnonzero(touches)
    if not len(found):
        first, last = format_instant(int(series.edges_ns[0])), format_instant(int(series.edges_ns[-1]))
        raise CoverageError(
            f"the PUE of {series.source} covers {first} to {last}, which lies outside the time asked for, from "
            f"{format_instant(start_ns)} on; give a file that covers it, or a number like 1.2"
        )
    part = slice(int(found[0]), int(found[-1]) + 1)
    return PueSteps(
        edges_ns=tuple(series.edges_ns[part.start : part.stop + 1].tolist()),
        pue=tuple(series.pue[part].tolist()),
        source=series.source,
        path=path,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overhead:
    """What a PUE makes of the power of nodes.

    Attributes
    ----------
    power : PowerSeries
        At the facility; at its own boundary without a PUE. Unknown where the PUE is.
    pue : float or None
        Mean, weighted by energy, where it is known; None without one.
    facility_kwh : float or None
        None without a PUE, and where some of the energy meets an unknown one.
    known_fraction : float
        Share of the energy at the node for which the PUE is known.
    steps : PueSteps or None
        The step function, for one that varies.
    """

    power: PowerSeries
    pue: float | None
    facility_kwh: float | None
    known_fraction: float
    steps: PueSteps | None


def overhead(power: PowerSeries, total_kwh: float, pue: float | PueSteps | None) -> Overhead:
    """Return what a PUE makes of the power of nodes; ``facility = sum power x pue`` over the steps of both.

    Parameters
    ----------
    power : PowerSeries
    total_kwh : float
        Its energy.
    pue : float, PueSteps or None

    Raises
    ------
    BoundaryError
        If the power is not at the node.

    Examples
    --------
    >>> hour = 3600 * 10**9
    >>> pue = PueSteps(edges_ns=(0, hour, 2 * hour), pue=(1.0, 1.5), source="example")
    >>> found = overhead(PowerSeries.constant(1000.0, start_ns=0, end_ns=2 * hour), 2.0, pue)
    >>> found.pue, found.facility_kwh
    (1.25, 2.5)
    """
    if pue is None:
        return Overhead(power=power, pue=None, facility_kwh=None, known_fraction=1.0, steps=None)
    if not isinstance(pue, PueSteps):
        billed = to_facility(power, pue)
        return Overhead(power=billed, pue=pue, facility_kwh=total_kwh * pue, known_fraction=1.0, steps=None)
    billed = facility_power(power, series_of(pue))
    node_j = steps.integrate(power.edges_ns, power.power_w, billed.edges_ns)
    unknown = np.isnan(billed.power_w)
    known_j, all_j = float(node_j[~unknown].sum()), float(node_j.sum())
    mean = billed.energy_j() / known_j if known_j else None
    complete = mean is not None and not node_j[unknown].any()
    return Overhead(
        power=billed,
        pue=mean,
        facility_kwh=total_kwh * mean if complete and mean is not None else None,
        known_fraction=1.0 if complete else known_j / all_j if all_j else 0.0,
        steps=touching(pue, billed),
    )


def touching(pue: PueSteps, power: PowerSeries) -> PueSteps:
    """Return the part of a PUE that touches a power's time; all of it where none does."""
    try:
        return kept_steps(series_of(pue), start_ns=power.start_ns, end_ns=power.end_ns, path=pue.path)
    except CoverageError:
        return pue


def check_pue_covers(power: PowerSeries, pue: float | PueSteps | None) -> None:
    """Refuse a PUE that leaves part of the power without a value.

    Raises
    ------
    CoverageError
        Says from when it is missing, and what would work.
    """
    if not isinstance(pue, PueSteps):
        return
    edges, values = product(
        power.edges_ns, power.power_w, np.array(pue.edges_ns, dtype=np.int64), np.array(pue.pue)
    )
    drawn = steps.at(power.edges_ns, power.power_w, edges[:-1])
    holes = np.flatnonzero(np.isnan(values) & ~np.isnan(drawn))
    if len(holes):
        raise CoverageError(
            f"the PUE of {pue.source} is unknown from {format_instant(int(edges[holes[0]]))} on, where power is "
            "drawn; give a file that covers it, a number like 1.2, or pass --gaps partial (gaps='partial')"
        )
