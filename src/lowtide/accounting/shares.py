"""The share rule: how a component's power is divided among the runs on a machine, as arrays and series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lowtide.errors import BoundaryError
from lowtide.model.record import Attribution
from lowtide.series import steps
from lowtide.series.blocks import in_blocks, total
from lowtide.series.steps import FloatArray
from lowtide.series.types import PowerSeries, total_power

__all__ = ["part_of", "sm_share", "total_of", "unattributed"]


def part_of(
    power_w: FloatArray,
    idle_w: FloatArray | float,
    *,
    share: FloatArray | float,
    total_share: FloatArray | float,
    cpu_fraction: FloatArray | float,
    attribution: Attribution = "share",
) -> tuple[FloatArray, FloatArray]:
    """Return a run's part of a component's power and the idle part of it [W].

    The part is ``(P - idle) * cpu_fraction + idle * share / max(1, total_share)``.

    Parameters
    ----------
    power_w : float64 array, shape (n,)
        The whole component's power [W].
    idle_w : float or array
        What it draws doing nothing [W]; never more than `power_w`.
    share : float or array
        Share of the machine the run may use.
    total_share : float or array
        Sum of all runs' shares, this one included.
    cpu_fraction : float or array
        The run's share of all CPU time spent.
    attribution : {"share", "dynamic", "machine"}

    Examples
    --------
    Two runs that may each use the whole of a 100 W machine (40 W idle), one with 3/4 of the CPU time:

    >>> part_of(np.array([100.0]), 40.0, share=1.0, total_share=2.0, cpu_fraction=0.75)[0].tolist()
    [65.0]
    """
    power, idle = np.empty_like(power_w), np.empty_like(power_w)
    for block in in_blocks(len(power_w)):
        power[block], idle[block] = _part_of(
            power_w[block],
            _within(idle_w, block),
            _within(share, block) / np.maximum(1.0, _within(total_share, block)),
            _within(cpu_fraction, block),
            attribution,
        )
    return power, idle


def _part_of(
    power_w: FloatArray,
    idle_w: FloatArray,
    share: FloatArray,
    cpu_fraction: FloatArray,
    attribution: Attribution,
) -> tuple[FloatArray, FloatArray]:
    idle = np.minimum(idle_w, power_w)
    if attribution == "machine":
        return power_w, idle
    dynamic = (power_w - idle) * cpu_fraction
    if attribution == "dynamic":
        return dynamic, np.zeros_like(dynamic)
    idle_part = idle * share
    return dynamic + idle_part, idle_part


def _within(values: FloatArray | float, block: slice) -> FloatArray:
    """Return a block of an array; one number is the same in all of them."""
    array = np.asarray(values, dtype=np.float64)
    return array[block] if array.ndim else array


def sm_share(run: FloatArray, others: FloatArray, n_others: FloatArray) -> FloatArray:
    """Return a run's share of a GPU from the SM utilisation of its processes and of the others.

    All of it while nobody else is there or nothing is known; by utilisation while anybody computes; an equal part for
    the run and for each other process while nobody does.

    >>> none, half = np.array([0.0]), np.array([0.5])
    >>> sm_share(half, none, none), sm_share(half, half, np.array([1.0])), sm_share(none, none, np.array([3.0]))
    (array([1.]), array([0.5]), array([0.25]))
    """
    total = run + others
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0.0, run / total, 1.0 / (1.0 + n_others))
    return np.where(np.isnan(share) | (n_others == 0.0), 1.0, share)


def total_of(parts: Sequence[PowerSeries]) -> PowerSeries:
    """Return the sum of components on the union of their edges; unknown only where all are unknown."""
    edges = parts[0].edges_ns
    if all(part.edges_ns is edges for part in parts):
        total_w = total([part.power_w for part in parts])
        return PowerSeries(edges_ns=edges, power_w=total_w, boundary="components")
    return total_power(parts, boundary="components", where_known="any")


def unattributed(machine: PowerSeries, parts: Sequence[PowerSeries]) -> PowerSeries:
    """Return what of a machine's power none of the runs takes [W], on the union of all edges.

    A run takes nothing before it starts, after it ends and where its part is unknown.

    Parameters
    ----------
    machine : PowerSeries
    parts : sequence of PowerSeries
        The runs' parts at the same boundary; runs inside another of them left out.

    Raises
    ------
    BoundaryError
        If a part is at another boundary than the machine.

    Examples
    --------
    >>> machine = PowerSeries.constant(100.0, start_ns=0, end_ns=20)
    >>> unattributed(machine, [PowerSeries.constant(60.0, start_ns=10, end_ns=20)]).power_w.tolist()
    [100.0, 40.0]
    """
    other = [part.boundary for part in parts if part.boundary != machine.boundary]
    if other:
        raise BoundaryError(f"a run at boundary {other[0]!r} is no part of a machine at {machine.boundary!r}")
    edges = np.unique(np.concatenate([series.edges_ns for series in (machine, *parts)]))
    left = steps.at(machine.edges_ns, machine.power_w, edges[:-1])
    for part in parts:
        taken = steps.at(part.edges_ns, part.power_w, edges[:-1])
        left = left - np.where(np.isnan(taken), 0.0, taken)
    return PowerSeries(edges_ns=edges, power_w=left, boundary=machine.boundary)
