"""The corners of a menu: the operating points an optimal plan can use.

Sharing time between two points reaches every throughput and power on the line between them, so only the
corners of the menu's convex hull matter. Where intensity is positive that is the lower hull (least power for
a throughput), where it is negative the upper one (most power).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lowtide.errors import InputError
from lowtide.model.planning import OperatingPoint

__all__ = ["Corner", "corners", "points_from_table", "prefix_point"]


class Corner(NamedTuple):
    """One point of a menu: throughput, power [W] and its position in the menu (-1: off)."""

    throughput: float
    power_w: float
    point: int


def _sorted(menu: Sequence[OperatingPoint], off_w: float | None) -> list[Corner]:
    found = [Corner(p.throughput, p.power_w, k) for k, p in enumerate(menu)]
    if off_w is not None:
        found.append(Corner(0.0, off_w, -1))
    return found


def corners(
    menu: Sequence[OperatingPoint], *, sign: int = 1, off_w: float | None = None
) -> tuple[Corner, ...]:
    """Return the corners of a menu's hull, by throughput.

    Parameters
    ----------
    menu : sequence of OperatingPoint
    sign : {1, -1}
        1 for the least power at each throughput, where intensity is positive; -1 for the most.
    off_w : float, optional
        Include being off, at this power [W].

    Returns
    -------
    tuple of Corner
        By increasing throughput, of increasing marginal power where `sign` is 1 and decreasing where it is
        -1. Points that do less for more power than another are left out where `sign` is 1.

    Notes
    -----
    Andrew's monotone chain, O(n log n).

    Examples
    --------
    >>> menu = [OperatingPoint(throughput=t, power_w=p) for t, p in ((1.0, 300.0), (0.5, 250.0), (2.0, 500.0))]
    >>> [corner.throughput for corner in corners(menu, off_w=0.0)]
    [0.0, 2.0]
    """
    ordered = sorted(_sorted(menu, off_w), key=lambda c: (c.throughput, sign * c.power_w, c.point))
    hull: list[Corner] = []
    for corner in ordered:
        if hull and hull[-1].throughput == corner.throughput:
            continue
        while len(hull) >= 2 and sign * _turn(hull[-2], hull[-1], corner) <= 0.0:
            hull.pop()
        hull.append(corner)
    if sign == 1:
        while len(hull) >= 2 and hull[0].point >= 0 and hull[0].power_w >= hull[1].power_w:
            hull.pop(0)
    return tuple(hull)


def _turn(a: Corner, b: Corner, c: Corner) -> float:
    """Return the cross product of the turn at b: positive to the left."""
    return (b.throughput - a.throughput) * (c.power_w - a.power_w) - (b.power_w - a.power_w) * (
        c.throughput - a.throughput
    )


def prefix_point(menu: Sequence[OperatingPoint], off_w: float, *, sign: int = 1) -> Corner:
    """Return the point at which to run for a part of a cell and then be off at `off_w` [W].

    It is the one of least (for `sign` -1 of most) power above `off_w` per unit of work; the quickest of
    equal ones, and a corner of the menu's hull in any case.
    """
    return min(
        corners(menu, sign=sign), key=lambda c: (sign * (c.power_w - off_w) / c.throughput, -c.throughput)
    )


def points_from_table(
    throughput: Sequence[float],
    power_w: Sequence[float],
    *,
    baseline: int,
    labels: Sequence[str] | None = None,
) -> tuple[OperatingPoint, ...]:
    """Return a menu from measured throughputs and powers, baseline first.

    Parameters
    ----------
    throughput : sequence of float
        In any unit of work per time, such as 1 / seconds per epoch (Zeus, You et al. 2023).
    power_w : sequence of float
        Power at the node [W].
    baseline : int
        The row whose throughput becomes 1.
    labels : sequence of str, optional

    Raises
    ------
    InputError
        If the columns differ in length or the baseline is none of the rows.
    """
    if not len(throughput) == len(power_w) == len(labels or power_w):
        raise InputError(f"{len(throughput)} throughputs do not fit {len(power_w)} powers")
    if not 0 <= baseline < len(throughput):
        raise InputError(f"baseline row {baseline} is none of {len(throughput)}")
    named = labels or [""] * len(power_w)
    rows = [baseline, *(i for i in range(len(power_w)) if i != baseline)]
    return tuple(
        OperatingPoint(
            throughput=1.0 if i == baseline else throughput[i] / throughput[baseline],
            power_w=power_w[i],
            label=named[i],
        )
        for i in rows
    )
